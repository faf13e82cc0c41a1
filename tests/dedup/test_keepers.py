from datetime import UTC, datetime

import polars as pl
import pytest

from algstack.dedup.keepers import DROPS, EXACT, NEAR, REASONS, SAME_BODY, in_keeper_order
from algstack.errors import AlgstackError


def _documents(**columns: list[object]) -> pl.DataFrame:
    rows = len(next(iter(columns.values())))
    return pl.DataFrame({"id": [chr(ord("a") + row) for row in range(rows)], **columns})


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        pytest.param({"license": ["GPL-3.0-only", None, "MIT"]}, "cab", id="permissive-first"),
        pytest.param({"stars": [1, None, 5]}, "cab", id="more-stars-first"),
        pytest.param(
            {"created_at": [datetime(2021, 1, 1, tzinfo=UTC), None, datetime(2020, 1, 1, tzinfo=UTC)]},
            "cab",
            id="earlier-first",
        ),
        pytest.param({"license": [None, "MIT", "MIT"], "stars": [9, 1, 2]}, "cba", id="licence-before-stars"),
        pytest.param({"license": [None, None, None]}, "abc", id="id-last"),
    ],
)
def test_in_keeper_order(columns: dict[str, list[object]], expected: str) -> None:
    assert "".join(in_keeper_order(_documents(**columns))["id"]) == expected


def test_another_order() -> None:
    documents = _documents(license=["GPL-3.0-only", "MIT"], stars=[2, 1])
    assert list(in_keeper_order(documents, ["stars", "license"])["id"]) == ["a", "b"]
    with pytest.raises(AlgstackError, match="no keeper criterion `size`"):
        in_keeper_order(documents, ["size"])  # type: ignore[list-item]


def test_repeated_ids_are_an_error_that_names_one() -> None:
    with pytest.raises(AlgstackError, match="The id x stands more than once"):
        in_keeper_order(pl.DataFrame({"id": ["x", "y", "x"]}))


def test_every_rule_has_a_reason() -> None:
    assert set(REASONS) == {EXACT, SAME_BODY, NEAR}
    assert DROPS.names == ["id", "rule", "keeper", "similarity"]
