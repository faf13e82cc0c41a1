"""Many patterns in one pass: which of them stand in each text of a batch.

Polars' engine asks for one pattern at a time. Here all patterns are one automaton over bytes, made deterministic as far
as the texts need it (Thompson 1968; Cox, https://swtch.com/~rsc/regexp/regexp1.html), in a numba kernel. It says just
what `Series.str.contains` says of the same patterns, written by `patterns.compiled`; the tests hold both together.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from re import _constants as op  # type: ignore[attr-defined]
from re import _parser  # type: ignore[attr-defined]
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from algstack.filter import literals
from algstack.filter.patterns import compiled
from algstack.filter.scan import as_series
from algstack.texts import Bytes, Places
from algstack.vector import bytes_at

TOGETHER = 32
"""Patterns in one automaton: more would make many more states."""

MOST_NODES = 8_192
MOST_STATES = 4_096
"""Deterministic states that are remembered; when there are more, all are forgotten, and found again as needed."""

NEWLINE = 10
LAST = 0x10FFFF
SURROGATES = (0xD800, 0xDFFF)

Ranges = list[tuple[int, int]]

# Nodes: a byte of a set leads to `target`; both or, where the place is right, one go on without a byte; or a pattern
# is found.
BYTE, SPLIT, LINE_START, LINE_END, TEXT_START, TEXT_END, BOUNDARY, FOUND = range(8)

# What stands on a side of a place.
EDGE, LINE_BREAK, WORD, OTHER = range(4)

UNKNOWN, START = 0, 1
"""States that always have the same number; the first leads to itself only."""

LANES = 4
"""Texts that are walked at a time: a step waits for memory, and four wait together."""

STRIDE = 128
"""Bytes that are walked before anyone asks what has become of it."""

Found = NDArray[np.bool_]


class UnusualError(Exception):
    """A pattern has something that only Polars' engine knows."""


def any_of(texts: Places, patterns: Sequence[str]) -> Found:
    """Say of each text whether any of the patterns stands in it."""
    return first_of(texts, patterns) >= 0


def first_of(texts: Places, patterns: Sequence[str]) -> NDArray[np.int64]:
    """Return by which byte of each text a match of any of the patterns has ended; -1 where none stands in it.

    The end is at most STRIDE bytes beyond that of the first match, or, if only Polars knows the pattern, the text's.
    """
    ends = np.full(len(texts.lengths), -1, np.int64)
    maybe = literals.may_match(texts, patterns)
    usual = [number for number, pattern in enumerate(patterns) if is_usual(pattern)]
    for numbers in _groups(usual, [_size(pattern) for pattern in patterns]):
        left = np.flatnonzero(maybe & (ends < 0))
        _, found_by = _searched(texts.take(left), [patterns[number] for number in numbers], True)
        ends[left] = found_by
    for number in set(range(len(patterns))) - set(usual):
        left = np.flatnonzero(maybe & (ends < 0))
        found = _found_by_polars(texts.take(left), patterns[number])
        ends[left[found]] = texts.lengths[left[found]]
    return ends


def find(texts: Places, patterns: Sequence[str]) -> Found:
    """Say of each text (a row) which patterns (a column) stand in it."""
    found = np.zeros((len(texts.lengths), len(patterns)), np.bool_)
    usual = [number for number, pattern in enumerate(patterns) if is_usual(pattern)]
    for numbers in _groups(usual, [_size(pattern) for pattern in patterns]):
        masks, _ = _searched(texts, [patterns[number] for number in numbers], False)
        found[:, numbers] = masks[:, None] >> np.arange(len(numbers), dtype=np.uint32) & np.uint32(1)
    for number in set(range(len(patterns))) - set(usual):
        found[:, number] = _found_by_polars(texts, patterns[number])
    return found


def _searched(texts: Places, patterns: Sequence[str], first: bool) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """Bits of the patterns that stand in each text (any, where `first`), and by where something had been found."""
    classes, automaton = automaton_of(tuple(patterns))
    masks = np.zeros(len(texts.lengths), np.uint32)
    ends = np.full(len(texts.lengths), -1, np.int64)
    if len(ends):
        _search(texts.addresses, texts.lengths, masks, ends, first, classes, automaton)
    return masks, ends


def _found_by_polars(texts: Places, pattern: str) -> Found:
    found: Found = as_series(texts).str.contains(compiled([pattern])).to_numpy()
    return found


def _groups(numbers: Sequence[int], sizes: Sequence[int]) -> Iterator[list[int]]:
    """Cut patterns into as many as make one automaton."""
    group: list[int] = []
    size = 0
    for number in numbers:
        if len(group) == TOGETHER or size + sizes[number] > MOST_NODES:
            yield group
            group, size = [], 0
        group.append(number)
        size += sizes[number]
    if group:
        yield group


def is_usual(pattern: str) -> bool:
    """Whether a pattern is sought here, and not by Polars."""
    return _size(pattern) > 0


@lru_cache(maxsize=8192)
def _size(pattern: str) -> int:
    """The nodes of a pattern; 0 if only Polars' engine knows it."""
    nodes = _Nodes()
    try:
        nodes.add(pattern, 0)
    except UnusualError:
        return 0
    return len(nodes.kinds)


class _Automaton(NamedTuple):
    """The nodes, and the deterministic states that are known so far: the latter change as texts are read.

    A state is known by where its row in `table` begins: its number times `width`, and beyond `finals` if something is
    found when it is entered. `table[state + classes[byte]]` is the next state. The last column but one is what comes at
    the end of a text, the last holds the patterns that are found. A row of `states` holds, by number, the bits of a
    state's nodes, those patterns, and what stands before it.
    """

    kinds: Bytes
    targets: NDArray[np.int32]
    others: NDArray[np.int32]
    sets: Found
    starts: NDArray[np.int32]
    sides: Bytes
    table: NDArray[np.uint32]
    finals: int
    states: NDArray[np.uint64]
    slots: NDArray[np.int32]
    remembered: NDArray[np.int64]


@lru_cache(maxsize=1024)
def automaton_of(patterns: tuple[str, ...]) -> tuple[Bytes, _Automaton]:
    """The class of each byte, and the automaton of some patterns."""
    nodes = _Nodes()
    for number, pattern in enumerate(patterns):
        nodes.add(pattern, number)
    count = len(nodes.kinds)
    sets = np.zeros((count, 256), np.bool_)
    for node, (low, high) in enumerate(nodes.ranges):
        sets[node, low : high + 1] = nodes.kinds[node] == BYTE
    kinds = np.array(nodes.kinds, np.uint8)
    sides = np.full(256, OTHER, np.uint8)
    if (kinds == BOUNDARY).any():
        sides[[byte for byte in range(128) if chr(byte).isalnum() or byte == ord("_")]] = WORD
    sides[NEWLINE] = LINE_BREAK
    columns, classes = np.unique(np.vstack([sets, sides]), axis=1, return_inverse=True)
    last = np.zeros((count + 1, 1), columns.dtype)  # of the end of a text; EDGE is 0
    columns = np.hstack([columns, last])
    finals = 1 << (MOST_STATES * (columns.shape[1] + 1) - 1).bit_length()  # a bit that no other state has
    automaton = _Automaton(
        kinds=kinds,
        targets=np.array(nodes.targets, np.int32),
        others=np.array(nodes.others, np.int32),
        sets=np.ascontiguousarray(columns[:-1].astype(np.bool_)),
        starts=np.array(nodes.starts, np.int32),
        sides=columns[-1].astype(np.uint8),
        table=np.zeros(2 * finals, np.uint32),
        finals=finals,
        states=np.zeros((MOST_STATES, (count + 63) // 64 + 2), np.uint64),
        slots=np.zeros(4 * MOST_STATES, np.int32),
        remembered=np.zeros(1, np.int64),
    )
    _forget(np.zeros(0, np.uint32), automaton)
    return classes.reshape(-1).astype(np.uint8), automaton


class _Nodes:
    """The automaton of all patterns, as lists by node."""

    def __init__(self) -> None:
        self.kinds: list[int] = []
        self.targets: list[int] = []
        self.others: list[int] = []
        self.ranges: list[tuple[int, int]] = []
        self.starts: list[int] = []

    def add(self, pattern: str, number: int) -> None:
        """Add a pattern.

        Raises:
            UnusualError: it has something that is not known here.
        """
        try:
            parsed = _parser.parse(pattern.replace(r"\z", r"\Z"), re.ASCII)
        except re.error as error:
            raise UnusualError(str(error)) from None
        found = self._node(FOUND, number)
        self.starts.append(self._sequence(parsed, parsed.state.flags, found))

    def _node(self, kind: int, target: int, other: int = 0, span: tuple[int, int] = (1, 0)) -> int:
        if len(self.kinds) == MOST_NODES:
            raise UnusualError("too large")
        self.kinds.append(kind)
        self.targets.append(target)
        self.others.append(other)
        self.ranges.append(span)
        return len(self.kinds) - 1

    def _sequence(self, parsed: Iterable[tuple[Any, Any]], flags: int, follow: int) -> int:
        """Nodes of a sequence of which the last go on at `follow`; returns the first."""
        for kind, value in reversed(list(parsed)):
            follow = self._element(kind, value, flags, follow)
        return follow

    def _element(self, kind: Any, value: Any, flags: int, follow: int) -> int:
        if kind in _PLACES and value in _PLACES[kind]:
            return self._node(_PLACES[kind][value], follow)
        if kind is op.SUBPATTERN:
            _, added, removed, inside = value
            return self._sequence(inside, (flags | added) & ~removed, follow)
        if kind is op.BRANCH:
            return self._any([self._sequence(branch, flags, follow) for branch in value[1]])
        if kind in (op.MAX_REPEAT, op.MIN_REPEAT):
            least, most, inside = value
            return self._repeat(lambda goal: self._sequence(inside, flags, goal), least, most, follow)
        return self._characters(_ranges(kind, value, flags), follow)

    def _any(self, nodes: Sequence[int]) -> int:
        first = nodes[-1]
        for node in nodes[-2::-1]:
            first = self._node(SPLIT, node, first)
        return first

    def _repeat(self, inside: Callable[[int], int], least: int, most: Any, follow: int) -> int:
        if most is op.MAXREPEAT:
            loop = self._node(SPLIT, 0, follow)
            self.targets[loop] = inside(loop)
            follow = loop
        else:
            end = follow
            for _ in range(most - least):
                follow = self._node(SPLIT, inside(follow), end)
        for _ in range(least):
            follow = inside(follow)
        return follow

    def _characters(self, ranges: Ranges, follow: int) -> int:
        sequences = [sequence for low, high in ranges for sequence in _in_utf8(low, high)]
        if not sequences:
            raise UnusualError("a class of nothing")
        firsts = []
        for sequence in sequences:
            node = follow
            for span in reversed(sequence):
                node = self._node(BYTE, node, 0, span)
            firsts.append(node)
        return self._any(firsts)


_PLACES: dict[Any, dict[Any, int]] = {
    op.AT: {
        op.AT_BEGINNING: LINE_START,
        op.AT_END: LINE_END,
        op.AT_BEGINNING_STRING: TEXT_START,
        op.AT_END_STRING: TEXT_END,
        op.AT_BOUNDARY: BOUNDARY,
    }
}
_CATEGORIES: dict[Any, Ranges] = {
    op.CATEGORY_SPACE: [(9, 13), (32, 32)],
    op.CATEGORY_DIGIT: [(48, 57)],
    op.CATEGORY_WORD: [(48, 57), (65, 90), (95, 95), (97, 122)],
}
_OPPOSITES = {
    op.CATEGORY_NOT_SPACE: op.CATEGORY_SPACE,
    op.CATEGORY_NOT_DIGIT: op.CATEGORY_DIGIT,
    op.CATEGORY_NOT_WORD: op.CATEGORY_WORD,
}
# Beyond ASCII these two are the same as `k` and `s` where case does not count.
_FOLDED = {ord("k"): 0x212A, ord("s"): 0x17F}


def _ranges(kind: Any, value: Any, flags: int) -> Ranges:
    """The characters that an element of a pattern stands for, as sorted ranges."""
    ignore_case = bool(flags & re.IGNORECASE)
    if kind is op.LITERAL:
        return _folded([(value, value)], ignore_case)
    if kind is op.NOT_LITERAL:
        return _all_but(_folded([(value, value)], ignore_case))
    if kind is op.ANY:
        return _all_but([] if flags & re.DOTALL else [(NEWLINE, NEWLINE)])
    if kind is not op.IN:
        raise UnusualError(str(kind))
    found: Ranges = []
    for item, what in value:
        if item is op.LITERAL:
            found.append((what, what))
        elif item is op.RANGE:
            found.append(what)
        elif item is op.CATEGORY and what in _CATEGORIES:
            found += _CATEGORIES[what]
        elif item is op.CATEGORY and what in _OPPOSITES:
            # Case folding comes before the complement, as in `[^…]`.
            found += _all_but(_folded(_CATEGORIES[_OPPOSITES[what]], ignore_case))
        elif item is not op.NEGATE:
            raise UnusualError(str(item))
    found = _folded(found, ignore_case)
    return _all_but(found) if value[0][0] is op.NEGATE else found


def _folded(ranges: Ranges, ignore_case: bool) -> Ranges:
    if not ignore_case:
        return _merged(ranges)
    added: Ranges = []
    for low, high in ranges:
        if high > 127 and (low, high) not in ((0x80, LAST), (0xE000, LAST)) and high - low < 0x1000:
            raise UnusualError("case beyond ASCII")
        for small in range(97, 123):
            if low <= small <= high or low <= small - 32 <= high:
                added += [(small, small), (small - 32, small - 32)]
                if small in _FOLDED:
                    added.append((_FOLDED[small], _FOLDED[small]))
    return _merged([*ranges, *added])


def _merged(ranges: Ranges) -> Ranges:
    merged: Ranges = []
    for low, high in sorted(ranges):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return merged


def _all_but(ranges: Ranges) -> Ranges:
    left: Ranges = []
    begin = 0
    for low, high in _merged([*ranges, SURROGATES]):
        if begin < low:
            left.append((begin, low - 1))
        begin = high + 1
    return [*left, (begin, LAST)] if begin <= LAST else left


def _in_utf8(low: int, high: int) -> list[list[tuple[int, int]]]:
    """A range of characters as sequences of ranges of bytes."""
    for top in (0x7F, 0x7FF, 0xFFFF):
        if low <= top < high:
            return [*_in_utf8(low, top), *_in_utf8(top + 1, high)]
    if high <= 0x7F:
        return [[(low, high)]]
    for bits in (6, 12, 18):
        tail = (1 << bits) - 1
        if low | tail != high | tail:
            if low & tail:
                return [*_in_utf8(low, low | tail), *_in_utf8((low | tail) + 1, high)]
            if high & tail != tail:
                return [*_in_utf8(low, (high & ~tail) - 1), *_in_utf8(high & ~tail, high)]
    return [list(zip(chr(low).encode(), chr(high).encode(), strict=True))]


@njit(cache=True, nogil=True)
def _search(addresses: Any, lengths: Any, masks: Any, by: Any, first: bool, classes: Any, automaton: Any) -> None:
    columns = len(automaton.sides)
    end_of_text = columns - 1
    every = np.uint32(2 ** len(automaton.starts) - 1)
    rows = np.full(LANES, -1, np.int64)
    at, ends = np.zeros(LANES, np.int64), np.zeros(LANES, np.int64)
    places = np.zeros(LANES, np.uint64)
    held, reached, passed, found = (
        np.zeros(LANES, np.uint32),
        np.zeros(LANES, np.uint32),
        np.zeros(LANES, np.uint32),
        np.zeros(LANES, np.uint32),
    )
    taken = 0
    while True:
        steps, walking = STRIDE, -1
        for lane in range(LANES):
            if rows[lane] < 0 and taken < len(addresses):
                rows[lane], places[lane], ends[lane] = taken, addresses[taken], lengths[taken]
                at[lane], held[lane], found[lane] = 0, START * (columns + 1), 0
                taken += 1
            if rows[lane] >= 0:
                walking = lane
                steps = min(steps, ends[lane] - at[lane])
        if walking < 0:
            return
        for lane in range(LANES):
            reached[lane] = held[lane]
            if rows[lane] < 0:  # no text is left for it: it goes along with another, and nowhere
                places[lane], at[lane], reached[lane] = places[walking], at[walking], UNKNOWN
        one, two = bytes_at(places[0] + np.uint64(at[0]), steps), bytes_at(places[1] + np.uint64(at[1]), steps)
        three, four = bytes_at(places[2] + np.uint64(at[2]), steps), bytes_at(places[3] + np.uint64(at[3]), steps)
        if first:
            _stride(one, two, three, four, classes, automaton.table, reached, passed)
            for lane in range(LANES):
                if passed[lane] & automaton.finals:
                    found[lane] = every
        else:
            _stride_with_masks(one, two, three, four, classes, automaton.table, columns, reached, found)
        # Before anyone steps on alone: that may give the states other numbers.
        for lane in range(LANES):
            if reached[lane] != UNKNOWN:
                held[lane] = reached[lane]
        for lane in range(LANES):
            if rows[lane] < 0:
                continue
            if reached[lane] == UNKNOWN:
                for byte in bytes_at(places[lane] + np.uint64(at[lane]), steps):
                    found[lane] |= _step(lane, classes[byte], held, automaton)
            at[lane] += steps
            if at[lane] == ends[lane]:
                found[lane] |= _step(lane, end_of_text, held, automaton)
            if at[lane] == ends[lane] or found[lane] == every or (first and found[lane]):
                masks[rows[lane]] = found[lane]
                if found[lane]:
                    by[rows[lane]] = at[lane]
                rows[lane] = -1


@njit(cache=True, nogil=True)
def _stride(
    one: Bytes, two: Bytes, three: Bytes, four: Bytes, classes: Any, table: Any, reached: Any, passed: Any
) -> None:
    """Walk four texts; who comes to what is not known stays there. `passed` are the states on the way, bit by bit.

    Indices without a sign are not asked for theirs.
    """
    a, b, c, d = np.uint64(reached[0]), np.uint64(reached[1]), np.uint64(reached[2]), np.uint64(reached[3])
    passed_a, passed_b, passed_c, passed_d = np.uint64(0), np.uint64(0), np.uint64(0), np.uint64(0)
    for step in range(np.uint64(len(one))):
        a = np.uint64(table[a + np.uint64(classes[one[step]])])
        b = np.uint64(table[b + np.uint64(classes[two[step]])])
        c = np.uint64(table[c + np.uint64(classes[three[step]])])
        d = np.uint64(table[d + np.uint64(classes[four[step]])])
        passed_a |= a
        passed_b |= b
        passed_c |= c
        passed_d |= d
    reached[0], reached[1], reached[2], reached[3] = a, b, c, d
    passed[0], passed[1], passed[2], passed[3] = passed_a, passed_b, passed_c, passed_d


@njit(cache=True, nogil=True)
def _stride_with_masks(
    one: Bytes, two: Bytes, three: Bytes, four: Bytes, classes: Any, table: Any, mask: int, reached: Any, found: Any
) -> None:
    """The same, and `found` are all patterns that are found on the way."""
    a, b, c, d = np.uint64(reached[0]), np.uint64(reached[1]), np.uint64(reached[2]), np.uint64(reached[3])
    found_a, found_b, found_c, found_d = found[0], found[1], found[2], found[3]
    column = np.uint64(mask)
    for step in range(np.uint64(len(one))):
        a = np.uint64(table[a + np.uint64(classes[one[step]])])
        b = np.uint64(table[b + np.uint64(classes[two[step]])])
        c = np.uint64(table[c + np.uint64(classes[three[step]])])
        d = np.uint64(table[d + np.uint64(classes[four[step]])])
        found_a |= table[a + column]
        found_b |= table[b + column]
        found_c |= table[c + column]
        found_d |= table[d + column]
    reached[0], reached[1], reached[2], reached[3] = a, b, c, d
    found[0], found[1], found[2], found[3] = found_a, found_b, found_c, found_d


@njit(cache=True, nogil=True)
def _step(lane: int, column: int, held: Any, automaton: Any) -> Any:
    """Take one step with one text, to a state that may be new; returns what is found there."""
    width, table = len(automaton.sides) + 1, automaton.table
    following = table[held[lane] + column]
    if following == UNKNOWN:
        state = _following(_number(held[lane], automaton), column, automaton)
        if automaton.slots[_slot(state, automaton)] == UNKNOWN and automaton.remembered[0] == len(automaton.states) - 1:
            _forget(held, automaton)
        following = np.uint32(_remember(state, automaton))
        table[held[lane] + column] = following
    held[lane] = following
    return table[following + width - 1]


@njit(cache=True, nogil=True)
def _number(state: int, automaton: Any) -> Any:
    return np.int64(state & (automaton.finals - 1)) // (len(automaton.sides) + 1)


@njit(cache=True, nogil=True)
def _following(state: int, column: int, automaton: Any) -> Any:
    """Find out where a byte of a class leads from a state."""
    kinds, sets, starts, states = automaton.kinds, automaton.sets, automaton.starts, automaton.states
    before: Any = np.int64(states[state, -1])
    after: Any = np.int64(automaton.sides[column])
    reached = np.zeros(states.shape[1], np.uint64)
    seen = np.zeros(len(kinds), np.bool_)
    stack = np.empty(len(kinds) + len(starts), np.int32)
    height = len(starts)
    for number in range(height):
        stack[number] = starts[number]
        seen[starts[number]] = True
    for node in range(len(kinds)):
        if (states[state, node >> 6] >> np.uint64(node & 63)) & np.uint64(1) and not seen[node]:
            seen[node] = True
            stack[height] = node
            height += 1
    while height:
        height -= 1
        node = stack[height]
        kind, target = kinds[node], automaton.targets[node]
        if kind == FOUND:
            reached[-2] |= np.uint64(1) << np.uint64(target)
        elif kind == BYTE:
            if sets[node, column]:
                reached[target >> 6] |= np.uint64(1) << np.uint64(target & 63)
        elif kind == SPLIT or _is_place(kind, before, after):
            if not seen[target]:
                seen[target] = True
                stack[height] = target
                height += 1
            other = automaton.others[node]
            if kind == SPLIT and not seen[other]:
                seen[other] = True
                stack[height] = other
                height += 1
    reached[-1] = after if after != EDGE else OTHER
    return reached


@njit(cache=True, nogil=True)
def _is_place(kind: int, before: int, after: int) -> bool:
    if kind == LINE_START:
        return before in (EDGE, LINE_BREAK)
    if kind == LINE_END:
        return after in (EDGE, LINE_BREAK)
    if kind == TEXT_START:
        return before == EDGE
    if kind == TEXT_END:
        return after == EDGE
    return (before == WORD) != (after == WORD)


@njit(cache=True, nogil=True)
def _slot(state: Any, automaton: Any) -> Any:
    """The slot that holds a state's number, or would."""
    states, slots = automaton.states, automaton.slots
    key = np.uint64(0)
    for word in state:
        key = (key ^ word) * np.uint64(0x9E3779B97F4A7C15)
        key ^= key >> np.uint64(29)
    slot = np.int64(key % np.uint64(len(slots)))
    while slots[slot] and not _is_same(states[slots[slot]], state):
        slot = (slot + 1) % len(slots)
    return slot


@njit(cache=True, nogil=True)
def _is_same(one: Any, other: Any) -> bool:
    word = 0
    while word < len(one) and one[word] == other[word]:
        word += 1
    return word == len(one)


@njit(cache=True, nogil=True)
def _remember(state: Any, automaton: Any) -> Any:
    """Give a state its number, a new one if it has none, and return where its row begins."""
    states, slots, remembered = automaton.states, automaton.slots, automaton.remembered
    width = len(automaton.sides) + 1
    slot = _slot(state, automaton)
    is_new = not slots[slot]
    if is_new:
        remembered[0] += 1
        slots[slot] = remembered[0]
        states[remembered[0]] = state
    row = slots[slot] * width + (automaton.finals if state[-2] else 0)
    if is_new:
        automaton.table[row + width - 1] = state[-2]
    return np.int64(row)


@njit(cache=True, nogil=True)
def _forget(held: Any, automaton: Any) -> None:
    """Forget all states but the first and those that texts are in, which get other numbers."""
    states = automaton.states
    kept = np.zeros((len(held), states.shape[1]), np.uint64)
    for lane in range(len(held)):
        kept[lane] = states[_number(held[lane], automaton)]
    if automaton.remembered[0]:
        automaton.table[:] = 0
    automaton.slots[:] = 0
    automaton.remembered[0] = 0
    _remember(np.zeros(states.shape[1], np.uint64), automaton)
    for lane in range(len(held)):
        held[lane] = _remember(kept[lane], automaton)
