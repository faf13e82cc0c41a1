"""algstack: crawl, filter, deduplicate and release math-and-code training sets.

`scan` reads the documents of a workspace; the command line is `algstack.cli`.
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
