"""Tables as a source: The Stack v1, v2 and v3, and any Parquet or JSON-lines files with a text column."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import polars as pl
import pyarrow as pa

from algstack import tables
from algstack.crawl.files import FileReader
from algstack.crawl.refusals import Refusal, drop
from algstack.crawl.task import CrawlTask, paths_of
from algstack.documents import DECISIONS, DOCUMENTS
from algstack.manifest import LoadedManifest, ParquetSource
from algstack.tables import TableColumns, TableTask


def plan(source: ParquetSource, manifest: LoadedManifest) -> list[CrawlTask]:
    """Return the tasks that read a source's tables: row groups of about 256 MB together, in the order of the files."""
    patterns = [str(path) for path in paths_of(manifest.resolve(source.path), source.name)]
    columns = TableColumns(**{name: getattr(source, name) for name in TableColumns.model_fields})
    return [
        CrawlTask(f"{number:05d}", task.inputs, partial(_read, source, columns, task))
        for number, task in enumerate(tables.tasks(tables.paths_of(patterns)))
    ]


def _read(
    source: ParquetSource, columns: TableColumns, task: TableTask, reader: FileReader
) -> Iterator[pa.RecordBatch]:
    for rows in tables.documents(task, columns, source.name):
        rows = _with_origin(rows, source)
        rows = rows.with_columns(lang=_langs(rows, source, reader))
        is_document = pl.col("text").is_not_null() & pl.col("lang").is_not_null()
        is_small = pl.col("size") <= reader.limits.max_file_bytes
        yield from rows.filter(is_document & is_small).to_arrow().cast(DOCUMENTS).to_batches()
        refused = rows.filter(~(is_document & is_small)).select("id", "lang", "size", is_null=pl.col("text").is_null())
        drops = [drop(row["id"], _refusal(row), row["lang"]) for row in refused.iter_rows(named=True)]
        if drops:
            yield pa.RecordBatch.from_pylist(drops, DECISIONS)


def _with_origin(rows: pl.DataFrame, source: ParquetSource) -> pl.DataFrame:
    """Put what the manifest says of the whole source where a row says nothing."""
    if source.license is None:
        return rows
    said = pl.when(pl.col("license").is_null()).then(pl.lit("manifest")).otherwise("license_source")
    return rows.with_columns(license_source=said, license=pl.col("license").fill_null(source.license))


def _langs(rows: pl.DataFrame, source: ParquetSource, reader: FileReader) -> pl.Series:
    endings = rows.select(ending=pl.col("path").str.extract(r"(\.[^/]*)\z"), label="lang")
    known = {(ending, label): _lang(ending, label, source, reader) for ending, label in endings.unique().iter_rows()}
    return pl.Series("lang", [known[pair] for pair in endings.iter_rows()], pl.String)


def _lang(ending: str | None, label: str | None, source: ParquetSource, reader: FileReader) -> str | None:
    found = reader.languages.for_path(ending) if ending else None
    return found or (reader.languages.by_label(label) if label else None) or source.lang


def _refusal(row: dict[str, object]) -> Refusal:
    if row["is_null"]:
        return Refusal("no-text")
    return Refusal("no-language") if row["lang"] is None else Refusal("too-large", f"{row['size']} bytes")
