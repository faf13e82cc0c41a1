"""Folders of files, read where they lie. Links are not followed."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import pyarrow as pa

from algstack.crawl.files import FileReader, RawFile, Repository
from algstack.crawl.grants import FoundLicenses, LicenseFiles, is_noted, with_licenses
from algstack.crawl.refusals import Refusal
from algstack.crawl.task import CrawlTask, exclusion
from algstack.errors import SourceError
from algstack.manifest import FolderSource, LoadedManifest

TASK_BYTES = 64 * 2**20
TASK_FILES = 20_000
SKIPPED_FOLDERS = frozenset({".git", ".hg", ".svn", "__pycache__"})
"""Folders of tools, which hold nothing that anybody wrote by hand."""


class Listed(NamedTuple):
    """A file as the listing saw it; a change of any value means that it must be read again."""

    path: str
    mode: int
    size: int
    modified: int


def plan(source: FolderSource, manifest: LoadedManifest) -> list[CrawlTask]:
    """Return the tasks that read a folder: files in the order of their paths, about 64 MB a task."""
    root = manifest.resolve(source.path)
    if not root.is_dir():
        raise SourceError(
            f"source `{source.name}`: {root}: no such folder. Paths are relative to the manifest's folder."
        )
    tasks = [
        task
        for folder, repository in _repositories(source, root)
        for task in _plan_repository(folder, repository, list_files(folder, source.exclude))
    ]
    if not tasks:
        raise SourceError(
            f"source `{source.name}`: {root}: the folder is empty. Put files there, or remove the source."
        )
    return [task._replace(key=f"{number:05d}") for number, task in enumerate(tasks)]


def _plan_repository(folder: Path, repository: Repository, listed: list[Listed]) -> Iterator[CrawlTask]:
    for files in _portions(listed):
        licenses = license_files(listed, files) if repository.license is None else []
        yield CrawlTask("", _inputs(files, licenses), partial(_read, folder, repository, files, licenses))


def _inputs(files: list[Listed], licenses: list[Listed]) -> list[list[Any]]:
    return [[*map(list, files)], [*map(list, licenses)]]


def license_files(listed: Iterable[Listed], files: Iterable[Listed]) -> list[Listed]:
    """Return those of the listed files that say what some files' licence is: they stand beside or above one."""
    folders = {file.path.rpartition("/")[0] for file in files}
    above = {""} | {
        str(parent) for folder in folders for parent in (PurePosixPath(folder), *PurePosixPath(folder).parents)
    }
    return [
        file
        for file in listed
        if stat.S_ISREG(file.mode) and is_noted(file.path, file.size) and file.path.rpartition("/")[0] in above
    ]


def _repositories(source: FolderSource, root: Path) -> Iterator[tuple[Path, Repository]]:
    folders = sorted(path for path in root.iterdir() if path.is_dir()) if source.each_subfolder else [root]
    for folder in folders:
        yield (
            folder,
            Repository(
                scheme="folder",
                source=source.name,
                repo=folder.name if source.each_subfolder else source.repo or source.name,
                revision=source.revision,
                url=source.url,
                license=source.license,
                license_source="manifest" if source.license else None,
                created_at=source.created_at,
            ),
        )


def list_files(root: Path, exclude: Iterable[str] = ()) -> list[Listed]:
    """Return everything below a folder that is not a folder, sorted by path; links are listed, not followed."""
    excluded = exclusion(tuple(exclude))
    found = []
    for folder, folders, names in os.walk(root):
        links = [name for name in folders if (Path(folder) / name).is_symlink()]
        folders[:] = [name for name in folders if name not in SKIPPED_FOLDERS]
        for name in [*names, *links]:
            full = Path(folder) / name
            path = full.relative_to(root).as_posix()
            if not excluded(path):
                status = full.lstat()
                found.append(Listed(path, status.st_mode, status.st_size, status.st_mtime_ns))
    return sorted(found)


def _portions(files: list[Listed]) -> Iterator[list[Listed]]:
    portion: list[Listed] = []
    size = 0
    for file in files:
        portion.append(file)
        size += file.size
        if size >= TASK_BYTES or len(portion) >= TASK_FILES:
            yield portion
            portion, size = [], 0
    if portion:
        yield portion


def _read(
    folder: Path, repository: Repository, files: list[Listed], licenses: list[Listed], reader: FileReader
) -> Iterator[pa.RecordBatch]:
    batches = reader.batches(repository, (read_file(folder, file, reader) for file in files))
    if repository.license:
        return batches
    return with_licenses(batches, None, read_licenses(folder, licenses))


def read_licenses(folder: Path, files: Iterable[Listed]) -> FoundLicenses:
    """Return what a folder's licence files say; one that cannot be read says nothing."""
    noted = LicenseFiles()
    for file in files:
        with suppress(OSError):
            noted.note(file.path, _read_bytes(folder / file.path))
    return noted.found


def read_file(folder: Path, file: Listed, reader: FileReader) -> RawFile:
    """Read one listed file, unless its kind, name or size forbid it."""
    refusal = _refusal_by_kind(file.mode) or reader.refusal(file.path, file.size)
    if refusal is not None:
        return RawFile(file.path, file.size, refusal)
    try:
        return RawFile(file.path, file.size, _read_bytes(folder / file.path))
    except OSError as error:
        return RawFile(file.path, file.size, Refusal("unreadable", error.strerror or str(error)))


def _read_bytes(path: Path) -> bytes:
    # O_NOFOLLOW: the file may have become a link since it was listed.
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
        return file.read()


def _refusal_by_kind(mode: int) -> Refusal | None:
    if stat.S_ISLNK(mode):
        return Refusal("link")
    return None if stat.S_ISREG(mode) else Refusal("special-file")
