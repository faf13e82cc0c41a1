"""Verdicts about the documents of a bucket: all of it in memory, or, should it be too large for that, block by block.

A component may be larger than memory: a million near-copies of one file. Its shingles then stay on the shelf, and two
blocks at a time are in memory: documents that may be dropped, and some of those before them that were kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from algstack.dedup import verify
from algstack.dedup.buckets import packed, shards
from algstack.dedup.shelf import Shelf

Order = NDArray[np.int64]
"""Nodes, ascending, which is the keeper order."""


class Judge(NamedTuple):
    """Compares the nodes of a bucket with each other; what comes of it are the verdicts."""

    nodes: verify.Nodes
    documents: NDArray[np.uint32]  # the document that each node is
    threshold: float
    least: int  # agreement of sketches below which nodes are not compared
    components: NDArray[np.uint32] | None  # of every document, to be joined where they are asked for
    verdicts: verify.Verdicts
    seen: NDArray[np.int64]

    @classmethod
    def of(
        cls,
        nodes: verify.Nodes,
        documents: NDArray[np.uint32],
        threshold: float,
        least: int,
        components: NDArray[np.uint32] | None,
    ) -> Judge:
        """Return one for whom all nodes are kept yet."""
        verdicts, seen = verify.no_verdicts(len(documents)), np.full(len(documents), -1, np.int64)
        return cls(nodes, documents, threshold, least, components, verdicts, seen)

    def decide(self, shelf: Shelf, bucket: int, roots: NDArray[np.uint32], pool: Executor, workers: int) -> None:
        """Decide all nodes, whose shingles lie on the shelf; `roots` tells the component of each."""
        if shelf.fits(bucket):
            everything = (0, len(self.documents))
            there = self._with(shelf.read(bucket), self.nodes.sets.starts)
            orders = shards(roots, self.nodes.sets.sizes, workers)
            list(pool.map(lambda order: there._drop(order, everything), orders))
            if self.components is None:
                return
            mains, apart = self._join_keepers()
            self._find_apart(mains, apart)
            list(pool.map(lambda order: there._connect(order[apart[order]], everything, mains), orders))
        else:
            self._decide_in_blocks(_Memory(self, shelf, bucket))

    def _decide_in_blocks(self, memory: _Memory) -> None:
        every = np.arange(len(self.documents))
        for block, others in memory.blocks(every):
            kept = np.flatnonzero(self.verdicts.keepers[: others[0]] == verify.KEPT)
            for some, _ in memory.blocks(kept, beside=True):
                memory.there._drop(some, others)
            memory.there._drop(block, others)
        if self.components is None:
            return
        mains, apart = self._join_keepers()
        for _, others in memory.blocks(every):
            self._find_apart(mains, apart)
            for some, _ in memory.blocks(np.flatnonzero(apart), beside=True):
                memory.there._connect(some, others, mains)

    def _with(self, read: NDArray[np.uint64], starts: NDArray[np.int64]) -> Judge:
        return self._replace(nodes=self.nodes._replace(sets=self.nodes.sets._replace(read=read, starts=starts)))

    def _drop(self, order: Order, others: tuple[int, int]) -> None:
        verify.decide(
            self.nodes, order, others[0], others[1], self.threshold, self.least, self.seen,
            self._table(order, others), *self.verdicts,
        )  # fmt: skip

    def _join_keepers(self) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        mains, apart = np.zeros(len(self.nodes.starts) - 1, np.int64), np.ones(len(self.documents), np.bool_)
        verify.join_keepers(self.nodes, self.verdicts.keepers, self.documents, self.components, mains)
        self.seen[:] = -1
        return mains, apart

    def _find_apart(self, mains: NDArray[np.int64], apart: NDArray[np.bool_]) -> None:
        verify.find_apart(self.nodes, self.documents, self.components, mains, apart)

    def _connect(self, order: Order, others: tuple[int, int], mains: NDArray[np.int64]) -> None:
        if len(order):
            verify.connect(
                self.nodes, order, others[0], others[1], self.threshold, self.least, self.seen,
                self._table(order, others), self.verdicts.keepers, self.documents, self.components, mains,
            )  # fmt: skip

    def _table(self, order: Order, others: tuple[int, int]) -> verify.Table:
        sizes = self.nodes.sets.sizes
        return verify.new_table(int(sizes[order].max(initial=0) + sizes[slice(*others)].max(initial=0)))


class _Memory:
    """Two blocks of nodes, whose shingles are in memory; those of all others are on the shelf."""

    def __init__(self, judge: Judge, shelf: Shelf, bucket: int) -> None:
        self._sets, self._shelf, self._bucket = judge.nodes.sets, shelf, bucket
        self._missing = self._sets.starts < 0
        self._room = np.where(self._missing, self._sets.sizes, 0)
        self._half = max(int(shelf.limits[bucket]) // 2, int(self._room.max(initial=0)))
        self._loaded = self._sets.starts.copy()
        self._memory = np.empty(2 * self._half, np.uint64)
        self.there = judge._with(self._memory, self._loaded)

    def blocks(self, nodes: Order, beside: bool = False) -> Iterator[tuple[Order, tuple[int, int]]]:
        """Yield nodes block by block, when they are in memory, beside the others if wanted, and from where to where."""
        if not len(nodes):
            return
        bins = packed(self._room[nodes], self._half)
        for block in np.split(nodes, np.flatnonzero(np.diff(bins)) + 1):
            before = self._loaded[block]
            self._load(block, self._half if beside else 0)
            yield block, (int(block[0]), int(block[-1]) + 1)
            if beside:  # some of them may be in the other block as well, and stay there
                self._loaded[block] = before

    def _load(self, nodes: Order, begin: int) -> None:
        wanted = nodes[self._missing[nodes]]
        sizes = self._sets.sizes[wanted]
        places = begin + np.cumsum(sizes) - sizes
        self._shelf.read_pieces(self._bucket, -1 - self._sets.starts[wanted], sizes, places, self._memory)
        self._loaded[wanted] = -1 - places
