"""The pages of a Parquet file as bytes: what the writer's content-defined chunking cuts, and what a store keeps once.

Page headers are Thrift's compact protocol (https://github.com/apache/parquet-format): only the compressed size is
needed, the rest is skipped.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import pyarrow.parquet as pq

COMPRESSED_SIZE = 3
"""Number of PageHeader's field."""


class Page(NamedTuple):
    """One page, header included: its column, the hash of its bytes, and how many there are."""

    column: str
    digest: bytes
    size: int


def pages(path: Path) -> Iterator[Page]:
    """Yield all pages of a file, dictionaries too."""
    data = path.read_bytes()
    metadata = pq.read_metadata(path)
    for group in range(metadata.num_row_groups):
        for number in range(metadata.num_columns):
            column = metadata.row_group(group).column(number)
            at = column.data_page_offset
            if column.has_dictionary_page:
                at = min(at, column.dictionary_page_offset or at)
            end = at + column.total_compressed_size
            while at < end:
                fields: dict[int, int] = {}
                after = _struct(data, at, fields) + fields[COMPRESSED_SIZE]
                yield Page(column.path_in_schema, hashlib.sha256(data[at:after]).digest(), after - at)
                at = after


def new_bytes(old: Iterable[Path], new: Iterable[Path]) -> tuple[int, int]:
    """Return (bytes of pages that the old files do not hold, bytes of all pages) of the new files."""
    known = {page.digest for path in old for page in pages(path)}
    fresh = total = 0
    for path in new:
        for page in pages(path):
            total += page.size
            fresh += page.size if page.digest not in known else 0
    return fresh, total


def _varint(data: bytes, at: int) -> tuple[int, int]:
    shift = value = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


def _struct(data: bytes, at: int, fields: dict[int, int] | None) -> int:
    """Walk over a struct; its integers go into `fields`. Return where it ends."""
    number = 0
    while head := data[at]:
        at += 1
        kind = head & 15
        if head >> 4:
            number += head >> 4
        else:
            value, at = _varint(data, at)
            number = (value >> 1) ^ -(value & 1)
        if fields is not None and kind in (4, 5, 6):
            value, at = _varint(data, at)
            fields[number] = (value >> 1) ^ -(value & 1)
        else:
            at = _skip(data, at, kind)
    return at + 1


def _skip(data: bytes, at: int, kind: int) -> int:
    match kind:
        case 1 | 2:  # booleans stand in their type
            return at
        case 3:
            return at + 1
        case 4 | 5 | 6:
            return _varint(data, at)[1]
        case 7:
            return at + 8
        case 8:
            length, at = _varint(data, at)
            return at + length
        case 9 | 10:
            head, at = data[at], at + 1
            length, at = (head >> 4, at) if head >> 4 < 15 else _varint(data, at)
            for _ in range(length):
                at = at + 1 if head & 15 in (1, 2) else _skip(data, at, head & 15)
            return at
        case 12:
            return _struct(data, at, None)
    raise ValueError(f"unknown type {kind} of Thrift")
