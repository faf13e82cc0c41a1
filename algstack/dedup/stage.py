"""Deduplication as a stage: all kept documents in, one decision about each out, part by part."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import polars as pl

from algstack.dataset import Counts, Part, StageFolder, StageRecord, TaskRecord, part_writer, run_tasks
from algstack.dedup import oracle
from algstack.dedup.keepers import DROPS, REASONS
from algstack.documents import DECISIONS
from algstack.manifest import select
from algstack.workspace import Context, KeptDocuments, as_frame, decisions_name, kept_documents

STAGE = "dedup"
CODE = "1"
"""Raised when the same documents give other decisions."""

COLUMNS = ("id", "text", "license", "stars", "created_at")


def run(context: Context) -> StageRecord:
    """Decide which of the documents that the filters kept are duplicates of another.

    Raises:
        DatasetError: the filter is not complete.
    """
    config = context.manifest.config.dedup
    parts = kept_documents(context.workspace, after="filter")
    folder = StageFolder(context.workspace.stage(STAGE), STAGE, CODE, select(config))
    # Any document can be another's duplicate, so every part depends on all of them.
    inputs = [[part.key, list(part.inputs)] for part in parts]
    wanted = {part.key: folder.task_fingerprint([part.key, inputs]) for part in parts}

    def run_missing(keys: list[str]) -> Iterator[TaskRecord]:
        context.progress.total(STAGE, len(keys))
        drops = _find(parts, config.threshold)
        for part in parts:
            if part.key in keys:
                record = _write(folder, part, wanted[part.key], drops)
                context.progress.advance(record.counts)
                yield record

    return run_tasks(folder, wanted, run_missing)


def _find(parts: Sequence[KeptDocuments], threshold: float) -> pl.DataFrame:
    frames = [frame for part in parts for frame in part.frames(COLUMNS)]
    if not frames:
        return as_frame(DROPS.empty_table())
    return as_frame(oracle.deduplicate(pl.concat(frames), threshold))


def _write(folder: StageFolder, part: KeptDocuments, wanted: str, drops: pl.DataFrame) -> TaskRecord:
    """Write the decisions about one part of documents."""
    done: list[Part] = []
    counts = Counts()
    with part_writer(folder.path, decisions_name(part.key), DECISIONS, done) as writer:
        for frame in part.frames(("id", "lang", "size")):
            decided = _decisions(frame, drops)
            counts += _count(decided)
            writer.write(decided.select(DECISIONS.names).to_arrow())
    return TaskRecord(task=part.key, fingerprint=wanted, counts=counts, parts=tuple(done))


def _decisions(documents: pl.DataFrame, drops: pl.DataFrame) -> pl.DataFrame:
    """Rows of DECISIONS about documents, in their order, with `size` beside them."""
    return documents.join(drops, on="id", how="left", maintain_order="left").with_columns(
        stage=pl.lit(STAGE),
        keep=pl.col("rule").is_null(),
        reason=pl.col("rule").replace_strict(REASONS, default=None, return_dtype=pl.String),
        evidence=pl.lit(None, pl.String),
        text=pl.lit(None, pl.String),
    )


def _count(decisions: pl.DataFrame) -> Counts:
    kept = decisions.filter("keep")
    dropped = decisions.filter(~pl.col("keep"))["rule"].value_counts().sort("rule")
    return Counts(
        documents=decisions.height,
        kept=kept.height,
        dropped=dict(dropped.iter_rows()),
        bytes=int(decisions["size"].sum()),
        bytes_kept=int(kept["size"].sum()),
    )
