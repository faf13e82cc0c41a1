"""Benchmarks as data: every form of copy gives the same problems; a bad one an error that says what to do."""

from __future__ import annotations

import gzip
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from algstack.decontaminate import benchmarks
from algstack.decontaminate.benchmarks import Problem
from algstack.errors import AlgstackError, ManifestError, SourceError
from algstack.manifest import Benchmark, DecontaminateConfig, shipped_benchmarks

ROWS = [{"id": "a", "question": "What is one?", "deep": {"answer": "1"}}, {"id": "b", "question": "", "deep": {}}]


def config(path: str, **more: object) -> DecontaminateConfig:
    """A manifest's table with one benchmark."""
    values = {"name": "mine", "path": path, "text": ("question", "deep.answer"), "id": "id"} | more
    return DecontaminateConfig(benchmark=(Benchmark.model_validate(values),))


def problems(folder: Path, path: str, **more: object) -> list[Problem]:
    copies, _ = benchmarks.find(config(path, **more), folder)
    return list(benchmarks.problems(copies[0]))


def _jsonl(folder: Path) -> str:
    (folder / "b.jsonl").write_text("".join(json.dumps(row) + "\n\n" for row in ROWS))
    return "b.jsonl"


def _gzip(folder: Path) -> str:
    with gzip.open(folder / "b.jsonl.gz", "wt") as file:
        file.write("\n".join(map(json.dumps, ROWS)))
    return "b.jsonl.gz"


def _json(folder: Path) -> str:
    (folder / "b.json").write_text(json.dumps(ROWS))
    return "b.json"


def _lines_as_json(folder: Path) -> str:
    (folder / "b.json").write_text("\n".join(map(json.dumps, ROWS)))
    return "b.json"


def _by_split(folder: Path) -> str:
    (folder / "b.json").write_text(json.dumps({"test": ROWS[:1], "valid": ROWS[1:]}))
    return "b.json"


def _parquet(folder: Path) -> str:
    pq.write_table(pa.Table.from_pylist(ROWS), folder / "b.parquet")
    return "b.parquet"


def _folder(folder: Path) -> str:
    (folder / "in").mkdir()
    for row in ROWS:
        (folder / "in" / f"{row['id']}.json").write_text(json.dumps(row))
    return "in"


def _archive(folder: Path) -> str:
    with zipfile.ZipFile(folder / "b.zip", "w") as packed:
        for row in ROWS:
            packed.writestr(f"x/{row['id']}.json", json.dumps(row))
    return "b.zip"


def _wildcard(folder: Path) -> str:
    _folder(folder)
    return "in/*.json"


FORMS = [_jsonl, _gzip, _json, _lines_as_json, _by_split, _parquet, _folder, _archive, _wildcard]


@pytest.mark.parametrize("write", FORMS)
def test_every_form_gives_the_same_problems(write: Callable[[Path], str], tmp_path: Path) -> None:
    expected = [Problem("a", ("What is one?", "1"), (), None, None), Problem("b", (), (), None, None)]
    assert problems(tmp_path, write(tmp_path)) == expected


def test_files_are_problems(tmp_path: Path) -> None:
    (tmp_path / "lean").mkdir()
    (tmp_path / "lean" / "one.lean").write_text("theorem one : 1 = 1 := rfl")
    (tmp_path / "lean" / "README.md").write_text("no problem")
    more = {"files": "*.lean", "text": (), "formal": ("text",), "lang": "lean", "id": None}
    assert problems(tmp_path, "lean", **more) == [Problem("one", (), ("theorem one : 1 = 1 := rfl",), None, None)]


def test_rows_that_are_lists(tmp_path: Path) -> None:
    (tmp_path / "b.json").write_text(json.dumps([["thys/X.thy", 'lemma a: "x = x"']]))
    more = {"text": (), "formal": ("1",), "theorem_path": "0", "lang": "isabelle", "id": None}
    assert problems(tmp_path, "b.json", **more) == [Problem("1", (), ('lemma a: "x = x"',), None, "thys/X.thy")]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        pytest.param('{"prompt": "x"}', "none of the fields question, deep.answer; it has prompt", id="other fields"),
        pytest.param("{", "b.jsonl:1: not JSON", id="no JSON"),
        pytest.param("3", "none of the fields", id="no row"),
    ],
)
def test_bad_content(content: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "b.jsonl").write_text(content)
    with pytest.raises(SourceError, match=says):
        problems(tmp_path, "b.jsonl")


@pytest.mark.parametrize(
    ("wanted", "kind", "says"),
    [
        pytest.param(DecontaminateConfig(benchmarks=("gsm8",)), ManifestError, "did you mean `gsm8k`", id="unknown"),
        pytest.param(DecontaminateConfig(benchmarks=("gsm8k",)), SourceError, "no copy of the benchmark", id="missing"),
        pytest.param(config("b.jsonl", sha256="0" * 64), SourceError, "its sha256 is", id="another version"),
    ],
)
def test_bad_benchmarks(wanted: DecontaminateConfig, kind: type[AlgstackError], says: str, tmp_path: Path) -> None:
    _jsonl(tmp_path)
    with pytest.raises(kind, match=says):
        benchmarks.find(wanted, tmp_path)


def test_files_of_several_kinds_in_one_folder(tmp_path: Path) -> None:
    (tmp_path / "clone").mkdir()
    (tmp_path / "clone/README.md").write_bytes(b"\xff")
    (tmp_path / "clone/one.lean").write_text("theorem one : 1 = 1 := rfl")
    (tmp_path / "clone/two.jsonl").write_text('{"text": "theorem two : 2 = 2 := rfl"}')
    found = problems(tmp_path, "clone", files=["*.lean", "*.jsonl"], text=["text"])
    assert [problem.texts[0].split()[1] for problem in found] == ["one", "two"]


def test_a_problem_may_be_empty(tmp_path: Path) -> None:
    (tmp_path / "b.jsonl").write_text('{"question": null}\n{"question": " "}\n{"question": "one"}\n')
    assert [problem.texts for problem in problems(tmp_path, "b.jsonl", text=["question"])] == [(), (), ("one",)]


def test_an_optional_one_may_be_missing(tmp_path: Path) -> None:
    assert benchmarks.find(DecontaminateConfig(optional=("gsm8k",)), tmp_path) == ([], ["gsm8k"])


def test_shipped_benchmarks_are_sorted_and_known() -> None:
    names = list(shipped_benchmarks())
    assert names == sorted(names)
    families = "aime combibench fimo formalmath gsm8k humaneval leandojo math mbpp minif2f pisa proofnet putnambench"
    assert {name.split("-")[0] for name in names} == set(families.split())
