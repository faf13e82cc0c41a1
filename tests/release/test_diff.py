"""What changed between two releases."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from algstack.errors import DatasetError
from algstack.release import stage
from algstack.release.diff import GONE, changelog, compare
from tests.release.conftest import MANIFEST, context, document, write_workspace

Rows = list[dict[str, object]]


def release_of(folder: Path, rows: Rows, version: str, dropped: list[str] | None = None, text: str = MANIFEST) -> Path:
    workspace = write_workspace(folder / version, [rows], dropped or [])
    stage.run(context(workspace, text=text), version)
    return workspace.release(version)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """0-3 the same, 4-7 at a new commit of which 5 has a new text, 8 gone, 9 dropped now, 12 new."""
    folder = tmp_path_factory.mktemp("diff")
    before = [document(number, lang="coq" if number == 8 else "lean") for number in range(10)]
    after = [document(number) for number in (*range(10), 12) if number != 8]
    for number in range(4, 8):
        after[number]["id"] = str(after[number]["id"]).replace("@c0ffee", "@decade")
    after[5] |= {"text": "changed\n", "size": 8}
    old = release_of(folder, before, "1.0.0")
    settings = MANIFEST + "\n[dedup]\nthreshold = 0.8\n"
    new = release_of(folder, after, "1.1.0", [str(document(9)["id"])], settings)
    return old, new


def test_every_document_is_accounted_for(pair: tuple[Path, Path]) -> None:
    total = compare(*pair).total
    assert (total.added, total.removed, total.changed, total.same) == (1, 2, 1, 7)


def test_it_says_why_documents_are_missing(pair: tuple[Path, Path]) -> None:
    assert compare(*pair).removed == {"dedup: near-duplicate": 1, GONE: 1}


def test_it_says_what_was_set_otherwise_and_that_nothing_moved(pair: tuple[Path, Path]) -> None:
    found = compare(*pair)
    assert found.settings == (("manifest.dedup.threshold", "0.7", "0.8"),)
    assert found.moved == 0


def test_per_language_and_repository(pair: tuple[Path, Path]) -> None:
    found = compare(*pair)
    assert {one.name: (one.added, one.removed) for one in found.languages} == {"lean": (1, 1), "coq": (0, 1)}
    changed = {one.name: one.changed for one in found.repositories}
    assert changed["owner/repo-1"] == 1
    assert {one.name: one.why for one in found.languages} == {"lean": {"dedup: near-duplicate": 1}, "coq": {GONE: 1}}


def test_another_filter_is_said(pair: tuple[Path, Path], tmp_path: Path) -> None:
    other = Path(shutil.copytree(pair[0], tmp_path / "other"))
    record = json.loads((other / "stage.json").read_text())
    record["config"]["filters"] = {"lean": "0123456789ab"}
    (other / "stage.json").write_text(json.dumps(record))
    assert ("filters.lean", "–", "0123456789ab") in compare(pair[0], other).settings


def test_the_changelog_is_markdown(pair: tuple[Path, Path]) -> None:
    text = changelog(compare(*pair))
    assert text.startswith("## 1.1.0 after 1.0.0\n\n1 document added, 2 removed, 1 changed, 7 the same.")
    assert "| lean | 1 | 1 | 1 | 7 |" in text
    assert "- gone upstream: 1" in text


def test_a_release_equals_itself(pair: tuple[Path, Path]) -> None:
    found = compare(pair[0], pair[0])
    assert (found.total.same, found.languages, found.settings) == (10, (), ())


def test_a_folder_without_a_release_is_an_error(pair: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no release here"):
        compare(pair[0], tmp_path)
