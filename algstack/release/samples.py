"""Samples for the report: documents that were kept, that each rule dropped, and near-duplicates beside their keepers.

Which documents are drawn is decided by a hash of their ids, so a release always shows the same ones; each draw keeps a
few rows at a time, however many documents there are.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from algstack.dataset import Record
from algstack.release.statistics import dropped_paths, shard_paths
from algstack.workspace import Workspace, as_frame, decisions_name

KEPT_PER_LANGUAGE = 16
DROPPED_PER_RULE = 3
"""Per rule and language."""

PAIRS_PER_BIN = 4
"""Per two percent of similarity."""

MOST_REPOSITORIES = 5_000
MOST_CHARACTERS = 4_000
"""Of a text that is shown."""

MOST_PAIR_CHARACTERS = 12_000


class Sample(Record):
    """One document. `rule` and what follows it are null where it was kept; `text` where the crawl refused the file.

    `first_line` is the number of the text's first line in the document; `cut` says whether there is more of it.
    """

    id: str
    lang: str | None
    repo: str | None
    path: str | None
    url: str | None
    license: str | None
    size: int | None
    tokens: int | None = None
    split: str | None = None
    stage: str | None = None
    rule: str | None = None
    reason: str | None = None
    evidence: str | None = None
    keeper: str | None = None
    similarity: float | None = None
    text: str | None
    first_line: int = 1
    cut: bool = False


class Pair(Record):
    """A dropped near-duplicate and the document that was kept."""

    id: str
    keeper: str
    lang: str | None
    rule: str
    reason: str
    similarity: float
    text: str
    keeper_text: str
    cut: bool


class Repository(Record):
    """Exact counts of one repository."""

    name: str
    documents: int
    bytes: int
    tokens: int
    dropped: int


class Samples(Record):
    """All that the report shows besides figures. `repositories` are the largest of `all_repositories`."""

    samples: tuple[Sample, ...]
    pairs: tuple[Pair, ...]
    repositories: tuple[Repository, ...]
    all_repositories: int


def draw(release: Path, workspace: Workspace | None) -> Samples:
    """Draw samples of a release.

    Args:
        release: its folder.
        workspace: where the texts of dropped documents lie; without it they are shown without text.
    """
    kept = _draw_kept(release)
    dropped = _draw_dropped(release)
    paired = _draw_pairs(release)
    repositories, count = _repositories(release)
    of_keepers = _release_rows(release, {row["keeper"] for row in paired}, ["text"])
    texts = _dropped_texts(workspace, [*dropped, *paired]) if workspace else {}
    return Samples(
        samples=(*kept, *(_dropped_sample(row, texts.get(row["id"], {})) for row in dropped)),
        pairs=tuple(_pairs(paired, texts, of_keepers)),
        repositories=repositories,
        all_repositories=count,
    )


def rank(name: str) -> int:
    """Return the place of an id in every draw: the smallest are drawn."""
    return zlib.crc32(name.encode())


def _smallest(rows: pl.DataFrame, by: list[str], count: int) -> pl.DataFrame:
    """Return the `count` rows of each group that are drawn first."""
    ranked = rows.with_columns(pl.Series("rank", [rank(name) for name in rows["id"].to_list()], dtype=pl.Int64))
    return ranked.sort(*by, "rank", "id", nulls_last=True).group_by(by, maintain_order=True).head(count)


def _draw_from(paths: Iterable[Path], columns: list[str], by: list[str], count: int) -> pl.DataFrame | None:
    """Draw file by file: what is drawn of all is drawn of what was drawn of each."""
    drawn: pl.DataFrame | None = None
    for path in paths:
        rows = as_frame(pq.read_table(path, columns=columns))
        fresh = _smallest(rows, by, count).drop("rank")
        drawn = fresh if drawn is None else _smallest(pl.concat([drawn, fresh]), by, count).drop("rank")
    return drawn


def _draw_kept(release: Path) -> list[Sample]:
    drawn = _draw_from(shard_paths(release), ["id", "lang"], ["lang"], KEPT_PER_LANGUAGE)
    if drawn is None:
        return []
    columns = ["lang", "repo", "path", "url", "license", "size", "tokens", "text"]
    rows = _release_rows(release, set(drawn["id"]), columns)
    return [_kept_sample(name, rows[name]) for name in drawn["id"] if name in rows]


def _kept_sample(name: str, row: dict[str, Any]) -> Sample:
    text, first_line, cut = window(row.pop("text"), None)
    return Sample(id=name, **row, text=text, first_line=first_line, cut=cut)


def _release_rows(release: Path, names: set[str], columns: list[str]) -> dict[str, dict[str, Any]]:
    """Return the named documents of a release, with their split."""
    found = {}
    for path in shard_paths(release):
        split = path.name.rsplit("-", 3)[0]
        for row in _rows_of(path, names, columns):
            name = row.pop("id")
            found[name] = row | {"split": split}
    return found


def _rows_of(path: Path, names: set[str], columns: Sequence[str]) -> list[dict[str, Any]]:
    """Return the rows of a file with these ids, of which a row group at a time is in memory."""
    file = pq.ParquetFile(path)
    wanted = pa.array(sorted(names), pa.string())
    rows: list[dict[str, Any]] = []
    for group in range(file.metadata.num_row_groups):
        ids = file.read_row_group(group, columns=["id"]).column("id")
        hits = pc.is_in(ids, wanted)
        if pc.any(hits).as_py():
            rows += file.read_row_group(group, columns=["id", *columns]).filter(hits).to_pylist()
    return rows


_DROPPED = [
    "id",
    "stage",
    "lang",
    "rule",
    "reason",
    "evidence",
    "keeper",
    "similarity",
    "source",
    "repo",
    "path",
    "size",
]


def _draw_dropped(release: Path) -> list[dict[str, Any]]:
    drawn = _draw_from(dropped_paths(release), _DROPPED, ["stage", "rule", "lang"], DROPPED_PER_RULE)
    return [] if drawn is None else drawn.to_dicts()


def _draw_pairs(release: Path) -> list[dict[str, Any]]:
    drawn: list[pl.DataFrame] = []
    for path in dropped_paths(release):
        rows = as_frame(pq.read_table(path, columns=_DROPPED, filters=pc.field("similarity") < 1.0))
        drawn.append(rows.drop_nulls("keeper").with_columns(bin=(pl.col("similarity") * 50).floor()))
    if not drawn:
        return []
    return _smallest(pl.concat(drawn), ["bin"], PAIRS_PER_BIN).sort("similarity", "id").to_dicts()


def _dropped_texts(workspace: Workspace, rows: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return text, url and licence of dropped documents, the text as the stage that dropped them saw it."""
    found: dict[str, dict[str, Any]] = {}
    for source in sorted({row["source"] for row in rows}):
        names = {row["id"] for row in rows if row["source"] == source and row["size"] is not None}
        if not names:
            continue
        for part in workspace.document_parts([source]):
            for row in _rows_of(part.path, names, ["text", "url", "license"]):
                name = row.pop("id")
                found[name] = row
            _bring_up_to_date(workspace, part.key, found, rows)
    return found


def _bring_up_to_date(
    workspace: Workspace, key: str, found: dict[str, dict[str, Any]], rows: Sequence[dict[str, Any]]
) -> None:
    """Replace texts that the filter changed, for documents that a later stage dropped."""
    later = {row["id"] for row in rows if row["stage"] not in ("crawl", "filter")} & found.keys()
    for path, _ in workspace.decision_parts("filter", key) if later else ():
        if path.name == decisions_name(key):
            for row in _rows_of(path, later, ["text"]):
                if row["text"] is not None:
                    found[row["id"]]["text"] = row["text"]


def _dropped_sample(row: dict[str, Any], known: dict[str, Any]) -> Sample:
    text, first_line, cut = window(known.get("text"), row["evidence"])
    facts = {name: value for name, value in row.items() if name in Sample.model_fields}
    return Sample(
        **facts, url=known.get("url"), license=known.get("license"), text=text, first_line=first_line, cut=cut
    )


def _pairs(
    rows: Sequence[dict[str, Any]], texts: dict[str, dict[str, Any]], keepers: dict[str, dict[str, Any]]
) -> Iterable[Pair]:
    for row in rows:
        text = texts.get(row["id"], {}).get("text")
        keeper = keepers.get(row["keeper"], {}).get("text")
        if text is not None and keeper is not None:
            yield Pair(
                id=row["id"],
                keeper=row["keeper"],
                lang=row["lang"],
                rule=row["rule"],
                reason=row["reason"],
                similarity=row["similarity"],
                text=text[:MOST_PAIR_CHARACTERS],
                keeper_text=keeper[:MOST_PAIR_CHARACTERS],
                cut=max(len(text), len(keeper)) > MOST_PAIR_CHARACTERS,
            )


def window(text: str | None, evidence: str | None, most: int = MOST_CHARACTERS) -> tuple[str | None, int, bool]:
    """Return (the part of a text to show, number of its first line, whether there is more).

    It is the beginning, or the lines around the evidence where that comes later.
    """
    if text is None:
        return None, 1, False
    start = 0
    at = find_evidence(text, evidence)
    if at and at[1] > most:
        start = text.rfind("\n", 0, max(0, at[0] - most // 4)) + 1
    return text[start : start + most], text.count("\n", 0, start) + 1, start > 0 or len(text) > start + most


def find_evidence(text: str, evidence: str | None) -> tuple[int, int] | None:
    """Return [start, end) of a rule's evidence in a text, where it stands there literally."""
    seen = (evidence or "").removesuffix("…")
    at = text.find(seen) if seen.strip() else -1
    return (at, at + len(seen)) if at >= 0 else None


def _repositories(release: Path) -> tuple[tuple[Repository, ...], int]:
    kept = _per_repository(
        shard_paths(release),
        [pl.len().cast(pl.Int64).alias("documents"), pl.col("size").sum().alias("bytes"), pl.col("tokens").sum()],
    )
    if paths := dropped_paths(release):
        dropped = _per_repository(paths, [pl.len().cast(pl.Int64).alias("dropped")])
        table = kept.join(dropped, on="repo", how="full", coalesce=True).fill_null(0)
    else:
        table = kept.with_columns(dropped=pl.lit(0, pl.Int64))
    ordered = table.sort(["bytes", "dropped", "repo"], descending=[True, True, False])
    rows = ordered.head(MOST_REPOSITORIES).rename({"repo": "name"}).to_dicts()
    return tuple(Repository(**row) for row in rows), table.height


def _per_repository(paths: Sequence[Path], aggregates: list[pl.Expr]) -> pl.DataFrame:
    return pl.scan_parquet(list(paths), glob=False).drop_nulls("repo").group_by("repo").agg(aggregates).collect()
