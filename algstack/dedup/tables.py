"""Deduplication of any Parquet or JSON-lines files, without a manifest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate, chain
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from algstack import tables, toml
from algstack.dataset import (
    Counts,
    Part,
    StageFolder,
    StageRecord,
    TaskRecord,
    part_writer,
    run_tasks,
)
from algstack.dedup.fast import Deduplication
from algstack.dedup.index import index_of
from algstack.dedup.parts import BATCH_ROWS, ParquetPart
from algstack.dedup.stage import CODE, STAGE, count, decisions, spilling
from algstack.dedup.state import Settings
from algstack.documents import DECISIONS, DOCUMENTS
from algstack.engine import ahead
from algstack.errors import SourceError
from algstack.tables import TableColumns
from algstack.workspace import Progress, as_frame


@dataclass(frozen=True)
class InputFile:
    """One input file as Parquet. `names` says what a column of documents is called in it.

    A document without an id of its own is named by its file and row: `x.parquet#12`.
    """

    source: Path
    parquet: Path
    names: Mapping[str, str] = field(default_factory=dict)

    def pieces(self) -> list[Piece]:
        """Return the file in pieces, so that several workers can share it."""
        has_ids = self.names.get("id", "id") in pq.read_schema(self.parquet).names
        return _pieces(self.parquet, dict(self.names), None if has_ids else self.ids)

    def rows(self) -> Iterator[tuple[pa.RecordBatch, pa.Table]]:
        """Yield the file's rows as they are, and beside them what a decision needs of each: id, language and size."""
        first = 0
        for rows in pq.ParquetFile(self.parquet).iter_batches(BATCH_ROWS, use_threads=False):
            ids, langs, texts = (self._column(rows, name) for name in ("id", "lang", "text"))
            ids = self.ids(first, rows.num_rows) if ids is None else ids
            sizes = pc.fill_null(pc.binary_length(texts), 0)
            yield rows, pa.table([ids, pa.nulls(len(ids)) if langs is None else langs, sizes], _DECIDED.names)
            first += rows.num_rows

    def _column(self, rows: pa.RecordBatch, name: str) -> pa.Array | None:
        place = rows.schema.get_field_index(self.names.get(name, name))
        return rows.column(place) if place >= 0 else None

    def ids(self, first: int, count: int) -> pa.Array:
        """Return ids for so many of its rows from the first on, for a file that has none."""
        return pa.array([f"{self.source.name}#{row}" for row in range(first, first + count)])


@dataclass(frozen=True)
class Piece:
    """Some row groups of a file, so that several workers can share it."""

    parquet: ParquetPart
    first: int  # the row of the file that is theirs first
    ids: Callable[[int, int], pa.Array] | None  # of so many rows from one on, if they are no column of the file

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """See algstack.dedup.parts.Part."""
        first = self.first
        for batch in self.parquet.batches(columns):
            if self.ids and "id" in columns:
                batch = batch.set_column(columns.index("id"), "id", self.ids(first, batch.num_rows))
            yield batch
            first += batch.num_rows


def _pieces(path: Path, names: dict[str, str], ids: Callable[[int, int], pa.Array] | None) -> list[Piece]:
    metadata = pq.read_metadata(path)
    return [
        Piece(ParquetPart(path, task.groups, names, metadata), task.first_row, ids) for task in tables.tasks([path])
    ]


def kept(output: Path, columns: TableColumns | None = None) -> list[Piece]:
    """Return what a run that is complete has kept; the ids are those of its decisions."""
    found = []
    for path in sorted(output.glob("documents-*.parquet")):
        there = pq.read_schema(path).names
        wished = (columns or TableColumns()).text_column or "text"
        text = next(name for name in (wished, "text", "content") if name in there)
        decisions = path.with_name(path.name.replace("documents", "decisions"))
        found += _pieces(path, {"text": text}, _KeptIds(decisions).of)
    return found


class _KeptIds:
    """The ids of the documents that decisions keep, read when they are asked for."""

    def __init__(self, decisions: Path) -> None:
        self._decisions = decisions

    @cached_property
    def _ids(self) -> pa.Array:
        return pq.read_table(self._decisions, columns=["id"], filters=pc.field("keep")).column("id").combine_chunks()

    def of(self, first: int, count: int) -> pa.Array:
        return self._ids.slice(first, count)


def settings(threshold: float | None, within: str | None, memory: int, workers: int) -> Settings:
    """Return what the command line asks for."""
    return Settings(threshold=0.7 if threshold is None else threshold, within=within, memory=memory, workers=workers)


def run(
    inputs: Sequence[str],
    output: Path,
    settings: Settings,
    columns: TableColumns | None = None,
    against: Sequence[str] = (),
    progress: Progress | None = None,
) -> StageRecord:
    """Write the kept rows of files and a decision about every row.

    Args:
        inputs: glob patterns of Parquet and JSON-lines files, or folders of them.
        output: the folder of `documents-00000.parquet`, … (one for each input: of Parquet with all its columns, of
            JSON lines with those of DOCUMENTS), `decisions-00000.parquet`, … and `stage.json`.
        settings: what is a duplicate.
        columns: which columns are which.
        against: folders of releases: what they hold is dropped, too.
        progress: told how it gets on.

    Raises:
        SourceError: no file matches, one cannot be read, or has no such column.
        DatasetError: two rows have one id, or the disk is full.
    """
    columns, progress = columns or TableColumns(), progress or Progress()
    paths = tables.paths_of(inputs)
    indexes = [index_of(Path(release), settings.bands) for release in against]
    config = {
        "threshold": settings.threshold, "recall": settings.recall, "order": list(settings.order),
        "within": settings.within, "columns": columns.model_dump(mode="json"),
        "indexes": [index.about for index in indexes],
    }  # fmt: skip
    folder = StageFolder(output, STAGE, CODE, config)
    stamps = [[str(path.resolve()), path.stat().st_size, path.stat().st_mtime_ns] for path in paths]
    wanted = {f"{number:05}": folder.task_fingerprint([number, stamps]) for number in range(len(paths))}

    def run_missing(keys: list[str]) -> Iterator[TaskRecord]:
        progress.total(STAGE, len(keys))
        with spilling(output) as spill:
            files = [_part(path, spill / f"{key}.parquet", columns) for key, path in zip(wanted, paths, strict=True)]
            pieces = [file.pieces() for file in files]
            bounds = [0, *accumulate(map(len, pieces))]
            done = Deduplication([*chain.from_iterable(pieces)], settings, spill, indexes)
            done.run()

            def write(key: str) -> TaskRecord:
                drops = done.drops_of(bounds[int(key)], bounds[int(key) + 1])
                return _write(folder, key, files[int(key)], wanted[key], drops)

            with ThreadPoolExecutor(settings.workers) as pool:
                for record in pool.map(write, keys):
                    progress.advance(record.counts)
                    yield record

    return run_tasks(folder, wanted, run_missing)


def _part(path: Path, copy: Path, columns: TableColumns) -> InputFile:
    """Return a Parquet file as it is; JSON lines are copied to one, with an empty text where there is none."""
    if not tables.is_json_lines(path):
        return InputFile(path, path, _names(path, columns))
    with part_writer(copy.parent, copy.name, DOCUMENTS, []) as writer:
        for task in tables.tasks([path]):
            for rows in tables.documents(task, columns, "input"):
                writer.write(rows.with_columns(pl.col("text").fill_null("")).to_arrow())
    return InputFile(path, copy)


def _names(path: Path, columns: TableColumns) -> dict[str, str]:
    """What `text` and `id` are called in a Parquet file."""
    there = tables.opened(path).schema_arrow.names
    text = columns.text_column or ("content" if "content" in there and "text" not in there else "text")
    for option, name in (("--text-column", text), ("--id-column", columns.id_column)):
        if name and name not in there:
            raise SourceError(f"{path}: no column `{name}`{toml.nearest(name, there)} Name it with {option}.")
    return {"text": text} | ({"id": columns.id_column} if columns.id_column else {})


def _write(folder: StageFolder, key: str, part: InputFile, wanted: str, drops: pl.DataFrame) -> TaskRecord:
    """Write the kept rows of one file and the decisions about all."""
    done: list[Part] = []
    counts, first = Counts(), 0
    with (
        part_writer(folder.path, f"documents-{key}.parquet", pq.read_schema(part.parquet), done) as kept,
        part_writer(folder.path, f"decisions-{key}.parquet", DECISIONS, done) as decided,
    ):
        for rows, about in ahead(part.rows()):
            frame = decisions(as_frame(about.cast(_DECIDED)), drops, first)
            counts += count(frame)
            decided.write(frame.select(DECISIONS.names).to_arrow())
            kept.write(rows.filter(pa.array(frame["keep"].to_numpy())))
            first += rows.num_rows
    return TaskRecord(task=key, fingerprint=wanted, counts=counts, parts=tuple(done))


_DECIDED = pa.schema([("id", pa.string()), ("lang", pa.string()), ("size", pa.int64())])
