"""A dump's posts, spilled by question: what lets a dump of any size be joined in bounded memory.

One pass over the dump reads each row, makes its HTML Markdown, and writes it into one of a fixed number of Arrow files,
chosen by the id of the question that it belongs to; so one core works while another decompresses. A question and its
answers are then in one file, wherever in the dump they stood, and the files can be read by any number of workers.

The spill is complete when its `spill.json` is there; a killed pass leaves none and is begun anew.
"""

from __future__ import annotations

import json
import shutil
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from algstack.crawl.stackexchange import dump as tables
from algstack.crawl.stackexchange import names
from algstack.crawl.stackexchange.dump import Broken, Dump
from algstack.crawl.stackexchange.posts import NAMES, POSTS, table_of
from algstack.crawl.stackexchange.rows import Block, blocks
from algstack.dataset import explained_os_errors, write_text
from algstack.errors import SourceError

Ids = npt.NDArray[np.int64]

CODE = "spill-2"
"""Raise when posts come into other partitions, or in another order: what was made of some is then made anew."""

PARTITION_BYTES = 24 << 20
"""XML whose posts a worker should have in memory at once: about four times as much, with their documents."""

MAX_PARTITIONS = 768
"""Each has an open file while the dump is read, and most systems allow 1,024."""

PARTITIONS_A_TURN = 128
"""Partitions that are written to together. They should get some 100 KB each: every buffer of every column costs
something, however small it is. So of many partitions only some have their turn at each block of the dump, and the
blocks wait in memory for the others."""

FILE_BUFFER_BYTES = 1 << 15
"""Bytes of each partition that wait to be written: Arrow writes every buffer of every column by itself."""

SPILL = pa.schema(
    [("question", pa.int64()), ("post", pa.int64()), ("kind", pa.int16()), ("error", pa.string()), *list(POSTS)[1:]]
)
"""`question`: what the post belongs to; `post`: its own id; `kind`: its PostTypeId, or one of the kinds below; `error`:
why its row cannot be read. What stands in other tables about a question has the same columns, most of them null."""

QUESTION, ANSWER = 1, 2
UNKNOWN = 0  # a post without a type, or with one that is no number
BAD = -1  # a row without an id; `post` is then its number in the table, `body` how it begins
COMMENT = -2
LINK = -3  # to the question that this one duplicates, whose id is then `post`
TAG = -4  # `question` is the post that describes it, `title` its name

DUPLICATE = 3
"""LinkTypeId of a duplicate's link."""


class SpilledDump(NamedTuple):
    """A complete spill: its folder, the number of its partitions, in how many goes each of them is to be read, and why
    the dump stops early, if it does."""

    folder: Path
    partitions: int
    goes: int
    broken: str | None


def partitions_of(dump: Dump) -> int:
    """Return how many partitions a dump is cut into: by the size of its posts alone, so that it never varies."""
    return min(MAX_PARTITIONS, _parts_of(dump))


def _parts_of(dump: Dump) -> int:
    return max(1, -(-dump.sizes[tables.POSTS] // PARTITION_BYTES))


def load(folder: Path) -> SpilledDump | None:
    """Return a folder's spill, or None if there is no complete one."""
    try:
        record = json.loads((folder / "spill.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return SpilledDump(folder, **record)


def spill(dump: Dump, folder: Path, extras: frozenset[str] = frozenset()) -> SpilledDump:
    """Read a dump once and spill it into a folder, unless that was done before.

    Args:
        dump: what to read.
        folder: where to; one folder for one dump and one choice of extras.
        extras: COMMENTS and USERS of the dump's tables, as far as they are wanted. LINKS and TAGS are always taken.

    Raises:
        SourceError: a table is not what it should be. A dump that breaks off is no error: what came before is spilled
            and the break noted.
    """
    done = load(folder)
    if done is not None:
        return done
    shutil.rmtree(folder, ignore_errors=True)
    with explained_os_errors(folder / "spill.json"):
        folder.mkdir(parents=True)
        broken = _spill_tables(dump, folder, extras)
        record: dict[str, Any] = {
            "partitions": partitions_of(dump),
            "goes": -(-_parts_of(dump) // partitions_of(dump)),
            "broken": broken,
        }
        write_text(folder / "spill.json", json.dumps(record))
    pa.default_memory_pool().release_unused()  # the workers' turn
    return SpilledDump(folder, **record)


def _spill_tables(dump: Dump, folder: Path, extras: frozenset[str]) -> str | None:
    """Spill every table that is wanted, in the dump's order; return why the dump breaks off, if it does."""
    count = partitions_of(dump)
    places = _Places(count) if tables.COMMENTS in extras else None
    broken = None
    try:
        with _Partitions(folder, "posts", count) as posts, _Partitions(folder, "all-comments", 1) as comments:
            for table, chunks in dump.tables([tables.POSTS, tables.LINKS, tables.TAGS, *extras]):
                if table == tables.USERS:
                    names.write(folder, _users(chunks))
                elif table == tables.COMMENTS:
                    for spilled in _comments(chunks):
                        comments.add(spilled)
                else:
                    for spilled in _posts(chunks, count) if table == tables.POSTS else _READERS[table](chunks):
                        posts.add(spilled)
                        if places is not None and table == tables.POSTS:
                            places.note(spilled)
    except Broken as error:
        broken = str(error)
    except SourceError as error:
        raise SourceError(f"{dump.path}: {error}") from None
    if places is not None:
        _share_out(folder, count, places)
    return broken


def _share_out(folder: Path, count: int, places: _Places) -> None:
    """Bring the comments to the partitions of their posts, now that these are known."""
    whole = partition_path(folder, 0, "all-comments")
    with _Partitions(folder, "comments", count) as comments, pa.OSFile(str(whole)) as file:
        for batch in pa.ipc.open_stream(file):
            comments.add(batch, places.of(batch.column("question").to_numpy()))
    whole.unlink()


class _Places:
    """The partition of every post, by its id: two bytes each where ids are small, as those of the sites are."""

    DENSE = 1 << 28

    def __init__(self, count: int) -> None:
        self._count = count
        self._dense = np.zeros(self.DENSE, np.uint16)  # of this, memory holds what is written to
        self._sparse: dict[int, int] = {}

    def note(self, spilled: pa.RecordBatch) -> None:
        posts, places = (
            spilled.column("post").to_numpy(),
            _partition_of(spilled.column("question").to_numpy(), self._count),
        )
        small = posts < self.DENSE
        self._sparse.update(zip(posts[~small].tolist(), places[~small].tolist(), strict=True))
        self._dense[posts[small]] = places[small]

    def of(self, posts: Ids) -> Ids:
        """Return the partitions of posts; of one that is not there, any."""
        known = posts < len(self._dense)
        places = np.where(known, self._dense[np.where(known, posts, 0)], 0).astype(np.int64)
        for place in np.flatnonzero(~known) if self._sparse else ():
            places[place] = self._sparse.get(int(posts[place]), 0)
        return places


def _batch(columns: pl.DataFrame, more: Mapping[str, pa.Array] = MappingProxyType({})) -> pa.RecordBatch:
    """Return rows of SPILL; columns that are not given are null."""
    given = {**{name: columns[name].to_arrow() for name in columns.columns}, **more}
    size = columns.height
    arrays = [given[field.name] if field.name in given else pa.nulls(size, field.type) for field in SPILL]
    return pa.RecordBatch.from_arrays(
        [array.cast(field.type) for array, field in zip(arrays, SPILL, strict=True)], schema=SPILL
    )


def _id(name: str) -> pl.Expr:
    """An attribute as the id of a post, or null if it is none."""
    number = pl.col(name).cast(pl.Int64, strict=False)
    return pl.when(number >= 0).then(number)


def _ids(block: Block, *names: str) -> pl.DataFrame:
    return pl.DataFrame({name: pl.Series(name, block.columns[name], pl.String) for name in names})


def _posts(chunks: Iterable[bytes], partitions: int = 1) -> Iterator[pa.RecordBatch]:
    """Yield the posts as rows of SPILL, those of one partition together."""
    return map(partial(_posts_of, partitions=partitions), blocks(chunks, "posts", NAMES))


def _posts_of(block: Block, partitions: int) -> pa.RecordBatch:
    number = block.first + 1 + pl.int_range(pl.len())
    kind = pl.col("PostTypeId").cast(pl.Int16, strict=False).fill_null(UNKNOWN)
    ids = _ids(block, "Id", "PostTypeId", "ParentId").select(
        own=_id("Id"), parent=_id("ParentId"), kind=pl.when(kind >= 0).then(kind).otherwise(UNKNOWN), number=number
    )
    parent = pl.when(pl.col("kind") == ANSWER).then("parent")
    rows = ids.select(
        question=pl.coalesce(pl.when(pl.col("own").is_not_null()).then(parent), "own", "number"),
        post=pl.coalesce("own", "number"),
        kind=pl.when(pl.col("own").is_null()).then(pl.lit(BAD, pl.Int16)).otherwise("kind"),
    )
    # In this order from the start: so the texts, which are nearly all of it, need not be moved.
    order = np.argsort(_partition_of(rows["question"].to_numpy(), partitions), kind="stable")
    table, errors = table_of(block, order)
    more = {name: table.column(name).combine_chunks() for name in POSTS.names[1:]}
    more["error"] = errors
    if block.bad:
        bad = [block.bad[place] for place in order.tolist() if place in block.bad]
        places = pa.array(np.isin(order, list(block.bad)))
        errors = errors.cast(pa.string())
        more["error"] = pc.replace_with_mask(errors, places, pa.array([row.error for row in bad]))
        more["body"] = pc.replace_with_mask(more["body"], places, pa.array([row.start for row in bad]))
    return _batch(rows[order], more)


def _links(chunks: Iterable[bytes]) -> Iterator[pa.RecordBatch]:
    """Yield the links from duplicates to their originals."""
    for block in blocks(chunks, "postlinks", ("PostId", "RelatedPostId", "LinkTypeId")):
        links = _ids(block, "PostId", "RelatedPostId", "LinkTypeId").filter(_id("LinkTypeId") == DUPLICATE)
        rows = links.select(question=_id("PostId"), post=_id("RelatedPostId"), kind=pl.lit(LINK, pl.Int16))
        yield _batch(rows.drop_nulls())


def _tags(chunks: Iterable[bytes]) -> Iterator[pa.RecordBatch]:
    """Yield each tag for the two posts that describe it."""
    for block in blocks(chunks, "tags", ("TagName", "ExcerptPostId", "WikiPostId")):
        found = _ids(block, "TagName", "ExcerptPostId", "WikiPostId")
        for name in ("ExcerptPostId", "WikiPostId"):
            rows = found.select(question=_id(name), post=0, kind=pl.lit(TAG, pl.Int16), title="TagName")
            yield _batch(rows.drop_nulls("question"))


def _comments(chunks: Iterable[bytes]) -> Iterator[pa.RecordBatch]:
    """Yield the comments of posts; one that cannot be read adds nothing to any post."""
    names = ("Id", "PostId", "Text", "CreationDate", "Score", "UserId", "UserDisplayName", "ContentLicense")
    for block in blocks(chunks, "comments", names):
        table, errors = table_of(block)
        rows = _ids(block, "Id", "PostId").select(
            question=_id("PostId"), post=_id("Id"), kind=pl.lit(COMMENT, pl.Int16), error=pl.Series(errors)
        )
        readable = rows.select(
            pl.col("error").is_null() & pl.col("question").is_not_null() & pl.col("post").is_not_null()
        ).to_series()
        more = {name: table.column(name).combine_chunks() for name in POSTS.names[1:]}
        yield _batch(rows, more).filter(readable.to_arrow().cast(pa.bool_()))


def _users(chunks: Iterable[bytes]) -> Iterator[tuple[int, str]]:
    for block in blocks(chunks, "users", ("Id", "DisplayName")):
        users = _ids(block, "Id", "DisplayName").select(_id("Id"), pl.col("DisplayName").replace("", None))
        yield from users.drop_nulls().iter_rows()


_READERS: Mapping[str, Callable[[Iterable[bytes]], Iterator[pa.RecordBatch]]] = {
    tables.LINKS: _links,
    tables.TAGS: _tags,
}


class _Partitions:
    """The open files of a spill. A partition's rows keep the order in which they came.

    They are Arrow streams and not Parquet: of a Parquet file's many row groups the footer grows in memory as long as
    it is open, and there are hundreds.

    At each block that comes, some of the partitions are written, with what the last blocks have for them; a block is
    let go when all partitions have had their turn.
    """

    def __init__(self, folder: Path, name: str, count: int) -> None:
        self._count = count
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        paths = [str(partition_path(folder, number, name)) for number in range(count)]
        self._files = [pa.output_stream(path, compression=None, buffer_size=FILE_BUFFER_BYTES) for path in paths]
        self._writers = [pa.ipc.new_stream(file, SPILL, options=options) for file in self._files]
        self._turns = -(-count // PARTITIONS_A_TURN)
        self._turn = 0
        self._held: deque[_Sorted | None] = deque()

    def __enter__(self) -> _Partitions:
        return self

    def __exit__(self, *error: object) -> None:
        for _ in range(1, self._turns):
            self._take_turn(None)
        for writer, file in zip(self._writers, self._files, strict=True):
            writer.close()
            file.close()

    def add(self, rows: pa.RecordBatch, places: Ids | None = None) -> None:
        """Add rows: to those partitions, or to those of their questions."""
        if places is None:
            places = _partition_of(rows.column("question").to_numpy(), self._count)
        if (np.diff(places) < 0).any():
            order = np.argsort(places, kind="stable")
            rows, places = rows.take(pa.array(order)), places[order]
        self._take_turn(_Sorted(rows, np.searchsorted(places, np.arange(self._count + 1))))

    def _take_turn(self, block: _Sorted | None) -> None:
        """Hold a block, and write those partitions whose turn it is."""
        self._held.append(block)
        for number in range(self._turn, self._count, self._turns):
            pieces = [held.of(number) for held in self._held if held is not None]
            if any(map(len, pieces)):
                self._writers[number].write_table(pa.Table.from_batches(pieces).combine_chunks())
        self._turn = (self._turn + 1) % self._turns
        if len(self._held) == self._turns:
            self._held.popleft()


class _Sorted(NamedTuple):
    """Rows by partition, and where those of each begin."""

    rows: pa.RecordBatch
    ends: Ids

    def of(self, number: int) -> pa.RecordBatch:
        return self.rows.slice(self.ends[number], self.ends[number + 1] - self.ends[number])


def _partition_of(questions: Ids, count: int) -> Ids:
    return _spread(questions) % count


def _spread(questions: Ids) -> Ids:
    """Return other numbers for ids: a site's questions may have, say, nearly all of them the same last bits."""
    return (questions.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) >> np.uint64(24)).astype(np.int64)


def partition_path(folder: Path, number: int, name: str = "posts") -> Path:
    """Return a partition's file."""
    return folder / f"{name}-{number:05d}.arrow"


def read_partition(spilled: SpilledDump, number: int, go: int) -> pa.Table:
    """Return the posts of one go at a partition, and what belongs to their questions, in the dump's order.

    A question is whole within a go.
    """

    def is_of_go(questions: Ids) -> npt.NDArray[np.bool_]:
        found: npt.NDArray[np.bool_] = _spread(questions) // spilled.partitions % spilled.goes == go
        return found

    return _read(partition_path(spilled.folder, number), is_of_go if spilled.goes > 1 else None)


def read_comments(spilled: SpilledDump, number: int, posts: pa.Table) -> pa.Table:
    """Return the comments on the posts of one go at a partition."""
    path = partition_path(spilled.folder, number, "comments")
    ids = posts.column("post").to_numpy()
    return _read(path, lambda commented: np.isin(commented, ids)) if path.exists() else SPILL.empty_table()


def _read(path: Path, is_wanted: Callable[[Ids], npt.NDArray[np.bool_]] | None) -> pa.Table:
    """Return the rows of a file whose `question` is wanted, without ever holding the others all at once."""
    with pa.memory_map(str(path)) as file:
        batches: Iterable[pa.RecordBatch] = pa.ipc.open_stream(file)
        if is_wanted is not None:
            batches = (batch.filter(pa.array(is_wanted(batch.column("question").to_numpy()))) for batch in batches)
        return pa.Table.from_batches(batches, SPILL)


def by_question(rows: pa.Table) -> pa.Table:
    """Return rows sorted by question, those of one question in their order."""
    return rows.take(pa.array(np.argsort(rows.column("question").to_numpy(), kind="stable")))
