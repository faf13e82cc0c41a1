"""Documents that share a key, as groups: who may be whose duplicate."""

from __future__ import annotations

import threading
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from algstack.dedup import radix
from algstack.dedup.digest import agreement
from algstack.dedup.fingerprint import S0, S1
from algstack.dedup.kernel import I64, NOTHING, U64, ZERO
from algstack.vector import copy, folded_product, inlined, kernel

PRUNED = 64
"""Members up to which a group loses those whose sketch is unlike every other's."""


class Groups(NamedTuple):
    """Group i is `members[starts[i]:starts[i + 1]]`: at least two documents, ascending."""

    members: NDArray[np.uint32]
    starts: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.starts) - 1


class GroupSet:
    """Gathers groups, each once: near-duplicates share most of their bands. Any thread may add some."""

    def __init__(self) -> None:
        self._members = [np.zeros(0, np.uint32)]
        self._sizes = [np.zeros(0, np.int64)]
        self._hashes = [np.zeros(0, np.uint64)]
        self._count = 0
        self._table = np.zeros(1 << 16, np.uint64)
        self._lock = threading.Lock()

    def add(self, members: NDArray[np.uint32], sizes: NDArray[np.int64], hashes: NDArray[np.uint64]) -> None:
        """Add groups that lie one after the other in `members`; the arrays are overwritten."""
        with self._lock:
            self._make_room(len(hashes))
            placed, new = _keep_new(self._table, members, sizes, hashes)
            if new:
                self._members.append(members[:placed].copy())
                self._sizes.append(sizes[:new].copy())
                self._hashes.append(hashes[:new].copy())
                self._count += new

    def groups(self) -> Groups:
        """Return all distinct groups, in an order that does not depend on the order in which they came."""
        members, sizes = np.concatenate(self._members), np.concatenate(self._sizes)
        order = np.argsort(np.concatenate(self._hashes))
        ordered, starts = np.empty_like(members), np.zeros(len(sizes) + 1, np.int64)
        np.cumsum(sizes[order], out=starts[1:])
        _take(members, np.cumsum(sizes) - sizes, sizes, order, ordered)
        return Groups(ordered, starts)

    def _make_room(self, count: int) -> None:
        """Keep the table of hashes at most half full, should so many more come."""
        if 2 * (self._count + count) > len(self._table):
            self._table = np.zeros(1 << (4 * (self._count + count) - 1).bit_length(), np.uint64)
            for hashes in self._hashes:
                _enter(self._table, hashes)


@inlined
def place_of(value: Any, table: Any, mask: Any) -> Any:
    """Return where a value that is not zero stands in a hash table, or the empty place, zero, where it belongs.

    The mask is that of the table's places, a power of two of them.
    """
    place = value & mask
    while table[place] != value and table[place] != ZERO:
        place = (place + U64(1)) & mask
    return place


@inlined
def _is_new(table: Any, hashed: Any) -> Any:
    """Enter a hash; whether it was not there before."""
    place = place_of(hashed, table, U64(len(table) - 1))
    new = table[place] == ZERO
    table[place] = hashed
    return new


@kernel
def _enter(table: Any, hashes: Any) -> None:
    for hashed in hashes:
        _is_new(table, hashed)


@kernel
def _keep_new(table: Any, members: Any, sizes: Any, hashes: Any) -> Any:
    """Move the groups that are new to the front; return the numbers of their members and of themselves."""
    begin, placed, kept = NOTHING, NOTHING, NOTHING
    for group in range(len(hashes)):
        size = sizes[group]
        if _is_new(table, hashes[group]):
            copy(members, begin, size, members, placed)
            sizes[kept], hashes[kept] = size, hashes[group]
            placed += size
            kept += 1
        begin += size
    return placed, kept


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
    radix.sort(rows)
    members, sizes = np.empty(len(rows), np.uint32), np.empty(len(rows) // 2, np.int64)
    hashes = np.empty(len(rows) // 2, np.uint64)
    placed, found = _find(rows, sketches, least, members, sizes, hashes)
    if found:
        into.add(members[:placed], sizes[:found], hashes[:found])


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
    return max(value, U64(1))


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
