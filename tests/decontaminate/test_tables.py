"""Decontamination of tables, without a manifest."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl
import pytest

from algstack.decontaminate import tables
from algstack.documents import DOCUMENTS
from algstack.errors import AlgstackError, DatasetError
from algstack.manifest import DecontaminateConfig, RedactConfig
from algstack.tables import TableColumns
from tests.conftest import checksums

PROBLEM = (
    "A farmer has twelve red hens and each of them lays exactly four brown eggs on every second day of the week. "
    "How many eggs does she sell in March?"
)
FREE = "Let us count the number of subsets of a finite set, by induction on the number of its elements."


@pytest.fixture
def config(tmp_path: Path) -> DecontaminateConfig:
    copy = tmp_path / "copies/hens.jsonl"
    copy.parent.mkdir()
    copy.write_text(json.dumps({"question": PROBLEM}) + "\n")
    own = {"name": "hens", "path": "hens.jsonl", "text": ["question"]}
    return DecontaminateConfig.model_validate({"benchmark": [own], "folder": str(copy.parent)})


def test_rows_that_hold_a_problem_go_and_secrets_are_replaced(tmp_path: Path, config: DecontaminateConfig) -> None:
    rows = {
        "key": ["a", "b", "c", "d"],
        "content": [FREE, f"{FREE}\n{PROBLEM.upper()}", "write to jane.doe@gmail.com", None],
    }
    pl.DataFrame(rows).write_parquet(tmp_path / "in.parquet")
    columns = TableColumns(text_column="content", id_column="key")
    for name, workers in (("one", 1), ("two", 2)):
        done = tables.run([str(tmp_path / "in.parquet")], tmp_path / name, columns, config, RedactConfig(), workers)
        assert (done.counts.documents, done.counts.kept) == (4, 3)
    assert checksums(tmp_path / "one") == checksums(tmp_path / "two")
    kept = pl.read_parquet(tmp_path / "one/documents-*.parquet")
    assert kept.select("id", "text").rows() == [("a", FREE), ("c", "write to <EMAIL>"), ("d", "")]
    decisions = pl.read_parquet(tmp_path / "one/decisions-*.parquet")
    assert decisions.select("id", "keep", "rule").rows()[:2] == [("a", True, None), ("b", False, "benchmark-overlap")]
    report = json.loads((tmp_path / "one/report.json").read_text())
    assert [(one["name"], one["documents"]) for one in report["benchmarks"]] == [("hens", 1)]


def test_ids_that_repeat_are_an_error_that_names_one(tmp_path: Path, config: DecontaminateConfig) -> None:
    pl.DataFrame({"id": ["a", "a"], "text": ["x", "y"]}).write_parquet(tmp_path / "in.parquet")
    with pytest.raises(DatasetError, match="the id `a`"):
        tables.run([str(tmp_path / "in.parquet")], tmp_path / "out", TableColumns(), config, RedactConfig())


def test_signals_are_columns_of_what_is_kept_measured_on_its_last_text(
    tmp_path: Path, config: DecontaminateConfig
) -> None:
    rows = {"id": ["a", "b"], "text": ["# jane.doe@gmail.com\nx = 10\n", f"{PROBLEM}\n"], "path": ["a.py", "b.py"]}
    pl.DataFrame(rows).write_parquet(tmp_path / "in.parquet")
    chosen = ("max_line_length", "comment_ratio", "digit_density")
    tables.run([str(tmp_path / "in.parquet")], tmp_path / "out", TableColumns(), config, RedactConfig(), 1, chosen)
    kept = pl.read_parquet(tmp_path / "out/documents-*.parquet")
    assert kept.columns == [*DOCUMENTS.names, "max_line_length", "digit_density", "comment_ratio"]
    assert kept.select("id", *chosen).rows() == [("a", 9, 8 / 12, 2 / 12)]
    again = [str(tmp_path / "out/documents-*.parquet")]
    tables.run(again, tmp_path / "without", TableColumns(), config, RedactConfig())
    assert pl.read_parquet(tmp_path / "without/documents-*.parquet").columns == DOCUMENTS.names


def test_a_signal_that_is_not_known_is_an_error(tmp_path: Path, config: DecontaminateConfig) -> None:
    pl.DataFrame({"id": ["a"], "text": ["x"]}).write_parquet(tmp_path / "in.parquet")
    with pytest.raises(AlgstackError, match="did you mean `parse_errors`"):
        tables.run(
            *([str(tmp_path / "in.parquet")], tmp_path / "out", TableColumns(), config, RedactConfig(), 1),
            ["parse_error"],
        )


def test_documents_are_read_once_but_for_those_of_a_repository_that_is_a_benchmark(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    problems = [f"{PROBLEM} And how many in year {year}, when she has {year + 7} hens?" for year in range(1900, 1906)]
    (tmp_path / "copies").mkdir()
    lines = [json.dumps({"question": text}) + "\n" for text in problems]
    (tmp_path / "copies/hens.jsonl").write_text("".join(lines))
    own = {"name": "hens", "path": "hens.jsonl", "text": ["question"]}
    config = DecontaminateConfig.model_validate({"benchmark": [own], "folder": str(tmp_path / "copies")})
    pl.DataFrame({"id": ["a"], "text": [FREE], "repo": ["own/clean"]}).write_parquet(tmp_path / "1.parquet")
    rows = {"id": ["b", "c"], "text": ["\n".join(problems), "x = 1"], "repo": ["own/fork"] * 2}
    pl.DataFrame(rows).write_parquet(tmp_path / "2.parquet")
    reads: list[str] = []
    frames = tables.TablePart.frames

    def counted(part: tables.TablePart, columns: Sequence[str] | None = None) -> Iterator[pl.DataFrame]:
        reads.append(part.task.path.name)
        return frames(part, columns)

    monkeypatch.setattr(tables.TablePart, "frames", counted)
    inputs = [str(tmp_path / "*.parquet")]
    done = tables.run(inputs, tmp_path / "out", TableColumns(), config, RedactConfig())
    assert reads == ["1.parquet", "2.parquet", "2.parquet"]
    assert done.counts.dropped == {"benchmark-repository": 2}
    assert tables.run(inputs, tmp_path / "out", TableColumns(), config, RedactConfig()) == done
    other = config.model_copy(update={"action": "cut"})
    tables.run(inputs, tmp_path / "out", TableColumns(), other, RedactConfig())
    assert reads[3:] == ["1.parquet", "2.parquet"]  # what was found is known
