"""Line ends written as `\\n`, and byte order marks left out: a numba kernel over a whole batch of texts."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from algstack.texts import Bytes, places, series_of
from algstack.vector import bytes_at, find_byte, inlined, kernel, move

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
            end = find_byte(data, at, CARRIAGE_RETURN, CARRIAGE_RETURN, CARRIAGE_RETURN, CARRIAGE_RETURN)
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
