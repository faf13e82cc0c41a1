"""Shared by the tests: small filters of three extensions, and readers of what stages wrote."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest

from algstack import toml
from algstack.manifest import LoadedManifest, Manifest
from algstack.workspace import Context, Workspace


@dataclass(frozen=True)
class FewLanguages:
    """As much of the filters as the crawl asks for."""

    extensions: tuple[tuple[str, str], ...] = ((".lean", "lean"), (".py", "python"), (".v", "coq"))

    linguist: ClassVar = {"lean": ("Lean", "Lean 4"), "coq": ("Rocq Prover",), "python": ("Python",), "maple": ()}

    def for_path(self, path: str) -> str | None:
        return next((lang for ending, lang in self.extensions if path.lower().endswith(ending)), None)

    def by_label(self, label: str) -> str | None:
        return next((lang for _, lang in self.extensions if label.lower() == lang), None)


@pytest.fixture
def few_languages() -> FewLanguages:
    return FewLanguages()


def manifest_of(text: str, folder: Path) -> LoadedManifest:
    """A manifest from TOML text; a name is added where it has none."""
    if not text.lstrip().startswith("name"):
        text = f'name = "test"\n{text}'
    return LoadedManifest(config=toml.parse(text, Manifest, "algstack.toml"), text=text, folder=folder)


def context_of(text: str, folder: Path, workers: int = 1) -> Context:
    """A context whose manifest and workspace lie in a folder."""
    return Context(manifest_of(text, folder), Workspace(folder / "work"), workers)


def checksums(folder: Path) -> dict[str, bytes]:
    """Every file below a folder with its bytes; the lock apart."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }


def rows(paths: Iterator[Path]) -> list[dict[str, Any]]:
    """All rows of Parquet files, in the order of the files' names."""
    import pyarrow.parquet as pq

    return [row for path in sorted(paths) for row in pq.read_table(path).to_pylist()]
