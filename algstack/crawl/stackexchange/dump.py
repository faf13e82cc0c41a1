"""Dumps as they lie on disk: a `.7z`, a `Posts.xml`, or a folder of such tables, read as streams.

Nothing is ever unpacked to disk. A `.7z` is read once from its beginning to its end, by libarchive where it is
installed (extra `libarchive`), else by py7zr.
"""

from __future__ import annotations

import queue
import re
import struct
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import groupby
from lzma import LZMAError
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

import py7zr
from py7zr.exceptions import ArchiveError as Py7zrError
from py7zr.io import Py7zIO, WriterFactory

from algstack.errors import SourceError

POSTS = "posts.xml"
COMMENTS = "comments.xml"
LINKS = "postlinks.xml"
TAGS = "tags.xml"
USERS = "users.xml"
TABLES = (POSTS, COMMENTS, LINKS, TAGS, USERS)
"""The tables that can be of use, by their lower-case names: the first dumps wrote `posts.xml`."""

CHUNK_BYTES = 1 << 20
BLOCK_BYTES = 1 << 16
"""What libarchive is asked for at a time, and decompresses at a time."""

CHUNKS_AHEAD = 16
"""Chunks that are read ahead while others are looked at: decompression has a thread of its own."""

_SIGNATURE = b"7z\xbc\xaf\x27\x1c"
_SITE = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+")

Put = Callable[[tuple[str, bytes]], None]


class Broken(Exception):  # noqa: N818 - a state of the dump, which the reader records
    """The dump ends here: its text says where and why. All that came before it was good."""


class Dump(NamedTuple):
    """A dump: its site, its file or folder, and each table's name inside and size in bytes (of XML)."""

    site: str
    path: Path
    names: dict[str, str]
    sizes: dict[str, int]

    def tables(self, wanted: Sequence[str]) -> Iterator[tuple[str, Iterator[bytes]]]:
        """Yield (table, its chunks) for each table that is wanted and there, in one pass over the dump.

        A table's chunks must be taken before the next table is asked for.

        Raises:
            Broken: by the chunks, where the dump cannot be read on.
        """
        names = {name: table for table, name in self.names.items() if table in wanted}
        events = _read_ahead(lambda put: _produce(self.path, names, put))
        for table, pairs in groupby(events, key=itemgetter(0)):
            yield table, map(itemgetter(1), pairs)


def open_dump(path: Path, site: str | None = None) -> Dump:
    """Look at a dump without reading it through.

    Args:
        path: a `.7z`, an `.xml`, or a folder.
        site: the site's host; from the file's or folder's name by default.

    Raises:
        SourceError: it is none of these, its directory cannot be read, or the site is not known.
    """
    if path.is_dir():
        files = {file.name: file.stat().st_size for file in sorted(path.iterdir()) if file.is_file()}
        where = path
    elif path.suffix.lower() == ".xml":
        files, where = {path.name: path.stat().st_size}, path.parent
        if path.name.lower() not in TABLES:  # a Posts.xml under another name
            return Dump(_site(path, site, path.stem), path, {POSTS: path.name}, {POSTS: path.stat().st_size})
    elif path.is_file():
        files, where = _list_7z(path), path
    else:
        raise SourceError(f"{path}: no such dump. Give a `.7z`, a `Posts.xml`, or a folder that holds one.")
    names = {Path(name).name.lower(): name for name in sorted(files, reverse=True)}
    names = {table: names[table] for table in TABLES if table in names}
    if POSTS not in names:
        raise SourceError(f"{path}: no Posts.xml in it. A dump's other tables are of no use without it.")
    return Dump(_site(path, site, where.name), path, names, {table: files[name] for table, name in names.items()})


def _site(path: Path, site: str | None, name: str) -> str:
    """Return the site's host: as given, or from names such as `stackoverflow.com-Posts.7z`."""
    if site is not None:
        return site
    guessed = re.sub(r"(-posts)?(\.7z|\.xml)?$", "", name.lower())
    if not _SITE.fullmatch(guessed):
        raise SourceError(
            f'{path}: its name does not say which site it is of. Say `site = "math.stackexchange.com"` in the source.'
        )
    return guessed


def _list_7z(path: Path) -> dict[str, int]:
    check_7z(path)
    try:
        with py7zr.SevenZipFile(path) as archive:
            return {entry.filename: entry.uncompressed for entry in archive.list() if not entry.is_directory}
    except (Py7zrError, LZMAError, EOFError, OSError, struct.error, ValueError) as error:
        raise SourceError(f"{path}: the 7z archive cannot be read ({error}). Fetch it again.") from None


def check_7z(path: Path) -> None:
    """Raise SourceError unless a file is a 7z archive as long as its own header says."""
    with path.open("rb") as file:
        header = file.read(32)
    if not header.startswith(_SIGNATURE) or len(header) < 32:
        raise SourceError(f"{path}: not a dump. Give a `.7z`, a `Posts.xml`, or a folder that holds one.")
    offset, size = struct.unpack_from("<QQ", header, 12)
    stated, found = 32 + offset + size, path.stat().st_size
    if found < stated:
        raise SourceError(
            f"{path}: the archive is cut off: {found:,} of {stated:,} bytes are here, and its directory, which stands "
            "at the end, is missing.\nFetch the rest of it (a download can be resumed), then run the same command."
        )


# -- reading ahead ----------------------------------------------------------------------------------------------------


class _Stopped(Exception):  # noqa: N818
    """Nobody listens any more."""


def _read_ahead(produce: Callable[[Put], None]) -> Iterator[tuple[str, bytes]]:
    """Yield what `produce` puts, while a thread is already producing more."""
    events: queue.Queue[tuple[str, bytes] | BaseException | None] = queue.Queue(CHUNKS_AHEAD)
    stopped = threading.Event()

    def put(event: tuple[str, bytes] | BaseException | None) -> None:
        while not stopped.is_set():
            with suppress(queue.Full):
                return events.put(event, timeout=0.5)
        raise _Stopped

    def run() -> None:
        with suppress(_Stopped):
            try:
                produce(put)
                put(None)
            except Exception as error:
                put(error)

    threading.Thread(target=run, daemon=True, name="dump").start()
    try:
        while (event := events.get()) is not None:
            if isinstance(event, BaseException):
                raise event
            yield event
    finally:
        stopped.set()


def _produce(path: Path, names: dict[str, str], put: Put) -> None:
    """Put (table, chunk) for every wanted member; `names` are their names inside the dump."""
    try:
        if path.is_dir():
            for name, table in names.items():
                _produce_file(path / name, table, put)
        elif path.suffix.lower() == ".xml":
            _produce_file(path, next(iter(names.values())), put)
        else:
            _PRODUCE_7Z(path, names, put)
    except DAMAGE as error:
        # libarchive's own text also has numbers that mean nothing to people.
        raise Broken(f"{path.name} cannot be read on: {getattr(error, 'msg', error)}") from error


def _produce_file(path: Path, table: str, put: Put) -> None:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            put((table, chunk))


class _Sink(Py7zIO):
    """What py7zr writes a member to."""

    def __init__(self, table: str, put: Put) -> None:
        self._table = table
        self._put = put

    def write(self, s: bytes | bytearray) -> int:
        self._put((self._table, bytes(s)))
        return len(s)

    def read(self, size: int | None = None) -> bytes:
        return b""

    def seek(self, offset: int, whence: int = 0) -> int:
        return offset

    def flush(self) -> None:
        pass

    def size(self) -> int:
        return 0


class _Sinks(WriterFactory):
    def __init__(self, names: dict[str, str], put: Put) -> None:
        self._names = names
        self._put = put

    def create(self, filename: str) -> Py7zIO:
        return _Sink(self._names[filename], self._put)


def _produce_by_py7zr(path: Path, names: dict[str, str], put: Put) -> None:
    with py7zr.SevenZipFile(path) as archive:
        archive.extract(targets=list(names), factory=_Sinks(names, put))


def _produce_by_libarchive(path: Path, names: dict[str, str], put: Put) -> None:
    left = set(names)
    with libarchive.file_reader(str(path)) as archive:
        for entry in archive:
            if entry.pathname in left:
                left.remove(entry.pathname)
                for chunk in _gathered(entry.get_blocks(BLOCK_BYTES)):
                    put((names[entry.pathname], chunk))
            if not left:  # what else the archive holds need not be decompressed
                return


def _gathered(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield blocks together, also those before the damage: a block that it lies in is lost."""
    gathered: list[bytes] = []
    try:
        for block in blocks:
            gathered.append(block)
            if len(gathered) * BLOCK_BYTES >= CHUNK_BYTES:
                yield b"".join(gathered)
                gathered = []
    except DAMAGE:
        yield b"".join(gathered)
        raise
    yield b"".join(gathered)


try:
    import libarchive
    from libarchive.exception import ArchiveError as LibarchiveError
except (ImportError, OSError, AttributeError, TypeError):  # the package without the C library raises any of these
    _PRODUCE_7Z: Any = _produce_by_py7zr
    DAMAGE: tuple[type[Exception], ...] = (Py7zrError, LZMAError, EOFError, OSError)
else:
    _PRODUCE_7Z = _produce_by_libarchive
    DAMAGE = (LibarchiveError, Py7zrError, LZMAError, EOFError, OSError)
