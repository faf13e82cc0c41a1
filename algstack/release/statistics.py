"""What a release holds, counted from its written shards."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from algstack.dataset import Record

UNKNOWN = "unknown"
"""How a missing licence is shown."""


class SplitStatistics(Record):
    """One language's split. `bytes` are UTF-8 bytes of text; `table_bytes` all columns, uncompressed."""

    lang: str
    split: str
    documents: int
    bytes: int
    tokens: int
    repos: int
    shards: int
    table_bytes: int
    file_bytes: int


class Group(Record):
    """Documents with one value of a column."""

    value: str
    documents: int
    bytes: int
    tokens: int
    repos: int


class Statistics(Record):
    """All of a release. `languages`, `sources` and `licenses` are ordered by bytes, largest first."""

    splits: tuple[SplitStatistics, ...]
    languages: tuple[Group, ...]
    sources: tuple[Group, ...]
    licenses: tuple[Group, ...]
    total: Group


def shard_paths(release: Path) -> list[Path]:
    """All shards of a release, sorted by their names."""
    return sorted(release.glob("data/*/*.parquet"))


def measure(release: Path) -> Statistics:
    """Count a release again from its shards; only narrow columns are read."""
    paths = shard_paths(release)
    rows = _narrow(paths)
    return Statistics(
        splits=tuple(_splits(rows, paths, release)),
        languages=_groups(rows, "lang"),
        sources=_groups(rows, "source"),
        licenses=_groups(rows, "license"),
        total=Group(value="all", **_sums(rows)),
    )


def _narrow(paths: Sequence[Path]) -> pl.DataFrame:
    """One row per (lang, split, source, license, repo) with its documents, bytes and tokens."""
    keys = ["lang", "split", "source", "license", "repo"]
    frames = [_narrow_shard(path, keys) for path in paths]
    if not frames:
        return pl.DataFrame(
            schema=dict.fromkeys(keys, pl.String) | dict.fromkeys(["documents", "bytes", "tokens"], pl.Int64)
        )
    return pl.concat(frames).group_by(keys).agg(pl.col("documents", "bytes", "tokens").sum())


def _narrow_shard(path: Path, keys: list[str]) -> pl.DataFrame:
    return (
        pl.scan_parquet(path, glob=False)
        .with_columns(pl.lit(split_of_file(path)).alias("split"))
        .group_by(keys)
        .agg(
            pl.len().cast(pl.Int64).alias("documents"),
            pl.col("size").sum().alias("bytes"),
            pl.col("tokens").sum(),
        )
        .collect()
    )


def split_of_file(path: Path) -> str:
    """Return the split that a shard's name says: `train-00000-of-00003.parquet` is of `train`."""
    return path.name.rsplit("-", 3)[0]


def _sums(rows: pl.DataFrame) -> dict[str, int]:
    sums = {name: int(rows[name].sum()) for name in ("documents", "bytes", "tokens")}
    return sums | {"repos": rows["repo"].drop_nulls().n_unique()}


def _groups(rows: pl.DataFrame, column: str) -> tuple[Group, ...]:
    table = (
        rows.with_columns(pl.col(column).fill_null(UNKNOWN))
        .group_by(column)
        .agg(pl.col("documents", "bytes", "tokens").sum(), pl.col("repo").drop_nulls().n_unique().cast(pl.Int64))
        .sort(["bytes", column], descending=[True, False])
    )
    return tuple(
        Group(value=value, documents=documents, bytes=size, tokens=tokens, repos=repos)
        for value, documents, size, tokens, repos in table.iter_rows()
    )


def _splits(rows: pl.DataFrame, paths: Iterable[Path], release: Path) -> Iterable[SplitStatistics]:
    files: dict[tuple[str, str], list[Path]] = {}
    for path in paths:
        files.setdefault((path.parent.name, split_of_file(path)), []).append(path)
    for (lang, split), of_split in sorted(files.items()):
        inside = rows.filter((pl.col("lang") == lang) & (pl.col("split") == split))
        yield SplitStatistics(
            lang=lang,
            split=split,
            **_sums(inside),
            shards=len(of_split),
            table_bytes=sum(_uncompressed(path) for path in of_split),
            file_bytes=sum(path.stat().st_size for path in of_split),
        )


def _uncompressed(path: Path) -> int:
    metadata = pq.read_metadata(path)
    return sum(
        metadata.row_group(group).column(column).total_uncompressed_size
        for group in range(metadata.num_row_groups)
        for column in range(metadata.num_columns)
    )
