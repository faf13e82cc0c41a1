"""What a release holds, counted from its written files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from algstack.dataset import Record
from algstack.release.dropped import DROPPED

UNKNOWN = "unknown"
"""How a missing licence is shown."""

_KEYS = ["lang", "source", "license", "repo", "year", "length"]
_SUMS = ["documents", "bytes", "tokens"]


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


class Drops(Record):
    """Documents that one rule of one stage dropped. `lang` is null where no filter had the file's extension."""

    stage: str
    rule: str
    reason: str
    lang: str | None
    documents: int
    bytes: int


class Bin(Record):
    """One bar of a histogram. `start` is a year, a power of two of bytes, or a percentage of similarity."""

    start: int
    documents: int
    tokens: int = 0


class Statistics(Record):
    """All of a release. `languages`, `sources` and `licenses` are ordered by bytes, largest first.

    `years` counts documents by the year of their revision, where it is known; `lengths` by the power of two below
    their bytes; `similarities` counts near-duplicates that were dropped, by the percentage of likeness to their keeper.
    """

    splits: tuple[SplitStatistics, ...]
    languages: tuple[Group, ...]
    sources: tuple[Group, ...]
    licenses: tuple[Group, ...]
    years: tuple[Bin, ...]
    lengths: tuple[Bin, ...]
    dropped: tuple[Drops, ...]
    similarities: tuple[Bin, ...]
    total: Group


NOTHING = Statistics(
    **dict.fromkeys(("splits", "languages", "sources", "licenses", "years", "lengths", "dropped", "similarities"), ()),
    total=Group(value="all", documents=0, bytes=0, tokens=0, repos=0),
)
"""Of a release without documents."""


def shard_paths(release: Path) -> list[Path]:
    """All shards of a release, sorted by their names."""
    return sorted(release.glob("data/*/*.parquet"))


def dropped_paths(release: Path) -> list[Path]:
    """The files that say what is not in a release."""
    return sorted(release.glob("dropped/*.parquet"))


def measure(release: Path) -> Statistics:
    """Count a release again from its files; only narrow columns are read."""
    paths = shard_paths(release)
    rows = _narrow(paths)
    return Statistics(
        splits=tuple(_splits(rows, paths, release)),
        languages=_groups(rows, "lang"),
        sources=_groups(rows, "source"),
        licenses=_groups(rows, "license"),
        years=_bins(rows, "year"),
        lengths=_bins(rows, "length"),
        dropped=_dropped(release),
        similarities=_similarities(release),
        total=Group(value="all", **_sums(rows)),
    )


def _narrow(paths: Sequence[Path]) -> pl.DataFrame:
    """Counts per shard's split and all of _KEYS: few rows, however many documents there are."""
    frames = [_narrow_shard(path) for path in paths]
    if not frames:
        text = dict.fromkeys(["split", "lang", "source", "license", "repo"], pl.String())
        return pl.DataFrame(schema=text | dict.fromkeys(["year", "length", *_SUMS], pl.Int64()))
    return pl.concat(frames).group_by("split", *_KEYS).agg(pl.col(_SUMS).sum())


def _narrow_shard(path: Path) -> pl.DataFrame:
    return (
        pl.scan_parquet(path, glob=False)
        .with_columns(
            year=pl.col("created_at").dt.year().cast(pl.Int64),
            # The number of binary digits less one; a logarithm of a float could be off by one at the edges.
            length=(pl.lit(63) - pl.col("size").bitwise_leading_zeros().cast(pl.Int64)),
        )
        .group_by(_KEYS)
        .agg(pl.len().cast(pl.Int64).alias("documents"), pl.col("size").sum().alias("bytes"), pl.col("tokens").sum())
        .with_columns(split=pl.lit(split_of_file(path)))
        .collect()
    )


def split_of_file(path: Path) -> str:
    """Return the split that a shard's name says: `train-00000-of-00003.parquet` is of `train`."""
    return path.name.rsplit("-", 3)[0]


def _sums(rows: pl.DataFrame) -> dict[str, int]:
    sums = {name: int(rows[name].sum()) for name in _SUMS}
    return sums | {"repos": rows["repo"].drop_nulls().n_unique()}


def _groups(rows: pl.DataFrame, column: str) -> tuple[Group, ...]:
    table = (
        rows.with_columns(pl.col(column).fill_null(UNKNOWN))
        .group_by(column)
        .agg(pl.col(_SUMS).sum(), pl.col("repo").drop_nulls().n_unique().cast(pl.Int64))
        .sort(["bytes", column], descending=[True, False])
    )
    return tuple(
        Group(value=value, documents=documents, bytes=size, tokens=tokens, repos=repos)
        for value, documents, size, tokens, repos in table.iter_rows()
    )


def _bins(rows: pl.DataFrame, column: str) -> tuple[Bin, ...]:
    table = rows.drop_nulls(column).group_by(column).agg(pl.col("documents", "tokens").sum()).sort(column)
    return tuple(Bin(start=start, documents=documents, tokens=tokens) for start, documents, tokens in table.iter_rows())


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


def _scan_dropped(release: Path) -> pl.LazyFrame:
    paths = dropped_paths(release)
    if not paths:
        return pl.LazyFrame(pl.from_arrow(DROPPED.empty_table()))
    return pl.scan_parquet(paths, glob=False)


def _dropped(release: Path) -> tuple[Drops, ...]:
    table = (
        _scan_dropped(release)
        .group_by("stage", "rule", "lang")
        .agg(pl.col("reason").min(), pl.len().cast(pl.Int64).alias("documents"), pl.col("size").sum().alias("bytes"))
        .sort("stage", "rule", "lang")
        .collect()
    )
    return tuple(Drops(**row) for row in table.iter_rows(named=True))


def _similarities(release: Path) -> tuple[Bin, ...]:
    table = (
        _scan_dropped(release)
        .drop_nulls("similarity")
        .group_by((pl.col("similarity") * 100).floor().cast(pl.Int64).alias("start"))
        .agg(pl.len().cast(pl.Int64).alias("documents"))
        .sort("start")
        .collect()
    )
    return tuple(Bin(**row) for row in table.iter_rows(named=True))
