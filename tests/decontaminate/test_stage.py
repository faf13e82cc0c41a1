"""The stage end to end: benchmarks out, secrets redacted, opt-outs honoured, whatever the number of workers."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from algstack import manifest, pipeline
from algstack.decontaminate import report, stage
from algstack.errors import ManifestError
from algstack.release import stage as release
from algstack.release.diff import compare
from algstack.release.verify import verify
from algstack.workspace import Context, Workspace, kept_documents

AWS = "AKIA" + "IOSFODNN7ABCDEFG"
QUESTION = (
    "A gardener plants seventeen tulips in every row and twenty three rows in each field. "
    "How many tulips grow in nine such fields after one of them has been flooded?"
)
FORMAL = "theorem field_of_tulips (a b : ℕ) (h : 17 * a + 23 * b = 391) (k : 0 < a * b) : a * b ∣ 391 ^ 2"
LEMMA = "theorem kept_{n} (n : ℕ) (h : n < {n}) : n * n < {n} * {n} := by\n  nlinarith\n"
MANIFEST = """
name = "clean"

[[sources]]
name = "local"
kind = "folder"
path = "src"
each_subfolder = true

[release.splits]
train = 1.0

[decontaminate]
benchmarks = ["gsm8k"]
optional = ["math"]

[[decontaminate.benchmark]]
name = "tulips"
path = "tulips.jsonl"
id = "name"
formal = ["statement"]
lang = "lean"
"""


def lean(*declarations: str) -> str:
    return "import Mathlib\n\n" + "\n\n".join(one.rstrip() for one in declarations) + "\n"


def kept(n: int) -> str:
    return LEMMA.replace("{n}", str(n))


FILES = {
    "clean/A.lean": lean(kept(3), kept(4)),
    "mixed/B.lean": lean(kept(5), FORMAL.replace("field_of", "my_own") + " := by\n  have := h\n\n  simp\n", kept(6)),
    "mixed/C.lean": lean(f"-- {QUESTION.upper()}", kept(7)),
    "mixed/D.lean": lean(FORMAL + " := sorry"),
    "secret/e.py": f'import sympy\n\nkey = "{AWS}"  # ask ann.lee@uni.edu\nx = sympy.Symbol("x")\n',
    **{
        f"fork/T{n}.lean": lean(
            f"theorem tulip_{n} (a b : ℕ) (h : {n} * a + {n + 1} * b = {n * 777}) (k : a < b) : a ∣ b ^ {n} := sorry",
            kept(50 + n),
        )
        for n in range(10, 16)
    },
}
FORK = [
    {
        "name": f"t{n}",
        "statement": f"theorem x{n} (c d : ℕ) (h : {n} * c + {n + 1} * d = {n * 777}) (k : c < d) : c ∣ d ^ {n}",
    }
    for n in range(10, 16)
]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with a manifest, sources and benchmarks."""
    for name, text in FILES.items():
        path = tmp_path / "src" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks/gsm8k-test.jsonl").write_text(json.dumps({"question": QUESTION, "answer": "1"}) + "\n")
    rows = [{"name": "tulips", "statement": FORMAL}, *FORK]
    (tmp_path / "benchmarks/tulips.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "algstack.toml").write_text(MANIFEST)
    return tmp_path


def context(project: Path, workspace: str = "work", workers: int = 1) -> Context:
    return Context(manifest.load(project / "algstack.toml"), Workspace(project / workspace), workers)


def decisions(workspace: Workspace) -> dict[str, tuple[bool, str | None, str | None]]:
    """Path -> keep, rule, text of the stage's decisions."""
    rows = pl.read_parquet(workspace.stage("decontaminate") / "decisions-*.parquet")
    return {name.split(":", 1)[1]: rest for name, *rest in rows.select("id", "keep", "rule", "text").iter_rows()}


def by_end(found: dict[str, tuple[bool, str | None, str | None]], end: str) -> tuple[bool, str | None, str | None]:
    return next(tuple(value) for name, value in found.items() if name.endswith(end))


def test_end_to_end(project: Path) -> None:
    made = context(project)
    pipeline.build(made)
    found = decisions(made.workspace)
    assert by_end(found, "A.lean") == (True, None, None)
    assert by_end(found, "B.lean") == (True, None, lean(kept(5), kept(6)))
    assert by_end(found, "C.lean")[:2] == (False, "benchmark-overlap")
    assert by_end(found, "D.lean")[:2] == (False, "benchmark-file")
    assert by_end(found, "T12.lean")[:2] == (False, "benchmark-repository")
    text = by_end(found, "e.py")[2]
    assert text == FILES["secret/e.py"].replace(AWS, "<KEY>").replace("ann.lee@uni.edu", "<EMAIL>")
    says = json.loads((made.workspace.stage("decontaminate") / report.FILE).read_text())
    assert [(one["name"], one["problems"], one["problems_hit"]) for one in says["benchmarks"]] == [
        ("gsm8k", 1, 1),
        ("tulips", 7, 7),
    ]
    assert [(one["dropped"], one["cut"]) for one in says["benchmarks"]] == [(1, 0), (7, 1)]
    assert says["not_applied"] == ["math"]
    assert list(says["repositories"]) == ["fork"]
    assert says["redacted"] == {"aws": 1, "email": 1}
    assert any("gsm8k" in line for line in report.in_words(says))


@pytest.mark.slow
def test_the_same_whatever_the_workers_and_however_often_it_stopped(project: Path) -> None:
    first, second = context(project, "one", 1), context(project, "two", 2)
    pipeline.build(first)
    pipeline.build(second)
    again = second.workspace.stage("decontaminate")
    shutil.rmtree(again / ".index")
    next(again.glob("decisions-*.parquet")).unlink()
    (again / "stage.json").unlink()
    stage.run(second)
    for name in ("decontaminate/stage.json", "decontaminate/report.json", "releases/0.1.0/SHA256SUMS"):
        assert (project / "one" / name).read_bytes() == (project / "two" / name).read_bytes(), name


def test_report_only_decides_nothing(project: Path) -> None:
    made = context(project)
    for step in pipeline.STAGES[:3]:
        step.run(made)
    says = stage.report_only(made)
    assert {one["name"]: one["documents"] for one in says["benchmarks"]} == {"gsm8k": 1, "tulips": 8}
    assert not list(made.workspace.stage("decontaminate").glob("decisions-*"))
    assert (
        sum(frame.height for part in kept_documents(made.workspace, "decontaminate") for frame in part.frames()) == 11
    )


def test_off_is_off(project: Path) -> None:
    text = MANIFEST.split("[decontaminate]")[0] + "[redact]\nsecrets = false\npersonal = false\n"
    (project / "algstack.toml").write_text(text)
    made = context(project)
    pipeline.build(made)
    assert all(value[0] and value[2] is None for value in decisions(made.workspace).values())


def _requests(project: Path, text: str) -> Path:
    (project / "out.txt").write_text(text)
    return project / "out.txt"


def _everything(folder: Path) -> str:
    """All of a release that can be read, as text."""
    tables = [str(pl.read_parquet(path).to_dicts()) for path in folder.rglob("*.parquet")]
    others = [
        path.read_text(errors="replace") for path in folder.rglob("*") if path.suffix != ".parquet" and path.is_file()
    ]
    return "\n".join([*tables, *others])


def test_a_release_without_a_repository(project: Path) -> None:
    made = context(project)
    pipeline.build(made)
    requests = _requests(project, "repo secret\n")
    release.run(pipeline.without(made, [requests]), "0.2.0")
    old, new = made.workspace.release("0.1.0"), made.workspace.release("0.2.0")
    assert "e.py" in _everything(old)
    assert "e.py" not in _everything(new)
    assert all(check.passed for check in verify(new))
    assert compare(old, new).removed == {"filter: removal-request": 1}
    assert made.workspace.release("0.1.0").exists()


@pytest.mark.parametrize(
    ("table", "path", "rule"),
    [
        pytest.param('[removal]\nfiles = ["out.txt"]', "e.py", "removal-request", id="opt-out"),
        pytest.param("[licenses]", "A.lean", "license", id="licence"),
    ],
)
def test_refused_before_anything_else(table: str, path: str, rule: str, project: Path) -> None:
    _requests(project, "repo secret\n")
    with (project / "algstack.toml").open("a") as file:
        file.write(table)
    made = context(project)
    pipeline.STAGES[0].run(made)
    pipeline.STAGES[1].run(made)
    crawled = pl.read_parquet(made.workspace.crawl("local") / "decisions-*.parquet")
    filtered = pl.read_parquet(made.workspace.path / "filter/*/decisions-*.parquet")
    rows = pl.concat([crawled, filtered]).filter(~pl.col("keep") & pl.col("id").str.ends_with(path))
    assert rows["rule"].to_list() == [rule]
    texts = pl.read_parquet(made.workspace.crawl("local") / "documents-*.parquet")["text"]
    assert rule != "removal-request" or not texts.str.contains(AWS).any()


def test_a_licence_that_is_allowed(project: Path) -> None:
    text = MANIFEST.replace('path = "src"', 'path = "src"\nlicense = "MIT"') + '[licenses]\nallow = ["permissive"]\n'
    (project / "algstack.toml").write_text(text)
    made = context(project)
    for step in pipeline.STAGES[:2]:
        step.run(made)
    assert (
        not pl.read_parquet(made.workspace.path / "filter/*/decisions-*.parquet")
        .filter(pl.col("rule") == "license")
        .height
    )


@pytest.mark.parametrize(
    ("change", "says"),
    [
        pytest.param(lambda text: text + '[licenses]\nallow = ["MITT"]', "`MITT` is no SPDX", id="licence"),
        pytest.param(lambda text: text + '[removal]\nfiles = ["out.txt"]', r"out.txt:1: `rpeo`", id="opt-out"),
        pytest.param(lambda text: text.replace('"gsm8k"', '"gsm9k"'), "did you mean `gsm8k`", id="benchmark"),
    ],
)
def test_bad_input(change: Callable[[str], str], says: str, project: Path) -> None:
    _requests(project, "rpeo a/b\n")
    (project / "algstack.toml").write_text(change(MANIFEST))
    with pytest.raises(ManifestError, match=says):
        pipeline.build(context(project))
