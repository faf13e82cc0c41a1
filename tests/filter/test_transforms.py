"""Transforms: line ends, and texts that need nothing."""

from __future__ import annotations

import polars as pl

from algstack.filter.transforms import TRANSFORMS, line_ends


def test_line_ends() -> None:
    texts, failures = line_ends(pl.Series(["a\r\nb\rc\n", "\ufeffx", "plain", "", "\r"]))
    assert texts.to_list() == ["a\nb\nc\n", "x", "plain", "", "\n"]
    assert failures.null_count() == 5


def test_nothing_to_do_copies_nothing() -> None:
    texts = pl.Series(["a", "b"])
    assert line_ends(texts)[0] is texts


def test_every_transform_that_can_fail_says_why() -> None:
    assert all(bool(transform.rule) == bool(transform.reason) for transform in TRANSFORMS.values())
