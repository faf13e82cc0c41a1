"""The rows of one repository: read from its archive into a Parquet file of their own, and read back for the parts.

What is known of the repository as a whole (stars, licence) is put in when they are read back, so that it can change
without the archive being fetched again.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from configparser import ConfigParser, Error
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from algstack.crawl.archive import Member, Unpacked, read_members, tar_members
from algstack.crawl.files import FileReader, RawFile, Repository
from algstack.crawl.grants import FoundLicenses, Grant, LicenseFiles, is_noted, licensed
from algstack.crawl.ledger import Entry, Part
from algstack.crawl.refusals import Refusal, drop
from algstack.crawl.tar import GzipStream
from algstack.dataset import fingerprint, written_atomically
from algstack.documents import DECISIONS, DOCUMENTS, batch_of

READING = "rows-1"
"""Raise when the same archive gives other rows."""

PERMALINK = "/blob/{revision}/{path}"

LICENSES = b"licenses"
"""Key of the file's metadata: JSON, folder -> what its licence file was recognised as."""

MOST_SUBMODULES = 128 * 1024
"""Bytes of a `.gitmodules` that is read."""

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
        url=f"{entry.facts['url']}{PERMALINK}",
        created_at=entry.revised_at,
    )


def write(
    folder: Path, entry: Entry, source: str, stream: IO[bytes], reader: FileReader, exclude: tuple[str, ...]
) -> Part:
    """Read a repository's archive and put its rows in place, in one file or not at all.

    Args:
        folder: the ledger's.
        entry: the repository, pinned.
        source: name of the manifest's source.
        stream: its tar.gz.
        reader: says what is wanted, and the limits.
        exclude: glob patterns of paths that are not read.

    Raises:
        Damage: the archive breaks off or is damaged.
        ArchiveBomb: it is larger than the limits allow.
    """
    name = f"repositories/{fingerprint(entry.key)[:2]}/{entry.key}.parquet"
    repository = repository_of(source, entry)
    archive = _Archive(stream, reader, exclude)
    documents = drops = 0
    with written_atomically(folder / name) as path, pq.ParquetWriter(path, _ROWS, compression="zstd") as writer:
        for batch in reader.batches(repository, archive.files()):
            if batch.schema.equals(DOCUMENTS):
                documents += batch.num_rows
            else:
                drops += batch.num_rows
            # A row group of its own, so that each is either documents or drops.
            writer.write_table(_as_rows(batch))
        writer.add_key_value_metadata({LICENSES: json.dumps(archive.licenses.found, sort_keys=True)})
    return Part(name, (folder / name).stat().st_size, documents, drops)


class _Archive:
    """The files of an archive, and what its licence files and its list of submodules say."""

    def __init__(self, stream: IO[bytes], reader: FileReader, exclude: tuple[str, ...]) -> None:
        self.licenses = LicenseFiles()
        self._submodules: dict[str, str] = {}
        self._packed = GzipStream(stream)
        self._reader = reader
        self._exclude = exclude

    def files(self) -> Iterator[RawFile]:
        unpacked = Unpacked(self._packed.read, self._bytes, self._reader.limits)
        members = map(self._noted, tar_members(unpacked))
        yield from read_members(members, lambda: math.inf, 1, self._exclude, self._reader)
        # A submodule is an empty folder in an archive; only this file tells it from any other.
        for path, url in sorted(self._submodules.items()):
            yield RawFile(path, 0, Refusal("submodule", url))

    def _bytes(self) -> int:
        return self._packed.packed

    def _noted(self, member: Member) -> Member:
        """Read the files that are about others, whether or not they become documents themselves."""
        _, _, path = member.name.partition("/")
        is_license = is_noted(path, member.size)
        if member.refusal or not (is_license or (path == ".gitmodules" and member.size <= MOST_SUBMODULES)):
            return member
        content = member.read(member.size)
        if is_license:
            self.licenses.note(path, content)
        else:
            self._submodules = submodules(content.decode("utf-8", "replace"))
        return member._replace(read=lambda size: content[:size])


def submodules(text: str) -> dict[str, str]:
    """Return path -> address of the submodules in a `.gitmodules` file; what cannot be read is not there."""
    parser = ConfigParser(interpolation=None, strict=False, allow_no_value=True)
    try:
        # git indents the keys, which would continue the line before.
        parser.read_string("\n".join(line.strip() for line in text.splitlines()))
    except Error:
        return {}
    sections = [parser[name] for name in parser.sections() if name.startswith("submodule ")]
    return {path: section.get("url") or "" for section in sections if (path := section.get("path"))}


def _as_rows(batch: pa.RecordBatch) -> pa.Table:
    known = {name: batch.column(name) for name in batch.schema.names}
    columns = [known.get(field.name, pa.nulls(batch.num_rows, field.type)) for field in _ROWS]
    return pa.Table.from_arrays(columns, schema=_ROWS)


def read(folder: Path, entry: Entry) -> Iterator[pa.RecordBatch]:
    """Yield a repository's rows as batches of the schemas DOCUMENTS and DECISIONS, in the archive's order."""
    assert entry.part is not None
    with pq.ParquetFile(folder / entry.part) as file:
        found = json.loads(file.metadata.metadata[LICENSES])
        for group in range(file.metadata.num_row_groups):
            rows = file.read_row_group(group, use_threads=False)
            if rows.column("rule")[0].is_valid:
                yield from _decisions(rows)
            else:
                yield from _documents(rows, entry, found)


def _documents(rows: pa.Table, entry: Entry, found: FoundLicenses) -> Iterator[pa.RecordBatch]:
    columns = {name: rows.column(name).combine_chunks() for name in DOCUMENTS.names}
    columns["stars"] = entry.stars
    columns["meta"] = list(map(_meta, columns["path"].to_pylist(), columns["meta"].to_pylist()))
    batch = batch_of(DOCUMENTS, rows.num_rows, columns)
    yield licensed(batch, Grant(entry.license, "github") if entry.license else None, found)


def _meta(path: str, meta: str | None) -> str | None:
    if not VENDORED.search(path):
        return meta
    return json.dumps({**(json.loads(meta) if meta else {}), "vendored": True}, sort_keys=True)


def _decisions(rows: pa.Table) -> Iterator[pa.RecordBatch]:
    known = {name: rows.column(name).to_pylist() for name in ("id", "lang", "rule", "evidence")}
    found = zip(*known.values(), strict=True)
    drops = [decision(name, rule, evidence, lang) for name, lang, rule, evidence in found]
    yield pa.RecordBatch.from_pylist(drops, DECISIONS)


def decision(name: str, rule: str, evidence: str | None, lang: str | None = None) -> dict[str, Any]:
    """Return the crawl's decision that something is no document."""
    return drop(name, Refusal(rule, evidence or ""), lang)
