"""Which texts share a run of words with a benchmark.

Every run of `n` words of a problem is hashed into one sorted table, on disk and mapped into each worker. A text is
read once, and its words are hashed as they stream by. A run of 13 words of a text holds, wherever it begins, nine that
begin at a fifth word: so only every fifth word is asked for, in a small table of bits of all nine words in a row; where
that says perhaps, the runs around it are looked up. A text without a hit costs nothing more; one with a hit is read
again to say where, and how much of which problem it holds.

Not every run of words is evidence. A run that says little (`for i in range …`, a table of digits) and one that many
problems of the same benchmark share (a header) are left out; a problem with no telling run, or with fewer than `n`
words, is looked for as a whole; one of fewer than `WHOLE_WORDS` words is not looked for, and counted as too short.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt
from numba import njit

from algstack.decontaminate.markup import copied_without_markup, markup
from algstack.decontaminate.words import REACH, Bytes, Hashes, Positions, Words, empty_words, read_words, tables, words
from algstack.texts import read_only
from algstack.vector import LANES, inlined, kernel

WHOLE_WORDS = 5
"""Words of the anchor by which a problem is looked for as a whole: fewer are too short to tell anything."""

WHOLE_LETTERS = 20
"""Letters and digits that the whole of a short problem must have: `find the value of x` has 15."""

TELLING_WORDS = 5
"""Different words of three letters or more that a run must have to be evidence."""

COMMON_PROBLEMS = 3
COMMON_SHARE = 0.02
"""A run that is in more problems of a benchmark than both of these is its header, not a problem's text."""

MOST_RUNS = 16_000_000
"""Runs kept in memory-mapped tables (16 bytes each); of a larger set every second, fourth, … of each text is kept, and
one of each where there are more texts than that."""

_BASE = np.uint64(0x9E3779B97F4A7C15)
_FINAL = np.uint64(0xD6E8FEB86659FD93)
_WHOLE = np.uint64(0xA0761D6478BD642F)  # keeps anchors of whole problems apart from runs of n words
_BITS_PER_WINDOW = 16
_BATCH_BYTES = 2**22  # of texts that are indexed at a time
_BLOCK = 1_024  # words read at a time: their hashes stay in the core's own cache

MOST_WINDOWS = 64_000_000
"""Windows that the largest filter has bits for."""

HELD_WINDOWS = 16_000_000
"""Windows gathered before the bits are laid: of a larger set the filter is the largest."""

Numbers = npt.NDArray[np.uint32]
Mask = npt.NDArray[np.bool_]


class Hit(NamedTuple):
    """A run of words that a text shares with one text of a benchmark.

    `start` and `end` are bytes of the text; `words` of the `of` words of the benchmark's text are in it.
    """

    unit: int
    start: int
    end: int
    words: int
    of: int


class Runs(NamedTuple):
    """The lookup tables: see `NgramIndex`."""

    n: int
    has_whole: int  # 1 or 0: whether any problem is looked for by the anchor of its whole
    filter_shift: np.uint64
    whole_shift: np.uint64
    bucket_shift: np.uint64
    filter: Hashes
    whole_filter: Hashes  # of anchors alone: they are few, so that it stays in the core's own cache
    buckets: npt.NDArray[np.uint32]
    hashes: Hashes


@inlined
def _run_hash(hashes: Any, at: Any, n: Any) -> Any:
    """Return the hash of the run of `n` words that begins at a word."""
    value = np.uint64(0)
    for word in range(at, at + n):
        value = value * _BASE + hashes[word]
    value = (value ^ (value >> np.uint64(32))) * _FINAL
    return value ^ (value >> np.uint64(29))


def run_hashes(hashes: Hashes, n: int) -> Hashes:
    """Return the hash of each run of `n` word hashes, none where there are fewer."""
    found = np.empty(max(hashes.size - n + 1, 0), np.uint64)
    _hash_runs(hashes, n, found)
    return found


@kernel
def _hash_runs(hashes: Any, n: Any, found: Any) -> None:
    for at in range(found.size):
        found[at] = _run_hash(hashes, at, n)


@inlined
def _stride(n: Any) -> Any:
    """Every how many-th word is asked for: a run of 13 holds a window of nine from a fifth word on, one of 5 four."""
    return n // 3 + 1


@inlined
def _window(hashes: Any, at: Any, n: Any, mask: Any) -> Any:
    """Return the hash of the window of a run of `n` words that begins at a word."""
    value = mask
    for word in range(at, at + n - _stride(n) + 1):
        value = ((value << np.uint64(5)) | (value >> np.uint64(59))) + hashes[word]
    return value


@kernel
def _read_texts(data: Any, offsets: Any, word_tables: Any, wanted: Any, sources: Any, words_: Any, read: Any) -> Any:
    """Read the words of some texts, one text behind the other.

    Args:
        data: the bytes of all texts.
        offsets: where each begins; one more than there are texts.
        word_tables: `tables()`.
        wanted: `markup()`.
        sources: room for the largest text, and the same to be read from.
        words_: room for all words.
        read: gets `Read`.

    Returns:
        How many words there are.
    """
    room, text = sources
    count = 0
    for row in range(offsets.size - 1):
        source, at, end = data, offsets[row], offsets[row + 1]
        if copied_without_markup(data, at, end, wanted, room):
            source, at, end = text, 0, end - at
        read.firsts[row] = begin = count
        count, at = read_words(source, at, end, word_tables, words_, count)
        for word in range(begin, count):
            start = words_.starts[word]
            read.lengths[word] = words_.ends[word] - start
            read.is_long[word] = read.lengths[word] >= 3 and not 48 <= source[start] <= 57
    read.firsts[offsets.size - 1] = count
    return count


class Read(NamedTuple):
    """What is known of the words of some texts.

    Attributes:
        firsts: the first word of each text; one more than there are texts.
        lengths: bytes of each word.
        is_long: whether a word has three letters or more, and begins with none that is a digit.
    """

    firsts: Positions
    lengths: npt.NDArray[np.uint32]
    is_long: Mask


@inlined
def _is_new(hashes: Any, start: Any, word: Any) -> Any:
    """Whether a word stands for the first time since `start`."""
    before = start
    while before < word and hashes[before] != hashes[word]:
        before += 1
    return before == word


@inlined
def _is_telling(hashes: Any, is_long: Any, start: Any, n: Any, wanted: Any) -> Any:
    """Whether a run of `n` words has at least `wanted` different long ones."""
    different = 0
    for at in range(start, start + n):
        if is_long[at]:
            different += _is_new(hashes, start, at)
            if different >= wanted:
                return True
    return False


@kernel
def _gather_runs(hashes: Any, read: Any, n: Any, stride: Any, first_unit: Any, runs: Any, windows: Any) -> Any:
    """Gather the telling runs of some texts, of each text the last and every `stride`-th before it, and their windows.

    Args:
        hashes: words of all texts.
        read: what is known of them.
        n: words of a run.
        stride: every how many-th telling run is kept.
        first_unit: number of the first text.
        runs: room for the hashes, texts and offsets of runs, as many as there are words.
        windows: room for as many windows.

    Returns:
        How many runs there are, and how many windows.
    """
    run_hashes_, units, offsets = runs
    count, window_count = 0, 0
    wanted = min(TELLING_WORDS, n)
    for row in range(read.firsts.size - 1):
        begin, end = read.firsts[row], read.firsts[row + 1]
        held, telling = count, 0
        for start in range(end - n, begin - 1, -1):
            if _is_telling(hashes, read.is_long, start, n, wanted):
                if telling % stride == 0:
                    offsets[count] = start - begin
                    count += 1
                telling += 1
        for place in range((count - held) // 2):  # they were found from behind
            other = count - 1 - place
            offsets[held + place], offsets[other] = offsets[other], offsets[held + place]
        following = begin
        for place in range(held, count):
            start = begin + np.int64(offsets[place])
            run_hashes_[place], units[place] = _run_hash(hashes, start, n), first_unit + row
            for at in range(max(start, following), start + _stride(n)):
                windows[window_count] = _window(hashes, at, n, np.uint64(0))
                window_count, following = window_count + 1, at + 1
    return count, window_count


@kernel
def _find_anchors(hashes: Any, read: Any, anchors: Any) -> None:
    """Give each text the first word of its longest run of WHOLE_WORDS words, or -1 if the whole says too little."""
    for row in range(read.firsts.size - 1):
        begin, end = read.firsts[row], read.firsts[row + 1]
        letters, different = 0, 0
        for word in range(begin, end):
            letters += read.lengths[word]
            if different < WHOLE_WORDS:
                different += _is_new(hashes, begin, word)
        anchors[row] = -1
        if different < WHOLE_WORDS or letters < WHOLE_LETTERS:
            continue
        longest = 0
        for start in range(begin, end - WHOLE_WORDS + 1):
            own = 0
            for word in range(start, start + WHOLE_WORDS):
                own += read.lengths[word]
            if own > longest:
                longest, anchors[row] = own, start - begin


@kernel
def _hash_anchors(words_: Any, places: Any, keys: Any, windows: Any) -> Any:
    """Hash the anchors that begin at places, and their windows; return how many windows there are."""
    count = 0
    for number in range(places.size):
        keys[number] = _run_hash(words_, places[number], WHOLE_WORDS) ^ _WHOLE
        for at in range(places[number], places[number] + _stride(WHOLE_WORDS)):
            windows[count] = _window(words_, at, WHOLE_WORDS, _WHOLE)
            count += 1
    return count


@inlined
def _pattern(key: Any) -> Any:
    """Three bits of one 64-bit word: a Bloom filter that costs one memory access."""
    one, low = np.uint64(1), np.uint64(63)
    first, second = one << (key & low), one << ((key >> np.uint64(6)) & low)
    return first | second | (one << ((key >> np.uint64(12)) & low))


@inlined
def _find(key: Any, shift: Any, buckets: Any, known: Any) -> Any:
    """Return the first place of a key among the sorted hashes that are known, or -1."""
    bucket = key >> shift
    for at in range(buckets[bucket], buckets[bucket + np.uint64(1)]):
        if known[at] == key:
            return np.int64(at)
    return np.int64(-1)


@inlined
def _any_run(hashes: Any, count: Any, n: Any, mask: Any, marks: Any, shift: Any, runs: Any, likely: Any) -> Any:
    """Whether any run of `n` among the first `count` words is in the index.

    The filter `marks` is asked without a branch, so that many of its memory accesses are under way at once; the few
    windows that pass are gathered in `likely`, and then the runs that hold them are looked up.
    """
    buckets, known, stride, passed = runs.buckets, runs.hashes, _stride(n), 0
    for at in range(0, count - n + stride, stride):
        key = _window(hashes, at, n, mask)
        pattern = _pattern(key)
        likely[passed] = at
        passed += (marks[key >> shift] & pattern) == pattern
    for place in range(passed):
        at = likely[place]
        for start in range(max(at - stride + 1, 0), min(at, count - n) + 1):
            if _find(_run_hash(hashes, start, n) ^ mask, runs.bucket_shift, buckets, known) >= 0:
                return True
    return False


@kernel
def _scan(
    data: Any,
    offsets: Any,
    word_tables: Any,
    wanted: Any,
    runs: Any,
    room: Any,
    text: Any,
    words_: Any,
    likely: Any,
    found: Any,
) -> None:
    """Mark the texts that hold any run of the index, or the anchor of a whole problem.

    One that has markup is copied into the room for it, and read there without.
    """
    none, hashes = np.uint64(0), words_.hashes
    for row in range(offsets.size - 1):
        source, at, end, held = data, offsets[row], offsets[row + 1], 0
        if copied_without_markup(data, at, end, wanted, room):
            source, at, end = text, 0, end - at
        while at < end and not found[row]:
            count, at = read_words(source, at, end, word_tables, words_, held)
            found[row] = _any_run(hashes, count, runs.n, none, runs.filter, runs.filter_shift, runs, likely) or (
                runs.has_whole
                and _any_run(hashes, count, WHOLE_WORDS, _WHOLE, runs.whole_filter, runs.whole_shift, runs, likely)
            )
            held = min(count, max(runs.n, WHOLE_WORDS) - 1)
            for word in range(held):
                hashes[word] = hashes[count - held + word]


@njit(cache=True, nogil=True, error_model="numpy")  # no `kernel`, since it makes a list
def _matches(keys: Any, runs: Any) -> Any:
    """Return (place among the keys, place among the index's runs) of each match."""
    places = [(np.int64(0), np.int64(0))]
    known = runs.hashes
    for at in range(keys.size):
        entry = _find(keys[at], runs.bucket_shift, runs.buckets, known)
        while 0 <= entry < known.size and known[entry] == keys[at]:
            places.append((np.int64(at), entry))
            entry += 1
    return places[1:]


@dataclass(frozen=True)
class NgramIndex:
    """What the runs of words of all benchmarks are looked up in.

    Attributes:
        runs: sorted run hashes, where each bucket of their leading bits begins, and the bit filter of their windows.
        units: for each run the number of the text that it is from.
        offsets: for each run its first word in that text.
        unit_words: the word hashes of all texts, one after the other.
        unit_starts: where each text begins in `unit_words`; one more than there are texts.
        unit_sizes: words of each text.
        is_whole: whether a text is looked for as a whole.
        is_short: whether it is too short to be looked for.
        stride: every how many-th telling run of a text is kept, its last one always.
    """

    runs: Runs
    units: Numbers
    offsets: Numbers
    unit_words: Hashes
    unit_starts: Positions
    unit_sizes: Positions
    is_whole: Mask
    is_short: Mask
    stride: int

    @classmethod
    def build(cls, texts: Iterable[tuple[int, str]], n: int, most_runs: int = MOST_RUNS) -> Self:
        """Index the texts of benchmarks.

        Args:
            texts: (number of the benchmark, text), numbered from 0 as they come.
            n: words of a run.
            most_runs: how many runs may be kept.
        """
        collected = _Collected(n, most_runs)
        for group, text in texts:
            collected.add(group, text)
        return cls(*collected.finish())

    def candidates(self, data: Bytes, offsets: Positions) -> Mask:
        """Mark the texts with at least one hit.

        Args:
            data: the bytes of all texts, UTF-8.
            offsets: where each begins; one more than there are texts.
        """
        found = np.zeros(offsets.size - 1, np.bool_)
        if self.runs.hashes.size:
            found_words = empty_words(_BLOCK + self.runs.n)
            room = np.empty(int(np.diff(offsets).max(initial=0)) + REACH, np.uint8)
            likely = np.empty(found_words.hashes.size, np.int64)
            sources = read_only(data), offsets, tables(), markup(), self.runs, room, read_only(room)
            _scan(*sources, found_words, likely, found)
        return found

    def hits(self, text: bytes) -> list[Hit]:
        """Return what a text shares with the indexed ones, by place; overlapping hits are of different texts."""
        found = words(text)
        if not self.runs.hashes.size:
            return []
        spans: dict[int, list[tuple[int, int, int]]] = {}
        for at, entry in _matches(run_hashes(found.hashes, self.runs.n), self.runs):
            spans.setdefault(int(self.units[entry]), []).append((at, at + self.runs.n, int(self.offsets[entry]) - at))
        if self.runs.has_whole:
            for at, entry in _matches(run_hashes(found.hashes, WHOLE_WORDS) ^ _WHOLE, self.runs):
                self._add_whole(found, at - int(self.offsets[entry]), int(self.units[entry]), spans)
        hits = [hit for unit, places in spans.items() for hit in self._merged(found, unit, places)]
        return sorted(hits, key=lambda hit: (hit.start, -hit.end, hit.unit))

    def _add_whole(self, found: Words, start: int, unit: int, spans: dict[int, list[tuple[int, int, int]]]) -> None:
        wanted = self._words_of(unit)
        if start >= 0 and np.array_equal(found.hashes[start : start + wanted.size], wanted):
            spans.setdefault(unit, []).append((start, start + wanted.size, -start))

    def _words_of(self, unit: int) -> Hashes:
        return self.unit_words[self.unit_starts[unit] : self.unit_starts[unit + 1]]

    def _merged(self, found: Words, unit: int, places: list[tuple[int, int, int]]) -> Iterator[Hit]:
        """Join the matches of one text that lie together, and widen them to all the words that agree."""
        wanted, size = self._words_of(unit), int(self.unit_sizes[unit])
        runs: list[list[int]] = []
        reached: dict[int, int] = {}  # by shift: where the last match ended once it was widened
        for start, end, shift in sorted(places):
            if end <= reached.get(shift, 0):
                continue  # it is a part of that one
            start, end = _widened(found.hashes, wanted, start, end, shift)
            reached[shift] = end
            if runs and start <= runs[-1][1] + self.runs.n:
                runs[-1][2] += max(end - max(start, runs[-1][1]), 0)
                runs[-1][1] = max(end, runs[-1][1])
            else:
                runs.append([start, end, end - start])
        for start, end, matched in runs:
            yield Hit(unit, int(found.starts[start]), int(found.ends[end - 1]), min(matched, size), size)

    def save(self, folder: Path) -> None:
        """Write the tables into a folder, to be mapped by `load`."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, values in self._arrays().items():
            np.save(folder / f"{name}.npy", values)
        meta = {"n": self.runs.n, "has_whole": self.runs.has_whole, "stride": self.stride}
        (folder / "ngrams.json").write_text(json.dumps(meta, sort_keys=True), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Map the tables that `save` wrote: workers share their memory."""
        meta = json.loads((folder / "ngrams.json").read_text(encoding="utf-8"))
        # Plain arrays over the maps: the kernels are compiled once, for the type that tests use too.
        arrays = {path.stem: np.asarray(np.load(path, mmap_mode="c")) for path in sorted(folder.glob("*.npy"))}
        marks, whole_marks, buckets, hashes = (
            arrays.pop(name) for name in ("filter", "whole_filter", "buckets", "hashes")
        )
        shifts = _shift(marks), _shift(whole_marks), _shift(buckets)
        runs = Runs(meta["n"], meta["has_whole"], *shifts, marks, whole_marks, buckets, hashes)
        return cls(runs, **arrays, stride=meta["stride"])

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        return {
            "filter": self.runs.filter,
            "whole_filter": self.runs.whole_filter,
            "buckets": self.runs.buckets,
            "hashes": self.runs.hashes,
            "units": self.units,
            "offsets": self.offsets,
            "unit_words": self.unit_words,
            "unit_starts": self.unit_starts,
            "unit_sizes": self.unit_sizes,
            "is_whole": self.is_whole,
            "is_short": self.is_short,
        }


def _widened(found: Hashes, wanted: Hashes, start: int, end: int, shift: int) -> tuple[int, int]:
    """Widen a match to all words around it that agree; word `i` of the text is word `i + shift` of the wanted."""
    if not wanted.size:
        return start, end
    while start > 0 and start + shift > 0 and found[start - 1] == wanted[start + shift - 1]:
        start -= 1
    while end < found.size and end + shift < wanted.size and found[end] == wanted[end + shift]:
        end += 1
    return start, end


class _Collected:
    """Texts of benchmarks on their way into an index."""

    def __init__(self, n: int, most_runs: int) -> None:
        self.n, self.most_runs, self.stride = n, most_runs, 1
        # Of each text: its benchmark, its words, those that are kept, and the first word of its anchor, -1: too short.
        self.groups, self.sizes, self.kept, self.anchors = array("i"), array("i"), array("i"), array("i")
        self.words: list[Hashes] = [np.empty(0, np.uint64)]
        self.word_count = 0
        self.runs: list[tuple[Hashes, Numbers, Numbers]] = []  # hashes, texts, offsets
        self.run_count = 0
        self.windows, self.whole_windows = _Windows(), _Windows()
        self.waiting: list[bytes] = []
        self.waiting_bytes = 0
        self.found, self.read = _room(_BATCH_BYTES)

    def add(self, group: int, text: str) -> None:
        """Take one text: its telling runs, and the anchor of its whole."""
        encoded = text.encode()
        if self.waiting_bytes + len(encoded) > _BATCH_BYTES:
            self._read()
        self.groups.append(group)
        self.waiting.append(encoded)
        self.waiting_bytes += len(encoded)

    def _read(self) -> None:
        """Take what is waiting."""
        if not self.waiting:
            return
        sizes = np.fromiter(map(len, self.waiting), np.int64, len(self.waiting))
        data = np.frombuffer(b"".join(self.waiting), np.uint8)
        found, read = (self.found, self.read) if data.size <= _BATCH_BYTES else _room(data.size)
        self.waiting, self.waiting_bytes = [], 0
        offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])
        room = np.empty(int(sizes.max()) + REACH, np.uint8)
        read = read._replace(firsts=np.empty(offsets.size, np.int64))
        sources = room, read_only(room)
        count = _read_texts(read_only(data), offsets, tables(), markup(), sources, found, read)
        self._gather(found.hashes[:count], read)
        while self.run_count > max(self.most_runs, len(self.groups)):
            self._thin_out()

    def _gather(self, hashes: Hashes, read: Read) -> None:
        texts, first_unit = read.firsts.size - 1, len(self.sizes)
        runs = np.empty(hashes.size, np.uint64), np.empty(hashes.size, np.uint32), np.empty(hashes.size, np.uint32)
        windows, anchors = np.empty(hashes.size, np.uint64), np.empty(texts, np.int32)
        count, window_count = _gather_runs(hashes, read, self.n, self.stride, first_unit, runs, windows)
        _find_anchors(hashes, read, anchors)
        # Copies: views would keep the room for runs that say nothing.
        own = runs[0][:count].copy(), runs[1][:count].copy(), runs[2][:count].copy()
        self.runs.append(own)
        self.run_count += count
        self.windows.add(windows[:window_count].copy())
        sizes = np.diff(read.firsts)
        kept = np.ones(texts, np.bool_)
        if self.word_count + hashes.size > 2 * self.most_runs:
            # Where there is no more room for words, a hit is as wide as its runs.
            kept[own[1] - np.uint32(first_unit)] = False
            hashes = hashes[np.repeat(kept, sizes)]
        self.words.append(hashes.copy())
        self.word_count += hashes.size
        self.sizes.frombytes(sizes.astype(np.int32).tobytes())
        self.kept.frombytes((sizes * kept).astype(np.int32).tobytes())
        self.anchors.frombytes(np.where(kept, anchors, np.int32(-1)).tobytes())

    def _thin_out(self) -> None:
        self.stride *= 2
        for number, (hashes, units, offsets) in enumerate(self.runs):
            # The last of each text stays, and every second before it.
            last = np.flatnonzero(np.append(units[1:] != units[:-1], True)) if units.size else np.empty(0, np.int64)
            behind = np.repeat(last, np.diff(last, prepend=-1)) - np.arange(units.size)
            kept = behind % 2 == 0
            self.runs[number] = hashes[kept], units[kept], offsets[kept]
        self.run_count = sum(hashes.size for hashes, _, _ in self.runs)

    def finish(self) -> tuple[Any, ...]:
        """Return the fields of an index, in their order."""
        self._read()
        hashes, units, offsets = self._joined_runs()
        words, anchors, sizes = np.concatenate(self.words), _numbers(self.anchors), _numbers(self.sizes)
        self.words = []
        starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(_numbers(self.kept), dtype=np.int64)])
        kept = ~self._common(hashes, units)
        hashes, units, offsets = hashes[kept], units[kept], offsets[kept]
        has_run = np.zeros(anchors.size, np.bool_)
        has_run[units] = True
        is_whole = ~has_run & (anchors >= 0)
        wholes = np.flatnonzero(is_whole)
        if wholes.size:
            hashes = np.concatenate([hashes, self._anchor_keys(words, starts[wholes] + anchors[wholes])])
            units = np.concatenate([units, wholes.astype(np.uint32)])
            offsets = np.concatenate([offsets, anchors[wholes].astype(np.uint32)])
            order = _order(hashes)
            hashes, units, offsets = hashes[order], units[order], offsets[order]
        return (
            _tables_of(hashes, self.n, int(is_whole.any()), self.windows.filter(), self.whole_windows.filter()),
            units,
            offsets,
            words,
            starts,
            sizes.astype(np.int64),
            is_whole,
            ~has_run & ~is_whole,
            self.stride,
        )

    def _joined_runs(self) -> tuple[Hashes, Numbers, Numbers]:
        """Return all runs, by hash, then by text and offset; there are none left afterwards."""
        pieces: list[list[Any]] = [list(column) for column in zip(*self.runs, strict=True)] or [[], [], []]
        self.runs = []
        hashes = np.concatenate([np.empty(0, np.uint64), *pieces.pop(0)])
        order = _order(hashes)
        hashes = hashes[order]
        units, offsets = (np.concatenate([np.empty(0, np.uint32), *pieces.pop(0)])[order] for _ in range(2))
        return hashes, units, offsets

    def _common(self, hashes: Hashes, units: Numbers) -> Mask:
        """Mark the runs, sorted, that too many texts of one benchmark share."""
        if not hashes.size:
            return np.zeros(0, np.bool_)
        groups = _numbers(self.groups)
        sizes, group = np.bincount(groups), groups[units]
        is_new_key = np.append(True, (hashes[1:] != hashes[:-1]) | (group[1:] != group[:-1]))
        is_new_text = is_new_key | np.append(True, units[1:] != units[:-1])
        key = np.cumsum(is_new_key, dtype=np.uint32) - np.uint32(1)
        shared_by = np.bincount(key[is_new_text])
        limit = np.maximum(COMMON_PROBLEMS, COMMON_SHARE * sizes)
        common: Mask = shared_by[key] > limit[group]
        return common

    def _anchor_keys(self, words: Hashes, places: npt.NDArray[Any]) -> Hashes:
        """Return the keys of anchors that begin at places among all words."""
        keys, windows = np.empty(places.size, np.uint64), np.empty(places.size * WHOLE_WORDS, np.uint64)
        self.whole_windows.add(windows[: _hash_anchors(words, places, keys, windows)].copy())
        return keys


def _order(hashes: Hashes) -> Positions:
    """Return the order that sorts hashes; equal ones stay as they stand.

    A sort that keeps equal values in order takes ten times as long as one that need not, and few are equal.
    """
    order = np.argsort(hashes)
    ordered = hashes[order]
    equal = np.flatnonzero(ordered[1:] == ordered[:-1])
    if equal.size:
        places = np.union1d(equal, equal + 1)
        among = order[places]
        order[places] = among[np.lexsort((among, hashes[among]))]
    return order


def _room(size: int) -> tuple[Words, Read]:
    """Return room for the words of so many bytes."""
    found = empty_words(size + LANES + 1)
    lengths, is_long = np.empty(found.hashes.size, np.uint32), np.empty(found.hashes.size, np.bool_)
    return found, Read(np.empty(0, np.int64), lengths, is_long)


def _numbers(values: array[int]) -> npt.NDArray[np.int32]:
    return np.frombuffer(values, np.int32) if values else np.empty(0, np.int32)


class _Windows:
    """The windows of all runs on their way into a bit filter, in bounded memory."""

    def __init__(self) -> None:
        self.held: list[Hashes] = []
        self.count = 0
        self.marks: Hashes | None = None

    def add(self, windows: Hashes) -> None:
        """Take the windows of one text."""
        self.held.append(windows)
        self.count += windows.size
        if self.count > HELD_WINDOWS:
            self._lay(MOST_WINDOWS)

    def filter(self) -> Hashes:
        """Return the bits of all windows."""
        self._lay(self.count)
        assert self.marks is not None
        return self.marks

    def _lay(self, size: int) -> None:
        if self.marks is None:
            self.marks = np.zeros(1 << max(size * _BITS_PER_WINDOW // 64, 2).bit_length(), np.uint64)
        shift = np.uint64(65 - self.marks.size.bit_length())
        for windows in self.held:
            _mark(windows, self.marks, shift)
        self.held, self.count = [], 0


@kernel
def _mark(windows: Any, marks: Any, shift: Any) -> None:
    for key in windows:
        marks[key >> shift] |= _pattern(key)


def _tables_of(hashes: Hashes, n: int, has_whole: int, marks: Hashes, whole_marks: Hashes) -> Runs:
    """Lay the buckets of leading bits over sorted hashes, the bit filter beside them."""
    bucket_bits = max(hashes.size, 2).bit_length()
    leading = np.arange(1 << bucket_bits, dtype=np.uint64)
    firsts = np.searchsorted(hashes >> np.uint64(64 - bucket_bits), leading)
    buckets = np.append(firsts, hashes.size).astype(np.uint32)
    shifts = _shift(marks), _shift(whole_marks), _shift(buckets)
    return Runs(n, has_whole, *shifts, marks, whole_marks, buckets, hashes)


def _shift(table: npt.NDArray[Any]) -> np.uint64:
    """Return by how much a hash is shifted to be a place in a table of a power of two, or of one more."""
    return np.uint64(65 - table.size.bit_length())
