"""A batch of texts as Arrow stores them: what kernels read, without a copy."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Offsets = NDArray[np.int64]


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


def read_only(data: Bytes) -> Bytes:
    """Return a view of bytes of the type that kernels are compiled for: Arrow's buffers are so."""
    view = data.view()
    view.flags.writeable = False
    return view
