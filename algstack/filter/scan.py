"""What is left of texts without comments and strings, and their beginnings.

Numba kernels straight over the bytes of a whole batch of texts, where Polars has them.
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
from algstack.texts import Bytes, Places, places, series_of
from algstack.vector import LANES, bytes_at, equal_mask, fill, find_byte, inlined, kernel, move, trailing_zeros

LINE_COMMENT, BLOCK_COMMENT, STRING, LONG_STRING, COLUMN_COMMENT = range(5)
NEWLINE, CARRIAGE_RETURN, SPACE, QUOTE, BACKSLASH = 10, 13, 32, 39, 92
LONGEST_TOKEN = 24

HEAD = 2_000
"""Characters in which a file says who wrote it."""


def head(text: pl.Expr) -> pl.Expr:
    """The beginning of a text: its first HEAD characters."""
    return text.str.head(HEAD)


class _Table(NamedTuple):
    """A syntax as arrays; tokens come longest first.

    A row of `begins` says how a token begins: its first byte, its second, and which bits of the second do not count
    (all, where there is none). `columns` are the first bytes of what is a token only at the beginning of a line.
    """

    firsts: NDArray[np.bool_]
    begins: Bytes
    columns: Bytes
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
    return as_series(blanked(places(series), syntax)).alias("code")


def as_series(texts: Places) -> pl.Series:
    """Return texts as Polars has them: a copy, unless they lie as `blanked` has put them."""
    if not isinstance(texts.owner, _Blanked):
        texts = blanked(texts, Syntax())
    return series_of(*texts.owner)


class _Blanked(NamedTuple):
    """Text i is `content[bounds[i]:bounds[i + 1]]`."""

    bounds: NDArray[np.int64]
    content: pa.Buffer


def blanked(texts: Places, syntax: Syntax) -> Places:
    """The same as `code`, of texts wherever they lie."""
    bounds = np.zeros(len(texts.lengths) + 1, np.int64)
    np.cumsum(texts.lengths, out=bounds[1:])
    content = pa.allocate_buffer(bounds[-1])  # from a pool: pages that were used before need not be made again
    _blank(texts.addresses, texts.lengths, bounds, np.frombuffer(content, np.uint8), *_table(syntax))
    return Places(bounds[:-1].astype(np.uint64) + np.uint64(content.address), texts.lengths, _Blanked(bounds, content))


def beginnings(texts: Places, characters: int) -> Places:
    """The first characters of each text."""
    lengths = np.zeros_like(texts.lengths)
    _cut(texts.addresses, texts.lengths, characters, lengths)
    return Places(texts.addresses, lengths, texts)


def without_end(texts: Places, characters: int) -> Places:
    """All but the last characters of each text."""
    lengths = np.zeros_like(texts.lengths)
    _cut_end(texts.addresses, texts.lengths, characters, lengths)
    return Places(texts.addresses, lengths, texts)


def without_bytes(texts: Places, count: int) -> Places:
    """All but the last bytes of each text, which may then end within a character."""
    return Places(texts.addresses, np.maximum(texts.lengths - count, 0), texts)


def last_lines(texts: Places, places: NDArray[np.int64]) -> Places:
    """Each text from the beginning of the line on in which a place stands; a place before it is its beginning."""
    begins = np.zeros_like(texts.lengths)
    _line_begins(texts.addresses, places, begins)
    return Places(texts.addresses + begins.astype(np.uint64), texts.lengths - begins, texts)


@njit(cache=True, nogil=True)
def _line_begins(addresses: Any, places: Any, begins: Any) -> None:
    for row in range(len(addresses)):
        place = max(places[row], 0)
        data = bytes_at(addresses[row], place)
        while place > 0 and data[place - 1] != NEWLINE:
            place -= 1
        begins[row] = place


@njit(cache=True, nogil=True)
def _cut(addresses: Any, lengths: Any, characters: int, cut: Any) -> None:
    for row in range(len(addresses)):
        data = bytes_at(addresses[row], lengths[row])
        left, end = characters, 0
        while left and end + left < len(data):
            # So many bytes are fewer characters: by as many as there are bytes that only go on with one.
            part = data[end : end + left]
            end, left = end + left, _continuing(part)
        if left:
            end = len(data)
        while end < len(data) and (data[end] & 0xC0) == 0x80:
            end += 1
        cut[row] = end


@njit(cache=True, nogil=True)
def _continuing(data: Bytes) -> Any:
    """Count the bytes that do not begin a character: in stretches whose count fits into a byte, many at a time."""
    total = np.int64(0)
    for begin in range(0, len(data), 128):
        found = np.uint8(0)
        for byte in data[begin : begin + 128]:
            found += np.uint8((byte & np.uint8(0xC0)) == np.uint8(0x80))
        total += found
    return total


@njit(cache=True, nogil=True)
def _cut_end(addresses: Any, lengths: Any, characters: int, cut: Any) -> None:
    for row in range(len(addresses)):
        data = bytes_at(addresses[row], lengths[row])
        end = len(data)
        for _ in range(characters):
            end -= 1
            while end > 0 and (data[end] & 0xC0) == 0x80:
                end -= 1
            if end <= 0:
                break
        cut[row] = max(end, 0)


@lru_cache(maxsize=256)
def _table(syntax: Syntax) -> _Table:
    tokens = [(LINE_COMMENT, opening, "") for opening in syntax.line_comments]
    tokens += [(BLOCK_COMMENT, opening, closing) for opening, closing in syntax.block_comments]
    tokens += [
        (LONG_STRING if syntax.multiline_strings or len(quote) > 1 else STRING, quote, quote)
        for quote in syntax.strings
    ]
    tokens += [(COLUMN_COMMENT, opening, "") for opening in syntax.column_comments]
    tokens.sort(key=lambda token: (-len(token[1]), token))
    openings = [token[1].encode() for token in tokens]
    closings = [token[2].encode() for token in tokens]
    anywhere = [opening for opening, token in zip(openings, tokens, strict=True) if token[0] != COLUMN_COMMENT]
    if syntax.character_quotes:
        anywhere.append(b"'")
    firsts = np.zeros(256, np.bool_)
    firsts[[opening[0] for opening in (*openings, *anywhere)]] = True
    return _Table(
        firsts=firsts,
        begins=np.array(sorted({_begin(opening) for opening in anywhere}), np.uint8).reshape(-1, 3),
        columns=np.array(sorted({opening[0] for opening in map(str.encode, syntax.column_comments)}), np.uint8),
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


def _begin(token: bytes) -> tuple[int, int, int]:
    return (token[0], token[1], 0) if len(token) > 1 else (token[0], 0xFF, 0xFF)


def _matrix(tokens: list[bytes]) -> Bytes:
    rows = np.zeros((len(tokens), LONGEST_TOKEN), np.uint8)
    for row, token in enumerate(tokens):
        rows[row, : len(token)] = np.frombuffer(token, np.uint8)
    return rows


@kernel
def _blank(
    addresses: Any,
    lengths: Any,
    bounds: Any,
    out: Bytes,
    firsts: Any,
    begins: Bytes,
    columns: Bytes,
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
    for row in range(len(addresses)):
        data = bytes_at(addresses[row], lengths[row])
        begin, end = bounds[row], len(data)
        move(data, 0, end, out, begin)
        i, after = 0, 0  # `after` is where the last token ended
        while True:
            i = _next(data, i, firsts, begins, columns)
            if i == end:
                break
            token = _token_at(data, i, kinds, opens, open_lengths)
            is_character = token < 0 and character_quotes and data[i] == QUOTE
            if token < 0 and not is_character:
                i += 1
                continue
            if escape_everywhere and _is_escaped(data, after, i):
                i += 1
                after = i
                continue
            if is_character:
                stop = _after_character(data, i, end)
            elif kinds[token] == LINE_COMMENT or kinds[token] == COLUMN_COMMENT:
                stop = _line_end(data, i)
                fill(out, begin + i, stop - i, SPACE)
            elif kinds[token] == BLOCK_COMMENT:
                stop = _after_block(data, i, token, opens, open_lengths[token], closes, close_lengths[token], nested)
                _erase(out, begin + i, begin + stop)
            else:
                width = open_lengths[token]
                inside = i + width
                until = _string_end(data, inside, token, opens, width, escape, kinds[token] == STRING)
                stop = until + width if _stands_at(data, until, token, opens, width) else until
                if not keep_strings:
                    _erase(out, begin + inside, begin + until)
            i = after = stop


@inlined
def _next(data: Bytes, at: int, firsts: Any, begins: Bytes, columns: Bytes) -> Any:
    """Return where a token may begin next: 64 places are asked about at a time."""
    end = len(data)
    if at == 0 and end and firsts[data[0]]:
        return 0
    at = max(at, 1)
    while at + LANES < end:
        found = np.uint64(0)
        for number in range(len(begins)):
            found |= equal_mask(data, at, begins[number, 0], 0) & equal_mask(
                data, at + 1, begins[number, 1], begins[number, 2]
            )
        if len(columns):
            starts = np.uint64(0)
            for column in columns:
                starts |= equal_mask(data, at, column, 0)
            found |= starts & (equal_mask(data, at - 1, NEWLINE, 0) | equal_mask(data, at - 1, CARRIAGE_RETURN, 0))
        if found:
            return at + trailing_zeros(found)
        at += LANES
    while at < end and not firsts[data[at]]:
        at += 1
    return min(at, end)


@inlined
def _token_at(data: Bytes, at: int, kinds: Bytes, opens: Bytes, open_lengths: Any) -> int:
    for token in range(len(kinds)):
        length = open_lengths[token]
        if _stands_at(data, at, token, opens, length) and (
            kinds[token] != COLUMN_COMMENT or _is_column_comment(data, at, at + length)
        ):
            return token
    return -1


@inlined
def _is_column_comment(data: Bytes, at: int, after: int) -> bool:
    """Whether a token stands in the first column and, if it ends with a letter, before white space.

    So `C` and `c` begin comments of fixed-form Fortran, but `call x` and `c(1) = 2` of free form are none.
    """
    if at > 0 and data[at - 1] != NEWLINE and data[at - 1] != CARRIAGE_RETURN:
        return False
    is_letter = 97 <= data[after - 1] | 0x20 <= 122
    return not is_letter or after == len(data) or data[after] == SPACE or 9 <= data[after] <= 13


@inlined
def _is_escaped(data: Bytes, begin: int, at: int) -> bool:
    """Whether an odd number of backslashes stands before a place, none of them before `begin`."""
    first = at
    while first > begin and data[first - 1] == BACKSLASH:
        first -= 1
    return (at - first) % 2 == 1


@inlined
def _stands_at(data: Bytes, at: int, token: int, tokens: Bytes, length: int) -> bool:
    if at + length > len(data):
        return False
    for k in range(length):  # noqa: SIM110 (numba compiles the loop, not a generator)
        if data[at + k] != tokens[token, k]:
            return False
    return True


@inlined
def _erase(out: Bytes, begin: int, end: int) -> None:
    for i in range(np.uint64(begin), np.uint64(end)):  # indices without a sign are not asked for theirs
        byte = out[i]
        out[i] = byte if (byte == NEWLINE) | (byte == CARRIAGE_RETURN) else SPACE


@inlined
def _line_end(data: Bytes, at: int) -> Any:
    return find_byte(data, at, NEWLINE, NEWLINE, CARRIAGE_RETURN, CARRIAGE_RETURN)


@inlined
def _after_block(
    data: Bytes, at: int, token: int, opens: Bytes, open_length: int, closes: Bytes, close_length: int, nested: bool
) -> Any:
    depth = 1
    at += open_length
    first = closes[token, 0]
    other = opens[token, 0] if nested else first
    while True:
        at = find_byte(data, at, first, first, other, other)
        if at >= len(data):
            return len(data)
        if _stands_at(data, at, token, closes, close_length):
            depth -= 1
            at += close_length
            if depth == 0:
                return at
        elif nested and _stands_at(data, at, token, opens, open_length):
            depth += 1
            at += open_length
        else:
            at += 1


@inlined
def _string_end(data: Bytes, at: int, token: int, quotes: Bytes, width: int, escape: int, one_line: bool) -> Any:
    """Return where the closing quote stands, or where the string ends without one."""
    end, first = len(data), quotes[token, 0]
    escapes = first if escape < 0 else np.uint8(escape)
    line_end, carriage_return = (NEWLINE, CARRIAGE_RETURN) if one_line else (first, first)
    while True:
        at = find_byte(data, at, first, escapes, line_end, carriage_return)
        if at >= end:
            return end
        if data[at] == escape:
            at += 2
        elif data[at] != first or _stands_at(data, at, token, quotes, width):
            return at
        else:
            at += 1


@inlined
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
