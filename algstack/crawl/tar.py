"""Tar streams, read forward only.

The standard library's `tarfile` spends more time on a member of ordinary source code than everything else that we do
with it. This reader knows what archives of code hold: ustar, GNU long names, pax headers (POSIX.1-2017, `pax`).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple, Protocol

from isal import igzip_lib

BLOCK = 512
PACKED_CHUNK = 2**16
CHUNK = 2**18
"""Bytes read at a time, packed and unpacked: small enough to stay in a core's cache."""

LONGEST_HEADER = 2**16
"""Bytes of a pax header or a long name; PATH_MAX is 4,096."""

REGULAR = frozenset(b"\x0007")  # `7` is a contiguous file, read as a plain one
FILE, HARD_LINK, SYMBOLIC_LINK, FOLDER = b"0", b"1", b"2", b"5"


class Damage(Exception):  # noqa: N818 - what it is, not an error of ours
    """The stream is no tar, or breaks off."""


class Header(NamedTuple):
    """A member: its name as the archive has it, its size in bytes, its type flag, what it links to."""

    name: str
    size: int
    kind: bytes
    link: str

    @property
    def is_file(self) -> bool:
        """Whether it is a plain file."""
        return self.kind[0] in REGULAR

    @property
    def is_link(self) -> bool:
        """Whether it is a link, symbolic or hard."""
        return self.kind in {HARD_LINK, SYMBOLIC_LINK}


class Stream(Protocol):
    """Bytes that are read forward."""

    def read(self, size: int, /) -> bytes:
        """Return at most `size` bytes; none at the end."""
        ...


class GzipStream:
    """The unpacked bytes of a gzip stream; checksums are checked at its end.

    Raises:
        Damage: on reading, where it is not gzip, breaks off, or its checksum differs.
    """

    def __init__(self, packed: Stream) -> None:
        self.packed = 0
        """Packed bytes that were read so far."""
        self._stream = packed
        self._inflater = _inflater()
        self._began = False

    def read(self, size: int) -> bytes:
        """Return at most `size` bytes; none at the end."""
        while True:
            fresh = b""
            if self._inflater.eof:
                rest = self._inflater.unused_data or self._more()
                if not rest.startswith(b"\x1f\x8b"):  # padding after the last member is no data
                    return b""
                self._inflater, fresh = _inflater(), rest
            elif self._inflater.needs_input and not (fresh := self._more()):
                raise Damage("the gzip stream ends early" if self._began else "empty")
            try:
                unpacked: bytes = self._inflater.decompress(fresh, size)
            except igzip_lib.IsalError as error:  # type: ignore[misc]
                raise Damage(f"gzip: {error}") from None
            self._began = True
            if unpacked:
                return unpacked

    def _more(self) -> bytes:
        # Whole chunks, however the stream comes in: what is said of an archive must not depend on the network.
        pieces = []
        missing = PACKED_CHUNK
        while missing and (piece := self._stream.read(missing)):
            pieces.append(piece)
            missing -= len(piece)
        self.packed += PACKED_CHUNK - missing
        return b"".join(pieces)


def _inflater() -> igzip_lib.IgzipDecompressor:
    return igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)


class TarStream:
    """A tar stream: the members in their order, and the content of the present one.

    Args:
        stream: the unpacked bytes.
    """

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._buffer = b""
        self._at = 0
        self._left = 0  # bytes of the present member that were not read, with its padding
        self._size = 0

    def members(self) -> Iterator[Header]:
        """Yield every member that is not a header of another; reads the stream to its very end.

        Raises:
            Damage: the stream is no tar, or breaks off.
        """
        common: dict[str, str] = {}
        own: dict[str, str] = {}
        while block := self._next_block():
            header = _parse(block)
            self._open(header.size)
            if header.kind == FILE and not own and not common:
                yield header
                self._skip(self._left)
                continue
            match header.kind:
                case b"x" | b"X":
                    own |= _pax(self._header())
                case b"g":
                    common |= _pax(self._header())
                case b"L":
                    own["path"] = _text(self._header().rstrip(b"\0"))
                case b"K":
                    own["linkpath"] = _text(self._header().rstrip(b"\0"))
                case _:
                    if known := common | own:
                        header = _with(header, known)
                        self._open(header.size)
                    yield header
                    own = {}
            self._skip(self._left)
        while self._fill():  # the archive's padding, and the checksum of what packs it
            pass

    def read(self, size: int) -> bytes:
        """Return the present member's first bytes, at most `size`; once a member."""
        content = self._take(size if size < self._size else self._size)
        self._left -= len(content)
        return content

    def _open(self, size: int) -> None:
        self._size = size
        self._left = -(-size // BLOCK) * BLOCK

    def _header(self) -> bytes:
        if self._size > LONGEST_HEADER:
            raise Damage(f"a header of {self._size} bytes")
        return self.read(self._size)

    def _next_block(self) -> bytes:
        """Return the next header block; nothing at the end, which is two blocks of zeros."""
        block = self._take(BLOCK)
        if block != _ZEROS:
            return block
        if self._take(BLOCK) != _ZEROS:
            raise Damage("an empty header")
        return b""

    def _take(self, size: int) -> bytes:
        at, end = self._at, self._at + size
        if end <= len(self._buffer):
            self._at = end
            return self._buffer[at:end]
        pieces = [self._buffer[at:]]
        missing = size - len(pieces[0])
        while missing:
            if not self._fill():
                raise Damage("the tar stream ends early")
            self._at = min(missing, len(self._buffer))
            pieces.append(self._buffer[: self._at])
            missing -= self._at
        return b"".join(pieces)

    def _skip(self, size: int) -> None:
        left = size - (len(self._buffer) - self._at)
        if left <= 0:
            self._at += size
            return
        while left > 0:
            if not self._fill():
                raise Damage("the tar stream ends early")
            left -= len(self._buffer)
        self._at = len(self._buffer) + left

    def _fill(self) -> bool:
        self._buffer = self._stream.read(CHUNK)
        self._at = 0
        return bool(self._buffer)


# ustar: name, mode, uid, gid, size, mtime, checksum, type, link, magic, …, prefix
_USTAR = struct.Struct("100s8x8x8x12s12x8sc100s6s2x32x32x8x8x155s12x")
_ZEROS = bytes(BLOCK)
_WITHOUT_CONTENT = frozenset({HARD_LINK, SYMBOLIC_LINK, FOLDER})


def _parse(block: bytes) -> Header:
    name, size, checksum, kind, link, magic, prefix = _USTAR.unpack(block)
    if not _adds_up(block, checksum):
        raise Damage("not a tar header (its checksum differs)")
    path = _text(name.partition(b"\0")[0])
    # GNU's magic is `ustar  `, and what stands in its prefix is not one.
    if magic == b"ustar\0" and prefix[0]:
        path = "/".join((_text(prefix.partition(b"\0")[0]), path))
    if kind == b"\0" and path.endswith("/"):  # a folder in tars before POSIX
        kind = FOLDER
    # Links and folders have no content, whatever size some writers give them.
    length = 0 if kind in _WITHOUT_CONTENT else _number(size)
    return Header(path, length, kind, _text(link.partition(b"\0")[0]) if link[0] else "")


ADLER = 65521
"""What Adler-32 counts modulo: its lower half is one more than the sum of the bytes (RFC 1950)."""


def _adds_up(block: bytes, checksum: bytes) -> bool:
    """Whether a header's checksum is right: the sum of its bytes, with spaces where the checksum stands."""
    # Adler-32 adds them up far faster than `sum`. A header's sum may reach twice its modulus, which is still a check.
    total = (zlib.adler32(block) & 0xFFFF) - sum(checksum) + 8 * 32 - 1
    return (_number(checksum) - total) % ADLER == 0


def _number(digits: bytes) -> int:
    """Return a header's number: octal digits, or base 256 where the first bit is set (GNU)."""
    if digits[0] & 0x80:
        if digits[0] & 0x40:
            raise Damage("a negative size")
        return int.from_bytes(digits, "big") & ~(0x80 << 8 * (len(digits) - 1))
    try:
        return int(digits.strip(b" \0") or b"0", 8)
    except ValueError:
        raise Damage("not a tar header (a number is not one)") from None


_KEYS = frozenset({b"path", b"linkpath", b"size", b"GNU.sparse.major", b"GNU.sparse.map", b"GNU.sparse.name"})


def _pax(records: bytes) -> dict[str, str]:
    """Return the records `length key=value\\n` of a pax header."""
    found = {}
    at = 0
    while at < len(records) and records[at]:
        space = records.find(b" ", at, at + 20)
        try:
            length = int(records[at:space])
        except ValueError:
            raise Damage("a broken pax header") from None
        record = records[space + 1 : at + length]
        key, equals, value = record[:-1].partition(b"=")
        if space < 0 or not space - at < length <= len(records) - at or not equals:
            raise Damage("a broken pax header")
        if key in _KEYS:
            found[_text(key)] = _text(value)
        at += length
    return found


def _with(header: Header, known: dict[str, str]) -> Header:
    """Return a header with what pax headers say instead."""
    size = header.size
    if "size" in known and header.is_file:
        if not known["size"].isdecimal():
            raise Damage("a broken pax header")
        size = int(known["size"])
    name = known.get("path", header.name)
    # GNU's sparse files are stored under a made-up name, as pieces.
    kind = b"S" if "GNU.sparse.major" in known or "GNU.sparse.map" in known else header.kind
    return Header(known.get("GNU.sparse.name", name), size, kind, known.get("linkpath", header.link))


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")
