"""The filter as a stage: a folder for each language, resumed where it stopped, the same bytes however it ran."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from algstack import data, dataset
from algstack.crawl import stage as crawl
from algstack.errors import ManifestError
from algstack.filter import stage
from algstack.manifest import LoadedManifest, Manifest
from algstack.workspace import Context, Workspace, kept_documents

FILES = {
    "one/a.lean": "theorem a : True := trivial\n",
    "one/b.lean": "import Mathlib\n",
    "one/c.py": "import numpy\r\n",
    "two/d.v": "Lemma a : True.\nProof. exact I. Qed.\n",
    "two/e.py": "import os\n",
    "two/f.txt": "nobody's\n",
}


def context(base: Path, workers: int = 1, **config: object) -> Context:
    for name, text in FILES.items():
        (base / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (base / "in" / name).write_bytes(text.encode())
    sources = [{"name": name, "kind": "folder", "path": f"in/{name}", "license": "MIT"} for name in ("one", "two")]
    manifest = Manifest.model_validate({"name": "t", "sources": sources, "filter": config})
    loaded = LoadedManifest(config=manifest, text="", folder=base)
    found = Context(loaded, Workspace(base / "work"), workers)
    crawl.run(found, stage.languages_of(loaded))
    return found


def sums(folder: Path) -> dict[str, str]:
    paths = sorted(path for path in (folder / "work/filter").rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): dataset.sha256_file(path) for path in paths}


def test_every_language_has_its_folder(tmp_path: Path) -> None:
    found = context(tmp_path)
    records = stage.run(found)
    assert set(records) == set(stage.languages_of(found.manifest))
    lean = records["lean"].counts
    assert (lean.documents, lean.kept, lean.dropped) == (2, 1, {"no-declaration": 1})
    assert records["agda"].counts.documents == 0
    assert len(records["agda"].tasks) == len(records["lean"].tasks)
    kept = [frame for part in kept_documents(found.workspace, after="filter") for frame in part.frames()]
    rows = pl.concat(kept).select("path", "text", "size").sort("path").rows()
    assert rows == [
        ("a.lean", FILES["one/a.lean"], 28),
        ("c.py", "import numpy\n", 13),
        ("d.v", FILES["two/d.v"], 37),
    ]


def test_second_run_does_nothing(tmp_path: Path) -> None:
    found = context(tmp_path)
    stage.run(found)
    before = sums(tmp_path)
    asked: list[int] = []
    found.progress.total = lambda name, tasks: asked.append(tasks)
    stage.run(found)
    assert asked == []
    assert sums(tmp_path) == before


def test_bytes_do_not_depend_on_workers(tmp_path: Path) -> None:
    stage.run(context(tmp_path / "a", workers=1))
    stage.run(context(tmp_path / "b", workers=2))
    assert sums(tmp_path / "a") == sums(tmp_path / "b")


@pytest.mark.parametrize("survived", ["nothing", "one-task", "all-tasks", "some-languages"])
def test_goes_on_where_it_was_killed(tmp_path: Path, survived: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.run(context(tmp_path / "whole"))
    found = context(tmp_path / "cut")
    calls = {"nothing": 0, "one-task": 1, "all-tasks": 10_000, "some-languages": 10_000}[survived]
    finishes = 3 if survived == "some-languages" else 0

    class Killed(BaseException):
        """Stands for kill -9: nothing after it runs."""

    add, finish = stage.Journal.add, dataset.StageFolder.finish

    def count_add(journal: stage.Journal, key: str, records: stage.Records) -> None:
        nonlocal calls
        if not calls:
            raise Killed
        calls -= 1
        add(journal, key, records)

    def count_finish(folder: dataset.StageFolder, records: object) -> dataset.StageRecord:
        nonlocal finishes
        if not finishes:
            raise Killed
        finishes -= 1
        return finish(folder, records)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(stage.Journal, "add", count_add)
        patched.setattr(dataset.StageFolder, "finish", count_finish)
        with pytest.raises(Killed):
            stage.run(found)
    stage.run(found)
    assert sums(tmp_path / "cut") == sums(tmp_path / "whole")


def test_only_some_languages(tmp_path: Path) -> None:
    found = context(tmp_path)
    assert set(stage.run(found, ["rocq"])) == {"coq"}
    assert not (tmp_path / "work/filter/lean").exists()
    stage.run(found)
    assert (tmp_path / "work/filter/lean/stage.json").exists()
    with pytest.raises(ManifestError, match="unknown language"):
        stage.run(found, ["cobol"])


def test_a_changed_rule_redoes_only_its_language(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    path = tmp_path / "own/lean.toml"
    shipped = (data.folder("filters") / "lean.toml").read_text(encoding="utf-8")
    path.write_text(shipped, encoding="utf-8")
    found = context(tmp_path, folder="own")
    stage.run(found)
    before = (tmp_path / "work/filter/python/stage.json").stat().st_mtime_ns
    path.write_text(shipped.replace("max_bytes = 1_048_575", "max_bytes = 1"), encoding="utf-8")
    counts = stage.run(found)["lean"].counts
    assert counts.dropped == {"too-large": 2}
    assert (tmp_path / "work/filter/python/stage.json").stat().st_mtime_ns == before
