"""The main job end to end, as a user runs it: the same bytes however it is run, and whatever interrupts it."""

from __future__ import annotations

import inspect
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from algstack import pipeline
from tests.conftest import rows

MANIFEST = """
name = "test"
[[sources]]
name = "packages"
kind = "python-packages"
packages = ["datasketch", "polars"]
[[sources]]
name = "samples"
kind = "folder"
path = "{samples}"
exclude = ["*.xml"]
[[sources]]
name = "questions"
kind = "stackexchange"
path = "{samples}/Posts.xml"
site = "algstack.example.com"
"""
SAMPLES = Path(__file__).parent.parent / "manifests/quickstart"


def command(folder: Path, workspace: str, workers: int) -> list[str]:
    build = [
        sys.executable,
        "-m",
        "algstack",
        "build",
        "-m",
        str(folder / "algstack.toml"),
        "-w",
        str(folder / workspace),
    ]
    return [*build, "--workers", str(workers)]


def build(folder: Path, workspace: str, workers: int = 2) -> bytes:
    """Build, and return the checksums of the release."""
    done = subprocess.run(command(folder, workspace, workers), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return (folder / workspace / "releases/0.1.0/SHA256SUMS").read_bytes()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("build")
    (folder / "algstack.toml").write_text(MANIFEST.format(samples=SAMPLES))
    build(folder, "one", workers=1)
    yield folder
    shutil.rmtree(folder)


def test_workers_do_not_change_a_byte(project: Path) -> None:
    assert build(project, "two", workers=2) == build(project, "one", workers=1)


@pytest.mark.slow
def test_killed_at_five_moments_it_ends_the_same(project: Path) -> None:
    """`kill -9` of the whole process group at five moments spread over the build, then once to the end."""
    start = time.monotonic()
    build(project, "timed")
    whole = time.monotonic() - start
    chance = random.Random(7)
    for moment in range(5):
        running = subprocess.Popen(
            command(project, "killed", 2),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        time.sleep(whole * (moment + chance.random()) / 7)
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
    assert build(project, "killed") == build(project, "one", workers=1)
    leftovers = [path for path in (project / "killed").rglob(".*") if path.name != ".lock"]
    assert leftovers == []


def test_counts_balance_at_every_stage(project: Path) -> None:
    records = [json.loads(path.read_text()) for path in (project / "one").rglob("stage.json")]
    totals: dict[str, list[int]] = {}
    for record in records:
        counts = record["counts"]
        assert counts["documents"] == counts["kept"] + sum(counts["dropped"].values()), record["stage"]
        total = totals.setdefault(record["stage"], [0, 0])
        total[0] += counts["documents"]
        total[1] += counts["kept"]
    assert totals["crawl"][1] == totals["filter"][0]
    assert totals["filter"][1] == totals["dedup"][0]
    assert totals["dedup"][1] == totals["release"][0] == totals["release"][1]


def test_at_least_seven_languages_have_documents(project: Path) -> None:
    languages = {path.name for path in (project / "one/releases/0.1.0/data").iterdir()}
    assert {"agda", "coq", "fortran", "isabelle", "lean", "python", "stackexchange", "tex"} <= languages


def test_every_question_of_the_dump_is_a_document_or_a_drop(project: Path) -> None:
    decisions = rows((project / "one/crawl/questions").glob("decisions-*.parquet"))
    kept = {row["id"] for row in decisions if row["keep"]}
    texts = [row["text"] for row in rows((project / "one/crawl/questions").glob("documents-*.parquet"))]
    assert "$\\sqrt{ab}\\le\\frac{a+b}{2}$" in texts[0]
    assert "  &= a-2\\sqrt{ab}+b.\n\\end{align}" in texts[0]
    assert "assert all(sqrt(a * b) <= (a + b) / 2 for a in range(50) for b in range(50))" in texts[0]
    assert kept == {f"stackexchange:algstack.example.com/q/{number}" for number in (1, 4)}
    assert {row["id"] for row in decisions if not row["keep"]} == {"stackexchange:algstack.example.com/a/6"}


def test_the_release_loads_with_polars_and_datasets(project: Path, tmp_path: Path) -> None:
    import datasets
    import polars as pl

    release = project / "one/releases/0.1.0"
    frame = pl.read_parquet(release / "data/*/*.parquet")
    record = json.loads((release / "stage.json").read_text())
    assert frame.height == record["counts"]["documents"] == frame["id"].n_unique()
    files = sorted(str(path) for path in release.glob("data/python/*.parquet"))
    loaded = datasets.load_dataset("parquet", data_files=files, split="train", cache_dir=str(tmp_path))
    assert loaded.num_rows == frame.filter(pl.col("lang") == "python").height


def test_the_card_is_typed_and_holds_nothing_unknown(project: Path) -> None:
    from huggingface_hub import DatasetCard, DatasetCardData

    card = DatasetCard.load(project / "one/releases/0.1.0/README.md")
    assert isinstance(card.data, DatasetCardData)
    # Fields that the hub's documentation names and that DatasetCardData takes as they are.
    known = {"configs", "dataset_info", "license_name", "license_link", "tags"}
    known |= set(inspect.signature(DatasetCardData.__init__).parameters)
    assert set(card.data.to_dict()) <= known


def test_the_second_build_does_nothing(project: Path) -> None:
    done = subprocess.run([*command(project, "one", 2), "--json"], capture_output=True, text=True, timeout=60)
    assert [row["tasks"] for row in json.loads(done.stdout)] == [0] * len(pipeline.STAGES)
