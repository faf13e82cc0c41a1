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
    """Return the report as JSON values.

    Args:
        folder: the stage's, where its findings lie.
        record: the stage's record; None if it only looked.
        repositories: repositories that are a benchmark by their content, with the evidence.
    """
    place = folder / FINDINGS_FOLDER
    found = dataset.load_stage(place)
    rows = [pl.read_parquet(place / part.name) for part in found.parts] if found else []
    findings = pl.concat(rows) if rows else pl.DataFrame(schema={"benchmark": pl.String})
    applied: list[dict[str, Any]] = found.config["benchmarks"] if found else []
    redacted = Counter[str]()
    for task in record.tasks if record else ():
        redacted.update(task.note.get("redacted", {}))
    return {
        "benchmarks": [_benchmark(one, findings) for one in applied],
        "not_applied": found.config["missing"] if found else [],
        "repositories": dict(repositories),
        "dropped": record.counts.dropped if record else {},
        "redacted": dict(sorted(redacted.items())),
    }


def _benchmark(applied: dict[str, Any], findings: pl.DataFrame) -> dict[str, Any]:
    own = findings.filter(pl.col("benchmark") == applied["name"])
    if own.is_empty():
        return {**applied, "hits": 0, "problems_hit": 0, "documents": 0, "by": {}, "nearest": []}
    nearest = own.sort(
        ["similarity", "words", "id", "start"], descending=[True, True, False, False], maintain_order=True
    ).head(EXAMPLES)
    return {
        **applied,
        "hits": own.height,
        "problems_hit": own["problem"].n_unique(),
        "documents": own["id"].n_unique(),
        "by": dict(own["how"].value_counts().sort("how").iter_rows()),
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
