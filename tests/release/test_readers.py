"""A release is read by the tools that people use."""

from __future__ import annotations

import re
from pathlib import Path

import datasets
import duckdb
import mlcroissant
import polars as pl
import pyarrow.parquet as pq
import pytest

from algstack.release import stage
from tests.release.conftest import MANIFEST, context, document, write_workspace

SPLITS = MANIFEST + "\n[release]\nshard_bytes = 600\nsplits = {train = 0.6, validation = 0.2, test = 0.2}\n"


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("readers")
    made = [document(number, lang="coq" if number % 5 == 0 else "lean") for number in range(60)]
    workspace = write_workspace(folder / "work", [made], [str(made[7]["id"])])
    stage.run(context(workspace, text=SPLITS))
    return workspace.release("1.0.0")


def test_datasets_by_language_and_all(release: Path, tmp_path: Path) -> None:
    coq = datasets.load_dataset(str(release), "coq", cache_dir=str(tmp_path))
    assert sum(len(split) for split in coq.values()) == 12
    everything = datasets.load_dataset(str(release), cache_dir=str(tmp_path))
    assert sum(len(split) for split in everything.values()) == 59


def test_datasets_streaming(release: Path) -> None:
    stream = datasets.load_dataset(str(release), "lean", split="train", streaming=True)
    first = next(iter(stream))
    assert first["lang"] == "lean"
    assert first["tokens"] > 0


def test_the_card_loads_the_release_as_it_says(release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(release)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path)
    examples = re.findall(r"```python\n(.*?)```", (release / "README.md").read_text(), re.DOTALL)
    assert len(examples) == 3
    for example in examples:
        exec(example.replace('"tiny-algebra"', repr(str(release))), {})


def test_polars_and_duckdb(release: Path) -> None:
    shards = str(release / "data" / "*" / "*.parquet")
    assert pl.scan_parquet(shards).select(pl.len()).collect().item() == 59
    counted = duckdb.sql(f"select lang, count(*) from '{shards}' group by lang order by lang").fetchall()
    assert counted == [("coq", 12), ("lean", 47)]


def test_croissant_is_valid_and_reads_records(release: Path) -> None:
    described = mlcroissant.Dataset(jsonld=str(release / "croissant.json"))
    assert not described.metadata.ctx.issues.errors
    assert sum(1 for _ in described.records("coq")) == 12


def test_licences_count_every_document(release: Path) -> None:
    rows = pq.read_table(release / "licenses.parquet").to_pylist()
    assert sum(row["documents"] for row in rows) == 59
    assert {row["license"] for row in rows} == {"MIT", None}


def test_what_was_dropped_lies_beside(release: Path) -> None:
    rows = pl.read_parquet(release / "dropped" / "*.parquet").to_dicts()
    assert [(row["stage"], row["rule"], row["repo"]) for row in rows] == [("dedup", "near-duplicate", "owner/repo-1")]
