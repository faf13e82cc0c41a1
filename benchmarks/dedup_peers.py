"""Peers of our deduplication, each as its users run it: a program for `benchmarks/dedup.py`, in a Python of theirs.

    python -m venv peers
    peers/bin/pip install rensa daft text-dedup 'datatrove[processing]' datasketch xxhash pyarrow
    peers/bin/python benchmarks/dedup_peers.py PEER signatures|end-to-end|quality PARQUET …

The last line that it prints is JSON. It imports nothing of algstack. All get 128 values and shingles of 5 words, except
datatrove, whose default is 14 bands of 8 values.
"""

from __future__ import annotations

import json
import re
import resource
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pyarrow.parquet as pq

VALUES, WORDS, THRESHOLD = 128, 5, 0.7
SLOW_BYTES = 20_000_000
"""Text from Parquet for a peer that needs minutes for the whole corpus."""

TOKEN = re.compile(r"\w+", re.ASCII)
TOKEN_BYTES = re.compile(rb"[0-9A-Za-z_\x80-\xff]+")

Signature = Any
Pairs = list[tuple[int, int]]


class Peer(NamedTuple):
    """What a peer does: texts to signatures, and these to pairs of a text that goes and the one that stays."""

    sign: Callable[[list[str]], list[Signature]]
    pairs: Callable[[list[Signature]], Pairs]
    is_slow: bool = True


def grams(text: str) -> list[bytes]:
    """Return the shingles of a text as bytes."""
    words = TOKEN_BYTES.findall(text.encode())
    return [b" ".join(words[i : i + WORDS]) for i in range(len(words) - WORDS + 1)]


def datasketch(hashfunc: Callable[[bytes], int] | None = None) -> Peer:
    """datasketch: by default with sha1."""
    from datasketch import MinHash, MinHashLSH

    options: dict[str, Any] = {"hashfunc": hashfunc} if hashfunc else {}

    def sign(texts: list[str]) -> list[Signature]:
        found = []
        for text in texts:
            minhash = MinHash(VALUES, **options)
            minhash.update_batch(grams(text))
            found.append(minhash)
        return found

    def pairs(signatures: list[Signature]) -> Pairs:
        return _one_by_one(MinHashLSH(THRESHOLD, VALUES), signatures, lambda index, key, one: index.insert(key, one))

    return Peer(sign, pairs)


def datasketch_xxh32() -> Peer:
    """datasketch with a fast hash."""
    import xxhash

    return datasketch(xxhash.xxh32_intdigest)


def rensa() -> Peer:
    """rensa, fed with real 5-grams."""
    from rensa import RMinHash, RMinHashLSH

    def sign(texts: list[str]) -> list[Signature]:
        found = []
        for text in texts:
            minhash = RMinHash(num_perm=VALUES, seed=42)
            minhash.update(grams(text))
            found.append(minhash)
        return found

    def pairs(signatures: list[Signature]) -> Pairs:
        index = RMinHashLSH(threshold=THRESHOLD, num_perm=VALUES, num_bands=16)
        alike: Pairs = []
        for key, one in enumerate(signatures):
            found = [other for other in index.query(one) if one.jaccard(signatures[other]) >= THRESHOLD]
            if found:
                alike.append((key, min(found)))
            else:
                index.insert(key, one)
        return alike

    return Peer(sign, pairs)


def daft() -> Peer:
    """daft's `minhash` on all cores, and bands grouped with numpy, since daft has no such function."""
    import daft as engine

    def sign(texts: list[str]) -> list[Signature]:
        frame = engine.from_pydict({"text": texts})
        hashes = frame.select(frame["text"].minhash(num_hashes=VALUES, ngram_size=WORDS)).to_arrow().column(0)
        return list(hashes.combine_chunks().flatten().to_numpy().reshape(len(texts), VALUES))

    return Peer(sign, lambda signatures: _by_bands(signatures, 14, 9), is_slow=False)


def text_dedup() -> Peer:
    """text-dedup's own kernels, in one process."""
    import numpy as np
    from text_dedup.minhash import SIGNATURE_COLUMN, embed_func
    from text_dedup.utils import optimal_param, sha1_hash

    bands, rows = optimal_param(THRESHOLD, VALUES)
    dice = np.random.RandomState(42)
    prime = np.uint64((1 << 61) - 1)
    permutations = (
        dice.randint(1, prime, VALUES, dtype=np.uint64),
        dice.randint(0, prime, VALUES, dtype=np.uint64),
    )

    def sign(texts: list[str]) -> list[Signature]:
        return [
            embed_func(
                text, 0, num_perm=VALUES, ngram_size=WORDS, min_length=WORDS,
                hashranges=[(i * rows, (i + 1) * rows) for i in range(bands)], permutations=permutations,
                hash_func=lambda token: sha1_hash(token, d=32), dtype=np.uint64, max_hash=np.uint32((1 << 32) - 1),
                modulo_prime=prime,
            )[SIGNATURE_COLUMN]
            for text in texts
        ]  # fmt: skip

    return Peer(sign, _clusters)


def datatrove() -> Peer:
    """datatrove's signatures with its default tokenizer, in one process."""
    from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupSignature

    step = MinhashDedupSignature("signatures", MinhashConfig())

    def sign(texts: list[str]) -> list[Signature]:
        return [[tuple(band) for band in step.get_signature(step.get_shingles(text))] for text in texts]

    return Peer(sign, _clusters)


def _one_by_one(index: Any, signatures: list[Signature], insert: Callable[[Any, int, Signature], None]) -> Pairs:
    """Ask an index for each document before it is put there: the first found stays."""
    alike: Pairs = []
    for key, one in enumerate(signatures):
        found = index.query(one)
        if found:
            alike.append((key, min(found)))
        else:
            insert(index, key, one)
    return alike


def _by_bands(signatures: list[Signature], bands: int, rows: int) -> Pairs:
    import numpy as np

    matrix = np.ascontiguousarray(np.stack(signatures)[:, : bands * rows])
    return _clusters([[row[i * rows : (i + 1) * rows].tobytes() for i in range(bands)] for row in matrix])


def _clusters(signatures: list[Signature]) -> Pairs:
    """Join all that share a band; all but the first of a cluster go, as these tools do it."""
    roots = list(range(len(signatures)))

    def root(one: int) -> int:
        while roots[one] != one:
            roots[one] = roots[roots[one]]
            one = roots[one]
        return one

    first: dict[tuple[int, Any], int] = {}
    for key, bands in enumerate(signatures):
        for number, band in enumerate(bands):
            one, other = root(first.setdefault((number, band), key)), root(key)
            roots[max(one, other)] = min(one, other)
    return [(key, root(key)) for key in range(len(signatures)) if root(key) != key]


PEERS = {
    "daft": daft,
    "datasketch": datasketch,
    "datasketch-xxh32": datasketch_xxh32,
    "datatrove": datatrove,
    "rensa": rensa,
    "text-dedup": text_dedup,
}


def read(path: str, most: float = float("inf")) -> Iterator[tuple[list[str], list[str]]]:
    """Yield ids and texts, row groups from all over the file, up to so many bytes."""
    file = pq.ParquetFile(path)
    step = 1 if most == float("inf") else max(1, file.num_row_groups // 8)
    left = most
    for group in range(0, file.num_row_groups, step):
        table = file.read_row_group(group, columns=["id", "text"])
        names, texts = table["id"].to_pylist(), table["text"].to_pylist()
        share, end = left if most == float("inf") else most / 8, 0
        while end < len(texts) and share > 0:
            share -= len(texts[end].encode())
            end += 1
        yield names[:end], texts[:end]


def signatures(peer: Peer, path: str, most: str) -> dict[str, Any]:
    """Measure text in memory to signatures."""
    texts = [text for _, found in read(path, float(most)) for text in found]
    size = sum(len(text.encode()) for text in texts)
    peer.sign(texts[:20])
    start = time.perf_counter()
    peer.sign(texts)
    seconds = time.perf_counter() - start
    return {"mbps": size / seconds / 1e6, "dps": len(texts) / seconds}


def end_to_end(peer: Peer, path: str, workers: str) -> dict[str, Any]:
    """Measure Parquet to pairs; a slow peer gets a part of the corpus."""
    start, size = time.perf_counter(), 0
    signed: list[Signature] = []
    for _, texts in read(path, SLOW_BYTES if peer.is_slow else float("inf")):
        size += sum(len(text.encode()) for text in texts)
        signed += peer.sign(texts)
    removed = len(peer.pairs(signed))
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {"seconds": seconds, "mbps": size / seconds / 1e6, "bytes": size, "removed": removed, "peak_gib": peak}


def quality(peer: Peer, path: str) -> dict[str, Any]:
    """Return what a peer removes of all documents, and for which."""
    names: list[str] = []
    signed: list[Signature] = []
    for found, texts in read(path):
        names += found
        signed += peer.sign(texts)
    pairs = peer.pairs(signed)
    return {"removed": [names[one] for one, _ in pairs], "pairs": [[names[one], names[other]] for one, other in pairs]}


TASKS: dict[str, Callable[..., dict[str, Any]]] = {
    "end-to-end": end_to_end,
    "quality": quality,
    "signatures": signatures,
}

if __name__ == "__main__":
    name, task, *arguments = sys.argv[1:]
    print(json.dumps(TASKS[task](PEERS[name](), *arguments)))
