"""Splits: stable, by repository, of the wanted sizes."""

from __future__ import annotations

import polars as pl
import pytest

from algstack.release.splits import UNIT_COLUMNS, assign, split_of, unit

SHARES = (("train", 0.98), ("validation", 0.01), ("test", 0.01))


def test_sizes_are_those_that_were_asked_for() -> None:
    splits = [split_of(f"owner/repo-{number}", SHARES) for number in range(20_000)]
    assert splits.count("train") / 20_000 == pytest.approx(0.98, abs=0.005)
    assert splits.count("test") / 20_000 == pytest.approx(0.01, abs=0.003)


def test_assignment_never_changes() -> None:
    """Recorded once: another answer would move documents between the splits of two versions."""
    found = {name: split_of(name, SHARES) for name in ("leanprover-community/mathlib4", "numpy", "owner/repo-34")}
    assert found == {"leanprover-community/mathlib4": "train", "numpy": "train", "owner/repo-34": "validation"}


def test_letter_case_does_not_split_a_repository() -> None:
    assert {split_of(name, SHARES) for name in ("Owner/Repo-34", "owner/repo-34")} == {
        split_of("OWNER/repo-34", SHARES)
    }


def test_a_split_without_a_share_gets_nothing() -> None:
    shares = (("train", 0.7), ("test", 0.3 - 1e-12), ("extra", 0.0))
    assert {split_of(str(number), shares) for number in range(500)} == {"train", "test"}


UNITS = {
    "a file": ("github:o/r@1:a.lean", "o/r", None, "o/r"),
    "a file of no repository": ("folder:a", None, None, "folder:a"),
    "a file of an odd name": ("github:o/r@1:/q/5", "o/r", '{"duplicates": [1]}', "o/r"),
    "a question": ("stackexchange:a.com/q/12", "a.com", '{"id": 12, "tags": ["[1]"]}', "a.com/q/12"),
    "a duplicate": ("stackexchange:a.com/q/12", "a.com", '{"tags": [], "duplicates": [100, 7]}', "a.com/q/7"),
    "a duplicate of a later one": ("stackexchange:a.com/q/12", "a.com", '{"duplicates": [13]}', "a.com/q/12"),
    "a question without meta": ("stackexchange:a.com/q/12", "a.com", None, "a.com/q/12"),
    "a tag's description": ("stackexchange:a.com/p/3", "a.com", "{}", "stackexchange:a.com/p/3"),
}


@pytest.mark.parametrize(("name", "repo", "meta", "wanted"), UNITS.values(), ids=UNITS)
def test_unit(name: str, repo: str | None, meta: str | None, wanted: str) -> None:
    frame = pl.DataFrame({"id": [name], "repo": [repo], "meta": [meta]}, schema=dict.fromkeys(UNIT_COLUMNS, pl.String))
    assert frame.select(unit()).item() == wanted


def test_a_document_without_a_repository_goes_by_its_id() -> None:
    frame = pl.DataFrame({"id": ["a", "b"], "repo": [None, "r"], "meta": [None, "{}"]})
    assert assign(frame, SHARES).to_list() == [split_of("a", SHARES), split_of("r", SHARES)]
