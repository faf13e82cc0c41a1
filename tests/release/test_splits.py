"""Splits: stable, by repository, of the wanted sizes."""

from __future__ import annotations

import polars as pl
import pytest

from algstack.release.splits import assign, split_of

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


def test_a_document_without_a_repository_goes_by_its_id() -> None:
    frame = pl.DataFrame({"id": ["a", "b"], "repo": [None, "r"]})
    assert assign(frame, SHARES).to_list() == [split_of("a", SHARES), split_of("r", SHARES)]
