"""Why a document was kept or dropped: what every stage decided about it, in words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.dataset as pads
import pyarrow.parquet as pq

from algstack import dataset
from algstack.documents import DECISIONS, swhid
from algstack.workspace import DECIDING_STAGES, Workspace

FACTS = ("id", "lang", "source", "repo", "path", "revision", "url", "license", "license_source", "size", "swhid")


@dataclass(frozen=True)
class Story:
    """All that is known of one document: its facts, its decisions in order, and the releases that hold it."""

    id: str
    facts: dict[str, Any] | None
    decisions: tuple[dict[str, Any], ...]
    releases: tuple[tuple[str, str], ...]  # (version, split)

    def as_json(self) -> dict[str, Any]:
        """The story as JSON values."""
        return {
            "id": self.id,
            "facts": self.facts,
            "decisions": list(self.decisions),
            "releases": [{"version": version, "split": split} for version, split in self.releases],
        }


def explain(workspace: Workspace, target: str) -> list[Story]:
    """Return the stories of the documents that a target names, sorted by id.

    Args:
        workspace: where to look.
        target: an id; or the last steps of a path, such as `Topology/Basic.lean`; or a file on this machine, which is
            found by its content.
    """
    return [_story(workspace, name) for name in sorted(_ids(workspace, target))]


def in_words(story: Story) -> Iterator[str]:
    """Yield a story's lines for people."""
    yield story.id
    if story.facts:
        license_ = story.facts["license"] or "no licence known"
        source = f" ({story.facts['license_source']})" if story.facts["license_source"] else ""
        yield f"  {story.facts['size']} bytes from source `{story.facts['source']}`, {license_}{source}"
    for decision in story.decisions:
        yield f"  {decision['stage']}: {_verdict(decision)}"
    for version, split in story.releases:
        yield f"  release {version}: in split {split}"


def _verdict(decision: dict[str, Any]) -> str:
    if decision["keep"] and decision["stage"] == "crawl":
        return f"became a document, {decision['lang'] or 'no language'} by its name"
    if decision["keep"]:
        lang = f" as {decision['lang']}" if decision["lang"] else ""
        changed = ", with a new text" if decision["text"] is not None else ""
        return f"kept{lang}{changed}: no rule speaks against it"
    words = f"dropped by rule `{decision['rule']}`: {decision['reason']}"
    if decision["evidence"]:
        words += f"\n    seen: {decision['evidence']}"
    if decision["keeper"]:
        words += f"\n    keeper: {decision['keeper']}, similarity {decision['similarity']:.3f}"
    return words


def _ids(workspace: Workspace, target: str) -> set[str]:
    decided = _dataset(_decision_files(workspace, "crawl"))
    if decided is None:
        return set()
    exact = decided.to_table(columns=["id"], filter=pads.field("id") == target)
    if exact.num_rows:
        return {target}
    path = Path(target)
    if path.is_file():
        documents = _dataset([str(part.path) for part in workspace.document_parts()])
        if documents is None:
            return set()
        wanted = swhid(path.read_bytes())
        found = documents.to_table(columns=["id"], filter=pads.field("swhid") == wanted)
        return set(found.column("id").to_pylist())
    return {
        name
        for batch in decided.to_batches(columns=["id"])
        for name in batch.column("id").to_pylist()
        if name.endswith(target) and name[: -len(target)].endswith((":", "/"))
    }


def _story(workspace: Workspace, name: str) -> Story:
    facts = _rows([str(part.path) for part in workspace.document_parts()], name, FACTS)
    decisions = [
        row
        for stage in ("crawl", *DECIDING_STAGES)
        for row in _rows(_decision_files(workspace, stage), name, DECISIONS.names)
    ]
    return Story(name, facts[0] if facts else None, tuple(decisions), tuple(_releases(workspace, name)))


def _releases(workspace: Workspace, name: str) -> Iterator[tuple[str, str]]:
    for folder in sorted(workspace.path.glob(f"releases/*/{dataset.STAGE_FILE}")):
        for shard in sorted(folder.parent.glob("data/*/*.parquet")):
            if _rows([str(shard)], name, ("id",)):
                yield folder.parent.name, shard.name.split("-")[0]


def _decision_files(workspace: Workspace, stage: str) -> list[str]:
    return [
        str(workspace.path / folder / part.name)
        for folder, record in workspace.stage_records(stage).items()
        for part in record.parts
        if part.name.startswith("decisions-")
    ]


def _rows(paths: list[str], name: str, columns: tuple[str, ...] | list[str]) -> list[dict[str, Any]]:
    table = _dataset(paths)
    if table is None:
        return []
    rows: list[dict[str, Any]] = table.to_table(columns=list(columns), filter=pads.field("id") == name).to_pylist()
    return rows


def _dataset(paths: list[str]) -> pads.Dataset | None:
    return pads.dataset(paths, schema=pq.read_schema(paths[0])) if paths else None
