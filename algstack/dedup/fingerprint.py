"""128-bit fingerprints of texts, with line ends normalised.

Two texts with one fingerprint are taken for the same: any two of 10^7 different texts share one with a probability of
about 10^-25."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from algstack.dedup.kernel import NOTHING, U64, ZERO, load_within
from algstack.dedup.texts import Texts
from algstack.vector import LANES, equal_mask, folded_product, inlined, kernel, load64

# wyhash's secrets. Each holds bytes that valid UTF-8 cannot, so that no text multiplies by zero.
S0, S1 = U64(0xA0761D6478BD642F), U64(0xE7037ED1A0B428DB)
S2, S3 = U64(0x8EBC6AF09C88C6E3), U64(0x589965CC75374CC3)

NEWLINE, RETURN = 10, 13

EVERY_BYTE = U64(0x0101010101010101)


@inlined
def fingerprint(data: Any, begin: Any, end: Any) -> Any:
    """Return two 64-bit numbers, each of which depends on every byte, and what is not zero if there is a CR.

    As wyhash does, 16 bytes a step, in four chains, which do not wait for each other: two for each half of 32 bytes.
    """
    one, two, three, four, returns = S0, S1, S2, S3, ZERO
    at = begin
    while at + LANES <= end:
        returns |= equal_mask(data, at, RETURN, 0)
        for _ in range(2):
            left, right = load64(data, at), load64(data, at + 8)
            one, two = folded_product(left ^ one, right ^ S1), folded_product(left ^ S3, right ^ two)
            left, right = load64(data, at + 16), load64(data, at + 24)
            three, four = folded_product(left ^ three, right ^ S2), folded_product(left ^ S0, right ^ four)
            at += 32
    one, two = folded_product(one ^ S2, three ^ S1), folded_product(two ^ S0, four ^ S3)
    while at + 16 <= end:
        left, right = load64(data, at), load64(data, at + 8)
        returns |= _returns(left) | _returns(right)
        one, two = folded_product(left ^ one, right ^ S1), folded_product(left ^ S3, right ^ two)
        at += 16
    left, right = load_within(data, at, min(end - at, 8)), load_within(data, at + 8, max(end - at - 8, 0))
    returns |= _returns(left) | _returns(right)
    length = U64(end - begin)
    one = folded_product(folded_product(left ^ one, right ^ S1) ^ length, S2)
    two = folded_product(folded_product(left ^ S3, right ^ two) ^ length, S0)
    return one, two, returns


@inlined
def _returns(value: Any) -> Any:
    """Return a number that is zero if and only if none of eight bytes is a carriage return."""
    value ^= U64(RETURN) * EVERY_BYTE
    return (value - EVERY_BYTE) & ~value & (EVERY_BYTE << U64(7))


@inlined
def _with_newlines(data: Any, begin: Any, end: Any, out: Any) -> Any:
    """Copy bytes with each CR LF and CR made LF; return how many there are."""
    count = 0
    for i in range(begin, end):
        if data[i] != RETURN:
            out[count] = data[i]
            count += 1
        elif i + 1 == end or data[i + 1] != NEWLINE:
            out[count] = NEWLINE
            count += 1
    return count


@kernel
def fingerprints(data: Any, offsets: Any, plain: Any, out: Any) -> None:
    """Write the fingerprint of each text, line ends normalised.

    Args:
        data: the texts' bytes.
        offsets: (n + 1,) int64.
        plain: room for the longest of them.
        out: (n, 2) uint64.
    """
    for row in range(len(offsets) - 1):
        begin, end = offsets[row], offsets[row + 1]
        one, two, returns = fingerprint(data, begin, end)
        if returns != ZERO:
            one, two, _ = fingerprint(plain, NOTHING, _with_newlines(data, begin, end, plain))
        out[row, 0], out[row, 1] = one, two


def fingerprints_of(texts: Texts) -> NDArray[np.uint64]:
    """Return the fingerprints of texts, (n, 2)."""
    out = np.empty((len(texts), 2), np.uint64)
    # Not touched, and so no memory, unless there is a text with such line ends.
    plain = np.empty(int(np.diff(texts.offsets).max(initial=0)), np.uint8)
    fingerprints(texts.data, texts.offsets, plain, out)
    return out
