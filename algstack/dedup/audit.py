"""An audit: how much a deduplication found, by comparing a sample of documents with all others, exactly.

Every pair of a sampled document and any other whose texts differ is compared; those at or above the threshold are what
should have been found. A pair is resolved if not both are kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from algstack.dedup.fast import Deduplication
from algstack.dedup.kernel import U64, new_scratch
from algstack.dedup.parts import chosen_rows
from algstack.dedup.state import RULES
from algstack.dedup.texts import as_texts
from algstack.dedup.verify import read_hashes, table_size
from algstack.vector import kernel


class Share(NamedTuple):
    """A share of what was looked at, with its 95 % confidence interval (Wilson's)."""

    found: int
    of: int

    @property
    def value(self) -> float:
        """The share; 1 of nothing."""
        return self.found / self.of if self.of else 1.0

    @property
    def interval(self) -> tuple[float, float]:
        """Lower and upper bound."""
        if not self.of:
            return 0.0, 1.0
        z = 1.959964
        centre = self.value + z * z / (2 * self.of)
        spread = z * (self.value * (1 - self.value) / self.of + z * z / (4 * self.of**2)) ** 0.5
        scale = 1 + z * z / self.of
        return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.value:.4f} ({self.found} of {self.of}; 95 % interval {low:.4f}-{high:.4f})"


@dataclass(frozen=True)
class Audit:
    """What was found. `recall` counts pairs that are resolved; `precision` sampled drops whose keeper is alike."""

    documents: int
    sampled: int
    recall: Share
    near_threshold: Share  # of the pairs less than 0.05 above the threshold
    precision: Share

    def in_words(self) -> Iterator[str]:
        """Yield the audit in lines for people."""
        yield f"{self.sampled} of {self.documents} documents compared with all others, exactly."
        yield f"recall of pairs      {self.recall}"
        yield f"  near the threshold {self.near_threshold}"
        yield f"precision of drops   {self.precision}"

    def as_json(self) -> dict[str, Any]:
        """The audit as JSON values."""
        shares = {"recall": self.recall, "near_threshold": self.near_threshold, "precision": self.precision}
        return {
            "documents": self.documents,
            "sampled": self.sampled,
            **{
                name: {"found": share.found, "of": share.of, "value": share.value, "interval": list(share.interval)}
                for name, share in shares.items()
            },
        }


def audit(run: Deduplication, sample: int, seed: int = 0) -> Audit:
    """Audit a run that has been done.

    Args:
        run: the deduplication, in memory.
        sample: documents to sample, among those whose text is not a copy of another's.
        seed: of the choice.
    """
    sampled = _sample(run, sample, seed)
    pairs = _alike(run, sampled)
    kept = np.ones(len(run.numbering), np.bool_)
    kept[run.drops.documents] = False
    labels = run.state.labels
    # A text is kept if one of the documents that have it is.
    text_kept = np.zeros(len(kept), np.bool_)
    text_kept[labels[kept]] = True
    resolved = np.array([not (text_kept[one] and text_kept[other]) for one, other, _ in pairs], np.bool_)
    close = np.array([similarity < run.settings.threshold + 0.05 for _, _, similarity in pairs], np.bool_)
    return Audit(
        documents=len(run.numbering),
        sampled=len(sampled),
        recall=Share(int(resolved.sum()), len(pairs)),
        near_threshold=Share(int((resolved & close).sum()), int(close.sum())),
        precision=_precision(run, sampled, pairs),
    )


def _sample(run: Deduplication, sample: int, seed: int) -> NDArray[np.uint32]:
    state = run.state
    texts = np.flatnonzero((state.labels == np.arange(len(state.labels))) & (state.shingles > 0) & state.signed)
    texts = texts[texts >= state.frozen]
    dice = np.random.default_rng(seed)
    return np.sort(dice.choice(texts, min(sample, len(texts)), replace=False)).astype(np.uint32)


def _precision(run: Deduplication, sampled: NDArray[np.uint32], pairs: list[tuple[int, int, float]]) -> Share:
    """Count the sampled near-duplicates whose keeper the exact comparison finds at the similarity that was given."""
    exact = {(one, other): similarity for one, other, similarity in pairs}
    exact |= {(other, one): similarity for one, other, similarity in pairs}
    labels, chosen = run.state.labels, set(sampled.tolist())
    right = total = 0
    for document, keeper, rule, similarity in zip(*(column.tolist() for column in run.drops), strict=True):
        one, other = int(labels[document]), int(labels[keeper])
        if RULES[rule] != "near-duplicate" or document not in chosen or other < run.state.frozen:
            continue
        total += 1
        right += exact.get((one, other)) == similarity
    return Share(right, total)


def _alike(run: Deduplication, sampled: NDArray[np.uint32]) -> list[tuple[int, int, float]]:
    """Return all pairs of a sampled text and another at or above the threshold: their numbers and similarity."""
    state, chosen = run.state, set(sampled.tolist())
    others = np.flatnonzero((state.labels == np.arange(len(state.labels))) & (state.shingles > 0) & state.signed)
    postings = _postings(run, sampled)
    found: list[tuple[int, int, float]] = []
    for document, similarities in _compared(run, others[others >= state.frozen].astype(np.uint32), postings):
        for place in np.flatnonzero(similarities >= run.settings.threshold).tolist():
            one = int(sampled[place])
            if one < document or (one != document and document not in chosen):
                found.append((one, document, float(similarities[place])))
    return found


class _Postings(NamedTuple):
    """Which sampled documents have a shingle: `owners[starts[i]:starts[i + 1]]` have the i-th distinct hash."""

    table: NDArray[np.int64]  # places of hashes by their low bits, -1 where there is none
    hashes: NDArray[np.uint64]
    starts: NDArray[np.int64]
    owners: NDArray[np.int64]
    sizes: NDArray[np.int64]  # distinct shingles of each sampled document


def _postings(run: Deduplication, sampled: NDArray[np.uint32]) -> _Postings:
    sets = [np.unique(hashes) for _, hashes in _texts(run, sampled)]
    sizes = np.array([len(one) for one in sets], np.int64)
    everything = np.concatenate([np.zeros(0, np.uint64), *sets])
    owners = np.repeat(np.arange(len(sets)), sizes)
    order = np.argsort(everything, kind="stable")
    hashes, starts = np.unique(everything[order], return_index=True)
    table = np.full(table_size(len(hashes)), -1, np.int64)
    _enter(table, hashes)
    return _Postings(table, hashes, np.append(starts, len(everything)), owners[order], sizes)


def _texts(run: Deduplication, documents: NDArray[np.uint32]) -> Iterator[tuple[int, NDArray[np.uint64]]]:
    """Yield the number and the shingle hashes, with repetitions, of ascending documents."""
    scratch = new_scratch()
    for part in run.new:
        start = int(run.numbering.starts[part])
        for first, rows, batch in chosen_rows(run.parts[part], run.numbering.within(part, documents), ["text"]):
            texts = as_texts(batch.column(0))
            for row in rows.tolist():
                hashes = np.empty(int(run.state.shingles[start + first + row]), np.uint64)
                read_hashes(texts.data, texts.offsets[row : row + 2], _FIRST, scratch, _AT_THE_START, hashes)
                yield start + first + row, hashes


_FIRST, _AT_THE_START = np.zeros(1, np.int64), np.full(1, -1, np.int64)


def _compared(
    run: Deduplication, others: NDArray[np.uint32], postings: _Postings
) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """Yield each document and its exact similarity to every sampled one."""
    for document, hashes in _texts(run, others):
        distinct = np.unique(hashes)
        common = np.zeros(len(postings.sizes), np.int64)
        _count(postings, distinct, common)
        yield document, common / (postings.sizes + len(distinct) - common)


@kernel
def _enter(table: Any, hashes: Any) -> None:
    mask = U64(len(table) - 1)
    for i in range(len(hashes)):
        place = hashes[i] & mask
        while table[place] >= 0:
            place = (place + U64(1)) & mask
        table[place] = i


@kernel
def _count(postings: _Postings, distinct: Any, common: Any) -> None:
    """Add up how many of a document's distinct shingles each sampled document has."""
    mask = U64(len(postings.table) - 1)
    for value in distinct:
        place = value & mask
        while postings.table[place] >= 0 and postings.hashes[postings.table[place]] != value:
            place = (place + U64(1)) & mask
        found = postings.table[place]
        if found >= 0:
            for i in range(postings.starts[found], postings.starts[found + 1]):
                common[postings.owners[i]] += 1
