"""How many documents and bytes are left after each rule: `algstack filter --dry-run`. Nothing is written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import polars as pl

from algstack import engine, tables
from algstack.filter import decide as core
from algstack.filter.language import Languages
from algstack.filter.stage import STAGE, languages_of
from algstack.filter.tables import NO_LANGUAGE, NO_TEXT, TableFilter
from algstack.tables import TableTask
from algstack.workspace import Context, KeptDocuments, Progress, kept_documents

Tally = dict[tuple[str, str], tuple[int, int]]
"""(language, rule or "" for what is kept) -> documents and bytes."""

NO_LANG = "(none)"


class Step(NamedTuple):
    """What a rule drops of a language, and what is left after it; bytes are UTF-8 bytes of text as crawled."""

    lang: str
    rule: str
    dropped: int
    left: int
    bytes_left: int


def of_workspace(context: Context, names: Sequence[str] | None = None) -> list[Step]:
    """The waterfall of a workspace's crawled documents.

    Args:
        context: manifest, workspace, workers.
        names: only these languages.
    """
    languages = languages_of(context.manifest)
    wanted = [languages.resolve(name) for name in names] if names is not None else list(languages)
    work = partial(_part_tally, languages, wanted)
    return _steps(_tallies(work, kept_documents(context.workspace, after="crawl"), context), languages)


def of_tables(inputs: Sequence[str], table_filter: TableFilter, workers: int, progress: Progress) -> list[Step]:
    """The waterfall of any Parquet or JSON-lines files."""
    found = tables.tasks(tables.paths_of(inputs))
    progress.total(STAGE, len(found))
    return _steps(engine.run(partial(_table_tally, table_filter), found, workers), table_filter.languages)


def _tallies(work: partial[Tally], parts: Sequence[KeptDocuments], context: Context) -> Iterator[Tally]:
    context.progress.total(STAGE, len(parts))
    yield from engine.run(work, parts, context.workers)


def _part_tally(languages: Languages, wanted: Sequence[str], part: KeptDocuments) -> Tally:
    tally: Tally = {}
    for frame in part.frames((*core.COLUMNS, "size")):
        decisions = core.decide(frame, languages, only=wanted)
        _count(tally, decisions.join(frame.select("id", "size"), on="id", how="left"))
    return tally


def _table_tally(table_filter: TableFilter, task: TableTask) -> Tally:
    tally: Tally = {}
    for rows, decisions in table_filter.frames(task):
        _count(tally, decisions.with_columns(rows["size"]))
    return tally


def _count(tally: Tally, decisions: pl.DataFrame) -> None:
    groups = decisions.group_by(pl.col("lang").fill_null(NO_LANG), pl.col("rule").fill_null(""))
    for lang, rule, documents, size in groups.agg(pl.len(), pl.col("size").sum()).iter_rows():
        before = tally.get((lang, rule), (0, 0))
        tally[lang, rule] = (before[0] + documents, before[1] + size)


def _steps(tallies: Iterable[Tally], languages: Languages) -> list[Step]:
    total: Tally = {}
    for tally in tallies:
        for key, (documents, size) in tally.items():
            before = total.get(key, (0, 0))
            total[key] = (before[0] + documents, before[1] + size)
    return [step for lang in sorted({lang for lang, _ in total}) for step in _language_steps(lang, total, languages)]


def _language_steps(lang: str, total: Tally, languages: Languages) -> Iterator[Step]:
    mine = {rule: counts for (name, rule), counts in total.items() if name == lang}
    left = sum(documents for documents, _ in mine.values())
    size = sum(size for _, size in mine.values())
    yield Step(lang, "", 0, left, size)
    known = core.steps(languages[lang]) if lang in languages else []
    for rule in dict.fromkeys([NO_TEXT, NO_LANGUAGE, *known]):
        if rule in mine:
            documents, dropped_size = mine[rule]
            left, size = left - documents, size - dropped_size
            yield Step(lang, rule, documents, left, size)


def in_words(steps: Sequence[Step]) -> Iterator[str]:
    """Yield the waterfall's lines for people."""
    for step in steps:
        if not step.rule:
            yield f"{step.lang}: {step.left} documents, {step.bytes_left / 1e6:.1f} MB"
        else:
            yield f"  {step.rule:28} -{step.dropped:<8} {step.left:>8} left {step.bytes_left / 1e6:>10.1f} MB"
