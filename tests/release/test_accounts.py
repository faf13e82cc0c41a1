"""What earlier stages say of themselves stands in the release, its card and its report."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from algstack import dataset, documents
from algstack.dataset import Counts
from algstack.errors import DatasetError
from algstack.release import accounts, stage
from algstack.release.verify import verify
from algstack.workspace import Workspace, decisions_name
from tests.release.conftest import context, decision, document, write_stage, write_workspace

EXAMPLE = {
    "id": "github:owner/repo-1@c0ffee:src/00004.lean",
    "problem": "17",
    "how": "ngram",
    "words": 14,
    "of": 52,
    "similarity": 0.27,
    "evidence": "Natalia sold clips to 48 of her friends </script>",
}
REPORT = {
    "benchmarks": [
        {
            "name": "gsm8k",
            "title": "GSM8K | test",
            "version": "2021",
            "problems": 1319,
            "too_short": 2,
            "problems_hit": 1,
            "hits": 3,
            "documents": 2,
            "by": {"ngram": 3},
            "nearest": [EXAMPLE],
            "unheard_of": 1,
        }
    ],
    "not_applied": ["aime"],
    "repositories": {"org/minif2f": "12 of 14 theorems"},
    "dropped": {"benchmark-overlap": 2},
    "redacted": {"email": 1234},
}
SHARE = {"found": 99, "of": 100, "value": 0.99, "interval": [0.9455, 0.9982]}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace whose decontamination dropped 2 of 12 documents, and whose deduplication was audited."""
    made = [document(number) for number in range(12)]
    workspace = write_workspace(tmp_path_factory.mktemp("accounts") / "work", [made])
    drop = {"keep": False, "rule": "benchmark-overlap", "reason": "It holds a run of words of a benchmark's problem."}
    rows = [decision(one, "decontaminate", **(drop if number in (4, 5) else {})) for number, one in enumerate(made)]
    write_stage(
        workspace.stage("decontaminate"),
        "decontaminate",
        {"00000": (decisions_name("hand-00000"), rows)},
        documents.DECISIONS,
        Counts(documents=12, kept=10, dropped={"benchmark-overlap": 2}),
    )
    (workspace.stage("decontaminate") / "report.json").write_text(json.dumps(REPORT))
    record = workspace.stage("dedup") / dataset.STAGE_FILE
    audit = {"documents": 12, "sampled": 8, "recall": SHARE, "precision": SHARE, "stage": dataset.sha256_file(record)}
    (workspace.stage("dedup") / "audit.json").write_text(json.dumps(audit))
    stage.run(context(workspace))
    return workspace


def test_the_card_says_what_was_compared_and_found(workspace: Workspace) -> None:
    card = (workspace.release("1.0.0") / "README.md").read_text()
    assert "| GSM8K \\| test | 2021 | 1,319 | 2 | 1 | 3 | 2 |" in card
    assert "2 documents were dropped for that (`benchmark-overlap` 2)" in card
    assert "without a copy at hand and so not compared: `aime`" in card
    assert "`org/minif2f` (12 of 14 theorems)" in card
    assert "1,234 × email" in card
    assert "Audit: 8 documents were drawn at random of 12" in card
    assert "99 of 100 (0.9900, 95 % interval 0.9455–0.9982)" in card


def test_the_report_shows_the_nearest_examples(workspace: Workspace) -> None:
    page = (workspace.release("1.0.0") / "report.html").read_text()
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found
    benchmarks = json.loads(found[1])["benchmarks"]
    assert benchmarks["rows"] == [["GSM8K | test", "2021", "1,319", "2", "1", "3", "2"]]
    assert benchmarks["nearest"] == [{"benchmark": "GSM8K | test", **EXAMPLE}]


def test_the_release_verifies_and_an_edited_number_is_found(workspace: Workspace) -> None:
    release = workspace.release("1.0.0")
    assert [check for check in verify(release) if not check.passed] == []
    card = release / "README.md"
    text = card.read_text()
    for old, new in (("| 1,319 |", "| 1,320 |"), ("1,234 ×", "1,235 ×"), ("99 of 100 (0.9900", "99 of 100 (0.9999")):
        card.write_text(text.replace(old, new))
        failed = {check.name for check in verify(release) if not check.passed}
        assert failed == {"checksums", "card"}
    card.write_text(text)


def test_an_audit_of_another_deduplication_is_not_taken(workspace: Workspace) -> None:
    audit = workspace.stage("dedup") / "audit.json"
    assert accounts.AUDIT in accounts.sources(workspace)
    text = audit.read_text()
    audit.write_text(json.dumps(json.loads(text) | {"stage": "of another"}))
    assert accounts.AUDIT not in accounts.sources(workspace)
    audit.write_text(text)


@pytest.mark.parametrize("text", ["{", '{"benchmarks": 5}'])
def test_a_broken_account_is_said(tmp_path: Path, text: str) -> None:
    (tmp_path / accounts.DECONTAMINATION).write_text(text)
    with pytest.raises(DatasetError, match="make the release again"):
        accounts.read(tmp_path)
