"""Digits, characters and lines, against plain Python."""

from __future__ import annotations

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from algstack.filter import measure

SPACES = " \t\n\x0b\x0c\r\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2000\u200a\u2028\u2029\u202f\u205f\u3000"
NO_SPACES = "0123456789aé\x84\u1681\u200b\u2030\u2050\u3001∀→𝔸"
TEXTS = st.lists(st.text(max_size=50) | st.text(SPACES + NO_SPACES, max_size=200), max_size=8)


@given(texts=TEXTS)
@settings(deadline=None)
def test_densities_count_as_str_split_does(texts: list[str]) -> None:
    found = measure.densities(pl.Series("text", texts, pl.String))
    assert found["characters"].to_list() == [len("".join(text.split())) for text in texts]
    assert found["digits"].to_list() == [sum(char in "0123456789" for char in text) for text in texts]


def test_slices_and_nulls() -> None:
    assert measure.densities(pl.Series(["ab 1", None, "22", "x"]).slice(1, 2)).rows() == [(0, 0), (2, 2)]


@given(texts=st.lists(st.text("a\n", max_size=200), min_size=1, max_size=6), length=st.integers(1, 20))
def test_long_lines_are_long_on_average(texts: list[str], length: int) -> None:
    expected = [len(text) / (text.count("\n") + 1) > length for text in texts]
    assert measure.has_long_lines(pl.Series(texts), length).to_list() == expected
