"""Opt-out files: who is meant, and errors that name the line."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from algstack import removal
from algstack.errors import ManifestError

CONTENT = "swh:1:cnt:" + "ab" * 20
FILE = f"""# requests of May
owner github:Someone      # all of it
repo  other/Project
swhid {CONTENT}
path github:third/lib thesis/my notes/*
"""


def read(folder: Path, text: str = FILE) -> removal.Removals:
    (folder / "out.txt").write_text(text)
    return removal.read([folder / "out.txt"])


@pytest.mark.parametrize(
    ("repo", "path", "swhid", "expected"),
    [
        ("someone/anything", "a", None, True),
        ("SOMEONE/x", None, None, True),
        ("someone", None, None, False),
        ("other/project", "b", None, True),
        ("github:other/project", "b", None, True),
        ("other/project2", "b", None, False),
        (None, None, CONTENT, True),
        ("third/lib", "thesis/my notes/a.lean", None, True),
        ("third/lib", "src/a.lean", None, False),
        (None, None, None, False),
    ],
)
def test_who_is_meant(repo: str | None, path: str | None, swhid: str | None, expected: bool, tmp_path: Path) -> None:
    removals = read(tmp_path)
    assert removals.wants(repo, path, swhid) is expected
    frame = pl.DataFrame(
        {"repo": [repo], "path": [path], "swhid": [swhid]}, schema=dict.fromkeys(("repo", "path", "swhid"), pl.String)
    )
    assert removals.mask(frame).to_list() == [expected]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        pytest.param("ownr github:x", r"out.txt:2: `ownr` is no kind of request; did you mean `owner`", id="kind"),
        pytest.param("swhid swh:1:cnt:12", r"out.txt:2: `swh:1:cnt:12` is not the SWHID", id="SWHID"),
        pytest.param("repo", r"out.txt:2: `` is not the name of a repository", id="no name"),
        pytest.param("repo a/b c", r"out.txt:2: `repo` takes one name", id="too much"),
        pytest.param("path a/b", r"out.txt:2: `path` takes a repository and a pattern", id="no pattern"),
        pytest.param("owner a/b", r"out.txt:2: `a/b` is not the name of an account", id="no account"),
    ],
)
def test_errors_name_the_line(line: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=says):
        read(tmp_path, f"repo a/b\n{line}\n")


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="cannot be read"):
        removal.read([tmp_path / "none.txt"])


def test_no_request_is_nothing(tmp_path: Path) -> None:
    assert not read(tmp_path, "# nobody\n\n")
