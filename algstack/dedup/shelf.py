"""Shingle hashes that are read once and used bucket by bucket: in memory for one bucket, else in a file."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from algstack.dataset import explained_os_errors

_BYTES = 8


class Shelf:
    """Room for the hashes of each bucket. Any thread may write; they are read when all are written."""

    def __init__(self, path: Path, sizes: NDArray[np.int64], limits: NDArray[np.int64]) -> None:
        """Make room for so many hashes of each bucket, at `path` unless all of them fit into memory.

        Args:
            path: a file to be made, if need be.
            sizes: the hashes of each bucket.
            limits: how many of them may be in memory.
        """
        self.limits = limits
        self._path, self._sizes = path, sizes
        self._starts = np.cumsum(sizes) - sizes
        self._memory = np.empty(int(sizes[sizes <= limits].max(initial=0)), np.uint64)
        self._file: int | None = None
        if len(sizes) > 1 or (sizes > limits).any():
            with explained_os_errors(path):
                self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)

    def write(self, bucket: int, at: int, hashes: NDArray[np.uint64]) -> None:
        """Put hashes to their place among those of a bucket.

        Raises:
            DatasetError: the disk is full.
        """
        if self._file is None:
            self._memory[at : at + len(hashes)] = hashes
            return
        left, place = hashes.view(np.uint8).data, _BYTES * (int(self._starts[bucket]) + at)
        with explained_os_errors(self._path):
            while left:
                written = os.pwrite(self._file, left, place)
                left, place = left[written:], place + written

    def fits(self, bucket: int) -> bool:
        """Whether a bucket fits into memory."""
        return bool(self._sizes[bucket] <= self.limits[bucket])

    def read(self, bucket: int) -> NDArray[np.uint64]:
        """Return the hashes of a bucket that fits into memory, until the next bucket's are read."""
        hashes = self._memory[: self._sizes[bucket]]
        if self._file is not None:
            with self._path.open("rb") as file:
                file.seek(_BYTES * int(self._starts[bucket]))
                file.readinto(hashes.view(np.uint8).data)
        return hashes

    def read_pieces(
        self,
        bucket: int,
        begins: NDArray[np.int64],
        sizes: NDArray[np.int64],
        places: NDArray[np.int64],
        into: NDArray[np.uint64],
    ) -> None:
        """Read some hashes of a bucket that does not fit: those from each of `begins` on, to each of `places`."""
        with self._path.open("rb", buffering=0) as file:
            for i in np.argsort(begins).tolist():
                file.seek(_BYTES * (int(self._starts[bucket]) + int(begins[i])))
                file.readinto(into[places[i] : places[i] + sizes[i]].view(np.uint8).data)

    def discard(self) -> None:
        """Forget all hashes."""
        if self._file is not None:
            os.close(self._file)
            self._path.unlink()
        self._memory, self._file = np.zeros(0, np.uint64), None
