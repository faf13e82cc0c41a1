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

TOKEN_SEED = 0x9E3779B97F4A7C15  # 2^64 / golden ratio
FOLD_FACTOR = 0xA0761D6478BD642F  # wyhash's first secret; its bytes are no UTF-8, so no text makes it zero
ROTATIONS = (0, 13, 26, 39, 52)  # bits by which the hash of each of a shingle's tokens is rotated

_MASK = (1 << 64) - 1


def tokens(text: bytes) -> list[bytes]:
    """Return the tokens of a UTF-8 text, in order."""
    return TOKEN.findall(text)


@lru_cache(maxsize=1 << 20)
def token_hash(token: bytes) -> int:
    """Return the 64-bit hash of one token, 16 little-endian bytes a step, the last ones padded with zeros.

    A step multiplies two 64-bit words to 128 bits and XORs the halves (as wyhash does). A token holds no zero byte, so
    the padding makes no two tokens the same.
    """
    value = TOKEN_SEED
    for start in range(0, len(token), 16):
        left = int.from_bytes(token[start : start + 8], "little")
        right = int.from_bytes(token[start + 8 : start + 16], "little")
        product = (left ^ value) * (right ^ FOLD_FACTOR)
        value = (product & _MASK) ^ (product >> 64)
    return value


def shingle_hashes(text: bytes) -> NDArray[np.uint64]:
    """Return the 64-bit hashes of a text's shingles, in order, with repetitions: (max(tokens - 4, 0),) uint64.

    A shingle's hash is the sum, modulo 2^64, of its token hashes, each rotated by its place.
    """
    hashes = np.array([token_hash(token) for token in tokens(text)], dtype=np.uint64)
    count = max(len(hashes) - SHINGLE_TOKENS + 1, 0)
    total = np.zeros(count, dtype=np.uint64)
    for place, rotation in enumerate(ROTATIONS):
        at_place = hashes[place : place + count]
        total += at_place << np.uint64(rotation)
        if rotation:
            total += at_place >> np.uint64(64 - rotation)
    return total


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
