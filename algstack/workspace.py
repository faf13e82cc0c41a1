"""The workspace: where each stage's parts lie, and the documents that a stage sees.

A document part and the decisions about it share a key, `<source>-<task>`, so that documents and decisions are
joined part by part, in bounded memory, on any number of workers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from polars.io.plugins import register_io_source

from algstack import dataset, documents
from algstack.dataset import Part, StageFolder, StageRecord
from algstack.errors import DatasetError
from algstack.manifest import LoadedManifest

DECIDING_STAGES = ("filter", "dedup", "decontaminate")
"""The stages that write decisions about documents, in their order."""

OPTIONAL_STAGES = frozenset({"decontaminate"})
"""Stages that a dataset can do without."""

CLUSTERS = "clusters.parquet"
"""The part of the deduplication that holds no decisions."""


@dataclass(frozen=True)
class DocumentPart:
    """One part of documents as the crawl wrote it."""

    key: str
    path: Path
    part: Part


@dataclass(frozen=True)
class Workspace:
    """The folder that holds a dataset's stages."""

    path: Path

    def crawl(self, source: str) -> Path:
        """Folder of a source's documents."""
        return self.path / "crawl" / source

    def stage(self, stage: str, lang: str | None = None) -> Path:
        """Folder of a deciding stage; the filter has one for each language."""
        return self.path / stage / lang if lang else self.path / stage

    @property
    def clusters(self) -> Path:
        """What the deduplication found alike, directly or by way of others: `id`, `keeper`, `component`."""
        return self.stage("dedup") / CLUSTERS

    def release(self, version: str) -> Path:
        """Folder of a release."""
        return self.path / "releases" / version

    def sources(self) -> list[str]:
        """Names of the sources that have been crawled completely, sorted."""
        return sorted(path.parent.name for path in self.path.glob(f"crawl/*/{dataset.STAGE_FILE}"))

    def document_parts(self, sources: Sequence[str] | None = None) -> list[DocumentPart]:
        """All document parts of complete sources, in a stated order: by source, then by task."""
        parts = []
        for source in self.sources() if sources is None else sorted(sources):
            record = dataset.load_stage(self.crawl(source))
            for task in record.tasks if record else ():
                parts += [
                    DocumentPart(f"{source}-{task.task}", self.crawl(source) / part.name, part)
                    for part in task.parts
                    if part.name.startswith("documents-")
                ]
        return parts

    def stage_records(self, stage: str) -> dict[str, StageRecord]:
        """Complete records of a deciding stage by folder, relative to the workspace."""
        folders = [self.path / stage, *sorted(path for path in (self.path / stage).glob("*") if path.is_dir())]
        records = {str(folder.relative_to(self.path)): dataset.load_stage(folder) for folder in folders}
        return {folder: record for folder, record in records.items() if record is not None}

    def decision_parts(self, stage: str, key: str) -> list[tuple[Path, Part]]:
        """The parts that hold a stage's decisions about one document part."""
        name = decisions_name(key)
        return [
            (self.path / folder / part.name, part)
            for folder, record in self.stage_records(stage).items()
            for part in record.parts
            if part.name == name
        ]


def decisions_name(key: str) -> str:
    """File name of the decisions about the document part `key`."""
    return f"decisions-{key}.parquet"


@dataclass(frozen=True)
class KeptDocuments:
    """The documents of one part that every stage in `stages` kept, with their latest text. Picklable.

    `inputs` is what a task that reads them depends on: the checksums of all the parts they come from.
    """

    key: str
    path: Path
    decisions: tuple[tuple[str, tuple[Path, ...]], ...]
    inputs: tuple[str, ...]

    def frames(self, columns: Sequence[str] | None = None) -> Iterator[pl.DataFrame]:
        """Yield frames of at most one row group, in the order of the part.

        Args:
            columns: columns of DOCUMENTS, all by default.

        Raises:
            DatasetError: a stage's decisions were made from other documents than the ones it now sees.
        """
        columns = list(documents.DOCUMENTS.names if columns is None else columns)
        decided = [(stage, _read_decisions(paths)) for stage, paths in self.decisions]
        seen = dict.fromkeys((stage for stage, _ in decided), 0)
        file = pq.ParquetFile(self.path)
        for group in range(file.metadata.num_row_groups):
            frame = as_frame(file.read_row_group(group, columns=columns, use_threads=False))
            for stage, decisions in decided:
                reached = frame.height
                matched = decisions.join(frame.select("id"), on="id", how="semi")
                if stage != "filter" and matched.height != reached:
                    raise _stale(stage, self.key)
                seen[stage] += matched.height
                frame = documents.apply(frame, matched)
            if frame.height:
                yield frame
        for stage, decisions in decided:
            if seen[stage] != decisions.height:
                raise _stale(stage, self.key)

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """The same as Arrow record batches of the DOCUMENTS schema's types."""
        columns = list(documents.DOCUMENTS.names if columns is None else columns)
        schema = pa.schema([documents.DOCUMENTS.field(name) for name in columns])
        for frame in self.frames(columns):
            yield from frame.to_arrow().cast(schema).to_batches()


def as_frame(rows: pa.Table | pa.RecordBatch) -> pl.DataFrame:
    """Arrow rows as a Polars frame."""
    frame = pl.from_arrow(rows)
    assert isinstance(frame, pl.DataFrame)
    return frame


def kept_documents(workspace: Workspace, after: str, sources: Sequence[str] | None = None) -> list[KeptDocuments]:
    """The documents that every stage up to and including `after` kept, part by part.

    Args:
        workspace: where they lie.
        after: `crawl`, `filter`, `dedup` or `decontaminate`.
        sources: names of sources; all that were crawled by default.

    Raises:
        DatasetError: a needed stage is not complete, or `after` is not a stage.
    """
    if after not in ("crawl", *DECIDING_STAGES):
        raise DatasetError(f"There is no stage `{after}`: choose crawl, {', '.join(DECIDING_STAGES)}.")
    stages = DECIDING_STAGES[: DECIDING_STAGES.index(after) + 1] if after != "crawl" else ()
    tables = [(stage, _decisions_by_name(workspace, stage)) for stage in stages]
    tables = [(stage, table) for stage, table in tables if table or stage not in OPTIONAL_STAGES]
    for stage, table in tables:
        if not table and not workspace.stage_records(stage):
            raise DatasetError(
                f"{workspace.stage(stage)}: the stage is not complete. Run `algstack {stage}`, or `algstack build`."
            )
    return [_kept_part(part, tables) for part in workspace.document_parts(sources)]


def scan_kept(workspace: Workspace, after: str) -> pl.LazyFrame:
    """Return the kept documents as a lazy frame that reads one row group at a time, and only the columns asked for."""
    parts = kept_documents(workspace, after)
    schema = as_frame(documents.DOCUMENTS.empty_table()).schema

    def read(
        columns: list[str] | None, predicate: pl.Expr | None, rows: int | None, batch_size: int | None
    ) -> Iterator[pl.DataFrame]:
        needed = {*(columns or schema), *(predicate.meta.root_names() if predicate is not None else ()), "id"}
        for part in parts:
            for frame in part.frames([name for name in schema if name in needed]):
                chosen = frame if predicate is None else frame.filter(predicate)
                chosen = chosen.select(columns or list(schema))
                if rows is not None:
                    chosen, rows = chosen.head(rows), rows - min(rows, chosen.height)
                yield chosen
                if rows == 0:
                    return

    return register_io_source(read, schema=schema)


def _decisions_by_name(workspace: Workspace, stage: str) -> dict[str, list[tuple[Path, Part]]]:
    table: dict[str, list[tuple[Path, Part]]] = {}
    for folder, record in workspace.stage_records(stage).items():
        for part in record.parts:
            if part.name.startswith("decisions-"):
                table.setdefault(part.name, []).append((workspace.path / folder / part.name, part))
    return table


def _kept_part(part: DocumentPart, tables: Sequence[tuple[str, dict[str, list[tuple[Path, Part]]]]]) -> KeptDocuments:
    found = [(stage, table.get(decisions_name(part.key), [])) for stage, table in tables]
    return KeptDocuments(
        key=part.key,
        path=part.path,
        decisions=tuple((stage, tuple(path for path, _ in parts)) for stage, parts in found),
        inputs=(part.part.sha256, *(decided.sha256 for _, parts in found for _, decided in parts)),
    )


def _read_decisions(paths: Sequence[Path]) -> pl.DataFrame:
    schema = pa.schema([documents.DECISIONS.field(name) for name in ("id", "keep", "lang", "text")])
    tables = [pq.read_table(path, columns=schema.names, use_threads=False) for path in paths]
    return as_frame(pa.concat_tables(tables) if tables else schema.empty_table())


def _stale(stage: str, key: str) -> DatasetError:
    return DatasetError(
        f"The decisions of `{stage}` about part {key} were made from other documents than there are now. "
        f"Run `algstack {stage}` again, or `algstack build`."
    )


@dataclass(frozen=True)
class Context:
    """What a stage is run with. `progress` is told (task done, documents, bytes) as tasks end."""

    manifest: LoadedManifest
    workspace: Workspace
    workers: int = 1
    progress: Progress = field(default_factory=lambda: Progress())


@dataclass
class Progress:
    """Told how a stage gets on; the command line shows it. This one shows nothing."""

    total: Callable[[str, int], None] = lambda stage, tasks: None
    advance: Callable[[dataset.Counts], None] = lambda counts: None
    note: Callable[[str], None] = lambda text: None


__all__ = [
    "Context",
    "DocumentPart",
    "KeptDocuments",
    "Progress",
    "StageFolder",
    "Workspace",
    "decisions_name",
    "kept_documents",
    "scan_kept",
]
