"""Pictures cut out of the JSON of notebooks: most of its bytes, which need then be neither parsed nor copied."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from algstack.texts import Bytes, places, series_of
from algstack.vector import LANES, bytes_at, equal_mask, inlined, kernel, move, range_mask, trailing_zeros

KINDS = (b'image/png"', b'image/jpeg"', b'image/gif"')
LONGEST = 12
QUOTE, BACKSLASH, COLON, SPACE, LINE_END = 34, 92, 58, 32, 110

_KINDS = np.array([list(kind.ljust(LONGEST, b"\0")) for kind in KINDS], np.uint8)


def without_pictures(texts: pl.Series) -> pl.Series:
    """Return JSON texts in which strings under the keys of KINDS are empty; whether it is JSON does not change.

    The closing quote of a key shows that it is no part of a string, where it would be escaped. A string with another
    escape than that of a line end, or with what JSON does not allow in one, stays.
    """
    where = places(texts)
    bounds = np.zeros(len(texts) + 1, np.int64)
    content = pa.allocate_buffer(int(where.lengths.sum()))
    _cut(where.addresses, where.lengths, bounds, np.frombuffer(content, np.uint8), _KINDS)
    return series_of(bounds, content)


@kernel
def _cut(addresses: Any, lengths: Any, bounds: Any, out: Bytes, kinds: Any) -> None:
    written = 0
    for row in range(len(addresses)):
        data = bytes_at(addresses[row], lengths[row])
        copied, at = 0, 0
        while True:
            at = _picture(data, at, kinds)
            if at == len(data):
                break
            end = _string_end(data, at)
            while end + 1 < len(data) and data[end] == BACKSLASH and data[end + 1] == LINE_END:
                end = _string_end(data, end + 2)
            if end < len(data) and data[end] == QUOTE:
                move(data, copied, at - copied, out, written)
                written += at - copied
                copied = end
            at = end
        move(data, copied, len(data) - copied, out, written)
        written += len(data) - copied
        bounds[row + 1] = written


@inlined
def _picture(data: Bytes, at: Any, kinds: Any) -> Any:
    """Return where the next string under one of the keys begins, after its quote; the end if there is none."""
    while at + LANES + 2 <= len(data):
        found = equal_mask(data, at, QUOTE, 0) & equal_mask(data, at + 1, 105, 0) & equal_mask(data, at + 2, 109, 0)
        while found:
            begin = _value(data, at + trailing_zeros(found) + 1, kinds)
            if begin:
                return begin
            found &= found - np.uint64(1)
        at += LANES
    return len(data)


@inlined
def _value(data: Bytes, at: Any, kinds: Any) -> Any:
    """Return where the string under a key that may stand at a place begins; 0 if there is no such key or no string."""
    for kind in range(len(kinds)):
        length = 0
        while length < LONGEST and kinds[kind, length] and at + length < len(data):
            if data[at + length] != kinds[kind, length]:
                break
            length += 1
        if length and kinds[kind, length - 1] == QUOTE and data[at + length - 1] == QUOTE:
            at += length
            while at < len(data) and (data[at] == COLON or data[at] == SPACE):
                at += 1
            return at + 1 if at < len(data) and data[at] == QUOTE else 0
    return 0


@inlined
def _string_end(data: Bytes, at: Any) -> Any:
    """Return the first place of a quote, a backslash or a control character; the end if there is none."""
    while at + LANES <= len(data):
        found = equal_mask(data, at, QUOTE, 0) | equal_mask(data, at, BACKSLASH, 0) | range_mask(data, at, 0, 32)
        if found:
            return at + trailing_zeros(found)
        at += LANES
    while at < len(data) and data[at] != QUOTE and data[at] != BACKSLASH and data[at] >= SPACE:
        at += 1
    return at
