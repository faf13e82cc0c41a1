"""Places in texts that equal passages have in common, and what repeats between them.

An anchor is the shingle with the smallest hash of a window of some neighbouring ones (winnowing: Schleimer, Wilkerson,
Aiken, SIGMOD 2003), so that two texts with a window in common have its anchor in common. The bytes from one anchor to
the next are a chunk. Texts become sequences of chunks, a hundredth as long, which a suffix array sorts.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from algstack.dedup.kernel import (
    HELD,
    I64,
    NOTHING,
    TOKEN_SEED,
    U64,
    Scratch,
    hash_bytes,
    new_scratch,
    next_shingles,
)
from algstack.dedup.parts import Part
from algstack.dedup.texts import Texts, as_texts
from algstack.errors import AlgstackError
from algstack.vector import inlined, kernel

BYTES = 100
"""Memory for one anchor, when all are sorted."""


class Anchors(NamedTuple):
    """All anchors, in the order of the documents, and in each of them by place."""

    documents: NDArray[np.uint32]
    places: NDArray[np.int64]  # in bytes from the document's beginning
    shingles: NDArray[np.uint32]  # how many of the document's shingles are before it
    chunks: NDArray[np.uint64]  # hash of the bytes to the document's next anchor; behind its last one no other's
    reaches: NDArray[np.int64]  # of each document, the most bytes of a window and the tokens around it
    counts: NDArray[np.int64]  # of each part, documents


class Repeats(NamedTuple):
    """Runs of chunks that occur in several documents, and neither further left nor right at all places.

    Run i begins at the anchors `order[firsts[i]:ends[i]]` and is `sizes[i]` chunks long.
    """

    order: NDArray[np.uint32]
    firsts: NDArray[np.uint32]
    ends: NDArray[np.uint32]
    sizes: NDArray[np.uint32]
    documents: NDArray[np.uint32]  # in how many documents it is
    bounds: NDArray[np.int64]  # bytes that no passage with exactly this run exceeds


def find(parts: Sequence[Part], window: int, most: int, workers: int) -> Anchors | None:
    """Return the anchors of windows of so many shingles, None if there are more than `most`."""
    left, lock = most, threading.Lock()

    def read(part: Part) -> list[_Found]:
        nonlocal left
        found, finder = [], _Finder(window)
        for batch in part.batches(["text"]):
            found.append(finder.find(as_texts(batch.column(0))))
            with lock:
                left -= len(found[-1].places)
            if left < 0:
                break
        return found

    with ThreadPoolExecutor(workers) as pool:
        by_part = list(pool.map(read, parts))
    if left < 0:
        return None
    found = [_NOTHING_FOUND, *(one for part in by_part for one in part)]
    places, shingles, chunks, of_each, reaches = (np.concatenate(columns) for columns in zip(*found, strict=True))
    if len(reaches) >= 1 << 32:
        raise AlgstackError(f"{len(reaches)} documents are too many for one run: at most 2^32.")
    lasts = np.cumsum(of_each)[of_each > 0] - 1
    chunks[lasts] = ~np.arange(len(lasts), dtype=np.uint64)[::-1]
    documents = np.repeat(np.arange(len(reaches), dtype=np.uint32), of_each)
    counts = np.array([sum(len(one.reaches) for one in part) for part in by_part], np.int64)
    return Anchors(documents, places, shingles, chunks, reaches, counts)


class _Found(NamedTuple):
    """The anchors of a batch of texts."""

    places: NDArray[np.int64]
    shingles: NDArray[np.uint32]
    chunks: NDArray[np.uint64]
    of_each: NDArray[np.int64]  # how many of a text
    reaches: NDArray[np.int64]


_NO_NUMBERS = np.zeros(0, np.int64)
_NOTHING_FOUND = _Found(_NO_NUMBERS, np.zeros(0, np.uint32), np.zeros(0, np.uint64), _NO_NUMBERS, _NO_NUMBERS)


class _Window(NamedTuple):
    """The last shingles: what is known of the i-th stands at i, modulo a power of two beyond the window's size."""

    hashes: NDArray[np.uint64]
    places: NDArray[np.int64]


class _Finder:
    """Finds anchors, for one thread."""

    def __init__(self, window: int) -> None:
        self._size, self._scratch = window, new_scratch()
        room = 1 << (window + HELD + 1).bit_length()
        self._window = _Window(np.empty(room, np.uint64), np.empty(room, np.int64))

    def find(self, texts: Texts) -> _Found:
        of_each, reaches = np.zeros(len(texts), np.int64), np.zeros(len(texts), np.int64)
        room = 1024 + 2 * int(texts.offsets[-1] - texts.offsets[0]) // self._size
        while True:
            places, shingles, chunks = np.empty(room, np.int64), np.empty(room, np.uint32), np.empty(room, np.uint64)
            count = _find(
                texts.data, texts.offsets, texts.valid, I64(self._size), self._window, self._scratch,
                places, shingles, chunks, of_each, reaches,
            )  # fmt: skip
            if count >= 0:
                return _Found(places[:count].copy(), shingles[:count].copy(), chunks[:count].copy(), of_each, reaches)
            room *= 2


@kernel
def _find(
    data: Any, offsets: Any, valid: Any, size: Any, window: _Window, scratch: Scratch,
    places: Any, shingles: Any, chunks: Any, of_each: Any, reaches: Any,
) -> Any:  # fmt: skip
    """Write the anchors of texts; return how many there are, -1 if there is no room for them.

    Of equal smallest hashes the one that was chosen before stays, as long as it is in the window: else every row of a
    table of zeros were an anchor. A shingle's place is where its last token begins, which is in the block at hand.
    """
    mask, found = U64(len(window.hashes) - 1), NOTHING
    for row in range(len(offsets) - 1):
        begin, end, first = offsets[row], offsets[row + 1], found
        at, held, seen, least = begin, NOTHING, NOTHING, NOTHING
        behind, reach = begin, NOTHING
        while at < end and valid[row]:
            block, before = at, held
            at, held, count = next_shingles(data, at, end, held, scratch, scratch.shingles)
            for i in range(count):
                hashed, place = scratch.shingles[i], block + scratch.edges[2 * (i + HELD - before)]
                if seen >= size + HELD:
                    behind = window.places[U64(seen - size - HELD) & mask]
                reach = max(reach, place - behind)
                window.hashes[U64(seen) & mask], window.places[U64(seen) & mask] = hashed, place
                chosen = True
                if seen >= size and hashed < window.hashes[U64(least) & mask]:
                    least = seen
                elif seen == size - 1 or (seen >= size and least <= seen - size):
                    least = seen
                    for other in range(seen - 1, seen - size, -1):
                        if window.hashes[U64(other) & mask] < window.hashes[U64(least) & mask]:
                            least = I64(other)
                else:
                    chosen = False
                if chosen:
                    if found == len(places):
                        return -1
                    place = window.places[U64(least) & mask]
                    if found > first:
                        last = begin + places[found - 1]
                        chunks[found - 1] = hash_bytes(data, last, place - last, TOKEN_SEED ^ U64(place - last))
                    places[found], shingles[found] = place - begin, least
                    found += 1
                seen += 1
        of_each[row], reaches[row] = found - first, max(reach, end - behind)
    return found


def repeats(anchors: Anchors) -> Repeats:
    """Return the repeated runs of chunks, those with the greatest bound first."""
    order, ranks = _sorted_suffixes(anchors.chunks)
    common = np.zeros(len(order), np.uint32)
    _common_chunks(anchors.chunks, order, ranks, common)
    del ranks
    most = int(np.count_nonzero(common))
    firsts, ends, sizes, counts = (np.empty(most, np.uint32) for _ in range(4))
    bounds, stack = np.empty(most, np.int64), np.empty((int(common.max(initial=0)) + 1, 7), np.int64)
    last = np.full(len(anchors.reaches), -1, np.int64)
    found = _runs(
        anchors.documents, anchors.places, anchors.chunks, anchors.reaches, order, common, stack, last,
        firsts, ends, sizes, counts, bounds,
    )  # fmt: skip
    by_bound = np.lexsort((firsts[:found], -bounds[:found]))
    return Repeats(order, firsts[by_bound], ends[by_bound], sizes[by_bound], counts[by_bound], bounds[by_bound])


def _sorted_suffixes(chunks: NDArray[np.uint64]) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """Return the anchors sorted by the chunks that follow, and the rank of each.

    By doubling (Manber, Myers, 1993): those that agree in k chunks are sorted by the ranks of the anchors k further on.
    Ranks of equals are that of the first; only those that are not alone yet are sorted again.
    """
    order, ranks = np.empty(len(chunks), np.uint32), np.empty(len(chunks), np.uint32)
    places, keys, length = np.arange(len(chunks), dtype=np.uint32), chunks, 0
    while len(places):
        by_key = pl.Series(keys).arg_sort().to_numpy()
        anchors = by_key if not length else order[places][by_key]
        keys = keys[by_key]
        begins = np.r_[True, keys[1:] != keys[:-1]]
        order[places] = anchors
        ranks[anchors] = np.maximum.accumulate(np.where(begins, places, np.uint32(0)))
        alone = begins & np.r_[begins[1:], True]
        places, length = places[~alone], 2 * length or 1
        keys = (ranks[order[places]].astype(np.uint64) << np.uint64(32)) | ranks[order[places] + np.uint32(length)]
    return order, ranks


@kernel
def _common_chunks(chunks: Any, order: Any, ranks: Any, common: Any) -> None:
    """Write how many chunks each anchor in order has in common with the one before it (Kasai et al., 2001)."""
    count = NOTHING
    for anchor in range(len(chunks)):
        rank = ranks[anchor]
        if rank == 0:
            count = NOTHING
            continue
        before = I64(order[rank - 1])
        while chunks[anchor + count] == chunks[before + count]:  # ends at the document's last anchor
            count += 1
        common[rank] = count
        count = max(count - 1, NOTHING)


@inlined
def _join(stack: Any, one: Any, other: Any, chunks: Any) -> None:
    """Add to what is known of one group of anchors what is known of another."""
    stack[one, 2] += stack[other, 2]
    second = max(min(stack[one, 3], stack[other, 3]), max(stack[one, 4], stack[other, 4]))
    stack[one, 3], stack[one, 4] = max(stack[one, 3], stack[other, 3]), second
    same = not stack[other, 6] and chunks[stack[one, 5] - 1] == chunks[stack[other, 5] - 1]
    stack[one, 6] = stack[one, 6] or not same


@kernel
def _runs(
    documents: Any, places: Any, chunks: Any, reaches: Any, order: Any, common: Any, stack: Any, last: Any,
    firsts: Any, ends: Any, sizes: Any, counts: Any, bounds: Any,
) -> Any:  # fmt: skip
    """Write the runs of chunks that groups of neighbours in order have in common; return how many there are.

    Groups lie within each other like brackets. On the stack is of each one that is open: the length of its run, where
    it begins, in how many documents it is, the two largest reaches, an anchor, and whether chunks before it differ.
    A document that is met again counts once less in the smallest group that holds both (`last` says where it was met).
    """
    top, count = I64(-1), NOTHING
    for rank in range(len(order)):
        following = I64(common[rank + 1]) if rank + 1 < len(order) else NOTHING
        anchor = I64(order[rank])
        document = I64(documents[anchor])
        if top >= 0 and last[document] >= stack[0, 1]:
            low, high = NOTHING, top
            while low < high:
                middle = (low + high + 1) >> 1
                low, high = (middle, high) if stack[middle, 1] <= last[document] else (low, middle - 1)
            stack[low, 2] -= 1
        last[document] = rank
        if following == 0 and top < 0:
            continue
        top += 1  # a group of this anchor alone
        stack[top, 0], stack[top, 1], stack[top, 2] = I64(0xFFFFFFFF), rank, 1
        stack[top, 3], stack[top, 4], stack[top, 5] = reaches[document], NOTHING, anchor
        stack[top, 6] = anchor == 0 or documents[anchor - 1] != documents[anchor]
        while stack[top, 0] > following:
            size, first = stack[top, 0], stack[top, 1]
            if size < 0xFFFFFFFF and stack[top, 2] > 1 and stack[top, 6]:
                firsts[count], ends[count], sizes[count], counts[count] = first, rank + 1, size, stack[top, 2]
                start = stack[top, 5]
                bounds[count] = places[start + size] - places[start] + 2 * stack[top, 4]
                count += 1
            below = stack[top - 1, 0] if top > 0 else NOTHING
            if below >= following:
                top -= 1
                if top < 0:
                    break
                _join(stack, top, top + 1, chunks)
            else:
                stack[top, 0] = following
    return count
