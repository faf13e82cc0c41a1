"""What changed between two releases: documents added, removed and why, changed; and what they were made with.

A document is the same one in both where its id is, or where its id without the revision is: a repository's next
commit brings new ids for files that did not change.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import polars as pl

from algstack import dataset, removal
from algstack.dataset import Record, StageRecord
from algstack.errors import DatasetError
from algstack.release.statistics import dropped_paths, shard_paths, split_of_file

GONE = "gone upstream"

_REVISION = r"^([^@:]+:[^@]*)@[^:]*:"


class Change(Record):
    """Documents of one language or repository that came, went, changed and stayed."""

    name: str
    added: int
    removed: int
    changed: int
    same: int


class Difference(Record):
    """All that changed. `removed` counts why documents are missing: `GONE`, or stage and rule that drop them now.

    `moved` are documents whose split is another; there must be none. `settings` are (key, old, new) of the manifest
    and the tools.
    """

    old: str
    new: str
    languages: tuple[Change, ...]
    repositories: tuple[Change, ...]
    removed: dict[str, int]
    moved: int
    settings: tuple[tuple[str, str, str], ...]
    total: Change


def compare(old: Path, new: Path) -> Difference:
    """Compare two release folders.

    Raises:
        DatasetError: one of them is no release.
    """
    before, after = _record(old), _record(new)
    pairs = _matched(_documents(old), _documents(new))
    return Difference(
        old=str(before.config["version"]),
        new=str(after.config["version"]),
        languages=_changes(pairs, "lang"),
        repositories=_changes(pairs, "repo"),
        removed=_why(pairs.filter(pl.col("state") == "removed"), new),
        moved=pairs.filter(pl.col("split") != pl.col("split_new")).height,
        settings=tuple(_settings(before, after)),
        total=_change("all", dict(pairs["state"].value_counts().iter_rows())),
    )


def _record(release: Path) -> StageRecord:
    record = dataset.load_stage(release)
    if record is None:
        raise DatasetError(f"{release}: no release here ({dataset.STAGE_FILE} is missing). Name its folder.")
    return record


def _documents(release: Path) -> pl.DataFrame:
    """One narrow row per document: id, key (the id without its revision), hash of its text, lang, repo, split."""
    frames = [
        pl.scan_parquet(path, glob=False)
        .select("id", "lang", "repo", text=pl.col("text").hash(0), split=pl.lit(split_of_file(path)))
        .collect(engine="streaming")
        for path in shard_paths(release)
    ]
    empty = {"id": pl.String, "lang": pl.String, "repo": pl.String, "text": pl.UInt64, "split": pl.String}
    return pl.concat([pl.DataFrame(schema=empty), *frames]).with_columns(key=_key("id"))


def _key(column: str) -> pl.Expr:
    return pl.col(column).str.replace(_REVISION, "${1}:")


def _matched(old: pl.DataFrame, new: pl.DataFrame) -> pl.DataFrame:
    """Pair documents by id, what is left by key; `state` says what became of each."""
    by_id = old.join(new, on="id", how="inner", suffix="_new").with_columns(id_new=pl.col("id"))
    left = _numbered(old.join(new, on="id", how="anti"))
    right = _numbered(new.join(old, on="id", how="anti"))
    by_key = left.join(right, on=["key", "number"], how="full", suffix="_new").drop("number", "number_new")
    columns = ["id", "lang", "repo", "split", "text", "id_new", "lang_new", "repo_new", "split_new", "text_new"]
    pairs = pl.concat([by_id.select(columns), by_key.select(columns)])
    state = (
        pl.when(pl.col("id").is_null())
        .then(pl.lit("added"))
        .when(pl.col("id_new").is_null())
        .then(pl.lit("removed"))
        .when(pl.col("text") != pl.col("text_new"))
        .then(pl.lit("changed"))
        .otherwise(pl.lit("same"))
    )
    return pairs.with_columns(state=state)


def _numbered(rows: pl.DataFrame) -> pl.DataFrame:
    """Number documents of one key, so that each is paired once: several revisions of a file can be in one release."""
    return rows.sort("id").with_columns(number=pl.int_range(pl.len()).over("key"))


def _changes(pairs: pl.DataFrame, column: str) -> tuple[Change, ...]:
    name = pl.coalesce(f"{column}_new", column).fill_null("–").alias("name")
    counted = pairs.group_by(name, "state").len().rows()
    states: dict[str, dict[str, int]] = {}
    for one, state, count in counted:
        states.setdefault(one, {})[state] = count
    changes = [_change(one, counts) for one, counts in states.items()]
    touched = [change for change in changes if change.added or change.removed or change.changed]
    return tuple(sorted(touched, key=lambda one: (-(one.added + one.removed + one.changed), one.name)))


def _change(name: str, counts: dict[str, int]) -> Change:
    return Change(name=name, **{state: int(counts.get(state, 0)) for state in ("added", "removed", "changed", "same")})


def _why(removed: pl.DataFrame, new: Path) -> dict[str, int]:
    """Count why documents are missing in the new release, from what it says of the documents it dropped."""
    reasons: Counter[str] = Counter()
    left = removed.select("id").with_columns(key=_key("id"))
    drops = [
        pl.read_parquet(path, columns=["id", "stage", "rule"], glob=False).with_columns(key=_key("id"))
        for path in dropped_paths(new)
    ]
    if drops:
        table = pl.concat(drops)
        left = left.with_columns(unnamed=removal.unnamed("id"))
        table = table.with_columns(unnamed=pl.col("id"))
        for on in ("id", "key", "unnamed"):
            known = table.unique(on, keep="first", maintain_order=True).select(on, "stage", "rule")
            found = left.join(known, on=on, how="inner")
            reasons.update(f"{stage}: {rule}" for stage, rule in found.select("stage", "rule").iter_rows())
            left = left.join(found.select("id"), on="id", how="anti")
    if left.height:
        reasons[GONE] += left.height
    return dict(sorted(reasons.items(), key=lambda item: (-item[1], item[0])))


def _settings(before: StageRecord, after: StageRecord) -> Iterable[tuple[str, str, str]]:
    if before.tool != after.tool:
        yield "tool", before.tool, after.tool
    old, new = _flat(before.config), _flat(after.config)
    for key in sorted(old.keys() | new.keys()):
        if key not in ("version", "inputs") and old.get(key) != new.get(key):
            yield key, _short(old.get(key)), _short(new.get(key))


def _flat(value: object, where: str = "") -> dict[str, Any]:
    """Nested settings as one table; a source is named by its name, not by its place in the list."""
    if isinstance(value, dict):
        items = [(str(key), one) for key, one in value.items()]
    elif isinstance(value, list) and all(isinstance(one, dict) and "name" in one for one in value):
        items = [(str(one["name"]), one) for one in value]
    else:
        return {where: value}
    return {name: one for key, below in items for name, one in _flat(below, f"{where}.{key}" if where else key).items()}


def _short(value: object) -> str:
    return "–" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def changelog(difference: Difference) -> str:
    """Return the difference as a section of Markdown, for a card or a changelog."""
    total = difference.total
    lines = [
        f"## {difference.new} after {difference.old}",
        "",
        f"{total.added:,} documents added, {total.removed:,} removed, {total.changed:,} changed, {total.same:,} kept.",
        "",
    ]
    if difference.languages:
        lines += ["| Language | Added | Removed | Changed | Same |", "| --- | ---: | ---: | ---: | ---: |"]
        lines += [
            f"| {one.name} | {one.added:,} | {one.removed:,} | {one.changed:,} | {one.same:,} |"
            for one in difference.languages
        ]
        lines.append("")
    if difference.removed:
        lines += ["Why documents are missing:", ""]
        lines += [f"- {why}: {count:,}" for why, count in difference.removed.items()]
        lines.append("")
    if difference.settings:
        lines += ["Made otherwise:", ""]
        lines += [f"- `{key}`: {old} → {new}" for key, old, new in difference.settings]
        lines.append("")
    return "\n".join(lines)
