"""How a signature is cut into bands, so that similar documents share one: chosen for recall.

Two documents of Jaccard similarity s agree in a signature value with probability s, in all `rows` values of a band with
s^rows, and so share at least one of `bands` bands with 1 - (1 - s^rows)^bands (Leskovec, Rajaraman, Ullman: Mining of
Massive Datasets, section 3.4). Too many candidates cost time, not truth: each pair is verified exactly afterwards.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

from algstack.errors import AlgstackError

RECALL = 0.99
"""Share of the pairs just at the threshold that share a band, by default."""

VALUES = 136
"""Signature values to spend where the recall allows it: the more rows a band has, the fewer false candidates."""


class Bands(NamedTuple):
    """A signature of `bands * rows` values, cut into `bands` bands of `rows` values each."""

    bands: int
    rows: int

    @property
    def values(self) -> int:
        """Length of a signature."""
        return self.bands * self.rows

    def recall(self, similarity: float) -> float:
        """Return the probability that two documents of this similarity share a band."""
        return 1 - (1 - similarity**self.rows) ** self.bands


def choose(threshold: float, recall: float = RECALL, values: int = VALUES) -> Bands:
    """Return the bands of most rows that reach the recall at the threshold with that many values.

    Where even one row a band needs more values, one row and as many bands as are needed.

    Args:
        threshold: least Jaccard similarity of near-duplicates, in (0, 1].
        recall: wanted share of the pairs at the threshold, in (0, 1).
        values: length of a signature that is not to be exceeded.

    Raises:
        AlgstackError: the threshold or the recall is out of its range.
    """
    check_threshold(threshold)
    if not 0 < recall < 1:
        raise AlgstackError(
            f"The recall must lie in (0, 1), not {recall:g}. 0.99 finds 99 of 100 pairs at the threshold."
        )
    for rows in range(values, 0, -1):
        bands = _bands_needed(threshold, rows, recall)
        if bands * rows <= values:
            return Bands(bands, rows)
    return Bands(_bands_needed(threshold, 1, recall), 1)


def check_threshold(threshold: float) -> None:
    """Raise AlgstackError unless a threshold lies in (0, 1]."""
    if not 0 < threshold <= 1:
        raise AlgstackError(
            f"The threshold must lie in (0, 1], not {threshold:g}. It is a Jaccard similarity; 0.7 is usual for code."
        )


def _bands_needed(threshold: float, rows: int, recall: float) -> int:
    shared = threshold**rows
    if shared >= 1:
        return 1
    if shared < 1e-12:
        return 1 << 40  # more than anyone has
    return max(1, math.ceil(math.log1p(-recall) / math.log1p(-shared)))


def explain(bands: Bands, threshold: float) -> Iterator[str]:
    """Yield the choice and its curve in words and numbers, one line each."""
    yield (
        f"{bands.values} values in {bands.bands} bands of {bands.rows} rows: "
        f"{bands.recall(threshold):.4f} of the pairs at similarity {threshold:g} become candidates."
    )
    yield "similarity  share of pairs that become candidates (each is then verified exactly)"
    for step in range(1, 21):
        similarity = step / 20
        share = bands.recall(similarity)
        mark = "  <- threshold" if abs(similarity - threshold) < 1e-9 else ""
        yield f"      {similarity:.2f}  {share:.6f} {'#' * round(40 * share)}{mark}"
