"""What a crawl has found and fetched: one SQLite file beside the parts, which survives any way of being ended.

A repository's rows lie in a Parquet file of their own, which is renamed into place before the entry that names it is
committed. So an entry never names rows that are not there; rows without an entry are removed at the next start.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, Self

from algstack.errors import DatasetError, SourceError

FILE = "ledger.sqlite"
VERSION = 1

STATES = ("found", "pinned", "fetched", "excluded", "no commit", "gone", "blocked", "empty", "too large", "failed")
"""Every state. `found` and `pinned` are on their way; the others are ends, of which `failed` can be tried again."""

_TABLES = """
CREATE TABLE IF NOT EXISTS repositories (
    key TEXT PRIMARY KEY, name TEXT NOT NULL, state TEXT NOT NULL, detail TEXT,
    stars INTEGER, license TEXT, facts TEXT NOT NULL,
    revision TEXT, revised_at TEXT,
    tries INTEGER NOT NULL DEFAULT 0, error TEXT,
    part TEXT, part_bytes INTEGER, rows INTEGER, drops INTEGER, reading TEXT, fetched_at REAL,
    seen INTEGER NOT NULL DEFAULT 1
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_state ON repositories (state);
CREATE TABLE IF NOT EXISTS searches (
    search TEXT PRIMARY KEY, state TEXT NOT NULL, counted INTEGER, listed INTEGER
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS answers (url TEXT PRIMARY KEY, etag TEXT NOT NULL, body BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS notes (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""


class Revision(NamedTuple):
    """A commit and its date, in UTC."""

    name: str
    date: datetime


class Found(NamedTuple):
    """A repository as discovery sees it.

    `state` is `found`, `pinned` or an end; `detail` explains an end. `facts` are JSON values, for people.
    """

    key: str
    name: str
    stars: int | None
    license: str | None
    facts: Mapping[str, Any]
    state: str = "found"
    detail: str | None = None
    revision: Revision | None = None


@dataclass(frozen=True)
class Entry:
    """A repository's line in the ledger. `part` is relative to the ledger's folder; `reading` says how it was read."""

    key: str
    name: str
    state: str
    detail: str | None
    stars: int | None
    license: str | None
    facts: Mapping[str, Any]
    revision: str | None
    revised_at: datetime | None
    tries: int
    error: str | None
    part: str | None
    part_bytes: int | None
    rows: int | None
    drops: int | None
    reading: str | None


class Part(NamedTuple):
    """The rows of one repository, in place: file name relative to the ledger's folder, bytes, documents, drops."""

    name: str
    bytes: int
    rows: int
    drops: int


class Totals(NamedTuple):
    """How far a crawl has come. `a_minute` counts repositories fetched in the last ten minutes of work."""

    states: Mapping[str, int]
    documents: int
    drops: int
    a_minute: float | None


class Ledger:
    """The file. All methods may be called from any thread; each is one transaction.

    Args:
        folder: where it lies; made if it is not there.
        read_only: only look at it, while a crawl may be writing; it must be there.
    """

    def __init__(self, folder: Path, read_only: bool = False) -> None:
        self.folder = folder
        self._lock = threading.RLock()
        if not read_only:
            folder.mkdir(parents=True, exist_ok=True)
        with _explained(folder):
            address = f"{(folder / FILE).absolute().as_uri()}?mode={'ro' if read_only else 'rwc'}"
            self._database = sqlite3.connect(address, uri=True, check_same_thread=False, isolation_level=None)
            self._database.row_factory = sqlite3.Row
            if not read_only:
                self._prepare()

    def _prepare(self) -> None:
        self._database.execute("PRAGMA journal_mode = WAL")
        # With WAL, NORMAL can lose the last commits in a power cut, but never leave a part of one.
        self._database.execute("PRAGMA synchronous = NORMAL")
        self._database.executescript(_TABLES)
        self._check_version()

    def _check_version(self) -> None:
        found = self.note("version")
        if found is None:
            self.set_notes(version=VERSION)
        elif found != VERSION:
            raise DatasetError(
                f"{self.folder / FILE}: written by another version of algstack ({found}, not {VERSION}). "
                "Remove the folder to crawl again."
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._database.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock, _explained(self.folder):
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield self._database
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:  # a full disk ends it by itself
                    self._database.execute("ROLLBACK")
                raise

    def _rows(self, query: str, *values: object) -> list[sqlite3.Row]:
        with self._lock, _explained(self.folder):
            return self._database.execute(query, values).fetchall()

    # Notes: what is known of the crawl as a whole.

    def note(self, name: str) -> Any:
        """Return a note, or None."""
        rows = self._rows("SELECT value FROM notes WHERE name = ?", name)
        return json.loads(rows[0]["value"]) if rows else None

    def set_notes(self, **notes: object) -> None:
        """Keep notes; values are JSON values."""
        with self._transaction() as database:
            _set_notes(database, notes)

    # Discovery.

    def begin(self, wanted: str, searches: Iterable[str]) -> bool:
        """Begin the discovery that `wanted` names, unless it is done or under way; return whether there is work.

        A new discovery keeps what was fetched: a repository that has not moved is not fetched again.
        """
        if self.note("discovery") != wanted:
            with self._transaction() as database:
                database.execute("DELETE FROM searches")
                rows = [(search,) for search in searches]
                database.executemany("INSERT OR IGNORE INTO searches VALUES (?, 'open', NULL, NULL)", rows)
                # Whatever this discovery does not find again is no part of the dataset any more.
                database.execute("UPDATE repositories SET seen = 0")
                _set_notes(database, {"discovery": wanted, "discovered": False})
        return not self.note("discovered")

    def open_search(self) -> str | None:
        """Return a search that is not done yet."""
        rows = self._rows("SELECT search FROM searches WHERE state = 'open' ORDER BY search LIMIT 1")
        return rows[0]["search"] if rows else None

    def split(self, search: str, parts: Sequence[str], counted: int) -> None:
        """Replace a search by narrower ones."""
        with self._transaction() as database:
            database.execute("UPDATE searches SET state = 'split', counted = ? WHERE search = ?", (counted, search))
            rows = [(part,) for part in parts]
            database.executemany("INSERT OR IGNORE INTO searches VALUES (?, 'open', NULL, NULL)", rows)

    def finish(self, search: str, found: Sequence[Found], counted: int) -> None:
        """Note what a search found: its repositories and its end are one transaction."""
        with self._transaction() as database:
            for repository in found:
                _add(database, repository)
            database.execute(
                "UPDATE searches SET state = 'done', counted = ?, listed = ? WHERE search = ?",
                (counted, len(found), search),
            )

    def end_discovery(self) -> None:
        """Note that everything was found; forget repositories that are not there any more."""
        with self._transaction() as database:
            database.execute("DELETE FROM repositories WHERE NOT seen")
            _set_notes(database, {"discovered": True})

    def counted(self, query: str = "") -> tuple[int, int]:
        """Return (repositories counted, repositories listed) by the done searches that begin with a query."""
        begins = json.dumps([query])[:-2] if query else ""
        row = self._rows(
            "SELECT total(counted) AS c, total(listed) AS l FROM searches"
            " WHERE state = 'done' AND substr(search, 1, ?) = ?",
            len(begins),
            begins,
        )[0]
        return int(row["c"]), int(row["l"])

    def add(self, found: Sequence[Found]) -> None:
        """Note repositories that were named one by one."""
        with self._transaction() as database:
            for repository in found:
                _add(database, repository)

    # Repositories.

    def entries(self, *states: str) -> list[Entry]:
        """Return repositories in these states (all by default), in the order of their names."""
        marks = ", ".join("?" * len(states))
        where = f" WHERE state IN ({marks})" if states else ""
        return [_entry(row) for row in self._rows(f"SELECT * FROM repositories{where} ORDER BY name, key", *states)]  # noqa: S608

    def pin(self, key: str, revision: Revision) -> Entry:
        """Note the commit that a repository is read at, and return its entry: `fetched` if it was read there before."""
        with self._transaction() as database:
            row = database.execute("SELECT * FROM repositories WHERE key = ?", (key,)).fetchone()
            state = _pinned_state(row, row["name"], revision)
            database.execute(
                "UPDATE repositories SET state = ?, revision = ?, revised_at = ?, detail = NULL, error = NULL"
                " WHERE key = ?",
                (state, revision.name, revision.date.isoformat(), key),
            )
            return _entry(database.execute("SELECT * FROM repositories WHERE key = ?", (key,)).fetchone())

    def end(self, key: str, state: str, detail: str | None = None, reading: str | None = None) -> None:
        """Note that a repository will bring no rows, and why; `reading` if its archive was read to know it."""
        with self._transaction() as database:
            database.execute(
                "UPDATE repositories SET state = ?, detail = ?, reading = ?, error = NULL, part = NULL WHERE key = ?",
                (state, detail, reading, key),
            )

    def fail(self, key: str, error: str, last: bool) -> None:
        """Note a try that failed; `last` says that there will be no other by itself."""
        with self._transaction() as database:
            state = ", state = 'failed'" if last else ""
            database.execute(
                f"UPDATE repositories SET tries = tries + 1, error = ?, detail = ?{state} WHERE key = ?",  # noqa: S608
                (error, error, key),
            )

    def fetched(self, key: str, part: Part, reading: str) -> None:
        """Note that a repository's rows are in place."""
        with self._transaction() as database:
            database.execute(
                "UPDATE repositories SET state = 'fetched', detail = NULL, error = NULL, tries = tries + 1,"
                " part = ?, part_bytes = ?, rows = ?, drops = ?, reading = ?, fetched_at = ? WHERE key = ?",
                (*part, reading, time.time(), key),
            )

    def retry(self, *states: str) -> int:
        """Put repositories that ended in these states back on their way; return how many."""
        with self._transaction() as database:
            marks = ", ".join("?" * len(states))
            on_its_way = "iif(revision IS NULL, 'found', 'pinned')"
            cursor = database.execute(
                f"UPDATE repositories SET tries = 0, error = NULL, detail = NULL, state = {on_its_way}"  # noqa: S608
                f" WHERE state IN ({marks})",
                states,
            )
            return cursor.rowcount

    def settle(self, reading: str) -> None:
        """Bring ledger and rows together after whatever ended the last crawl.

        Entries whose rows are missing, or were read in another way than `reading`, are fetched again; rows without
        an entry are removed.
        """
        named = set()
        again = []
        for entry in self.entries():
            path = self.folder / entry.part if entry.part else None
            if entry.reading not in {None, reading} or (path and not _is_whole(path, entry)):
                again.append((entry.key,))
            elif path:
                named.add(path)
        with self._transaction() as database:
            database.executemany(
                "UPDATE repositories SET part = NULL, reading = NULL, detail = NULL,"
                " state = iif(state IN ('fetched', 'too large'), 'pinned', state) WHERE key = ?",
                again,
            )
        for path in self.folder.glob("repositories/*/*"):
            if path not in named:
                path.unlink()

    def totals(self) -> Totals:
        """Return how far the crawl has come."""
        states = {row["state"]: row["n"] for row in self._rows(_COUNT)}
        row = self._rows(_SUM)[0]
        return Totals(states, int(row["rows"]), int(row["drops"]), self._pace())

    def _pace(self) -> float | None:
        times = [row["fetched_at"] for row in self._rows(_TIMES)]
        recent = [moment for moment in times if moment > times[0] - 600]
        return 60 * (len(recent) - 1) / (recent[0] - recent[-1]) if len(recent) > 1 and recent[0] > recent[-1] else None

    # Answers with their ETags.

    def recall(self, url: str) -> tuple[str, bytes] | None:
        """Return (ETag, body) of an answer that was kept."""
        rows = self._rows("SELECT etag, body FROM answers WHERE url = ?", url)
        return (rows[0]["etag"], rows[0]["body"]) if rows else None

    def remember(self, url: str, etag: str, body: bytes) -> None:
        """Keep an answer."""
        with self._transaction() as database:
            database.execute("INSERT OR REPLACE INTO answers VALUES (?, ?, ?)", (url, etag, body))


_COUNT = "SELECT state, count(*) AS n FROM repositories GROUP BY state ORDER BY state"
_SUM = "SELECT total(rows) AS rows, total(drops) AS drops FROM repositories WHERE state = 'fetched'"
_TIMES = "SELECT fetched_at FROM repositories WHERE fetched_at IS NOT NULL ORDER BY fetched_at DESC LIMIT 5000"


def _set_notes(database: sqlite3.Connection, notes: Mapping[str, object]) -> None:
    rows = [(name, json.dumps(value)) for name, value in notes.items()]
    database.executemany("INSERT OR REPLACE INTO notes VALUES (?, ?)", rows)


def _add(database: sqlite3.Connection, found: Found) -> None:
    """Add a repository, or bring what is known of it up to date; what was found in this discovery stays as it is."""
    row = database.execute("SELECT * FROM repositories WHERE key = ?", (found.key,)).fetchone()
    if row is not None and row["seen"]:
        return
    known = {
        "key": found.key,
        "name": found.name,
        "state": found.state,
        "detail": found.detail,
        "stars": found.stars,
        "license": found.license,
        "facts": json.dumps(found.facts, sort_keys=True, ensure_ascii=False),
        "revision": found.revision.name if found.revision else None,
        "revised_at": found.revision.date.isoformat() if found.revision else None,
        "part": None,
        "part_bytes": None,
        "rows": None,
        "drops": None,
        "reading": None,
        "fetched_at": None,
    }
    if row is not None and found.state == "pinned":
        assert found.revision is not None
        known["state"] = _pinned_state(row, found.name, found.revision)
    if row is not None and known["state"] in {"fetched", "too large"}:
        known |= {name: row[name] for name in ("detail", *_OF_ROWS)}
    elif row is not None and found.state == "found" and row["name"] == found.name:
        # What was read stays until the pin tells whether it is still right.
        known |= {name: row[name] for name in ("revision", "revised_at", *_OF_ROWS)}
    database.execute(
        f"INSERT OR REPLACE INTO repositories ({', '.join(known)}) VALUES ({', '.join('?' * len(known))})",  # noqa: S608
        tuple(known.values()),
    )


_OF_ROWS = ("part", "part_bytes", "rows", "drops", "reading", "fetched_at")


def _pinned_state(row: sqlite3.Row, name: str, revision: Revision) -> str:
    """The state of a repository that is pinned now: what it was, if it was read at this commit under this name."""
    if row["revision"] != revision.name or row["name"] != name:
        return "pinned"
    if row["part"]:
        return "fetched"
    return "too large" if row["reading"] else "pinned"


def _is_whole(path: Path, entry: Entry) -> bool:
    return path.is_file() and path.stat().st_size == entry.part_bytes


def _entry(row: sqlite3.Row) -> Entry:
    known = {key: row[key] for key in Entry.__dataclass_fields__}
    return Entry(**known | {"facts": json.loads(row["facts"]), "revised_at": _moment(row["revised_at"])})


def _moment(text: str | None) -> Any:
    return datetime.fromisoformat(text).astimezone(UTC) if text else None


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    """Turn SQLite's errors about the disk into ones that say what to do."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if "full" in str(error) or "disk I/O" in str(error):
            raise DatasetError(
                f"{folder}: no room left on the disk. Free some, then run the same command again: "
                "what was done is kept."
            ) from error
        if "locked" in str(error):
            raise SourceError(
                f"{folder / FILE}: another crawl of this source is running. Wait for it to end."
            ) from error
        raise
    except sqlite3.DatabaseError as error:
        raise DatasetError(f"{folder / FILE}: the ledger is damaged ({error}). Remove it to crawl again.") from error
