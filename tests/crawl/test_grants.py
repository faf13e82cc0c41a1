from __future__ import annotations

import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest
from identify.vendor.licenses import LICENSES

from algstack.crawl import archive, stage
from tests.conftest import FewLanguages, context_of, rows
from tests.crawl.test_archive import tar_info, write_tar

TEXTS = dict(LICENSES)

FILES = {
    "a.lean": "theorem a",
    "deep/er/b.lean": "theorem b",
    "vendor/x/c.lean": "theorem c",
    "vendor/x/LICENSE": TEXTS["MIT"],
    "vendor/y/d.lean": "-- SPDX-License-Identifier: BSD-3-Clause\ntheorem d",
    "vendor/y/e.lean": "theorem e",
    "vendor/y/COPYING": "Ask us before you use this.",
}

EXPECTED = {
    "a.lean": ("Apache-2.0", "license file"),
    "deep/er/b.lean": ("Apache-2.0", "license file"),
    "vendor/x/c.lean": ("MIT", "license file in vendor/x"),
    "vendor/y/d.lean": ("BSD-3-Clause", "file header"),
    "vendor/y/e.lean": (None, None),
}


def lay_out(folder: Path) -> None:
    for path, text in FILES.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    (folder / "LICENSE").write_text(TEXTS["Apache-2.0"])


def as_folder(folder: Path) -> str:
    lay_out(folder / "in")
    return 'kind = "folder"\npath = "in"\n'


def as_git(folder: Path) -> str:
    lay_out(folder / "in")
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        subprocess.run(
            ["git", "-c", "user.name=T", "-c", "user.email=t@example.org", *command], cwd=folder / "in", check=True
        )
    return 'kind = "git"\npath = "in"\n'


def as_tar(folder: Path) -> str:
    members = [tar_info(f"top/{path}", text.encode()) for path, text in FILES.items()]
    write_tar(folder / "in/x.tar.gz", [*members, tar_info("top/LICENSE", TEXTS["Apache-2.0"].encode())])
    return 'kind = "archive"\npath = "in/x.tar.gz"\nstrip = 1\n'


def as_zip(folder: Path) -> str:
    with zipfile.ZipFile(folder / "x.zip", "w") as file:
        for path, text in FILES.items():
            file.writestr(f"top/{path}", text)
        file.writestr("top/LICENSE", TEXTS["Apache-2.0"])
    return 'kind = "archive"\npath = "x.zip"\nstrip = 1\n'


def crawl(folder: Path, source: str) -> dict[str, tuple[Any, Any]]:
    stage.run(context_of(f'[[sources]]\nname = "src"\n{source}', folder), FewLanguages())
    found = rows((folder / "work/crawl/src").glob("documents-*.parquet"))
    return {row["path"]: (row["license"], row["license_source"]) for row in found}


@pytest.mark.parametrize("lay", [as_folder, as_git, as_tar, as_zip])
def test_local_sources_know_the_licences_of_their_files(tmp_path: Path, lay: Any) -> None:
    assert crawl(tmp_path, lay(tmp_path)) == EXPECTED


@pytest.mark.parametrize("lay", [as_folder, as_git, as_tar])
def test_what_the_manifest_states_holds(tmp_path: Path, lay: Any) -> None:
    found = crawl(tmp_path, lay(tmp_path) + 'license = "ISC"\n')
    assert set(found.values()) == {("ISC", "manifest")}


def test_an_archive_too_large_to_be_held_says_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "HELD_BYTES", 0)
    assert crawl(tmp_path, as_tar(tmp_path)) == EXPECTED


def test_a_licence_file_that_changed_changes_the_documents(tmp_path: Path) -> None:
    source = as_folder(tmp_path)
    crawl(tmp_path, source)
    (tmp_path / "in/LICENSE").write_text(TEXTS["GPL-3.0"])
    assert crawl(tmp_path, source)["a.lean"] == ("GPL-3.0", "license file")
