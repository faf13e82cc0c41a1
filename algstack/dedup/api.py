"""Deduplication as a function of a frame, for people who have their own pipeline."""

from __future__ import annotations

import tempfile
from pathlib import Path

import polars as pl

from algstack.dedup.fast import Deduplication
from algstack.dedup.parts import Part, TablePart
from algstack.dedup.state import Settings
from algstack.engine import default_workers
from algstack.errors import DatasetError

PART_ROWS = 8192


def near_duplicates(
    frame: pl.DataFrame,
    text: str = "text",
    threshold: float = 0.7,
    id_column: str = "id",
    workers: int | None = None,
) -> pl.DataFrame:
    """Return the rows of a frame that are exact or near-duplicates of another row, which stays.

    Args:
        frame: the documents, a row each. Columns `license`, `stars` and `created_at` decide, where they are there,
            which of several alike stays: a permissive licence first, then more stars, then the earlier date, then the
            id.
        text: the column of texts: strings, or bytes.
        threshold: least Jaccard similarity of the sets of 5-token shingles, in (0, 1].
        id_column: the column of unique ids; without one, the ids are the numbers of the rows.
        workers: threads to work with; all cores by default.

    Returns:
        A row for each row to drop: `id`, `keeper` (the id of a row that stays), `similarity` (1.0 for an exact copy).

    Raises:
        AlgstackError: the threshold is out of its range, an id is null or repeated, or there is no such column.
    """
    if text not in frame.columns:
        raise DatasetError(f"The frame has no column `{text}`: {', '.join(frame.columns)}. Name it with text=.")
    numbered = id_column not in frame.columns
    ids = pl.int_range(frame.height, eager=True) if numbered else frame[id_column]
    if ids.null_count():
        raise DatasetError(f"The column `{id_column}` has {ids.null_count()} nulls: an id is needed for every row.")
    # In keeper order the numbers of rows come by their size.
    named = ids.cast(pl.String).str.zfill(20) if numbered else ids.cast(pl.String)
    table = frame.select(pl.col(text).alias("text"), named.alias("id"), *_known(frame)).to_arrow()
    parts: list[Part] = [TablePart(table.slice(first, PART_ROWS)) for first in range(0, frame.height, PART_ROWS)]
    with tempfile.TemporaryDirectory() as folder:
        run = Deduplication(parts, Settings(threshold, workers=workers or default_workers()), Path(folder))
        drops = run.run()
    rows = pl.DataFrame({"row": drops.documents, "keeper": drops.keepers, "similarity": drops.similarities})
    return rows.select(id=ids.gather(rows["row"]), keeper=ids.gather(rows["keeper"]), similarity="similarity")


def _known(frame: pl.DataFrame) -> list[str]:
    return [name for name in ("license", "stars", "created_at") if name in frame.columns]
