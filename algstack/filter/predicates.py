"""Named predicates: reasons to drop a document that no pattern can say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from algstack.filter import natural


@dataclass(frozen=True)
class Predicate:
    """`dropped` and `seen` take the name of the column to look at and return expressions over the batch."""

    doc: str
    dropped: Callable[[str], pl.Expr]
    seen: Callable[[str], pl.Expr]


JULIA_LARGE = 100_000
JULIA_TESTS = 0.1


def _julia_tests(column: str) -> pl.Expr:
    lines = pl.col(column).str.count_matches("\n", literal=True) + 1
    return pl.col(column).str.count_matches("@test", literal=True) / lines


def _is_large_julia(column: str) -> pl.Expr:
    few_tests = _julia_tests(column) < JULIA_TESTS
    digits = pl.col("digits") / pl.max_horizontal("characters", 1)
    return (pl.col("bytes") >= JULIA_LARGE) & (few_tests | (digits > 0.5))


LONG_LINE = 1_000
LONG_LINES_FROM = 5_000


def _line_length(column: str) -> pl.Expr:
    return pl.col("bytes") / (pl.col(column).str.count_matches("\n", literal=True) + 1)


def _has_long_lines(column: str) -> pl.Expr:
    return (pl.col("bytes") >= LONG_LINES_FROM) & (_line_length(column) > LONG_LINE)


def _language(column: str) -> pl.Expr:
    return pl.col(column).map_batches(natural.identify, return_dtype=pl.String)


PREDICATES = {
    "large-without-tests": Predicate(
        f"At least {JULIA_LARGE:,} bytes, and fewer than {JULIA_TESTS:g} `@test` a line or more than half digits.",
        _is_large_julia,
        lambda column: pl.format("{} bytes, {} @test a line", "bytes", _julia_tests(column).round(3)),
    ),
    "long-lines": Predicate(
        f"At least {LONG_LINES_FROM:,} bytes, in lines of more than {LONG_LINE:,} bytes on average.",
        _has_long_lines,
        lambda column: pl.format("{} bytes a line", _line_length(column).round(0).cast(pl.Int64)),
    ),
    "not-english": Predicate(
        "langid.py identifies another natural language than English.",
        lambda column: _language(column) != "en",
        lambda column: pl.format("identified as `{}`", _language(column)),
    ),
}
