"""One call for a batch of texts: what is kept of each of them until its duplicates are known.

Of every text: its fingerprint. Of every text that was not seen before: the number of its shingles; a sketch, to tell
quickly that two documents are unlike; the keys of its bands; and the key of its body. Two documents with a common key
are compared. A key is 40 bits long: a partition (8 bits) and what tells keys within it apart (32 bits), packed with the
document's number into one row of 64 bits. By chance alone some pairs share a key; comparing them exactly removes them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from datasketch import MinHash
from numpy.typing import NDArray

from algstack.dedup.bands import Bands
from algstack.dedup.fingerprint import S0, S1, header_end
from algstack.dedup.kernel import (
    FOLD_FACTOR,
    LENGTH_FACTOR,
    U32,
    U64,
    ZERO,
    Scratch,
    lower_minima,
    new_scratch,
    next_shingles,
    token_end,
)
from algstack.dedup.texts import Texts
from algstack.dedup.vector import bit_count, folded_product, inlined, kernel

PARTITIONS = 256

LARGEST = 1 << 23
"""Shingles, repetitions included (about 60 MB of text), beyond which a document is only compared exactly."""

SKETCHED = 128
"""Signature values that a sketch holds two bits of."""


class Permutations(NamedTuple):
    """datasketch's permutations of its scheme `affine32`, filled up to a multiple of 8."""

    values: int
    factors: NDArray[np.uint32]
    summands: NDArray[np.uint32]


def permutations(values: int) -> Permutations:
    """Return the permutations that `datasketch.MinHash(values)` uses."""
    factors, summands = MinHash(values).permutations
    missing = -values % 8
    return Permutations(values, np.pad(factors, (0, missing), mode="edge"), np.pad(summands, (0, missing), mode="edge"))


class Keys(NamedTuple):
    """Rows to be spilled: the partition of each, and its key and document number in one."""

    partitions: NDArray[np.uint8]
    rows: NDArray[np.uint64]


class Digests(NamedTuple):
    """What is known of each text of a batch."""

    shingles: NDArray[np.uint32]  # (n,)
    sketches: NDArray[np.uint64]  # (n, 4)
    signatures: NDArray[np.uint32]  # (n, values) if they are wanted, else (0, values)
    bands: Keys
    bodies: Keys


class Digester:
    """Makes digests, for one thread."""

    def __init__(self, bands: Bands, keep_signatures: bool = False) -> None:
        self._bands = bands
        self._permutations = permutations(bands.values)
        self._scratch = new_scratch()
        self._signature = np.empty(len(self._permutations.factors), np.uint32)
        self._keep_signatures = keep_signatures

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
            np.zeros((count, SKETCHED // 32), np.uint64),
            np.empty((count if self._keep_signatures else 0, self._bands.values), np.uint32),
            _new_keys(most * self._bands.bands),
            _new_keys(most),
        )
        banded, bodied = _digest(
            texts.data, texts.offsets, first, wanted, salts,
            self._permutations.factors, self._permutations.summands, self._bands.bands, self._bands.rows,
            self._scratch, self._signature, digests.shingles, digests.sketches, digests.signatures,
            digests.bands, digests.bodies,
        )  # fmt: skip
        return digests._replace(bands=_first(digests.bands, banded), bodies=_first(digests.bodies, bodied))


def _new_keys(count: int) -> Keys:
    return Keys(np.empty(count, np.uint8), np.empty(count, np.uint64))


def _first(keys: Keys, count: int) -> Keys:
    return Keys(keys.partitions[:count], keys.rows[:count])


@inlined
def put_key(keys: Any, place: Any, key: Any, document: Any) -> None:
    """Write one row: the key's upper 8 bits, and its next 32 bits before the document's number."""
    keys.partitions[place] = np.uint8(key >> U64(56))
    keys.rows[place] = ((key << U64(8)) & U64(0xFFFFFFFF00000000)) | U64(document)


@kernel
def fingerprint_keys(fingerprints: Any, wanted: Any, first: Any, keys: Any) -> int:
    """Write one row for each wanted text, its key the fingerprint's first 40 bits; return how many there are."""
    count = 0
    for row in range(len(fingerprints)):
        if wanted[row]:
            put_key(keys, count, fingerprints[row, 0], first + row)
            count += 1
    return count


def keys_of_fingerprints(fingerprints: NDArray[np.uint64], wanted: NDArray[np.bool_], first: int) -> Keys:
    """Return one row for each wanted text."""
    keys = _new_keys(len(fingerprints))
    return _first(keys, fingerprint_keys(fingerprints, wanted, first, keys))


@inlined
def _sign(data: Any, begin: Any, end: Any, factors: Any, summands: Any, scratch: Any, signature: Any) -> Any:
    """Make the signature of one text; return the number of its shingles and the key of its body, 0 if it has none."""
    signature[:] = U32(0xFFFFFFFF)
    # Where the limit cuts a header within a token, that token goes with the header.
    body = token_end(data, header_end(data, begin, end), end)
    at, held, total, foreign, bodied = begin, 0, 0, 0, 0
    body_sum = ZERO
    while at < end:
        if at == body:
            foreign = held  # so many shingles yet begin in the header
        in_body = at >= body
        at, held, found = next_shingles(data, at, end if in_body else body, held, scratch)
        lower_minima(scratch, found, factors, summands, signature)
        total += found
        if in_body:
            skipped = min(foreign, found)
            foreign -= skipped
            bodied += found - skipped
            for i in range(skipped, found):
                body_sum += scratch.shingles[i]
    return total, folded_product(body_sum ^ S0, U64(bodied) ^ S1) if bodied else ZERO


@inlined
def _sketch(signature: Any, values: Any, sketch: Any) -> None:
    for i in range(min(values, SKETCHED)):
        sketch[i // 32] |= U64(signature[i] & U32(3)) << U64(2 * (i % 32))


@inlined
def band_key(signature: Any, band: Any, rows: Any, salt: Any) -> Any:
    """Hash the values of one band, with the band's number and the document's salt."""
    key = U64(band + 1) * LENGTH_FACTOR ^ salt
    for i in range(band * rows, (band + 1) * rows):
        key = folded_product(key ^ U64(signature[i]), FOLD_FACTOR) ^ (key << U64(7))
    return key


@kernel
def _digest(
    data: Any, offsets: Any, first: Any, wanted: Any, salts: Any, factors: Any, summands: Any, bands: Any, rows: Any,
    scratch: Scratch, signature: Any, shingles: Any, sketches: Any, signatures: Any, band_keys: Any, body_keys: Any,
) -> Any:  # fmt: skip
    banded, bodied = 0, 0
    for row in range(len(offsets) - 1):
        if not wanted[row]:
            continue
        total, body_key = _sign(data, offsets[row], offsets[row + 1], factors, summands, scratch, signature)
        if len(signatures):
            signatures[row] = signature[: bands * rows]
        shingles[row] = U32(min(total, 0xFFFFFFFF))
        if total == 0 or total > LARGEST:
            continue
        _sketch(signature, bands * rows, sketches[row])
        for band in range(bands):
            put_key(band_keys, banded, band_key(signature, band, rows, salts[row]), first + row)
            banded += 1
        if body_key:
            put_key(body_keys, bodied, folded_product(body_key ^ salts[row], FOLD_FACTOR), first + row)
            bodied += 1
    return banded, bodied


@inlined
def agreement(one: Any, other: Any) -> Any:
    """Return how many of two sketches' values agree in the two bits that are kept of each."""
    differing = 0
    for i in range(len(one)):
        bits = one[i] ^ other[i]
        differing += bit_count((bits | (bits >> U64(1))) & U64(0x5555555555555555))
    return SKETCHED - differing


def least_agreement(threshold: float, values: int) -> int:
    """Return the agreement of sketches that documents at the threshold fall short of once in a million times.

    Values of documents of similarity s agree with probability s, and by chance in their two bits with 1/4 of the rest.
    """
    used = min(values, SKETCHED)
    agreeing = threshold + (1 - threshold) / 4
    spread = (used * agreeing * (1 - agreeing)) ** 0.5
    return max(0, int(used * agreeing - 4.75 * spread)) + SKETCHED - used
