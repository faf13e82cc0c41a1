"""Decontamination as a stage: what is shared with benchmarks is found, then decided on; secrets are redacted.

Two passes over the kept documents. The first finds, in every part, what it shares with the benchmarks, and how much of
each repository that is. The second decides: a repository that is a benchmark goes whole, whatever its name; other
documents lose what they share, or are dropped for it; of those that stay, secrets and addresses are replaced.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import compress
from pathlib import Path
from typing import Any, Literal, Protocol

import polars as pl
import pyarrow.parquet as pq

from algstack import dataset, documents, engine
from algstack.dataset import Counts, Part, PartWriter, StageFolder, StageRecord, TaskRecord
from algstack.decontaminate import benchmarks, index, report
from algstack.decontaminate.decide import REASONS, REPOSITORY, Verdict, decide
from algstack.decontaminate.match import COLUMNS, FINDINGS, TALLIES, Finding, look
from algstack.decontaminate.redact import marks, redact
from algstack.documents import DECISIONS, DOCUMENTS, clip
from algstack.manifest import DecontaminateConfig, RedactConfig, select
from algstack.workspace import Context, Progress, as_frame, decisions_name, kept_documents

STAGE = "decontaminate"
CODE = "3"
"""Raised when the same documents and benchmarks give other decisions."""

INDEX_FOLDER = ".index"

REPOSITORY_PROBLEMS = 5
"""Fewest problems of benchmarks in a repository for it to be taken for one."""


class DocumentPart(Protocol):
    """Documents that are looked at together: a part of a workspace, or of a table. Picklable.

    `inputs` is what changes when the documents do: JSON values.
    """

    @property
    def key(self) -> str: ...

    @property
    def inputs(self) -> Sequence[Any]: ...

    def frames(self, columns: Sequence[str] | None = None) -> Iterator[pl.DataFrame]: ...


@dataclass(frozen=True)
class Job:
    """What is looked at, for which benchmarks, and where the results go."""

    parts: Sequence[DocumentPart]
    folder: Path
    config: DecontaminateConfig
    copies: Path
    redaction: RedactConfig
    workers: int
    progress: Progress
    writes_documents: bool = False
    signals: tuple[str, ...] = ()  # of documents that are written

    @property
    def findings(self) -> Path:
        """Folder of what the first pass finds."""
        return self.folder / report.FINDINGS_FOLDER


def job_of(context: Context) -> Job:
    """The documents of a workspace that deduplication kept, and what its manifest says."""
    config = context.manifest.config
    return Job(
        parts=kept_documents(context.workspace, after="dedup"),
        folder=context.workspace.stage(STAGE),
        config=config.decontaminate,
        copies=context.manifest.resolve(config.decontaminate.folder),
        redaction=config.redact,
        workers=context.workers,
        progress=context.progress,
    )


def run(context: Context) -> StageRecord:
    """Decide on every document that deduplication kept.

    Raises:
        DatasetError: a stage before is not complete.
        ManifestError, SourceError: a benchmark is not known, missing, or cannot be read.
    """
    return run_job(job_of(context))


def run_job(job: Job) -> StageRecord:
    """Decide on every document of a job; see `run`."""
    found = find(job)
    repositories = _benchmark_repositories(found, job.config.repository_share)
    folder = StageFolder(
        job.folder,
        STAGE,
        CODE,
        {
            "action": job.config.action,
            "redact": select(job.redaction),
            "findings": found.fingerprint if found else None,
            **({"signals": list(job.signals)} if job.signals else {}),
        },
    )
    tasks = {
        part.key: DecideTask(
            documents=part,
            findings=job.findings if found else None,
            repositories=frozenset(repositories),
            action=job.config.action,
            redaction=job.redaction,
            folder=folder.path,
            fingerprint=folder.task_fingerprint([list(part.inputs), sorted(repositories)]),
            writes_documents=job.writes_documents,
            signals=job.signals,
        )
        for part in job.parts
    }
    wanted = {key: task.fingerprint for key, task in tasks.items()}

    def run_missing(keys: list[str]) -> Iterator[TaskRecord]:
        job.progress.total(STAGE, len(keys))
        for record in engine.run(decide_part, [tasks[key] for key in keys], job.workers):
            job.progress.advance(record.counts)
            yield record

    record = dataset.run_tasks(folder, wanted, run_missing)
    report.write(job.folder, record, repositories)
    return record


def find(job: Job) -> StageRecord | None:
    """Find what documents share with the benchmarks; None if no benchmark is wanted."""
    copies, missing = benchmarks.find(job.config, job.copies)
    for name in missing:
        job.progress.note(f"{STAGE}: there is no copy of `{name}`; it is not applied.")
    if not copies:
        return None
    index_folder = job.folder / INDEX_FOLDER
    identity = index.build(index_folder, copies, job.config.ngram)
    applied = [one._asdict() for one in index.load(index_folder).applied]
    folder = StageFolder(
        job.findings, f"{STAGE}-findings", CODE, {"index": identity, "benchmarks": applied, "missing": missing}
    )
    parts = {part.key: part for part in job.parts}
    wanted = {key: folder.task_fingerprint(list(part.inputs)) for key, part in parts.items()}

    def run_missing(keys: list[str]) -> Iterator[TaskRecord]:
        job.progress.total(f"{STAGE} (finding)", len(keys))
        work = partial(find_in_part, folder=folder.path, index_folder=index_folder)
        for record in engine.run(work, [(parts[key], wanted[key]) for key in keys], job.workers):
            job.progress.advance(record.counts)
            yield record

    return dataset.run_tasks(folder, wanted, run_missing)


def find_in_part(task: tuple[DocumentPart, str], folder: Path, index_folder: Path) -> TaskRecord:
    """Write what one part of documents shares with the benchmarks."""
    part, wanted = task
    loaded = index.load(index_folder)
    done: list[Part] = []
    counts, tallies = Counts(), []
    with dataset.part_writer(folder, findings_name(part.key), FINDINGS, done) as writer:
        for frame in part.frames((*COLUMNS, "size")):
            found, by_repository = look(frame, loaded)
            writer.write(found.to_arrow())
            tallies.append(by_repository)
            size = int(frame["size"].sum())
            counts += Counts(documents=frame.height, kept=frame.height, bytes=size, bytes_kept=size)
    return TaskRecord(
        task=part.key, fingerprint=wanted, counts=counts, parts=tuple(done), note={"repositories": _note(tallies)}
    )


def findings_name(key: str) -> str:
    """File name of what the document part `key` shares with the benchmarks."""
    return f"findings-{key}.parquet"


def _note(tallies: list[pl.DataFrame]) -> dict[str, list[int]]:
    """Tallies of the repositories of one part that share anything, as JSON."""
    if not tallies:
        return {}
    summed = pl.concat(tallies).group_by("repo").sum().filter(pl.col("repo").is_not_null()).sort("repo")
    # The others are needed only where they are in a part with hits, too: their sums are added up over all parts.
    return {str(row[0]): [int(value) for value in row[1:]] for row in summed.iter_rows()}


def _benchmark_repositories(found: StageRecord | None, share: float) -> dict[str, str]:
    """Return the repositories that are a benchmark by their content, each with the evidence."""
    totals: dict[str, Counter[str]] = {}
    names = [name for name in TALLIES if name != "repo"]
    for task in found.tasks if found else ():
        for repo, values in task.note["repositories"].items():
            totals.setdefault(repo, Counter()).update(dict(zip(names, values, strict=True)))
    verdicts = {}
    for repo, total in sorted(totals.items()):
        theorems = total["theorems_hit"] / max(total["theorems"], 1)
        text = total["characters_hit"] / max(total["characters"], 1)
        if total["problems"] < REPOSITORY_PROBLEMS:
            continue
        if theorems >= share:
            verdicts[repo] = f"{total['theorems_hit']} of its {total['theorems']} theorems are a benchmark's"
        elif text >= share:
            verdicts[repo] = f"{text:.0%} of its text is a benchmark's"
    return verdicts


@dataclass(frozen=True)
class DecideTask:
    """One part of documents to decide on."""

    documents: DocumentPart
    findings: Path | None
    repositories: frozenset[str]
    action: Literal["drop", "cut"]
    redaction: RedactConfig
    folder: Path
    fingerprint: str
    writes_documents: bool = False
    signals: tuple[str, ...] = ()


def decide_part(task: DecideTask) -> TaskRecord:
    """Write the decisions about one part of documents, and the documents that stay where they are wanted."""
    findings = _findings_of(task)
    key = task.documents.key
    done: list[Part] = []
    counts, redacted = Counts(), Counter[str]()
    with ExitStack() as stack:
        writer = stack.enter_context(dataset.part_writer(task.folder, decisions_name(key), DECISIONS, done))
        kept: PartWriter | None = None
        if task.writes_documents:
            schema = documents.with_signals(DOCUMENTS, task.signals)
            kept = stack.enter_context(dataset.part_writer(task.folder, f"documents-{key}.parquet", schema, done))
        for frame in task.documents.frames(None if kept else (*COLUMNS, "size")):
            verdicts = _verdicts(frame, findings, task)
            redacted += _redact(frame, verdicts, task.redaction)
            decided = _decisions(frame, verdicts)
            counts += _count(decided)
            decisions = decided.select(DECISIONS.names)
            writer.write(decisions.to_arrow())
            if kept:
                left = documents.apply(frame, decisions)
                kept.write(documents.with_measured(left, task.signals).to_arrow())
    return TaskRecord(
        task=key,
        fingerprint=task.fingerprint,
        counts=counts,
        parts=tuple(sorted(done, key=lambda part: part.name)),
        note={"redacted": dict(sorted(redacted.items()))},
    )


def _findings_of(task: DecideTask) -> dict[str, list[Finding]]:
    """Read what the first pass found in this part, by document."""
    if task.findings is None:
        return {}
    by_id: dict[str, list[Finding]] = {}
    for row in as_frame(pq.read_table(task.findings / findings_name(task.documents.key))).iter_rows():
        by_id.setdefault(row[0], []).append(Finding(*row[1:]))
    return by_id


def _verdicts(frame: pl.DataFrame, findings: dict[str, list[Finding]], task: DecideTask) -> dict[str, Verdict]:
    """Verdicts on the documents that benchmarks change or drop."""
    verdicts: dict[str, Verdict] = {}
    wanted = frame.filter(pl.col("id").is_in(list(findings)) | pl.col("repo").is_in(list(task.repositories)))
    for name, text, lang, repo, path in wanted.select(COLUMNS).iter_rows():
        if repo in task.repositories:
            verdicts[name] = Verdict(REPOSITORY, clip(f"{repo}: more than the share of a benchmark"), None)
        else:
            verdicts[name] = decide(text, lang, path, findings[name], task.action)
    return verdicts


def _redact(frame: pl.DataFrame, verdicts: dict[str, Verdict], config: RedactConfig) -> Counter[str]:
    """Redact the documents that stay, and return how much of what was replaced."""
    total = Counter[str]()
    if not config.is_on:
        return total
    marked = marks(frame["text"], secrets=config.secrets, personal=config.personal)
    kinds = marked.columns
    looked_at = pl.concat([frame.select("id", "text", "lang"), marked], how="horizontal").filter(
        pl.any_horizontal(kinds)
    )
    for name, text, lang, *is_marked in looked_at.iter_rows():
        verdict = verdicts.get(name, Verdict(None, None, None))
        if verdict.rule is not None:
            continue
        before = verdict.text if verdict.text is not None else text
        after, counts = redact(before, lang, list(compress(kinds, is_marked)))
        if counts:
            total += counts
            words = ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))
            evidence = clip("; ".join(filter(None, (verdict.evidence, f"redacted {words}"))))
            verdicts[name] = Verdict(None, evidence, after)
    return total


def _decisions(frame: pl.DataFrame, verdicts: dict[str, Verdict]) -> pl.DataFrame:
    """Rows of DECISIONS about documents, in their order, with `size` beside them."""
    rows = [(name, *verdict) for name, verdict in verdicts.items()]
    schema = {"id": pl.String, "rule": pl.String, "evidence": pl.String, "text": pl.String}
    decided = pl.DataFrame(rows, schema=schema, orient="row")
    return (
        frame.select("id", "lang", "size")
        .join(decided, on="id", how="left", maintain_order="left")
        .with_columns(
            stage=pl.lit(STAGE),
            keep=pl.col("rule").is_null(),
            reason=pl.col("rule").replace_strict(REASONS, default=None, return_dtype=pl.String),
            keeper=pl.lit(None, pl.String),
            similarity=pl.lit(None, pl.Float64),
        )
    )


def _count(decisions: pl.DataFrame) -> Counts:
    kept = decisions.filter("keep")
    dropped = decisions.filter(~pl.col("keep"))["rule"].value_counts().sort("rule")
    size = pl.coalesce(pl.col("text").str.len_bytes().cast(pl.Int64), "size")
    return Counts(
        documents=decisions.height,
        kept=kept.height,
        dropped=dict(dropped.iter_rows()),
        bytes=int(decisions["size"].sum()),
        bytes_kept=int(kept.select(size.sum()).item()),
    )


def report_only(context: Context) -> dict[str, Any]:
    """Find what would be taken out, and return the report; no decision is written."""
    with dataset.locked(context.workspace.path):
        job = job_of(context)
        found = find(job)
        repositories = _benchmark_repositories(found, job.config.repository_share)
        return report.compose(job.folder, None, repositories)
