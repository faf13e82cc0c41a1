"""The clusters that a deduplication found, for whoever wants another choice than its keepers."""

from __future__ import annotations

import numpy as np
import polars as pl
import pyarrow as pa

from algstack.dedup.fast import Deduplication

CLUSTERS = pa.schema([pa.field(name, pa.string(), nullable=False) for name in ("id", "keeper", "component")])


def clusters(run: Deduplication) -> pl.DataFrame:
    """Return a row for each document that is alike to another, sorted by id; some are kept and stand for no other.

    Returns:
        `id`; `keeper`, the kept document that stands for it (itself, if it is kept); `component`, the smallest id of
        its connected component: of all that are alike, directly or by way of others. It is what tools that drop whole
        components work with, and what keeps splits apart.
    """
    assert run.components is not None, "the run was not asked for components"
    component = run.components[run.state.labels]
    alike = np.flatnonzero(np.bincount(component)[component] > 1)
    documents = np.unique(np.concatenate([alike, run.drops.documents, run.drops.keepers])).astype(np.uint32)
    of = documents.copy()
    of[np.searchsorted(documents, run.drops.documents)] = run.drops.keepers
    names = run.names_of(documents)
    frame = pl.DataFrame({"id": names, "keeper": names.gather(np.searchsorted(documents, of))})
    return frame.with_columns(component=pl.col("id").min().over(pl.Series(component[documents]))).sort("id")
