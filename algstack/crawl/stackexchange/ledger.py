"""What the API has brought: one SQLite file beside the parts, which survives any way of being ended."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, Self

from algstack.dataset import explained_os_errors

FILE = "posts.sqlite"

_TABLES = """
CREATE TABLE IF NOT EXISTS posts (
    window TEXT NOT NULL, question INTEGER NOT NULL, answer INTEGER NOT NULL, item TEXT NOT NULL,
    PRIMARY KEY (question, answer)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_window ON posts (window, question, answer);
CREATE TABLE IF NOT EXISTS steps (window TEXT NOT NULL, step TEXT NOT NULL, PRIMARY KEY (window, step)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS backoffs (method TEXT PRIMARY KEY, until REAL NOT NULL) WITHOUT ROWID;
"""

Items = Sequence[Mapping[str, Any]]


class PostLedger:
    """The file. A page of posts and the step that brought it are one transaction: no request is made twice.

    Posts are kept by window of time (a string that names it). In `posts`, `answer` is 0 for the question itself.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        with explained_os_errors(self._path):
            folder.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(self._path, isolation_level=None)
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.executescript(_TABLES)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield self._database
            self._database.execute("COMMIT")
        except BaseException:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise

    def is_done(self, window: str, step: str) -> bool:
        """Whether a step of a window was done."""
        found = self._database.execute("SELECT 1 FROM steps WHERE window = ? AND step = ?", (window, step))
        return found.fetchone() is not None

    def add(self, window: str, step: str, items: Items = ()) -> None:
        """Note that a step is done, together with the posts that it brought."""
        rows = [(window, item["question_id"], item.get("answer_id", 0), json.dumps(item)) for item in items]
        with self._transaction() as database:
            database.executemany("INSERT OR REPLACE INTO posts VALUES (?, ?, ?, ?)", rows)
            database.execute("INSERT OR IGNORE INTO steps VALUES (?, ?)", (window, step))

    def forget(self, wanted: Sequence[str]) -> None:
        """Remove windows that are no longer wanted, posts and all."""
        with self._transaction() as database:
            known = [window for (window,) in database.execute("SELECT DISTINCT window FROM steps")]
            gone = [(window,) for window in known if window not in set(wanted)]
            database.executemany("DELETE FROM posts WHERE window = ?", gone)
            database.executemany("DELETE FROM steps WHERE window = ?", gone)

    def last_date(self, window: str) -> int | None:
        """Return the newest question's creation date in a window, in seconds since 1970."""
        query = "SELECT max(json_extract(item, '$.creation_date')) FROM posts WHERE window = ? AND answer = 0"
        date: int | None = self._database.execute(query, (window,)).fetchone()[0]
        return date

    def answered(self, window: str) -> list[int]:
        """Return the ids of a window's questions that have answers, sorted."""
        query = (
            "SELECT question FROM posts WHERE window = ? AND answer = 0"
            " AND json_extract(item, '$.answer_count') > 0 ORDER BY question"
        )
        return [question for (question,) in self._database.execute(query, (window,))]

    def threads(self, window: str) -> Iterator[list[dict[str, Any]]]:
        """Yield each question of a window with its answers, the question first; by id."""
        query = "SELECT question, item FROM posts WHERE window = ? ORDER BY question, answer"
        for _, rows in groupby(self._database.execute(query, (window,)), key=itemgetter(0)):
            yield [json.loads(item) for _, item in rows]

    def backoffs(self) -> dict[str, float]:
        """Return until when each method must not be asked, in seconds since 1970."""
        return dict(self._database.execute("SELECT method, until FROM backoffs"))

    def set_backoff(self, method: str, until: float) -> None:
        """Keep until when a method must not be asked."""
        with self._transaction() as database:
            database.execute("INSERT OR REPLACE INTO backoffs VALUES (?, ?)", (method, until))
