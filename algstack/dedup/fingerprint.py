"""128-bit fingerprints of texts, with line ends normalised, and of their bodies.

Two texts with one fingerprint are taken for the same: any two of 10^7 different texts share one with a probability of
about 10^-25. `algstack.dedup.bodies` defines what a body is; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from algstack.dedup import bodies
from algstack.dedup.kernel import ALL, U64, ZERO, is_word
from algstack.dedup.vector import LANES, equal_mask, folded_product, inlined, kernel, load64, trailing_zeros

# wyhash's secrets. Each holds bytes that valid UTF-8 cannot, so that no text multiplies by zero.
S0, S1 = U64(0xA0761D6478BD642F), U64(0xE7037ED1A0B428DB)
S2, S3 = U64(0x8EBC6AF09C88C6E3), U64(0x589965CC75374CC3)

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
def _tail(data: Any, at: Any, end: Any) -> Any:
    """Return `data[at:end]`, up to 8 bytes, as a number; 0 where there is nothing."""
    count = min(end - at, 8)
    if count <= 0:
        return ZERO
    if at + 8 <= len(data):
        return load64(data, at) & (ALL >> U64(64 - 8 * count))
    value = ZERO
    for i in range(count):
        value |= U64(data[at + i]) << U64(8 * i)
    return value


@inlined
def fingerprint(data: Any, begin: Any, end: Any) -> Any:
    """Return two 64-bit numbers, each of which depends on every byte, 16 bytes a step (as wyhash does)."""
    one, two = S0, S2
    at = begin
    while at + 16 <= end:
        left, right = load64(data, at), load64(data, at + 8)
        one = folded_product(left ^ one, right ^ S1)
        two = folded_product(left ^ S3, right ^ two)
        at += 16
    left, right = _tail(data, at, end), _tail(data, at + 8, end)
    length = U64(end - begin)
    one = folded_product(folded_product(left ^ one, right ^ S1) ^ length, S2)
    two = folded_product(folded_product(left ^ S3, right ^ two) ^ length, S0)
    return one, two


@inlined
def _has_return(data: Any, begin: Any, end: Any) -> Any:
    found = 0
    # No way out of the loop, and a slice, whose index cannot be negative: so it becomes vector instructions.
    for byte in data[begin:end]:
        found += byte == RETURN
    return found > 0


@inlined
def _with_newlines(data: Any, begin: Any, end: Any, out: Any) -> Any:
    """Copy bytes with each CR LF and CR made LF; return how many there are."""
    count = 0
    for i in range(begin, end):
        if data[i] != RETURN:
            out[count] = data[i]
            count += 1
        elif i + 1 == end or data[i + 1] != NEWLINE:
            out[count] = NEWLINE
            count += 1
    return count


@kernel
def fingerprints(data: Any, offsets: Any, out: Any) -> None:
    """Write the fingerprint of each text, line ends normalised.

    Args:
        data: the texts' bytes.
        offsets: (n + 1,) int64.
        out: (n, 2) uint64.
    """
    for row in range(len(offsets) - 1):
        begin, end = offsets[row], offsets[row + 1]
        if _has_return(data, begin, end):
            plain = np.empty(end - begin, np.uint8)
            out[row, 0], out[row, 1] = fingerprint(plain, 0, _with_newlines(data, begin, end, plain))
        else:
            out[row, 0], out[row, 1] = fingerprint(data, begin, end)


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
    end = min(end, begin + bodies.HEADER_LIMIT)
    header = at = begin
    while True:
        following = _comment_end(data, at, end)
        if following == at:
            return header
        if _speaks_of_licence(data, at, following):
            header = following
        at = following


@inlined
def _write_body(data: Any, begin: Any, end: Any, out: Any) -> Any:
    """Copy bytes without white space, NUL where it alone parts two tokens; return how many there are."""
    count = 0
    spaces = False
    for i in range(begin, end):
        byte = data[i]
        if _is_space(byte):
            spaces = True
            continue
        if spaces and count and is_word(out[count - 1]) and is_word(byte):
            out[count] = 0
            count += 1
        out[count] = byte
        count += 1
        spaces = False
    return count


@kernel
def body_fingerprints(data: Any, offsets: Any, wanted: Any, out: Any) -> None:
    """Write the fingerprint of each wanted text's body.

    Args:
        data: the texts' bytes.
        offsets: (n + 1,) int64.
        wanted: (n,) bool.
        out: (n, 2) uint64; rows that are not wanted are left as they are.
    """
    for row in range(len(offsets) - 1):
        if wanted[row]:
            begin, end = header_end(data, offsets[row], offsets[row + 1]), offsets[row + 1]
            body = np.empty(end - begin, np.uint8)
            out[row, 0], out[row, 1] = fingerprint(body, 0, _write_body(data, begin, end, body))
