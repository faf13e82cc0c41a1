"""First half of a release: kept documents with tokens and split, in sorted runs.

A run is a Parquet file sorted by (lang, split, id) whose row groups hold one language and split each, so that a shard
is made by merging the row groups that it needs. Runs live in the folder of the unfinished release only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from algstack import documents
from algstack.dataset import Counts, Part, TaskRecord, sha256_file, written_atomically
from algstack.errors import DatasetError
from algstack.release import tokens
from algstack.release.splits import Shares, assign
from algstack.workspace import KeptDocuments

SCHEMA = documents.RELEASE.append(pa.field("split", pa.string(), nullable=False))

RUN_BYTES = 128 * 2**20
"""Text that is sorted in memory at once."""

GROUP_BYTES = 2**20
"""Text in a row group of a run: what a merge holds of each run at a time."""


@dataclass(frozen=True)
class RunTask:
    """One document part to be turned into runs. Picklable."""

    kept: KeptDocuments
    fingerprint: str
    folder: Path
    shares: Shares
    tokenizer: str
    tokenizer_folder: Path


def write_runs(task: RunTask) -> TaskRecord:
    """Write the runs of one document part; the note holds (lang, split, rows) of each row group of each run."""
    parts: list[Part] = []
    groups: dict[str, list[tuple[str, str, int]]] = {}
    counts = Counts()
    for number, frame in enumerate(_sorted_runs(task)):
        name = f"run-{task.kept.key}-{number:05d}.parquet"
        part, groups[name] = _write_run(task.folder, name, frame)
        parts.append(part)
        size = int(frame["size"].sum())
        counts += Counts(documents=frame.height, kept=frame.height, bytes=size, bytes_kept=size)
    return TaskRecord(
        task=task.kept.key,
        fingerprint=task.fingerprint,
        counts=counts,
        parts=tuple(parts),
        note={"groups": groups},
    )


def _sorted_runs(task: RunTask) -> Iterator[pl.DataFrame]:
    pending: list[pl.DataFrame] = []
    held = 0
    count = tokens.counter(task.tokenizer, task.tokenizer_folder)
    for frame in task.kept.frames():
        _check(frame)
        counted = pl.Series("tokens", count(frame["text"].to_list()), dtype=pl.Int64)
        pending.append(frame.with_columns(counted, assign(frame, task.shares)))
        held += int(frame["size"].sum())
        if held >= RUN_BYTES:
            yield pl.concat(pending).sort("lang", "split", "id")
            pending, held = [], 0
    if pending:
        yield pl.concat(pending).sort("lang", "split", "id")


def _check(frame: pl.DataFrame) -> None:
    """Refuse a document that could not be put anywhere; its size must be its text's."""
    wrong = frame.filter(pl.col("lang").is_null() | (pl.col("size") != pl.col("text").str.len_bytes()))
    if wrong.height:
        raise DatasetError(
            f"{wrong['id'][0]}: the document has no language, or its `size` is not that of its text. "
            "Run `algstack build` again from the crawl; if it stays, please report it."
        )


def _write_run(folder: Path, name: str, frame: pl.DataFrame) -> tuple[Part, list[tuple[str, str, int]]]:
    groups: list[tuple[str, str, int]] = []
    path = folder / name
    with written_atomically(path) as temporary:
        with pq.ParquetWriter(temporary, SCHEMA, compression="lz4", use_dictionary=False) as writer:
            for group in _row_groups(frame):
                writer.write_table(group.to_arrow().select(SCHEMA.names).cast(SCHEMA), row_group_size=group.height)
                groups.append((group["lang"][0], group["split"][0], group.height))
        part = Part(name=name, sha256=sha256_file(temporary), rows=frame.height, bytes=temporary.stat().st_size)
    return part, groups


def _row_groups(frame: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Cut a sorted frame where language or split change, and after GROUP_BYTES of text."""
    place = pl.struct("lang", "split").rle_id()
    filled = (pl.col("size").cum_sum().over("lang", "split") - pl.col("size")) // GROUP_BYTES
    cuts = frame.select(pl.struct(place, filled).rle_id().alias("group")).group_by("group", maintain_order=True).len()
    start = 0
    for rows in cuts["len"].to_list():
        yield frame.slice(start, rows)
        start += rows
