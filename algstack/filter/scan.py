"""Native scans of text: how dense its digits are, and what is left of it without comments and strings.

Both are numba kernels straight over the bytes of a whole batch of texts, where Polars has them.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa
from numba import njit
from numpy.typing import NDArray

from algstack.filter.memory import bytes_at, words_at
from algstack.filter.syntax import Syntax
from algstack.texts import Bytes, Places, places

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
    texts = places(series)
    digits = np.zeros(len(series), np.int64)
    characters = np.zeros(len(series), np.int64)
    _count(texts.addresses, texts.lengths, digits, characters)
    return pl.DataFrame({"digits": digits, "characters": characters})


# Eight bytes are looked at as one word. After a test each byte of the word is 1 or 0, so that up to 255 words can be
# added up before their bytes are: few instructions a byte, and all of them vector instructions.
_ONES = np.uint64(0x0101010101010101)
_HIGH = np.uint64(0x8080808080808080)
_LOW = np.uint64(0x7F7F7F7F7F7F7F7F)
_BLOCK = 255


@njit(cache=True, nogil=True)
def _count(addresses: Any, lengths: Any, digits: Any, characters: Any) -> None:
    for row in range(len(addresses)):
        address, length = addresses[row], lengths[row]
        data = bytes_at(address, length)
        first = min(np.int64(-address & np.uint64(7)), length)  # from here on words stand at multiples of eight
        words = words_at(address + np.uint64(first), (length - first) >> 3)
        found_digits, found, high = _count_words(words)
        for left, right in ((0, first), (first + 8 * len(words), length)):
            more_digits, more, more_high = _count_bytes(data, left, right)
            found_digits += more_digits
            found += more
            high |= more_high
        digits[row] = found_digits
        characters[row] = found - _wide_spaces(data) if high else found


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
def _count_words(words: Any) -> tuple[int, int, bool]:
    """Count digits and non-whitespace characters of whole words; say whether any byte is beyond ASCII."""
    digits, others, every = 0, 0, np.uint64(0)
    for block in range(0, len(words), _BLOCK):
        block_digits, block_others = np.uint64(0), np.uint64(0)
        for i in range(block, min(block + _BLOCK, len(words))):
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
    return digits, 8 * len(words) - others, (every & _HIGH) != 0


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
def _wide_spaces(data: Bytes) -> int:
    """Count whitespace beyond ASCII: U+0085, 00A0, 1680, 2000-200A, 2028, 2029, 202F, 205F, 3000."""
    found, end = 0, len(data)
    for i in range(end - 1):
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


def has_long_lines(series: pl.Series, length: int) -> pl.Series:
    """Say of each text whether its lines have more than `length` bytes on average; a last line may be empty."""
    texts = places(series)
    found = np.zeros(len(series), np.bool_)
    _long_lined(texts.addresses, texts.lengths, length, found)
    return pl.Series(found)


@njit(cache=True, nogil=True)
def _long_lined(addresses: Any, lengths: Any, length: int, found: Any) -> None:
    """Count lines only until there are enough of them."""
    for row in range(len(addresses)):
        data = bytes_at(addresses[row], lengths[row])
        lines, at = 1, 0
        while at < len(data) and len(data) / lines > length:
            lines += data[at] == NEWLINE
            at += 1
        found[row] = len(data) / lines > length


class _Table(NamedTuple):
    """A syntax as arrays; tokens come longest first.

    Bit t of `firsts[byte]` says that token t begins with this byte, of `seconds[byte]` that it may go on with it: so
    two bytes mostly tell whether a token stands somewhere. OTHER is the bit of what is no token but must be looked at.
    """

    firsts: NDArray[np.uint32]
    seconds: NDArray[np.uint32]
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


OTHER = np.uint32(1 << 31)
SHARED = 30
"""The bit of the tokens that have none of their own: where there are more than anyone has seen."""


def code(series: pl.Series, syntax: Syntax) -> pl.Series:
    """Return the texts with comments, and what stands in strings, replaced by as many spaces.

    Line ends stay, so that line numbers and offsets are those of the text.
    """
    return as_series(blanked(places(series), syntax)).alias("code")


def as_series(texts: Places) -> pl.Series:
    """Return texts as Polars has them: a copy, unless they lie as `blanked` has put them."""
    if not isinstance(texts.owner, _Blanked):
        texts = blanked(texts, Syntax())
    buffers = [None, pa.py_buffer(texts.owner.bounds), texts.owner.content]
    series = pl.from_arrow(pa.Array.from_buffers(pa.large_string(), len(texts.lengths), buffers))
    assert isinstance(series, pl.Series)
    return series


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
    tokens.sort(key=lambda token: (-len(token[1]), token))
    openings = [token[1].encode() for token in tokens]
    closings = [token[2].encode() for token in tokens]
    firsts = np.zeros(256, np.uint32)
    seconds = np.full(256, OTHER, np.uint32)
    for number, opening in enumerate(openings):
        bit = np.uint32(1 << min(number, SHARED))
        firsts[opening[0]] |= bit
        seconds[opening[1] if len(opening) > 1 else slice(None)] |= bit
    if syntax.character_quotes:
        firsts[QUOTE] |= OTHER
    if syntax.escape_everywhere:
        firsts[BACKSLASH] |= OTHER
    return _Table(
        firsts=firsts,
        seconds=seconds,
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
def _stands_at(data: Bytes, at: int, token: Bytes, length: int) -> bool:
    if at + length > len(data):
        return False
    for k in range(length):  # noqa: SIM110 (numba compiles the loop, not a generator)
        if data[at + k] != token[k]:
            return False
    return True


@njit(cache=True, nogil=True)
def _blank(
    addresses: Any,
    lengths: Any,
    bounds: Any,
    out: Bytes,
    firsts: Any,
    seconds: Any,
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
        kept = out[bounds[row] : bounds[row + 1]]
        kept[:] = data
        i, end = 0, len(data)
        while i < end:
            i = _next(data, i, firsts)
            if i == end:
                break
            byte = data[i]
            if not firsts[byte] & seconds[data[i + 1] if i + 1 < end else 0]:
                i += 1
                continue
            token = _token_at(data, i, opens, open_lengths)
            if token < 0:
                stop = i + 1
                if escape_everywhere and byte == BACKSLASH:
                    stop = min(i + 2, end)
                elif character_quotes and byte == QUOTE:
                    stop = _after_character(data, i, end)
            elif kinds[token] == LINE_COMMENT:
                stop = _line_end(data, i)
                _erase(kept, i, stop)
            elif kinds[token] == BLOCK_COMMENT:
                stop = _after_block(
                    data,
                    i,
                    opens[token],
                    open_lengths[token],
                    closes[token],
                    close_lengths[token],
                    nested,
                )
                _erase(kept, i, stop)
            else:
                width = open_lengths[token]
                inside = i + width
                until = _string_end(data, inside, opens[token], width, escape, kinds[token] == STRING)
                stop = until + width if _stands_at(data, until, opens[token], width) else until
                if not keep_strings:
                    _erase(kept, inside, until)
            i = stop


@njit(cache=True, nogil=True)
def _next(data: Bytes, at: int, firsts: Any) -> int:
    """Return where the next byte stands that a token may begin with: eight are asked about at a time."""
    end = len(data)
    while at + 8 <= end and not (
        firsts[data[at]]
        | firsts[data[at + 1]]
        | firsts[data[at + 2]]
        | firsts[data[at + 3]]
        | firsts[data[at + 4]]
        | firsts[data[at + 5]]
        | firsts[data[at + 6]]
        | firsts[data[at + 7]]
    ):
        at += 8
    while at < end and not firsts[data[at]]:
        at += 1
    return at


@njit(cache=True, nogil=True)
def _token_at(data: Bytes, at: int, opens: Bytes, open_lengths: Any) -> int:
    for token in range(len(open_lengths)):
        if _stands_at(data, at, opens[token], open_lengths[token]):
            return token
    return -1


@njit(cache=True, nogil=True)
def _erase(kept: Bytes, begin: int, end: int) -> None:
    for i in range(begin, end):
        byte = kept[i]
        kept[i] = byte if (byte == NEWLINE) | (byte == CARRIAGE_RETURN) else SPACE


@njit(cache=True, nogil=True)
def _line_end(data: Bytes, at: int) -> int:
    end = len(data)
    while at < end and data[at] != NEWLINE and data[at] != CARRIAGE_RETURN:
        at += 1
    return at


@njit(cache=True, nogil=True)
def _after_block(
    data: Bytes, at: int, opening: Bytes, open_length: int, closing: Bytes, close_length: int, nested: bool
) -> int:
    depth, end = 1, len(data)
    at += open_length
    closes = closing[0]
    opens = opening[0] if nested else closes
    while True:
        while at < end and data[at] != closes and data[at] != opens:
            at += 1
        if at >= end:
            return end
        if _stands_at(data, at, closing, close_length):
            depth -= 1
            at += close_length
            if depth == 0:
                return at
        elif nested and _stands_at(data, at, opening, open_length):
            depth += 1
            at += open_length
        else:
            at += 1


@njit(cache=True, nogil=True)
def _string_end(data: Bytes, at: int, quote: Bytes, width: int, escape: int, one_line: bool) -> int:
    """Return where the closing quote stands, or where the string ends without one."""
    end, first = len(data), quote[0]
    while at < end:
        byte = data[at]
        if byte == escape:
            at += 2
        elif (one_line and byte in (NEWLINE, CARRIAGE_RETURN)) or (
            byte == first and _stands_at(data, at, quote, width)
        ):
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
