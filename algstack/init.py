"""The commented manifest that `algstack init` writes: the shipped template with a name filled in."""

from __future__ import annotations

import re
from pathlib import Path

from algstack import data
from algstack.dataset import explained_os_errors
from algstack.errors import ManifestError

NAME_IN_TEMPLATE = "my-algebraic-stack"


def write_manifest(path: Path, name: str | None = None) -> None:
    """Write a commented manifest; never over a file that exists.

    Args:
        path: where to.
        name: the dataset's name; the folder's by default.

    Raises:
        ManifestError: there is a file already.
    """
    name = name or re.sub(r"[^A-Za-z0-9._-]+", "-", path.resolve().parent.name).strip("-._") or NAME_IN_TEMPLATE
    template = (data.folder("manifests") / "template.toml").read_text(encoding="utf-8")
    with explained_os_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(template.replace(NAME_IN_TEMPLATE, name, 1))
        except FileExistsError:
            raise ManifestError(f"{path}: there is a file already. Remove it, or name another one.") from None
