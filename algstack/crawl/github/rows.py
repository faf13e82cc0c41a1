"""The rows of one repository: read from its archive into a Parquet file of their own, and read back for the parts.

What is known of the repository as a whole (stars, licence) is put in when they are read back, so that it can change
without the archive being fetched again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from configparser import ConfigParser, Error
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from algstack.crawl import licenses
from algstack.crawl.archive import ArchiveBomb, Member, gzip_stream, read_members, tar_members
from algstack.crawl.files import FileReader, RawFile, Refusal, Repository, drop, valid_text
from algstack.crawl.ledger import Entry, Part
from algstack.dataset import written_atomically
from algstack.documents import DECISIONS, DOCUMENTS

READING = "rows-1"
"""Raise when the same archive gives other rows."""

URL = "https://github.com/{repo}/blob/{revision}/{path}"

LICENSES = b"licenses"
"""Key of the file's metadata: JSON, folder -> what its licence file was recognised as."""

# Folders that hold other people's code, by the habits of the languages that we crawl.
VENDORED = re.compile(
    r"(^|/)(vendor(ed)?|third[-_]?party|3rd[-_]?party|external(s|_libs)?|extern|node_modules|bower_components"
    r"|site-packages|\.lake/packages|lake-packages|_target/deps|_opam|dist-newstyle|\.stack-work|deps/[^/]+/src)/",
    re.IGNORECASE,
)

_ROWS = pa.schema(
    [field.with_nullable(True) for field in DOCUMENTS] + [DECISIONS.field("rule"), DECISIONS.field("evidence")]
)


def repository_of(source: str, entry: Entry) -> Repository:
    """Return what all files of a repository share."""
    return Repository(
        scheme="github",
        source=source,
        repo=entry.name,
        revision=entry.revision,
        url=URL.replace("{repo}", entry.name),
        created_at=entry.revised_at,
    )


def write(folder: Path, entry: Entry, source: str, stream: IO[bytes], reader: FileReader, exclude: tuple[str, ...]) -> Part:
    """Read a repository's archive and put its rows in place, in one file or not at all.

    Args:
        folder: the ledger's.
        entry: the repository, pinned.
        source: name of the manifest's source.
        stream: its tar.gz.
        reader: says what is wanted, and the limits.
        exclude: glob patterns of paths that are not read.

    Raises:
        Fault: the archive breaks off or is damaged.
        ArchiveBomb: it is larger than the limits allow.
    """
    name = f"repositories/{entry.key[-2:]:0>2}/{entry.key}.parquet"
    counts = {DOCUMENTS: 0, DECISIONS: 0}
    found: dict[str, str | None] = {}
    repository = repository_of(source, entry)
    with written_atomically(folder / name) as path, pq.ParquetWriter(path, _ROWS, compression="zstd") as writer:
        members = _watched(tar_members(packed := gzip_stream(stream)), repository, found)
        files = read_members(members, packed, 1, exclude, reader)
        for batch in reader.batches(repository, files):
            counts[batch.schema] += batch.num_rows
            writer.write_table(_as_rows(batch))
        writer.add_key_value_metadata({LICENSES: json.dumps(found, sort_keys=True)})
    return Part(name, (folder / name).stat().st_size, counts[DOCUMENTS], counts[DECISIONS])
