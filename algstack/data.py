"""The data that ships with the package, filter files and manifests; and where what can be computed again is kept."""

from __future__ import annotations

import os
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


def cache_folder() -> Path:
    """The user's folder for what is only kept to save time; it may not exist, or not be writable."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "algstack"
