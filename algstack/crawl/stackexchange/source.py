"""Dumps as a source of the crawl: each is spilled once, then its partitions are read by the workers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import pyarrow as pa

from algstack.crawl.files import FileReader, RowBuffer
from algstack.crawl.stackexchange import listing, spill
from algstack.crawl.stackexchange.dump import Dump, open_dump
from algstack.crawl.stackexchange.posts import Post, from_attributes
from algstack.crawl.stackexchange.rows import BadRow, attributes
from algstack.crawl.stackexchange.spill import Row
from algstack.crawl.stackexchange.threads import Drop, Policy, Site, thread
from algstack.crawl.task import CrawlTask, paths_of
from algstack.dataset import fingerprint
from algstack.errors import SourceError
from algstack.manifest import LoadedManifest, StackExchangePosts, StackExchangeSource


def plan(source: StackExchangeSource, manifest: LoadedManifest) -> list[CrawlTask]:
    """Return one task for each partition of each dump."""
    path = manifest.resolve(source.path)
    if source.listing:
        paths = listing.download_sites(source.listing, source.sites, path)
    else:
        paths = paths_of(path, source.name)
    if source.site and len(paths) > 1:
        raise SourceError(f"source `{source.name}`: `site` names one dump's, but `path` matches {len(paths)}.")
    return [task for number, path in enumerate(paths) for task in _plan_dump(source, path, f"{number:04d}")]


def _plan_dump(source: StackExchangeSource, path: Path, key: str) -> Iterator[CrawlTask]:
    try:
        dump = open_dump(path, source.site)
    except SourceError as error:
        raise SourceError(f"source `{source.name}`: {error}") from None
    site = Site(dump.site, source.name, source.revision, policy_of(source))
    modified = [(path / name if path.is_dir() else path).stat().st_mtime_ns for name in sorted(dump.names.values())]
    inputs = [dump.site, dump.path.name, dump.names, dump.sizes, modified]
    # Named by what is spilled: an interrupted crawl of the same dump goes on with its spill.
    folder = f"{key}-{fingerprint(inputs)[:16]}"
    prepare = partial(_spill, dump, folder)
    for number in range(spill.partitions_of(dump)):
        yield CrawlTask(f"{key}-{number:05d}", [*inputs, number], partial(_read, site, folder, number), prepare)


def policy_of(source: StackExchangePosts) -> Policy:
    """Return the source's keys that say which posts are taken."""
    return Policy(
        min_score=source.min_score,
        answers=source.answers,
        tags=frozenset(source.tags),
        closed=source.closed,
        duplicates=source.duplicates,
    )


def _spill(dump: Dump, folder: str, reader: FileReader) -> None:
    spill.spill(dump, reader.scratch / folder)


def _read(site: Site, folder: str, number: int, reader: FileReader) -> Iterator[pa.RecordBatch]:
    spilled = spill.load(reader.scratch / folder)
    assert spilled is not None  # `prepare` has run
    return read_partition(site, spilled, number)


def read_dump(
    path: Path, *, source: str, spill_dir: Path, site: str | None = None, policy: Policy | None = None
) -> Iterator[pa.RecordBatch]:
    """Yield a dump's documents and drops, as batches of the schemas DOCUMENTS and DECISIONS.

    Every question and every answer of the dump is in a document or in a drop. A dump that breaks off yields all that
    came before and then one drop, `broken-dump`, under the site's own id: a build of many dumps goes on, its counts say
    that something is missing, and nothing that was read is lost to an exception.

    Args:
        path: a `.7z`, a `Posts.xml`, or a folder that holds one.
        source: name of the manifest's source.
        spill_dir: a folder for the spill, which is left there: a complete one is used again.
        site: the site's host; from the file's or folder's name by default.
        policy: which posts to take; all by default.

    Raises:
        SourceError: it is no dump at all.
    """
    dump = open_dump(path, site)
    spilled = spill.spill(dump, spill_dir)
    where = Site(dump.site, source, policy=policy or Policy())
    for number in range(spilled.partitions):
        yield from read_partition(where, spilled, number)


def read_partition(site: Site, spilled: spill.SpilledDump, number: int) -> Iterator[pa.RecordBatch]:
    """Yield the documents and drops of one partition, by question; the first one also tells of the dump's end."""
    rows = RowBuffer()
    for _, group in groupby(spill.read_partition(spilled.folder, number), key=itemgetter(0)):
        document, drops = _read_group(site, list(group))
        if document is not None:
            rows.keep(document)
        for drop in drops:
            rows.drop(site.decision(drop))
        if rows.full:
            yield from rows.flush()
    if number == 0 and spilled.broken:
        rows.drop({**site.decision(Drop("", "broken-dump", spilled.broken)), "id": f"stackexchange:{site.host}"})
    yield from rows.flush()


def _read_group(site: Site, rows: Sequence[Row]) -> tuple[dict[str, Any] | None, list[Drop]]:
    """Return the document of one question and the drops of everything that came with it."""
    questions: dict[int, Post] = {}
    answers: dict[int, Post] = {}
    drops: list[Drop] = []
    seen: Counter[str] = Counter()
    for row in rows:
        read = _read_row(row, seen)
        if isinstance(read, Drop):
            drops.append(read)
        else:
            (questions if row.kind == spill.QUESTION else answers)[row.post] = read
    if not questions:
        missing = f"question {rows[0].question}"
        return None, [*drops, *(Drop(f"a/{answer}", "no-question", missing) for answer in answers)]
    (question,) = questions.values()
    document, more = thread(site, question, list(answers.values()))
    return document, drops + more


def _read_row(row: Row, seen: Counter[str]) -> Post | Drop:
    if row.kind == spill.BAD:
        return Drop(f"row/{row.post}", "bad-row", row.row[:150].decode("utf-8", "replace"))
    if row.kind not in (spill.QUESTION, spill.ANSWER):
        return Drop(f"p/{row.post}", "tag-wiki" if row.kind in (4, 5) else "other-post", f"PostTypeId {row.kind}")
    path = f"{'q' if row.kind == spill.QUESTION else 'a'}/{row.post}"
    seen[path] += 1
    if seen[path] > 1:
        return Drop(f"{path}#{seen[path]}", "repeated-id")
    try:
        return from_attributes(attributes(row.row))
    except BadRow as error:
        return Drop(path, "bad-row", str(error))
