"""Make a release: runs, plan, shards, then everything that is said about them; a whole folder appears or none."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from algstack import dataset, engine
from algstack.dataset import STAGE_FILE, StageFolder, StageRecord, TaskRecord
from algstack.errors import AlgstackError, DatasetError, ManifestError
from algstack.release import accounts, card, croissant, figures, leaks, licences, report, tokens
from algstack.release.accounts import Accounts
from algstack.release.dropped import Decided, decided
from algstack.release.facts import facts_from, facts_of
from algstack.release.leaks import Leak
from algstack.release.plan import plan
from algstack.release.runs import RunTask, write_runs
from algstack.release.shards import ShardTask, write_shard
from algstack.release.splits import Shares
from algstack.release.statistics import NOTHING, Statistics, measure, shard_paths
from algstack.workspace import DECIDING_STAGES, Context, Workspace, kept_documents

STAGE = "release"
CODE = "3"
"""Raised when the same input gives another release."""

CHECKSUMS = "SHA256SUMS"

_VERSION = re.compile(r"^\d+(\.\d+)*([-+.][A-Za-z0-9.]+)?$")


def run(context: Context, version: str | None = None) -> StageRecord:
    """Make the release `version` (the manifest's by default) of everything that the stages before kept.

    Raises:
        AlgstackError: there is a release of this version that was made from other inputs.
        DatasetError: a stage before is not complete, or two documents have one id.
    """
    version = checked_version(version or context.manifest.config.version)
    kept = kept_documents(context.workspace, after=DECIDING_STAGES[-1])
    parts = decided(context.workspace, kept)
    _note_undecided(context)
    final = context.workspace.release(version)
    building = final.with_name(f".building-{version}")
    config = _config(context, version, parts)
    if existing := _existing(final, config):
        shutil.rmtree(building, ignore_errors=True)
        return existing
    # A template that cannot be filled is said now, not when the shards have been written.
    card.render(facts_from(config, "algstack", Accounts()), NOTHING, _template(context))
    licenses = context.manifest.config.release.licenses
    leaking = leaks.find(leaks.clusters_of(context.workspace), kept, _shares(context), licenses)
    runs = _write_runs(context, building / "runs", parts, leaking)
    if not runs.counts.kept:
        raise AlgstackError(
            f"{context.workspace.path}: nothing was kept, and a release of nothing is not made. "
            "`algstack status` says what dropped the documents."
        )
    folder = StageFolder(building / "release", STAGE, CODE, config)
    record = _write_shards(context, folder, runs, building / "runs")
    _describe(context, folder, record)
    return _publish(building, final, record)


def checked_version(version: str) -> str:
    """Return the version if it is one; it becomes a folder's name."""
    if not _VERSION.match(version):
        raise AlgstackError(f"`{version}` is not a version. Write one like 1.0.0 or 2.1.0-rc.1.")
    return version


def release_date() -> str | None:
    """Return the date that SOURCE_DATE_EPOCH says (ISO, UTC), or None: a release does not depend on when it is made."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    if epoch is None:
        return None
    try:
        return datetime.fromtimestamp(int(epoch), UTC).date().isoformat()
    except (ValueError, OverflowError, OSError):
        raise AlgstackError(
            f"SOURCE_DATE_EPOCH: `{epoch}` is not a number of seconds since 1970. Set or unset it."
        ) from None


def _config(context: Context, version: str, parts: Iterable[Decided]) -> dict[str, Any]:
    """Everything that a release is made from: stored in its `stage.json` and compared before it is made again."""
    config = context.manifest.config
    clusters = leaks.clusters_of(context.workspace)
    clustered = dataset.sha256_file(clusters) if clusters else None
    # An audit that comes later says more of the same data; it does not make another release.
    report = accounts.sources(context.workspace).get(accounts.DECONTAMINATION)
    decontaminated = dataset.sha256_file(report) if report else None
    template = _template(context)
    return {
        "version": version,
        "date": release_date(),
        "manifest": config.model_dump(mode="json", exclude={"version", "removal"}),
        "splits": [list(share) for share in _shares(context)],
        "tokenizer": tokens.identity(config.release.tokenizer, context.manifest.folder),
        "card": dataset.fingerprint(template) if template else None,
        "inputs": dataset.fingerprint([clustered, decontaminated, *([part.key, list(part.inputs)] for part in parts)]),
        "stages": [stage for stage in DECIDING_STAGES if context.workspace.stage_records(stage)],
        **_rules(context.workspace),
    }


def _rules(workspace: Workspace) -> dict[str, dict[str, str]]:
    """Return the digest of each language's filter and the revision of each stage's code, to explain differences."""
    records = {stage: workspace.stage_records(stage) for stage in DECIDING_STAGES}
    filters = {folder.rpartition("/")[2]: record.config.get("language") for folder, record in records["filter"].items()}
    codes = {stage: "+".join(sorted({record.code for record in of.values()})) for stage, of in records.items() if of}
    return {"filters": {lang: str(digest)[:12] for lang, digest in filters.items() if digest}, "codes": codes}


def _shares(context: Context) -> Shares:
    return tuple(context.manifest.config.release.splits.items())


def _existing(final: Path, config: dict[str, Any]) -> StageRecord | None:
    """Return the record of the release that is there, if it is this one."""
    record = dataset.load_stage(final)
    if record is None and not final.exists():
        return None
    if record is not None and record.code == CODE and record.config == config:
        return record
    raise AlgstackError(
        f"{final}: this release exists and was made from other inputs; a release is never changed.\n"
        "Choose another version (`--version`, or `version` in the manifest), or remove that folder."
    )


def _note_undecided(context: Context) -> None:
    """Say how many documents no filter has decided on."""
    crawled = sum(part.part.rows for part in context.workspace.document_parts())
    decided = sum(record.counts.documents for record in context.workspace.stage_records("filter").values())
    if crawled > decided:
        context.progress.note(
            f"release: {crawled - decided:,} documents are left out because no filter has decided on them."
        )


def _write_runs(
    context: Context, folder: Path, parts: list[Decided], leaking: dict[str, tuple[Leak, ...]]
) -> StageRecord:
    config = context.manifest.config.release
    identity = tokens.identity(config.tokenizer, context.manifest.folder)
    shares = _shares(context)
    stage = StageFolder(
        folder,
        "release-runs",
        CODE,
        {
            "splits": [list(share) for share in shares],
            "tokenizer": identity,
            "licenses": config.licenses,
            "signals": list(config.signals),
        },
    )
    tasks = {
        part.key: RunTask(
            part=part,
            leaks=leaking.get(part.key, ()),
            fingerprint=stage.task_fingerprint([list(part.inputs), leaking.get(part.key, ())]),
            folder=folder,
            shares=shares,
            licenses=config.licenses,
            tokenizer=config.tokenizer,
            tokenizer_folder=context.manifest.folder,
            signals=config.signals,
        )
        for part in parts
    }
    return _run_tasks(context, stage, tasks, write_runs, "release: tokens and splits")


def _write_shards(context: Context, folder: StageFolder, runs: StageRecord, runs_folder: Path) -> StageRecord:
    config = context.manifest.config.release
    shards = plan(runs, runs_folder, config.shard_bytes)
    tasks = {
        shard.task: ShardTask(shard, folder.task_fingerprint(shard.inputs), runs_folder, folder.path, config.signals)
        for shard in shards
    }
    record = _run_tasks(context, folder, tasks, write_shard, "release: shards")
    if record.counts.documents != runs.counts.documents:
        raise DatasetError(
            f"{folder.path}: {runs.counts.documents} documents were kept but the shards hold "
            f"{record.counts.documents}. This is a defect; please report it."
        )
    return record


def _run_tasks(
    context: Context, stage: StageFolder, tasks: dict[str, Any], function: Callable[[Any], TaskRecord], title: str
) -> StageRecord:
    def run_named(names: list[str]) -> Iterator[TaskRecord]:
        context.progress.total(title, len(names))
        for record in engine.run(function, [tasks[name] for name in names], context.workers):
            context.progress.advance(record.counts)
            yield record

    return dataset.run_tasks(stage, {name: task.fingerprint for name, task in tasks.items()}, run_named)


def _describe(context: Context, folder: StageFolder, record: StageRecord) -> None:
    """Write what is said about the shards, checksums last; files of an earlier try are removed."""
    release = folder.path
    _remove_strays(release, {part.name for part in record.parts})
    statistics = measure(release)
    _check_counts(release, record, statistics)
    accounts.bring(context.workspace, release)
    facts = facts_of(record, release)
    figures.write(release, facts, statistics)
    report.write(release, context.workspace, release / "report.html")
    dataset.write_text(release / "README.md", card.render(facts, statistics, _template(context)))
    dataset.write_text(release / "LICENSE.md", card.license_text(statistics))
    described = croissant.describe(facts, statistics, record.parts)
    dataset.write_text(release / croissant.NAME, dataset.dump_json(described))
    licences.write(release)
    leaks.write(release, shard_paths(release), leaks.clusters_of(context.workspace))
    dataset.write_text(release / "manifest.toml", context.manifest.text)
    write_checksums(release)


def _template(context: Context) -> str | None:
    """The card's template that the manifest names, if it names one."""
    named = context.manifest.config.release.card
    if named is None:
        return None
    try:
        return context.manifest.resolve(named).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise ManifestError(f"release.card: `{named}` cannot be read. Name a Markdown file in UTF-8.") from None


def _remove_strays(release: Path, wanted: set[str]) -> None:
    for path in sorted(release.rglob("*"), reverse=True):
        if path.is_dir():
            if not any(path.iterdir()):
                path.rmdir()
        elif path.name != STAGE_FILE and path.relative_to(release).as_posix() not in wanted:
            path.unlink()


def _check_counts(release: Path, record: StageRecord, statistics: Statistics) -> None:
    counts, found = record.counts, statistics.total
    if (counts.kept, counts.bytes_kept) != (found.documents, found.bytes):
        raise DatasetError(
            f"{release}: the shards hold {found.documents} documents and {found.bytes} bytes of text, but "
            f"{counts.kept} and {counts.bytes_kept} were written. This is a defect; please report it."
        )


def write_checksums(release: Path) -> None:
    """Write SHA256SUMS over every other file, in the format of `sha256sum`."""
    files = sorted(path.relative_to(release).as_posix() for path in release.rglob("*") if path.is_file())
    lines = [f"{dataset.sha256_file(release / name)}  {name}\n" for name in files if name != CHECKSUMS]
    dataset.write_text(release / CHECKSUMS, "".join(lines))


def _publish(building: Path, final: Path, record: StageRecord) -> StageRecord:
    with dataset.explained_os_errors(final):
        (building / "release").rename(final)
        dataset.sync_folder(final.parent)
    shutil.rmtree(building, ignore_errors=True)
    return record


__all__ = ["checked_version", "release_date", "run", "write_checksums"]
