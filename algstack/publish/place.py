"""What is at a target already, and what has to be sent or removed to make it the release."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, Protocol

from algstack.dataset import sha256_file
from algstack.errors import DatasetError
from algstack.release.stage import CHECKSUMS


@dataclass(frozen=True)
class File:
    """One file of a release. `name` is relative to it, with `/`."""

    name: str
    path: Path
    size: int
    sha256: str

    @cached_property
    def git_sha1(self) -> str:
        """Name of the content in git, which is how a hub names small files."""
        content = self.path.read_bytes()
        # sha1 names content here, as in git; it protects nothing.
        return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()

    def is_at(self, remote: Remote | None) -> bool:
        """Whether a target's file has this content."""
        if remote is None or remote.size != self.size:
            return False
        return remote.digest in (f"sha256:{self.sha256}", f"git:{self.git_sha1}" if "git:" in remote.digest else "")


class Remote(NamedTuple):
    """A file at a target: bytes, and `sha256:…` or `git:…` (sha1 of the git blob); empty where it is not known."""

    size: int
    digest: str


class Plan(NamedTuple):
    """What makes a target the release: files to send, files that are there already, names to remove."""

    send: tuple[File, ...]
    same: tuple[File, ...]
    remove: tuple[str, ...]


class Place(Protocol):
    """A target. All of it can be called again after a failure."""

    def prepare(self) -> None:
        """Make the target if it is not there; ask whether we may write to it."""

    def listing(self) -> dict[str, Remote]:
        """All files at the target by name; empty where there is no target yet."""

    def read(self, name: str) -> bytes | None:
        """A small file's content; None where there is none."""

    def send(self, files: Sequence[File], remove: Sequence[str]) -> None:
        """Send files, then remove names; the checksums' file comes last."""

    def check_version(self, version: str, files: Sequence[File]) -> bool:
        """Whether this version is published already; raise where it is with another content."""

    def mark_version(self, version: str) -> None:
        """Give the version's name to what is there now."""


def release_files(release: Path) -> tuple[File, ...]:
    """Return the files of a release, checked against its checksums, which come last.

    Raises:
        DatasetError: a file is missing or is not the one that was made.
    """
    sums = checksums((release / CHECKSUMS).read_text(encoding="utf-8")) if (release / CHECKSUMS).is_file() else {}
    if not sums:
        raise DatasetError(f"{release}: no release here ({CHECKSUMS} is missing). Name its folder.")
    files = []
    for name, digest in sums.items():
        path = release / name
        if not path.is_file() or sha256_file(path) != digest:
            raise DatasetError(
                f"{path}: missing, or changed after the release was made. "
                f"`algstack verify {release}` says more; nothing was published."
            )
        files.append(File(name, path, path.stat().st_size, digest))
    own = release / CHECKSUMS
    return (*files, File(CHECKSUMS, own, own.stat().st_size, sha256_file(own)))


def checksums(text: str) -> dict[str, str]:
    """Return name -> sha256 of a file as `sha256sum` writes it."""
    return {name: digest for digest, _, name in (line.partition("  ") for line in text.splitlines()) if name}


def plan(files: Sequence[File], there: Mapping[str, Remote], ours: Mapping[str, str]) -> Plan:
    """Compare a release with a target.

    Args:
        files: of the release.
        there: the target's listing.
        ours: what the target's own checksums list: only these are ever removed.
    """
    wanted = {file.name for file in files}
    same = tuple(file for file in files if file.is_at(there.get(file.name)))
    known = {file.name for file in same}
    return Plan(
        send=tuple(file for file in files if file.name not in known),
        same=same,
        remove=tuple(sorted(name for name in ours if name in there and name not in wanted)),
    )
