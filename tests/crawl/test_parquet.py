"""Tables as a source of the crawl, in the languages of the filter files, the user's own included."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from algstack.crawl import stage as crawl
from algstack.errors import SourceError
from algstack.filter import stage as filtering
from algstack.workspace import kept_documents
from tests.conftest import context_of

NILANG = """\
name = "nilang"
title = "Nilang"
extensions = [".nil"]
[[rules]]
id = "no-theorem"
reason = "It states no theorem."
require_any = ["theorem "]
hits = ["lemma"]
misses = ["theorem x"]
"""
MANIFEST = """\
[filter]
folder = "own"
[crawl]
max_file_bytes = 100
[[sources]]
name = "stack"
kind = "parquet"
path = "tables/*.parquet"
license = "CC0-1.0"
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "own").mkdir()
    (tmp_path / "own/nilang.toml").write_text(NILANG)
    (tmp_path / "tables").mkdir()
    rows = {
        "max_stars_repo_path": ["a.nil", "b.nil", "c.txt", "d.py", "e.py", None],
        "max_stars_repo_name": ["me/it"] * 6,
        "max_stars_repo_head_hexsha": ["c" * 40] * 6,
        "max_stars_repo_licenses": [["MIT"], [], None, None, None, None],
        "lang": [None, None, "Text", "Python", "Python", "Nilang"],
        "content": ["theorem x", "lemma", "text", "import numpy\n" * 20, None, "theorem y"],
    }
    pl.DataFrame(rows).write_parquet(tmp_path / "tables/t.parquet")
    return tmp_path


def test_a_new_language_needs_one_file(project: Path) -> None:
    context = context_of(MANIFEST, project)
    counts = crawl.run(context, filtering.languages_of(context.manifest))["stack"].counts
    assert (counts.documents, counts.kept) == (6, 3)
    assert counts.dropped == {"no-language": 1, "no-text": 1, "too-large": 1}
    record = filtering.run(context)["nilang"]
    assert (record.counts.kept, record.counts.dropped) == (2, {"no-theorem": 1})
    frames = [frame for part in kept_documents(context.workspace, after="filter") for frame in part.frames()]
    kept = pl.concat(frames).select("id", "lang", "license", "license_source").sort("id").rows()
    assert kept == [
        (f"github:me/it@{'c' * 40}:a.nil", "nilang", "MIT", "The Stack v1"),
        ("t.parquet#5", "nilang", "CC0-1.0", "manifest"),
    ]


def test_a_table_without_text_is_an_error(project: Path) -> None:
    pl.DataFrame({"blob_id": ["a"], "repo_name": ["b"]}).write_parquet(project / "tables/t.parquet")
    context = context_of(MANIFEST, project)
    with pytest.raises(SourceError, match="downloaded apart"):
        crawl.run(context, filtering.languages_of(context.manifest))
