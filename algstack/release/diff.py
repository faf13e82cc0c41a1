"""What changed between two releases: documents added, removed and why, changed; and what they were made with.

A document is the same one in both where its id is, or where its id without the revision is: a repository's next
commit brings new ids for files that did not change.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import polars as pl

from algstack import dataset, removal
from algstack.dataset import Record, StageRecord
from algstack.errors import DatasetError
from algstack.release.card import counted
from algstack.release.statistics import dropped_paths, shard_paths, split_of_file

GONE = "gone upstream"

_REVISION = r"^([^@:]+:[^@]*)@[^:]*:"


class Change(Record):
    """Documents of one language or repository that came, went, changed and stayed; `why` counts why they went."""

    name: str
    added: int
    removed: int
    changed: int
    same: int
    why: dict[str, int]


class Difference(Record):
    """All that changed. `removed` counts why documents are missing: `GONE`, or stage and rule that drop them now.

    `moved` are documents whose split is another; there must be none. `settings` are (key, old, new) of the manifest,
    the filters (`filters.<language>`, by digest), the stages (`codes.<stage>`) and the tool.
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
    pairs = _with_reasons(_matched(_documents(old), _documents(new)), new).with_columns(name=pl.lit("all"))
    states, reasons = _counts(pairs, "state"), _counts(pairs.drop_nulls("why"), "why")
    total = _change("all", states.get("all", {}), reasons.get("all", {}))
    return Difference(
        old=str(before.config["version"]),
        new=str(after.config["version"]),
        languages=_changes(pairs, _either("lang")),
        repositories=_changes(pairs, _either("repo")),
        removed=total.why,
        moved=pairs.filter(pl.col("split") != pl.col("split_new")).height,
        settings=tuple(_settings(before, after)),
        total=total,
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


def _changes(pairs: pl.DataFrame, name: pl.Expr) -> tuple[Change, ...]:
    """Count what became of documents, for each value of `name` of which some are not the same."""
    named = pairs.with_columns(name=name)
    states, reasons = _counts(named, "state"), _counts(named.drop_nulls("why"), "why")
    changes = [_change(one, counts, reasons.get(one, {})) for one, counts in states.items()]
    touched = [change for change in changes if change.added or change.removed or change.changed]
    return tuple(sorted(touched, key=lambda one: (-(one.added + one.removed + one.changed), one.name)))


def _either(column: str) -> pl.Expr:
    """A column's value in the new release, or else in the old one."""
    return pl.coalesce(f"{column}_new", column).fill_null("–")


def _counts(rows: pl.DataFrame, column: str) -> dict[str, dict[str, int]]:
    """Count the values of a column for each `name`, the commonest first."""
    table = rows.group_by("name", column).len().sort(["len", column], descending=[True, False])
    counts: dict[str, dict[str, int]] = {}
    for name, value, count in table.iter_rows():
        counts.setdefault(name, {})[value] = count
    return counts


def _change(name: str, states: dict[str, int], why: dict[str, int]) -> Change:
    added, removed, changed, same = (states.get(state, 0) for state in ("added", "removed", "changed", "same"))
    return Change(name=name, added=added, removed=removed, changed=changed, same=same, why=why)


def _with_reasons(pairs: pl.DataFrame, new: Path) -> pl.DataFrame:
    """Add `why` to removed documents, from what the new release says of the documents it dropped."""
    removed = pairs.filter(pl.col("state") == "removed").select("id")
    left = removed.with_columns(key=_key("id"), unnamed=removal.unnamed("id"))
    drops = [
        pl.read_parquet(path, columns=["id", "stage", "rule"], glob=False).with_columns(key=_key("id"))
        for path in dropped_paths(new)
    ]
    reasons = [pl.DataFrame(schema={"id": pl.String, "why": pl.String})]
    if drops:
        table = pl.concat(drops).with_columns(unnamed="id", why=pl.format("{}: {}", "stage", "rule"))
        for on in ("id", "key", "unnamed"):
            known = table.unique(on, keep="first", maintain_order=True).select(on, "why")
            found = left.join(known, on=on, how="inner").select("id", "why")
            reasons.append(found)
            left = left.join(found, on="id", how="anti")
    reasons.append(left.select("id", why=pl.lit(GONE)))
    return pairs.join(pl.concat(reasons), on="id", how="left")


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


def _in_code(why: str) -> str:
    """`stage: rule` with the rule as Markdown's code."""
    stage, _, rule = why.partition(": ")
    return f"{stage} `{rule}`" if rule else why


def changelog(difference: Difference) -> str:
    """Return the difference as a section of Markdown, for a card or a changelog."""
    total = difference.total
    added, removed, changed = counted(total.added, "document"), f"{total.removed:,}", f"{total.changed:,}"
    counts = f"{added} added, {removed} removed, {changed} changed, {total.same:,} the same."
    lines = [f"## {difference.new} after {difference.old}", "", counts, ""]
    if difference.languages:
        lines += ["| Language | Added | Removed | Changed | Same |", "| --- | ---: | ---: | ---: | ---: |"]
        lines += [
            f"| {one.name} | {one.added:,} | {one.removed:,} | {one.changed:,} | {one.same:,} |"
            for one in difference.languages
        ]
        lines.append("")
    if difference.removed:
        lines += ["Why documents are missing:", ""]
        lines += [f"- {_in_code(why)}: {count:,}" for why, count in difference.removed.items()]
        lines.append("")
    if difference.settings:
        lines += ["Made otherwise:", ""]
        lines += [f"- `{key}`: {old} → {new}" for key, old, new in difference.settings]
        lines.append("")
    return "\n".join(lines)
