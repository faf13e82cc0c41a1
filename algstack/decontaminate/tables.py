"""Decontamination of any Parquet or JSON-lines files, without a manifest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from algstack import tables
from algstack.dataset import StageRecord
from algstack.decontaminate.stage import Job, run_job
from algstack.documents import signal_columns
from algstack.errors import DatasetError
from algstack.manifest import DecontaminateConfig, RedactConfig
from algstack.tables import TableColumns, TableTask
from algstack.workspace import Progress

SOURCE = "input"


@dataclass(frozen=True)
class TablePart:
    """A part of a table as documents. A row without a text is one with an empty text."""

    key: str
    task: TableTask
    columns: TableColumns

    @property
    def inputs(self) -> Sequence[Any]:
        """What changes when the documents do: JSON values."""
        return [*self.task.inputs, self.columns.model_dump(mode="json")]

    def frames(self, columns: Sequence[str] | None = None) -> Iterator[pl.DataFrame]:
        """Yield the rows as documents, with all columns of DOCUMENTS or with some.

        Raises:
            SourceError: the table is broken, or has no text.
            DatasetError: two rows have the same id.
        """
        for rows in tables.documents(self.task, self.columns, SOURCE):
            if rows["id"].n_unique() != rows.height:
                twice = rows["id"].filter(rows["id"].is_duplicated())[0]
                raise DatasetError(
                    f"{self.task.path}: two rows have the id `{twice}`. Name a column of unique ids with --id-column."
                )
            documents = rows.with_columns(pl.col("text").fill_null(""), pl.col("lang").str.to_lowercase())
            yield documents if columns is None else documents.select(columns)


def run(
    inputs: Sequence[str],
    output: Path,
    columns: TableColumns,
    config: DecontaminateConfig,
    redaction: RedactConfig,
    workers: int = 1,
    signals: Sequence[str] = (),
    progress: Progress | None = None,
) -> StageRecord:
    """Write what is left of tables: `documents-*.parquet`, `decisions-*.parquet` about every row, `report.json`.

    Args:
        inputs: glob patterns of Parquet and JSON-lines files, or folders of them.
        output: the folder to write; an unfinished run goes on in it.
        columns: which columns are which.
        config: the benchmarks, whose copies lie in its `folder`, and what a find does.
        redaction: what is replaced by placeholders.
        workers: processes.
        signals: names of `documents.SIGNAL_COLUMNS`, which are added to the documents.
        progress: told how it gets on.

    Raises:
        SourceError: an input or a copy of a benchmark is missing or broken.
        ManifestError: a benchmark is not known.
        DatasetError: two rows have the same id.
        AlgstackError: there is no such signal.
    """
    tasks = tables.tasks(tables.paths_of(inputs))
    job = Job(
        parts=[TablePart(f"{number:05d}", task, columns) for number, task in enumerate(tasks)],
        folder=output,
        config=config,
        copies=Path(config.folder),
        redaction=redaction,
        workers=workers,
        progress=progress or Progress(),
        writes_documents=True,
        signals=tuple(column.name for column in signal_columns(signals)),
    )
    return run_job(job)
