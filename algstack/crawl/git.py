"""Git repositories on disk, each read at one commit through `git cat-file`, without a checkout."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from algstack.crawl.files import FileReader, RawFile, Repository
from algstack.crawl.grants import FoundLicenses, LicenseFiles, is_noted, with_licenses
from algstack.crawl.refusals import Refusal
from algstack.crawl.task import CrawlTask, exclusion, paths_of
from algstack.errors import SourceError
from algstack.manifest import GitSource, LoadedManifest


class Entry(NamedTuple):
    """One line of `git ls-tree`: `kind` is blob or commit, `name` the object's hash."""

    mode: str
    kind: str
    name: str
    size: int
    path: str


def plan(source: GitSource, manifest: LoadedManifest) -> list[CrawlTask]:
    """Return one task for each repository; it depends on the commit alone."""
    paths = paths_of(manifest.resolve(source.path), source.name)
    if source.repo and len(paths) > 1:
        raise SourceError(f"source `{source.name}`: `repo` names one repository, but `path` matches {len(paths)}.")
    return [_plan_repository(source, path, f"{number:05d}") for number, path in enumerate(paths)]


def _plan_repository(source: GitSource, path: Path, key: str) -> CrawlTask:
    try:
        commit = _git(path, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{source.commit}^{{commit}}")
        date = _git(path, "show", "--no-patch", "--format=%ct", commit.decode().strip())
    except FileNotFoundError:
        raise SourceError(f"source `{source.name}`: the program `git` is not installed. Install it.") from None
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace").strip().splitlines()
        raise SourceError(
            f"source `{source.name}`: {path}: no commit `{source.commit}` in a git repository there."
            + (f" git says: {said[-1]}" if said else "")
        ) from None
    repository = Repository(
        scheme="git",
        source=source.name,
        repo=source.repo or path.resolve().name.removesuffix(".git"),
        revision=commit.decode().strip(),
        url=source.url,
        license=source.license,
        license_source="manifest" if source.license else None,
        created_at=source.created_at or datetime.fromtimestamp(int(date), UTC),
    )
    read = partial(_read, path, repository, source.exclude)
    return CrawlTask(key, [repository.repo, repository.revision], read)


def _read(path: Path, repository: Repository, exclude: tuple[str, ...], reader: FileReader) -> Iterator[pa.RecordBatch]:
    assert repository.revision is not None
    excluded = exclusion(exclude)
    entries = [entry for entry in _list(path, repository.revision) if not excluded(entry.path)]
    with subprocess.Popen(
        _command(path, "cat-file", "--batch"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=_environment()
    ) as objects:
        batches = reader.batches(repository, _files(objects, entries, reader))
        yield from batches if repository.license else with_licenses(batches, None, _licenses(objects, entries))


def _files(objects: subprocess.Popen[bytes], entries: list[Entry], reader: FileReader) -> Iterator[RawFile]:
    for entry in entries:
        refusal = _refusal_by_mode(entry) or reader.refusal(entry.path, entry.size)
        yield RawFile(entry.path, entry.size, refusal or _content(objects, entry))


def _licenses(objects: subprocess.Popen[bytes], entries: list[Entry]) -> FoundLicenses:
    noted = LicenseFiles()
    for entry in entries:
        if _refusal_by_mode(entry) is None and is_noted(entry.path, entry.size):
            content = _content(objects, entry)
            if isinstance(content, bytes):
                noted.note(entry.path, content)
    return noted.found


def _list(path: Path, commit: str) -> list[Entry]:
    """Return everything in a commit's tree, sorted by path."""
    listing = _git(path, "ls-tree", "-r", "-z", "-l", "--full-tree", commit)
    entries = []
    for line in listing.split(b"\0")[:-1]:
        facts, name = line.split(b"\t", 1)
        mode, kind, object_name, size = facts.decode().split()
        # `-` stands for a submodule, `BAD` for a blob that is not there, as in a partial clone.
        entries.append(Entry(mode, kind, object_name, int(size) if size.isdigit() else 0, os.fsdecode(name)))
    return sorted(entries, key=lambda entry: entry.path)


def _refusal_by_mode(entry: Entry) -> Refusal | None:
    if entry.mode == "120000":
        return Refusal("link")
    return Refusal("submodule", entry.name) if entry.kind == "commit" else None


def _content(objects: subprocess.Popen[bytes], entry: Entry) -> bytes | Refusal:
    assert objects.stdin is not None
    assert objects.stdout is not None
    objects.stdin.write(f"{entry.name}\n".encode())
    objects.stdin.flush()
    header = objects.stdout.readline().split()
    if len(header) != 3:  # "<name> missing": a partial or damaged repository
        return Refusal("unreadable", b" ".join(header).decode() or "git ended")
    content = objects.stdout.read(int(header[2]))
    objects.stdout.read(1)
    return content


def _git(path: Path, *arguments: str) -> bytes:
    return subprocess.run(
        _command(path, *arguments), capture_output=True, check=True, env=_environment()
    ).stdout.rstrip(b"\n")


def _command(path: Path, *arguments: str) -> list[str]:
    # Repositories of other owners are only read, so git's guard against their hooks is not needed.
    return ["git", "-c", "safe.directory=*", "-C", str(path), *arguments]


def _environment() -> dict[str, str]:
    """The environment without git's own variables, which would point it at another repository (as in a hook)."""
    return {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
