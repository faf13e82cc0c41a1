"""Native scans of text: how dense its digits are, and what is left of it without comments and strings.

Both are numba kernels straight over the bytes of a whole batch of texts.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa
from numba import njit
from numpy.typing import NDArray

from algstack.filter.syntax import Syntax
from algstack.texts import Bytes, as_texts

LINE_COMMENT, BLOCK_COMMENT, STRING, LONG_STRING = range(4)
NEWLINE, CARRIAGE_RETURN, SPACE, QUOTE, BACKSLASH = 10, 13, 32, 39, 92
LONGEST_TOKEN = 24

HEAD = 2_000
"""Characters in which a file says who wrote it."""


def head(text: pl.Expr) -> pl.Expr:
    """The beginning of a text: its first HEAD characters."""
    return text.str.head(HEAD)


def densities(series: pl.Series) -> pl.DataFrame:
    """Count ASCII digits and non-whitespace characters of each text: columns `digits` and `characters`.

    Whitespace is what Python's `str.split()` splits at, as in AlgebraicStack's `numerical_density`.
    """
    texts = as_texts(series)
    digits = np.zeros(len(series), np.int64)
    characters = np.zeros(len(series), np.int64)
    whole = len(texts.data) // 8 * 8
    _count(texts.data, texts.data[:whole].view(np.uint64), texts.offsets, digits, characters)
    return pl.DataFrame({"digits": digits, "characters": characters})


# Eight bytes are looked at as one word. After a test each byte of the word is 1 or 0, so that up to 255 words can be
# added up before their bytes are: few instructions a byte, and all of them vector instructions.
_ONES = np.uint64(0x0101010101010101)
_HIGH = np.uint64(0x8080808080808080)
_LOW = np.uint64(0x7F7F7F7F7F7F7F7F)
_BLOCK = 255


@njit(cache=True, nogil=True)
def _count(data: Bytes, words: Any, offsets: Any, digits: Any, characters: Any) -> None:
    for row in range(len(offsets) - 1):
        begin, end = offsets[row], offsets[row + 1]
        first, last = min((begin + 7) >> 3, end >> 3), end >> 3
        if first << 3 < begin:
            first = last = begin >> 3  # too short for a whole word: all of it is counted byte by byte
            found_digits, found, high = _count_bytes(data, begin, end)
        else:
            found_digits, found, high = _count_words(words, first, last)
            for left, right in ((begin, first << 3), (last << 3, end)):
                more_digits, more, more_high = _count_bytes(data, left, right)
                found_digits += more_digits
                found += more
                high |= more_high
        digits[row] = found_digits
        characters[row] = found - _wide_spaces(data, begin, end) if high else found


@njit(cache=True, nogil=True)
def _count_bytes(data: Bytes, begin: int, end: int) -> tuple[int, int, bool]:
    digits, characters, high = 0, 0, False
    for i in range(begin, end):
        byte = data[i]
        is_space = (byte == 32) | ((byte >= 9) & (byte <= 13)) | ((byte >= 28) & (byte <= 31))
        digits += (byte >= 48) & (byte <= 57)
        characters += ((byte & 0xC0) != 0x80) & (not is_space)
        high |= byte >= 0x80
    return digits, characters, high


@njit(cache=True, nogil=True)
def _count_words(words: Any, first: int, last: int) -> tuple[int, int, bool]:
    """Count digits and non-whitespace characters of whole words; say whether any byte is beyond ASCII."""
    digits, others, every = 0, 0, np.uint64(0)
    for block in range(first, last, _BLOCK):
        block_digits, block_others = np.uint64(0), np.uint64(0)
        for i in range(block, min(block + _BLOCK, last)):
            word = words[i]
            every |= word
            low = word & _LOW
            is_ascii = ~word & _HIGH
            is_digit = _at_least(low, 48) & ~_at_least(low, 58) & is_ascii
            is_space = (
                (_at_least(low, 9) & ~_at_least(low, 14)) | (_at_least(low, 28) & ~_at_least(low, 33))
            ) & is_ascii
            continues = word & ~(word << np.uint64(1)) & _HIGH  # bytes 10xxxxxx of UTF-8
            block_digits += is_digit >> np.uint64(7)
            block_others += (is_space | continues) >> np.uint64(7)
        digits += _sum_of_bytes(block_digits)
        others += _sum_of_bytes(block_others)
    return digits, 8 * (last - first) - others, (every & _HIGH) != 0


@njit(cache=True, nogil=True, inline="always")
def _at_least(low: Any, bound: int) -> Any:
    """Set the high bit of each byte (of seven bits) that is at least `bound`."""
    return (low + np.uint64(128 - bound) * _ONES) & _HIGH


@njit(cache=True, nogil=True, inline="always")
def _sum_of_bytes(word: Any) -> int:
    total = 0
    for shift in range(0, 64, 8):
        total += (word >> np.uint64(shift)) & np.uint64(255)
    return total


@njit(cache=True, nogil=True)
def _wide_spaces(data: Bytes, begin: int, end: int) -> int:
    """Count whitespace beyond ASCII: U+0085, 00A0, 1680, 2000-200A, 2028, 2029, 202F, 205F, 3000."""
    found = 0
    for i in range(begin, end - 1):
        first = data[i]
        if first < 0xC2 or first > 0xE3:
            continue
        second = data[i + 1]
        third = data[i + 2] if i + 2 < end else 0
        if first == 0xC2:
            found += second == 0x85 or second == 0xA0
        elif first == 0xE1:
            found += second == 0x9A and third == 0x80
        elif first == 0xE2 and second == 0x80:
            found += 0x80 <= third <= 0x8A or third == 0xA8 or third == 0xA9 or third == 0xAF
        elif first == 0xE2 and second == 0x81:
            found += third == 0x9F
        elif first == 0xE3:
            found += second == 0x80 and third == 0x80
    return found


class _Table(NamedTuple):
    """A syntax as arrays: `first` marks the bytes that can begin a token; tokens come longest first."""

    first: Bytes
    kinds: Bytes
    opens: Bytes
    open_lengths: NDArray[np.int64]
    closes: Bytes
    close_lengths: NDArray[np.int64]
    nested: bool
    keep_strings: bool
    escape: int
    escape_everywhere: bool
    character_quotes: bool


def code(series: pl.Series, syntax: Syntax) -> pl.Series:
    """Return the texts with comments, and what stands in strings, replaced by as many spaces.

    Line ends stay, so that line numbers and offsets are those of the text.
    """
    texts = as_texts(series)
    out = texts.data[texts.offsets[0] : texts.offsets[-1]].copy()
    _blank(texts.data, texts.offsets, out, *_table(syntax))
    bounds = texts.offsets - texts.offsets[0]
    buffers = [None, pa.py_buffer(np.ascontiguousarray(bounds)), pa.py_buffer(out)]
    blanked = pl.from_arrow(pa.Array.from_buffers(pa.large_string(), len(series), buffers))
    assert isinstance(blanked, pl.Series)
    return blanked.alias("code")


@lru_cache(maxsize=256)
def _table(syntax: Syntax) -> _Table:
    tokens = [(LINE_COMMENT, opening, "") for opening in syntax.line_comments]
    tokens += [(BLOCK_COMMENT, opening, closing) for opening, closing in syntax.block_comments]
    tokens += [
        (LONG_STRING if syntax.multiline_strings or len(quote) > 1 else STRING, quote, quote)
        for quote in syntax.strings
    ]
    tokens.sort(key=lambda token: (-len(token[1]), token))
    first = np.zeros(256, np.uint8)
    for _, opening, _ in tokens:
        first[opening.encode()[0]] = 1
    first[QUOTE] |= syntax.character_quotes
    first[BACKSLASH] |= syntax.escape_everywhere
    openings = [token[1].encode() for token in tokens]
    closings = [token[2].encode() for token in tokens]
    return _Table(
        first=first,
        kinds=np.array([token[0] for token in tokens], np.uint8),
        opens=_matrix(openings),
        open_lengths=np.array([len(token) for token in openings], np.int64),
        closes=_matrix(closings),
        close_lengths=np.array([len(token) for token in closings], np.int64),
        nested=syntax.nested_comments,
        keep_strings=syntax.keep_strings,
        escape=ord(syntax.escape) if syntax.escape else -1,
        escape_everywhere=syntax.escape_everywhere,
        character_quotes=syntax.character_quotes,
    )


def _matrix(tokens: list[bytes]) -> Bytes:
    rows = np.zeros((len(tokens), LONGEST_TOKEN), np.uint8)
    for row, token in enumerate(tokens):
        rows[row, : len(token)] = np.frombuffer(token, np.uint8)
    return rows


@njit(cache=True, nogil=True)
def _stands_at(data: Bytes, at: int, end: int, token: Bytes, length: int) -> bool:
    if at + length > end:
        return False
    for k in range(length):  # noqa: SIM110 (numba compiles the loop, not a generator)
        if data[at + k] != token[k]:
            return False
    return True


@njit(cache=True, nogil=True)
def _blank(
    data: Bytes,
    offsets: Any,
    out: Bytes,
    first: Bytes,
    kinds: Bytes,
    opens: Bytes,
    open_lengths: Any,
    closes: Bytes,
    close_lengths: Any,
    nested: bool,
    keep_strings: bool,
    escape: int,
    escape_everywhere: bool,
    character_quotes: bool,
) -> None:
    base = offsets[0]
    for row in range(len(offsets) - 1):
        i, end = offsets[row], offsets[row + 1]
        while i < end:
            byte = data[i]
            if not first[byte]:
                i += 1
                continue
            token = _token_at(data, i, end, opens, open_lengths)
            if token < 0:
                stop = i + 1
                if escape_everywhere and byte == BACKSLASH:
                    stop = min(i + 2, end)
                elif character_quotes and byte == QUOTE:
                    stop = _after_character(data, i, end)
            elif kinds[token] == LINE_COMMENT:
                stop = _line_end(data, i, end)
                _erase(data, out, base, i, stop)
            elif kinds[token] == BLOCK_COMMENT:
                stop = _after_block(
                    data,
                    i,
                    end,
                    opens[token],
                    open_lengths[token],
                    closes[token],
                    close_lengths[token],
                    nested,
                )
                _erase(data, out, base, i, stop)
            else:
                width = open_lengths[token]
                inside = i + width
                until = _string_end(data, inside, end, opens[token], width, escape, kinds[token] == STRING)
                stop = until + width if _stands_at(data, until, end, opens[token], width) else until
                if not keep_strings:
                    _erase(data, out, base, inside, until)
            i = stop


@njit(cache=True, nogil=True)
def _token_at(data: Bytes, at: int, end: int, opens: Bytes, open_lengths: Any) -> int:
    for token in range(len(open_lengths)):
        if _stands_at(data, at, end, opens[token], open_lengths[token]):
            return token
    return -1


@njit(cache=True, nogil=True)
def _erase(data: Bytes, out: Bytes, base: int, begin: int, end: int) -> None:
    for i in range(begin, end):
        byte = data[i]
        out[i - base] = byte if byte in (NEWLINE, CARRIAGE_RETURN) else SPACE


@njit(cache=True, nogil=True)
def _line_end(data: Bytes, at: int, end: int) -> int:
    while at < end and data[at] != NEWLINE and data[at] != CARRIAGE_RETURN:
        at += 1
    return at


@njit(cache=True, nogil=True)
def _after_block(
    data: Bytes,
    at: int,
    end: int,
    opening: Bytes,
    open_length: int,
    closing: Bytes,
    close_length: int,
    nested: bool,
) -> int:
    depth = 1
    at += open_length
    while at < end:
        if _stands_at(data, at, end, closing, close_length):
            depth -= 1
            at += close_length
            if depth == 0:
                return at
        elif nested and _stands_at(data, at, end, opening, open_length):
            depth += 1
            at += open_length
        else:
            at += 1
    return end


@njit(cache=True, nogil=True)
def _string_end(data: Bytes, at: int, end: int, quote: Bytes, width: int, escape: int, one_line: bool) -> int:
    """Return where the closing quote stands, or where the string ends without one."""
    while at < end:
        byte = data[at]
        if byte == escape:
            at += 2
        elif (one_line and byte in (NEWLINE, CARRIAGE_RETURN)) or _stands_at(data, at, end, quote, width):
            return at
        else:
            at += 1
    return end


@njit(cache=True, nogil=True)
def _after_character(data: Bytes, at: int, end: int) -> int:
    """Return the end of a character literal such as '"' or '\\n', or of the lone quote of a name such as x'."""
    if at + 2 >= end:
        return at + 1
    begin = at + 1
    if data[begin] == BACKSLASH:
        for stop in range(begin + 2, min(begin + 12, end)):
            if data[stop] == NEWLINE:
                break
            if data[stop] == QUOTE:
                return stop + 1
        return at + 1
    width = 1
    while begin + width < end and (data[begin + width] & 0xC0) == 0x80:
        width += 1
    if begin + width < end and data[begin + width] == QUOTE and data[begin] != NEWLINE:
        return begin + width + 1
    return at + 1
