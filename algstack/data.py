"""The data that ships with the package: filter files and manifests."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from algstack.errors import AlgstackError


def folder(name: str) -> Path:
    """Return the folder `filters` or `manifests`: the wheel's own, else the checkout's.

    Raises:
        AlgstackError: it is in neither, or the package lies in a zip file.
    """
    package = files("algstack")
    for place in (package / "_data" / name, package / ".." / name):
        if place.is_dir() and isinstance(place, Path):
            return place.resolve()
    raise AlgstackError(f"The folder `{name}` of algstack's own data is missing: install algstack again.")
