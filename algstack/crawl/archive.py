"""Tar and zip archives, read as streams: nothing is ever unpacked to disk."""

from __future__ import annotations

import bz2
import lzma
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from itertools import chain
from pathlib import Path
from typing import IO, NamedTuple

import pyarrow as pa

from algstack.crawl.files import FileReader, RawFile, Repository
from algstack.crawl.grants import FoundLicenses, LicenseFiles, is_noted, with_licenses
from algstack.crawl.refusals import Refusal
from algstack.crawl.tar import FILE, FOLDER, Damage, GzipStream, Header, TarStream
from algstack.crawl.task import CrawlTask, exclusion, paths_of
from algstack.errors import SourceError
from algstack.manifest import ArchiveSource, CrawlConfig, LoadedManifest

ENDINGS = (".tar.gz", ".tar.bz2", ".tar.xz", ".tgz", ".tar", ".zip", ".whl")

RATIO_FROM_BYTES = 64 * 2**20
"""Below this, an archive may be packed as well as it likes: short files of zeros are no attack."""

HELD_BYTES = 64 * 2**20
"""Documents of one archive that may wait for its last licence file."""

DAMAGE = (Damage, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError)
"""What the readers raise on archives that are cut off or broken."""


class Member(NamedTuple):
    """One member of an archive.

    `refusal` says why it must not be read, by its kind alone; `read` returns its first bytes, as many as it is told
    at most, and is called before the next member is asked for.
    """

    name: str
    size: int
    refusal: Refusal | None
    read: Callable[[int], bytes]

    def noted(self, licenses: LicenseFiles, path: str) -> Member:
        """Note what a licence file says, and return the member to be read like any other."""
        if self.refusal:
            return self
        content = self.read(self.size)
        licenses.note(path, content)
        return self._replace(read=lambda size: content[:size])


class ArchiveBomb(Exception):  # noqa: N818 - what it is, not an error of ours
    """The archive is beyond one of the limits; the text says which."""


def plan(source: ArchiveSource, manifest: LoadedManifest) -> list[CrawlTask]:
    """Return one task for each archive."""
    paths = paths_of(manifest.resolve(source.path), source.name)
    if source.repo and len(paths) > 1:
        raise SourceError(f"source `{source.name}`: `repo` names one archive's, but `path` matches {len(paths)}.")
    return [_plan_archive(source, path, f"{number:05d}") for number, path in enumerate(paths)]


def _plan_archive(source: ArchiveSource, path: Path, key: str) -> CrawlTask:
    ending = next((ending for ending in ENDINGS if path.name.lower().endswith(ending)), None)
    if ending is None or not path.is_file():
        raise SourceError(f"source `{source.name}`: {path}: not an archive. Known are {', '.join(ENDINGS)}.")
    repository = Repository(
        scheme="archive",
        source=source.name,
        repo=source.repo or path.name[: -len(ending)],
        revision=source.revision,
        url=source.url,
        license=source.license,
        license_source="manifest" if source.license else None,
        created_at=source.created_at,
    )
    status = path.stat()
    read = partial(_read, path, repository, source.strip, source.exclude)
    return CrawlTask(key, [path.name, status.st_size, status.st_mtime_ns], read)


def _read(
    path: Path, repository: Repository, strip: int, exclude: tuple[str, ...], reader: FileReader
) -> Iterator[pa.RecordBatch]:
    noted = LicenseFiles()
    batches = reader.batches(repository, _files(path, strip, exclude, reader, noted))
    return batches if repository.license else _licensed(batches, noted, partial(_licenses, path, strip, reader.limits))


def _licensed(
    batches: Iterator[pa.RecordBatch], noted: LicenseFiles, read_ahead: Callable[[], FoundLicenses]
) -> Iterator[pa.RecordBatch]:
    """Put the licences in: a licence file may come after what it governs, so batches are held until all are noted.

    An archive whose batches are too many to be held is read twice instead, the first time for its licences alone.
    """
    held: list[pa.RecordBatch] = []
    for batch in batches:
        held.append(batch)
        if sum(one.nbytes for one in held) > HELD_BYTES:
            return with_licenses(chain(held, batches), None, read_ahead())
    return with_licenses(held, None, noted.found)


def _licenses(path: Path, strip: int, limits: CrawlConfig) -> FoundLicenses:
    noted = LicenseFiles()
    with suppress(*DAMAGE, ArchiveBomb):
        for member in _members(path, limits):
            _noted(noted, strip, member)
    return noted.found


def _files(
    path: Path, strip: int, exclude: tuple[str, ...], reader: FileReader, noted: LicenseFiles
) -> Iterator[RawFile]:
    """Yield an archive's files; if it breaks off, the last one stands for the archive and says so."""
    members = map(partial(_noted, noted, strip), _members(path, reader.limits))
    try:
        yield from read_members(members, partial(_size, path), strip, exclude, reader)
    except DAMAGE as error:
        yield RawFile(path.name, 0, Refusal("broken-archive", f"{type(error).__name__}: {error}"))
    except ArchiveBomb as bomb:
        yield RawFile(path.name, 0, Refusal("archive-bomb", str(bomb)))


def _members(path: Path, limits: CrawlConfig) -> Iterator[Member]:
    return _zip_members(path) if path.name.lower().endswith((".zip", ".whl")) else _tar_members(path, limits)


def _noted(noted: LicenseFiles, strip: int, member: Member) -> Member:
    return member.noted(noted, _stripped(member.name, strip)) if is_noted(member.name, member.size) else member


def read_members(
    members: Iterator[Member], packed: Callable[[], float], strip: int, exclude: tuple[str, ...], reader: FileReader
) -> Iterator[RawFile]:
    """Yield the files of an archive, each path once; what is refused is yielded with its refusal.

    Args:
        members: in the archive's order.
        packed: tells the bytes of the archive as it is stored, for the ratio to the sizes that headers state;
            infinite where nobody knows them beforehand.
        strip: leading folders to remove from names.
        exclude: glob patterns of paths (after stripping) that are not part of the source.
        reader: says what is wanted, and the limits.

    Raises:
        ArchiveBomb: a limit of `reader.limits` is passed.
    """
    excluded = exclusion(exclude) if exclude else None
    limits = reader.limits
    by_name = reader.refusals()
    harmless = min(RATIO_FROM_BYTES, limits.max_archive_bytes)
    seen: set[str] = set()
    unpacked = 0
    for number, member in enumerate(members, 1):
        name, size, refusal, read = member
        unpacked += size
        if unpacked > harmless or number > limits.max_archive_members:
            _check_limits(number, unpacked, packed, limits)
        if _is_plain(name):
            path = name.split("/", strip)[-1] if name.count("/") >= strip else ""
        else:
            path = _stripped(name, strip)
            refusal = _unsafe(name) or refusal
        if not path or (excluded and excluded(path)):
            continue
        refusal = refusal or by_name(path, size)
        if refusal is None and path in seen:
            refusal = Refusal("repeated-path")
            path = f"{path}#{number}"
        seen.add(path)
        yield RawFile(path, size, refusal or _content(read, size, limits.max_file_bytes))


def _is_plain(name: str) -> bool:
    """Whether a name is a path as it stands: quickly, and rather no than a wrong yes."""
    return not (
        name[:1] in {"", "/", "."} or name[-1] == "/" or "//" in name or "/." in name or "\\" in name or ":" in name
    )


def _stripped(name: str, strip: int) -> str:
    """Return a name without its leading folders, without `.` and doubled slashes."""
    parts = [part for part in name.split("/") if part not in {"", "."}]
    if name.startswith("/"):
        parts.insert(0, "/")
    return "/".join(parts[strip:])


def _check_limits(members: int, unpacked: int, packed: Callable[[], float], limits: CrawlConfig) -> None:
    if members > limits.max_archive_members:
        raise ArchiveBomb(f"more than {limits.max_archive_members} members")
    _check_bytes(unpacked, packed, limits)


def _check_bytes(unpacked: int, packed: Callable[[], float], limits: CrawlConfig) -> None:
    if unpacked > limits.max_archive_bytes:
        raise ArchiveBomb(f"more than {limits.max_archive_bytes} bytes")
    if unpacked > RATIO_FROM_BYTES and unpacked > limits.max_archive_ratio * packed():
        # Without the numbers: how far it was read until then may depend on how it came in.
        raise ArchiveBomb(f"a ratio above {limits.max_archive_ratio:g} of unpacked to packed bytes")


def _unsafe(name: str) -> Refusal | None:
    parts = name.replace("\\", "/").split("/")
    # Absolute, with a Windows drive, or leading out.
    if (parts[0] == "" and len(parts) > 1) or parts[0].endswith(":") or ".." in parts:
        return Refusal("unsafe-path", name)
    return None


def _content(read: Callable[[int], bytes], stated: int, most: int) -> bytes | Refusal:
    # One byte more than stated: a header may lie about the size.
    content = read(min(stated, most) + 1)
    if len(content) > most:
        return Refusal("too-large", f"more than the {stated} bytes that its header states")
    return content


def _size(path: Path) -> int:
    return path.stat().st_size


class Unpacked:
    """A stream of unpacked bytes that ends in an ArchiveBomb where there are more than the limits allow.

    What members' headers state is checked as well, before anything is unpacked; this stops what no header states.
    """

    def __init__(self, read: Callable[[int], bytes], packed: Callable[[], float], limits: CrawlConfig) -> None:
        self._read = read
        self._packed = packed
        self._limits = limits
        self._bytes = 0

    def read(self, size: int) -> bytes:
        """Return at most `size` bytes; none at the end."""
        content = self._read(size)
        self._bytes += len(content)
        _check_bytes(self._bytes, self._packed, self._limits)
        return content


def _tar_members(path: Path, limits: CrawlConfig) -> Iterator[Member]:
    with _open_tar(path) as stream:
        packed = partial(_size, path)
        if path.name.lower().endswith((".gz", ".tgz")):
            yield from tar_members(Unpacked(GzipStream(stream).read, packed, limits))
        else:
            yield from tar_members(Unpacked(stream.read, packed, limits))


def _open_tar(path: Path) -> IO[bytes]:
    match path.suffix.lower():
        case ".xz":
            return lzma.open(path)
        case ".bz2":
            return bz2.open(path)
        case _:
            return path.open("rb")


def tar_members(stream: Unpacked) -> Iterator[Member]:
    """Yield the members of a tar stream that are not folders."""
    tar = TarStream(stream)
    read = tar.read
    for header in tar.members():
        name, size, kind, _ = header
        if kind != FOLDER:
            yield Member(name, size, None if kind == FILE else _tar_refusal(header), read)


def _tar_refusal(header: Header) -> Refusal | None:
    if header.is_link:
        return Refusal("link", header.link)
    return None if header.is_file else Refusal("special-file")


def _zip_members(path: Path) -> Iterator[Member]:
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            if not info.is_dir():
                yield Member(info.filename, info.file_size, _zip_refusal(info), partial(_read_zip, archive, info))


def _read_zip(archive: zipfile.ZipFile, info: zipfile.ZipInfo, size: int) -> bytes:
    with archive.open(info) as file:
        return file.read(size)


def _zip_refusal(info: zipfile.ZipInfo) -> Refusal | None:
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind == stat.S_IFLNK:
        return Refusal("link")
    if kind not in (0, stat.S_IFREG):
        return Refusal("special-file")
    return Refusal("unreadable", "encrypted") if info.flag_bits & 1 else None
