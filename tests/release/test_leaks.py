"""Near-duplicates are never in two splits."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from algstack.release import stage
from algstack.release.leaks import leaking
from algstack.release.splits import split_of
from algstack.release.verify import verify
from tests.release.conftest import MANIFEST, context, document, write_workspace

SHARES = (("train", 0.98), ("validation", 0.01), ("test", 0.01))


@pytest.mark.parametrize(
    ("splits", "dropped"),
    [
        pytest.param(["train", "train"], [], id="one split"),
        pytest.param(["train", "test"], ["0"], id="the smaller split stays"),
        pytest.param(["test", "train", "train"], ["1", "2"], id="all of the larger one go"),
        pytest.param(["validation", "test"], ["0"], id="of equal shares the later one stays"),
        pytest.param(["train", "validation", "test"], ["0", "1"], id="three"),
    ],
)
def test_who_goes(splits: list[str], dropped: list[str]) -> None:
    ids = [str(number) for number in range(len(splits))]
    members = pl.DataFrame({"id": ids, "component": ["c"] * len(ids), "split": splits})
    assert sorted(leaking(members, SHARES)["id"]) == dropped


def test_a_release_without_leaks(tmp_path: Path) -> None:
    shares = (("train", 0.5), ("test", 0.5))
    made = [document(number) for number in range(40)]
    by_split: dict[str, list[str]] = {"train": [], "test": []}
    for one in made:
        by_split[split_of(str(one["repo"]), shares)].append(str(one["id"]))
    workspace = write_workspace(tmp_path / "work", [made[:20], made[20:]])
    apart, together = [by_split["train"][0], by_split["test"][0]], by_split["train"][1:3]
    table = pl.DataFrame({"id": [*apart, *together], "component": [apart[0]] * 2 + [together[0]] * 2})
    table.write_parquet(workspace.clusters)
    record = stage.run(context(workspace, text=MANIFEST + "\n[release]\nsplits = {train = 0.5, test = 0.5}\n"))
    release = workspace.release("1.0.0")
    assert (record.counts.documents, record.counts.kept, record.counts.dropped) == (40, 39, {"split-leak": 1})
    dropped = pl.read_parquet(release / "dropped" / "*.parquet").to_dicts()
    assert [(row["stage"], row["rule"], row["keeper"] in apart) for row in dropped] == [("release", "split-leak", True)]
    assert dropped[0]["id"] in apart
    assert [check for check in verify(release) if not check.passed] == []
    assert sorted(pl.read_parquet(release / "clusters.parquet")["id"]) == sorted(together)
