from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest

from algstack.crawl.ledger import FILE, Found, Ledger, Part, Revision
from algstack.errors import DatasetError

DATE = datetime(2021, 1, 2, 3, 4, 5, tzinfo=UTC)
A, B = Revision("a" * 40, DATE), Revision("b" * 40, DATE)
PART = Part("repositories/00/1.parquet", 4, 2, 1)


def found(key: str = "1", name: str = "o/r", **known: object) -> Found:
    values = {"stars": 3, "license": "MIT", "facts": {"url": "u"}, "state": "pinned", "revision": A, **known}
    return Found(key, name, **values)  # type: ignore[arg-type]


def put(ledger: Ledger, part: Part = PART) -> None:
    path = ledger.folder / part.name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"rows")


def fetched(folder: Path) -> Ledger:
    """A ledger whose discovery is over and whose only repository is fetched."""
    ledger = Ledger(folder)
    ledger.begin("first", ["s"])
    ledger.finish("s", [found()], 1)
    ledger.end_discovery()
    put(ledger)
    ledger.fetched("1", PART, "reading")
    return ledger


def state(ledger: Ledger) -> dict[str, str]:
    return {entry.key: entry.state for entry in ledger.entries()}


def test_discovery_is_resumed_where_it_was(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        assert ledger.begin("wanted", ["a", "b"])
        ledger.split("a", ["a1", "a2"], 1500)
        ledger.finish("a1", [found("1")], 1)
    with Ledger(tmp_path) as ledger:
        assert ledger.begin("wanted", ["a", "b"])
        assert ledger.open_search() == "a2"
        ledger.finish("a2", [found("1"), found("2", "o/s")], 2)
        ledger.finish("b", [], 0)
        assert ledger.open_search() is None
        ledger.end_discovery()
        assert not ledger.begin("wanted", ["a", "b"])
        assert state(ledger) == {"1": "pinned", "2": "pinned"}
        assert ledger.counted() == (3, 3)


@pytest.mark.parametrize(
    ("again", "expected"),
    [
        (found(), "fetched"),
        (found(stars=9), "fetched"),
        (found(revision=B), "pinned"),
        (found(name="o/renamed"), "pinned"),
        (found(state="excluded", revision=None), "excluded"),
        (found(state="found", revision=None), "found"),
        (None, None),
    ],
    ids=["nothing new", "more stars", "moved", "renamed", "excluded now", "not pinned yet", "not there any more"],
)
def test_a_later_discovery_fetches_only_what_moved(tmp_path: Path, again: Found | None, expected: str | None) -> None:
    with fetched(tmp_path) as ledger:
        ledger.begin("second", ["s"])
        ledger.finish("s", [again] if again else [], 1)
        ledger.end_discovery()
        assert state(ledger).get("1") == expected
        if expected == "fetched":
            assert again is not None
            assert ledger.entries()[0].stars == again.stars
            assert ledger.entries()[0].part == PART.name


@pytest.mark.parametrize(("revision", "expected"), [(A, "fetched"), (B, "pinned")])
def test_a_pin_that_comes_later_tells_whether_rows_still_hold(
    tmp_path: Path, revision: Revision, expected: str
) -> None:
    with fetched(tmp_path) as ledger:
        ledger.begin("second", ["s"])
        ledger.finish("s", [found(state="found", revision=None)], 1)
        ledger.end_discovery()
        assert ledger.pin("1", revision).state == expected


def test_what_is_too_large_stays_so_at_the_same_commit(tmp_path: Path) -> None:
    with fetched(tmp_path) as ledger:
        ledger.end("1", "too large", "2 members", "reading")
        for wanted, revision, expected in (("second", A, "too large"), ("third", B, "pinned")):
            ledger.begin(wanted, ["s"])
            ledger.finish("s", [found(revision=revision)], 1)
            ledger.end_discovery()
            assert state(ledger) == {"1": expected}


@pytest.mark.parametrize(
    ("damage", "reading", "expected"),
    [
        (lambda path: None, "reading", "fetched"),
        (lambda path: path.unlink(), "reading", "pinned"),
        (lambda path: path.write_bytes(b"row"), "reading", "pinned"),
        (lambda path: None, "another", "pinned"),
    ],
    ids=["whole", "missing", "cut", "other filters"],
)
def test_settle_brings_entries_and_rows_together(tmp_path: Path, damage: object, reading: str, expected: str) -> None:
    with fetched(tmp_path) as ledger:
        stray = Part("repositories/00/2.parquet", 4, 1, 0)
        put(ledger, stray)
        damage(tmp_path / PART.name)  # type: ignore[operator]
        ledger.settle(reading)
        assert state(ledger) == {"1": expected}
        assert not (tmp_path / stray.name).exists()
        assert (tmp_path / PART.name).exists() == (expected == "fetched")


def test_tries_failures_and_another_chance(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        ledger.add([found("1"), found("2", "o/s", state="found", revision=None)])
        for key in ("1", "2"):
            ledger.fail(key, "HTTP 500", last=False)
            ledger.fail(key, "HTTP 502", last=True)
        assert [(e.state, e.tries, e.error) for e in ledger.entries()] == [("failed", 2, "HTTP 502")] * 2
        assert ledger.retry("failed") == 2
        assert [(e.state, e.tries, e.error) for e in ledger.entries()] == [("pinned", 0, None), ("found", 0, None)]


def test_totals(tmp_path: Path) -> None:
    with fetched(tmp_path) as ledger:
        ledger.add([found("2", "o/s"), found("3", "o/t", state="gone", revision=None)])
        totals = ledger.totals()
        assert totals.states == {"fetched": 1, "gone": 1, "pinned": 1}
        assert (totals.documents, totals.drops) == (2, 1)


def test_answers_are_remembered_by_their_address(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        assert ledger.recall("u") is None
        ledger.remember("u", '"1"', b"one")
        ledger.remember("u", '"2"', b"two")
        assert ledger.recall("u") == ('"2"', b"two")


def test_a_ledger_that_is_no_ledger(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("not a database, but long enough to be one" * 100)
    with pytest.raises(DatasetError, match="damaged"):
        Ledger(tmp_path)


def test_a_ledger_of_another_version(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        ledger.set_notes(version=99)
    with pytest.raises(DatasetError, match="another version"):
        Ledger(tmp_path)


def test_a_full_disk_is_said_and_loses_nothing(tmp_path: Path) -> None:
    with fetched(tmp_path) as ledger:
        pages = sqlite3.connect(tmp_path / FILE).execute("PRAGMA page_count").fetchone()[0]
        ledger._database.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(DatasetError, match="no room left"):
            ledger.add([found(str(number), "o/" + "r" * 500) for number in range(2, 1000)])
    with Ledger(tmp_path) as ledger:
        assert state(ledger) == {"1": "fetched"}
