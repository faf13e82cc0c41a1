"""A whole release from a small workspace."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest
from huggingface_hub import DatasetCard

from algstack import documents
from algstack.errors import AlgstackError, DatasetError
from algstack.release import stage
from tests.release.conftest import MANIFEST, context, document, write_workspace

SMALL_SHARDS = MANIFEST + "\n[release]\nshard_bytes = 600\nsplits = {train = 0.6, validation = 0.2, test = 0.2}\n"

Parts = list[list[dict[str, object]]]


def sums(release: Path) -> str:
    return (release / "SHA256SUMS").read_text()


def test_every_kept_document_is_in_one_shard(tmp_path: Path, three_parts: Parts) -> None:
    dropped = str(three_parts[1][3]["id"])
    changed = str(three_parts[0][5]["id"])
    workspace = write_workspace(tmp_path / "work", three_parts, [dropped], {changed: "lemma new : True := trivial\n"})
    record = stage.run(context(workspace, text=SMALL_SHARDS))
    release = workspace.release("1.0.0")
    found = pl.read_parquet(release / "data" / "**" / "*.parquet")
    everything = {str(one["id"]) for part in three_parts for one in part}
    assert sorted(found["id"]) == sorted(everything - {dropped})
    assert record.counts.kept == 119
    row = found.row(by_predicate=pl.col("id") == changed, named=True)
    assert (row["text"], row["size"], row["tokens"]) == ("lemma new : True := trivial\n", 28, 7)


def test_shards_are_sorted_not_empty_and_of_one_schema(tmp_path: Path, three_parts: Parts) -> None:
    workspace = write_workspace(tmp_path / "work", three_parts)
    record = stage.run(context(workspace, text=SMALL_SHARDS))
    files: dict[Path, list[str]] = {}
    for part in record.parts:
        table = pq.read_table(workspace.release("1.0.0") / part.name)
        assert table.schema.remove_metadata().equals(documents.RELEASE)
        assert 0 < table.num_rows == part.rows
        files.setdefault(Path(part.name).parent / part.name.split("-")[0], []).extend(table["id"].to_pylist())
    assert len(record.parts) > len(files)  # some split has several shards
    assert all(ids == sorted(ids) for ids in files.values())


def test_nothing_is_lost_where_the_published_sharding_lost_all_but_the_first_shard(tmp_path: Path) -> None:
    """math-lm issue 103: offsets were multiplied twice, so that 120,001 documents became 50,000, 0 and 0."""
    many = [document(number, repo="one/repo", text=f"-- {number}\n") for number in range(12_001)]
    text = MANIFEST + "\n[release]\nshard_bytes = 35_000\n"
    workspace = write_workspace(tmp_path / "work", [many])
    record = stage.run(context(workspace, text=text))
    assert len(record.parts) >= 3
    assert all(part.rows > 0 for part in record.parts)
    assert sum(part.rows for part in record.parts) == 12_001
    read = pl.read_parquet(workspace.release("1.0.0") / "data" / "lean" / "*.parquet", columns=["id"])
    assert read["id"].n_unique() == 12_001


@pytest.mark.parametrize("workers", [1, 2])
def test_same_bytes_whatever_the_workers_and_the_order_of_parts(
    tmp_path: Path, three_parts: Parts, workers: int
) -> None:
    one = write_workspace(tmp_path / "one", three_parts)
    other = write_workspace(tmp_path / "other", three_parts)
    for workspace, number in ((one, 1), (other, workers)):
        stage.run(context(workspace, number, SMALL_SHARDS))
    assert sums(one.release("1.0.0")) == sums(other.release("1.0.0"))


def test_shards_do_not_depend_on_how_documents_are_spread_over_parts(tmp_path: Path, three_parts: Parts) -> None:
    flat = [one for part in three_parts for one in part]
    shards = []
    for name, parts in {"three": three_parts, "one": [flat]}.items():
        workspace = write_workspace(tmp_path / name, parts)
        record = stage.run(context(workspace, text=SMALL_SHARDS))
        shards.append([(part.name, part.sha256) for part in record.parts])
    assert shards[0] == shards[1]


@pytest.mark.slow
def test_killed_and_run_again_gives_the_same_bytes(tmp_path: Path, three_parts: Parts) -> None:
    whole = write_workspace(tmp_path / "whole", three_parts)
    stage.run(context(whole, text=SMALL_SHARDS))
    killed = write_workspace(tmp_path / "killed", three_parts)
    ready = context(killed, text=SMALL_SHARDS)
    for written in (1, 3, 5):  # the file at which the process kills itself
        script = (
            "import os, signal, sys\n"
            "from pathlib import Path\n"
            "from algstack import dataset, manifest\n"
            "from algstack.release import stage\n"
            "from algstack.workspace import Context, Workspace\n"
            "left = int(sys.argv[3])\n"
            "rename = Path.rename\n"
            "def killing(self, target):\n"
            "    global left\n"
            "    left -= self.name.endswith('.parquet.' + str(os.getpid()) + '.tmp')\n"
            "    if left <= 0: os.kill(os.getpid(), signal.SIGKILL)\n"
            "    return rename(self, target)\n"
            "Path.rename = killing\n"
            "stage.run(Context(manifest.load(Path(sys.argv[1])), Workspace(Path(sys.argv[2]))))\n"
        )
        manifest = str(ready.manifest.folder / "killed.toml")
        command = [sys.executable, "-c", script, manifest, str(killed.path), str(written)]
        done = subprocess.run(command, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}, check=False)
        assert done.returncode == -signal.SIGKILL
        assert not killed.release("1.0.0").exists()
    stage.run(ready)
    assert sums(killed.release("1.0.0")) == sums(whole.release("1.0.0"))
    assert [path.name for path in killed.path.glob("releases/.*")] == []


def test_a_second_run_changes_nothing_and_other_inputs_are_refused(tmp_path: Path, three_parts: Parts) -> None:
    workspace = write_workspace(tmp_path / "work", three_parts)
    first = stage.run(context(workspace))
    before = {path: path.stat().st_mtime_ns for path in workspace.release("1.0.0").rglob("*")}
    assert stage.run(context(workspace, text=MANIFEST + "# a remark\n")) == first
    assert {path: path.stat().st_mtime_ns for path in workspace.release("1.0.0").rglob("*")} == before
    with pytest.raises(AlgstackError, match=r"(?s)1\.0\.0: this release exists.*Choose another version"):
        stage.run(context(workspace, text=SMALL_SHARDS))
    assert stage.run(context(workspace, text=SMALL_SHARDS), "1.1.0").counts == first.counts


def test_one_id_in_two_documents_is_an_error_that_names_it(tmp_path: Path) -> None:
    for name, other in {"here": document(7), "elsewhere": document(7, lang="coq", repo="some/other")}.items():
        workspace = write_workspace(tmp_path / name, [[document(7), document(8)], [other]])
        # Decisions of a part are of that part's documents, so both stay.
        with pytest.raises(DatasetError, match=r"00007\.lean: two documents have this id"):
            stage.run(context(workspace))
        assert not workspace.release("1.0.0").exists()


def test_a_release_of_nothing_is_refused(tmp_path: Path) -> None:
    made = [document(0), document(1)]
    workspace = write_workspace(tmp_path / "work", [made], [str(one["id"]) for one in made])
    with pytest.raises(AlgstackError, match="nothing was kept"):
        stage.run(context(workspace))


def test_documents_without_a_filter_are_left_out_and_counted(tmp_path: Path, three_parts: Parts) -> None:
    workspace = write_workspace(tmp_path / "work", three_parts)
    for file in workspace.stage("filter", "coq").iterdir():
        file.unlink()
    notes: list[str] = []
    ready = context(workspace)
    ready.progress.note = notes.append
    with pytest.raises(DatasetError, match="decisions of `dedup`"):
        stage.run(ready)
    assert notes == ["release: 24 documents are left out because no filter has decided on them."]


@pytest.mark.parametrize("version", ["", "v1", "1.0/..", "../1", "1 0"])
def test_a_version_is_a_number(tmp_path: Path, three_parts: Parts, version: str) -> None:
    with pytest.raises(AlgstackError, match="is not a version"):
        stage.checked_version(version)


def test_the_date_comes_from_the_environment_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    assert stage.release_date() is None
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    assert stage.release_date() == "2023-11-14"
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    with pytest.raises(AlgstackError, match="SOURCE_DATE_EPOCH"):
        stage.release_date()


def test_the_card_is_one_for_the_hub(tmp_path: Path, three_parts: Parts) -> None:
    workspace = write_workspace(tmp_path / "work", three_parts)
    stage.run(context(workspace, text=SMALL_SHARDS))
    card = DatasetCard.load(workspace.release("1.0.0") / "README.md")
    assert card.data.pretty_name == "Tiny Algebra"
    info = {one["config_name"]: one for one in card.data.to_dict()["dataset_info"]}
    assert sum(split["num_examples"] for split in info["default"]["splits"]) == 120
    assert sum(split["num_examples"] for split in info["coq"]["splits"]) == 24
