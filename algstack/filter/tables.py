"""The filter on any Parquet or JSON-lines files, without a manifest: `algstack filter --input … --output …`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import polars as pl

from algstack import dataset, documents, engine, tables
from algstack.dataset import Counts, Part, StageFolder, StageRecord, TaskRecord
from algstack.documents import DECISIONS, DOCUMENTS
from algstack.errors import DatasetError
from algstack.filter import decide as core
from algstack.filter.language import Languages, load_languages
from algstack.filter.stage import CODE, STAGE, counted
from algstack.tables import TableColumns, TableTask
from algstack.workspace import Progress

SOURCE = "input"

NO_TEXT = "no-text"
NO_LANGUAGE = "no-language"

_OWN_REASONS = {NO_TEXT: "The row has no text.", NO_LANGUAGE: "No filter names its extension or its language."}


@dataclass(frozen=True)
class TableFilter:
    """What a table is filtered with. Picklable. `lang` is the language of what nothing else says."""

    languages: Languages
    columns: TableColumns = field(default_factory=TableColumns)
    lang: str | None = None

    def frames(self, task: TableTask) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
        """Yield a task's documents and the decision about each, in their order."""
        for rows in tables.documents(task, self.columns, SOURCE):
            with_lang = rows.with_columns(lang=self._langs(rows))
            yield with_lang, self._decided(with_lang)

    def _langs(self, rows: pl.DataFrame) -> pl.Series:
        """The wanted language of each row: by its extension, what the table says where several share it or it has none,
        else the one that is given."""
        endings = rows.select(ending=pl.col("path").str.extract(r"(\.[^/]*)\z"), label="lang")
        known = endings.unique()
        langs = pl.Series("found", [self._lang(*pair) for pair in known.iter_rows()], pl.String)
        known = known.with_columns(langs)
        return endings.join(known, on=endings.columns, how="left", nulls_equal=True, maintain_order="left")["found"]

    def _lang(self, path: str | None, label: str | None) -> str | None:
        labelled = self.languages.by_label(label) if label else None
        if path and (found := self.languages.for_path(path)):
            candidates = self.languages.extensions[str(self.languages.extension_of(path))]
            return next((name for name in (self.lang, labelled) if name in candidates), found)
        if labelled:
            return labelled
        return None if path and self.languages.is_anothers(path) else self.lang

    def _decided(self, rows: pl.DataFrame) -> pl.DataFrame:
        is_ready = rows.select(pl.col("text").is_not_null() & pl.col("lang").is_not_null()).to_series()
        if is_ready.all():
            found = core.decide(rows, self.languages)
            if found["id"].n_unique() == rows.height == found.height:
                return found
        ready, rest = rows.filter(is_ready), rows.filter(~is_ready)
        no_text = pl.col("text").is_null()
        own = [
            self._refused(rest.filter(no_text), NO_TEXT),
            self._refused(rest.filter(~no_text), NO_LANGUAGE),
        ]
        decided = core.decide(ready, self.languages)
        order = rows.select("id").with_row_index("row")
        found = pl.concat([decided, *own]).join(order, on="id", how="left").sort("row").drop("row")
        if found["id"].to_list() != rows["id"].to_list():
            raise DatasetError(
                f"{rows.height} rows ({rows['id'].n_unique()} different ids) have {found.height} decisions: each needs "
                "exactly one. Ids must be unique: name a column of unique ids with --id-column."
            )
        return found

    def _refused(self, rows: pl.DataFrame, rule: str) -> pl.DataFrame:
        empty = pl.DataFrame(schema=pl.from_arrow(DECISIONS.empty_table()).schema)  # type: ignore[union-attr]
        said = rows.select("id", "lang").with_columns(
            stage=pl.lit(STAGE), keep=pl.lit(False), rule=pl.lit(rule), reason=pl.lit(_OWN_REASONS[rule])
        )
        return pl.concat([empty, said], how="diagonal").select(DECISIONS.names)


def table_filter(
    profile: str | None, folder: Path | None, langs: Sequence[str] | None, columns: TableColumns
) -> TableFilter:
    """Make the filter that the command line asks for; one `--lang` is also the language of rows that say none."""
    languages = load_languages(profile or "default", folder, langs or None)
    return TableFilter(languages, columns, next(iter(languages)) if len(languages) == 1 else None)


def run(
    inputs: Sequence[str],
    output: Path,
    table_filter: TableFilter,
    workers: int = 1,
    progress: Progress | None = None,
) -> StageRecord:
    """Filter tables: `documents-*.parquet` (what was kept), `decisions-*.parquet` (about every row), `stage.json`.

    Args:
        inputs: glob patterns of Parquet and JSON-lines files, or folders of them.
        output: the folder to write; an unfinished run goes on in it.
        table_filter: languages, columns, and the language of rows that do not say theirs.
        workers: processes.
        progress: told how it gets on.

    Raises:
        SourceError: an input is missing, broken, or has no text.
        DatasetError: two rows of one portion have the same id.
    """
    progress = progress or Progress()
    tasks = {f"{number:05d}": task for number, task in enumerate(tables.tasks(tables.paths_of(inputs)))}
    folder = StageFolder(output, STAGE, CODE, _config(table_filter))
    wanted = {key: folder.task_fingerprint(task.inputs) for key, task in tasks.items()}

    def run_missing(keys: list[str]) -> Iterator[TaskRecord]:
        progress.total(STAGE, len(keys))
        work = partial(run_task, output, table_filter)
        for record in engine.run(work, [(key, wanted[key], tasks[key]) for key in keys], workers):
            progress.advance(record.counts)
            yield record

    return dataset.run_tasks(folder, wanted, run_missing)


def _config(table_filter: TableFilter) -> dict[str, object]:
    languages = table_filter.languages
    return {
        "languages": {name: languages.fingerprint(name) for name in languages},
        "columns": table_filter.columns.model_dump(mode="json"),
        "lang": table_filter.lang,
    }


def run_task(output: Path, table_filter: TableFilter, task: tuple[str, str, TableTask]) -> TaskRecord:
    """Filter one part of a table into one part of documents and one of decisions."""
    key, wanted, table = task
    parts: list[Part] = []
    counts = Counts()
    newest = pl.CompatLevel.newest()  # strings as they are, not copied
    with ExitStack() as stack:
        kept = stack.enter_context(dataset.part_writer(output, f"documents-{key}.parquet", DOCUMENTS, parts))
        about = stack.enter_context(dataset.part_writer(output, f"decisions-{key}.parquet", DECISIONS, parts))
        for rows, decisions in table_filter.frames(table):
            kept.write(documents.apply(rows, decisions).to_arrow(compat_level=newest))
            about.write(decisions.to_arrow(compat_level=newest))
            counts += counted(decisions.with_columns(rows["size"]))
    return TaskRecord(
        task=key, fingerprint=wanted, counts=counts, parts=tuple(sorted(parts, key=lambda part: part.name))
    )
