"""Each way in which a release can be damaged is found by the check that is for it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from algstack import documents
from algstack.errors import DatasetError
from algstack.release import stage
from algstack.release.verify import CHECKS, verify
from tests.release.conftest import MANIFEST, context, document, write_workspace

SPLITS = MANIFEST + "\n[release]\nshard_bytes = 600\nsplits = {train = 0.6, validation = 0.2, test = 0.2}\n"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sound release of 120 documents in two languages."""
    made = [document(number, lang="coq" if number % 5 == 0 else "lean") for number in range(120)]
    workspace = write_workspace(tmp_path_factory.mktemp("verify") / "work", [made])
    stage.run(context(workspace, text=SPLITS))
    return workspace.release("1.0.0")


@pytest.fixture
def release(whole: Path, tmp_path: Path) -> Path:
    """A copy of it to be damaged."""
    return Path(shutil.copytree(whole, tmp_path / "release"))


def shard(release: Path, split: str = "train") -> Path:
    return sorted(release.glob(f"data/lean/{split}-*.parquet"))[0]


def rewrite(release: Path, path: Path, rows: pa.Table) -> None:
    """Put other rows into a shard and sign it again, as a careless tool would."""
    pq.write_table(rows, path)
    stage.write_checksums(release)


def flip_a_byte(release: Path) -> None:
    path = shard(release)
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 1
    path.write_bytes(content)


def lose_a_shard(release: Path) -> None:
    shard(release).unlink()


def lose_a_shard_and_sign(release: Path) -> None:
    shard(release).unlink()
    stage.write_checksums(release)


def duplicate_an_id(release: Path) -> None:
    rows = pq.read_table(shard(release))
    rewrite(release, shard(release), pa.concat_tables([rows.slice(0, 1), rows]))


def duplicate_an_id_in_another_language(release: Path) -> None:
    path = sorted(release.glob("data/coq/train-*.parquet"))[0]
    stolen = pq.read_table(shard(release)).slice(0, 1).to_pylist()[0] | {"lang": "coq"}
    rows = pq.read_table(path).to_pylist()[1:]
    rewrite(release, path, pa.Table.from_pylist(sorted([stolen, *rows], key=lambda row: row["id"]), documents.RELEASE))


def empty_a_shard(release: Path) -> None:
    rewrite(release, shard(release), pq.read_table(shard(release)).slice(0, 0))


def drop_a_column(release: Path) -> None:
    rewrite(release, shard(release), pq.read_table(shard(release)).drop_columns(["swhid"]))


def move_a_repository(release: Path) -> None:
    rows = pq.read_table(shard(release, "test"))
    other = pq.read_table(shard(release)).slice(0, 1)
    rewrite(release, shard(release, "test"), pa.concat_tables([rows, other]).sort_by("id"))


def put_a_language_elsewhere(release: Path) -> None:
    rows = pl.read_parquet(shard(release)).with_columns(lang=pl.lit("agda")).to_arrow()
    rewrite(release, shard(release), rows.cast(documents.RELEASE))


def lengthen_a_text(release: Path) -> None:
    rows = pl.read_parquet(shard(release)).with_columns(text=pl.col("text") + " ").to_arrow()
    rewrite(release, shard(release), rows.cast(documents.RELEASE))


def edit_the_card(old: str, new: str) -> Callable[[Path], None]:
    def edit(release: Path) -> None:
        path = release / "README.md"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))
        stage.write_checksums(release)

    return edit


def lose_a_language(release: Path) -> None:
    shutil.rmtree(release / "data" / "lean")


def remove(name: str) -> Callable[[Path], None]:
    return lambda release: (release / name).unlink()


def test_a_sound_release_passes_every_check(whole: Path) -> None:
    checks = verify(whole)
    assert [check for check in checks if not check.passed] == []
    assert [check.name for check in checks] == [name for name, _ in CHECKS]


@pytest.mark.parametrize(
    ("damage", "found_by", "says"),
    [
        pytest.param(flip_a_byte, "checksums", "changed after", id="a flipped byte"),
        pytest.param(lose_a_shard, "checksums", "missing", id="a missing shard"),
        pytest.param(lose_a_shard_and_sign, "shards", "missing", id="a missing shard, signed"),
        pytest.param(duplicate_an_id, "unique ids", "occurs twice", id="a duplicated id"),
        pytest.param(duplicate_an_id_in_another_language, "unique ids", "occurs twice", id="an id in two languages"),
        pytest.param(duplicate_an_id, "counts", "rows, not", id="a row too many"),
        pytest.param(empty_a_shard, "shards", "empty", id="an empty shard"),
        pytest.param(drop_a_column, "schema", "`swhid` is missing", id="a missing column"),
        pytest.param(move_a_repository, "splits", "owner/repo-", id="a repository in two splits"),
        pytest.param(put_a_language_elsewhere, "languages", "agda", id="a language in another's folder"),
        pytest.param(lengthen_a_text, "texts", "`size`", id="a text of another length"),
        pytest.param(lose_a_language, "card", "'lean'", id="a language that only the card has"),
        pytest.param(edit_the_card("num_examples: ", "num_examples: 1"), "card", "dataset_info", id="front matter"),
        pytest.param(edit_the_card("| lean | 96 |", "| lean | 97 |"), "card", "the data says", id="a table's number"),
        pytest.param(edit_the_card(": 120 documents", ": 999 documents"), "card", "999 documents", id="the first line"),
        pytest.param(edit_the_card("configs:", "configs: ["), "card", "not YAML", id="broken YAML"),
        pytest.param(remove("README.md"), "card", "README.md is missing", id="no card"),
        pytest.param(remove("stage.json"), "counts", "stage.json is missing", id="no record"),
        pytest.param(remove("SHA256SUMS"), "checksums", "SHA256SUMS is missing", id="no checksums"),
    ],
)
def test_damage_is_found(release: Path, damage: Callable[[Path], None], found_by: str, says: str) -> None:
    damage(release)
    check = next(check for check in verify(release) if check.name == found_by)
    assert not check.passed
    assert says in check.detail
    assert "\n" not in check.detail


def test_a_folder_without_a_release_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no release here"):
        verify(tmp_path)
