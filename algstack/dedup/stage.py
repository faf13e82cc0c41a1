"""Deduplication as a stage: all kept documents in, one decision about each out, part by part."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pyarrow as pa

from algstack.dataset import (
    STAGE_FILE,
    Counts,
    Part,
    StageFolder,
    StageRecord,
    TaskRecord,
    dump_json,
    part_writer,
    run_tasks,
    sha256_file,
    write_text,
)
from algstack.dedup import audit, bands, clusters
from algstack.dedup.fast import Deduplication
from algstack.dedup.index import Index, index_of
from algstack.dedup.keepers import REASONS
from algstack.dedup.state import MEMORY, RULES, Settings
from algstack.documents import DECISIONS
from algstack.errors import AlgstackError, DatasetError
from algstack.manifest import DedupConfig, select
from algstack.workspace import CLUSTERS, Context, KeptDocuments, decisions_name, kept_documents

if TYPE_CHECKING:
    from algstack.dedup import passages

STAGE = "dedup"
CODE = "3"
"""Raised when the same documents give other decisions or clusters."""


LEAST_MEMORY = 64 << 20


CLUSTERS_TASK = "clusters"
"""The task beside those of the parts: it writes who is alike to whom."""


@dataclass(frozen=True)
class KeptPart:
    """A part of the documents that the filters kept, as deduplication reads it."""

    documents: KeptDocuments

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """See algstack.dedup.parts.Part. Decisions are joined by id, whether it is wanted or not."""
        for batch in self.documents.batches(list(dict.fromkeys(["id", *columns]))):
            yield batch.select(list(columns))


def parse_memory(text: str) -> int:
    """Return the bytes that a text such as `2GiB`, `500MB` or `4096` means.

    Raises:
        AlgstackError: it is no amount of memory, or less than 64 MiB.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(i?)B?", text.strip(), re.IGNORECASE)
    scale = 1024 if found and found[3] else 1000
    size = int(float(found[1]) * scale ** " KMGT".index(found[2].upper() or " ")) if found else 0
    if size < LEAST_MEMORY:
        raise AlgstackError(f"--memory {text}: give at least 64MiB, for example 2GiB.")
    return size


def explain_bands(threshold: float) -> Iterator[str]:
    """Yield how signatures are cut for a threshold, and what that finds, in lines."""
    return bands.explain(bands.choose(threshold), threshold)


def settings(config: DedupConfig, workers: int, memory: int) -> Settings:
    """Return what a manifest asks for."""
    return Settings(config.threshold, config.recall, config.order, config.within, True, memory, workers)


def run(context: Context, memory: int = MEMORY) -> StageRecord:
    """Decide which of the documents that the filters kept are duplicates of another.

    Raises:
        DatasetError: the filter is not complete, a release to compare with is missing, or the disk is full.
    """
    config = context.manifest.config.dedup
    parts = kept_documents(context.workspace, after="filter")
    wished = settings(config, context.workers, memory)
    against = [index_of(_release(context, name), wished.bands) for name in config.against]
    folder = StageFolder(context.workspace.stage(STAGE), STAGE, CODE, select(config) | _identity(against))
    # Any document can be another's duplicate, so every part depends on all of them.
    inputs = [[part.key, list(part.inputs)] for part in parts]
    wanted = {key: folder.task_fingerprint([key, inputs]) for key in (CLUSTERS_TASK, *(part.key for part in parts))}

    def run_missing(keys: list[str]) -> Iterator[TaskRecord]:
        context.progress.total(STAGE, len(keys))
        with spilling(folder.path) as spill:
            done = Deduplication([KeptPart(part) for part in parts], wished, spill, against)
            done.run()
        if CLUSTERS_TASK in keys:
            yield _write_clusters(folder, wanted[CLUSTERS_TASK], done)
        for number, part in enumerate(parts):
            if part.key in keys:
                record = _write(folder, part, wanted[part.key], done.drops_of(number))
                context.progress.advance(record.counts)
                yield record

    return run_tasks(folder, wanted, run_missing)


def run_audit(context: Context, sample: int, memory: int = MEMORY) -> audit.Audit:
    """Deduplicate once more, decide nothing, and compare a sample of documents with all others exactly.

    What was found is written to `audit.json` in the stage's folder, with the checksum of the stage's record: an audit
    says nothing of a later deduplication.
    """
    parts = [KeptPart(part) for part in kept_documents(context.workspace, after="filter")]
    with spilling(context.workspace.stage(STAGE)) as spill:
        done = Deduplication(parts, settings(context.manifest.config.dedup, context.workers, memory), spill)
        done.run()
        found = audit.audit(done, sample)
    folder = context.workspace.stage(STAGE)
    record = folder / STAGE_FILE
    of = {"stage": sha256_file(record) if record.is_file() else None}
    write_text(folder / "audit.json", dump_json(found.as_json() | of))
    return found


def run_passages(context: Context, count: int, memory: int = MEMORY) -> passages.Report:
    """Return the longest passages that several of the documents that were kept have in common.

    They are written to `passages.json` in the stage's folder.

    Raises:
        DatasetError: the deduplication is not complete.
    """
    from algstack.dedup import passages

    parts = [KeptPart(part) for part in kept_documents(context.workspace, after=STAGE)]
    return passages.write(parts, count, context.workspace.stage(STAGE), memory, context.workers)


def _identity(against: Sequence[Index]) -> dict[str, object]:
    return {"indexes": [index.about for index in against]} if against else {}


def _release(context: Context, name: str) -> Path:
    """Return the folder of a release that is named by its version or its path."""
    for folder in (context.workspace.release(name), context.manifest.resolve(name)):
        if folder.is_dir():
            return folder
    raise DatasetError(f"{name}: there is no such release, neither in {context.workspace.path} nor as a path.")


@contextmanager
def spilling(folder: Path) -> Iterator[Path]:
    """Yield an empty folder for what does not fit into memory; it is gone afterwards."""
    spill = folder / ".spill"
    shutil.rmtree(spill, ignore_errors=True)
    spill.mkdir(parents=True)
    try:
        yield spill
    finally:
        shutil.rmtree(spill, ignore_errors=True)


def _write_clusters(folder: StageFolder, wanted: str, done: Deduplication) -> TaskRecord:
    written: list[Part] = []
    with part_writer(folder.path, CLUSTERS, clusters.CLUSTERS, written) as writer:
        writer.write(clusters.clusters(done).to_arrow())
    return TaskRecord(task=CLUSTERS_TASK, fingerprint=wanted, counts=Counts(), parts=tuple(written))


def _write(folder: StageFolder, part: KeptDocuments, wanted: str, drops: pl.DataFrame) -> TaskRecord:
    """Write the decisions about one part of documents."""
    done: list[Part] = []
    counts, first = Counts(), 0
    with part_writer(folder.path, decisions_name(part.key), DECISIONS, done) as writer:
        for frame in part.frames(("id", "lang", "size")):
            decided = decisions(frame, drops, first)
            counts += count(decided)
            writer.write(decided.select(DECISIONS.names).to_arrow())
            first += frame.height
    return TaskRecord(task=part.key, fingerprint=wanted, counts=counts, parts=tuple(done))


def decisions(documents: pl.DataFrame, drops: pl.DataFrame, first: int) -> pl.DataFrame:
    """Return rows of DECISIONS about documents, in their order, with `size` beside them.

    Args:
        documents: `id`, `lang` and `size`.
        drops: of the whole part, ascending by row, as `Deduplication.drops_of` gives them.
        first: the row of the part that the first of these documents is.
    """
    names = dict(enumerate(RULES))
    low, high = np.searchsorted(drops["row"].to_numpy(), [first, first + documents.height])
    return (
        documents.with_columns(row=pl.int_range(first, first + pl.len(), dtype=pl.Int64))
        .join(drops[low:high], on="row", how="left", maintain_order="left")
        .with_columns(pl.col("rule").replace_strict(names, default=None, return_dtype=pl.String))
        .with_columns(
            stage=pl.lit(STAGE),
            keep=pl.col("rule").is_null(),
            reason=pl.col("rule").replace_strict(REASONS, default=None, return_dtype=pl.String),
            evidence=pl.lit(None, pl.String),
            text=pl.lit(None, pl.String),
        )
    )


def count(decided: pl.DataFrame) -> Counts:
    """Count decisions, with `size` beside them."""
    kept = decided.filter("keep")
    dropped = decided.filter(~pl.col("keep"))["rule"].value_counts().sort("rule")
    return Counts(
        documents=decided.height,
        kept=kept.height,
        dropped=dict(dropped.iter_rows()),
        bytes=int(decided["size"].sum()),
        bytes_kept=int(kept["size"].sum()),
    )
