"""Where licence headers end, as a kernel. `algstack.dedup.bodies` defines it; a test compares the two."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from algstack.dedup import bodies
from algstack.dedup.kernel import is_word, token_end
from algstack.vector import LANES, equal_mask, inlined, trailing_zeros

NEWLINE, RETURN, SPACE, TAB = 10, 13, 32, 9


def _words(words: Iterable[bytes]) -> NDArray[np.uint8]:
    """One word a row, zeros after it."""
    return np.array([list(word.ljust(12, b"\0")) for word in words], np.uint8)


LINE_MARKS = _words(bodies.LINE_COMMENTS)
OPENINGS = _words(opening for opening, _ in bodies.BLOCK_COMMENTS)
CLOSINGS = _words(closing for _, closing in bodies.BLOCK_COMMENTS)
LICENCE_WORDS = _words(bodies.LICENCE_WORDS)
CASE_BIT, CASE_MATTERS = np.uint8(0x20), np.uint8(0)


@inlined
def _is_space(byte: Any) -> Any:
    return byte == SPACE or TAB <= byte <= RETURN


@inlined
def _stands_at(data: Any, at: Any, end: Any, wanted: Any) -> Any:
    """Return the length of a word if it stands at `data[at:]`, else 0. Case does not matter."""
    length = 0
    while length < len(wanted) and wanted[length]:
        if at + length >= end or _lower(data[at + length]) != wanted[length]:
            return 0
        length += 1
    return length


@inlined
def _lower(byte: Any) -> Any:
    return byte | 0x20 if 65 <= byte <= 90 else byte


@inlined
def _find(data: Any, at: Any, end: Any, byte: Any, ignored: Any) -> Any:
    """Return the first place in `data[at:end]` of a byte, the ignored bits set in both; `end` if it is nowhere."""
    while at < end and at + LANES <= len(data):
        mask = equal_mask(data, at, byte, ignored)
        if mask:
            return min(at + trailing_zeros(mask), end)
        at += LANES
    while at < end and data[at] | ignored != byte:
        at += 1
    return min(at, end)


@inlined
def _any_stands_at(data: Any, at: Any, end: Any, words: Any) -> Any:
    """Return which of the words stands at `data[at:]`, -1 if none does."""
    for word in range(len(words)):
        if _stands_at(data, at, end, words[word]):
            return word
    return -1


@inlined
def _block_end(data: Any, at: Any, end: Any, opening: Any) -> Any:
    """Return where the block comment that begins at `at` ends, -1 if it is never closed."""
    closing = CLOSINGS[opening]
    place = _find(data, at + _stands_at(data, at, end, OPENINGS[opening]), end, closing[0], CASE_MATTERS)
    while place < end:
        closed = _stands_at(data, place, end, closing)
        if closed:
            return place + closed
        place = _find(data, place + 1, end, closing[0], CASE_MATTERS)
    return -1


@inlined
def _comment_lines_end(data: Any, at: Any, end: Any) -> Any:
    """Return where a run of comment lines that begins at `at` ends; `at` if there is none."""
    while True:
        place = at
        while place < end and data[place] in (SPACE, TAB):
            place += 1
        if _any_stands_at(data, place, end, LINE_MARKS) < 0:
            return at
        at = min(_find(data, place, end, np.uint8(NEWLINE), CASE_MATTERS) + 1, end)


@inlined
def _comment_end(data: Any, at: Any, end: Any) -> Any:
    """Return where the comment that begins at `at`, white space before it, ends; `at` if there is none."""
    place = at
    while place < end and _is_space(data[place]):
        place += 1
    opening = _any_stands_at(data, place, end, OPENINGS)
    if opening >= 0:
        closed = _block_end(data, place, end, opening)
        if closed >= 0:
            return closed
    lines = _comment_lines_end(data, place, end)
    return lines if lines > place else at


@inlined
def _speaks_of_licence(data: Any, begin: Any, end: Any) -> Any:
    for row in range(len(LICENCE_WORDS)):
        word = LICENCE_WORDS[row]
        at = _find(data, begin, end, word[0], CASE_BIT)
        while at < end:
            if _stands_at(data, at, end, word):
                return True
            at = _find(data, at + 1, end, word[0], CASE_BIT)
    return False


@inlined
def header_end(data: Any, begin: Any, end: Any) -> Any:
    """Return where the licence header of `data[begin:end]` ends, `begin` if it has none."""
    limit = min(end, begin + bodies.HEADER_LIMIT)
    header = at = begin
    while True:
        following = _comment_end(data, at, limit)
        if following == at:
            is_cut = header > begin and is_word(data[header - 1])
            return token_end(data, header, end) if is_cut else header
        if _speaks_of_licence(data, at, following):
            header = following
        at = following
