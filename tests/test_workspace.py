from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

import algstack
from algstack import documents, workspace
from algstack.crawl import stage as crawl
from algstack.dataset import Counts, Part, StageFolder, TaskRecord, part_writer
from algstack.documents import DECISIONS
from algstack.errors import DatasetError
from algstack.workspace import Workspace, decisions_name, kept_documents
from tests.conftest import FewLanguages, context_of

SOURCE = '[[sources]]\nname = "src"\nkind = "folder"\npath = "in"\n'


@pytest.fixture
def crawled(tmp_path: Path) -> Workspace:
    (tmp_path / "in").mkdir()
    for name in ("a", "b", "c"):
        (tmp_path / f"in/{name}.lean").write_text(f"text of {name}")
    context = context_of(SOURCE, tmp_path)
    crawl.run(context, FewLanguages())
    return context.workspace


def decide(
    space: Workspace, stage: str, decisions: dict[str, tuple[bool, str | None]], lang: str | None = None
) -> None:
    """Write a stage's decisions about the one part: name -> (keep, new text)."""
    folder = StageFolder(space.stage(stage, lang), stage, "1", {})
    rows = pl.DataFrame(
        {
            "id": [f"folder:src:{name}.lean" for name in decisions],
            "keep": [keep for keep, _ in decisions.values()],
            "text": [text for _, text in decisions.values()],
        },
        schema={"id": pl.String, "keep": pl.Boolean, "text": pl.String},
    ).with_columns(stage=pl.lit(stage), lang=pl.lit("lean"))
    missing = [pl.lit(None).alias(name) for name in DECISIONS.names if name not in rows.columns]
    done: list[Part] = []
    with part_writer(folder.path, decisions_name("src-00000"), DECISIONS, done) as writer:
        writer.write(rows.with_columns(missing).select(DECISIONS.names).to_arrow())
    kept = sum(keep for keep, _ in decisions.values())
    counts = Counts(documents=len(decisions), kept=kept, dropped={"x": len(decisions) - kept})
    folder.finish([TaskRecord(task="src-00000", fingerprint="", counts=counts, parts=tuple(done))])


def names(space: Workspace, after: str) -> list[str]:
    frames = [frame for part in kept_documents(space, after) for frame in part.frames(["path", "id"])]
    return [path.removesuffix(".lean") for frame in frames for path in frame["path"]]


def test_a_stage_sees_what_every_earlier_stage_kept(crawled: Workspace) -> None:
    decide(crawled, "filter", {"a": (True, None), "b": (True, "new text"), "c": (False, None)}, "lean")
    decide(crawled, "dedup", {"a": (False, None), "b": (True, None)})
    assert names(crawled, "crawl") == ["a", "b", "c"]
    assert names(crawled, "filter") == ["a", "b"]
    assert names(crawled, "dedup") == names(crawled, "decontaminate") == ["b"]
    row = next(kept_documents(crawled, "dedup")[0].frames()).row(0, named=True)
    assert (row["text"], row["size"]) == ("new text", 8)


def test_decisions_about_other_documents_are_refused(crawled: Workspace) -> None:
    decide(crawled, "filter", {"a": (True, None), "b": (True, None), "c": (False, None)}, "lean")
    decide(crawled, "dedup", {"a": (True, None)})
    with pytest.raises(DatasetError, match="made from other documents"):
        names(crawled, "dedup")
    decide(crawled, "dedup", {"a": (True, None), "b": (True, None), "c": (True, None)})
    with pytest.raises(DatasetError, match="made from other documents"):
        names(crawled, "dedup")


def test_documents_that_no_filter_decided_on_are_left_out(crawled: Workspace) -> None:
    decide(crawled, "filter", {"a": (True, None)}, "lean")
    assert names(crawled, "filter") == ["a"]


@pytest.mark.parametrize(("after", "said"), [("filter", "algstack filter"), ("nonsense", "There is no stage")])
def test_a_stage_that_is_not_there(crawled: Workspace, after: str, said: str) -> None:
    with pytest.raises(DatasetError, match=said):
        kept_documents(crawled, after)


def test_scan_reads_columns_rows_and_filters(crawled: Workspace) -> None:
    decide(crawled, "filter", {"a": (True, None), "b": (True, "new text"), "c": (False, None)}, "lean")
    frame = algstack.scan(crawled.path, after="filter")
    assert frame.collect_schema().names() == documents.DOCUMENTS.names
    assert frame.select("path").collect()["path"].to_list() == ["a.lean", "b.lean"]
    assert frame.filter(pl.col("size") == 8).select("text").collect()["text"].to_list() == ["new text"]
    assert frame.head(1).collect().height == 1


def test_apply_keeps_the_order_and_the_columns() -> None:
    frame = pl.DataFrame({"id": ["3", "1", "2"], "lang": ["x", "x", "x"]})
    decisions = pl.DataFrame(
        {"id": ["1", "2", "3"], "keep": [True, False, True], "lang": ["y", "y", None], "text": [None, None, None]}
    )
    assert documents.apply(frame, decisions).rows() == [("3", "x"), ("1", "y")]


def test_every_column_has_a_description() -> None:
    for column in (*documents.RELEASE_COLUMNS, *documents.SIGNAL_COLUMNS, *documents.DECISION_COLUMNS):
        assert column.doc.endswith("."), column.name


def test_part_names_are_shared_by_all_stages() -> None:
    assert workspace.decisions_name("src-00000") == "decisions-src-00000.parquet"
