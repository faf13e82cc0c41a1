"""Recent posts by the API: the same documents as from a dump, every `backoff` obeyed, the quota's end survived."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from algstack.crawl import stage
from algstack.crawl.files import FileReader
from algstack.crawl.http import Clock, open_session
from algstack.crawl.stackexchange import recent
from algstack.crawl.stackexchange.api import URL, Connection, QuotaSpent, connect
from algstack.crawl.stackexchange.recent import windows
from algstack.documents import DOCUMENTS
from algstack.errors import SourceError
from algstack.manifest import CrawlConfig
from tests.conftest import FewLanguages, context_of, rows
from tests.crawl.stackexchange import dumps
from tests.crawl.stackexchange.stand_in import World, serving

SITE = "math.example.com"
MAY = int(datetime(2024, 5, 1, tzinfo=UTC).timestamp())
DAY = 86_400
SPEED = 200.0

MANIFEST = f"""[[sources]]
name = "new"
kind = "stackexchange-api"
site = "{SITE}"
since = 2024-05-01
until = 2024-07-15
"""


def questions(count: int, apart: int = DAY // 4) -> list[dict[str, Any]]:
    return [
        {
            "site": SITE,
            "question_id": 10 * number,
            "title": f"Is $x_{{{number}}}$ &lt; 1? [closed]" if number == 3 else f"Is $x_{{{number}}}$ &lt; 1?",
            "body": f"<p>See $x_{{{number}}}$ &amp; more.</p>\n",
            "creation_date": MAY + apart * number,
            "score": number % 7,
            "answer_count": number % 3,
            "tags": ["a", "b"],
            "content_license": "CC BY-SA 4.0",
            "owner": {"user_id": 5, "display_name": "Ada &amp; Co", "user_type": "registered"},
            **({"accepted_answer_id": 10 * number + 1} if number % 3 == 2 else {}),
            **({"closed_date": MAY + DAY * 200, "closed_reason": "Duplicate"} if number == 3 else {}),
        }
        for number in range(1, count + 1)
    ]


def answers(asked: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {
            "site": SITE,
            "answer_id": question["question_id"] + place,
            "question_id": question["question_id"],
            "body": f"<p>Yes, by $y_{place}$.</p>\n",
            "creation_date": question["creation_date"] + place,
            "score": place,
            "owner": {"display_name": "user9", "user_type": "does_not_exist"},
        }
        for question in asked
        for place in range(1, question["answer_count"] + 1)
    ]


def world_of(count: int, **options: Any) -> World:
    asked = questions(count)
    return World(asked, answers(asked), speed=SPEED, **options)


@pytest.fixture
def reader(few_languages: FewLanguages) -> FileReader:
    return FileReader(CrawlConfig(), few_languages)


def fetch(world: World, folder: Path, reader: FileReader, manifest: str = MANIFEST) -> dict[str, Any]:
    """Crawl a world; return its documents by id. May be called again after it was stopped."""
    context = context_of(manifest, folder)
    with serving(world) as url:
        connection = Connection(url, world.key, open_session(1), Clock(SPEED))
        tasks = recent.plan(context.manifest.config.sources[0], context, connection)  # type: ignore[arg-type]
    return {row["id"]: row for task in tasks for row in documents(task.read(reader))}


def documents(batches: Iterator[Any]) -> list[dict[str, Any]]:
    return [row for batch in batches if batch.schema.equals(DOCUMENTS) for row in batch.to_pylist()]


def test_the_same_documents_as_from_a_dump(tmp_path: Path, reader: FileReader) -> None:
    world = world_of(8)

    found = fetch(world, tmp_path, reader)

    dump = dumps.write(tmp_path / "dump" / "Posts.xml", [*map(as_row, world.questions), *map(as_row, world.answers)])
    from_dump = read_dump_of(dump, tmp_path)
    assert len(found) == 8
    assert {name: {**row, "source": ""} for name, row in found.items()} == from_dump


def read_dump_of(path: Path, folder: Path) -> dict[str, Any]:
    from algstack.crawl.stackexchange.source import read_dump

    batches = read_dump(path, source="", site=SITE, spill_dir=folder / "spill")
    return {row["id"]: row for row in documents(batches)}


def as_row(item: Any) -> str:
    """The row that a dump has for an item of the API."""
    import html

    owner = item["owner"]
    created = datetime.fromtimestamp(item["creation_date"], UTC).strftime("%Y-%m-%dT%H:%M:%S.417")
    values: dict[str, Any] = {"Id": item.get("answer_id", item["question_id"]), "PostTypeId": 2 - ("title" in item)}
    values |= {"ParentId": item["question_id"]} if "answer_id" in item else {}
    values |= {"AcceptedAnswerId": item["accepted_answer_id"]} if "accepted_answer_id" in item else {}
    values |= {"CreationDate": created, "Score": item["score"], "Body": item["body"]}
    values |= {"OwnerUserId": owner["user_id"]} if "user_id" in owner else {"OwnerDisplayName": owner["display_name"]}
    if "title" in item:
        values |= {"Title": html.unescape(item["title"]).removesuffix(" [closed]"), "Tags": "|a|b|"}
    if "closed_date" in item:
        values["ClosedDate"] = datetime.fromtimestamp(item["closed_date"], UTC).strftime("%Y-%m-%dT%H:%M:%S.001")
    values |= {"ContentLicense": item["content_license"]} if "content_license" in item else {}
    return dumps.row(**values)


def test_every_backoff_is_obeyed(tmp_path: Path, reader: FileReader) -> None:
    world = world_of(250, backoff_every=2, page_limit=20)

    assert len(fetch(world, tmp_path, reader)) == 250
    assert len(world.requests) > 20
    assert world.violations == 0


def test_a_backoff_is_obeyed_by_the_next_run_too(tmp_path: Path, reader: FileReader) -> None:
    world = world_of(250, backoff_every=1, page_limit=50, quota=2, backoff=20)
    with pytest.raises(QuotaSpent):
        fetch(world, tmp_path, reader)

    world.quota = 300
    fetch(world, tmp_path, reader)

    assert world.violations == 0


def test_the_end_of_the_quota_stops_the_crawl_and_it_goes_on(tmp_path: Path, reader: FileReader) -> None:
    wanted = fetch(world_of(250, page_limit=20), tmp_path / "whole", reader)
    world = world_of(250, page_limit=20, quota=0)
    said = []
    found = None
    while found is None:
        world.quota = 5
        try:
            found = fetch(world, tmp_path / "stopped", reader)
        except QuotaSpent as error:
            said.append(str(error))

    assert len(said) > 3
    assert all("STACKEXCHANGE_KEY" in text and len(text.splitlines()) <= 2 for text in said)
    assert found == wanted
    # What was fetched was not fetched again: a run repeats one page at most.
    assert len(world.requests) <= 30 + 2 * len(said)


def test_more_pages_than_are_free_need_no_key(tmp_path: Path, reader: FileReader) -> None:
    asked = questions(299, apart=DAY // 24)
    world = World(asked, answers(asked), speed=SPEED, page_limit=3, quota=10_000)

    found = fetch(world, tmp_path, reader)

    assert len(found) == 299
    assert sum(row["text"].count("nswer\n") for row in found.values()) == len(world.answers)


@pytest.mark.parametrize("fault", ["unavailable", "internal", "cut"])
def test_faults_that_pass_are_tried_again(tmp_path: Path, reader: FileReader, fault: str) -> None:
    world = world_of(8, faults=["", fault, fault])

    assert len(fetch(world, tmp_path, reader)) == 8


def test_faults_that_stay_end_the_crawl(tmp_path: Path, reader: FileReader) -> None:
    with pytest.raises(SourceError, match="does not answer"):
        fetch(world_of(8, faults=["unavailable"] * 50), tmp_path, reader)


def test_the_key_is_sent_and_never_said(tmp_path: Path, reader: FileReader) -> None:
    assert fetch(world_of(8, key="secret"), tmp_path / "right", reader)

    wrong = world_of(8, key="secret")
    context = context_of(MANIFEST, tmp_path / "wrong")
    with serving(wrong) as url:
        connection = Connection(url, "wrong-secret", open_session(1), Clock(SPEED))
        with pytest.raises(SourceError, match="refuses the request: 400") as error:
            recent.plan(context.manifest.config.sources[0], context, connection)  # type: ignore[arg-type]
    assert "wrong-secret" not in str(error.value)


def test_a_month_that_is_over_is_not_fetched_again(tmp_path: Path, reader: FileReader) -> None:
    world = world_of(250)
    before = fetch(world, tmp_path, reader)
    asked = len(world.requests)

    again = fetch(world, tmp_path, reader)
    later = fetch(world, tmp_path, reader, MANIFEST.replace("2024-07-15", "2024-08-15"))

    assert again == before
    assert len(later) == 250
    assert len(world.requests) - asked == 3  # July's questions and answers again, and August, which has none


def test_policies_and_names(tmp_path: Path, reader: FileReader) -> None:
    found = fetch(world_of(8), tmp_path, reader, MANIFEST + "names = true\nmin_score = 3\nduplicates = false\n")

    assert sorted(found) == [f"stackexchange:{SITE}/q/{number}" for number in (40, 50, 60)]
    assert "by Ada & Co (https://math.example.com/users/5)" in found[f"stackexchange:{SITE}/q/40"]["attribution"]


def test_the_crawl_reads_the_address_from_the_environment(
    tmp_path: Path, few_languages: FewLanguages, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = context_of(MANIFEST, tmp_path)
    with serving(world_of(8, key="k")) as url:
        monkeypatch.setenv("STACKEXCHANGE_API_URL", url)
        monkeypatch.setenv("STACKEXCHANGE_KEY", "k")
        record = stage.run(context, few_languages)["new"]

    assert record.counts.kept == 8
    assert len(rows((tmp_path / "work").rglob("documents-*.parquet"))) == 8


def test_without_an_environment_it_is_the_public_api() -> None:
    connection = connect({})

    assert (connection.url, connection.key) == (URL, None)


def test_windows_are_months() -> None:
    found = windows(datetime(2023, 11, 20, 5, tzinfo=UTC), datetime(2024, 2, 3, tzinfo=UTC))

    assert [f"{datetime.fromtimestamp(window.start, UTC):%m-%d %H}" for window in found] == [
        "11-20 05",
        "12-01 00",
        "01-01 00",
        "02-01 00",
    ]
    assert all(first.end == second.start for first, second in pairwise(found))
