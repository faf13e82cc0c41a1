"""Decontamination of any Parquet or JSON-lines files, without a manifest: `algstack decontaminate --input …`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from algstack import dataset, tables
from algstack.dataset import Part, StageRecord
from algstack.decontaminate.stage import run_on
from algstack.documents import DOCUMENTS
from algstack.manifest import DecontaminateConfig, LoadedManifest, Manifest, ParquetSource
from algstack.tables import TableColumns
from algstack.workspace import Context, KeptDocuments, Progress, Workspace

SOURCE = "input"
INPUT_FOLDER = ".input"


def settings(benchmarks: Sequence[str], folder: Path | None) -> LoadedManifest:
    """Return what a manifest would say that asks for these benchmarks, and for redaction.

    Args:
        benchmarks: names of manifests/benchmarks.toml.
        folder: where the copies lie; `benchmarks` by default.
    """
    config = Manifest(
        name=SOURCE,
        sources=(ParquetSource(name=SOURCE, kind="parquet", path="*"),),
        decontaminate=DecontaminateConfig(benchmarks=tuple(benchmarks), folder=str(folder or "benchmarks")),
    )
    return LoadedManifest(config=config, text="", folder=Path.cwd())


def run(
    inputs: Sequence[str],
    output: Path,
    manifest: LoadedManifest,
    columns: TableColumns,
    workers: int = 1,
    progress: Progress | None = None,
) -> StageRecord:
    """Write `documents-*.parquet` (what was kept), `decisions-*.parquet` (of every row), `report.json`, `stage.json`.

    A row without text is kept as an empty document.

    Args:
        inputs: glob patterns of Parquet and JSON-lines files, or folders of them.
        output: the folder to write.
        manifest: its tables [decontaminate] and [redact] are asked.
        columns: which columns are which.
        workers: processes.
        progress: told how it gets on.

    Raises:
        SourceError: an input or a benchmark is missing or broken.
    """
    context = Context(manifest, Workspace(output), workers, progress or Progress())
    parts = [_part(f"{number:05d}", task, output, columns) for number, task in enumerate(_tasks(inputs))]
    return run_on(context, parts, output, writes_documents=True)


def _tasks(inputs: Sequence[str]) -> list[tables.TableTask]:
    return tables.tasks(tables.paths_of(inputs))


def _part(key: str, task: tables.TableTask, output: Path, columns: TableColumns) -> KeptDocuments:
    """Write one part of a table as documents, as the stage reads them."""
    done: list[Part] = []
    folder = output / INPUT_FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    with dataset.part_writer(folder, f"documents-{key}.parquet", DOCUMENTS, done) as writer:
        for rows in tables.documents(task, columns, SOURCE):
            writer.write(rows.with_columns(pl.col("text").fill_null("")).select(DOCUMENTS.names).to_arrow())
    return KeptDocuments(key, folder / f"documents-{key}.parquet", (), tuple(part.sha256 for part in done))
