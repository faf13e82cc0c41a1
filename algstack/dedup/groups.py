"""Documents that share a key, as groups: who may be whose duplicate."""

from __future__ import annotations

import threading
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from algstack.dedup.digest import agreement
from algstack.dedup.fingerprint import S0, S1
from algstack.dedup.kernel import I64, NOTHING, U64
from algstack.vector import copy, folded_product, inlined, kernel

PRUNED = 64
"""Members up to which a group loses those whose sketch is unlike every other's."""

COMPACTED = 1 << 22
"""Members to gather before equal groups are looked for."""


class Groups(NamedTuple):
    """Group i is `members[starts[i]:starts[i + 1]]`: at least two documents, ascending."""

    members: NDArray[np.uint32]
    starts: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.starts) - 1


class GroupSet:
    """Gathers groups, each once: near-duplicates share most of their bands. Any thread may add some."""

    def __init__(self) -> None:
        self._members: list[NDArray[np.uint32]] = []
        self._sizes: list[NDArray[np.int64]] = []
        self._hashes: list[NDArray[np.uint64]] = []
        self._pending = 0
        self._lock = threading.Lock()

    def add(self, members: NDArray[np.uint32], sizes: NDArray[np.int64], hashes: NDArray[np.uint64]) -> None:
        """Add groups that lie one after the other in `members`."""
        with self._lock:
            self._members.append(members)
            self._sizes.append(sizes)
            self._hashes.append(hashes)
            self._pending += len(members)
            if self._pending > 2 * len(self._members[0]) + COMPACTED:
                self._compact()

    def groups(self) -> Groups:
        """Return all distinct groups, in an order that does not depend on the order in which they came."""
        with self._lock:
            self._compact()
            sizes = self._sizes[0]
            return Groups(self._members[0], np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)]))

    def _compact(self) -> None:
        members = np.concatenate([np.zeros(0, np.uint32), *self._members])
        sizes = np.concatenate([np.zeros(0, np.int64), *self._sizes])
        hashes, chosen = np.unique(np.concatenate([np.zeros(0, np.uint64), *self._hashes]), return_index=True)
        starts = np.cumsum(sizes) - sizes
        kept = np.empty(int(sizes[chosen].sum()), np.uint32)
        _take(members, starts, sizes, chosen, kept)
        self._members, self._sizes, self._hashes = [kept], [sizes[chosen]], [hashes]
        self._pending = len(kept)


@kernel
def _take(members: Any, starts: Any, sizes: Any, chosen: Any, out: Any) -> None:
    place = NOTHING
    for group in chosen:
        size = sizes[group]
        copy(members, starts[group], size, out, place)
        place += size


def find(
    rows: NDArray[np.uint64], labels: NDArray[np.uint32], sketches: NDArray[np.uint64], least: int, into: GroupSet
) -> None:
    """Add the groups of one partition.

    Args:
        rows: the partition's rows: a key's 32 bits and a document's number. They are overwritten.
        labels: of each document, the document that stands for all with its text.
        sketches: of each document.
        least: agreement of two sketches below which they are too unlike; 0 if sketches are not to be looked at.
        into: where to add them.
    """
    _relabel(rows, labels)
    rows.sort()
    members, sizes = np.empty(len(rows), np.uint32), np.empty(len(rows) // 2, np.int64)
    hashes = np.empty(len(rows) // 2, np.uint64)
    placed, found = _find(rows, sketches, least, members, sizes, hashes)
    if found:
        into.add(members[:placed].copy(), sizes[:found].copy(), hashes[:found].copy())


@kernel
def _relabel(rows: Any, labels: Any) -> None:
    for i in range(len(rows)):
        rows[i] = (rows[i] & U64(0xFFFFFFFF00000000)) | U64(labels[rows[i] & U64(0xFFFFFFFF)])


@kernel
def _find(rows: Any, sketches: Any, least: Any, members: Any, sizes: Any, hashes: Any) -> Any:
    """Write the groups of sorted rows; return the numbers of members and of groups."""
    placed, found, i = 0, 0, 0
    while i < len(rows):
        key = rows[i] >> U64(32)
        size = 0
        while i < len(rows) and rows[i] >> U64(32) == key:
            document = np.uint32(rows[i])
            if size == 0 or members[placed + size - 1] != document:
                members[placed + size] = document
                size += 1
            i += 1
        if least > 0 and 2 <= size <= PRUNED:
            size = _prune(members[placed : placed + size], sketches, least)
        if size >= 2:
            sizes[found] = size
            hashes[found] = _hash(members[placed : placed + size])
            placed += size
            found += 1
    return placed, found


@inlined
def _prune(group: Any, sketches: Any, least: Any) -> Any:
    """Move the members that are like another to the front, in their order; return how many they are."""
    alike = U64(0)
    for i in range(len(group)):
        for k in range(i + 1, len(group)):
            if agreement(sketches[group[i]], sketches[group[k]]) >= least:
                alike |= (U64(1) << U64(i)) | (U64(1) << U64(k))
    size = 0
    for i in range(len(group)):
        if (alike >> U64(i)) & U64(1):
            group[size] = group[i]
            size += 1
    return size


@inlined
def _hash(group: Any) -> Any:
    value = S0
    for document in group:
        value = folded_product(value ^ U64(document), S1) ^ (value << U64(9))
    return value


@kernel
def unite(members: Any, starts: Any, parents: Any) -> None:
    """Join the members of each group: afterwards `root` tells the smallest document of each connected component."""
    for group in range(len(starts) - 1):
        for i in range(starts[group] + 1, starts[group + 1]):
            join(parents, members[starts[group]], members[i])


@inlined
def join(parents: Any, one: Any, other: Any) -> None:
    """Join the components of two documents."""
    one, other = root(parents, I64(one)), root(parents, I64(other))
    parents[max(one, other)] = min(one, other)


@kernel
def flatten(parents: Any) -> None:
    """Point every document at the root of its component."""
    for document in range(len(parents)):
        parents[document] = root(parents, I64(document))


@inlined
def root(parents: Any, document: Any) -> Any:
    """Return the root of a document's component, halving the way there."""
    while parents[document] != document:
        parents[document] = parents[parents[document]]
        document = I64(parents[document])
    return document
