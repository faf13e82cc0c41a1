"""A release with signals of quality: columns of the shards, of the card and of Croissant, and verified."""

from __future__ import annotations

from pathlib import Path

import datasets
import mlcroissant
import polars as pl
import pyarrow.parquet as pq
import pytest
import yaml

from algstack import documents
from algstack.release import stage
from algstack.release.statistics import shard_paths
from algstack.release.verify import verify
from tests.conftest import checksums
from tests.release.conftest import MANIFEST, context, document, write_workspace

NAMES = tuple(column.name for column in documents.SIGNAL_COLUMNS)
ALL = MANIFEST + f"\n[release]\nsignals = {list(reversed(NAMES))}\n".replace("'", '"')


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("signals")
    made = [document(number, lang="coq" if number % 5 == 0 else "lean") for number in range(20)]
    text = "-- A comment.\ntheorem twelve : 12 = 12 := rfl\n"
    made.append(document(20, text=text, lang="metamath"))
    workspace = write_workspace(folder / "work", [made[:9], made[9:]], changed={str(made[1]["id"]): text})
    stage.run(context(workspace, text=ALL))
    return workspace.release("1.0.0")


def test_they_are_measured_on_the_text_that_is_released(release: Path) -> None:
    rows = pl.read_parquet(release / "data/*/*.parquet").filter(pl.col("text").str.starts_with("-- A comment"))
    assert rows.columns == [*documents.RELEASE.names, *NAMES]
    lean, metamath = rows.sort("lang").select(NAMES).rows()
    assert lean == (28 / 46, 22, 31, 4 / 35, None, 11 / 35, 0)
    assert metamath == (*lean[:4], None, None, None)


def test_the_release_is_verified(release: Path) -> None:
    assert [check for check in verify(release) if not check.passed] == []


def test_a_column_that_is_missing_is_found(release: Path) -> None:
    path = shard_paths(release)[0]
    whole = path.read_bytes()
    try:
        pq.write_table(pq.read_table(path).drop_columns(["comment_ratio"]), path)
        found = {check.name: check.detail for check in verify(release) if not check.passed}
        assert "column `comment_ratio` is missing" in found["schema"]
    finally:
        path.write_bytes(whole)


def test_the_card_names_them_and_the_hub_reads_them(release: Path, tmp_path: Path) -> None:
    card = (release / "README.md").read_text()
    features = yaml.safe_load(card.split("---\n")[1])["dataset_info"][0]["features"]
    assert {"name": "comment_ratio", "dtype": "float64"} in features
    assert all(f"| `{column.name}` | `{column.type}` | {column.doc} |" in card for column in documents.SIGNAL_COLUMNS)
    loaded = datasets.load_dataset(str(release), "lean", split="train", cache_dir=str(tmp_path))
    assert (loaded.features["comment_ratio"].dtype, loaded.features["parse_errors"].dtype) == ("float64", "int64")
    assert set(loaded["parse_errors"]) == {0}


def test_croissant_describes_them(release: Path) -> None:
    described = mlcroissant.Dataset(jsonld=str(release / "croissant.json"))
    assert not described.metadata.ctx.issues.errors
    row = next(iter(described.records("lean")))
    assert 0 < row["lean/alphanum_fraction"] < 1


def test_another_choice_is_another_release_of_the_same_bytes_on_any_number_of_workers(tmp_path: Path) -> None:
    made = [document(number) for number in range(40)]
    sums = []
    for name, workers in (("one", 1), ("two", 2)):
        workspace = write_workspace(tmp_path / name, [made[:20], made[20:]])
        stage.run(context(workspace, workers, MANIFEST + '\n[release]\nsignals = ["digit_density"]\n'))
        sums.append(checksums(workspace.release("1.0.0") / "data"))
        assert pl.read_parquet(workspace.release("1.0.0") / "data/*/*.parquet").columns[-1] == "digit_density"
    assert sums[0] == sums[1]
