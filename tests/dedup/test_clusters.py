"""Who is alike to whom, kept or not."""

from __future__ import annotations

from pathlib import Path

import polars as pl

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
