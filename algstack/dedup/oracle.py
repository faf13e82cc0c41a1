"""The plain engine: datasketch's own `MinHash` and `MinHashLSH`, one document at a time.

Small, slow and in memory. The fast engine is tested against it: on the same documents both give the same drops.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from datasketch import MinHash, MinHashLSH
from numpy.typing import NDArray

from algstack.dedup import bands
from algstack.dedup.bodies import body_shingles
from algstack.dedup.keepers import DROPS, EXACT, NEAR, ORDER, SAME_BODY, Criterion, in_keeper_order
from algstack.dedup.shingles import jaccard, shingle_set, signature_hashes


def deduplicate(
    documents: pl.DataFrame | pa.Table, threshold: float = 0.7, order: Sequence[Criterion] = ORDER
) -> pa.Table:
    """Return the documents to drop, as DROPS.

    Args:
        documents: columns `id` and `text`, and, where they are known, `license`, `stars` and `created_at`. A null text
            is no text: such documents are kept.
        threshold: least Jaccard similarity of near-duplicates, in (0, 1].
        order: what makes a document the one to keep.

    Raises:
        AlgstackError: two documents share an id, or the threshold is out of its range.
    """
    frame = documents if isinstance(documents, pl.DataFrame) else pl.from_arrow(documents)
    assert isinstance(frame, pl.DataFrame)
    kept = _Kept(threshold)
    dropped = [
        drop
        for name, text in in_keeper_order(frame, order).select("id", "text").iter_rows()
        if text is not None and (drop := kept.decide(name, text.encode())) is not None
    ]
    return pa.Table.from_pylist(sorted(dropped, key=lambda drop: drop["id"]), schema=DROPS)


@dataclass(frozen=True)
class _Fate:
    """What became of a text: the document it was kept as, or why its copies go."""

    keeper: str
    rule: str = EXACT
    similarity: float = 1.0


@dataclass
class _Kept:
    """The documents kept so far, and where to find one like another."""

    threshold: float
    fates: dict[bytes, _Fate] = field(default_factory=dict)  # by the sha256 of a text
    bodies: dict[bytes, str] = field(default_factory=dict)  # by the sha256 of a body's shingles
    shingles: dict[str, NDArray[np.uint64]] = field(default_factory=dict)
    order: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.cut = bands.choose(self.threshold)
        self.lsh = MinHashLSH(num_perm=self.cut.values, params=(self.cut.bands, self.cut.rows))

    def decide(self, name: str, text: bytes) -> dict[str, Any] | None:
        """Keep a document, or return its row of DROPS. Documents must come in keeper order."""
        key = _sha256(text.replace(b"\r\n", b"\n").replace(b"\r", b"\n"))
        known = key in self.fates
        if not known:
            self.fates[key] = self._find_or_keep(name, text)
        fate = self.fates[key]
        if fate.keeper == name:
            return None
        return {"id": name, "rule": fate.rule, "keeper": fate.keeper, "similarity": fate.similarity}

    def _find_or_keep(self, name: str, text: bytes) -> _Fate:
        shingles = shingle_set(text)
        if not len(shingles):
            return _Fate(name)
        signature = MinHash(self.cut.values, hashfunc=int)
        signature.update_batch(signature_hashes(shingles))
        body = body_shingles(text)
        body_key = _sha256(body.tobytes()) if len(body) else None
        same_body = self.bodies.get(body_key) if body_key else None
        for candidate in sorted({*self.lsh.query(signature), *filter(None, [same_body])}, key=self.order.__getitem__):
            similarity = jaccard(shingles, self.shingles[candidate])
            if candidate == same_body or similarity >= self.threshold:
                return _Fate(candidate, SAME_BODY if candidate == same_body else NEAR, similarity)
        self.lsh.insert(name, signature)
        self.shingles[name] = shingles
        self.order[name] = len(self.order)
        if body_key:
            self.bodies[body_key] = name
        return _Fate(name)


def _sha256(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()
