"""Recent questions by the API as a source of the crawl: what came after a dump.

Time is cut into months. A month's questions, by creation date, and their answers are fetched into a ledger page by
page, then read as one task. Documents are the same as a dump of the same posts gives. A month that is over is never
fetched again; one that was cut short by `until` is, when `until` moves on.
"""

from __future__ import annotations

import html
import os
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from algstack.crawl.files import FileReader, RowBuffer
from algstack.crawl.stackexchange.api import PAGE_SIZE, PAGES, Api, Connection, connect
from algstack.crawl.stackexchange.html import to_markdown_all
from algstack.crawl.stackexchange.ledger import PostLedger
from algstack.crawl.stackexchange.posts import Post, license_of
from algstack.crawl.stackexchange.source import policy_of
from algstack.crawl.stackexchange.threads import Extras, Site, thread
from algstack.crawl.task import CrawlTask
from algstack.manifest import StackExchangeApiSource
from algstack.workspace import Context

# The sites put these behind the titles that they show; the dumps have the titles as they were written.
_SUFFIX = re.compile(r" \[(?:closed|duplicate|migrated|on hold)\]$")


class Window(NamedTuple):
    """A stretch of time, from `start` to before `end`, both in seconds since 1970."""

    start: int
    end: int

    @property
    def name(self) -> str:
        """Its first day and its end, e.g. `2024-05-01-1717200000`."""
        return f"{datetime.fromtimestamp(self.start, UTC):%Y-%m-%d}-{self.end}"


def windows(since: datetime, until: datetime) -> list[Window]:
    """Cut a stretch of time at the beginnings of months."""
    found = []
    start = since
    while start < until:
        following = datetime(start.year + start.month // 12, start.month % 12 + 1, 1, tzinfo=UTC)
        end = min(following, until)
        found.append(Window(int(start.timestamp()), int(end.timestamp())))
        start = end
    return found


def plan(source: StackExchangeApiSource, context: Context, connection: Connection | None = None) -> list[CrawlTask]:
    """Bring the ledger to its end, then return one task for each month.

    Raises:
        QuotaSpent: the API allows no more requests today; what was fetched is kept.
        SourceError: the API refuses a request, or does not answer.
    """
    connection = connection or connect(os.environ)
    folder = context.workspace.crawl(source.name)
    wanted = windows(source.from_moment, source.until_moment)
    with PostLedger(folder) as ledger:
        ledger.forget([window.name for window in wanted])
        api = Api(connection, ledger.backoffs(), ledger.set_backoff)
        for window in wanted:
            if not ledger.is_done(window.name, "all"):
                _fetch(api, ledger, source, window)
    site = Site(source.site, source.name, source.revision, policy_of(source))
    return [
        CrawlTask(window.name, [source.site, *window], partial(_read, folder, site, window.name, source.names))
        for window in wanted
    ]


def _fetch(api: Api, ledger: PostLedger, source: StackExchangeApiSource, window: Window) -> None:
    _fetch_questions(api, ledger, source, window)
    ids = ledger.answered(window.name)
    for start in range(0, len(ids), PAGE_SIZE):
        _fetch_answers(api, ledger, source.site, window.name, ids[start : start + PAGE_SIZE])
    ledger.add(window.name, "all")


def _fetch_questions(api: Api, ledger: PostLedger, source: StackExchangeApiSource, window: Window) -> None:
    """Fetch a window's questions by creation date, from the last one that is there already."""
    start = window.start
    while not ledger.is_done(window.name, "questions"):
        start = max(ledger.last_date(window.name) or 0, start)
        for page in range(1, PAGES + 1):
            # The API's `todate` is inclusive.
            parameters = _parameters(source.site, page, {"fromdate": start, "todate": window.end - 1})
            found = api.page("questions", "questions", parameters)
            ledger.add(window.name, "questions" if not found.has_more else "some questions", found.items)
            if not found.has_more:
                return
        # Further pages need a key, so begin anew from the last date; no second ever had 2,500 questions.
        start += 1


def _fetch_answers(api: Api, ledger: PostLedger, site: str, window: str, ids: list[int]) -> None:
    name = f"answers to {ids[0]}-{ids[-1]}"
    path = f"questions/{';'.join(map(str, ids))}/answers"
    page = 1
    while not ledger.is_done(window, name):
        if page > PAGES and len(ids) > 1:
            # Further pages need a key; fewer questions have fewer pages.
            half = len(ids) // 2
            _fetch_answers(api, ledger, site, window, ids[:half])
            _fetch_answers(api, ledger, site, window, ids[half:])
            ledger.add(window, name)
            return
        step = f"{name}, page {page}"
        if not ledger.is_done(window, step):
            found = api.page("questions/{ids}/answers", path, _parameters(site, page))
            ledger.add(window, step, found.items)
            if not found.has_more:
                ledger.add(window, name)
        page += 1


def _parameters(site: str, page: int, more: Mapping[str, int] | None = None) -> dict[str, str | int]:
    order = {"sort": "creation", "order": "asc", "filter": "withbody"}
    return {"site": site, "page": page, "pagesize": PAGE_SIZE, **order, **(more or {})}


def _read(folder: Path, site: Site, window: str, names: bool, reader: FileReader) -> Iterator[pa.RecordBatch]:
    """Yield the documents and drops of one window, by question."""
    rows = RowBuffer()
    with PostLedger(folder) as ledger:
        for question, *answers in ledger.threads(window):
            extras = Extras(names=_names([question, *answers])) if names else Extras()
            document, drops = thread(site, post_of(question), [post_of(answer) for answer in answers], extras)
            if document is not None:
                rows.keep(document)
            for drop in drops:
                rows.drop(site.decision(drop))
            if rows.full:
                yield from rows.flush()
    yield from rows.flush()


def _names(items: list[dict[str, Any]]) -> dict[int, str]:
    owners = [item.get("owner") or {} for item in items]
    return {owner["user_id"]: html.unescape(owner["display_name"]) for owner in owners if "user_id" in owner}


def post_of(item: Mapping[str, Any]) -> Post:
    """Return the post that an item of the API is, a question or an answer."""
    created = _date(item["creation_date"])
    license_, license_source = license_of(item.get("content_license"), created)
    owner = item.get("owner") or {}
    closed = item.get("closed_date")
    title = html.unescape(item.get("title", ""))
    return Post(
        id=item.get("answer_id") or item["question_id"],
        body=to_markdown_all(pa.array([item.get("body", "").replace("\0", "\ufffd")]))[0].as_py(),
        created=created,
        score=item.get("score"),
        license=license_,
        license_source=license_source,
        owner=owner.get("user_id"),
        # The dumps name only those who left.
        owner_name=None if "user_id" in owner else html.unescape(owner.get("display_name", "")) or None,
        title=_SUFFIX.sub("", title) if closed else title,
        tags="|".join(item.get("tags", ())) if "answer_id" not in item else "",
        accepted=item.get("accepted_answer_id"),
        closed=_date(closed) if closed else None,
        duplicate=item.get("closed_reason") == "Duplicate",
    )


def _date(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}"
