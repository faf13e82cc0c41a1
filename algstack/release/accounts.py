"""What earlier stages say of themselves, carried in a release: the decontamination's report, the deduplication's audit.

Both are read tolerantly: a release of an earlier algstack may lack a field, one of a later may have more.
"""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from algstack import dataset
from algstack.errors import DatasetError
from algstack.workspace import Workspace

DECONTAMINATION = "decontamination.json"
"""In a release: `decontaminate/report.json` of the workspace."""

AUDIT = "audit.json"
"""In a release: `dedup/audit.json` of the workspace, if there was an audit."""


class _Account(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Example(_Account):
    """A place of a document that is a benchmark's: `words` of the `of` words of a problem."""

    id: str
    problem: str
    how: str
    words: int = 0
    of: int = 0
    similarity: float = 0.0
    evidence: str = ""


class Benchmark(_Account):
    """What was found of one benchmark: `hits` places of `problems_hit` problems in `documents` documents.

    `by` counts the places by how they were recognised; `dropped` are documents, `cut` places that were cut out, both
    None where they were not counted by benchmark.
    """

    name: str
    version: str | None = None
    title: str | None = None
    url: str | None = None
    problems: int = 0
    too_short: int = 0
    problems_hit: int = 0
    hits: int = 0
    documents: int = 0
    dropped: int | None = None
    cut: int | None = None
    by: dict[str, int] = {}
    nearest: tuple[Example, ...] = ()


class Decontamination(_Account):
    """What was compared with benchmarks, and what was redacted."""

    benchmarks: tuple[Benchmark, ...] = ()
    not_applied: tuple[str, ...] = ()
    repositories: dict[str, str] = {}
    dropped: dict[str, int] = {}
    redacted: dict[str, int] = {}


class Share(_Account):
    """A share of what was looked at, with its 95 % confidence interval."""

    found: int
    of: int
    value: float
    interval: tuple[float, float]


class Audit(_Account):
    """A sample of documents, compared exactly with all others after the deduplication."""

    documents: int
    sampled: int
    recall: Share
    precision: Share


class Accounts(_Account):
    """All that earlier stages say; None where there is nothing."""

    decontamination: Decontamination | None = None
    audit: Audit | None = None


def sources(workspace: Workspace) -> dict[str, Path]:
    """Return where each account lies in a workspace, by its name in a release; only those that are there."""
    report = workspace.stage("decontaminate") / "report.json"
    found = {DECONTAMINATION: report} if dataset.load_stage(report.parent) and report.is_file() else {}
    audit = workspace.stage("dedup") / "audit.json"
    return found | ({AUDIT: audit} if _is_of_this_deduplication(audit) else {})


def _is_of_this_deduplication(audit: Path) -> bool:
    """Whether an audit was made of the decisions that lie beside it: it says of which."""
    record = audit.with_name(dataset.STAGE_FILE)
    if not audit.is_file() or not record.is_file():
        return False
    return bool(json.loads(audit.read_text(encoding="utf-8")).get("stage") == dataset.sha256_file(record))


def bring(workspace: Workspace, release: Path) -> None:
    """Copy the accounts of a workspace into a release."""
    for name, path in sources(workspace).items():
        dataset.write_text(release / name, path.read_text(encoding="utf-8"))


def read(release: Path) -> Accounts:
    """Return the accounts that lie in a release.

    Raises:
        DatasetError: one of them is not what it should be.
    """
    found = {}
    for field, name in (("decontamination", DECONTAMINATION), ("audit", AUDIT)):
        path = release / name
        if path.is_file():
            try:
                found[field] = json.loads(path.read_text(encoding="utf-8"))
            except ValueError:
                raise DatasetError(f"{path}: not JSON. Fetch or make the release again.") from None
    try:
        return Accounts.model_validate(found)
    except ValueError as error:
        raise DatasetError(
            f"{release}: {' '.join(str(error).split())[:200]}. Fetch or make the release again."
        ) from None
