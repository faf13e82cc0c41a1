"""algstack: crawl, filter, deduplicate and release math-and-code training sets.

`scan` reads the documents of a workspace, `near_duplicates` finds the duplicates in any frame; the command line is
`algstack.cli`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

__version__ = "0.1.0"


def scan(workspace: str | Path, after: str = "dedup") -> pl.LazyFrame:
    """Return the documents that every stage up to `after` kept, with their latest text.

    Args:
        workspace: the folder that holds the stages.
        after: `crawl`, `filter`, `dedup` or `decontaminate`.

    Returns:
        A lazy frame of DOCUMENTS' columns, read part by part when it is collected.

    Raises:
        algstack.errors.DatasetError: a stage is not complete, or `after` is not a stage.
    """
    from algstack.workspace import Workspace, scan_kept

    return scan_kept(Workspace(Path(workspace)), after)


def near_duplicates(
    frame: pl.DataFrame,
    text: str = "text",
    threshold: float = 0.7,
    id_column: str = "id",
    workers: int | None = None,
) -> pl.DataFrame:
    """Return the rows of a frame that duplicate another, which stays: `id`, `keeper`, `similarity`.

    See algstack.dedup.api.near_duplicates.
    """
    from algstack.dedup.api import near_duplicates

    return near_duplicates(frame, text, threshold, id_column, workers)
