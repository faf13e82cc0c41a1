"""From groups to drops: documents in buckets, nodes in keeper order, verdicts about texts as drops of documents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from algstack.dedup import verify
from algstack.dedup.groups import Groups
from algstack.dedup.kernel import NOTHING
from algstack.dedup.state import Drops, State
from algstack.vector import kernel

DOCUMENT_BYTES = 300
"""What a document that may be a duplicate takes in memory beside its shingles: its id, its attributes, its groups."""

_ELSEWHERE = np.uint32(0xFFFFFFFF)

_RULE_OF_VERDICT = np.array([0, 1, 2], np.uint8)  # indices of RULES by verify's BY_BODY, BY_SHINGLES


def fill(
    involved: NDArray[np.uint32], roots: NDArray[np.uint32], grouped: NDArray[np.bool_], state: State, budget: int
) -> list[NDArray[np.uint32]]:
    """Cut documents into buckets of whole components that fit into the budget, in bytes, unless one does not."""
    weights = np.full(len(involved), DOCUMENT_BYTES, np.int64)
    to_read = grouped[involved] & (state.starts[involved] < 0)
    weights += np.where(to_read, 8 * state.shingles[involved].astype(np.int64), 0)
    components, component_of = np.unique(roots[involved], return_inverse=True)
    totals = np.bincount(component_of, weights, len(components)).astype(np.int64)
    bucket_of = packed(totals, budget)[component_of]
    return [involved[bucket_of == bucket] for bucket in np.unique(bucket_of)]


def limits(filled: Sequence[NDArray[np.uint32]], budget: int) -> NDArray[np.int64]:
    """Return how many shingle hashes of each bucket may be in memory beside its documents."""
    return np.array([max(budget - DOCUMENT_BYTES * len(documents), budget // 8) // 8 for documents in filled], np.int64)


def packed(weights: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """Return the bin of each weight: one after the other, and the next where a bin would weigh too much."""
    bins = np.empty(len(weights), np.int64)
    _pack(weights, np.int64(most), bins)
    return bins


@kernel
def _pack(weights: Any, most: Any, bins: Any) -> None:
    number, filled = NOTHING, NOTHING
    for i in range(len(weights)):
        if filled > 0 and filled + weights[i] > most:
            number, filled = number + 1, NOTHING
        filled += weights[i]
        bins[i] = number


def prepare(nodes: NDArray[np.uint32], found: Groups, sets: verify.Sets, state: State) -> verify.Nodes:
    """Renumber the groups' members by their place among the nodes, and list each node's groups."""
    places = np.full(len(state.labels), _ELSEWHERE, np.uint32)
    places[nodes] = np.arange(len(nodes), dtype=np.uint32)
    sizes = np.diff(found.starts)
    ours = places[found.members[found.starts[:-1]]] != _ELSEWHERE
    members = places[found.members[np.repeat(ours, sizes)]]
    starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes[ours])])
    joined_starts, joined = _transposed(starts, members, len(nodes))
    starts, members = _transposed(joined_starts, joined, len(starts) - 1)  # in their order now
    return verify.Nodes(
        sets=sets,
        sketches=state.sketches[nodes],
        frozen=nodes < state.frozen,
        members=members,
        starts=starts,
        joined=joined,
        joined_starts=joined_starts,
    )


def _transposed(
    starts: NDArray[np.int64], members: NDArray[np.uint32], count: int
) -> tuple[NDArray[np.int64], NDArray[np.uint32]]:
    """Turn lists of members, numbers below `count`, into lists of each member's lists, in ascending order."""
    bounds, lists = np.zeros(count + 1, np.int64), np.empty_like(members)
    np.cumsum(np.bincount(members, minlength=count), out=bounds[1:])
    _transpose(starts, members, bounds[:-1].copy(), lists)
    return bounds, lists


@kernel
def _transpose(starts: Any, members: Any, places: Any, lists: Any) -> None:
    for number in range(len(starts) - 1):
        for i in range(starts[number], starts[number + 1]):
            lists[places[members[i]]] = number
            places[members[i]] += 1


def shards(roots: NDArray[np.uint32], sizes: NDArray[np.int64], workers: int) -> list[NDArray[np.int64]]:
    """Cut nodes into shards of whole components, about as heavy as each other; nodes stay in their order."""
    components, component_of = np.unique(roots, return_inverse=True)
    totals = np.bincount(component_of, sizes, len(components))
    count = max(1, 4 * workers)
    shard_of = (np.cumsum(totals) * count / max(1, totals.sum() + 1)).astype(np.int64)[component_of]
    return [np.flatnonzero(shard_of == shard) for shard in range(count)]


def drops_of(
    ranked: NDArray[np.uint32],
    text_of: NDArray[np.int64],
    texts: NDArray[np.uint32],
    best: NDArray[np.uint32],
    nodes: NDArray[np.uint32],
    verdicts: verify.Verdicts,
    frozen: int,
) -> Drops:
    """Turn verdicts about texts into drops of documents."""
    keepers = best.copy()
    rules = np.zeros(len(texts), np.uint8)
    similarities = np.ones(len(texts))
    place = np.searchsorted(texts, nodes)
    dropped = verdicts.keepers != verify.KEPT
    keepers[place[dropped]] = best[place[verdicts.keepers[dropped]]]
    rules[place[dropped]] = _RULE_OF_VERDICT[verdicts.rules[dropped]]
    similarities[place[dropped]] = verdicts.similarities[dropped]
    goes = (keepers[text_of] != ranked) & (ranked >= frozen)
    documents, of = ranked[goes], text_of[goes]
    order = np.argsort(documents)
    of = of[order]
    return Drops(documents[order], keepers[of], rules[of], similarities[of])


def merged(drops: Sequence[Drops]) -> Drops:
    nothing = Drops(np.zeros(0, np.uint32), np.zeros(0, np.uint32), np.zeros(0, np.uint8), np.zeros(0))
    documents, keepers, rules, similarities = (np.concatenate(column) for column in zip(nothing, *drops, strict=True))
    order = np.argsort(documents)
    return Drops(documents[order], keepers[order], rules[order], similarities[order])
