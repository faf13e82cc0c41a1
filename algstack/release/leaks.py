"""Documents that would make a split leak: alike to a document of another split.

Near-duplicates that were both kept (each is alike to a third that was dropped) can be of repositories in two splits.
Moving a repository would move documents between versions, so the documents of the larger split are dropped instead:
what models are tested on stays the same, and is in no other split.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from algstack import dataset
from algstack.documents import DECISIONS
from algstack.manifest import LicensePolicy
from algstack.release.policy import within
from algstack.release.splits import UNIT_COLUMNS, Shares, assign
from algstack.workspace import KeptDocuments, Workspace, as_frame

RULE = "split-leak"
REASON = "a document like it is in another split, and no cluster of near-duplicates may be in two"

NAME = "clusters.parquet"
"""In a release: which of its documents are alike, directly or by way of others."""

Leak = tuple[str, str]
"""(id, id of the document like it that stays)."""

Refusal = tuple[str, str, str, str | None]
"""(id, rule, reason, keeper) of a document that the release itself drops."""


def clusters_of(workspace: Workspace) -> Path | None:
    """Return the table of clusters (`id`, `component`) that the deduplication left, if there is one."""
    return workspace.clusters if workspace.clusters.is_file() else None


def find(
    clusters: Path | None, kept: Sequence[KeptDocuments], shares: Shares, policy: LicensePolicy
) -> dict[str, tuple[Leak, ...]]:
    """Return the leaking documents of each document part, by its key.

    Args:
        clusters: the deduplication's table.
        kept: what every stage kept.
        shares: of the splits.
        policy: what it does not take leaks nothing.
    """
    if clusters is None:
        return {}
    table = pl.read_parquet(clusters, columns=["id", "component"], glob=False)
    members = []
    for part in kept:
        for frame in part.frames((*UNIT_COLUMNS, "license")):
            rows = frame.filter(within(frame, policy)).join(table, on="id")
            members.append(rows.with_columns(key=pl.lit(part.key), split=assign(rows, shares)))
    if not members:
        return {}
    leaks: dict[str, list[Leak]] = {}
    for key, name, stays in leaking(pl.concat(members), shares).select("key", "id", "stays").iter_rows():
        leaks.setdefault(key, []).append((name, stays))
    return {key: tuple(sorted(found)) for key, found in leaks.items()}


def leaking(members: pl.DataFrame, shares: Shares) -> pl.DataFrame:
    """Return the rows to drop, with `stays`: in each component all but the split of the smallest share.

    Args:
        members: `id`, `component`, `split`.
        shares: of the splits; of two with one share, the later one stays.
    """
    order = {split: (share, -number) for number, (split, share) in enumerate(shares)}
    ranks = {split: rank for rank, split in enumerate(sorted(order, key=lambda split: order[split]))}
    ranked = members.with_columns(rank=pl.col("split").replace_strict(ranks, return_dtype=pl.Int64))
    wins = pl.col("rank").min().over("component")
    stays = pl.col("id").filter(pl.col("rank") == pl.col("rank").min()).min().over("component")
    return ranked.with_columns(stays=stays).filter(pl.col("rank") > wins)


def decisions(refusals: Sequence[Refusal], langs: pl.DataFrame) -> pl.DataFrame:
    """Return refusals as decisions of the release; `langs` says the language of each `id`."""
    names = ["id", "rule", "reason", "keeper"]
    rows = pl.DataFrame(refusals, schema=dict.fromkeys(names, pl.String), orient="row")
    said = rows.join(langs.select("id", "lang"), on="id", how="left").with_columns(
        stage=pl.lit("release"),
        keep=pl.lit(False),
    )
    empty = as_frame(DECISIONS.empty_table())
    return pl.concat([empty, said], how="diagonal_relaxed").select(empty.columns)


def write(release: Path, shards: Sequence[Path], clusters: Path | None) -> None:
    """Write `clusters.parquet`: `id` and `cluster` of the documents that are in one cluster with another."""
    if clusters is None:
        return
    table = pl.read_parquet(clusters, columns=["id", "component"], glob=False)
    found = [pl.read_parquet(path, columns=["id"], glob=False).join(table, on="id") for path in shards]
    rows = pl.concat(found).rename({"component": "cluster"}).filter(pl.len().over("cluster") > 1)
    with dataset.written_atomically(release / NAME) as temporary:
        rows.sort("cluster", "id").write_parquet(temporary, compression="zstd")
