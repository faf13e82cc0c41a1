"""The rows of a dump's tables: one `<row …/>` element each, found in a stream of bytes, and their attributes.

A table has no other elements, and XML allows no `<` inside an attribute's value, so a row ends before the next `<`
whatever is wrong with it. One compiled pass finds rows and attributes, another resolves the references of those that
are wanted; nothing is made into Python's objects on the way.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from algstack.crawl.stackexchange.dump import Broken
from algstack.crawl.stackexchange.seek import WIDTH, Bytes, array_of, compiled, copy, inner, room_for, seek
from algstack.crawl.stackexchange.writer import key_of
from algstack.errors import SourceError

_ROOT = re.compile(rb"\s*(?:<\?xml[^>]*\?>\s*)?(?:<!--.*?-->\s*)*<([A-Za-z][\w.-]*)", re.DOTALL)

BLOCK_BYTES = 16 << 20
"""What is looked at, and spilled, together: so much that each of hundreds of partitions gets a fair piece of it."""

MAX_ROW_BYTES = 64 << 20
"""A longer row is none: the largest body that the sites accept has 30,000 characters."""

HEAD_BYTES = 4096
"""The root element stands within these."""

NOT_WELL_FORMED = "the row's attributes are not well-formed"

Positions = npt.NDArray[np.int64]


class BadRow(NamedTuple):
    """A row that cannot be read: why, and how it begins."""

    error: str
    start: str


class Block(NamedTuple):
    """Some rows of a table that stand together.

    `columns` are the attributes that are wanted, null where a row has none; of a bad row only those that were read
    before it went wrong, and no text.
    """

    first: int  # number of the rows before these
    columns: dict[str, pa.StringArray]
    bad: Mapping[int, BadRow]  # by place in the block

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))


def blocks(chunks: Iterable[bytes], root: str, names: Sequence[str]) -> Iterator[Block]:
    """Yield the rows of a table, block by block.

    Args:
        chunks: the table's bytes.
        root: name of the element that must hold the rows, e.g. `posts`.
        names: the attributes that are wanted.

    Raises:
        SourceError: this is not such a table; nothing was yielded.
        Broken: the table ends before it is closed; all complete rows were yielded.
    """
    first = 0
    for data, end in _portions(chunks, root):
        block = _read(data, end, first, names)
        del data
        first += len(block)
        if len(block):
            yield block
        del block  # before more is read: these are large


def _portions(chunks: Iterable[bytes], root: str) -> Iterator[tuple[bytes, int]]:
    """Yield a table's bytes in portions, each with the place where its whole rows end."""
    stream = iter(chunks)
    more, position, broken = [_head(stream, root)], 0, None
    while True:
        portion = b"".join([*more, _PADDING])
        more = []
        # The last element may go on in the next chunk.
        end = max(portion.rfind(b"<"), 0)
        if end:
            yield portion, end
        rest = portion[end:-WIDTH]
        position += end
        del portion
        if broken is not None:
            break
        if len(rest) > MAX_ROW_BYTES:
            broken = Broken(f"the row at byte {position:,} does not end within {MAX_ROW_BYTES >> 20} MB")
            break
        more, size = [rest], 0
        try:
            for chunk in stream:
                more.append(chunk)
                size += len(chunk)
                if size >= BLOCK_BYTES:
                    break
        except Broken as error:
            broken = error
        if not size:
            break
    if rest.startswith(b"<row") and rest.rstrip().endswith(b"/>"):
        yield rest + _PADDING, len(rest)
        position, rest = position + len(rest), b""
    if broken is None and not _closes(rest, root):
        inside = f"in the middle of the row `{_start(rest)}`" if rest.strip() else "between two rows"
        broken = Broken(f"the XML ends at byte {position + len(rest):,} {inside}, before `</{root}>`")
    if broken is not None:
        raise broken


_PADDING = bytes(WIDTH)


def _closes(rest: bytes, root: str) -> bool:
    """Whether a table's last bytes are its closing tag, or the whole of an empty table."""
    name = root.encode()
    return rest.startswith(b"</" + name) or (rest.startswith(b"<" + name) and rest.rstrip().endswith(b"/>"))


def _start(rest: bytes, length: int = 40) -> str:
    return rest[:length].decode("utf-8", "replace")


def _head(stream: Iterator[bytes], root: str) -> bytes:
    """Return the first bytes of a table, from its root element on.

    Raises:
        SourceError: its root is another, or it is not XML in UTF-8.
    """
    head = b""
    for chunk in stream:
        head += chunk
        if len(head) >= HEAD_BYTES:
            break
    match = _ROOT.match(head.removeprefix(b"\xef\xbb\xbf"))
    found = match[1].decode().lower() if match else ""
    if found != root:
        seen = f"its root element is <{found}>" if found else f"it starts with {head[:20]!r}"
        raise SourceError(f"not the table <{root}> of a dump in UTF-8: {seen}. Give the dump's own file.")
    return head


def _read(data: bytes, end: int, first: int, names: Sequence[str]) -> Block:
    """Return the rows of some bytes that hold whole ones up to `end`."""
    source = array_of(data)
    room, nuls = _count(source, end)
    bounds = np.empty((room, 2), np.int64)
    values = np.empty((room, len(names), 2), np.int64)
    good = np.empty(room, np.bool_)
    keys = np.array([key_of(name) for name in names])
    rows = _find_rows(source, end, keys, bounds, values, good)
    bounds, values, good = bounds[:rows], values[:rows], good[:rows]
    bad = _bad_rows(data, end, bounds, good)
    for place in bad:
        text = [column for column, name in enumerate(names) if not name.endswith("Id")]
        values[place, text] = -1
    return Block(first, {name: _strings(source, values[:, column], nuls) for column, name in enumerate(names)}, bad)


def _bad_rows(data: bytes, end: int, bounds: Positions, good: npt.NDArray[np.bool_]) -> dict[int, BadRow]:
    bad = {int(place): NOT_WELL_FORMED for place in np.flatnonzero(~good)}
    if not _is_utf8(data, end):
        for place, (begin, stop) in enumerate(bounds.tolist()):
            try:
                data[begin:stop].decode()
            except UnicodeDecodeError as error:
                bad[place] = f"byte {error.start} of the row is not UTF-8"
    return {place: BadRow(error, _start(data[slice(*bounds[place])], 150)) for place, error in bad.items()}


def _is_utf8(data: bytes, end: int) -> bool:
    text = pa.StringArray.from_buffers(1, pa.py_buffer(np.array([0, end], np.int32)), pa.py_buffer(data))
    try:
        text.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _strings(source: Bytes, values: Positions, nuls: int) -> pa.StringArray:
    """Return the values of one attribute, unescaped, with WIDTH bytes of room behind them in their buffer."""
    out = room_for(int((values[:, 1] - values[:, 0]).sum()) + 2 * nuls + WIDTH)
    offsets = np.empty(len(values) + 1, np.int32)
    _unescape_all(source, values, out, offsets)
    known = np.packbits(values[:, 0] >= 0, bitorder="little")
    return pa.StringArray.from_buffers(len(values), *map(pa.py_buffer, (offsets, out, known)))


# -- compiled ---------------------------------------------------------------------------------------------------------


_NUL, _AND, _LESS = map(np.int64, b"\0&<")


@inner
def _is_space(byte: Any) -> Any:
    return byte == 32 or byte == 10 or byte == 13 or byte == 9


@compiled
def _count(data: Any, end: Any) -> Any:
    """Return (how many elements there are at most, how many NULs)."""
    elements, nuls, at = 0, 0, 0
    while True:
        at = seek(data, at, end, _LESS, _NUL)
        if at >= end:
            return elements, nuls
        if data[at]:
            elements += 1
        else:
            nuls += 1
        at += 1


@compiled
def _find_rows(data: Any, end: Any, keys: Any, bounds: Any, values: Any, good: Any) -> Any:
    """Find the rows of some bytes; return their number.

    Args:
        data: the bytes.
        end: where they end; WIDTH more can be read.
        keys: of the attributes that are wanted.
        bounds: gets where each row begins and ends.
        values: gets where the value of each of its attributes does.
        good: gets whether it is made of attributes.
    """
    rows, at = 0, 0
    while True:
        at = seek(data, at, end, _LESS, _LESS)
        if at + 5 > end:
            return rows
        if not (
            data[at + 1] == 114 and data[at + 2] == 111 and data[at + 3] == 119  # row
            and _is_space(data[at + 4])
        ):  # fmt: skip
            at += 1
            continue
        bounds[rows, 0] = at
        for name in range(keys.size):
            values[rows, name, 0] = values[rows, name, 1] = -1
        at, good[rows] = _read_attributes(data, at + 4, end, keys, values[rows])
        if not good[rows]:
            at = seek(data, at, end, _LESS, _LESS)
        bounds[rows, 1] = at
        rows += 1


@inner
def _read_attributes(data: Any, at: Any, end: Any, keys: Any, values: Any) -> Any:
    """Read a row's attributes; return (where it ends, or cannot be read on; whether it ends there)."""
    while True:
        while at < end and _is_space(data[at]):
            at += 1
        if at < end and data[at] == 47:  # /
            at += 1
        if at >= end:
            return at, False
        if data[at] == 62:  # >
            return at + 1, True
        key: Any = 0
        while at < end and _is_name(data[at]):
            key = (key & ((1 << 55) - 1)) << 8 ^ key >> 55 ^ np.int64(data[at])
            at += 1
        while at < end and _is_space(data[at]):
            at += 1
        if not key or at >= end or data[at] != 61:  # =
            return at, False
        at += 1
        while at < end and _is_space(data[at]):
            at += 1
        if at >= end or (data[at] != 34 and data[at] != 39):  # " '
            return at, False
        quote = np.int64(data[at])
        at += 1
        begin = at
        at = seek(data, at, end, quote, _LESS)
        if at >= end or data[at] != quote:
            return at, False
        for name in range(keys.size):
            if keys[name] == key:
                values[name, 0], values[name, 1] = begin, at
        at += 1


@inner
def _is_name(byte: Any) -> Any:
    return 97 <= (byte | 32) <= 122 or 48 <= byte <= 58 or byte == 95 or byte == 45 or byte == 46  # letters 0-9:_-.


@compiled
def _unescape_all(data: Any, values: Any, out: Any, offsets: Any) -> Any:
    """Write the values one behind the other, references resolved."""
    size = 0
    offsets[0] = 0
    for row in range(offsets.size - 1):
        at, end = values[row, 0], values[row, 1]
        while at < end:
            stop = seek(data, at, end, _AND, _NUL)
            copy(data, at, stop - at, out, size)
            size += stop - at
            if stop == end:
                break
            code, length = _reference(data, stop + 1, end) if data[stop] else (0xFFFD, 0)
            size = _put_character(out, size, code if length or not data[stop] else 38)
            at = stop + 1 + length
        offsets[row + 1] = size


@inner
def _reference(data: Any, at: Any, end: Any) -> Any:
    """Return (the character that the reference after an `&` means, its length); (0, 0) if there is none."""
    left = end - at
    first = data[at] if left else 0
    if left >= 3 and data[at + 1] == 116 and data[at + 2] == 59:  # t;
        if first == 108:
            return 60, 3  # lt
        if first == 103:
            return 62, 3  # gt
    if left >= 4 and first == 97 and data[at + 1] == 109 and data[at + 2] == 112 and data[at + 3] == 59:
        return 38, 4  # amp
    if left >= 5 and data[at + 4] == 59:
        if first == 113 and data[at + 1] == 117 and data[at + 2] == 111 and data[at + 3] == 116:
            return 34, 5  # quot
        if first == 97 and data[at + 1] == 112 and data[at + 2] == 111 and data[at + 3] == 115:
            return 39, 5  # apos
    if first != 35:  # #
        return 0, 0
    hexadecimal = left > 1 and data[at + 1] == 120  # x
    begin = at + 1 + hexadecimal
    code, stop = 0, begin
    while stop < end and stop < begin + 7:
        digit = _digit(data[stop], hexadecimal)
        if digit < 0:
            break
        code = code * (16 if hexadecimal else 10) + digit
        stop += 1
    if stop == begin or stop >= end or data[stop] != 59:
        return 0, 0
    # What is no character becomes the replacement character, as HTML wants it.
    valid = 0 < code <= 0x10FFFF and not 0xD800 <= code < 0xE000
    return code if valid else 0xFFFD, stop + 1 - at


@inner
def _digit(byte: Any, hexadecimal: Any) -> Any:
    if 48 <= byte <= 57:
        return np.int64(byte) - 48
    if hexadecimal and 97 <= (byte | 32) <= 102:
        return np.int64(byte | 32) - 87
    return -1


@inner
def _put_character(out: Any, size: Any, code: Any) -> Any:
    """Write a character as UTF-8; return where the next one goes."""
    if code < 0x80:
        out[size] = code
        return size + 1
    if code < 0x800:
        out[size], out[size + 1] = 0xC0 | code >> 6, 0x80 | code & 0x3F
        return size + 2
    if code < 0x10000:
        out[size], out[size + 1], out[size + 2] = 0xE0 | code >> 12, 0x80 | code >> 6 & 0x3F, 0x80 | code & 0x3F
        return size + 3
    out[size], out[size + 1] = 0xF0 | code >> 18, 0x80 | code >> 12 & 0x3F
    out[size + 2], out[size + 3] = 0x80 | code >> 6 & 0x3F, 0x80 | code & 0x3F
    return size + 4
