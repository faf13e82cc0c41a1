"""The command line: arguments to configuration, one call, a table. No logic of its own.

Each command imports what it runs: `--help` answers at once, and so does every worker process start, which imports this
module again.
"""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from algstack import __version__, display
from algstack.engine import default_workers
from algstack.errors import AlgstackError, ExitCode

if TYPE_CHECKING:
    from algstack import explain, pipeline
    from algstack.dedup.audit import Audit
    from algstack.dedup.passages import Report
    from algstack.filter import tables as filter_tables
    from algstack.filter import waterfall
    from algstack.workspace import Context, Progress, Workspace

app = typer.Typer(
    name="algstack",
    help="Build math-and-code training sets: crawl, filter, deduplicate, release.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

ManifestOption = Annotated[
    Path, typer.Option("--manifest", "-m", help="The manifest, or the name of one that ships with algstack.")
]
WorkspaceOption = Annotated[Path, typer.Option("--workspace", "-w", help="The folder that holds the stages.")]
WorkersOption = Annotated[
    int | None, typer.Option("--workers", min=1, help="Processes to work with.", show_default="all cores")
]
InputOption = Annotated[
    list[str] | None,
    typer.Option("--input", help="Any Parquet or JSON-lines files instead of a workspace (glob patterns, repeatable)."),
]
TextColumn = Annotated[str | None, typer.Option(help="With --input: the column of the text.")]
IdColumn = Annotated[str | None, typer.Option(help="With --input: the column of unique ids.")]
PathColumn = Annotated[str | None, typer.Option(help="With --input: the column of paths.")]
RepoColumn = Annotated[str | None, typer.Option(help="With --input: the column of repositories.")]
LangColumn = Annotated[str | None, typer.Option(help="With --input: the column of languages.")]
OutputOption = Annotated[Path | None, typer.Option("--output", "-o", help="With --input: the folder to write.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]

UsageError: Any = typer.BadParameter.__base__
"""Typer carries a click of its own in some versions; this is the one that it raises."""

DEFAULT_MANIFEST = Path("algstack.toml")
DEFAULT_WORKSPACE = Path("work")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"algstack {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Say which.")] = False,
) -> None:
    pass


@app.command()
def init(
    path: Annotated[Path, typer.Argument(help="Where to write it.")] = DEFAULT_MANIFEST,
    name: Annotated[str | None, typer.Option(help="Name of the dataset.", show_default="the folder's name")] = None,
) -> None:
    """Write a commented manifest to start from."""
    from algstack.init import write_manifest

    write_manifest(path, name)
    typer.echo(f"Wrote {path}. Point its sources at your files, then run `algstack build`.")


@app.command()
def crawl(
    source: Annotated[list[str] | None, typer.Option("--source", help="Only this source (repeatable).")] = None,
    retry: Annotated[
        list[str] | None,
        typer.Option(help="Try repositories again that ended so: failed, gone or blocked (repeatable)."),
    ] = None,
    listing: Annotated[
        str | None, typer.Option("--list", metavar="URL", help="Only show the Stack Exchange dumps that a page offers.")
    ] = None,
    manifest_path: ManifestOption = DEFAULT_MANIFEST,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    workers: WorkersOption = None,
    as_json: JsonOption = False,
) -> None:
    """Fetch what the manifest names: sources to documents."""
    from algstack.crawl import stage as crawl_stage
    from algstack.filter import stage as filter_stage

    if listing is not None:
        _show_offers(listing, as_json)
        return

    def run(context: Context) -> pipeline.Records:
        return crawl_stage.run(context, filter_stage.languages_of(context.manifest), source, retry or ())

    _run_stage("crawl", run, manifest_path, workspace, workers, as_json)


@app.command("filter")
def filter_(
    lang: Annotated[
        list[str] | None, typer.Option("--lang", help="Only this language (repeatable); with --input one, of all rows.")
    ] = None,
    profile: Annotated[str | None, typer.Option(help="default or llemma.", show_default="the manifest's")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what is left after each rule.")] = False,
    inputs: InputOption = None,
    output: OutputOption = None,
    text_column: TextColumn = None,
    id_column: IdColumn = None,
    path_column: PathColumn = None,
    repo_column: RepoColumn = None,
    license_column: Annotated[str | None, typer.Option(help="With --input: the column of licences.")] = None,
    lang_column: LangColumn = None,
    folder: Annotated[Path | None, typer.Option("--filters", help="With --input: filter files of your own.")] = None,
    manifest_path: ManifestOption = DEFAULT_MANIFEST,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    workers: WorkersOption = None,
    as_json: JsonOption = False,
) -> None:
    """Decide which documents are the mathematics that is wanted."""
    from algstack.filter import stage as filter_stage
    from algstack.filter import tables as filter_tables
    from algstack.filter import waterfall
    from algstack.tables import TableColumns

    def run(context: Context) -> pipeline.Records:
        chosen = replace(context, manifest=context.manifest.override("filter", profile=profile))
        return filter_stage.run(chosen, lang)

    if inputs:
        columns = TableColumns(
            text_column=text_column,
            id_column=id_column,
            path_column=path_column,
            repo_column=repo_column,
            license_column=license_column,
            lang_column=lang_column,
        )
        table_filter = filter_tables.table_filter(profile, folder, lang, columns)
        _filter_tables(inputs, output, table_filter, dry_run, workers, as_json)
    elif dry_run:
        with display.progress() as progress:
            context = _context(manifest_path, workspace, workers, progress)
            chosen = replace(context, manifest=context.manifest.override("filter", profile=profile))
            steps = waterfall.of_workspace(chosen, lang)
        _show_waterfall(steps, as_json)
    else:
        _run_stage("filter", run, manifest_path, workspace, workers, as_json)


def _filter_tables(
    inputs: list[str],
    output: Path | None,
    table_filter: filter_tables.TableFilter,
    dry_run: bool,
    workers: int | None,
    as_json: bool,
) -> None:
    from algstack import pipeline
    from algstack.filter import tables as filter_tables
    from algstack.filter import waterfall

    if output is None and not dry_run:
        raise UsageError("--input needs --output DIR, or --dry-run.")
    with display.progress() as progress:
        if output is None or dry_run:
            steps = waterfall.of_tables(inputs, table_filter, workers or default_workers(), progress)
        else:
            work = partial(filter_tables.run, inputs, output, table_filter, workers or default_workers())
            summary = pipeline.timed_tables("filter", output, progress, work)
    if dry_run:
        _show_waterfall(steps, as_json)
    else:
        _show([summary], as_json)


def _show_waterfall(steps: list[waterfall.Step], as_json: bool) -> None:
    from algstack.filter import waterfall

    if as_json:
        typer.echo(json.dumps([step._asdict() for step in steps], indent=2))
    else:
        typer.echo("\n".join(waterfall.in_words(steps)))


@app.command()
def dedup(
    threshold: Annotated[
        float | None, typer.Option(help="Least similarity of near-duplicates.", show_default="the manifest's, or 0.7")
    ] = None,
    against: Annotated[
        list[str] | None, typer.Option(help="An earlier release: drop what it holds already (repeatable).")
    ] = None,
    within: Annotated[str | None, typer.Option(help="Two duplicates must agree in it: lang, source or repo.")] = None,
    memory: Annotated[str, typer.Option(help="Memory to use; 100 bytes a document at least.")] = "4GiB",
    audit: Annotated[int, typer.Option(min=0, help="Documents to sample and compare with all others exactly.")] = 0,
    passages: Annotated[
        int | None, typer.Option(min=1, help="Show so many of the longest passages that kept documents have in common.")
    ] = None,
    explain_bands: Annotated[
        bool, typer.Option("--explain-bands", help="Show how recall is reached; do nothing.")
    ] = False,
    inputs: InputOption = None,
    output: OutputOption = None,
    text_column: TextColumn = None,
    id_column: IdColumn = None,
    manifest_path: ManifestOption = DEFAULT_MANIFEST,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    workers: WorkersOption = None,
    as_json: JsonOption = False,
) -> None:
    """Drop exact and near-duplicates, each with its keeper and similarity."""
    from algstack import pipeline
    from algstack.dedup import stage as dedup_stage
    from algstack.dedup import tables as dedup_tables
    from algstack.tables import TableColumns

    budget = dedup_stage.parse_memory(memory)
    if explain_bands:
        for line in dedup_stage.explain_bands(0.7 if threshold is None else threshold):
            typer.echo(line)
        return
    if inputs or output:
        folder = _output(inputs, output)
        wished = dedup_tables.settings(threshold, within, budget, workers or default_workers())
        columns = TableColumns(text_column=text_column, id_column=id_column)
        with display.progress() as progress:
            work = partial(dedup_tables.run, inputs or [], folder, wished, columns, against or [])
            summary = pipeline.timed_tables("dedup", folder, progress, work)
        if passages:
            from algstack.dedup import passages as dedup_passages

            kept = dedup_tables.kept(folder, columns)
            _tell(dedup_passages.write(kept, passages, folder, budget, wished.workers), as_json)
        else:
            _show([summary], as_json)
        return

    def chosen(context: Context) -> Context:
        wished = context.manifest.override("dedup", threshold=threshold, against=against or None, within=within)
        return replace(context, manifest=wished)

    if audit or passages:
        with display.progress() as progress:
            context = chosen(_context(manifest_path, workspace, workers, progress))
            if audit:
                _tell(dedup_stage.run_audit(context, audit, budget), as_json)
            if passages:
                _tell(dedup_stage.run_passages(context, passages, budget), as_json)
        return
    _run_stage(
        "dedup",
        lambda context: {"dedup": dedup_stage.run(chosen(context), budget)},
        manifest_path,
        workspace,
        workers,
        as_json,
    )


def _tell(found: Audit | Report, as_json: bool) -> None:
    typer.echo(json.dumps(found.as_json(), indent=2) if as_json else "\n".join(found.in_words()))


@app.command()
def decontaminate(
    report_only: Annotated[bool, typer.Option("--report-only", help="Say what would go; decide nothing.")] = False,
    inputs: InputOption = None,
    output: OutputOption = None,
    benchmark: Annotated[
        list[str] | None, typer.Option(help="With --input: a benchmark to take out, such as gsm8k (repeatable).")
    ] = None,
    copies: Annotated[
        str, typer.Option("--benchmarks", help="With --input: the folder with copies of the benchmarks.")
    ] = "benchmarks",
    cut: Annotated[
        bool, typer.Option("--cut", help="With --input: cut shared runs of words, and keep the rest of the document.")
    ] = False,
    signal: Annotated[
        list[str] | None,
        typer.Option("--signal", help="With --input: a signal of quality to add, such as comment_ratio (repeatable)."),
    ] = None,
    text_column: TextColumn = None,
    id_column: IdColumn = None,
    path_column: PathColumn = None,
    repo_column: RepoColumn = None,
    lang_column: LangColumn = None,
    manifest_path: ManifestOption = DEFAULT_MANIFEST,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    workers: WorkersOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take benchmarks out, and redact secrets and personal data.

    With --input a manifest is asked only where there is one and no --benchmark is named.
    """
    from algstack import manifest, pipeline
    from algstack.decontaminate import report as decontaminate_report
    from algstack.decontaminate import stage as decontaminate_stage
    from algstack.decontaminate import tables as decontaminate_tables
    from algstack.manifest import DecontaminateConfig, RedactConfig
    from algstack.tables import TableColumns

    if inputs or output:
        columns = TableColumns(
            text_column=text_column,
            id_column=id_column,
            path_column=path_column,
            repo_column=repo_column,
            lang_column=lang_column,
        )
        config = DecontaminateConfig(benchmarks=tuple(benchmark or ()), folder=copies, action="cut" if cut else "drop")
        redaction = RedactConfig()
        if not benchmark and manifest_path.is_file():
            loaded = manifest.load(manifest_path)
            config, redaction = loaded.config.decontaminate, loaded.config.redact
            config = config.model_copy(update={"folder": str(loaded.resolve(config.folder))})
        folder = _output(inputs, output)
        with display.progress() as progress:
            work = partial(
                decontaminate_tables.run,
                inputs or [],
                folder,
                columns,
                config,
                redaction,
                workers or default_workers(),
                signal or (),
            )
            summary = pipeline.timed_tables("decontaminate", folder, progress, work)
        _show([summary], as_json)
        return
    if not report_only:
        _run_stage(
            "decontaminate",
            lambda context: {"decontaminate": decontaminate_stage.run(context)},
            manifest_path,
            workspace,
            workers,
            as_json,
        )
        return
    with display.progress() as progress:
        report = decontaminate_stage.report_only(_context(manifest_path, workspace, workers, progress))
    typer.echo(json.dumps(report, indent=2) if as_json else "\n".join(decontaminate_report.in_words(report)))


@app.command()
def release(
    version: Annotated[
        str | None, typer.Option("--version", help="The release's version.", show_default="the manifest's")
    ] = None,
    without: Annotated[
        list[Path] | None, typer.Option("--without", help="An opt-out file: leave out what it names (repeatable).")
    ] = None,
    format_: Annotated[
        str | None, typer.Option("--format", help="Export it as well: jsonl.zst, the layout of Proof-Pile-2.")
    ] = None,
    manifest_path: ManifestOption = DEFAULT_MANIFEST,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    workers: WorkersOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write what was kept as a versioned release: shards, card, figures, report, checksums."""
    from algstack import pipeline
    from algstack.release import export as release_export
    from algstack.release import stage as release_stage

    if format_ not in (None, release_export.FORMAT):
        raise typer.BadParameter(f"`{format_}` is not a format; known: {release_export.FORMAT}", param_hint="--format")

    def run(context: Context) -> pipeline.Records:
        if without:
            context = pipeline.without(context, without)
        made = release_stage.run(context, version)
        if format_:
            folder = context.workspace.release(made.config["version"])
            release_export.export(folder, release_export.beside(folder), context.workers)
        return {"release": made}

    with display.progress() as progress:
        context = _context(manifest_path, workspace, workers, progress)
        folder = context.workspace.release(version or context.manifest.config.version)
        summary = pipeline.timed("release", context, run, folder)
    _show([summary], as_json)
    if format_ and not as_json:
        typer.echo(f"Its export lies in {release_export.beside(folder)}")


@app.command()
def build(
    manifest_path: ManifestOption = DEFAULT_MANIFEST,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    workers: WorkersOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run crawl … release, only what is not done yet."""
    from algstack import pipeline

    with display.progress() as progress:
        context = _context(manifest_path, workspace, workers, progress)
        summaries = pipeline.build(context)
    _show(summaries, as_json)


@app.command()
def status(workspace: WorkspaceOption = DEFAULT_WORKSPACE, as_json: JsonOption = False) -> None:
    """Show how far each stage has come."""
    from algstack import pipeline

    states = pipeline.status(_workspace(workspace))
    if as_json:
        typer.echo(json.dumps([state.as_json() for state in states], indent=2))
    else:
        display.status(states)


@app.command("explain")
def explain_(
    targets: Annotated[list[str], typer.Argument(metavar="ID-or-FILE...", help="Ids, ends of paths, or files.")],
    folder: Annotated[
        Path | None,
        typer.Option("--filters", help="Filter files of your own, for files.", show_default="the manifest's"),
    ] = None,
    manifest_path: ManifestOption = DEFAULT_MANIFEST,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    as_json: JsonOption = False,
) -> None:
    """Say why a document was kept or dropped; of a file, also what each rule of both profiles says."""
    from algstack import explain
    from algstack.filter import verdicts

    folder = folder or _own_filters(manifest_path)
    found = [(target, _stories(target, workspace)) for target in targets]
    if as_json:
        rows = [story.as_json() for _, stories in found for story in stories]
        rows += [{"file": t, "rules": verdicts.as_json(Path(t), folder)} for t, _ in found if Path(t).is_file()]
        typer.echo(json.dumps(rows, indent=2, default=str))
        return
    for target, stories in found:
        for story in stories:
            typer.echo("\n".join(explain.in_words(story)))
        if Path(target).is_file():
            typer.echo(
                "\n".join([f"{target}, by the rules as they are now:", *verdicts.in_words(Path(target), folder)])
            )


def _own_filters(manifest_path: Path) -> Path | None:
    """The folder of filter files that a manifest names, if there is a manifest."""
    from algstack import manifest

    if not manifest_path.is_file() and manifest_path == DEFAULT_MANIFEST:
        return None
    loaded = manifest.load(manifest_path)
    return loaded.resolve(loaded.config.filter.folder) if loaded.config.filter.folder else None


def _stories(target: str, workspace: Path) -> list[explain.Story]:
    """What a workspace knows of a target; a file need not be in one."""
    from algstack import explain

    is_file = Path(target).is_file()
    stories = explain.explain(_workspace(workspace), target) if workspace.is_dir() or not is_file else []
    if not stories and not is_file:
        raise AlgstackError(
            f"{target}: no document of {workspace} has this id, path or content. "
            "`algstack status` shows what has been crawled."
        )
    return stories


@app.command()
def verify(
    target: Annotated[
        str, typer.Argument(metavar="RELEASE", help="A folder or version, hf://datasets/org/name or s3://….")
    ],
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    as_json: JsonOption = False,
) -> None:
    """Check a release: checksums, schema, counts, ids, splits, card."""
    from algstack.publish.fetch import fetched
    from algstack.release.verify import verify as checks_of

    with fetched(_named_release(target, workspace)) as path:
        checks = checks_of(path)
    if as_json:
        typer.echo(json.dumps([check._asdict() for check in checks], indent=2))
    else:
        display.checks(checks)
    failed = [check for check in checks if not check.passed]
    if failed:
        raise AlgstackError(f"{target}: {len(failed)} of {len(checks)} checks failed, the first: {failed[0].name}.")


@app.command()
def diff(
    old: Annotated[
        str, typer.Argument(help="A release: a folder or version, hf://datasets/org/name@version or s3://….")
    ],
    new: Annotated[str, typer.Argument(help="The release after it.")],
    markdown: Annotated[bool, typer.Option("--markdown", help="Print a section for a changelog.")] = False,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    as_json: JsonOption = False,
) -> None:
    """Say what changed between two releases: documents added, removed and why, changed; settings."""
    from algstack.publish.fetch import fetched
    from algstack.release import diff as release_diff

    with fetched(_named_release(old, workspace)) as before, fetched(_named_release(new, workspace)) as after:
        difference = release_diff.compare(before, after)
    if as_json:
        typer.echo(json.dumps(difference.model_dump(mode="json"), indent=2))
    elif markdown:
        typer.echo(release_diff.changelog(difference), nl=False)
    else:
        display.difference(difference)


@app.command()
def report(
    named: Annotated[
        str | None,
        typer.Argument(metavar="[RELEASE]", help="A release's folder or version.", show_default="the manifest's"),
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Where to write the page.")] = Path("report.html"),
    manifest_path: ManifestOption = DEFAULT_MANIFEST,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
) -> None:
    """Write a release's report.html again, with samples of what was dropped if the workspace is at hand."""
    from algstack.release.report import write as write_report
    from algstack.workspace import Workspace

    path = _release_folder(named, manifest_path, workspace)
    write_report(path, Workspace(workspace) if workspace.is_dir() else None, output)
    typer.echo(f"Wrote {output}.")


@app.command()
def publish(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="[RELEASE] TARGET",
            help="A release's folder or version, the manifest's by default; then where it is to be: "
            "hf://datasets/org/name[@branch], s3://bucket/prefix, or a folder.",
        ),
    ],
    private: Annotated[bool, typer.Option("--private", help="Make a new hub repository a private one.")] = False,
    gated: Annotated[
        str | None, typer.Option(help="Ask the hub's readers first: auto or manual.", show_default="not gated")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be sent.")] = False,
    manifest_path: ManifestOption = DEFAULT_MANIFEST,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    as_json: JsonOption = False,
) -> None:
    """Publish a release; a second time sends nothing."""
    from algstack.publish.stage import publish as send

    if len(names) > 2:
        raise typer.BadParameter("give a release and a target, or a target alone.", param_hint="[RELEASE] TARGET")
    *releases, target = names
    release_path = _release_folder(releases[0] if releases else None, manifest_path, workspace)
    if gated not in (None, "auto", "manual"):
        raise typer.BadParameter(f"`{gated}`: write auto or manual.", param_hint="--gated")
    done = send(release_path, target, private=private, gated=gated, dry_run=dry_run)  # type: ignore[arg-type]
    if as_json:
        typer.echo(json.dumps(done._asdict(), indent=2))
    else:
        display.published(done)


def _release_folder(named: str | None, manifest_path: Path, workspace: Path) -> Path:
    """The folder of a release that is named by its folder or version, or of the manifest's version."""
    from algstack import manifest
    from algstack.workspace import Workspace

    if named is None:
        return Workspace(workspace).release(manifest.load(manifest_path).config.version)
    return Path(_named_release(named, workspace))


def _named_release(named: str, workspace: Path) -> str:
    """Where a release is: a version in the workspace is its folder, anything else is what it says."""
    from algstack.workspace import Workspace

    folder = Workspace(workspace).release(named)
    return str(folder) if "/" not in named and not Path(named).exists() and folder.is_dir() else named


def _run_stage(
    stage: str,
    run: Callable[[Context], pipeline.Records],
    manifest_path: Path,
    workspace: Path,
    workers: int | None,
    as_json: bool,
) -> None:
    from algstack import pipeline

    with display.progress() as progress:
        context = _context(manifest_path, workspace, workers, progress)
        summary = pipeline.timed(stage, context, run)
    _show([summary], as_json)


def _show_offers(url: str, as_json: bool) -> None:
    from algstack.crawl.stackexchange.listing import fetch_listing

    offers = fetch_listing(url)
    if as_json:
        typer.echo(json.dumps([offer._asdict() for offer in offers], indent=2))
    else:
        display.offers(offers)


def _output(inputs: list[str] | None, output: Path | None) -> Path:
    if not inputs or output is None:
        raise typer.BadParameter("--input and --output go together.")
    return output


def _context(manifest_path: Path, workspace: Path, workers: int | None, progress: Progress) -> Context:
    from algstack import manifest
    from algstack.workspace import Context, Workspace

    return Context(manifest.load(manifest_path), Workspace(workspace), workers or default_workers(), progress)


def _workspace(path: Path) -> Workspace:
    from algstack.workspace import Workspace

    if not path.is_dir():
        raise AlgstackError(f"{path}: no such workspace. `algstack build` makes one, `--workspace` names another.")
    return Workspace(path)


def _show(summaries: list[pipeline.Summary], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps([summary.as_json() for summary in summaries], indent=2))
    else:
        display.summaries(summaries)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with one of `ExitCode`."""
    sys.exit(_exit_code(arguments))


def _exit_code(arguments: list[str] | None) -> int:
    try:
        result: Any = app(arguments, standalone_mode=False)
    except UsageError as error:
        error.show()
        return ExitCode.USAGE
    except (typer.Abort, KeyboardInterrupt):
        result = ExitCode.INTERRUPTED
    except AlgstackError as error:
        display.error(str(error))
        return ExitCode.EXPECTED
    except Exception:
        traceback.print_exc()
        display.error("this is a bug in algstack; please report it with the lines above")
        return ExitCode.BUG
    if result == ExitCode.INTERRUPTED:
        display.error("interrupted; what was done is kept, the same command goes on from here")
    return result if isinstance(result, int) else ExitCode.DONE
