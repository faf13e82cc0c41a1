"""Deduplication of any Parquet or JSON-lines files, without a manifest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from glob import glob
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pajson
import pyarrow.parquet as pq

from algstack.dataset import (
    Counts,
    Part,
    PartWriter,
    StageFolder,
    StageRecord,
    TaskRecord,
    explained_os_errors,
    part_writer,
    run_tasks,
)
from algstack.dedup.fast import Deduplication
from algstack.dedup.index import index_of
from algstack.dedup.parts import BATCH_ROWS, ParquetPart
from algstack.dedup.stage import CODE, STAGE, count, decisions, spilling
from algstack.dedup.state import Settings
from algstack.documents import DECISIONS
from algstack.errors import DatasetError
from algstack.workspace import as_frame

JSON_ENDINGS = (".jsonl", ".ndjson", ".json", ".jsonl.gz", ".jsonl.zst")


@dataclass(frozen=True)
class FilePart:
    """One input file as Parquet. `names` says what a column of documents is called in it.

    A document without an id of its own is named by its file and row: `x.parquet#12`.
    """

    source: Path
    parquet: Path
    names: Mapping[str, str] = field(default_factory=dict)

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """See algstack.dedup.parts.Part."""
        part = ParquetPart(self.parquet, names=dict(self.names))
        if self.names.get("id", "id") in pq.read_schema(self.parquet).names or "id" not in columns:
            yield from part.batches(columns)
            return
        first, place = 0, list(columns).index("id")
        for batch in part.batches(columns):
            ids = pa.array([f"{self.source.name}#{row}" for row in range(first, first + batch.num_rows)])
            yield batch.set_column(place, "id", ids)
            first += batch.num_rows


def settings(threshold: float | None, within: str | None, memory: int, workers: int) -> Settings:
    """Return what the command line asks for."""
    return Settings(threshold=0.7 if threshold is None else threshold, within=within, memory=memory, workers=workers)


def run(
    inputs: Sequence[str],
    output: Path,
    settings: Settings,
    names: Mapping[str, str] | None = None,
    against: Sequence[str] = (),
) -> StageRecord:
    """Write the kept rows of files and a decision about every row.

    Args:
        inputs: paths or glob patterns of Parquet or JSON-lines files.
        output: the folder of `documents-00000.parquet`, … (one for each input, with all its columns),
            `decisions-00000.parquet`, … and `stage.json`.
        settings: what is a duplicate.
        names: what the columns `text`, `id`, … are called in the files, where it is something else.
        against: folders of releases: what they hold is dropped, too.

    Raises:
        DatasetError: no file matches, one cannot be read, has no such text column, or the disk is full.
    """
    names = names or {}
    paths = _paths(inputs)
    indexes = [index_of(Path(release), settings.bands) for release in against]
    config = {
        "threshold": settings.threshold, "recall": settings.recall, "order": list(settings.order),
        "within": settings.within, "names": dict(names), "indexes": [index.about for index in indexes],
    }  # fmt: skip
    folder = StageFolder(output, STAGE, CODE, config)
    stamps = [[str(path.resolve()), path.stat().st_size, path.stat().st_mtime_ns] for path in paths]
    wanted = {f"{number:05}": folder.task_fingerprint([number, stamps]) for number in range(len(paths))}

    def run_missing(keys: list[str]) -> Iterator[TaskRecord]:
        with spilling(output) as spill:
            copies = [_as_parquet(path, spill / f"{key}.parquet") for key, path in zip(wanted, paths, strict=True)]
            parts = [FilePart(path, copy, names) for path, copy in zip(paths, copies, strict=True)]
            for part in parts:
                _check_text(part)
            done = Deduplication(parts, settings, spill, indexes)
            done.run()
            for key in keys:
                part = parts[int(key)]
                yield _write(folder, key, part, wanted[key], done.drops_of(int(key)))

    return run_tasks(folder, wanted, run_missing)


def _paths(inputs: Sequence[str]) -> list[Path]:
    found = [Path(name) for pattern in inputs for name in sorted(glob(pattern, recursive=True))]  # noqa: PTH207
    if not found:
        raise DatasetError(f"No file matches {' '.join(inputs)}. Quote patterns, so that the shell leaves them alone.")
    return list(dict.fromkeys(found))


def _as_parquet(path: Path, copy: Path) -> Path:
    """Return a Parquet file as it is; copy JSON lines to one."""
    if not path.name.endswith(JSON_ENDINGS):
        return path
    try:
        with pajson.open_json(pa.input_stream(str(path))) as reader, explained_os_errors(copy):
            writer = PartWriter(copy, reader.schema)
            for batch in reader:
                writer.write(batch)
            writer.close()
    except pa.ArrowInvalid as error:
        raise DatasetError(f"{path}: is not JSON lines ({str(error).splitlines()[0]}).") from error
    return copy


def _check_text(part: FilePart) -> None:
    wanted = part.names.get("text", "text")
    try:
        there = pq.read_schema(part.parquet).names
    except (OSError, pa.ArrowInvalid) as error:
        raise DatasetError(f"{part.source}: cannot be read as Parquet ({error}).") from error
    if wanted not in there:
        raise DatasetError(
            f"{part.source}: has no column `{wanted}`, but {', '.join(there)}. Name it with --text-column."
        )


def _write(folder: StageFolder, key: str, part: FilePart, wanted: str, drops: pl.DataFrame) -> TaskRecord:
    """Write the kept rows of one file and the decisions about all."""
    done: list[Part] = []
    counts, first = Counts(), 0
    dropped = drops["row"].to_numpy()
    with (
        part_writer(folder.path, f"documents-{key}.parquet", pq.read_schema(part.parquet), done) as kept,
        part_writer(folder.path, f"decisions-{key}.parquet", DECISIONS, done) as decided,
    ):
        for rows, about in zip(_all_columns(part), part.batches(("id", "lang", "text")), strict=True):
            sizes = pc.fill_null(pc.binary_length(about.column(2)), 0)
            documents = pa.table({"id": about.column(0), "lang": about.column(1), "size": sizes})
            frame = decisions(as_frame(documents.cast(_DECIDED)), drops, first)
            counts += count(frame)
            decided.write(frame.select(DECISIONS.names).to_arrow())
            numbers = np.arange(first, first + rows.num_rows)
            kept.write(rows.filter(pa.array(~np.isin(numbers, dropped))))
            first += rows.num_rows
    return TaskRecord(task=key, fingerprint=wanted, counts=counts, parts=tuple(done))


_DECIDED = pa.schema([("id", pa.string()), ("lang", pa.string()), ("size", pa.int64())])


def _all_columns(part: FilePart) -> Iterator[pa.RecordBatch]:
    yield from pq.ParquetFile(part.parquet).iter_batches(BATCH_ROWS, use_threads=False)
