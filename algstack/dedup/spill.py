"""Rows that wait in memory, and beyond a budget on disk, until those that may belong together are looked at together.

Rows are 64-bit numbers in partitions. What does not fit into memory is written to Parquet files with one row group for
each partition.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from algstack.dataset import explained_os_errors
from algstack.dedup.digest import Keys
from algstack.vector import kernel

SORTED_ROWS = 1 << 18
"""Rows that are sorted by partition at once: enough that a partition is made of few pieces."""

_SCHEMA = pa.schema([pa.field("row", pa.uint64(), nullable=False)])


class Spill:
    """Partitioned rows; any thread may add some."""

    def __init__(self, folder: Path, name: str, budget: int, partitions: int) -> None:
        """Make an empty spill that holds `budget` bytes in memory and the rest in files `folder/name-*.parquet`."""
        self._folder, self._name, self._budget = folder, name, budget
        self.partitions = partitions
        self._unsorted: list[Keys] = []
        self._unsorted_rows = 0
        self._pending: list[tuple[NDArray[np.int64], NDArray[np.uint64]]] = []
        self._pending_bytes = 0
        self._files: list[Path] = []
        self._lock = threading.Lock()

    def add(self, keys: Keys) -> None:
        """Add rows; write all that are in memory to disk where they have become too many."""
        if not len(keys.rows):
            return
        with self._lock:
            self._unsorted.append(keys)
            self._unsorted_rows += len(keys.rows)
            enough = self._unsorted_rows >= min(SORTED_ROWS, self._budget // 32)
            taken = self._taken() if enough else []
        if taken:
            bounds, rows = self._sorted(taken)
            with self._lock:
                self._keep(bounds, rows)

    def _taken(self) -> list[Keys]:
        taken, self._unsorted, self._unsorted_rows = self._unsorted, [], 0
        return taken

    def _sorted(self, pieces: list[Keys]) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
        """Return the rows of all pieces by partition; those of partition p are `rows[bounds[p]:bounds[p + 1]]`."""
        bounds = np.zeros(self.partitions + 1, np.int64)
        for piece in pieces:
            _count(piece.partitions, bounds)
        bounds = np.cumsum(bounds)
        places, rows = bounds.copy(), np.empty(bounds[-1], np.uint64)
        for piece in pieces:
            _scatter(piece.partitions, piece.rows, places, rows)
        return bounds, rows

    def _keep(self, bounds: NDArray[np.int64], rows: NDArray[np.uint64]) -> None:
        if len(rows):
            self._pending.append((bounds, rows))
        self._pending_bytes += rows.nbytes
        if self._pending_bytes > self._budget:
            self._write()

    def partition(self, number: int) -> NDArray[np.uint64]:
        """Return all rows of one partition, in no order."""
        with self._lock:
            self._keep(*self._sorted(self._taken()))
        stored = [pq.ParquetFile(path).read_row_group(number).column(0).to_numpy() for path in self._files]
        return np.concatenate([*stored, self._in_memory(number)])

    def _in_memory(self, number: int) -> NDArray[np.uint64]:
        parts = [rows[bounds[number] : bounds[number + 1]] for bounds, rows in self._pending]
        return np.concatenate(parts) if parts else np.zeros(0, np.uint64)

    def _write(self) -> None:
        path = self._folder / f"{self._name}-{len(self._files):05}.parquet"
        with (
            explained_os_errors(path),
            pq.ParquetWriter(path, _SCHEMA, compression="none", use_dictionary=False, write_statistics=False) as writer,
        ):
            for number in range(self.partitions):
                writer.write_table(pa.table([self._in_memory(number)], schema=_SCHEMA))
        self._files.append(path)
        self._pending, self._pending_bytes = [], 0

    def discard(self) -> None:
        """Forget all rows and remove their files."""
        for path in self._files:
            path.unlink(missing_ok=True)
        self._files, self._unsorted, self._pending = [], [], []
        self._unsorted_rows = self._pending_bytes = 0


@kernel
def _count(partitions: Any, bounds: Any) -> None:
    for partition in partitions:
        bounds[partition + 1] += 1


@kernel
def _scatter(partitions: Any, rows: Any, places: Any, out: Any) -> None:
    """Write each row to the next place of its partition."""
    for i in range(len(rows)):
        out[places[partitions[i]]] = rows[i]
        places[partitions[i]] += 1
