"""Dumps as a source of the crawl: each is spilled once, then its partitions are read by the workers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from algstack.crawl.files import FileReader, RowBuffer
from algstack.crawl.stackexchange import listing, plain, spill
from algstack.crawl.stackexchange.dump import COMMENTS, USERS, Dump, open_dump
from algstack.crawl.stackexchange.names import Names, open_names
from algstack.crawl.stackexchange.posts import POSTS, Post
from algstack.crawl.stackexchange.threads import Drop, Extras, Policy, Site, tag_wiki, thread
from algstack.crawl.task import CrawlTask, paths_of
from algstack.dataset import fingerprint
from algstack.errors import SourceError
from algstack.manifest import LoadedManifest, StackExchangePosts, StackExchangeSource

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
    inputs = [spill.CODE, dump.site, dump.path.name, dump.names, dump.sizes, modified]
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
    pa.default_memory_pool().release_unused()  # what the partition before this one was in
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
    """Yield the documents and drops of one partition; the first one also tells of the dump's end.

    First come the plain threads, then all others, each by question.
    """
    buffer = RowBuffer()
    extras = Extras(names=open_names(spilled.folder))
    for go in range(spilled.goes):
        rows = spill.read_partition(spilled, number, go)
        extras = extras._replace(comments=_comments(spilled, number, rows))
        if not extras.comments and not isinstance(extras.names, Names):
            documents, rows = plain.documents(site, rows)
            if documents is not None:
                yield documents
        for _, group in groupby(_rows(spill.by_question(rows)), key=itemgetter(0)):
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


class Row(NamedTuple):
    """A spilled row: what it belongs to, its kind, why it cannot be read, and what it says."""

    question: int
    kind: int
    error: str | None
    post: Post


def _rows(table: pa.Table) -> Iterator[Row]:
    columns = {name: table.column(name).to_pylist() for name in table.column_names}
    posts = map(Post._make, zip(*(columns[name] for name in _POST), strict=True))
    return map(Row._make, zip(columns["question"], columns["kind"], columns["error"], posts, strict=True))


_POST = ("post", *POSTS.names[1:])


def _comments(spilled: spill.SpilledDump, number: int, posts: pa.Table) -> dict[int, list[Post]]:
    """Return the comments on some posts by post, each post's by id."""
    found: dict[int, list[Post]] = {}
    for row in sorted(_rows(spill.read_comments(spilled, number, posts)), key=lambda row: row.post.id):
        found.setdefault(row.question, []).append(row.post)
    return found


def _read_group(site: Site, rows: Sequence[Row], extras: Extras) -> tuple[dict[str, Any] | None, list[Drop]]:
    """Return the document of one question and the drops of everything that came with it."""
    questions: dict[int, Post] = {}
    answers: dict[int, Post] = {}
    drops: list[Drop] = []
    others: list[Row] = []
    seen: Counter[str] = Counter()
    for row in rows:
        if row.kind not in (spill.QUESTION, spill.ANSWER):
            others.append(row)
            continue
        posts, letter = (questions, "q") if row.kind == spill.QUESTION else (answers, "a")
        path = f"{letter}/{row.post.id}"
        seen[path] += 1
        if seen[path] > 1:
            drops.append(Drop(f"{path}#{seen[path]}", "repeated-id"))
        elif row.error is not None:
            drops.append(Drop(path, "bad-row", row.error))
        else:
            posts[row.post.id] = row.post
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


def _read_others(site: Site, rows: Sequence[Row], extras: Extras) -> tuple[Extras, dict[str, Any] | None, list[Drop]]:
    """Return (extras with the question's duplicates, a tag's description if there is one, drops)."""
    duplicates = tuple(sorted({row.post.id for row in rows if row.kind == spill.LINK}))
    tag = next((row.post.title for row in rows if row.kind == spill.TAG), "")
    wiki = None
    drops = []
    for row in rows:
        if row.kind in (spill.LINK, spill.TAG):
            continue
        if site.policy.tag_wikis and row.kind in TAG_WIKIS and wiki is None and row.error is None:
            wiki = tag_wiki(site, row.post, tag or None)
            if wiki is not None:
                continue
        drops.append(_drop_other(row))
    return extras._replace(duplicates=duplicates), wiki, drops


def _drop_other(row: Row) -> Drop:
    if row.kind == spill.BAD:
        return Drop(f"row/{row.post.id}", "bad-row", row.post.body)
    return Drop(f"p/{row.post.id}", "tag-wiki" if row.kind in TAG_WIKIS else "other-post", f"PostTypeId {row.kind}")
