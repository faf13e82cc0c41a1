"""Dumps as a source of the crawl: each is spilled once, then its partitions are read by the workers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from algstack.crawl.files import FileReader, RowBuffer
from algstack.crawl.stackexchange import listing, spill
from algstack.crawl.stackexchange.dump import COMMENTS, USERS, Dump, open_dump
from algstack.crawl.stackexchange.names import open_names
from algstack.crawl.stackexchange.posts import Post, comment_from_attributes, from_attributes
from algstack.crawl.stackexchange.rows import BadRow, attributes, unescape, unescape_all
from algstack.crawl.stackexchange.spill import Row
from algstack.crawl.stackexchange.threads import Drop, Extras, Policy, Site, tag_wiki, thread
from algstack.crawl.task import CrawlTask, paths_of
from algstack.dataset import fingerprint
from algstack.errors import SourceError
from algstack.manifest import LoadedManifest, StackExchangePosts, StackExchangeSource

PORTION_ROWS = 1000
"""Rows that are unescaped at once."""

TAG_WIKIS = (4, 5)
"""PostTypeIds of a tag's excerpt and of its long description."""


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
    extras = _extras(source, dump)
    folder = f"{key}-{fingerprint([inputs, sorted(extras)])[:16]}"
    prepare = partial(_spill, dump, folder, extras)
    for number in range(spill.partitions_of(dump)):
        yield CrawlTask(f"{key}-{number:05d}", [*inputs, number], partial(_read, site, folder, number), prepare)


def _extras(source: StackExchangeSource, dump: Dump) -> frozenset[str]:
    """Return the further tables that a source wants."""
    wanted = {COMMENTS: source.comments, USERS: source.names}
    extras = frozenset(table for table, is_wanted in wanted.items() if is_wanted)
    for table in sorted(extras - dump.names.keys()):
        key, name = ("comments", "Comments.xml") if table == COMMENTS else ("names", "Users.xml")
        raise SourceError(
            f"source `{source.name}`: {dump.path}: no {name} in it, which `{key} = true` needs. "
            "Put the tables of one site into one folder, or remove that key."
        )
    return extras


def policy_of(source: StackExchangePosts) -> Policy:
    """Return the source's keys that say which posts are taken."""
    return Policy(
        min_score=source.min_score,
        answers=source.answers,
        tags=frozenset(source.tags),
        closed=source.closed,
        duplicates=source.duplicates,
        tag_wikis=isinstance(source, StackExchangeSource) and source.tag_wikis,
    )


def _spill(dump: Dump, folder: str, extras: frozenset[str], reader: FileReader) -> None:
    spill.spill(dump, reader.scratch / folder, extras)


def _read(site: Site, folder: str, number: int, reader: FileReader) -> Iterator[pa.RecordBatch]:
    spilled = spill.load(reader.scratch / folder)
    assert spilled is not None  # `prepare` has run
    return read_partition(site, spilled, number)


def read_dump(
    path: Path,
    *,
    source: str,
    spill_dir: Path,
    site: str | None = None,
    policy: Policy | None = None,
    extras: frozenset[str] = frozenset(),
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
        extras: further tables to take, COMMENTS and USERS of `dump`.

    Raises:
        SourceError: it is no dump at all.
    """
    dump = open_dump(path, site)
    spilled = spill.spill(dump, spill_dir, extras)
    where = Site(dump.site, source, policy=policy or Policy())
    for number in range(spilled.partitions):
        yield from read_partition(where, spilled, number)


def read_partition(site: Site, spilled: spill.SpilledDump, number: int) -> Iterator[pa.RecordBatch]:
    """Yield the documents and drops of one partition, by question; the first one also tells of the dump's end."""
    buffer = RowBuffer()
    extras = Extras(comments=_read_comments(spilled.folder, number), names=open_names(spilled.folder))
    for rows in _portions(spill.read_partition(spilled.folder, number)):
        for _, group in groupby(_parse(rows), key=itemgetter(0)):
            document, drops = _read_group(site, list(group), extras)
            if document is not None:
                buffer.keep(document)
            for drop in drops:
                buffer.drop(site.decision(drop))
        if buffer.full:
            yield from buffer.flush()
    if number == 0 and spilled.broken:
        buffer.drop({**site.decision(Drop("", "broken-dump", spilled.broken)), "id": f"stackexchange:{site.host}"})
    yield from buffer.flush()


def _portions(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Cut rows into portions that hold whole questions."""
    portion: list[Row] = []
    for row in rows:
        if len(portion) >= PORTION_ROWS and row.question != portion[-1].question:
            yield portion
            portion = []
        portion.append(row)
    yield portion


class Parsed(NamedTuple):
    """A spilled row and what it says: its attributes and its unescaped body, or why it cannot be read."""

    question: int
    post: int
    kind: int
    row: bytes
    values: dict[str, str]
    body: str
    error: str


def _parse(rows: Sequence[Row]) -> Iterator[Parsed]:
    parsed = [_attributes(row.row) for row in rows]
    bodies = unescape_all([values.get("Body", "") for values, _ in parsed])
    for row, (values, error), body in zip(rows, parsed, bodies, strict=True):
        yield Parsed(*row, values, body, error)


def _attributes(row: bytes) -> tuple[dict[str, str], str]:
    try:
        return attributes(row), ""
    except BadRow as error:
        return {}, str(error)


def _read_comments(folder: Path, number: int) -> dict[int, list[Post]]:
    """Return a partition's comments by post, each post's by id."""
    comments: dict[int, list[Post]] = {}
    for row in sorted(spill.read_partition(folder, number, "comments"), key=itemgetter(0, 1)):
        with suppress(BadRow):
            comments.setdefault(row.question, []).append(comment_from_attributes(attributes(row.row)))
    return comments


def _read_group(site: Site, rows: Sequence[Parsed], extras: Extras) -> tuple[dict[str, Any] | None, list[Drop]]:
    """Return the document of one question and the drops of everything that came with it."""
    questions: dict[int, Post] = {}
    answers: dict[int, Post] = {}
    drops: list[Drop] = []
    others: list[Parsed] = []
    seen: set[tuple[int, int]] = set()
    for place, row in enumerate(rows):
        posts = questions if row.kind == spill.QUESTION else answers if row.kind == spill.ANSWER else None
        if posts is None:
            others.append(row)
            continue
        name = (row.kind, row.post)
        read = _repeated(rows, place) if name in seen else _read_post(row)
        seen.add(name)
        if isinstance(read, Drop):
            drops.append(read)
        else:
            posts[row.post] = read
    if others:
        extras, wiki, more = _read_others(site, others, extras)
        drops += more
        if wiki is not None:
            return wiki, drops
    if not questions:
        missing = f"question {rows[0].question}"
        return None, [*drops, *(Drop(f"a/{answer}", "no-question", missing) for answer in answers)]
    (question,) = questions.values()
    document, more = thread(site, question, list(answers.values()), extras)
    return document, drops + more


def _path(row: Parsed) -> str:
    return f"{'q' if row.kind == spill.QUESTION else 'a'}/{row.post}"


def _read_post(row: Parsed) -> Post | Drop:
    if row.error:
        return Drop(_path(row), "bad-row", row.error)
    try:
        return from_attributes(row.values, row.body)
    except BadRow as error:
        return Drop(_path(row), "bad-row", str(error))


def _repeated(rows: Sequence[Parsed], place: int) -> Drop:
    """Return the drop of a post whose id came before, under an id of its own: `q/1#2`."""
    row = rows[place]
    number = sum((other.kind, other.post) == (row.kind, row.post) for other in rows[: place + 1])
    return Drop(f"{_path(row)}#{number}", "repeated-id")


def _read_others(
    site: Site, rows: Sequence[Parsed], extras: Extras
) -> tuple[Extras, dict[str, Any] | None, list[Drop]]:
    """Return (extras with the question's duplicates, a tag's description if there is one, drops)."""
    duplicates = tuple(sorted({row.post for row in rows if row.kind == spill.LINK}))
    tag = next((row.values.get("TagName", "") for row in rows if row.kind == spill.TAG), "")
    wiki = None
    drops = []
    for row in rows:
        if row.kind in (spill.LINK, spill.TAG):
            continue
        if site.policy.tag_wikis and row.kind in TAG_WIKIS and wiki is None:
            with suppress(BadRow):
                wiki = tag_wiki(site, from_attributes(row.values, row.body), unescape(tag) or None)
                if wiki is not None:
                    continue
        drops.append(_drop_other(row))
    return extras._replace(duplicates=duplicates), wiki, drops


def _drop_other(row: Parsed) -> Drop:
    if row.kind == spill.BAD:
        return Drop(f"row/{row.post}", "bad-row", row.row[:150].decode("utf-8", "replace"))
    return Drop(f"p/{row.post}", "tag-wiki" if row.kind in TAG_WIKIS else "other-post", f"PostTypeId {row.kind}")
