"""The filter as a stage: one pass over the documents decides for every language, each in a folder of its own.

A task is one document part. While the stage runs, `filter/.tasks/<part>.json` holds what is done, of all languages;
when it ends, each language's `stage.json` takes its share over.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import polars as pl
from pydantic import ValidationError

from algstack import dataset, engine, gate
from algstack.dataset import Counts, Part, PartWriter, StageFolder, StageRecord, TaskRecord
from algstack.documents import DECISIONS
from algstack.errors import DatasetError
from algstack.filter import decide as core
from algstack.filter.language import Languages, load_languages
from algstack.gate import Gate
from algstack.manifest import LoadedManifest
from algstack.workspace import Context, KeptDocuments, decisions_name, kept_documents

STAGE = "filter"
CODE = "2"
"""Raised when the same filter files give other decisions."""

Records = dict[str, TaskRecord]
"""Language -> the record of one document part's task."""


def languages_of(manifest: LoadedManifest) -> Languages:
    """The languages that a manifest wants.

    Raises:
        ManifestError: a filter file is not as it must be, or a language is not known.
    """
    config = manifest.config.filter
    folder = manifest.resolve(config.folder) if config.folder else None
    return load_languages(config.profile, folder, config.languages)


def run(context: Context, languages: Sequence[str] | None = None) -> dict[str, StageRecord]:
    """Decide on the crawled documents, and complete the folder of each language.

    Args:
        context: manifest, workspace, workers.
        languages: only these of the manifest's languages (names or aliases); all by default.

    Returns:
        The record of each language, by name.

    Raises:
        ManifestError: a language is not known, or a filter file is not as it must be.
        DatasetError: a document has no decision, or more than one.
    """
    known = languages_of(context.manifest)
    wanted = sorted({known.resolve(name) for name in languages}) if languages is not None else list(known)
    parts = kept_documents(context.workspace, after="crawl")
    root = context.workspace.stage(STAGE)
    asked = gate.of(context.manifest)
    refused = gate.identity(context.manifest, asked)
    folders = {name: StageFolder(root / name, STAGE, CODE, {**known.fingerprint(name), **refused}) for name in wanted}
    expected = {name: _expected(folder, parts) for name, folder in folders.items()}
    pending = {name: folder for name, folder in folders.items() if not folder.is_complete(expected[name])}
    _remove_stale(root, known)
    if pending:
        _complete(context, known, asked, parts, pending, expected)
    return {name: _loaded(folder) for name, folder in folders.items()}


def _remove_stale(root: Path, known: Languages) -> None:
    """Remove what other filter files decided: a document must not have decisions of two rules of recognition."""
    for path in sorted(root.glob(f"*/{dataset.STAGE_FILE}")):
        record = dataset.load_stage(path.parent)
        name = path.parent.name
        if record is not None and (name not in known or record.config != known.fingerprint(name)):
            path.unlink()
        if name not in known:
            shutil.rmtree(path.parent)


def _expected(folder: StageFolder, parts: Sequence[KeptDocuments]) -> dict[str, str]:
    return {part.key: folder.task_fingerprint(list(part.inputs)) for part in parts}


def _complete(
    context: Context,
    known: Languages,
    asked: Gate,
    parts: Sequence[KeptDocuments],
    folders: Mapping[str, StageFolder],
    expected: Mapping[str, Mapping[str, str]],
) -> None:
    journal = Journal(context.workspace.stage(STAGE) / dataset.TASKS_FOLDER)
    for name, folder in folders.items():
        journal.take_over(name, folder)
    done = {part.key: journal.current(part.key, folders, expected) for part in parts}
    tasks = [
        Task(part, {name: expected[name][part.key] for name in folders if name not in done[part.key]})
        for part in parts
        if len(done[part.key]) < len(folders)
    ]
    context.progress.total(STAGE, len(tasks))
    work = partial(run_task, root=context.workspace.stage(STAGE), languages=known, asked=asked)
    for key, records in engine.run(work, tasks, context.workers):
        journal.add(key, records)
        done[key] |= records
        context.progress.advance(sum((record.counts for record in records.values()), Counts()))
    for name, folder in folders.items():
        folder.finish(done[part.key][name] for part in parts)
    journal.close()


def _loaded(folder: StageFolder) -> StageRecord:
    record = dataset.load_stage(folder.path)
    if record is None:
        raise DatasetError(f"{folder.path}: the stage left no record. This is a defect; please report it.")
    return record


@dataclass(frozen=True)
class Journal:
    """What is done of a filter that is not complete: one file for each document part, with all languages' records."""

    folder: Path

    def take_over(self, name: str, folder: StageFolder) -> None:
        """Make a language's complete stage into one that can go on."""
        record = dataset.load_stage(folder.path)
        if record is not None:
            for task in record.tasks:
                self.add(task.task, {name: task})
            (folder.path / dataset.STAGE_FILE).unlink()

    def current(
        self, key: str, folders: Mapping[str, StageFolder], expected: Mapping[str, Mapping[str, str]]
    ) -> Records:
        """The records of a part that still hold: same fingerprint, parts in place."""
        return {
            name: record
            for name, record in self._read(key).items()
            if name in folders and folders[name].is_current(record, expected[name][key])
        }

    def add(self, key: str, records: Records) -> None:
        """Record finished work; its parts must be in place."""
        merged = self._read(key) | records
        values = {name: record.model_dump(mode="json") for name, record in merged.items()}
        dataset.write_text(self._path(key), dataset.dump_json(values))

    def close(self) -> None:
        """Every language has its own record now."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _read(self, key: str) -> Records:
        try:
            values = json.loads(self._path(key).read_bytes())
            return {name: TaskRecord.model_validate(value) for name, value in values.items()}
        except (FileNotFoundError, ValidationError, ValueError):
            return {}

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.json"


@dataclass(frozen=True)
class Task:
    """One document part, and the fingerprint of the work for each language that needs it."""

    documents: KeptDocuments
    wanted: dict[str, str]


def run_task(task: Task, root: Path, languages: Languages, asked: Gate) -> tuple[str, Records]:
    """Write one document part's decisions for the languages that need them.

    Args:
        task: the part.
        root: the stage's folder; each language's is below it.
        languages: all that the manifest wants.
        asked: removal requests and licence policy.

    Returns:
        The part's key and the record of each language.
    """
    name = decisions_name(task.documents.key)
    written: dict[str, list[Part]] = {language: [] for language in task.wanted}
    counts = dict.fromkeys(task.wanted, Counts())
    with ExitStack() as stack:
        writers: dict[str, PartWriter] = {}
        for frame in task.documents.frames(list(dict.fromkeys((*core.COLUMNS, *gate.COLUMNS, "size")))):
            decisions = asked.refuse(frame, core.decide(frame, languages, only=task.wanted))
            check_complete(frame, decisions, task.wanted, languages)
            sized = decisions.join(frame.select("id", "size"), on="id", how="left", maintain_order="left")
            for (language,), rows in sized.group_by("lang", maintain_order=True):
                lang = str(language)
                if lang not in writers:
                    writers[lang] = stack.enter_context(
                        dataset.part_writer(root / lang, name, DECISIONS, written[lang])
                    )
                counts[lang] += counted(rows)
                writers[lang].write(rows.select(DECISIONS.names).to_arrow())
    return task.documents.key, {
        lang: TaskRecord(task=task.documents.key, fingerprint=wanted, counts=counts[lang], parts=tuple(written[lang]))
        for lang, wanted in task.wanted.items()
    }


def counted(decisions: pl.DataFrame) -> Counts:
    """Count decisions; their frame has the documents' `size` beside them."""
    kept = decisions.filter(pl.col("keep"))
    dropped = decisions.filter(~pl.col("keep"))["rule"].value_counts().sort("rule")
    size_kept = pl.coalesce(pl.col("text").str.len_bytes().cast(pl.Int64), "size")
    return Counts(
        documents=decisions.height,
        kept=kept.height,
        dropped=dict(dropped.iter_rows()),
        bytes=int(decisions["size"].sum()),
        bytes_kept=int(kept.select(size_kept.sum()).item()),
    )


def check_complete(documents: pl.DataFrame, decisions: pl.DataFrame, only: Iterable[str], languages: Languages) -> None:
    """Raise DatasetError unless each document that came as a wanted language has exactly one decision."""
    everything = set(only) == set(languages)
    expected = documents.filter(pl.col("lang").is_in(list(languages)))["id"] if everything else decisions["id"]
    missing = expected.is_in(decisions["id"].implode()).not_().sum()
    if missing or decisions["id"].n_unique() != decisions.height:
        raise DatasetError(
            f"{documents.height} documents reached the filter, which made {decisions.height} decisions about "
            f"{decisions['id'].n_unique()} of them: each needs exactly one. Do two documents have the same id?"
        )
