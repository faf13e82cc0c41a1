"""Which split a document belongs to: a hash of its repository's name decides, so that adding documents moves none."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache

import polars as pl

Shares = tuple[tuple[str, float], ...]
"""(split, share) in the manifest's order; the shares add up to 1."""


def split_of(unit: str, shares: Shares) -> str:
    """Return the split of a unit, the name of a repository or the id of a document without one.

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


def assign(documents: pl.DataFrame, shares: Shares) -> pl.Series:
    """Return the column `split` of a frame with `repo` and `id`."""
    units = documents.select(pl.coalesce("repo", "id")).to_series()
    return pl.Series("split", _splits_of(units.to_list(), shares), dtype=pl.String)


def _splits_of(units: Sequence[str], shares: Shares) -> list[str]:
    return [_cached_split_of(unit, shares) for unit in units]


_cached_split_of = lru_cache(maxsize=65_536)(split_of)
