"""Bring a published release onto this machine, so that it can be verified or compared like any folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from algstack.errors import AlgstackError
from algstack.publish.hub import HubPlace
from algstack.publish.place import Place
from algstack.publish.stage import open_place
from algstack.publish.storage import FolderPlace, S3Place


@contextmanager
def fetched(target: str) -> Iterator[Path]:
    """Yield a folder with a published release: `hf://datasets/org/name[@version]`, `s3://bucket/prefix`, or a folder.

    What is fetched lies in a temporary folder and is removed at the end.

    Raises:
        AlgstackError: there is nothing at the target, or it refuses.
    """
    place = open_place(target)
    if isinstance(place, FolderPlace):
        yield place.path
        return
    with TemporaryDirectory(prefix="algstack-") as folder:
        _fetch(place, target, Path(folder))
        yield Path(folder)


def _fetch(place: Place, target: str, folder: Path) -> None:
    names = [name for name in place.listing() if not name.startswith(".")]
    if not names:
        raise AlgstackError(f"{target}: nothing is there. Check the name, the version and the right to read it.")
    assert isinstance(place, HubPlace | S3Place)
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        place.fetch(name, path)
