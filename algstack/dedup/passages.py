"""The longest passages that several documents have in common, word for word: licences, templates, copied modules.

For a window of w tokens (32; doubled until the anchors fit into memory) it is certain that

- what is reported is in all documents that are counted, byte for byte, and neither a byte before it nor one behind it
  is the same in all of them;
- every passage of 2 w + 4 whole tokens or more is found, in all documents that have it, unless it overlaps itself, as
  rows of zeros do: of these some are found;
- what is found and left out is shorter than the shortest that is reported; or more than half of it, not counting w + 4
  tokens at either end, is in longer ones that are reported, each in more than half as many documents (of one of less
  than 4 w tokens, any of it). So a licence is reported once, not with everything that happens to follow it.

Anchors (`algstack.dedup.anchors`) find runs of chunks that repeat. What is around the places of a run is read from the
texts, to see how far which of them agree. All depends on the documents and the window alone, not on order or parts.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from algstack.dataset import STAGE_FILE, dump_json, sha256_file, write_text
from algstack.dedup import anchors
from algstack.dedup.parts import Numbering, Part, chosen_rows, take
from algstack.dedup.shingles import SHINGLE_TOKENS, TOKEN
from algstack.dedup.state import MEMORY
from algstack.dedup.texts import as_texts
from algstack.errors import AlgstackError

WINDOW = 32
"""Shingles of which one is an anchor, if memory allows."""

PASSAGES_FILE = "passages.json"

SHOWN_PLACES, SHOWN_LINES, SHOWN_WIDTH = 3, 2, 100

_LOOKED_AT = 4_096
"""Bytes in which the lines to be shown are looked for."""

_FIRST_RUNS, _MORE_RUNS = 64, 4
"""Runs that are looked at together at first, and how many times as many after that."""


class Place(NamedTuple):
    """Where a passage begins."""

    id: str
    line: int  # counted from 1
    byte: int  # counted from 0


@dataclass(frozen=True)
class Passage:
    """A passage: its length, in how many documents it is, where in the first of them by id, and its first lines."""

    bytes: int
    tokens: int
    lines: int
    documents: int
    places: tuple[Place, ...]
    begins: tuple[str, ...]


@dataclass(frozen=True)
class Report:
    """The longest repeated passages of so many documents, the longest first."""

    documents: int
    least_tokens: int  # of a passage that is found for certain
    passages: tuple[Passage, ...]

    def in_words(self) -> Iterator[str]:
        """Yield the report in lines for people."""
        if not self.passages:
            yield f"No passage of {self.least_tokens} tokens or more is in two of the {self.documents:,} documents."
        for number, one in enumerate(self.passages, 1):
            size = f"{one.bytes:,} bytes, {one.tokens:,} tokens, {one.lines:,} lines"
            yield f"{number}. {size}, in {one.documents:,} documents"
            yield from (f"   {_printable(place.id)}, line {place.line:,}" for place in one.places)
            yield from (f"   | {line}" for line in one.begins)

    def as_json(self) -> dict[str, Any]:
        """The report as JSON values."""
        passages = [asdict(one) | {"places": [place._asdict() for place in one.places]} for one in self.passages]
        return {"documents": self.documents, "least_tokens": self.least_tokens, "passages": passages}


def write(parts: Sequence[Part], count: int, folder: Path, memory: int = MEMORY, workers: int = 1) -> Report:
    """Write the longest passages of a stage's documents to `passages.json` in its folder, and return them.

    With them stands the checksum of the stage's record, as in `audit.json`.
    """
    report = longest(parts, count, memory, workers)
    of = {"stage": sha256_file(folder / STAGE_FILE)}
    write_text(folder / PASSAGES_FILE, dump_json(report.as_json() | of))
    return report


def longest(parts: Sequence[Part], count: int, memory: int = MEMORY, workers: int = 1, window: int = WINDOW) -> Report:
    """Return the longest passages that several documents have in common.

    Args:
        parts: the documents: `id` and `text`.
        count: how many passages.
        memory: bytes to use.
        workers: threads to use.
        window: shingles of which one is an anchor.

    Raises:
        AlgstackError: less than one passage is asked for, or there is no document.
        DatasetError: a part cannot be read.
    """
    if count < 1:
        raise AlgstackError(f"{count} passages: ask for at least one.")
    while (found := anchors.find(parts, window, memory // anchors.BYTES, workers)) is None:
        window *= 2
    documents = len(found.reaches)
    if not documents:
        raise AlgstackError("There is no document to look at: nothing was kept.")
    search = _Search(parts, found, window, memory, workers)
    return Report(documents, search.least_tokens, search.details(search.longest(count)))


class _Spot(NamedTuple):
    """A stretch of a document."""

    document: int
    begin: int
    end: int


class _Exact(NamedTuple):
    """A passage, and the run of chunks that it was found by."""

    run: int
    spots: tuple[_Spot, ...]  # all, in the order of the documents
    documents: int
    tokens: int
    tokens_before: int  # before the run
    key: tuple[bytes, bytes, bytes]  # of its text

    @property
    def size(self) -> int:
        return self.spots[0].end - self.spots[0].begin

    @property
    def rank(self) -> tuple[int, int, tuple[bytes, bytes, bytes]]:
        return -self.size, -self.documents, self.key


class _Places(NamedTuple):
    """Where a run is: at which anchors, and in bytes of which documents."""

    anchors: NDArray[np.int64]
    documents: NDArray[np.uint32]
    begins: NDArray[np.int64]
    ends: NDArray[np.int64]

    def spots(self) -> list[_Spot]:
        return [_Spot(*spot) for spot in zip(*(column.tolist() for column in self[1:]), strict=True)]


class _Told:
    """The chunks of passages that are reported, and in how many documents the most frequent of these is."""

    def __init__(self) -> None:
        self._chunks, self._documents = np.zeros(0, np.uint64), np.zeros(0, np.int64)

    def add(self, chunks: NDArray[np.uint64], documents: int) -> None:
        chunks = np.concatenate([self._chunks, chunks])
        counts = np.append(self._documents, np.full(len(chunks) - len(self._documents), documents))
        by_chunk = np.lexsort((-counts, chunks))
        self._chunks, firsts = np.unique(chunks[by_chunk], return_index=True)
        self._documents = counts[by_chunk][firsts]

    def holds(self, chunks: NDArray[np.uint64], documents: int) -> NDArray[np.bool_]:
        """Return which chunks are in a passage that is in more than half as many documents."""
        if not len(self._chunks):
            return np.zeros(len(chunks), np.bool_)
        place = np.minimum(np.searchsorted(self._chunks, chunks), len(self._chunks) - 1)
        held: NDArray[np.bool_] = (self._chunks[place] == chunks) & (2 * self._documents[place] > documents)
        return held


class _Search:
    def __init__(self, parts: Sequence[Part], found: anchors.Anchors, window: int, memory: int, workers: int) -> None:
        self.parts, self.numbering = parts, Numbering(found.counts)
        self.found, self.memory, self.workers = found, memory, workers
        self.window = window
        self.least_tokens = 2 * window + SHINGLE_TOKENS - 1
        self.repeats = anchors.repeats(found)
        self.told = _Told()

    def longest(self, count: int) -> list[_Exact]:
        """Return so many passages, the longest first, or all there are.

        Runs are looked at by the bound on what may come of them, some at a time, until no other can be longer.
        """
        taken: list[_Exact] = []
        coming: list[_Exact] = []
        spots: set[_Spot] = set()
        following, together = 0, _FIRST_RUNS
        while following < len(self.repeats.bounds) or coming:
            runs, following = self._next_runs(following, together)
            coming = sorted([*coming, *self._exact(runs)], key=lambda one: one.rank, reverse=True)
            bound = int(self.repeats.bounds[following]) if following < len(self.repeats.bounds) else 0
            while coming and coming[-1].size > bound:
                one = coming.pop()
                # Another run may lead to a passage that is known, by an anchor that not all of its places have.
                if spots.isdisjoint(one.spots) and not self._is_told(one):
                    taken.append(one)
                    spots.update(one.spots)
                    self.told.add(self.found.chunks[self._example(one.run)][:-1], one.documents)
                    if len(taken) == count:
                        return sorted(taken, key=lambda one: one.rank)
            together *= _MORE_RUNS
        return sorted(taken, key=lambda one: one.rank)

    def _next_runs(self, run: int, most: int) -> tuple[list[int], int]:
        """Return some of the runs from one on that may say something new, and the run to go on with."""
        runs: list[int] = []
        room = self.memory // 8
        while run < len(self.repeats.bounds) and len(runs) < most and room > 0:
            chunks, documents = self.found.chunks[self._example(run)][:-1], int(self.repeats.documents[run])
            if not self.told.holds(chunks, documents).all():
                runs.append(run)
                at = self._places(run)
                room -= int((2 * self.found.reaches[at.documents] + at.ends - at.begins).sum())
            run += 1
        return runs, run

    def _places(self, run: int) -> _Places:
        """Return where a run is; of places that overlap in a row, as in rows of zeros, the first and the last."""
        first = np.sort(self.repeats.order[self.repeats.firsts[run] : self.repeats.ends[run]]).astype(np.int64)
        at = self.found.documents[first], self.found.places[first], self.found.places[first + self.repeats.sizes[run]]
        overlap = (at[0][1:] == at[0][:-1]) & (at[1][1:] <= at[2][:-1])
        chosen = ~(np.r_[False, overlap] & np.r_[overlap, False])
        return _Places(first[chosen], at[0][chosen], at[1][chosen], at[2][chosen])

    def _example(self, run: int) -> slice:
        """Return the anchors of a run, from its first to its last, at one of its places."""
        first = int(self.repeats.order[self.repeats.firsts[run]])
        return slice(first, first + int(self.repeats.sizes[run]) + 1)

    def _is_told(self, one: _Exact) -> bool:
        """Whether more than half of a passage is in longer ones that are told of, each in more than half as many.

        Only chunks that all its places have in common count, so at a distance from its ends, if there are some.
        """
        example = self._example(one.run)
        held = self.told.holds(self.found.chunks[example][:-1], one.documents)
        tokens = one.tokens_before + (self.found.shingles[example] - self.found.shingles[example][0]).astype(np.int64)
        margin = self.window + SHINGLE_TOKENS
        inner = (tokens[:-1] >= margin) & (tokens[1:] <= one.tokens - margin)
        lengths = np.diff(self.found.places[example])
        return bool(2 * lengths[inner & held].sum() > lengths[inner].sum() if inner.any() else held.any())

    def _exact(self, runs: Sequence[int], widen: int = 1) -> list[_Exact]:
        """Return the passages that come of runs; read `widen` times as much before each as its documents reach."""

        def surroundings(text: NDArray[np.uint8], spot: _Spot) -> _Around:
            reach = int(self.found.reaches[spot.document])
            run = hashlib.blake2b(text[spot.begin : spot.end].data, digest_size=16).digest()
            left = text[max(0, spot.begin - widen * reach - 1) : spot.begin][::-1].tobytes()
            return _Around(run, left, text[spot.end : spot.end + reach + 1].tobytes(), widen * reach, reach)

        spots = [self._places(run).spots() for run in runs]
        around = dict(self._read([spot for of in spots for spot in of], surroundings))
        done: list[_Exact] = []
        again = []
        for run, of in zip(runs, spots, strict=True):
            groups = defaultdict(list)  # by the run's bytes: were two runs' hashes the same by chance, these are not
            for spot, chunk in zip(of, self._chunks_before(run), strict=True):
                groups[around[spot].run].append(_At(spot, chunk, around[spot]))
            shingles = self.found.shingles[self._example(run)]
            tokens = int(shingles[-1]) - int(shingles[0])
            fronts = [_front(group, run, tokens, self.least_tokens) for group in groups.values()]
            if None in fronts:
                again.append(run)
            else:
                done += [one for front in fronts for one in front or ()]
        return done + (self._exact(again, 8 * widen) if again else [])

    def _chunks_before(self, run: int) -> list[int]:
        """Return the chunk before each place of a run; numbers of which no two are the same where there is none."""
        at = self._places(run)
        before = np.maximum(at.anchors - 1, 0)
        has_one = (at.anchors > 0) & (self.found.documents[before] == at.documents)
        chunks, anchors_ = self.found.chunks[before].tolist(), at.anchors.tolist()
        return [chunk if one else -1 - anchor for chunk, one, anchor in zip(chunks, has_one, anchors_, strict=True)]

    def _read(self, spots: Sequence[_Spot], work: Callable[[NDArray[np.uint8], _Spot], Any]) -> list[tuple[_Spot, Any]]:
        """Return each spot and what is made of its document's text and it."""
        ordered = sorted(set(spots))
        documents = np.array([spot.document for spot in ordered], np.int64)
        wanted = np.unique(documents).astype(np.uint32)

        def read(part: int) -> list[tuple[_Spot, Any]]:
            done, start = [], int(self.numbering.starts[part])
            for first, rows, batch in chosen_rows(self.parts[part], self.numbering.within(part, wanted), ["text"]):
                texts = as_texts(batch.column(0))
                for row in rows.tolist():
                    text = texts.data[texts.offsets[row] : texts.offsets[row + 1]]
                    low, high = np.searchsorted(documents, [start + first + row, start + first + row + 1])
                    done += [(spot, work(text, spot)) for spot in ordered[low:high]]
            return done

        with ThreadPoolExecutor(self.workers) as pool:
            return [one for done in pool.map(read, range(len(self.parts))) for one in done]

    def details(self, chosen: Sequence[_Exact]) -> tuple[Passage, ...]:
        """Return passages as they are reported."""
        documents = np.unique([spot.document for one in chosen for spot in one.spots]).astype(np.uint32)
        ids = take(self.parts, self.numbering, documents, ["id"], self.workers).column("id").to_pylist()
        names = dict(zip(documents.tolist(), map(str, ids), strict=True))
        shown = []
        for one in chosen:
            firsts = {spot.document: spot for spot in sorted(one.spots, reverse=True)}
            shown.append(sorted(firsts.values(), key=lambda spot: names[spot.document])[:SHOWN_PLACES])
        lines = dict(self._read([spot for spots in shown for spot in spots], _line))
        told = dict(self._read([spots[0] for spots in shown], _told))
        return tuple(
            Passage(
                bytes=one.size,
                tokens=one.tokens,
                documents=one.documents,
                places=tuple(Place(names[spot.document], lines[spot], spot.begin) for spot in spots),
                **told[spots[0]],
            )
            for one, spots in zip(chosen, shown, strict=True)
        )


class _Around(NamedTuple):
    """A place of a run: its digest, the bytes before it, backwards, and behind it; what more than that was not read."""

    run: bytes
    left: bytes
    right: bytes
    most_left: int
    most_right: int


class _At(NamedTuple):
    """A place of a run: where it is, what chunk is before it, what is around it."""

    spot: _Spot
    before: int
    around: _Around


def _front(group: Sequence[_At], run: int, tokens: int, least: int) -> list[_Exact] | None:
    """Return the passages around a run: each the longest that is in so many documents. None to see more before it.

    Places that agree behind the run for so many bytes are parted by what they have in common before it. Those that
    agree for more than their documents reach have a longer run in common, by which they are found.

    Args:
        group: the places.
        run: its number.
        tokens: how many are in it.
        least: how many a passage has.
    """
    lefts, rights = [at.around.left for at in group], [at.around.right for at in group]
    widest = max((depth for depth, _, _ in _groups(lefts)[1]), default=0)
    if widest > min(at.around.most_left for at in group):
        widest = max(at.spot.begin for at in group)
    front: list[_Exact] = []

    def is_known(size: int, documents: int) -> bool:
        return any(size <= known.size and documents <= known.documents for known in front)

    order, groups = _groups(rights)
    size = group[0].spot.end - group[0].spot.begin
    for right, first, end in sorted(groups, reverse=True):
        members = [group[place] for place in order[first:end]]
        if is_known(size + right + widest, len(members)) or any(right > at.around.most_right for at in members):
            continue
        suborder, subgroups = _groups([at.around.left for at in members])
        for left, low, high in sorted(subgroups, reverse=True):
            inside = [members[place] for place in suborder[low:high]]
            documents = len({at.spot.document for at in inside})
            if documents < 2 or is_known(size + left + right, documents):
                continue
            if any(left > at.around.most_left for at in inside):
                if len({at.before for at in inside}) > 1:
                    return None
                continue
            key = inside[0].around.run, inside[0].around.left[:left], inside[0].around.right[:right]
            found_before = len(TOKEN.findall(key[1]))
            found = found_before + tokens + len(TOKEN.findall(key[2]))
            if found >= least:
                spots = sorted(_Spot(at.spot.document, at.spot.begin - left, at.spot.end + right) for at in inside)
                one = _Exact(run, tuple(spots), documents, found, found_before, key)
                front = [known for known in front if known.size > one.size or known.documents > documents]
                front.append(one)
    return front


def _groups(strings: Sequence[bytes]) -> tuple[list[int], list[tuple[int, int, int]]]:
    """Sort strings; return their order, and the groups in it of those that begin alike: for how many bytes, and which.

    These are the inner nodes of a tree of the strings.
    """
    order = sorted(range(len(strings)), key=strings.__getitem__)
    groups: list[tuple[int, int, int]] = []
    opened: list[tuple[int, int]] = []
    depths = [_common(strings[one], strings[other]) for one, other in pairwise(order)]
    for place, depth in enumerate([*depths, -1]):
        first = place
        while opened and opened[-1][0] > depth:
            common, first = opened.pop()
            groups.append((common, first, place + 1))
        if not opened or opened[-1][0] < depth:
            opened.append((depth, first))
    return order, groups


def _common(one: bytes, other: bytes) -> int:
    """Return how many bytes two strings have in common at their beginning."""
    lengths = range(1, min(len(one), len(other)) + 1)
    return bisect_left(lengths, True, key=lambda length: one[:length] != other[:length])


def _line(text: NDArray[np.uint8], spot: _Spot) -> int:
    return int(np.count_nonzero(text[: spot.begin] == ord("\n"))) + 1


def _told(text: NDArray[np.uint8], spot: _Spot) -> dict[str, Any]:
    """Return a passage's lines: how many there are, and the first of them."""
    passage = text[spot.begin : spot.end]
    lines = int(np.count_nonzero(passage == ord("\n"))) + int(passage[-1] != ord("\n"))
    return {"lines": lines, "begins": _beginning(text, spot)}


def _beginning(text: NDArray[np.uint8], spot: _Spot) -> tuple[str, ...]:
    """Return the first lines of a passage that are not blank, whole ones if there are some, as they may be printed."""
    beginning = text[spot.begin : min(spot.end, spot.begin + _LOOKED_AT)].tobytes()
    if spot.begin > 0 and text[spot.begin - 1] != ord("\n"):
        _, _, whole = beginning.partition(b"\n")
        beginning = whole if whole.strip() else beginning
    lines = [line.rstrip() for line in beginning.decode(errors="ignore").splitlines() if line.strip()][:SHOWN_LINES]
    return tuple(_printable(line[:SHOWN_WIDTH] + ("…" if len(line) > SHOWN_WIDTH else "")) for line in lines)


def _printable(text: str) -> str:
    """Return a text without what a terminal would obey."""
    return "".join(one if one.isprintable() else " " if one == "\t" else "\ufffd" for one in text)
