"""Where documents come from: parts that can be read again and again, a batch at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from algstack.errors import DatasetError

BATCH_ROWS = 2048
BATCH_BYTES = 8 << 20
"""Uncompressed bytes of a batch of a file, about: so few that they are still in the processor's cache when used."""


class Part(Protocol):
    """Some of the documents, always in the same order. `algstack.workspace.KeptDocuments` is one."""

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Yield the documents' columns of these names; one that the documents lack is null throughout."""
        ...


@dataclass(frozen=True)
class TablePart:
    """Documents in memory. `names` says what a column of documents is called in the table."""

    table: pa.Table
    names: dict[str, str] = field(default_factory=dict)

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """See Part."""
        found = [self.names.get(name, name) for name in columns]
        chosen = self.table.select([name for name in dict.fromkeys(found) if name in self.table.column_names])
        for batch in chosen.to_batches(max_chunksize=BATCH_ROWS):
            yield _named(batch, columns, found)


@dataclass(frozen=True)
class ParquetPart:
    """Some row groups of a Parquet file, all by default. `names` says what a column of documents is called there."""

    path: Path
    row_groups: tuple[int, ...] | None = None
    names: dict[str, str] = field(default_factory=dict)
    metadata: pq.FileMetaData | None = field(default=None, compare=False, repr=False)  # if it was read already

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """See Part.

        Raises:
            DatasetError: the file cannot be read.
        """
        try:
            file = pq.ParquetFile(self.path, metadata=self.metadata)
        except (OSError, pa.ArrowInvalid) as error:
            raise DatasetError(f"{self.path}: cannot be read as Parquet ({error}).") from error
        found = [self.names.get(name, name) for name in columns]
        there = [name for name in dict.fromkeys(found) if name in file.schema_arrow.names]
        groups = range(file.num_row_groups) if self.row_groups is None else self.row_groups
        if not there:
            for group in groups:
                rows = file.metadata.row_group(group).num_rows
                yield pa.RecordBatch.from_arrays([pa.nulls(rows)] * len(columns), names=list(columns))
            return
        rows = _batch_rows([file.metadata.row_group(group) for group in groups])
        for batch in file.iter_batches(rows, row_groups=list(groups), columns=there, use_threads=False):
            yield _named(batch, columns, found)


def _batch_rows(groups: Sequence[pq.RowGroupMetaData]) -> int:
    size: int = sum(group.total_byte_size for group in groups)
    rows: int = sum(group.num_rows for group in groups)
    return min(BATCH_ROWS, max(1, BATCH_BYTES * rows // max(size, 1)))


def parquet_parts(path: Path, names: dict[str, str] | None = None) -> list[ParquetPart]:
    """Return a file's row groups as parts, so that several workers can share one file.

    Raises:
        DatasetError: the file cannot be read.
    """
    try:
        metadata = pq.read_metadata(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise DatasetError(f"{path}: cannot be read as Parquet ({error}).") from error
    return [ParquetPart(path, (group,), names or {}, metadata) for group in range(metadata.num_row_groups)]


def _named(batch: pa.RecordBatch, columns: Sequence[str], found: Sequence[str]) -> pa.RecordBatch:
    arrays = [batch.column(name) if name in batch.schema.names else pa.nulls(batch.num_rows) for name in found]
    return pa.RecordBatch.from_arrays(arrays, names=list(columns))


class Numbering:
    """Numbers documents: those of part i from `starts[i]`, in its order."""

    def __init__(self, counts: Iterable[int]) -> None:
        self.starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(list(counts), dtype=np.int64)])

    def __len__(self) -> int:
        return int(self.starts[-1])

    def within(self, part: int, documents: NDArray[np.uint32]) -> NDArray[np.int64]:
        """Return those of ascending document numbers that lie in a part, as its rows."""
        low, high = np.searchsorted(documents, self.starts[part : part + 2])
        rows: NDArray[np.int64] = documents[low:high].astype(np.int64) - self.starts[part]
        return rows


def chosen_rows(
    part: Part, rows: NDArray[np.int64], columns: Sequence[str]
) -> Iterator[tuple[int, NDArray[np.int64], pa.RecordBatch]]:
    """Yield a part's batches that hold some of the ascending rows: the batch's first row, those in it, the batch."""
    if not len(rows):
        return
    first = 0
    for batch in part.batches(columns):
        low, high = np.searchsorted(rows, [first, first + batch.num_rows])
        if high > low:
            yield first, rows[low:high] - first, batch
        first += batch.num_rows
        if first > rows[-1]:
            return


def take(
    parts: Sequence[Part], numbering: Numbering, documents: NDArray[np.uint32], columns: Sequence[str], workers: int
) -> pa.Table:
    """Return columns of the documents with these ascending numbers, in their order."""

    def read(part: int) -> list[pa.RecordBatch]:
        found = chosen_rows(parts[part], numbering.within(part, documents), columns)
        return [batch.take(pa.array(rows)) for _, rows, batch in found]

    with ThreadPoolExecutor(workers) as pool:
        batches = [batch for found in pool.map(read, range(len(parts))) for batch in found]
    return pa.concat_tables(map(_as_table, batches), promote_options="permissive") if batches else _empty(columns)


def _as_table(batch: pa.RecordBatch) -> pa.Table:
    return pa.Table.from_batches([batch])


def _empty(columns: Sequence[str]) -> pa.Table:
    nothing: dict[str, Any] = {name: pa.nulls(0) for name in columns}
    return pa.table(nothing)
