"""A batch of texts as kernels read them: in one piece of memory, or wherever each of them lies."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Offsets = NDArray[np.int64]

INLINE = 12
"""Bytes up to which a text stands in Arrow's view of it (https://arrow.apache.org/docs/format/Columnar.html)."""


class Texts(NamedTuple):
    """Text i is `data[offsets[i]:offsets[i + 1]]`, in UTF-8."""

    data: Bytes
    offsets: Offsets


def as_texts(series: pl.Series) -> Texts:
    """Return the UTF-8 bytes of a series of strings; null is an empty text."""
    array = series.fill_null("").to_arrow(compat_level=pl.CompatLevel.oldest())
    _, offsets, data = array.buffers()
    bounds = np.frombuffer(offsets, np.int64)[array.offset : array.offset + len(array) + 1]
    return Texts(np.frombuffer(data, np.uint8) if data else np.zeros(0, np.uint8), bounds)


class Places(NamedTuple):
    """Text i is the `lengths[i]` bytes at `addresses[i]`, in UTF-8; `owner` keeps them there."""

    addresses: NDArray[np.uint64]
    lengths: NDArray[np.int64]
    owner: Any

    def take(self, rows: NDArray[Any]) -> Places:
        """The texts of some rows, by number or by truth."""
        return Places(self.addresses[rows], self.lengths[rows], self.owner)


def places(series: pl.Series) -> Places:
    """Return where the UTF-8 bytes of a series of strings lie, without a copy of them; null is an empty text."""
    if series.null_count():
        series = series.fill_null("")
    array = series.to_arrow(compat_level=pl.CompatLevel.newest())
    assert array.type == pa.string_view()
    _, views, *buffers = array.buffers()
    if not len(array):
        return Places(np.zeros(0, np.uint64), np.zeros(0, np.int64), array)
    fields = _views(array)
    rows = np.arange(array.offset, array.offset + len(array))
    addresses = (views.address + 4 + 16 * rows).astype(np.uint64)
    lengths = fields[:, 0].astype(np.int64)
    outside = lengths > INLINE
    if outside.any():
        starts = np.array([buffer.address for buffer in buffers], np.uint64)
        addresses[outside] = starts[fields[outside, 2]] + fields[outside, 3].astype(np.uint64)
    return Places(addresses, lengths, array)


def series_of(bounds: Offsets, content: pa.Buffer) -> pl.Series:
    """Return the texts `content[bounds[i]:bounds[i + 1]]`, valid UTF-8, as Polars has them; nothing is copied."""
    array = pa.Array.from_buffers(pa.large_string(), len(bounds) - 1, [None, pa.py_buffer(bounds), content])
    series = pl.from_arrow(array)
    assert isinstance(series, pl.Series)
    return series


def replaced(texts: pl.Series, rows: pl.Series, others: pl.Series) -> pl.Series:
    """Return a series of strings with others, none of them null, in some rows.

    It is put together of Arrow's views. Polars' own operations would copy all texts into one piece of memory.
    """
    if not len(rows):
        return texts
    newest = pl.CompatLevel.newest()
    before, after = texts.to_arrow(compat_level=newest), others.to_arrow(compat_level=newest)
    buffers = before.buffers()[2:]
    views, new = _views(before).copy(), _views(after).copy()
    new[new[:, 0] > INLINE, 2] += len(buffers)
    views[rows.to_numpy()] = new
    is_there = before.is_valid().to_numpy(zero_copy_only=False).copy()
    is_there[rows.to_numpy()] = True
    validity = None if is_there.all() else pa.py_buffer(np.packbits(is_there, bitorder="little"))
    owners = [validity, pa.py_buffer(views), *buffers, *after.buffers()[2:]]
    return pl.Series(texts.name, pa.Array.from_buffers(pa.string_view(), len(views), owners))


def _views(array: pa.Array) -> NDArray[np.int32]:
    """Length, first bytes, buffer and place of each text of an array of views; short ones stand there themselves."""
    views: NDArray[np.int32] = np.frombuffer(array.buffers()[1], np.int32).reshape(-1, 4)
    return views[array.offset : array.offset + len(array)]


def read_only(data: Bytes) -> Bytes:
    """Return a view of bytes of the type that kernels are compiled for: Arrow's buffers are so."""
    view = data.view()
    view.flags.writeable = False
    return view
