"""A dump's rows, spilled by question: what lets a dump of any size be joined in bounded memory.

One pass over the dump writes each row, as it stands there, into one of a fixed number of Parquet files, chosen by the
id of the question that it belongs to. A question and its answers are then in one file, wherever in the dump they
stood, and the files can be read by any number of workers.

The spill is complete when its `spill.json` is there; a killed pass leaves none and is begun anew.
"""

from __future__ import annotations

import json
import re
import shutil
from array import array
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from algstack.crawl.stackexchange import dump as tables
from algstack.crawl.stackexchange import names
from algstack.crawl.stackexchange.dump import Broken, Dump
from algstack.crawl.stackexchange.rows import BadRow, attributes, rows, unescape
from algstack.dataset import explained_os_errors, write_text
from algstack.errors import SourceError

PARTITION_BYTES = 32 << 20
"""XML that one partition should hold: a worker needs about three times as much memory."""

MAX_PARTITIONS = 512
"""Each has an open file while the dump is read, and most systems allow 1,024."""

BUFFER_BYTES = 48 << 20
"""Rows of all partitions that wait to be written."""

SPILL = pa.schema([("question", pa.int64()), ("post", pa.int64()), ("kind", pa.int16()), ("row", pa.binary())])
"""`question`: what the row belongs to; `post`: its own id; `kind`: its PostTypeId, or one of the kinds below."""

QUESTION, ANSWER = 1, 2
UNKNOWN = 0  # a post without a type, or with one that is no number
BAD = -1  # a row that cannot be read; `post` is then its number in the table
COMMENT = -2
TAG = -4  # `question` is the post that describes it
LINK = -3  # to the question that this one duplicates, whose id is then `post`

DUPLICATE = "3"
"""LinkTypeId of a duplicate's link."""

_POST_HEAD = re.compile(rb'<row\s+Id="(\d{1,18})"\s+PostTypeId="(\d{1,4})"(?:\s+ParentId="(\d{1,18})")?')


class Row(NamedTuple):
    """One spilled row; the columns of SPILL."""

    question: int
    post: int
    kind: int
    row: bytes


class SpilledDump(NamedTuple):
    """A complete spill: its folder, the number of its partitions, and why it stops early, if it does."""

    folder: Path
    partitions: int
    broken: str | None


def partitions_of(dump: Dump) -> int:
    """Return how many partitions a dump is cut into: by the size of its posts alone, so that it never varies."""
    return max(1, min(MAX_PARTITIONS, -(-dump.sizes[tables.POSTS] // PARTITION_BYTES)))


def load(folder: Path) -> SpilledDump | None:
    """Return a folder's spill, or None if there is no complete one."""
    try:
        record = json.loads((folder / "spill.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return SpilledDump(folder, record["partitions"], record["broken"])


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
        record = {"partitions": partitions_of(dump), "broken": broken}
        write_text(folder / "spill.json", json.dumps(record))
    return SpilledDump(folder, partitions_of(dump), broken)


def _spill_tables(dump: Dump, folder: Path, extras: frozenset[str]) -> str | None:
    """Spill every table that is wanted, in the dump's order; return why the dump breaks off, if it does."""
    count = partitions_of(dump)
    places = _Places(count) if tables.COMMENTS in extras else None
    broken = None
    try:
        with _Partitions(folder, "posts", count) as posts, _Partitions(folder, "all-comments", 1) as comments:
            for table, chunks in dump.tables([tables.POSTS, tables.LINKS, tables.TAGS, *extras]):
                if table == tables.POSTS:
                    for row in _posts(chunks):
                        posts.add(row[0] % count, row)
                        if places is not None:
                            places.note(row[1], row[0])
                elif table in (tables.LINKS, tables.TAGS):
                    for row in _links(chunks) if table == tables.LINKS else _tags(chunks):
                        posts.add(row[0] % count, row)
                elif table == tables.COMMENTS:
                    for row in _comments(chunks):
                        comments.add(0, row)
                else:
                    names.write(folder, _users(chunks))
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
    with _Partitions(folder, "comments", count) as comments:
        for batch in pq.ParquetFile(whole).iter_batches(columns=SPILL.names):
            for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                comments.add(places.of(row[0]), row)
    whole.unlink()


class _Places:
    """The partition of every post, by its id: two bytes each where ids are small, as those of the sites are."""

    DENSE = 1 << 28

    def __init__(self, count: int) -> None:
        self._count = count
        self._dense = array("H")
        self._sparse: dict[int, int] = {}

    def note(self, post: int, question: int) -> None:
        place = question % self._count
        if post >= self.DENSE:
            self._sparse[post] = place
            return
        if post >= len(self._dense):
            self._dense.frombytes(bytes(2 * (post + 1 + post // 8 - len(self._dense))))
        self._dense[post] = place

    def of(self, post: int) -> int:
        """Return a post's partition; of one that is not there, any."""
        return self._dense[post] if post < len(self._dense) else self._sparse.get(post, 0)


SpilledRow = tuple[int, int, int, bytes]


def _links(chunks: Iterable[bytes]) -> Iterator[SpilledRow]:
    """Yield the links from duplicates to their originals."""
    for values, row in _read_rows(chunks, "postlinks"):
        post, other = values.get("PostId", ""), values.get("RelatedPostId", "")
        if values.get("LinkTypeId") == DUPLICATE and _is_id(post) and _is_id(other):
            yield int(post), int(other), LINK, row


def _tags(chunks: Iterable[bytes]) -> Iterator[SpilledRow]:
    """Yield each tag for the two posts that describe it."""
    for values, row in _read_rows(chunks, "tags"):
        for post in (values.get("ExcerptPostId", ""), values.get("WikiPostId", "")):
            if _is_id(post):
                yield int(post), 0, TAG, row


def _comments(chunks: Iterable[bytes]) -> Iterator[SpilledRow]:
    for values, row in _read_rows(chunks, "comments"):
        post, own = values.get("PostId", ""), values.get("Id", "")
        if _is_id(post) and _is_id(own):
            yield int(post), int(own), COMMENT, row


def _users(chunks: Iterable[bytes]) -> Iterator[tuple[int, str]]:
    for values, _ in _read_rows(chunks, "users"):
        user, name = values.get("Id", ""), values.get("DisplayName", "")
        if _is_id(user) and name:
            yield int(user), unescape(name)


def _read_rows(chunks: Iterable[bytes], root: str) -> Iterator[tuple[dict[str, str], bytes]]:
    """Yield the rows of an extra table; one that cannot be read adds nothing to any post."""
    for found in rows(chunks, root):
        for row in found:
            with suppress(BadRow):
                yield attributes(row), row


def _posts(chunks: Iterable[bytes]) -> Iterator[SpilledRow]:
    """Yield each row of the posts as a row of SPILL."""
    number = 0
    for found in rows(chunks, "posts"):
        for row in found:
            number += 1
            head = _POST_HEAD.match(row)
            if head is None or (head[2] == b"2" and head[3] is None):
                yield _unusual_post(row, number)
                continue
            post, kind, parent = head.groups()
            own = int(post)
            yield int(parent) if kind == b"2" else own, own, int(kind), row


def _unusual_post(row: bytes, number: int) -> SpilledRow:
    """Return the same for a row whose attributes do not stand in the usual order."""
    try:
        values = attributes(row)
    except BadRow:
        return number, number, BAD, row
    post = values.get("Id", "")
    if not _is_id(post):
        return number, number, BAD, row
    own, kind, parent = int(post), values.get("PostTypeId", ""), values.get("ParentId", "")
    if not (kind.isascii() and kind.isdigit() and len(kind) < 5):
        return own, own, UNKNOWN, row
    return int(parent) if int(kind) == ANSWER and _is_id(parent) else own, own, int(kind), row


def _is_id(value: str) -> bool:
    return value.isascii() and value.isdigit() and len(value) < 19


class _Partitions:
    """The open files of a spill. A partition's rows keep the order in which they came."""

    def __init__(self, folder: Path, name: str, count: int) -> None:
        self._limit = max(BUFFER_BYTES // count, 1 << 16)
        self._buffers: list[list[SpilledRow]] = [[] for _ in range(count)]
        self._bytes = [0] * count
        self._writers = [
            # Rows are short-lived here, so speed counts for more than size.
            pq.ParquetWriter(path, SPILL, compression="lz4", use_dictionary=False, write_statistics=False)
            for path in (partition_path(folder, number, name) for number in range(count))
        ]

    def __enter__(self) -> _Partitions:
        return self

    def __exit__(self, *error: object) -> None:
        for number, writer in enumerate(self._writers):
            self._flush(number)
            writer.close()

    def add(self, number: int, row: SpilledRow) -> None:
        self._buffers[number].append(row)
        self._bytes[number] += len(row[3])
        if self._bytes[number] >= self._limit:
            self._flush(number)

    def _flush(self, number: int) -> None:
        buffer = self._buffers[number]
        if buffer:
            columns = zip(zip(*buffer, strict=True), SPILL.types, strict=True)
            arrays = [pa.array(values, type_) for values, type_ in columns]
            self._writers[number].write_batch(pa.RecordBatch.from_arrays(arrays, schema=SPILL))
            self._buffers[number] = []
            self._bytes[number] = 0


def partition_path(folder: Path, number: int, name: str = "posts") -> Path:
    """Return a partition's file."""
    return folder / f"{name}-{number:05d}.parquet"


def read_partition(folder: Path, number: int, name: str = "posts") -> Iterator[Row]:
    """Yield the rows of one partition, sorted by question (of comments: by post) and then in the dump's order."""
    path = partition_path(folder, number, name)
    if not path.exists():
        return
    table = pq.read_table(path, use_threads=False, pre_buffer=False)
    questions = table.column("question").to_numpy()
    posts, kinds, rows_ = table.column("post").to_numpy(), table.column("kind").to_numpy(), table.column("row")
    order = questions.argsort(kind="stable")
    for question, post, kind, place in zip(
        questions[order].tolist(), posts[order].tolist(), kinds[order].tolist(), order.tolist(), strict=True
    ):
        # Rows become Python's one by one: the partition is in memory once, not twice.
        yield Row(question, post, kind, rows_[place].as_py())
