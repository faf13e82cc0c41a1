"""What is not in a release, and why: one row for each document that the crawl met and a stage dropped.

A release carries these narrow rows beside its shards (`dropped/…`), so that counts balance in the release itself, and
so that the next version can say of each missing document whether it is gone upstream or fell to a rule.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from algstack import removal
from algstack.documents import DECISIONS, DOCUMENTS
from algstack.errors import DatasetError
from algstack.release.leaks import Refusal, decisions
from algstack.workspace import DECIDING_STAGES, OPTIONAL_STAGES, KeptDocuments, Workspace, as_frame, decisions_name

NO_FILTER = "no-filter"
NO_FILTER_REASON = "no filter has decided on this document's language"

PLACE = "dropped/dropped"
"""Where the rows lie in a release: `dropped/dropped-00000-of-00001.parquet`."""

_FROM_DECISIONS = ("id", "stage", "lang", "rule", "reason", "evidence", "keeper", "similarity")
_FROM_DOCUMENTS = ("source", "repo", "path", "size")

DROPPED = pa.schema(
    [
        *(DECISIONS.field(name) for name in _FROM_DECISIONS),
        *(DOCUMENTS.field(name).with_nullable(True) for name in _FROM_DOCUMENTS),
    ]
)
"""`size`, `repo` and `path` are null where the crawl refused a file before it was a document."""

_DOCUMENT_COLUMNS = ["id", "lang", *_FROM_DOCUMENTS]


_UNSAID = pl.col("rule").is_null() | pl.col("reason").is_null()


@dataclass(frozen=True)
class Decided:
    """One task of the crawl: its documents, and every stage's decisions about them. Picklable.

    `kept` are the documents that are left after all stages, None where the task brought no document.
    """

    key: str
    source: str
    documents: Path | None
    decisions: tuple[tuple[str, tuple[Path, ...]], ...]
    inputs: tuple[str, ...]
    kept: KeptDocuments | None


def decided(workspace: Workspace, kept: Sequence[KeptDocuments]) -> list[Decided]:
    """Everything that has been crawled, task by task, in a stated order: by source, then by task."""
    left = {part.key: part for part in kept}
    tables = {stage: _decisions_by_name(workspace, stage) for stage in DECIDING_STAGES}
    stages = [stage for stage in DECIDING_STAGES if tables[stage] or stage not in OPTIONAL_STAGES]
    return [
        _decided(workspace, source, task, [(stage, tables[stage]) for stage in stages], left)
        for source in workspace.sources()
        for task in _tasks(workspace, source)
    ]


_Named = dict[str, list[tuple[Path, str]]]


def _decisions_by_name(workspace: Workspace, stage: str) -> _Named:
    table: _Named = {}
    for folder, record in workspace.stage_records(stage).items():
        for part in record.parts:
            if part.name.startswith("decisions-"):
                table.setdefault(part.name, []).append((workspace.path / folder / part.name, part.sha256))
    return table


def _tasks(workspace: Workspace, source: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield (task, {part's name: sha256}) of a source."""
    records = workspace.stage_records("crawl")
    for task in records[f"crawl/{source}"].tasks:
        yield task.task, {part.name: part.sha256 for part in task.parts}


def _decided(
    workspace: Workspace,
    source: str,
    task: tuple[str, dict[str, str]],
    tables: Sequence[tuple[str, _Named]],
    left: dict[str, KeptDocuments],
) -> Decided:
    name, parts = task
    key = f"{source}-{name}"
    folder = workspace.crawl(source)
    crawled = [(folder / part, digest) for part, digest in sorted(parts.items()) if part.startswith("decisions-")]
    document_parts = [folder / part for part in sorted(parts) if part.startswith("documents-")]
    found = [("crawl", crawled), *((stage, table.get(decisions_name(key), [])) for stage, table in tables)]
    return Decided(
        key=key,
        source=source,
        documents=document_parts[0] if document_parts else None,
        decisions=tuple((stage, tuple(path for path, _ in files)) for stage, files in found),
        inputs=(*(parts[part] for part in sorted(parts)), *(digest for _, files in found[1:] for _, digest in files)),
        kept=left.get(key),
    )


def dropped_rows(part: Decided, refusals: Sequence[Refusal] = ()) -> pl.DataFrame:
    """Return the rows of DROPPED of one task of the crawl, sorted by id; `refusals` are of the release itself."""
    known = _documents(part)
    drops = [_drops(paths) for _, paths in part.decisions]
    if unsaid := [frame["id"][0] for frame in (drop.filter(_UNSAID) for drop in drops) if frame.height]:
        raise DatasetError(f"{unsaid[0]}: dropped without a rule and a reason. This is a defect; please report it.")
    filtered = next((paths for stage, paths in part.decisions if stage == "filter"), ())
    refused = decisions(refusals, _latest_languages(known, filtered)).select(_FROM_DECISIONS)
    rows = pl.concat([*drops, _undecided(known, filtered), refused])
    return (
        rows.join(known.select("id", "repo", "path", "size"), on="id", how="left")
        .with_columns(source=pl.lit(part.source))
        .select(DROPPED.names)
        .pipe(_without_names)
        .sort("id")
    )


def _without_names(rows: pl.DataFrame) -> pl.DataFrame:
    """Say of documents whose owner wants them gone only that there were some."""
    is_removed = pl.col("rule") == removal.RULE
    removed = rows.filter(is_removed)
    if removed.is_empty():
        return rows
    nothing = {name: pl.lit(None, pl.String) for name in ("repo", "path", "evidence")}
    return pl.concat([rows.filter(~is_removed), removed.with_columns(id=removal.unnamed("id"), **nothing)])


def _documents(part: Decided) -> pl.DataFrame:
    schema = pa.schema([DOCUMENTS.field(name) for name in _DOCUMENT_COLUMNS])
    if part.documents is None:
        return as_frame(schema.empty_table())
    return as_frame(pq.read_table(part.documents, columns=_DOCUMENT_COLUMNS, use_threads=False))


def _drops(paths: Sequence[Path]) -> pl.DataFrame:
    frames = [
        as_frame(pq.read_table(path, columns=[*_FROM_DECISIONS, "keep"], use_threads=False)).filter(~pl.col("keep"))
        for path in paths
    ]
    empty = as_frame(pa.schema([DECISIONS.field(name) for name in _FROM_DECISIONS]).empty_table())
    return pl.concat([empty, *(frame.select(_FROM_DECISIONS) for frame in frames)])


def _latest_languages(known: pl.DataFrame, filtered: Sequence[Path]) -> pl.DataFrame:
    """The language that the filter gave each document."""
    frames = [as_frame(pq.read_table(path, columns=["id", "lang"], use_threads=False)) for path in filtered]
    return pl.concat(frames) if frames else known.select("id", "lang")


def _undecided(known: pl.DataFrame, filtered: Sequence[Path]) -> pl.DataFrame:
    """Documents in a language that no filter of this dataset decides on: a drop as well, and said so."""
    ids = [as_frame(pq.read_table(path, columns=["id"], use_threads=False)) for path in filtered]
    left = known.join(pl.concat(ids), on="id", how="anti") if ids else known
    nulls = {name: pl.lit(None, pl.String) for name in ("evidence", "keeper")}
    return left.with_columns(
        stage=pl.lit("filter"),
        rule=pl.lit(NO_FILTER),
        reason=pl.lit(NO_FILTER_REASON),
        similarity=pl.lit(None, pl.Float64),
        **nulls,
    ).select(_FROM_DECISIONS)
