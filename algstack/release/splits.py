"""Which split a document belongs to: a hash of its unit's name decides, so that adding documents moves none.

A unit is what must not be in two splits: a repository. A site of questions and answers is one repository too, but its
questions have nothing in common, and a whole site in one split would be no split: there a question is a unit, together
with those that it was closed as a duplicate of.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache

import polars as pl

Shares = tuple[tuple[str, float], ...]
"""(split, share) in the manifest's order; the shares add up to 1."""


def split_of(unit: str, shares: Shares) -> str:
    """Return the split of a unit.

    Names are compared in lower case: hosts take `Owner/Repo` and `owner/repo` for the same.
    """
    digest = hashlib.sha256(f"split:{unit.lower()}".encode()).digest()
    point = int.from_bytes(digest[:8], "big") / 2**64
    reached = 0.0
    for split, share in shares:
        reached += share
        if point < reached:
            return split
    return last_used(shares)


def last_used(shares: Shares) -> str:
    """Return the last split with a share: rounding must not put a document in an empty one."""
    return [split for split, share in shares if share > 0][-1]


UNIT_COLUMNS = ("id", "repo", "meta")
"""The columns that say what a document's unit is."""


def unit() -> pl.Expr:
    """The name of a document's unit.

    It is the repository; of a question, the site and the smallest of the ids of the question and of those that it
    duplicates; of a document without a repository, its own id.
    """
    is_post = pl.col("id").str.starts_with("stackexchange:")
    own = pl.col("id").str.extract(r"/q/(\d+)$").cast(pl.Int64)
    linked = pl.when(is_post).then("meta").str.json_path_match("$.duplicates").str.extract_all(r"\d+")
    question = pl.min_horizontal(own, linked.cast(pl.List(pl.Int64)).list.min())
    thread = pl.format("{}/q/{}", "repo", question)
    return pl.when(is_post).then(pl.coalesce(thread, "id")).otherwise(pl.coalesce("repo", "id")).alias("unit")


def assign(documents: pl.DataFrame, shares: Shares) -> pl.Series:
    """Return the column `split` of a frame with the columns UNIT_COLUMNS."""
    units = documents.select(unit()).to_series()
    return pl.Series("split", _splits_of(units.to_list(), shares), dtype=pl.String)


def _splits_of(units: Sequence[str], shares: Shares) -> list[str]:
    return [_cached_split_of(unit, shares) for unit in units]


_cached_split_of = lru_cache(maxsize=65_536)(split_of)
