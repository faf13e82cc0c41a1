"""What decontamination did, for people: per benchmark its problems, hits, drops, cuts and the nearest examples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from algstack import dataset
from algstack.dataset import StageRecord

FILE = "report.json"
FINDINGS_FOLDER = "findings"
EXAMPLES = 20
"""Nearest examples that are shown of each benchmark."""

_EXAMPLE = ["id", "problem", "how", "words", "of", "similarity", "evidence"]


def write(folder: Path, record: StageRecord, repositories: Mapping[str, str]) -> None:
    """Write the report of a complete stage beside its decisions."""
    dataset.write_text(folder / FILE, dataset.dump_json(compose(folder, record, repositories)))


def compose(folder: Path, record: StageRecord | None, repositories: Mapping[str, str]) -> dict[str, Any]:
    """Return the report as JSON values: what `report.json` holds.

    - `benchmarks`: for each that was applied `name`, `version`, `title`, `url`, `license`, `sha256` of the copy;
      `problems`, of them `empty` and `too_short` to be looked for; `hits` (places found) of `problems_hit` problems in
      `documents`, and how they are known (`by`: `ngram`, `statement`, `name`, `similar`, `unparsable`); what became of
      these documents: `documents_dropped` and `documents_cut`, with `spans_cut` (`unparsable` is not cut, since its end
      cannot be told); and the 20 `nearest` examples, the most alike first. Where the stage only
      looked, the last three numbers are null.
    - `not_applied`: optional benchmarks without a copy.
    - `repositories`: those that are a benchmark by their content -> the evidence.
    - `dropped`: rule -> documents; `redacted`: kind -> places.

    Args:
        folder: the stage's, where its findings lie.
        record: the stage's record; None if it only looked.
        repositories: repositories that are a benchmark by their content, with the evidence.
    """
    place = folder / FINDINGS_FOLDER
    found = dataset.load_stage(place)
    rows = [pl.read_parquet(place / part.name) for part in found.parts] if found else []
    findings = pl.concat(rows) if rows else pl.DataFrame(schema={"benchmark": pl.String})
    dropped = _dropped(folder, record, findings)
    applied: list[dict[str, Any]] = found.config["benchmarks"] if found else []
    redacted = Counter[str]()
    for task in record.tasks if record else ():
        redacted.update(task.note.get("redacted", {}))
    return {
        "benchmarks": [_benchmark(one, findings, dropped) for one in applied],
        "not_applied": found.config["missing"] if found else [],
        "repositories": dict(repositories),
        "dropped": record.counts.dropped if record else {},
        "redacted": dict(sorted(redacted.items())),
    }


def _dropped(place: Path, record: StageRecord | None, findings: pl.DataFrame) -> set[str] | None:
    """The documents with findings that were dropped; None if nothing was decided."""
    if record is None:
        return None
    found: set[str] = set()
    wanted = set(findings["id"]) if "id" in findings.columns else set()
    for part in record.parts if wanted else ():
        if part.name.startswith("decisions-"):
            decided = pl.read_parquet(place / part.name, columns=["id", "keep"])
            found |= wanted.intersection(decided.filter(~pl.col("keep"))["id"])
    return found


def _became(own: pl.DataFrame, dropped: set[str] | None) -> dict[str, int | None]:
    """What became of the documents that hold a benchmark's problems."""
    if dropped is None:
        return {"documents_dropped": None, "documents_cut": None, "spans_cut": None}
    is_dropped = pl.col("id").is_in(list(dropped))
    cut = own.filter(~is_dropped & (pl.col("how") != "unparsable"))
    return {
        "documents_dropped": own.filter(is_dropped)["id"].n_unique(),
        "documents_cut": cut["id"].n_unique(),
        "spans_cut": cut.select("id", "start", "end").n_unique() if cut.height else 0,
    }


def _benchmark(applied: dict[str, Any], findings: pl.DataFrame, dropped: set[str] | None) -> dict[str, Any]:
    own = findings.filter(pl.col("benchmark") == applied["name"])
    if own.is_empty():
        zeros = dict.fromkeys(("documents_dropped", "documents_cut", "spans_cut"), None if dropped is None else 0)
        return {**applied, "hits": 0, "problems_hit": 0, "documents": 0, "by": {}, **zeros, "nearest": []}
    nearest = own.sort(
        ["similarity", "words", "id", "start"], descending=[True, True, False, False], maintain_order=True
    ).head(EXAMPLES)
    return {
        **applied,
        "hits": own.height,
        "problems_hit": own["problem"].n_unique(),
        "documents": own["id"].n_unique(),
        "by": dict(own["how"].value_counts().sort("how").iter_rows()),
        **_became(own, dropped),
        "nearest": nearest.select(_EXAMPLE).to_dicts(),
    }


def in_words(report: Mapping[str, Any]) -> list[str]:
    """Return the report as lines of text."""
    lines = []
    for one in report["benchmarks"]:
        by = ", ".join(f"{count} by {how}" for how, count in one["by"].items())
        skipped = f"; {one['too_short']} too short to look for" if one["too_short"] else ""
        lines.append(
            f"{one['name']} {one['version'] or ''}: {one['problems_hit']} of {one['problems']} problems in "
            f"{one['documents']} documents ({by or 'none'}){skipped}"
        )
        lines += [f"    {example['id']}: {example['evidence']}" for example in one["nearest"]]
    lines += [f"{name}: no copy, not applied" for name in report["not_applied"]]
    lines += [f"repository {name}: {why}" for name, why in report["repositories"].items()]
    if report["redacted"]:
        lines.append("redacted: " + ", ".join(f"{count} {kind}" for kind, count in report["redacted"].items()))
    return lines or ["No benchmark is wanted: name some under [decontaminate] in the manifest."]
