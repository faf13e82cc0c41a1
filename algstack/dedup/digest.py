"""One call for a batch of texts: what is kept of each of them until its duplicates are known.

Of every text: its fingerprint. Of every text that was not seen before: the number of its shingles; a sketch, to tell
quickly that two documents are unlike; the keys of its bands; and the key of its body. Two documents with a common key
are compared. Of a key two pieces are kept: a partition, its first 1 to 8 bits, and the 32 bits after them, packed with
the document's number into one row of 64 bits. By chance alone some pairs share them; comparing exactly removes those.
"""

from __future__ import annotations

import math
import threading
from typing import Any, NamedTuple

import numpy as np
from datasketch import MinHash
from numpy.typing import NDArray

from algstack.dedup.bands import Bands
from algstack.dedup.fingerprint import S0, S1
from algstack.dedup.headers import header_end
from algstack.dedup.kernel import (
    FOLD_FACTOR,
    MOST_SHINGLES,
    NOTHING,
    TOKEN_SEED,
    U32,
    U64,
    ZERO,
    Scratch,
    lower_minima,
    new_scratch,
    next_shingles,
)
from algstack.dedup.texts import Texts
from algstack.vector import bit_count, copy, folded_product, inlined, kernel

MOST_PARTITION_BITS = 8
PARTITION_ROWS = 1 << 18

LARGEST = 1 << 23
"""Shingles, repetitions included (about 60 MB of text), beyond which a document is only compared exactly."""

SKETCHED = 64
"""Signature values that a sketch holds four bits of."""

SKETCH_WORDS = SKETCHED // 16


class Permutations(NamedTuple):
    """datasketch's permutations of its scheme `affine32`, filled up to a multiple of 4."""

    values: int
    factors: NDArray[np.uint32]
    summands: NDArray[np.uint32]


def permutations(values: int) -> Permutations:
    """Return the permutations that `datasketch.MinHash(values)` uses."""
    factors, summands = MinHash(values).permutations
    missing = -values % 4
    return Permutations(values, np.pad(factors, (0, missing), mode="edge"), np.pad(summands, (0, missing), mode="edge"))


class Keys(NamedTuple):
    """Rows to be spilled: the partition of each, and its key and document number in one."""

    partitions: NDArray[np.uint8]
    rows: NDArray[np.uint64]


class Digests(NamedTuple):
    """What is known of each text of a batch."""

    shingles: NDArray[np.uint32]  # (n,), how many, repetitions included
    body_sizes: NDArray[np.uint32]  # (n,), how many of them, the last ones, are of the body
    starts: NDArray[np.int64]  # (n,), where they lie in the arena, -1 if they do not
    sketches: NDArray[np.uint64]  # (n, 4)
    signatures: NDArray[np.uint32]  # (n, values) if they are wanted, else (0, values)
    body_keys: NDArray[np.uint64]  # (n,)
    bands: Keys


class Arena:
    """Shingle hashes of the texts that fit, so that these need not be read again. Any thread may take room."""

    def __init__(self, size: int, chunk: int = 1 << 23) -> None:
        """Make an arena for so many hashes, of which a thread takes a chunk at once.

        Memory is not used before they are there.
        """
        self.hashes, self.chunk = np.empty(size, np.uint64), chunk
        self._used = 0
        self._lock = threading.Lock()

    def room(self) -> tuple[int, int]:
        """Take a chunk: where it begins and ends. An empty one says that the arena is full."""
        with self._lock:
            begin = self._used
            self._used = min(begin + self.chunk, len(self.hashes))
            return begin, self._used


class Digester:
    """Makes digests, for one thread."""

    def __init__(self, bands: Bands, arena: Arena, bits: int, keep_signatures: bool = False) -> None:
        """Make it ready for keys whose partition has so many bits."""
        self._bands, self._bits = bands, bits
        self._permutations = permutations(bands.values)
        self._scratch = new_scratch()
        self._signature = np.empty(len(self._permutations.factors), np.uint32)
        self._keep_signatures = keep_signatures
        self._arena = arena
        self._room = np.array(arena.room())

    def digest(self, texts: Texts, first: int, wanted: NDArray[np.bool_], salts: NDArray[np.uint64]) -> Digests:
        """Return the digests of the wanted texts; those of the others are empty.

        Args:
            texts: n texts.
            first: the number of the first of them; the others follow.
            wanted: (n,) which texts to look at.
            salts: (n,) documents with different salts share no key.
        """
        count, most = len(texts), int(wanted.sum())
        digests = Digests(
            np.zeros(count, np.uint32),
            np.zeros(count, np.uint32),
            np.full(count, -1, np.int64),
            np.zeros((count, SKETCH_WORDS), np.uint64),
            np.empty((count if self._keep_signatures else 0, self._bands.values), np.uint32),
            np.zeros(count, np.uint64),
            _new_keys(most * self._bands.bands),
        )
        row, banded, roomless = 0, 0, -1
        while True:
            row, banded = _digest(
                texts.data, texts.offsets, first, wanted, salts,
                self._permutations.factors, self._permutations.summands, self._bands.bands, self._bands.rows,
                self._bits, self._scratch, self._arena.hashes, self._room, self._signature, *digests,
                row, banded, roomless,
            )  # fmt: skip
            if row == count:
                break
            self._room[:], roomless = self._arena.room(), row
        return digests._replace(bands=_first(digests.bands, banded))


def _new_keys(count: int) -> Keys:
    return Keys(np.empty(count, np.uint8), np.empty(count, np.uint64))


def _first(keys: Keys, count: int) -> Keys:
    return Keys(keys.partitions[:count], keys.rows[:count])


def partition_bits(documents: int, keys: int) -> int:
    """Return the bits of a key that say its partition, for so many documents with so many keys each.

    It depends on nothing else, so that the pairs that share a key by chance are always the same.
    """
    rows = max(1, documents * keys)
    return min(max(1, math.ceil(math.log2(rows / PARTITION_ROWS))), MOST_PARTITION_BITS)


@inlined
def put_key(keys: Any, place: Any, key: Any, bits: Any, document: Any) -> None:
    """Write one row: the key's first bits, and its next 32 bits before the document's number."""
    keys.partitions[place] = np.uint8(key >> U64(64 - bits))
    keys.rows[place] = ((key << U64(bits)) & U64(0xFFFFFFFF00000000)) | U64(document)


@kernel
def _pack(values: Any, wanted: Any, bits: Any, first: Any, keys: Any) -> Any:
    count = NOTHING
    for row in range(len(values)):
        if wanted[row]:
            put_key(keys, count, values[row], bits, first + row)
            count += 1
    return count


def keys_of(values: NDArray[np.uint64], wanted: NDArray[np.bool_], bits: int, first: int) -> Keys:
    """Return rows for those documents that are wanted, each with one key; the number of the first is `first`."""
    keys = _new_keys(len(values))
    return _first(keys, _pack(np.ascontiguousarray(values), wanted, bits, first, keys))


@inlined
def _sign(
    data: Any, begin: Any, end: Any, factors: Any, summands: Any, scratch: Any, hashes: Any, room: Any, signature: Any
) -> Any:
    """Make the signature of one text, and store its shingle hashes if there is room.

    Returns:
        The number of its shingles, how many of them were stored, how many are of its body, and the body's key.
    """
    signature[:] = U32(0xFFFFFFFF)
    body = header_end(data, begin, end)
    at, held, total, stored, foreign, bodied = begin, NOTHING, NOTHING, NOTHING, NOTHING, NOTHING
    body_sum = ZERO
    while at < end:
        if at == body:
            foreign = held  # so many shingles yet begin in the header
        in_body = at >= body
        place = room[0] + total
        to_arena = stored == total and place + MOST_SHINGLES <= room[1]
        out = hashes[place : place + MOST_SHINGLES] if to_arena else scratch.shingles
        at, held, found = next_shingles(data, at, end if in_body else body, held, scratch, out)
        lower_minima(out, scratch.mixed, found, factors, summands, signature)
        total += found
        if to_arena:
            stored = total
        if in_body:
            skipped = min(foreign, found)
            foreign -= skipped
            bodied += found - skipped
            for value in out[skipped:found]:
                body_sum += value
    return total, stored, bodied, folded_product(body_sum ^ S0, U64(bodied) ^ S1)


@inlined
def _sketch(signature: Any, values: Any, sketch: Any) -> None:
    for i in range(min(values, SKETCHED)):
        sketch[i // 16] |= U64(signature[i] & U32(15)) << U64(4 * (i % 16))


@inlined
def band_key(signature: Any, band: Any, rows: Any) -> Any:
    """Hash the values of one band, with the band's number."""
    key = U64(band + 1) * TOKEN_SEED
    for i in range(band * rows, (band + 1) * rows):
        key = folded_product(key ^ U64(signature[i]), FOLD_FACTOR) ^ (key << U64(7))
    return key


def band_keys(signatures: NDArray[np.uint32], bands: Bands) -> NDArray[np.uint64]:
    """Return the keys of the bands of signatures, (n, bands)."""
    keys = np.empty((len(signatures), bands.bands), np.uint64)
    _band_keys(signatures, bands.rows, keys)
    return keys


@kernel
def _band_keys(signatures: Any, rows: Any, keys: Any) -> None:
    for i in range(keys.shape[0]):
        for band in range(keys.shape[1]):
            keys[i, band] = band_key(signatures[i], band, rows)


@kernel
def _digest(
    data: Any, offsets: Any, first: Any, wanted: Any, salts: Any, factors: Any, summands: Any, bands: Any, rows: Any,
    bits: Any, scratch: Scratch, hashes: Any, room: Any, signature: Any,
    shingles: Any, body_sizes: Any, starts: Any, sketches: Any, signatures: Any, body_keys: Any, band_keys: Any,
    begin: Any, banded: Any, roomless: Any,
) -> Any:  # fmt: skip
    """Go on from the row `begin`; return the one to go on from when there is more room, and the number of band keys.

    More room is asked for where a text's shingles might not fit, unless it is the row `roomless` or there is none left.
    """
    for row in range(begin, len(offsets) - 1):
        if not wanted[row]:
            continue
        most = (offsets[row + 1] - offsets[row]) // 2 + MOST_SHINGLES
        if room[0] + most > room[1] and row != roomless and room[0] < room[1]:
            return row, banded
        total, stored, in_body, body_key = _sign(
            data, offsets[row], offsets[row + 1], factors, summands, scratch, hashes, room, signature
        )
        if len(signatures):
            copy(signature, NOTHING, bands * rows, signatures[row], NOTHING)
        shingles[row] = U32(min(total, 0xFFFFFFFF))
        if total == 0 or total > LARGEST:
            continue
        if stored == total:
            starts[row] = room[0]
            room[0] += total
        _sketch(signature, bands * rows, sketches[row])
        for band in range(bands):
            put_key(band_keys, banded, band_key(signature, band, rows) ^ salts[row], bits, first + row)
            banded += 1
        body_sizes[row], body_keys[row] = in_body, body_key
    return len(offsets) - 1, banded


@inlined
def agreement(one: Any, other: Any) -> Any:
    """Return how many of two sketches' values agree in the four bits that are kept of each."""
    differing = 0
    for i in range(len(one)):
        bits = one[i] ^ other[i]
        bits |= bits >> U64(2)
        bits |= bits >> U64(1)
        differing += bit_count(bits & U64(0x1111111111111111))
    return SKETCHED - differing


def least_agreement(threshold: float, values: int) -> int:
    """Return the agreement of sketches that documents at the threshold fall short of once in ten thousand times.

    Values of documents of similarity s agree with probability s, and by chance in their four bits one in 16
    of the others does. Bands miss a hundred times as many, and a lower bound has twice as many compared in vain.
    """
    used = min(values, SKETCHED)
    agreeing = threshold + (1 - threshold) / 16
    spread = (used * agreeing * (1 - agreeing)) ** 0.5
    return max(0, int(used * agreeing - 3.72 * spread)) + SKETCHED - used
