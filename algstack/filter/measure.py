"""What is counted of a text: digits, characters, lines. Numba kernels straight over the bytes, 64 of them at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from numba import njit

from algstack.texts import Bytes, places
from algstack.vector import LANES, bit_count, bytes_at, equal_mask, range_mask, trailing_zeros

NEWLINE = 10
WIDEST_SPACE = 3
"""Bytes of UTF-8 that white space has at most."""


def densities(series: pl.Series) -> pl.DataFrame:
    """Count ASCII digits and non-whitespace characters of each text: columns `digits` and `characters`.

    Whitespace is what Python's `str.split()` splits at, as in AlgebraicStack's `numerical_density`.
    """
    texts = places(series)
    digits = np.zeros(len(series), np.int64)
    characters = np.zeros(len(series), np.int64)
    _count(texts.addresses, texts.lengths, digits, characters)
    return pl.DataFrame({"digits": digits, "characters": characters})


@njit(cache=True, nogil=True)
def _count(addresses: Any, lengths: Any, digits: Any, characters: Any) -> None:
    for row in range(len(addresses)):
        data = bytes_at(addresses[row], lengths[row])
        at, end = 0, len(data)
        found, others = 0, 0
        while at + LANES + WIDEST_SPACE <= end:
            spaces = range_mask(data, at, 9, 5) | range_mask(data, at, 28, 5)
            found += bit_count(range_mask(data, at, 48, 10))
            others += bit_count(spaces | range_mask(data, at, 0x80, 0x40))  # bytes 10xxxxxx of UTF-8 only go on
            if range_mask(data, at, 0xC2, 0x22):
                others += _wide_spaces(data, at)
            at += LANES
        for i in range(at, end):
            byte = data[i]
            found += (byte >= 48) & (byte <= 57)
            others += (byte == 32) | ((byte >= 9) & (byte <= 13)) | ((byte >= 28) & (byte <= 31))
            others += ((byte & 0xC0) == 0x80) + _is_wide_space(data, i)
        digits[row] = found
        characters[row] = end - others


@njit(cache=True, nogil=True)
def _wide_spaces(data: Bytes, at: Any) -> Any:
    """Count whitespace beyond ASCII that begins in the 64 bytes from a place on."""
    maybe = (
        (equal_mask(data, at, 0xC2, 0) & (equal_mask(data, at + 1, 0x85, 0) | equal_mask(data, at + 1, 0xA0, 0)))
        | (equal_mask(data, at, 0xE1, 0) & equal_mask(data, at + 1, 0x9A, 0))
        | (equal_mask(data, at, 0xE2, 0) & range_mask(data, at + 1, 0x80, 2))
        | (equal_mask(data, at, 0xE3, 0) & equal_mask(data, at + 1, 0x80, 0))
    )
    found = 0
    while maybe:
        found += _is_wide_space(data, at + trailing_zeros(maybe))
        maybe &= maybe - np.uint64(1)
    return found


@njit(cache=True, nogil=True)
def _is_wide_space(data: Bytes, at: Any) -> Any:
    """Whether one of U+0085, 00A0, 1680, 2000-200A, 2028, 2029, 202F, 205F, 3000 begins at a place."""
    first = data[at]
    if first < 0xC2 or first > 0xE3 or at + 1 >= len(data):
        return False
    second = data[at + 1]
    third = data[at + 2] if at + 2 < len(data) else 0
    if first == 0xC2:
        return second == 0x85 or second == 0xA0
    if first == 0xE1:
        return second == 0x9A and third == 0x80
    if first == 0xE2 and second == 0x80:
        return 0x80 <= third <= 0x8A or third == 0xA8 or third == 0xA9 or third == 0xAF
    if first == 0xE2 and second == 0x81:
        return third == 0x9F
    return first == 0xE3 and second == 0x80 and third == 0x80


def has_long_lines(series: pl.Series, length: int) -> pl.Series:
    """Say of each text whether its lines have more than `length` bytes on average; a last line may be empty."""
    texts = places(series)
    found = np.zeros(len(series), np.bool_)
    _long_lined(texts.addresses, texts.lengths, length, found)
    return pl.Series(found)


@njit(cache=True, nogil=True)
def _long_lined(addresses: Any, lengths: Any, length: int, found: Any) -> None:
    """Count lines only until there are enough of them."""
    for row in range(len(addresses)):
        data = bytes_at(addresses[row], lengths[row])
        lines, at = 1, 0
        while at + LANES <= len(data) and len(data) > lines * length:
            lines += bit_count(equal_mask(data, at, NEWLINE, 0))
            at += LANES
        while at < len(data) and len(data) > lines * length:
            lines += data[at] == NEWLINE
            at += 1
        found[row] = len(data) > lines * length
