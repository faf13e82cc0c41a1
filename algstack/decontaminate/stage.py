"""Decontamination as a stage: what is shared with benchmarks is found, then decided on; secrets are redacted.

Each part of the kept documents is read once: what it shares with the benchmarks is found, and how much of each
repository that is; documents lose what they share, or are dropped for it; of those that stay, secrets and addresses are
replaced. A repository that is a benchmark goes whole, whatever its name. Only all parts together say which one is, so
the parts that hold a document of such a repository are decided on again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import compress
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

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
from algstack.texts import Texts, as_texts
from algstack.workspace import Context, Progress, as_frame, decisions_name, kept_documents

STAGE = "decontaminate"
CODE = "4"
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
    search = _search(job)
    decision = _decision(job, search)
    found = _find(job, search, decision) if search else None
    repositories = _benchmark_repositories(found, job.config.repository_share)
    notes = {task.task: task.note["repositories"] for task in found.tasks} if found else {}
    tasks = {
        part.key: decision.task(part, sorted(notes[part.key].keys() & repositories.keys()) if notes else ())
        for part in job.parts
    }

    def run_missing(keys: list[str]) -> Iterator[TaskRecord]:
        job.progress.total(STAGE, len(keys))
        for record in engine.run(decide_part, [tasks[key] for key in keys], job.workers):
            job.progress.advance(record.counts)
            yield record

    record = dataset.run_tasks(decision.folder, {key: task.fingerprint for key, task in tasks.items()}, run_missing)
    report.write(job.folder, record, repositories)
    return record


class Search(NamedTuple):
    """What is looked for: where the index lies, where findings go, and the fingerprint of each part's task."""

    index_folder: Path
    folder: StageFolder
    wanted: dict[str, str]


def _search(job: Job) -> Search | None:
    """Bring the index of the benchmarks up to date; None if no benchmark is wanted."""
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
    wanted = {part.key: folder.task_fingerprint(list(part.inputs)) for part in job.parts}
    return Search(index_folder, folder, wanted)


def _decision(job: Job, search: Search | None) -> Decision:
    """Return how a job's documents are decided on."""
    folder = StageFolder(
        job.folder,
        STAGE,
        CODE,
        {
            "action": job.config.action,
            "redact": select(job.redaction),
            "findings": search.folder.fingerprint(search.wanted) if search else None,
            **({"signals": list(job.signals)} if job.signals else {}),
        },
    )
    return Decision(job, job.findings if search else None, folder)


class Decision(NamedTuple):
    """How a job's documents are decided on, and where that is written."""

    job: Job
    findings: Path | None
    folder: StageFolder

    def task(self, part: DocumentPart, repositories: Sequence[str]) -> DecideTask:
        """Return the task for one part, some of whose repositories are benchmarks."""
        return DecideTask(
            documents=part,
            findings=self.findings,
            repositories=frozenset(repositories),
            action=self.job.config.action,
            redaction=self.job.redaction,
            folder=self.folder.path,
            fingerprint=self.folder.task_fingerprint([list(part.inputs), list(repositories)]),
            writes_documents=self.job.writes_documents,
            signals=self.job.signals,
        )


def _find(job: Job, search: Search, decision: Decision | None = None) -> StageRecord:
    """Find what documents share with the benchmarks.

    Args:
        job: the documents.
        search: what is looked for.
        decision: also decide on the documents as they are read, as if none of their repositories were a benchmark.
    """
    parts = {part.key: part for part in job.parts}

    def run_missing(keys: list[str]) -> Iterator[TaskRecord]:
        if decision and keys:
            decision.folder.open()
        job.progress.total(STAGE, len(keys))
        work = partial(look_at_part, folder=search.folder.path, index_folder=search.index_folder)
        tasks = [
            LookTask(parts[key], search.wanted[key], decision.task(parts[key], ()) if decision else None)
            for key in keys
        ]
        for found, decided in engine.run(work, tasks, job.workers):
            if decision and decided:
                decision.folder.save(decided)
            job.progress.advance(found.counts)
            yield found

    return dataset.run_tasks(search.folder, search.wanted, run_missing)


class LookTask(NamedTuple):
    """One part of documents to look at, and to decide on where `decide` says how."""

    documents: DocumentPart
    fingerprint: str
    decide: DecideTask | None


def look_at_part(task: LookTask, folder: Path, index_folder: Path) -> tuple[TaskRecord, TaskRecord | None]:
    """Write what one part of documents shares with the benchmarks, and the decisions about it where they are wanted."""
    loaded, key = index.load(index_folder), task.documents.key
    done: list[Part] = []
    counts, tallies = Counts(), []
    with ExitStack() as stack:
        writer = stack.enter_context(dataset.part_writer(folder, findings_name(key), FINDINGS, done))
        deciding = stack.enter_context(_deciding(task.decide)) if task.decide else None
        for frame in task.documents.frames(deciding.columns if deciding else (*COLUMNS, "size")):
            texts = as_texts(frame["text"])
            found, by_repository = look(frame, loaded, texts)
            writer.write(found.to_arrow())
            tallies.append(by_repository)
            size = int(frame["size"].sum())
            counts += Counts(documents=frame.height, kept=frame.height, bytes=size, bytes_kept=size)
            if deciding:
                deciding.add(frame, texts, _by_id(found))
    record = TaskRecord(
        task=key,
        fingerprint=task.fingerprint,
        counts=counts,
        parts=tuple(done),
        note={"repositories": _note(tallies)},
    )
    return record, deciding.record() if deciding else None


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
    with _deciding(task) as deciding:
        for frame in task.documents.frames(deciding.columns):
            deciding.add(frame, as_texts(frame["text"]), findings)
    return deciding.record()


@dataclass
class _Deciding:
    """The decisions about one part while its documents stream by."""

    task: DecideTask
    writer: PartWriter
    kept: PartWriter | None
    done: list[Part]
    counts: Counts = field(default_factory=Counts)
    redacted: Counter[str] = field(default_factory=Counter)

    @property
    def columns(self) -> Sequence[str] | None:
        """The columns of documents that are needed; None for all."""
        return None if self.kept else (*COLUMNS, "size")

    def add(self, frame: pl.DataFrame, texts: Texts, findings: dict[str, list[Finding]]) -> None:
        """Decide on some documents, and write what was decided."""
        verdicts = _verdicts(frame, findings, self.task)
        self.redacted += _redact(frame, texts, verdicts, self.task.redaction)
        decided = _decisions(frame, verdicts)
        self.counts += _count(decided)
        decisions = decided.select(DECISIONS.names)
        self.writer.write(decisions.to_arrow())
        if self.kept:
            left = documents.apply(frame, decisions)
            self.kept.write(documents.with_measured(left, self.task.signals).to_arrow())

    def record(self) -> TaskRecord:
        """Return what was done, once all is written."""
        return TaskRecord(
            task=self.task.documents.key,
            fingerprint=self.task.fingerprint,
            counts=self.counts,
            parts=tuple(sorted(self.done, key=lambda part: part.name)),
            note={"redacted": dict(sorted(self.redacted.items()))},
        )


@contextmanager
def _deciding(task: DecideTask) -> Iterator[_Deciding]:
    key = task.documents.key
    done: list[Part] = []
    with ExitStack() as stack:
        writer = stack.enter_context(dataset.part_writer(task.folder, decisions_name(key), DECISIONS, done))
        kept: PartWriter | None = None
        if task.writes_documents:
            schema = documents.with_signals(DOCUMENTS, task.signals)
            kept = stack.enter_context(dataset.part_writer(task.folder, f"documents-{key}.parquet", schema, done))
        yield _Deciding(task, writer, kept, done)


def _findings_of(task: DecideTask) -> dict[str, list[Finding]]:
    """Read what was found in this part, by document."""
    if task.findings is None:
        return {}
    return _by_id(as_frame(pq.read_table(task.findings / findings_name(task.documents.key))))


def _by_id(found: pl.DataFrame) -> dict[str, list[Finding]]:
    by_id: dict[str, list[Finding]] = {}
    for row in found.iter_rows():
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


def _redact(frame: pl.DataFrame, texts: Texts, verdicts: dict[str, Verdict], config: RedactConfig) -> Counter[str]:
    """Redact the documents that stay, and return how much of what was replaced."""
    total = Counter[str]()
    if not config.is_on:
        return total
    marked = marks(frame["text"], secrets=config.secrets, personal=config.personal, content=texts)
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
        search = _search(job)
        found = _find(job, search) if search else None
        repositories = _benchmark_repositories(found, job.config.repository_share)
        return report.compose(job.folder, None, repositories)
