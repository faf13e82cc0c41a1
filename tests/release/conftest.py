"""Small workspaces made by hand: documents and decisions as the stages before write them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa
import pytest

from algstack import dataset, documents, manifest
from algstack.dataset import Counts, Part, StageFolder, TaskRecord
from algstack.workspace import Context, Workspace, decisions_name

MANIFEST = """\
name = "tiny-algebra"
title = "Tiny Algebra"
description = "Documents made by hand."
version = "1.0.0"

[[sources]]
name = "hand"
kind = "folder"
path = "hand"
"""

MakeDocument = Callable[..., dict[str, object]]


def document(number: int, **values: object) -> dict[str, object]:
    """A document of the repository `owner/repo-<number // 4>`; `values` replace columns."""
    text = f"theorem number_{number} : {number} = {number} := rfl\n"
    made: dict[str, object] = dict.fromkeys(documents.DOCUMENTS.names)
    made |= {
        "id": f"github:owner/repo-{number // 4}@c0ffee:src/{number:05d}.lean",
        "text": text,
        "lang": "lean",
        "source": "hand",
        "repo": f"owner/repo-{number // 4}",
        "path": f"src/{number:05d}.lean",
        "revision": "c0ffee",
        "license": "MIT" if number % 3 else None,
        "meta": "{}",
    }
    made |= values
    made["size"] = len(str(made["text"]).encode())
    return made


def write_stage(
    folder: Path, stage: str, parts: dict[str, tuple[str, list[dict[str, object]]]], schema: pa.Schema, counts: Counts
) -> None:
    """Write a stage of tasks, each with one part: task -> (part's name, rows)."""
    stage_folder = StageFolder(folder, stage, "1", {})
    records = []
    for number, (task, (name, rows)) in enumerate(parts.items()):
        done: list[Part] = []
        with dataset.part_writer(folder, name, schema, done) as writer:
            writer.write(pa.Table.from_pylist(rows, schema))
        record = TaskRecord(
            task=task,
            fingerprint=stage_folder.task_fingerprint(done[0].sha256),
            counts=counts if number == 0 else Counts(),
            parts=tuple(done),
        )
        stage_folder.save(record)
        records.append(record)
    stage_folder.finish(records)


def decision(of: dict[str, object], stage: str, **values: object) -> dict[str, object]:
    """A decision that keeps a document; `values` replace columns."""
    made: dict[str, object] = dict.fromkeys(documents.DECISIONS.names)
    return made | {"id": of["id"], "stage": stage, "lang": of["lang"], "keep": True} | values


def write_workspace(
    path: Path,
    parts: Sequence[Sequence[dict[str, object]]],
    dropped: Sequence[str] = (),
    changed: dict[str, str] | None = None,
) -> Workspace:
    """Crawl, filter and dedup folders: `dropped` ids fall at the dedup, `changed` get a new text from the filter."""
    workspace = Workspace(path)
    everything = [one for part in parts for one in part]
    numbered = {f"{number:05d}": list(part) for number, part in enumerate(parts)}
    write_stage(
        workspace.crawl("hand"),
        "crawl",
        {task: (f"documents-{task}.parquet", part) for task, part in numbered.items()},
        documents.DOCUMENTS,
        Counts(documents=len(everything), kept=len(everything)),
    )
    for lang in sorted({str(one["lang"]) for one in everything}):
        of_lang = {task: [one for one in part if one["lang"] == lang] for task, part in numbered.items()}
        reached = sum(len(part) for part in of_lang.values())
        rows = {
            task: [decision(one, "filter", text=(changed or {}).get(str(one["id"]))) for one in part]
            for task, part in of_lang.items()
        }
        write_stage(
            workspace.stage("filter", lang),
            "filter",
            {task: (decisions_name(f"hand-{task}"), part) for task, part in rows.items()},
            documents.DECISIONS,
            Counts(documents=reached, kept=reached),
        )
    rows = {
        task: [
            decision(
                one,
                "dedup",
                keep=False,
                rule="near-duplicate",
                reason="a kept document is nearly the same",
                similarity=0.875,
            )
            if one["id"] in dropped
            else decision(one, "dedup")
            for one in part
        ]
        for task, part in numbered.items()
    }
    write_stage(
        workspace.stage("dedup"),
        "dedup",
        {task: (decisions_name(f"hand-{task}"), part) for task, part in rows.items()},
        documents.DECISIONS,
        Counts(
            documents=len(everything),
            kept=len(everything) - len(dropped),
            dropped={"near-duplicate": len(dropped)} if dropped else {},
        ),
    )
    return workspace


def context(workspace: Workspace, workers: int = 1, text: str = MANIFEST) -> Context:
    """What the release is run with."""
    path = workspace.path.parent / f"{workspace.path.name}.toml"
    path.write_text(text)
    return Context(manifest=manifest.load(path), workspace=workspace, workers=workers)


@pytest.fixture
def three_parts() -> list[list[dict[str, object]]]:
    """120 documents of 30 repositories in two languages, in three parts, out of order."""
    made = [document(number, lang="coq" if number % 5 == 0 else "lean") for number in range(120)]
    return [made[80:], made[:40][::-1], made[40:80]]
