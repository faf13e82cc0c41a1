"""Licences that a release takes."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from algstack.errors import ManifestError
from algstack.manifest import LicensePolicy
from algstack.release import stage
from algstack.release.policy import takes
from algstack.release.verify import verify
from tests.release.conftest import MANIFEST, context, document, write_workspace


@pytest.mark.parametrize(
    ("policy", "license_", "taken"),
    [
        ("any", None, True),
        ("known", None, False),
        ("known", "GPL-3.0-only", True),
        ("permissive", "GPL-3.0-only", False),
        ("permissive", "MIT OR GPL-3.0-only", True),
        ("permissive", None, False),
    ],
)
def test_what_is_taken(policy: LicensePolicy, license_: str | None, taken: bool) -> None:
    assert takes(policy, license_) is taken


def test_what_is_not_taken_is_a_drop_with_its_reason(tmp_path: Path) -> None:
    workspace = write_workspace(tmp_path / "work", [[document(number) for number in range(30)]])
    record = stage.run(context(workspace, text=MANIFEST + '\n[release]\nlicenses = "known"\n'))
    assert record.counts.dropped == {"license-policy": 10}
    release = workspace.release("1.0.0")
    assert pl.read_parquet(release / "dropped" / "*.parquet")["rule"].to_list() == ["license-policy"] * 10
    assert [check for check in verify(release) if not check.passed] == []


def test_a_template_of_ones_own_and_one_that_is_missing(tmp_path: Path) -> None:
    workspace = write_workspace(tmp_path / "work", [[document(0)]])
    text = MANIFEST + '\n[release]\ncard = "card.md"\n'
    with pytest.raises(ManifestError, match=r"card\.md"):
        stage.run(context(workspace, text=text))
    (tmp_path / "card.md").write_text("# ${title}\n")
    stage.run(context(workspace, text=text))
    assert (workspace.release("1.0.0") / "README.md").read_text().endswith("---\n\n# Tiny Algebra\n")
    assert [check for check in verify(workspace.release("1.0.0")) if not check.passed] == []
