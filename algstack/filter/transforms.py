"""Transforms: what is done to a text before its rules look at it. The SWHID stays that of the original bytes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from algstack.filter import notebook
from algstack.filter.line_ends import with_plain_line_ends
from algstack.filter.pictures import without_pictures
from algstack.texts import replaced

Transformed = tuple[pl.Series, pl.Series]
"""The new texts (unchanged where nothing was to do), and why a text could not be transformed (null where it could)."""


@dataclass(frozen=True)
class Transform:
    """A function over the texts of a batch; `rule` and `reason` are those of a text that it cannot read."""

    doc: str
    apply: Callable[[pl.Series], Transformed]
    rule: str
    reason: str


def line_ends(texts: pl.Series) -> Transformed:
    """Write every line end as `\\n` and leave out a byte order mark."""
    touched = (texts.str.contains("\r", literal=True) | texts.str.starts_with("\ufeff")).arg_true()
    return replaced(texts, touched, with_plain_line_ends(texts.gather(touched))), _no_failures(texts)


def _no_failures(texts: pl.Series) -> pl.Series:
    return pl.Series("failed", [None] * len(texts), pl.String)


def notebooks(texts: pl.Series) -> Transformed:
    """Convert notebooks to Markdown."""
    made, failures = notebook.converted(without_pictures(texts), notebook.to_markdown)
    return made.zip_with(failures.is_null(), texts), failures


def published_notebooks(texts: pl.Series) -> Transformed:
    """Convert notebooks to Markdown as AlgebraicStack did."""
    return notebook.converted(texts, notebook.to_markdown_as_published)


_BROKEN = "It cannot be read as a notebook."

TRANSFORMS = {
    "line-ends": Transform("Line ends become `\\n`, a byte order mark goes.", line_ends, "", ""),
    "notebook": Transform("A notebook becomes Markdown.", notebooks, "unreadable", _BROKEN),
    "notebook-as-published": Transform(
        "A notebook becomes Markdown as in AlgebraicStack.", published_notebooks, "unconvertible", _BROKEN
    ),
}
