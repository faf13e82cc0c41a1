"""What a token, a shingle and their hashes are, in plain Python: the definition that the kernel repeats.

A token is a maximal run of bytes that are ASCII letters, digits, `_`, or >= 0x80. So Agda's and Lean's operators are
tokens, which the usual splitting at everything but `[A-Za-z0-9_]` throws away. A shingle is 5 neighbouring tokens.
A document of fewer than 5 tokens has no shingle: it is compared exactly only.
"""

from __future__ import annotations

import re
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

SHINGLE_TOKENS = 5

TOKEN = re.compile(rb"[0-9A-Za-z_\x80-\xff]+")

LENGTH_FACTOR = 0x9E3779B97F4A7C15  # 2^64 / golden ratio, odd
FOLD_FACTOR = 0xA0761D6478BD642F  # wyhash's first secret, odd
SHINGLE_FACTOR = 0xD6E8FEB86659FD93  # odd, so that multiplying by it loses nothing

_MASK = (1 << 64) - 1
_POWERS = [pow(SHINGLE_FACTOR, SHINGLE_TOKENS - 1 - place, 1 << 64) for place in range(SHINGLE_TOKENS)]


def tokens(text: bytes) -> list[bytes]:
    """Return the tokens of a UTF-8 text, in order."""
    return TOKEN.findall(text)


@lru_cache(maxsize=1 << 20)
def token_hash(token: bytes) -> int:
    """Return the 64-bit hash of one token, 8 little-endian bytes at a time, the last ones padded with zeros.

    A token holds no zero byte and its length is hashed too, so the padding makes no two tokens the same.
    """
    value = (len(token) * LENGTH_FACTOR) & _MASK
    for start in range(0, len(token), 8):
        value = _fold((value ^ int.from_bytes(token[start : start + 8], "little")) * FOLD_FACTOR)
    return value


def _fold(product: int) -> int:
    """Fold a 128-bit product to 64 bits: its halves, XORed (as wyhash does)."""
    return (product & _MASK) ^ (product >> 64)


def shingle_hashes(text: bytes) -> NDArray[np.uint64]:
    """Return the 64-bit hashes of a text's shingles, in order, with repetitions: (max(tokens - 4, 0),) uint64.

    A shingle's hash is a polynomial in its token hashes, modulo 2^64, mixed at the end.
    """
    hashes = np.array([token_hash(token) for token in tokens(text)], dtype=np.uint64)
    count = max(len(hashes) - SHINGLE_TOKENS + 1, 0)
    mixed = np.zeros(count, dtype=np.uint64)
    for place, power in enumerate(_POWERS):
        mixed += hashes[place : place + count] * np.uint64(power)
    mixed ^= mixed >> np.uint64(32)
    mixed *= np.uint64(SHINGLE_FACTOR)
    return mixed ^ (mixed >> np.uint64(32))


def shingle_set(text: bytes) -> NDArray[np.uint64]:
    """Return the distinct 64-bit shingle hashes of a text, sorted."""
    return np.unique(shingle_hashes(text))


def signature_hashes(hashes: NDArray[np.uint64]) -> NDArray[np.uint32]:
    """Return what signatures are made from: the upper 32 bits of shingle hashes."""
    return (hashes >> np.uint64(32)).astype(np.uint32)


def jaccard(one: NDArray[np.uint64], other: NDArray[np.uint64]) -> float:
    """Return the Jaccard similarity of two sorted sets of hashes; 0 if one of them is empty."""
    if not len(one) or not len(other):
        return 0.0
    common = len(np.intersect1d(one, other, assume_unique=True))
    return common / (len(one) + len(other) - common)
