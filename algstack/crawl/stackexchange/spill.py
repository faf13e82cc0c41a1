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
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from algstack.crawl.stackexchange import dump as tables
from algstack.crawl.stackexchange.dump import Broken, Dump
from algstack.crawl.stackexchange.rows import BadRow, attributes, rows
from algstack.dataset import explained_os_errors, write_text
from algstack.errors import SourceError

PARTITION_BYTES = 64 << 20
"""XML that one partition should hold: a worker needs about three times as much memory."""

MAX_PARTITIONS = 512
"""Each has an open file while the dump is read, and most systems allow 1,024."""

BUFFER_BYTES = 96 << 20
"""Rows of all partitions that wait to be written."""

SPILL = pa.schema([("question", pa.int64()), ("post", pa.int64()), ("kind", pa.int16()), ("row", pa.binary())])
"""`question`: what the row belongs to; `post`: its own id; `kind`: its PostTypeId, or one of the kinds below."""

QUESTION, ANSWER = 1, 2
UNKNOWN = 0  # a post without a type, or with one that is no number
BAD = -1  # a row that cannot be read; `post` is then its number in the table
COMMENT = -2
LINK = -3

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


def spill(dump: Dump, folder: Path) -> SpilledDump:
    """Read a dump once and spill it into a folder, unless that was done before.

    Raises:
        SourceError: the dump's posts are not such a table. A dump that breaks off is no error: what came before is
            spilled and the break noted.
    """
    done = load(folder)
    if done is not None:
        return done
    shutil.rmtree(folder, ignore_errors=True)
    with explained_os_errors(folder / "spill.json"):
        folder.mkdir(parents=True)
        broken = _spill_tables(dump, folder)
        record = {"partitions": partitions_of(dump), "broken": broken}
        write_text(folder / "spill.json", json.dumps(record))
    return SpilledDump(folder, partitions_of(dump), broken)


def _spill_tables(dump: Dump, folder: Path) -> str | None:
    """Spill every table that is wanted; return why the dump breaks off, if it does."""
    try:
        with _Partitions(folder, partitions_of(dump)) as partitions:
            for _, chunks in dump.tables([tables.POSTS]):
                for row in _posts(chunks):
                    partitions.add(*row)
    except Broken as error:
        return str(error)
    except SourceError as error:
        raise SourceError(f"{dump.path}: {error}") from None
    return None


def _posts(chunks: Iterable[bytes]) -> Iterator[tuple[int, int, int, bytes]]:
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


def _unusual_post(row: bytes, number: int) -> tuple[int, int, int, bytes]:
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

    def __init__(self, folder: Path, count: int) -> None:
        self._count = count
        self._limit = max(BUFFER_BYTES // count, 1 << 16)
        self._buffers: list[list[tuple[int, int, int, bytes]]] = [[] for _ in range(count)]
        self._bytes = [0] * count
        self._writers = [
            # Rows are short-lived here, so speed counts for more than size.
            pq.ParquetWriter(path, SPILL, compression="lz4", use_dictionary=False, write_statistics=False)
            for path in (partition_path(folder, number) for number in range(count))
        ]

    def __enter__(self) -> _Partitions:
        return self

    def __exit__(self, *error: object) -> None:
        for number, writer in enumerate(self._writers):
            self._flush(number)
            writer.close()

    def add(self, question: int, post: int, kind: int, row: bytes) -> None:
        number = question % self._count
        self._buffers[number].append((question, post, kind, row))
        self._bytes[number] += len(row)
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


def partition_path(folder: Path, number: int) -> Path:
    """Return a partition's file."""
    return folder / f"posts-{number:05d}.parquet"


def read_partition(folder: Path, number: int) -> Iterator[Row]:
    """Yield the rows of one partition, sorted by question and then in the dump's order."""
    table = pq.read_table(partition_path(folder, number), use_threads=False, pre_buffer=False)
    questions = table.column("question").to_numpy()
    posts, kinds, rows_ = table.column("post").to_numpy(), table.column("kind").to_numpy(), table.column("row")
    order = questions.argsort(kind="stable")
    for question, post, kind, place in zip(
        questions[order].tolist(), posts[order].tolist(), kinds[order].tolist(), order.tolist(), strict=True
    ):
        # Rows become Python's one by one: the partition is in memory once, not twice.
        yield Row(question, post, kind, rows_[place].as_py())
