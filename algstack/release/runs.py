"""First half of a release: what is kept, with tokens and split, and what is dropped, in sorted runs.

A run is a Parquet file sorted by (place, id) whose row groups hold one place each, so that a shard is made by merging
the row groups that it needs. A place is where shards lie, such as `data/lean/train`. Runs live in the folder of the
unfinished release only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from algstack import documents
from algstack.dataset import Counts, Part, TaskRecord, sha256_file, written_atomically
from algstack.errors import DatasetError
from algstack.manifest import LicensePolicy
from algstack.release import leaks, policy, tokens
from algstack.release.dropped import DROPPED, PLACE, Decided, dropped_rows
from algstack.release.leaks import Leak, Refusal
from algstack.release.splits import Shares, assign
from algstack.workspace import KeptDocuments

RUN_BYTES = 128 * 2**20
"""Text that is sorted in memory at once."""

GROUP_BYTES = 2**20
"""Text in a row group of a run: what a merge holds of each run at a time."""

DROPPED_BYTES = 512
"""What a dropped row counts for, in place of a text."""

Groups = dict[str, list[tuple[str, int]]]
"""(place, rows) of each row group of each run."""


@dataclass(frozen=True)
class RunTask:
    """One task of the crawl to be turned into runs. Picklable."""

    part: Decided
    leaks: tuple[Leak, ...]
    fingerprint: str
    folder: Path
    shares: Shares
    licenses: LicensePolicy
    tokenizer: str
    tokenizer_folder: Path
    signals: tuple[str, ...]


def schema_of(place: str, signals: Iterable[str]) -> pa.Schema:
    """Return the schema of what lies in a place, in a release that has these signals."""
    return DROPPED if place == PLACE else documents.release_schema(signals)


def write_runs(task: RunTask) -> TaskRecord:
    """Write the runs of one task of the crawl; the note holds (place, rows) of each row group of each run."""
    parts: list[Part] = []
    groups: Groups = {}
    counts = Counts()
    refusals: list[Refusal] = [(name, leaks.RULE, leaks.REASON, stays) for name, stays in task.leaks]
    for number, frame in enumerate(_kept_runs(task, refusals)):
        name = f"kept-{task.part.key}-{number:05d}.parquet"
        part, groups[name] = write_run(task.folder / name, frame, task.signals)
        parts.append(part)
        size = int(frame["size"].sum())
        counts += Counts(documents=frame.height, kept=frame.height, bytes=size, bytes_kept=size)
    dropped = dropped_rows(task.part, refusals)
    if dropped.height:
        name = f"dropped-{task.part.key}.parquet"
        part, groups[name] = write_run(task.folder / name, dropped.with_columns(place=pl.lit(PLACE)), task.signals)
        parts.append(part)
    counts += Counts(documents=len(refusals), dropped=dict(Counter(rule for _, rule, _, _ in refusals)))
    return TaskRecord(
        task=task.part.key, fingerprint=task.fingerprint, counts=counts, parts=tuple(parts), note={"groups": groups}
    )


def _kept_runs(task: RunTask, refusals: list[Refusal]) -> Iterator[pl.DataFrame]:
    if task.part.kept is None:
        return
    pending: list[pl.DataFrame] = []
    held = 0
    for frame in _described(task.part.kept, task, refusals):
        pending.append(frame)
        held += int(frame["size"].sum())
        if held >= RUN_BYTES:
            yield pl.concat(pending).sort("place", "id")
            pending, held = [], 0
    if pending:
        yield pl.concat(pending).sort("place", "id")


def _described(kept: KeptDocuments, task: RunTask, refusals: list[Refusal]) -> Iterator[pl.DataFrame]:
    """Yield documents with `tokens`, signals and `place`; what the licence keeps out is added to `refusals`."""
    count = tokens.counter(task.tokenizer, task.tokenizer_folder)
    leaking = [name for name, _ in task.leaks]
    for every in kept.frames():
        inside = policy.within(every, task.licenses)
        refusals += [(name, policy.RULE, policy.REASON, None) for name in every.filter(~inside)["id"]]
        frame = every.filter(inside & ~every["id"].is_in(leaking))
        if not frame.height:
            continue
        _check(frame)
        place = pl.format("data/{}/{}", pl.col("lang"), assign(frame, task.shares))
        counted = pl.Series("tokens", count(frame["text"].to_list()), dtype=pl.Int64)
        yield documents.with_measured(frame, task.signals).with_columns(counted, place=place)


def _check(frame: pl.DataFrame) -> None:
    """Refuse a document that could not be put anywhere; its size must be its text's."""
    wrong = frame.filter(pl.col("lang").is_null() | (pl.col("size") != pl.col("text").str.len_bytes()))
    if wrong.height:
        raise DatasetError(
            f"{wrong['id'][0]}: the document has no language, or its `size` is not that of its text. "
            "Run `algstack build` again from the crawl; if it stays, please report it."
        )


def write_run(path: Path, frame: pl.DataFrame, signals: Iterable[str]) -> tuple[Part, list[tuple[str, int]]]:
    """Write a frame sorted by (place, id); return the part and (place, rows) of each row group."""
    schema = schema_of(frame["place"][0], signals)
    groups = []
    with written_atomically(path) as temporary:
        with pq.ParquetWriter(temporary, schema, compression="lz4", use_dictionary=False) as writer:
            for group in _row_groups(frame):
                writer.write_table(group.to_arrow().select(schema.names).cast(schema), row_group_size=group.height)
                groups.append((group["place"][0], group.height))
        size, digest = temporary.stat().st_size, sha256_file(temporary)
    return Part(name=path.name, sha256=digest, rows=frame.height, bytes=size), groups


def _row_groups(frame: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Cut a sorted frame where the place changes, and after GROUP_BYTES of text."""
    size = pl.lit(DROPPED_BYTES, pl.Int64) if frame["place"][0] == PLACE else pl.col("size")
    filled = (size.cum_sum().over("place") - size) // GROUP_BYTES
    cuts = frame.select(pl.struct("place", filled.alias("filled")).rle_id().alias("group"))
    start = 0
    for rows in cuts.group_by("group", maintain_order=True).len()["len"].to_list():
        yield frame.slice(start, rows)
        start += rows
