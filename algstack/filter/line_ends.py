"""Line ends written as `\\n`, and byte order marks left out: a numba kernel over a whole batch of texts."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from algstack.texts import Bytes, places, series_of
from algstack.vector import LANES, bytes_at, equal_mask, inlined, kernel, move, trailing_zeros

NEWLINE, CARRIAGE_RETURN = 10, 13
MARK = 3
"""Bytes of a byte order mark."""


def with_plain_line_ends(texts: pl.Series) -> pl.Series:
    """Return texts with `\\n` for each `\\r\\n` and `\\r`, and without a byte order mark at the beginning."""
    where = places(texts)
    bounds = np.zeros(len(texts) + 1, np.int64)
    content = pa.allocate_buffer(int(where.lengths.sum()))
    _rewrite(where.addresses, where.lengths, bounds, np.frombuffer(content, np.uint8))
    return series_of(bounds, content)


@kernel
def _rewrite(addresses: Any, lengths: Any, bounds: Any, out: Bytes) -> None:
    written = 0
    for row in range(len(addresses)):
        data = bytes_at(addresses[row], lengths[row])
        at = MARK if _is_marked(data) else 0
        while True:
            end = _carriage_return(data, at)
            move(data, at, end - at, out, written)
            written += end - at
            if end == len(data):
                break
            out[written] = NEWLINE
            written += 1
            at = end + 2 if end + 1 < len(data) and data[end + 1] == NEWLINE else end + 1
        bounds[row + 1] = written


@inlined
def _is_marked(data: Bytes) -> bool:
    return len(data) >= MARK and data[0] == 0xEF and data[1] == 0xBB and data[2] == 0xBF


@inlined
def _carriage_return(data: Bytes, at: Any) -> Any:
    """Return where the next one stands; the end if there is none."""
    while at + LANES <= len(data):
        found = equal_mask(data, at, CARRIAGE_RETURN, 0)
        if found:
            return at + trailing_zeros(found)
        at += LANES
    while at < len(data) and data[at] != CARRIAGE_RETURN:
        at += 1
    return at
