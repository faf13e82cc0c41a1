"""The crawl: each source of the manifest becomes parts of documents, and of decisions about everything else."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import groupby
from typing import Any, Protocol

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from algstack import engine, gate, removal
from algstack.crawl import archive, files, folder, git, packages, parquet
from algstack.crawl.files import FileReader
from algstack.crawl.github import source as github
from algstack.crawl.stackexchange import recent
from algstack.crawl.stackexchange import source as stackexchange
from algstack.crawl.task import CrawlTask
from algstack.dataset import Counts, Part, StageFolder, StageRecord, TaskRecord, part_writer, run_tasks
from algstack.documents import DECISIONS, DOCUMENTS, batch_of
from algstack.errors import DatasetError, ManifestError
from algstack.manifest import GitHubSource, LoadedManifest, Source, StackExchangeApiSource, select
from algstack.removal import Removals
from algstack.toml import nearest
from algstack.workspace import Context, DocumentPart, Workspace, as_frame

CODE = "crawl-2"
"""Raise when the same source gives other documents."""

SCRATCH = ".scratch"
"""Folder, inside a source's own, of what its tasks share while they run."""

PLANS: Mapping[str, Callable[[Any, LoadedManifest], list[CrawlTask]]] = {
    "archive": archive.plan,
    "folder": folder.plan,
    "git": git.plan,
    "parquet": parquet.plan,
    "python-packages": packages.plan,
    "stackexchange": stackexchange.plan,
}
"""Every kind of local source, and what turns it into tasks."""


class Languages(files.Languages, Protocol):
    """The filters as the crawl needs them: picklable, with a fingerprint of their extensions."""

    @property
    def extensions(self) -> Any:
        """Extensions and the languages they name, as JSON values."""
        ...

    @property
    def linguist(self) -> Mapping[str, tuple[str, ...]]:
        """Each language's names on GitHub."""
        ...


def run(
    context: Context, languages: Languages, sources: Sequence[str] | None = None, retry: Sequence[str] = ()
) -> dict[str, StageRecord]:
    """Crawl the manifest's sources; what is done already is not done again.

    Args:
        context: the manifest, the workspace, the number of workers.
        languages: the filters, which say what extensions are wanted.
        sources: names of sources; all by default.
        retry: states of repositories of remote sources that get another chance, e.g. `failed`.

    Returns:
        Each source's record, by its name.

    Raises:
        ManifestError: a name is not a source of the manifest.
        SourceError: a source cannot be read at all.
        DatasetError: two sources bring the same document.
    """
    records = {source.name: _crawl(context, languages, source, retry) for source in _selected(context, sources)}
    check_ids(context.workspace, [source.name for source in context.manifest.config.sources])
    return records


def _selected(context: Context, names: Sequence[str] | None) -> list[Any]:
    sources = {source.name: source for source in context.manifest.config.sources}
    for name in names or ():
        if name not in sources:
            raise ManifestError(f"The manifest has no source `{name}`{nearest(name, sources)}")
    return [source for name, source in sources.items() if names is None or name in names]


def _crawl(context: Context, languages: Languages, source: Source, retry: Sequence[str]) -> StageRecord:
    limits = context.manifest.config.crawl
    removals = gate.removals_of(context.manifest)
    config = {"source": select(source), "limits": select(limits), "extensions": languages.extensions}
    if removals:
        config["removals"] = removals.fingerprint
    stage = StageFolder(context.workspace.crawl(source.name), "crawl", CODE, config)
    reader = FileReader(limits, languages, stage.path / SCRATCH)
    tasks = {task.key: task for task in _plan(context, languages, source, reader, retry)}
    wanted = {key: stage.task_fingerprint(task.inputs) for key, task in tasks.items()}
    work = partial(run_task, stage, reader, removals)

    def run_missing(keys: list[str]) -> Iterator[TaskRecord]:
        context.progress.total(f"crawl {source.name}", len(keys))
        for prepare, together in groupby(keys, key=lambda key: tasks[key].prepare):
            if prepare is not None:
                prepare(reader)
            todo = [(tasks[key]._replace(prepare=None), wanted[key]) for key in together]
            for record in engine.run(work, todo, context.workers):
                context.progress.advance(record.counts)
                yield record
            shutil.rmtree(reader.scratch, ignore_errors=True)

    return run_tasks(stage, wanted, run_missing)


def _plan(
    context: Context, languages: Languages, source: Source, reader: FileReader, retry: Sequence[str]
) -> list[CrawlTask]:
    if isinstance(source, GitHubSource):
        return github.plan(source, context, languages, reader, retry)
    if isinstance(source, StackExchangeApiSource):
        return recent.plan(source, context)
    return PLANS[source.kind](source, context.manifest)  # type: ignore[attr-defined]


def run_task(stage: StageFolder, reader: FileReader, removals: Removals, task: tuple[CrawlTask, str]) -> TaskRecord:
    """Read one task of a source and write its documents and decisions."""
    crawl, wanted = task
    return write_task(stage, crawl.key, wanted, without_removed(crawl.read(reader), removals))


def without_removed(batches: Iterable[pa.RecordBatch], removals: Removals) -> Iterator[pa.RecordBatch]:
    """Yield the batches with documents that are to be removed made drops: their text is never written."""
    for batch in batches:
        if not removals or not batch.schema.equals(DOCUMENTS):
            yield batch
            continue
        removed = removals.mask(as_frame(batch.select(["repo", "path", "swhid"]))).to_arrow().cast(pa.bool_())
        yield batch.filter(pc.invert(removed))
        if gone := batch.filter(removed).column("id").to_pylist():
            yield pa.RecordBatch.from_pylist([_removed(name) for name in gone], DECISIONS)


def _removed(name: str) -> dict[str, Any]:
    return {"id": name, "stage": "crawl", "keep": False, "rule": removal.RULE, "reason": removal.REASON}


def write_task(stage: StageFolder, key: str, wanted: str, batches: Iterable[pa.RecordBatch]) -> TaskRecord:
    """Write batches of the schemas DOCUMENTS and DECISIONS (drops) as one task's two parts.

    Every document gets its decision too, so that counts balance here as in every other stage.
    """
    parts: list[Part] = []
    tally = _Tally()
    with (
        part_writer(stage.path, f"documents-{key}.parquet", DOCUMENTS, parts) as documents,
        part_writer(stage.path, f"decisions-{key}.parquet", DECISIONS, parts) as decisions,
    ):
        for batch in batches:
            if batch.schema.equals(DOCUMENTS):
                documents.write(batch)
                decisions.write(_keeps(batch))
                tally.keep(batch)
            else:
                decisions.write(batch)
                tally.drop(batch)
    return TaskRecord(
        task=key, fingerprint=wanted, counts=tally.counts(), parts=tuple(sorted(parts, key=lambda part: part.name))
    )


def _keeps(documents: pa.RecordBatch) -> pa.RecordBatch:
    known = {"id": documents.column("id"), "stage": "crawl", "lang": documents.column("lang"), "keep": True}
    return batch_of(DECISIONS, documents.num_rows, known)


class _Tally:
    def __init__(self) -> None:
        self._kept = 0
        self._bytes = 0
        self._dropped: Counter[str] = Counter()

    def keep(self, documents: pa.RecordBatch) -> None:
        self._kept += documents.num_rows
        self._bytes += pc.sum(documents.column("size")).as_py() or 0

    def drop(self, decisions: pa.RecordBatch) -> None:
        self._dropped.update(decisions.column("rule").to_pylist())

    def counts(self) -> Counts:
        return Counts(
            documents=self._kept + sum(self._dropped.values()),
            kept=self._kept,
            dropped=dict(sorted(self._dropped.items())),
            bytes=self._bytes,
            bytes_kept=self._bytes,
        )


def check_ids(workspace: Workspace, sources: Sequence[str]) -> None:
    """Raise DatasetError if two documents share an id, naming it and where it comes from.

    Ids are compared by 64-bit hashes, 8 bytes a document, and in full only where two are equal.
    """
    parts = workspace.document_parts([name for name in sources if name in workspace.sources()])
    if not parts:
        return
    hashes = pl.concat([_ids(part)["id"].hash() for part in parts])
    ordered = hashes.sort()  # a set of them all would be many times as large
    suspects = ordered.filter(ordered == ordered.shift(1)).unique()
    if not suspects.len():
        return
    found = pl.concat([_ids(part).filter(pl.col("id").hash().is_in(suspects.implode())) for part in parts])
    twice = found.filter(pl.col("id").is_duplicated()).sort("id", "source")
    if twice.height:
        first = twice.filter(pl.col("id") == twice["id"][0])
        named = " and ".join(f"`{name}`" for name in first["source"].unique().sort())
        raise DatasetError(
            f"The document {twice['id'][0]} comes more than once, from {named} ({twice.height} such rows in all). "
            "Give the sources different `repo` names, or remove one of them."
        )


def _ids(part: DocumentPart) -> pl.DataFrame:
    return as_frame(pq.read_table(part.path, columns=["id", "source"]))
