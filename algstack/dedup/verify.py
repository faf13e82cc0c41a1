"""Exact comparison: distinct shingles, their Jaccard similarity, and keepers taken greedily in the keeper order."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from algstack.dedup.digest import agreement
from algstack.dedup.kernel import U64, ZERO, Scratch, next_shingles
from algstack.dedup.vector import inlined, kernel

KEPT = -1
BY_BODY, BY_SHINGLES = 1, 2


class Sets(NamedTuple):
    """Distinct 64-bit shingle hashes: set i is `hashes[starts[i]:starts[i] + sizes[i]]`, in no order."""

    hashes: NDArray[np.uint64]
    starts: NDArray[np.int64]
    sizes: NDArray[np.int64]


class Nodes(NamedTuple):
    """Documents that may be duplicates of each other, in keeper order, and the groups that say so."""

    sets: Sets
    sketches: NDArray[np.uint64]  # (n, 4)
    bodies: NDArray[np.uint64]  # (n, 2), fingerprints; zeros for a document without one
    frozen: NDArray[np.bool_]  # (n,), kept for certain: those of an earlier release
    members: NDArray[np.uint32]
    starts: NDArray[np.int64]  # group i is members[starts[i]:starts[i + 1]], ascending
    joined: NDArray[np.int64]
    joined_starts: NDArray[np.int64]  # node i is in the groups joined[joined_starts[i]:joined_starts[i + 1]]


class Verdicts(NamedTuple):
    """Of each node: its keeper (KEPT if it is kept itself), by what (BY_BODY, BY_SHINGLES), how similar."""

    keepers: NDArray[np.int64]
    rules: NDArray[np.uint8]
    similarities: NDArray[np.float64]


def table_size(count: int) -> int:
    """Return the size of a hash table for so many shingles: a power of two, at most half full."""
    return 1 << max(4, (2 * count - 1).bit_length())


@inlined
def _place(table: Any, mask: Any, value: Any) -> Any:
    """Return where a value stands in a table, or the empty place where it belongs."""
    place = value & mask
    while table[place] != ZERO and table[place] != value:
        place = (place + U64(1)) & mask
    return place


@inlined
def _nonzero(value: Any) -> Any:
    """Zero marks an empty place: the one shingle in 2^64 whose hash it is counts as 1."""
    return value if value != ZERO else U64(1)


@kernel
def distinct(
    data: Any, offsets: Any, slots: Any, scratch: Scratch, table: Any, hashes: Any, starts: Any, sizes: Any
) -> None:
    """Write the distinct shingle hashes of texts.

    Args:
        data: the texts' bytes.
        offsets: (n + 1,) int64.
        slots: (n,) int64: the set to write a text's shingles to, -1 for none.
        scratch: this thread's work space.
        table: a power of two of places, at least twice the shingles of any text.
        hashes, starts, sizes: the sets; each has room for all shingles of its text.
    """
    for row in range(len(offsets) - 1):
        slot = slots[row]
        if slot < 0:
            continue
        room = starts[slot + 1] - starts[slot]
        mask = U64(_places(room) - 1)
        table[: _places(room)] = ZERO
        at, end, held, size, begin = offsets[row], offsets[row + 1], 0, 0, starts[slot]
        while at < end:
            at, held, found = next_shingles(data, at, end, held, scratch)
            for i in range(found):
                value = _nonzero(scratch.shingles[i])
                place = _place(table, mask, value)
                if table[place] == ZERO:
                    table[place] = value
                    hashes[begin + size] = value
                    size += 1
        sizes[slot] = size


@inlined
def _places(count: Any) -> Any:
    places = 16
    while places < 2 * count:
        places *= 2
    return places


@inlined
def _fill(table: Any, hashes: Any) -> Any:
    """Put a set into a table; return its mask."""
    places = _places(len(hashes))
    mask = U64(places - 1)
    table[:places] = ZERO
    for value in hashes:
        table[_place(table, mask, value)] = value
    return mask


@inlined
def _common(table: Any, mask: Any, hashes: Any, needed: Any) -> Any:
    """Count a set's members in a table; -1 as soon as fewer than `needed` are sure."""
    spare = len(hashes) - needed
    common, i = 0, 0
    while i < len(hashes):
        # A question every 64 members keeps the loop short.
        stop = min(i + 64, len(hashes))
        for k in range(i, stop):
            common += table[_place(table, mask, hashes[k])] != ZERO
        i = stop
        if i - common > spare:
            return -1
    return common


@inlined
def _set(sets: Any, node: Any) -> Any:
    return sets.hashes[sets.starts[node] : sets.starts[node] + sets.sizes[node]]


@inlined
def _needed(one: Any, other: Any, threshold: Any) -> Any:
    """Return a number of common members that two sets of the threshold's similarity surely have."""
    # common / (one + other - common) >= threshold; one less, so that rounding never decides.
    return int(threshold * (one + other) / (1 + threshold)) - 1


@kernel
def decide(
    nodes: Nodes, order: Any, threshold: Any, least: Any, seen: Any, table: Any,
    keepers: Any, rules: Any, similarities: Any,
) -> None:  # fmt: skip
    """Take keepers greedily: each node that is not dropped yet is kept, and drops the later ones that are like it.

    Args:
        nodes: in keeper order.
        order: the nodes to decide, ascending: whole connected components.
        threshold: least Jaccard similarity.
        least: agreement of sketches below which nodes are not compared.
        seen: (n,) int64, all -1: the last node that each was compared with.
        table: places for the largest set.
        keepers, rules, similarities: the verdicts; `keepers` all KEPT.
    """
    for node in order:
        if keepers[node] != KEPT:
            continue
        mask = ZERO  # no table yet
        for joined in range(nodes.joined_starts[node], nodes.joined_starts[node + 1]):
            group = nodes.joined[joined]
            for i in range(nodes.starts[group], nodes.starts[group + 1]):
                other = nodes.members[i]
                if other <= node or seen[other] == node or keepers[other] != KEPT or nodes.frozen[other]:
                    continue
                seen[other] = node
                same_body = _same_body(nodes.bodies, node, other)
                if not (same_body or agreement(nodes.sketches[node], nodes.sketches[other]) >= least):
                    continue
                if mask == ZERO:
                    mask = _fill(table, _set(nodes.sets, node))
                one, two = nodes.sets.sizes[node], nodes.sets.sizes[other]
                needed = 0 if same_body else _needed(one, two, threshold)
                if needed > min(one, two):
                    continue
                common = _common(table, mask, _set(nodes.sets, other), needed)
                similarity = common / (one + two - common)
                if same_body or (common >= 0 and similarity >= threshold):
                    keepers[other] = node
                    rules[other] = BY_BODY if same_body else BY_SHINGLES
                    similarities[other] = similarity


@inlined
def _same_body(bodies: Any, one: Any, other: Any) -> Any:
    return bodies[one, 0] == bodies[other, 0] and bodies[one, 1] == bodies[other, 1] and bodies[one, 1] != ZERO
