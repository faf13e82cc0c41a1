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
"""The longest signature, where that is enough for the recall."""

FEWEST = 2
"""datasketch's index takes no fewer bands."""

FALSE_CANDIDATES = 1500
"""What false candidates cost, in signature values: a factor for the area under the curve below the threshold.

Measured on source code: fewer values are faster until sketches have to tell too many candidates apart."""


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
    """Return the cheapest bands that reach the recall at the threshold.

    Args:
        threshold: least Jaccard similarity of near-duplicates, in (0, 1].
        recall: wanted share of the pairs at the threshold, in (0, 1).
        values: length of a signature, not exceeded unless even bands of one row need more.

    Raises:
        AlgstackError: the threshold or the recall is out of its range.
    """
    check_threshold(threshold)
    if not 0 < recall < 1:
        raise AlgstackError(
            f"The recall must lie in (0, 1), not {recall:g}. 0.99 finds 99 of 100 pairs at the threshold."
        )
    possible = [Bands(_bands_needed(threshold, rows, recall), rows) for rows in range(1, values + 1)]
    affordable = [bands for bands in possible if bands.values <= values]
    return min(affordable or possible[:1], key=lambda bands: _cost(bands, threshold))


def _cost(bands: Bands, threshold: float) -> float:
    steps = 200
    area = sum(bands.recall((step + 0.5) / steps * threshold) for step in range(steps)) * threshold / steps
    return bands.values + FALSE_CANDIDATES * area


def check_threshold(threshold: float) -> None:
    """Raise AlgstackError unless a threshold lies in (0, 1]."""
    if not 0 < threshold <= 1:
        raise AlgstackError(
            f"The threshold must lie in (0, 1], not {threshold:g}. It is a Jaccard similarity; 0.7 is usual for code."
        )


def _bands_needed(threshold: float, rows: int, recall: float) -> int:
    shared = threshold**rows
    if shared >= 1:
        return FEWEST
    if shared < 1e-12:
        return 1 << 40  # more than anyone has
    return max(FEWEST, math.ceil(math.log1p(-recall) / math.log1p(-shared)))


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
