"""Exact comparison: distinct shingles, their Jaccard similarity, and keepers taken greedily in the keeper order."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from algstack.dedup.digest import agreement
from algstack.dedup.groups import join, place_of, root
from algstack.dedup.kernel import I64, NOTHING, U64, ZERO, Scratch, next_shingles
from algstack.vector import copy, inlined, kernel, spliced

KEPT = -1
BY_BODY, BY_SHINGLES = 1, 2


class Sets(NamedTuple):
    """64-bit shingle hashes of documents, with repetitions, as they stand in the texts.

    Those of document i are the `sizes[i]` from `starts[i]` in `stored`, or, where that is negative, from
    `-1 - starts[i]` in `read`.
    """

    stored: NDArray[np.uint64]
    read: NDArray[np.uint64]
    starts: NDArray[np.int64]
    sizes: NDArray[np.int64]
    body_sizes: NDArray[np.int64]  # how many of them, the last ones, are of the body


class Nodes(NamedTuple):
    """Documents that may be duplicates of each other, in keeper order, and the groups that say so."""

    sets: Sets
    sketches: NDArray[np.uint64]  # (n, 4)
    frozen: NDArray[np.bool_]  # (n,), kept for certain: those of an earlier release
    members: NDArray[np.uint32]
    starts: NDArray[np.int64]  # group i is members[starts[i]:starts[i + 1]], ascending
    joined: NDArray[np.uint32]
    joined_starts: NDArray[np.int64]  # node i is in the groups joined[joined_starts[i]:joined_starts[i + 1]]


class Verdicts(NamedTuple):
    """Of each node: its keeper (KEPT if it is kept itself), by what (BY_BODY, BY_SHINGLES), how similar."""

    keepers: NDArray[np.int64]
    rules: NDArray[np.uint8]
    similarities: NDArray[np.float64]


def no_verdicts(count: int) -> Verdicts:
    """Return verdicts that keep all of so many nodes."""
    return Verdicts(np.full(count, KEPT, np.int64), np.zeros(count, np.uint8), np.zeros(count))


def table_size(count: int) -> int:
    """Return the places of a table for so many shingles: a power of two, at most half full."""
    return 1 << max(4, (2 * count - 1).bit_length())


class Table(NamedTuple):
    """A hash table of shingles, for one thread. Zero marks an empty place."""

    values: NDArray[np.uint64]
    marks: NDArray[np.uint8]  # what was last compared with each
    added: NDArray[np.int64]  # places to be emptied again


def new_table(most: int) -> Table:
    """Return a table that can hold so many shingles."""
    return Table(np.empty(table_size(most), np.uint64), np.zeros(table_size(most), np.uint8), np.empty(most, np.int64))


@inlined
def _places(count: Any) -> Any:
    places = 16
    while places < 2 * count:
        places *= 2
    return places


@inlined
def _nonzero(value: Any) -> Any:
    """Return a hash that is not zero: the one shingle in 2^64 whose hash is zero counts as 1."""
    return value if value != ZERO else U64(1)


@inlined
def _fill(table: Any, hashes: Any, places: Any) -> Any:
    """Put hashes into an emptied table of so many places; return how many distinct ones they are."""
    table.values[:places] = ZERO
    table.marks[:places] = 0
    mask = U64(places - 1)
    distinct = 0
    for hashed in hashes:
        value = _nonzero(hashed)
        place = place_of(value, table.values, mask)
        distinct += table.values[place] == ZERO
        table.values[place] = value
    return distinct


@inlined
def _compare(table: Any, places: Any, size: Any, hashes: Any, mark: Any, threshold: Any) -> Any:
    """Return the Jaccard similarity of the set of `size` in a table and another; -1 once it is surely too small.

    What is not in the table is added to it, so that repetitions count once, and taken out again at the end.
    """
    mask = U64(places - 1)
    common, fresh, i = 0, 0, 0
    enough = True
    while enough and i < len(hashes):
        # Whether it is still worth it is asked once in 64 hashes, to keep the loop short.
        stop = min(i + 64, len(hashes))
        for k in range(i, stop):
            value = _nonzero(hashes[k])
            place = place_of(value, table.values, mask)
            if table.values[place] == ZERO:
                table.values[place] = value
                table.marks[place] = mark
                table.added[fresh] = place
                fresh += 1
            else:
                common += table.marks[place] != mark
                table.marks[place] = mark
        i = stop
        # Should all that is left be common; one less, so that rounding never decides.
        enough = min(common + len(hashes) - i, size) + 1 >= threshold * (size + fresh)
    for k in range(fresh):
        table.values[table.added[k]] = ZERO
        table.marks[table.added[k]] = 0
    return common / (size + fresh) if enough else -1.0


@spliced
def _hashes(sets: Any, node: Any) -> Any:
    start, size = sets.starts[node], sets.sizes[node]
    if start >= 0:
        return sets.stored[start : start + size]
    return sets.read[-1 - start : size - 1 - start]


_EMPTY = (NOTHING, NOTHING, NOTHING)


@inlined
def _similarity(sets: Any, node: Any, other: Any, table: Any, filled: Any, threshold: Any) -> Any:
    """Return what a table is filled with, and the similarity of two documents: the first is, or will be, in the table.

    It is filled with so many places, a set of so many shingles, and so many others were compared with it. Before the
    first is compared with anything, all are zero.
    """
    places, size, mark = filled
    ours, theirs = _hashes(sets, node), _hashes(sets, other)
    mark += 1
    if places < _places(len(ours) + len(theirs)) or mark > 255:
        places = _places(len(ours) + len(theirs))
        size, mark = I64(_fill(table, ours, places)), NOTHING + 1
    return (places, size, mark), _compare(table, places, size, theirs, np.uint8(mark), threshold)


@kernel
def read_hashes(data: Any, offsets: Any, slots: Any, scratch: Scratch, starts: Any, read: Any) -> None:
    """Write the shingle hashes of texts that have a slot whose start is negative to `read`.

    Args:
        data: the texts' bytes.
        offsets: (n + 1,) int64.
        slots: (n,) int64: the document of the sets that each text is, -1 for none.
        scratch: this thread's work space.
        starts, read: the sets.
    """
    for row in range(len(offsets) - 1):
        slot = slots[row]
        if slot < 0 or starts[slot] >= 0:
            continue
        at, end, held, place = offsets[row], offsets[row + 1], NOTHING, -1 - starts[slot]
        while at < end:
            at, held, found = next_shingles(data, at, end, held, scratch, scratch.shingles)
            copy(scratch.shingles, NOTHING, found, read, place)
            place += found


@kernel
def decide(
    nodes: Nodes, order: Any, first: Any, end: Any, threshold: Any, least: Any, seen: Any, table: Table,
    keepers: Any, rules: Any, similarities: Any,
) -> None:  # fmt: skip
    """Take keepers greedily: each node that is not dropped yet is kept, and drops the later ones that are like it.

    Args:
        nodes: in keeper order.
        order: the nodes to compare others with, ascending.
        first, end: the others, from `first` to before `end`, wherever they are in a group with one of `order`.
        threshold: least Jaccard similarity.
        least: agreement of sketches below which nodes are not compared.
        seen: (n,) int64, all -1: the last node that each was compared with.
        table: room for the largest set of each of the two.
        keepers, rules, similarities: the verdicts; `keepers` all KEPT.
    """
    for node in order:
        if keepers[node] != KEPT:
            continue
        filled = _EMPTY
        for joined in range(nodes.joined_starts[node], nodes.joined_starts[node + 1]):
            group = nodes.joined[joined]
            for i in range(_member(nodes, group, max(first, node + 1)), _member(nodes, group, end)):
                other = I64(nodes.members[i])
                if seen[other] == node or keepers[other] != KEPT or nodes.frozen[other]:
                    continue
                seen[other] = node
                same_body = _same_body(nodes.sets, node, other)
                if not (same_body or agreement(nodes.sketches[node], nodes.sketches[other]) >= least):
                    continue
                filled, similarity = _similarity(
                    nodes.sets, node, other, table, filled, 0.0 if same_body else threshold
                )
                if same_body or similarity >= threshold:
                    keepers[other] = node
                    rules[other] = BY_BODY if same_body else BY_SHINGLES
                    similarities[other] = similarity


@inlined
def _member(nodes: Any, group: Any, node: Any) -> Any:
    """Return where in `members` the nodes of a group begin that are not before a node."""
    low, high = nodes.starts[group], nodes.starts[group + 1]
    while low < high:
        middle = (low + high) // 2
        if I64(nodes.members[middle]) < node:
            low = middle + 1
        else:
            high = middle
    return low


@inlined
def _same_body(sets: Any, one: Any, other: Any) -> Any:
    """Whether two documents have the same shingles after their licence headers, in the same order."""
    count = sets.body_sizes[one]
    if count == 0 or count != sets.body_sizes[other]:
        return False
    ours, theirs = _hashes(sets, one), _hashes(sets, other)
    i = 1
    while i <= count and ours[len(ours) - i] == theirs[len(theirs) - i]:
        i += 1
    return i > count


@kernel
def join_keepers(nodes: Nodes, keepers: Any, documents: Any, components: Any, mains: Any) -> None:
    """Join what the verdicts say is alike, and find the component that most members of each group are in then.

    Args:
        nodes: all of them.
        keepers: the verdicts.
        documents: (n,) the document of each node.
        components: of every document, to be joined; see `groups.root`.
        mains: (groups,) int64: a member of that component; any member, if no component has most.
    """
    for node in range(len(keepers)):
        if keepers[node] != KEPT:
            join(components, documents[node], documents[keepers[node]])
    for group in range(len(nodes.starts) - 1):
        votes = 0
        for i in range(nodes.starts[group], nodes.starts[group + 1]):  # Boyer and Moore's vote
            member = I64(nodes.members[i])
            if votes == 0:
                mains[group] = member
            votes += 1 if _joined(documents, components, member, mains[group]) else -1


@kernel
def find_apart(nodes: Nodes, documents: Any, components: Any, mains: Any, apart: Any) -> None:
    """Set `apart` to False for each node that is in the main components of all its groups."""
    for node in range(len(apart)):
        place, end = nodes.joined_starts[node], nodes.joined_starts[node + 1]
        while apart[node] and place < end and _joined(documents, components, node, mains[nodes.joined[place]]):
            place += 1
        apart[node] &= place < end


@inlined
def _joined(documents: Any, components: Any, one: Any, other: Any) -> Any:
    return root(components, I64(documents[one])) == root(components, I64(documents[other]))


@kernel
def connect(
    nodes: Nodes, order: Any, first: Any, end: Any, threshold: Any, least: Any, seen: Any, table: Table,
    keepers: Any, documents: Any, components: Any, mains: Any,
) -> None:  # fmt: skip
    """Join the documents of pairs that are alike and not yet joined: a dropped one may be like two that are kept.

    Members of a group's main component need not be compared with each other, so that a million near-copies of one
    document do not take a million times a million steps.

    Args:
        nodes, first, end, threshold, least, seen, table: see `decide`.
        order: nodes that are apart from the main component of one of their groups, ascending.
        keepers, documents, components, mains: see `join_keepers`.
    """
    for node in order:
        filled = _EMPTY
        for place in range(nodes.joined_starts[node], nodes.joined_starts[node + 1]):
            group = nodes.joined[place]
            if _joined(documents, components, node, mains[group]):
                continue
            for i in range(_member(nodes, group, first), _member(nodes, group, end)):
                other = I64(nodes.members[i])
                if other == node or seen[other] == node:
                    continue
                seen[other] = node
                if keepers[node] == KEPT and keepers[other] == KEPT:  # compared before, and unlike
                    continue
                if _joined(documents, components, node, other):
                    continue
                # Two that are both apart are compared when it is the first one's turn.
                if other < node and not _joined(documents, components, other, mains[group]):
                    continue
                if agreement(nodes.sketches[node], nodes.sketches[other]) < least:
                    continue
                filled, similarity = _similarity(nodes.sets, node, other, table, filled, threshold)
                if similarity >= threshold:
                    join(components, documents[node], documents[other])
