"""Deduplication of tables, without a manifest."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from algstack.dedup import passages, tables
from algstack.errors import SourceError
from algstack.tables import TableColumns
from tests.conftest import checksums

ONE = "theorem one (a b : Nat) : a + b = b + a := by exact Nat.add_comm a b"
OTHER = "lemma other : ∀ x : ℕ, x * 0 = 0 := by intro x ; simp"
WISHED = tables.settings(None, None, 2**30, 1)


def write_inputs(folder: Path) -> None:
    rows = {"content": [ONE, OTHER, ONE], "stars": [3, 2, 1]}
    pl.DataFrame(rows).write_parquet(folder / "a.parquet")
    lines = [{"text": f"{OTHER} ", "meta": {"path": "A.lean"}}, {"text": None, "meta": 3}, {"text": "new words here"}]
    (folder / "b.jsonl").write_text("\n".join(json.dumps(line) for line in lines))


def test_parquet_and_json_lines_together(tmp_path: Path) -> None:
    write_inputs(tmp_path)
    for name in ("once", "again"):
        done = tables.run([str(tmp_path / "?.*")], tmp_path / name, WISHED)
        assert (done.counts.documents, done.counts.kept) == (6, 4)
    assert checksums(tmp_path / "once") == checksums(tmp_path / "again")
    decided = pl.read_parquet(tmp_path / "once/decisions-*.parquet").filter(~pl.col("keep"))
    assert dict(decided.select("id", "keeper").rows()) == {"a.parquet#2": "a.parquet#0", "b.jsonl#0": "a.parquet#1"}
    assert pl.read_parquet(tmp_path / "once/documents-00000.parquet").columns == ["content", "stars"]
    kept = pl.read_parquet(tmp_path / "once/documents-00001.parquet")
    assert kept.select("id", "text", "meta").rows()[-1] == ("b.jsonl#2", "new words here", None)


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"text_column": "contents"}, r"no column `contents`; did you mean `content`\? Name it with --text-column"),
        ({"id_column": "star"}, r"no column `star`; did you mean `stars`\? Name it with --id-column"),
    ],
    ids=["text", "id"],
)
def test_a_column_that_is_not_there(tmp_path: Path, columns: dict[str, str], said: str) -> None:
    write_inputs(tmp_path)
    with pytest.raises(SourceError, match=said):
        tables.run([str(tmp_path / "a.parquet")], tmp_path / "out", WISHED, TableColumns.model_validate(columns))


def test_passages_of_what_was_kept(tmp_path: Path) -> None:
    """The ids are those of the rows that were given, whatever was dropped before them."""
    shared, own = (" ".join(f"{kind}{n}" for n in range(100)) for kind in ("shared", "own"))
    texts = ["dropped words that are there twice", "dropped words that are there twice", f"a {shared} {own}"]
    pl.DataFrame({"content": texts}).write_parquet(tmp_path / "a.parquet")
    lines = [{"text": ONE}, {"text": ONE}, {"text": f"b {shared} {own.upper()}"}]
    (tmp_path / "b.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    tables.run([str(tmp_path / "?.*")], tmp_path / "out", WISHED)
    report = passages.write(tables.kept(tmp_path / "out"), 3, tmp_path / "out")
    (found,) = report.passages
    assert (report.documents, found.bytes, found.documents) == (4, len(f" {shared} "), 2)
    assert found.places == (("a.parquet#2", 1, 1), ("b.jsonl#2", 1, 1))
    assert json.loads((tmp_path / "out/passages.json").read_text())["passages"][0]["tokens"] == 100
