"""The hot path: texts, straight from Arrow's buffers, to shingle hashes and signatures.

`algstack.dedup.shingles` defines what is computed here. A text is taken in blocks that stay in the processor's first
cache, and each block goes through four plain loops, which the processor's vector units run:

1. masks of token bytes, 64 at a time, to the edges of tokens;
2. edges to token hashes;
3. token hashes to shingle hashes, each from its five tokens, so that no one waits for the one before;
4. shingle hashes to the smallest value under each permutation.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from algstack.dedup import shingles
from algstack.vector import (
    LANES,
    bit_count,
    folded_product,
    inlined,
    kernel,
    load64,
    lower_4,
    lower_16,
    lower_64,
    put_eight,
    word_mask,
)

BLOCK = 4_096
"""Bytes of text that are taken at once."""

# Kernels know numpy's fixed-width numbers only: a Python integer would turn 64-bit arithmetic into floating point.
# Indices of the inner loops are unsigned: of others numba asks each time whether they count from the end.
U32, U64, I64 = np.uint32, np.uint64, np.int64
ZERO, ONE = U64(0), U64(1)
NOTHING = I64(0)
"""Where counting begins. A bare 0 that is handed to a step is a type of its own to numba, which compiles it twice."""

TOKEN_SEED, FOLD_FACTOR = U64(shingles.TOKEN_SEED), U64(shingles.FOLD_FACTOR)
_, R1, R2, R3, R4 = (U64(rotation) for rotation in shingles.ROTATIONS)
FIRST_BYTES = np.array([(1 << 8 * count) - 1 for count in range(9)], np.uint64)
"""Masks of a number's first bytes: a table, since a shift by all 64 bits is not defined."""

POSITIONS = np.array(
    [place for byte in range(256) for place in sorted(range(8), key=lambda bit: (not byte >> bit & 1, bit))], np.uint8
)
"""Of each byte, the places of the bits that are set, and behind them of the others: eight for each."""

HELD = shingles.SHINGLE_TOKENS - 1
"""Token hashes that a block hands to the next one: a shingle may begin with them."""

MOST_SHINGLES = BLOCK // 2 + 1
"""Shingles that a block may end: every second byte a token, after those that were handed over."""


class Scratch(NamedTuple):
    """Work space of one thread, for one block."""

    edges: NDArray[np.int32]  # where tokens begin and end, from the block's start
    tokens: NDArray[np.uint64]  # token hashes, first those of the block before
    shingles: NDArray[np.uint64]
    mixed: NDArray[np.uint32]  # shingle hashes as the permutations take them, and room for three repetitions


def new_scratch() -> Scratch:
    """Return work space; each thread needs its own."""
    return Scratch(
        edges=np.empty(BLOCK + 2 * LANES, np.int32),
        tokens=np.empty(MOST_SHINGLES + HELD, np.uint64),
        shingles=np.empty(MOST_SHINGLES, np.uint64),
        mixed=np.empty(MOST_SHINGLES + 3, np.uint32),
    )


@inlined
def _word_mask_within(data: Any, at: Any, end: Any) -> Any:
    """Return the mask of `data[at:end]`, at most 64 bytes of it, without reading past the buffer."""
    left = end - at
    if at + LANES <= len(data):
        mask = word_mask(data, at)
        return mask if left >= LANES else mask & ((ONE << U64(left)) - ONE)
    mask = ZERO
    for i in range(min(left, LANES)):
        if is_word(data[at + i]):
            mask |= ONE << U64(i)
    return mask


@inlined
def is_word(byte: Any) -> Any:
    """Whether a byte belongs to a token."""
    lower = byte | 0x20
    return 97 <= lower <= 122 or 48 <= byte <= 57 or byte == 95 or byte >= 128


@inlined
def load_within(data: Any, at: Any, count: Any) -> Any:
    """Return `count` bytes, 0 to 8, as a little-endian number, without reading past the buffer."""
    if at + 8 <= len(data):
        return load64(data, at) & FIRST_BYTES[count]
    value = ZERO
    for i in range(count):
        value |= U64(data[at + i]) << U64(8 * i)
    return value


@inlined
def _token_edges(data: Any, begin: Any, end: Any, edges: Any) -> Any:
    """Write where tokens begin and end in `data[begin:end]`, alternating; return how many edges there are.

    An odd number says that the last token goes on to the very end, and perhaps beyond it.
    """
    count, before = NOTHING, ZERO
    for at in range(begin, end, LANES):
        mask = _word_mask_within(data, at, end)
        # A bit that differs from the one before it is an edge; the first one differs from the last block's last.
        changes = mask ^ ((mask << ONE) | before)
        before = mask >> U64(63)
        # Room for eight of each byte, without asking how many there are: what is too much, the next edges overwrite.
        for first in range(0, LANES, 8):
            bits = I64(changes >> U64(first)) & 0xFF
            put_eight(edges, count, POSITIONS, 8 * bits, at - begin + first)
            count += bit_count(U64(bits))
    return count


@inlined
def _hash_token(data: Any, at: Any, length: Any) -> Any:
    value = TOKEN_SEED
    while length > 16:
        value = folded_product(load64(data, at) ^ value, load64(data, at + 8) ^ FOLD_FACTOR)
        at += 16
        length -= 16
    # Nearly all tokens come here at once: no branch that depends on their length.
    left = load64(data, at) & FIRST_BYTES[min(length, 8)]
    right = load64(data, at + 8) & FIRST_BYTES[max(length - 8, 0)]
    return folded_product(left ^ value, right ^ FOLD_FACTOR)


@inlined
def hash_bytes(data: Any, at: Any, length: Any, value: Any) -> Any:
    """Hash some bytes from a first value on, without reading past the buffer. From TOKEN_SEED on: a token's hash."""
    while length > 0:
        left, right = load_within(data, at, min(length, 8)), load_within(data, at + 8, max(min(length - 8, 8), 0))
        value = folded_product(left ^ value, right ^ FOLD_FACTOR)
        at += 16
        length -= 16
    return value


@inlined
def token_end(data: Any, at: Any, end: Any) -> Any:
    while at < end and is_word(data[at]):
        at += 1
    return at


@inlined
def _rotated(value: Any, by: Any) -> Any:
    return (value << by) | (value >> (U64(64) - by))


@inlined
def _shingles_of_tokens(tokens: Any, count: Any, out: Any) -> Any:
    """Write the hash of every five neighbouring tokens; return how many shingles there are."""
    found = max(count - HELD, 0)
    for i in range(U64(found)):
        two, three = _rotated(tokens[i + ONE], R1), _rotated(tokens[i + U64(2)], R2)
        four, five = _rotated(tokens[i + U64(3)], R3), _rotated(tokens[i + U64(4)], R4)
        out[i] = tokens[i] + two + three + four + five
    return found


@inlined
def next_shingles(data: Any, at: Any, end: Any, held: Any, scratch: Any, out: Any) -> Any:
    """Write the hashes of the shingles of the next block of `data[at:end]`.

    Args:
        data: bytes.
        at: where the block begins: never within a token.
        end: where the text ends.
        held: token hashes that the block before left, 0 to 4.
        scratch: this thread's work space.
        out: room for MOST_SHINGLES.

    Returns:
        Where the next block begins, the token hashes left to it, and the number of shingles.
    """
    stop = min(end, at + BLOCK)
    edges = _token_edges(data, at, stop, scratch.edges)
    following = stop
    if edges % 2:
        first = scratch.edges[edges - 1]
        if stop == end:
            scratch.edges[edges] = end - at
            edges += 1
        elif first > 0:  # the token belongs to the next block
            following = at + first
            edges -= 1
        else:  # a token longer than a block
            following = token_end(data, stop, end)
            scratch.edges[edges] = following - at
            edges += 1
    count = held + edges // 2
    roomy = following + 16 <= len(data)  # asked once: the loop below is a fourth of the work
    for i in range(U64(edges // 2)):
        begin = scratch.edges[i + i]
        length = scratch.edges[i + i + ONE] - begin
        token = _hash_token(data, at + begin, length) if roomy else hash_bytes(data, at + begin, length, TOKEN_SEED)
        scratch.tokens[U64(held) + i] = token
    found = _shingles_of_tokens(scratch.tokens, count, out)
    held = min(count, HELD)
    for i in range(held):
        scratch.tokens[i] = scratch.tokens[count - held + i]
    return following, held, found


@inlined
def _mix32(value: Any) -> Any:
    """MurmurHash3's finalizer, which datasketch applies before its permutations.

    numba widens the product of two 32-bit numbers to 64 bits, so each is cut back.
    """
    value = U32(value ^ (value >> U32(16)))
    value = U32(value * U32(0x85EBCA6B))
    value = U32(value ^ (value >> U32(13)))
    value = U32(value * U32(0xC2B2AE35))
    return U32(value ^ (value >> U32(16)))


@inlined
def lower_minima(hashes: Any, mixed: Any, count: Any, factors: Any, summands: Any, signature: Any) -> Any:
    """Lower a signature's values to those of `count` shingles: datasketch's `affine32`, bit for bit.

    Permutations stay in registers, 64 at a time, while the block's shingles stream past.
    """
    for i in range(count):
        mixed[i] = _mix32(U32(hashes[i] >> U64(32)))
    first = ZERO
    while first + U64(64) <= U64(len(factors)):
        lower_64(mixed, count, factors, summands, signature, first)
        first += U64(64)
    while first + U64(16) <= U64(len(factors)):
        lower_16(mixed, count, factors, summands, signature, first)
        first += U64(16)
    fours = (count + 3) & ~3
    for i in range(count, fours):  # four shingles at once, and a repeated one lowers nothing
        mixed[i] = mixed[0]
    while first < U64(len(factors)):
        lower_4(mixed, fours, factors, summands, signature, first)
        first += U64(4)


@kernel
def sign(data: Any, offsets: Any, factors: Any, summands: Any, scratch: Any, signatures: Any, counts: Any) -> None:
    """Write the signature and the number of shingles of each text.

    Args:
        data: the texts' bytes.
        offsets: (n + 1,) int64; text i is `data[offsets[i]:offsets[i + 1]]`.
        factors, summands: the permutations, a multiple of 4 of them, uint32.
        scratch: this thread's work space.
        signatures: (n, permutations) uint32; all ones for a text without a shingle.
        counts: (n,) int64.
    """
    for row in range(len(offsets) - 1):
        signature = signatures[row]
        signature[:] = U32(0xFFFFFFFF)
        at, end, held, total = offsets[row], offsets[row + 1], NOTHING, NOTHING
        while at < end:
            at, held, found = next_shingles(data, at, end, held, scratch, scratch.shingles)
            lower_minima(scratch.shingles, scratch.mixed, found, factors, summands, signature)
            total += found
        counts[row] = total
