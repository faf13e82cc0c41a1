"""The filter on any tables: kept documents, a decision about every row, resumed, the same for any workers."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from algstack.errors import DatasetError, ManifestError
from algstack.filter import tables, waterfall
from algstack.tables import TableColumns
from algstack.workspace import Progress

ROWS = {
    "max_stars_repo_path": ["a.py", "b.py", "c.v", "d.m", "e.unknown", None, "f.py", "g.hpp"],
    "max_stars_repo_name": ["me/it"] * 8,
    "max_stars_repo_head_hexsha": ["c" * 40] * 8,
    "lang": ["Python", "Python", "Coq", "MATLAB", None, "Python", "Python", "C++"],
    "content": [
        "import numpy\r\n",
        "import os\n",
        "Lemma a : True.\nProof. exact I. Qed.\n",
        "#import <A.h>\n@implementation A\n@end\n",
        "import numpy\n",
        "import scipy\n",
        None,
        "#include <Eigen/Dense>\n",
    ],
}


@pytest.fixture
def table(tmp_path: Path) -> str:
    pl.DataFrame(ROWS).write_parquet(tmp_path / "t.parquet", row_group_size=3)
    return str(tmp_path / "t.parquet")


def decided(folder: Path) -> dict[str, tuple[object, ...]]:
    rows = pl.read_parquet(folder / "decisions-*.parquet").select("id", "lang", "keep", "rule").rows()
    return {row[0].rsplit(":", 1)[-1]: row[1:] for row in rows}


def test_every_row_has_a_decision(tmp_path: Path, table: str) -> None:
    record = tables.run([table], tmp_path / "out", tables.table_filter(None, None, None, TableColumns()))
    assert decided(tmp_path / "out") == {
        "a.py": ("python", True, None),
        "b.py": ("python", False, "no-mathematics"),
        "c.v": ("coq", True, None),
        "d.m": ("matlab", False, "language"),
        "e.unknown": (None, False, "no-language"),
        "t.parquet#5": ("python", True, None),
        "f.py": ("python", False, "no-text"),
        "g.hpp": ("cpp", True, None),
    }
    kept = pl.read_parquet(tmp_path / "out/documents-*.parquet")
    assert kept.select("lang", "text", "size").row(0) == ("python", "import numpy\n", 13)
    assert (record.counts.documents, record.counts.kept) == (8, 4)


def test_one_language_is_that_of_rows_that_say_none(tmp_path: Path, table: str) -> None:
    tables.run([table], tmp_path / "out", tables.table_filter("llemma", None, ["python"], TableColumns()))
    found = decided(tmp_path / "out")
    assert found["e.unknown"] == ("python", True, None)
    assert found["c.v"] == (None, False, "no-language")


def test_same_bytes_for_any_workers(tmp_path: Path, table: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("algstack.tables.TASK_BYTES", 1)
    chosen = tables.table_filter("llemma", None, None, TableColumns())
    one = tables.run([table], tmp_path / "one", chosen, workers=1)
    two = tables.run([table], tmp_path / "two", chosen, workers=2)
    assert len(one.tasks) == 3
    assert one == two
    assert tables.run([table], tmp_path / "one", chosen) == one


def test_ids_must_be_unique(tmp_path: Path) -> None:
    pl.DataFrame({"text": ["a", "b"], "id": ["x", "x"]}).write_parquet(tmp_path / "t.parquet")
    with pytest.raises(DatasetError, match="--id-column"):
        tables.run(
            [str(tmp_path / "t.parquet")], tmp_path / "out", tables.table_filter(None, None, ["agda"], TableColumns())
        )


def test_unknown_language() -> None:
    with pytest.raises(ManifestError, match="unknown language"):
        tables.table_filter(None, None, ["cobol"], TableColumns())


def test_waterfall_counts_what_is_left(table: str) -> None:
    steps = waterfall.of_tables([table], tables.table_filter(None, None, None, TableColumns()), 1, Progress())
    python = [step[1:] for step in steps if step.lang == "python"]
    assert python == [("", 0, 4, 37), ("no-text", 1, 3, 37), ("no-mathematics", 1, 2, 27)]
    assert any("no-mathematics" in line for line in waterfall.in_words(steps))


def test_a_label_decides_where_several_languages_share_the_extension(tmp_path: Path) -> None:
    text = "#define A 1\n"  # which is C as well as C++
    rows = {"path": ["a.h", "b.h", "c.py"], "lang": ["C++", "C", "C++"], "text": [text] * 3, "id": ["a", "b", "c"]}
    pl.DataFrame(rows).write_parquet(tmp_path / "t.parquet")
    columns = TableColumns(id_column="id")
    tables.run([str(tmp_path / "t.parquet")], tmp_path / "out", tables.table_filter(None, None, None, columns))
    assert {name: found[0] for name, found in decided(tmp_path / "out").items()} == {
        "a": "cpp",
        "b": "c",
        "c": "python",
    }
