from pathlib import Path

import polars as pl
import pytest

from algstack.dedup.bands import choose
from algstack.dedup.fast import Deduplication
from algstack.dedup.index import Index, build, index_folder, index_of
from algstack.dedup.parts import ParquetPart, TablePart
from algstack.dedup.state import RULES, Settings
from algstack.documents import swhid
from algstack.errors import DatasetError
from tests.dedup.corpus import documents
from tests.dedup.test_fast import deduplicate


def _with_swhid(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(swhid=pl.col("text").map_elements(lambda text: swhid(text.encode()), pl.String))


def _against(new: pl.DataFrame, indexes: list[Index], folder: Path, **wanted: object) -> dict[str, tuple[str, str]]:
    run = Deduplication([TablePart(new.to_arrow())], Settings(**wanted), folder, indexes)  # type: ignore[arg-type]
    run.run()
    drops = run.drops_of(0).to_dicts()
    return {new["id"][row["row"]]: (RULES[row["rule"]], row["keeper"]) for row in drops}


@pytest.fixture
def release(tmp_path: Path) -> Path:
    folder = tmp_path / "releases" / "1.0.0"
    (folder / "data" / "lean").mkdir(parents=True)
    old = documents(80, seed=1)
    kept = old.join(deduplicate(old, tmp_path / "releases").select("id"), on="id", how="anti")
    _with_swhid(kept).write_parquet(folder / "data" / "lean" / "train-00000-of-00001.parquet")
    return folder


@pytest.mark.parametrize("with_swhids", [True, False])
def test_new_documents_against_a_release(release: Path, with_swhids: bool, tmp_path: Path) -> None:
    old = pl.read_parquet(release / "data/lean/*.parquet")
    index = index_of(release, choose(0.7))
    fresh = documents(40, seed=77).with_columns(pl.concat_str(pl.lit("new/"), "id").alias("id"))
    again = old.head(30).with_columns(pl.concat_str(pl.lit("again/"), "id").alias("id"))
    near = again.with_columns(pl.concat_str("id", pl.lit("~")).alias("id"), pl.col("text") + " and more", swhid=None)
    new = pl.concat([_with_swhid(fresh), again, near.select(again.columns)], how="vertical_relaxed")
    found = _against(new if with_swhids else new.drop("swhid"), [index], tmp_path)
    assert {name: found.get(name) for name in again["id"]} == {
        name: ("exact-duplicate", name.removeprefix("again/")) for name in again["id"]
    }
    # The rest is what a run over both says, where the release comes first in the order.
    both = pl.concat(
        [old.with_columns(stars=10**9, license=pl.lit("MIT")), new.select(old.columns)], how="vertical_relaxed"
    )
    together = {row["id"]: row["keeper"] for row in deduplicate(both, tmp_path).to_dicts()}
    assert {name: keeper for name, (_, keeper) in found.items()} == {
        name: keeper for name, keeper in together.items() if name not in set(old["id"])
    }


def test_a_release_is_never_changed_and_its_documents_stay(release: Path, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in release.rglob("*") if path.is_file()}
    index = index_of(release, choose(0.7))
    assert index.folder == index_folder(release)
    old = pl.read_parquet(release / "data/lean/*.parquet")
    better = old.with_columns(pl.concat_str(pl.lit("b/"), "id").alias("id"), stars=10**9, license=pl.lit("MIT"))
    assert len(_against(better, [index], tmp_path)) == old.height
    assert {path: path.read_bytes() for path in release.rglob("*") if path.is_file()} == before


def test_no_text_is_needed(release: Path, tmp_path: Path) -> None:
    bands = choose(0.7)
    index = index_of(release, bands)
    old = pl.read_parquet(release / "data/lean/*.parquet")
    for shard in release.rglob("*.parquet"):
        shard.unlink()
    new = old.with_columns(pl.col("text") + " end", pl.concat_str(pl.lit("n/"), "id").alias("id")).drop("swhid")
    assert len(_against(new, [index_of(release, bands)], tmp_path)) > old.height / 2
    assert len(_against(new, [index], tmp_path, within="lang")) > old.height / 2


def test_several_releases(release: Path, tmp_path: Path) -> None:
    second = documents(20, seed=50).with_columns(pl.concat_str(pl.lit("2/"), "id").alias("id"))
    other = build([TablePart(second.to_arrow())], choose(0.7), tmp_path / "second")
    new = pl.concat([pl.read_parquet(release / "data/lean/*.parquet").select(second.columns), second])
    new = new.with_columns(pl.concat_str(pl.lit("n/"), "id").alias("id"))
    assert len(_against(new, [index_of(release, choose(0.7)), other], tmp_path)) == new.height


def test_an_index_of_another_threshold_is_refused(release: Path) -> None:
    index_of(release, choose(0.7))
    with pytest.raises(DatasetError, match="made for 17 bands of 4 rows, not"):
        index_of(release, choose(0.9))


def test_an_index_of_another_scheme_is_refused(release: Path) -> None:
    folder = index_of(release, choose(0.7)).folder
    about = folder / "index.json"
    about.write_text(about.read_text().replace("affine32", "affine64"))
    with pytest.raises(DatasetError, match=r"made by other rules \(affine64.*Remove"):
        index_of(release, choose(0.7))
    about.write_text("{")
    with pytest.raises(DatasetError, match="is not JSON"):
        index_of(release, choose(0.7))


def test_a_release_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no shards here"):
        index_of(tmp_path / "0.9", choose(0.7))


def test_it_holds_signatures_that_datasketch_takes(release: Path) -> None:
    from datasketch import MinHash

    index = index_of(release, choose(0.7))
    rows = pl.read_parquet(index.folder / "index-00000.parquet").filter(pl.col("shingles") > 0)
    signature = MinHash(hashvalues=rows["signature"][0].to_numpy(), scheme="affine32")
    assert len(signature) == 68
    assert rows["hashes"].list.len().to_list() == rows["shingles"].to_list()
    assert isinstance(index.parts()[0], ParquetPart)
