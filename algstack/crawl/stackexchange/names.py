"""Display names of a site's users, kept on disk: there can be tens of millions."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path

FILE = "names.sqlite"

CACHED = 20_000
"""Names that a reader remembers: few people write much."""


def write(folder: Path, users: Iterable[tuple[int, str]]) -> None:
    """Write the names of (id, name) pairs into a folder."""
    database = sqlite3.connect(folder / FILE)
    # The whole spill is made anew if anything happens to it.
    database.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;")
    database.execute("CREATE TABLE names (id INTEGER PRIMARY KEY, name TEXT NOT NULL)")
    with database:
        database.executemany("INSERT OR IGNORE INTO names VALUES (?, ?)", users)
    database.close()


def open_names(folder: Path) -> Mapping[int, str]:
    """Return the names that were written into a folder, by user; empty if none were."""
    path = folder / FILE
    return Names(path) if path.exists() else {}


class Names(Mapping[int, str]):
    """The names in a file."""

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
        self._find = lru_cache(CACHED)(self._read)

    def _read(self, user: int) -> str | None:
        row = self._database.execute("SELECT name FROM names WHERE id = ?", (user,)).fetchone()
        return row[0] if row else None

    def __getitem__(self, user: int) -> str:
        name = self._find(user)
        if name is None:
            raise KeyError(user)
        return name

    def __iter__(self) -> Iterator[int]:
        return (user for (user,) in self._database.execute("SELECT id FROM names ORDER BY id"))

    def __len__(self) -> int:
        return sum(1 for _ in self)
