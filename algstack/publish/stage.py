"""Publish a release: compare it with what is there, send what is missing, look again, give it its version."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from algstack import dataset
from algstack.errors import AlgstackError, DatasetError
from algstack.publish.hub import DEFAULT_BRANCH, Gated, HubPlace
from algstack.publish.place import File, Place, Plan, Remote, checksums, plan, release_files
from algstack.publish.storage import FolderPlace, S3Place
from algstack.release.stage import CHECKSUMS

_HUB = re.compile(r"hf://datasets/(?P<repo>[^/@]+/[^/@]+?)/?(@(?P<branch>[^@]+))?/?")
_S3 = re.compile(r"s3://(?P<bucket>[^/]+)(/(?P<prefix>.*?))?/?")

ROUNDS = 3
"""How often what is there may differ from what was sent before we give up."""


class Published(NamedTuple):
    """What a publish did, or would do in a dry run. Sizes are bytes."""

    target: str
    version: str
    sent: tuple[str, ...]
    sent_bytes: int
    same: tuple[str, ...]
    same_bytes: int
    removed: tuple[str, ...]
    dry_run: bool


def publish(
    release: Path, target: str, *, private: bool = False, gated: Gated | None = None, dry_run: bool = False
) -> Published:
    """Publish a release folder; a second time sends nothing.

    Args:
        release: the folder of a release.
        target: `hf://datasets/org/name[@branch]`, `s3://bucket/prefix`, or a folder.
        private: make a hub repository that is not there yet a private one.
        gated: whether the hub asks its readers first, and who answers.
        dry_run: only say what would be sent.

    Raises:
        DatasetError: the release is not whole.
        AlgstackError: the target refuses, or holds this version with another content.
    """
    return publish_to(open_place(target, private, gated), target, release, dry_run)


def open_place(target: str, private: bool = False, gated: Gated | None = None) -> Place:
    """Return the place that a target names.

    Raises:
        AlgstackError: it names none.
    """
    if target.startswith("hf://"):
        named = _HUB.fullmatch(target)
        if not named:
            raise AlgstackError(f"{target}: not a dataset on the hub. Write hf://datasets/org/name or …/name@branch.")
        return HubPlace(named["repo"], named["branch"] or DEFAULT_BRANCH, private, gated)
    if target.startswith("s3://"):
        named = _S3.fullmatch(target)
        if not named:
            raise AlgstackError(f"{target}: not a place in S3. Write s3://bucket/prefix.")
        return S3Place(named["bucket"], named["prefix"] or "")
    if "://" in target and not target.startswith("file://"):
        raise AlgstackError(f"{target}: not a target. Known are hf://datasets/…, s3://… and folders.")
    return FolderPlace(Path(target.removeprefix("file://")))


def publish_to(place: Place, target: str, release: Path, dry_run: bool = False) -> Published:
    """Publish a release to an opened place."""
    files = release_files(release)
    version = version_of(release)
    if place.check_version(version, files):
        first = Plan((), files, ())
    else:
        listing = place.listing()
        ours = _ours(place, files, listing)
        first = plan(files, listing, ours)
        if not dry_run:
            _bring_up_to_date(place, target, files, ours)
            place.mark_version(version)
    return Published(
        target=target,
        version=version,
        sent=tuple(file.name for file in first.send),
        sent_bytes=sum(file.size for file in first.send),
        same=tuple(file.name for file in first.same),
        same_bytes=sum(file.size for file in first.same),
        removed=first.remove,
        dry_run=dry_run,
    )


def version_of(release: Path) -> str:
    """Return the version that a release's own record says."""
    record = dataset.load_stage(release)
    if record is None or not isinstance(record.config.get("version"), str):
        raise DatasetError(f"{release}: no release here ({dataset.STAGE_FILE} names no version). Name its folder.")
    version: str = record.config["version"]
    return version


def _ours(place: Place, files: tuple[File, ...], there: Mapping[str, Remote]) -> dict[str, str]:
    """Return the files of an earlier release at a target, by its own checksums; empty if all there is of this one."""
    strange = there.keys() - {file.name for file in files}
    return checksums((place.read(CHECKSUMS) or b"").decode()) if strange and CHECKSUMS in there else {}


def _bring_up_to_date(place: Place, target: str, files: tuple[File, ...], ours: Mapping[str, str]) -> None:
    """Send, then compare sizes and hashes again; only a target that is equal counts as published."""
    place.prepare()
    for round_ in range(ROUNDS + 1):
        todo = plan(files, place.listing(), ours)
        if not todo.send and not todo.remove:
            return
        if round_ < ROUNDS:
            place.send(todo.send, todo.remove)
    names = [*(file.name for file in todo.send), *todo.remove]
    raise AlgstackError(
        f"{target}: `{names[0]}` is not as it was sent, {len(names)} files in all. "
        "Someone else may be writing there; run the same command again."
    )
