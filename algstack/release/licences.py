"""`licenses.parquet`: a release's bill of materials: each repository, its licences, and how many files there are."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from algstack import dataset
from algstack.release.statistics import shard_paths

NAME = "licenses.parquet"

LICENSES = pa.schema(
    [
        pa.field("repo", pa.string()),
        pa.field("license", pa.string()),
        pa.field("license_source", pa.string()),
        pa.field("source", pa.string(), nullable=False),
        pa.field("documents", pa.int64(), nullable=False),
        pa.field("bytes", pa.int64(), nullable=False),
    ]
)
"""`license` is an SPDX expression, null where it is not known; `bytes` are of text."""

_KEYS = ["repo", "license", "license_source", "source"]


def write(release: Path) -> None:
    """Write `licenses.parquet` from the shards, sorted by its first four columns."""
    rows = (
        pl.scan_parquet(shard_paths(release), glob=False)
        .group_by(_KEYS)
        .agg(pl.len().cast(pl.Int64).alias("documents"), pl.col("size").sum().alias("bytes"))
        .sort(_KEYS, nulls_last=True)
        .collect()
    )
    with dataset.written_atomically(release / NAME) as temporary:
        pq.write_table(rows.to_arrow().select(LICENSES.names).cast(LICENSES), temporary, compression="zstd")
