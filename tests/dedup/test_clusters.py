"""Who is alike to whom, kept or not."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from algstack.dedup.clusters import clusters
from algstack.dedup.fast import Deduplication
from algstack.dedup.parts import TablePart
from algstack.dedup.state import Settings


def words(start: int) -> str:
    return " ".join(f"w{number}" for number in range(start, start + 100))


def test_a_kept_document_is_in_the_cluster_of_a_dropped_one_that_is_like_it(tmp_path: Path) -> None:
    texts = {"a": words(0), "b": words(10), "c": words(20), "d": words(500), "e": words(500), "f": words(900)}
    frame = pl.DataFrame({"id": list(texts), "text": list(texts.values())})
    run = Deduplication([TablePart(frame.to_arrow())], Settings(components=True), tmp_path)
    run.run()
    found = clusters(run)
    # b is dropped for a; c, which is like b and not like a, is kept, and stands for nobody.
    assert found.rows() == [
        ("a", "a", "a"),
        ("b", "a", "a"),
        ("c", "c", "a"),
        ("d", "d", "d"),
        ("e", "d", "d"),
    ]


@pytest.mark.parametrize("memory", [2_000, 20_000, 100_000])
def test_a_component_larger_than_memory(memory: int, tmp_path: Path) -> None:
    # 120 documents, each like some before and some behind it: one component, of which many are kept, and two others.
    starts = [(4 * number * 7) % 480 for number in range(120)] + [2000, 2001, 2002, 5000, 5001]
    frame = pl.DataFrame({"id": [f"{number:03}" for number in range(len(starts))], "text": [*map(words, starts)]})
    runs = [
        Deduplication([TablePart(frame.to_arrow())], Settings(components=True, memory=allowed), tmp_path)
        for allowed in (1 << 30, memory)
    ]
    drops, other_drops = (run.run() for run in runs)
    assert 20 < len(drops.documents) < len(starts) - 15
    assert all((one == other).all() for one, other in zip(drops, other_drops, strict=True))
    assert clusters(runs[0])["component"].n_unique() == 3
    assert clusters(runs[0]).equals(clusters(runs[1]))
    assert not list(tmp_path.iterdir())
