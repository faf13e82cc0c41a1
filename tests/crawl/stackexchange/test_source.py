"""Dumps end to end: every post is in a document or in a drop, whatever the dump looks like."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from algstack import manifest
from algstack.crawl import stage
from algstack.crawl.stackexchange import dump, rows, spill
from algstack.crawl.stackexchange.dump import COMMENTS, USERS, open_dump
from algstack.crawl.stackexchange.source import read_dump
from algstack.crawl.stackexchange.threads import Policy
from algstack.documents import DOCUMENTS
from algstack.errors import SourceError
from algstack.manifest import StackExchangeSource
from tests.conftest import FewLanguages, checksums, context_of
from tests.crawl.stackexchange import dumps
from tests.crawl.stackexchange.dumps import answer, question, row

SITE = "a.example.com"


def read(path: Path, **options: Any) -> tuple[dict[str, dict[str, Any]], dict[str, dict[str, Any]]]:
    """Return (documents, drops) by the last part of their id."""
    documents, drops = {}, {}
    spill_dir = path.parent / f"{path.name}.spill"
    for batch in read_dump(path, source="test", site=SITE, spill_dir=spill_dir, **options):
        found = documents if batch.schema.equals(DOCUMENTS) else drops
        for values in batch.to_pylist():
            name = values["id"].removeprefix(f"stackexchange:{SITE}").removeprefix("/")
            assert name not in found
            found[name] = values
    return documents, drops


def read_rows(folder: Path, rows: Iterable[str], **options: Any) -> tuple[dict[str, Any], dict[str, str]]:
    """Return (documents, the rules of drops) of a dump of some rows."""
    documents, drops = read(dumps.write(folder / "Posts.xml", rows), **options)
    return documents, {name: decision["rule"] for name, decision in drops.items()}


def answers_of(document: dict[str, Any]) -> list[int]:
    return [answer["id"] for answer in json.loads(document["meta"])["answers"]]


def test_a_question_has_its_answers_wherever_they_stood(tmp_path: Path) -> None:
    rows = [answer(9, 3), question(3, AcceptedAnswerId=7), question(4), answer(5, 3, Score=8), answer(7, 3)]

    documents, drops = read_rows(tmp_path, rows)

    assert drops == {}
    assert answers_of(documents["q/3"]) == [7, 5, 9]
    assert answers_of(documents["q/4"]) == []


ODD_ROWS = {
    "orphan": ([answer(2, 99)], {"a/2": "no-question"}),
    "answer to itself": ([answer(2, 2)], {"a/2": "no-question"}),
    "answer to an answer": ([answer(2, 1), answer(3, 2)], {"a/3": "no-question"}),
    "answer without parent": ([row(Id=2, PostTypeId=2, CreationDate="2020-01-01T00:00:00")], {"a/2": "no-question"}),
    "answer to what is no id": ([answer(2, "x")], {"a/2": "no-question"}),
    "no id": ([row(PostTypeId=1, Body="x")], {"row/2": "bad-row"}),
    "id that is none": ([row(Id="-4", PostTypeId=1)], {"row/2": "bad-row"}),
    "no type": ([row(Id=2, Body="x")], {"p/2": "other-post"}),
    "unknown type": ([row(Id=2, PostTypeId=17)], {"p/2": "other-post"}),
    "tag wikis": ([row(Id=2, PostTypeId=4), row(Id=3, PostTypeId=5)], {"p/2": "tag-wiki", "p/3": "tag-wiki"}),
    "date that is none": ([answer(2, 1, CreationDate="2020-13-41T99:99:99")], {"a/2": "bad-row"}),
    "no date": ([row(Id=2, PostTypeId=1, Body="x")], {"q/2": "bad-row"}),
    "score that is none": ([answer(2, 1, Score="x")], {"a/2": "bad-row"}),
    "question twice": ([question(1), question(1)], {"q/1#2": "repeated-id", "q/1#3": "repeated-id"}),
    "answer twice": ([answer(2, 1), answer(2, 1)], {"a/2#2": "repeated-id"}),
    "empty answer": ([answer(2, 1, Body="")], {"a/2": "empty-post"}),
}


@pytest.mark.parametrize(("rows", "wanted"), ODD_ROWS.values(), ids=ODD_ROWS)
def test_odd_rows_are_drops(tmp_path: Path, rows: list[str], wanted: dict[str, str]) -> None:
    documents, drops = read_rows(tmp_path, [question(1), *rows])

    assert list(documents) == ["q/1"]
    assert drops == wanted


def test_rows_in_another_order_of_attributes(tmp_path: Path) -> None:
    rows = [
        "<row Body='&lt;p&gt;a&lt;/p&gt;' CreationDate='2020-01-01T00:00:00' PostTypeId='1' Id='1'/>",
        '<row ParentId="1" CreationDate="2020-01-01T00:00:00" Body="b" PostTypeId="2" Id="2"></row>',
    ]

    documents, drops = read_rows(tmp_path, rows)

    assert drops == {}
    assert answers_of(documents["q/1"]) == [2]


def test_bodies_of_any_kind(tmp_path: Path) -> None:
    bodies = {
        "five megabytes": "<p>" + "long $x$ " * 600_000 + "</p>",
        "never closed": "<p>a <em>b <ul><li>c",
        "entities": "<p>&nosuch; &amp;lt; &#x1; a&b</p>",
        "control characters": "<p>a\x0b\x1b\x7f</p>",
    }
    rows = [question(number, Body=body) for number, body in enumerate(bodies.values(), 1)]

    documents, drops = read_rows(tmp_path, rows)

    assert drops == {}
    assert len(documents) == len(bodies)
    assert documents["q/1"]["size"] > 5_000_000


def whole(count: int = 400) -> list[str]:
    """A dump's rows: as many answers as questions, each after its question."""
    return [text for number in range(1, 2 * count, 2) for text in (question(number), answer(number + 1, number))]


def test_a_dump_cut_in_a_row_keeps_what_came_before(tmp_path: Path) -> None:
    path = dumps.write(tmp_path / "Posts.xml", whole())
    content = path.read_bytes()
    path.write_bytes(content[: content.index(b'<row Id="400"') + 80])

    documents, drops = read(path)

    assert sorted(documents, key=lambda name: int(name[2:])) == [f"q/{number}" for number in range(1, 400, 2)]
    assert [drop["rule"] for drop in drops.values()] == ["broken-dump"]
    assert "in the middle of the row" in drops[""]["evidence"]


def test_a_damaged_archive_keeps_what_came_before(tmp_path: Path) -> None:
    content = dumps.pack(tmp_path / "a.7z", {"Posts.xml": dumps.table(whole(20_000))}).read_bytes()
    middle = len(content) * 3 // 4
    path = tmp_path / "b.7z"
    path.write_bytes(content[:middle] + bytes(64) + content[middle + 64 :])

    documents, drops = read(path)

    assert "b.7z cannot be read on" in drops[""]["evidence"]
    rules = Counter(drop["rule"] for drop in drops.values())
    assert rules["broken-dump"] == 1
    assert 1000 < len(documents) < 20_000


def test_another_table_is_an_error(tmp_path: Path) -> None:
    path = dumps.write(tmp_path / "Posts.xml", [], root="comments")

    with pytest.raises(SourceError, match=re.escape(str(path))):
        read(path)


@pytest.mark.parametrize("most", [512, 6], ids=["one go", "several goes"])
def test_the_number_of_partitions_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    one = read(dumps.write(tmp_path / "one" / "Posts.xml", whole()))
    monkeypatch.setattr(spill, "PARTITION_BYTES", 10_000)
    monkeypatch.setattr(spill, "MAX_PARTITIONS", most)
    many = read(dumps.write(tmp_path / "many" / "Posts.xml", whole()))

    assert len(list((tmp_path / "many").glob("*.spill/posts-*"))) > 5
    assert one == many


@pytest.mark.parametrize("block_bytes", [10**6, 80_000, 8_000], ids=["few blocks", "some", "many"])
def test_partitions_have_all_rows_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block_bytes: int) -> None:
    monkeypatch.setattr(spill, "PARTITION_BYTES", 10_000)
    monkeypatch.setattr(spill, "PARTITIONS_A_TURN", 3)
    monkeypatch.setattr(rows, "BLOCK_BYTES", block_bytes)
    monkeypatch.setattr(dump, "CHUNK_BYTES", 4_000)
    spilled = spill.spill(open_dump(dumps.write(tmp_path / "Posts.xml", whole()), SITE), tmp_path / "spill")

    tables = [spill.read_partition(spilled, number, 0) for number in range(spilled.partitions)]

    posts = [table.column("post").to_pylist() for table in tables]
    assert len(posts) >= 5 * spill.PARTITIONS_A_TURN
    assert sorted(chain(*posts)) == list(range(1, 801))
    assert all(partition == sorted(partition) for partition in posts)


def test_policies_of_a_source(tmp_path: Path) -> None:
    rows = [question(1, Tags="|r|"), answer(2, 1), question(3, Tags="|lean|"), answer(4, 3, Score=-1), answer(5, 3)]

    documents, drops = read_rows(tmp_path, rows, policy=Policy(tags=frozenset({"lean"}), min_score=0))

    assert answers_of(documents["q/3"]) == [5]
    assert drops == {"q/1": "tags", "a/2": "question-dropped", "a/4": "low-score"}


EXTRAS = frozenset({COMMENTS, USERS})


def extra_tables(folder: Path) -> Path:
    """A dump with all tables that can be of use."""
    when = {"CreationDate": "2015-01-01T00:00:00.1", "ContentLicense": "CC BY-SA 4.0"}
    comments = [
        row(Id=3, PostId=2, Text="second\nline", UserId=8, **when),
        row(Id=1, PostId=2, Text="what if $a<b$?", UserId=7, **when),
        row(Id=2, PostId=1, Text="why?", UserDisplayName="user5", **when),
        row(Id=4, PostId=99, Text="gone", **when),
        row(Id=5, PostId="x", Text="bad", **when),
    ]
    links = [
        row(Id=1, PostId=1, RelatedPostId=30, LinkTypeId=3),
        row(Id=2, PostId=1, RelatedPostId=31, LinkTypeId=1),
        row(Id=3, PostId=77, RelatedPostId=1, LinkTypeId=3),
    ]
    wiki = row(Id=9, PostTypeId=5, Body="<p>about it</p>", CreationDate="2015-01-01T00:00:00", OwnerUserId=8)
    members = {
        "Comments.xml": dumps.table(comments, "comments"),
        "PostLinks.xml": dumps.table(links, "postlinks"),
        "Posts.xml": dumps.table([question(1, ClosedDate="2016-01-01T00:00:00"), answer(2, 1), wiki]),
        "Tags.xml": dumps.table([row(Id=1, TagName="sums", Count=4, WikiPostId=9)], "tags"),
        "Users.xml": dumps.table([row(Id=7, DisplayName="Ada & Co"), row(Id=8, DisplayName="Évariste")], "users"),
    }
    return dumps.pack(folder / "a.7z", members)


@pytest.mark.parametrize("partition_bytes", [10**6, 300], ids=["one partition", "several"])
def test_comments_names_and_links(tmp_path: Path, partition_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spill, "PARTITION_BYTES", partition_bytes)

    documents, drops = read(extra_tables(tmp_path), extras=EXTRAS)

    document = documents["q/1"]
    assert set(drops) == {"p/9"}
    assert "\n\n### Comments\n\n- why?\n\n## Answer\n" in document["text"]
    assert document["text"].endswith("\n\n### Comments\n\n- what if $a<b$?\n- second line\n")
    assert json.loads(document["meta"])["duplicates"] == [30]
    assert document["license"] == "CC-BY-SA-4.0"
    assert [line.split(", ")[0] for line in document["attribution"].splitlines()] == [
        f"Question by Ada & Co (https://{SITE}/users/7)",
        "Comment by user5",
        f"Answer by Évariste (https://{SITE}/users/8)",
        f"Comment by Ada & Co (https://{SITE}/users/7)",
        f"Comment by Évariste (https://{SITE}/users/8)",
    ]


def test_duplicates_and_tag_wikis_by_choice(tmp_path: Path) -> None:
    documents, drops = read(extra_tables(tmp_path), policy=Policy(duplicates=False, tag_wikis=True))

    assert documents["p/9"]["text"] == "# sums (tag)\n\nabout it\n"
    assert {name: drop["rule"] for name, drop in drops.items()} == {"q/1": "duplicate", "a/2": "question-dropped"}


MANIFEST = '[[sources]]\nname = "qa"\nkind = "stackexchange"\npath = "dumps/*"\n'


@pytest.fixture
def sites(tmp_path: Path) -> Path:
    """Two dumps of two sites."""
    dumps.write(tmp_path / "dumps" / "a.example.com" / "Posts.xml", whole())
    dumps.pack(tmp_path / "dumps" / "b.example.com.7z", {"Posts.xml": dumps.table(whole())})
    return tmp_path


@pytest.mark.parametrize("workers", [1, 2])
def test_the_crawl_reads_all_dumps_of_a_source(sites: Path, workers: int, few_languages: FewLanguages) -> None:
    record = stage.run(context_of(MANIFEST, sites, workers), few_languages)["qa"]

    assert record.counts.kept == 800
    assert record.counts.dropped == {}
    assert not list((sites / "work").rglob("spill.json"))


@pytest.mark.parametrize("killed_after", [0, 3])
def test_a_killed_crawl_goes_on_with_the_same_result(
    sites: Path, killed_after: int, few_languages: FewLanguages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spill, "PARTITION_BYTES", 50_000)
    stage.run(context_of(MANIFEST, sites), few_languages)
    again = sites / "again"
    again.mkdir()
    (again / "dumps").symlink_to(sites / "dumps")
    tasks = iter(range(killed_after))
    original = stage.run_task

    def run_task(*arguments: Any) -> Any:
        if next(tasks, None) is None:
            raise KeyboardInterrupt
        return original(*arguments)

    monkeypatch.setattr(stage, "run_task", run_task)
    with pytest.raises(KeyboardInterrupt):
        stage.run(context_of(MANIFEST, again), few_languages)
    monkeypatch.setattr(stage, "run_task", original)
    stage.run(context_of(MANIFEST, again), few_languages)

    assert checksums(again / "work") == checksums(sites / "work")


@pytest.mark.parametrize("key", ["comments", "names"])
def test_a_table_that_is_wanted_and_missing_is_an_error(sites: Path, few_languages: FewLanguages, key: str) -> None:
    with pytest.raises(SourceError, match=f"`{key} = true` needs"):
        stage.run(context_of(f"{MANIFEST}{key} = true\n", sites), few_languages)


def test_the_manifest_of_mathematical_sites_loads() -> None:
    sources = manifest.load(Path("stackexchange")).config.sources

    hosts = {str(source.path).removeprefix("dumps/") for source in sources if isinstance(source, StackExchangeSource)}
    assert {"math.stackexchange.com.7z", "mathoverflow.net.7z", "stackoverflow.com-Posts.7z"} < hosts
    assert len(hosts) == len(sources)
