"""Texts as kernels read them, and what is put together of them without a copy."""

from __future__ import annotations

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from algstack.texts import as_texts, places, replaced

TEXTS = st.lists(st.none() | st.text(max_size=8) | st.text(min_size=10, max_size=40), max_size=12)


@given(texts=TEXTS, others=st.lists(st.text(max_size=30), max_size=12), data=st.data())
@settings(deadline=None)
def test_replaced(texts: list[str | None], others: list[str], data: st.DataObject) -> None:
    others = others[: len(texts)]
    rows = data.draw(st.permutations(range(len(texts))))[: len(others)]
    found = replaced(
        pl.Series("x", texts, pl.String), pl.Series(rows, dtype=pl.Int64), pl.Series(others, dtype=pl.String)
    )
    expected = list(texts)
    for row, other in zip(rows, others, strict=True):
        expected[row] = other
    assert found.to_list() == expected
    assert found.name == "x"
    assert found.filter(found.is_not_null()).to_list() == [text for text in expected if text is not None]


@given(texts=TEXTS)
@settings(deadline=None)
def test_places_are_those_of_the_texts(texts: list[str | None]) -> None:
    series = pl.Series(texts, dtype=pl.String)
    lengths = [len((text or "").encode()) for text in texts]
    assert places(series).lengths.tolist() == lengths
    assert as_texts(series).data.tobytes()[: sum(lengths)].decode() == "".join(text or "" for text in texts)
