"""What a run is asked for, what it keeps of every document in memory, and what it answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from algstack.dedup.bands import RECALL, Bands, choose
from algstack.dedup.digest import SKETCH_WORDS
from algstack.dedup.keepers import EXACT, NEAR, ORDER, SAME_BODY, Criterion

MEMORY = 4 << 30
"""Bytes that a run may use, unless it is told otherwise."""

PROCESS = 300 << 20
"""Bytes that Python and its libraries take."""

STATE_BYTES = 100
"""What every document takes in memory: its state, and what says where it belongs."""

RULES = (EXACT, SAME_BODY, NEAR)


@dataclass(frozen=True)
class Settings:
    """What is a duplicate, and what may be used to find it."""

    threshold: float = 0.7
    recall: float = RECALL
    order: Sequence[Criterion] = ORDER
    within: str | None = None  # the column that two duplicates must agree in
    components: bool = False  # whether to look for connected components, too
    memory: int = MEMORY
    workers: int = 1

    @property
    def bands(self) -> Bands:
        """How signatures are cut."""
        return choose(self.threshold, self.recall)


def room(memory: int, documents: int) -> int:
    """Return the bytes that may be shared out, beside what Python and so many documents take: an eighth at least."""
    return max(memory - PROCESS - STATE_BYTES * documents, memory // 8)


class Drops(NamedTuple):
    """The dropped documents by number, ascending; rules are indices of RULES."""

    documents: NDArray[np.uint32]
    keepers: NDArray[np.uint32]
    rules: NDArray[np.uint8]
    similarities: NDArray[np.float64]


@dataclass
class State:
    """What is kept of every document in memory, by its number: 69 bytes, and 8 more beside an earlier release."""

    fingerprints: NDArray[np.uint64]  # (n, 2)
    sketches: NDArray[np.uint64]  # (n, 4)
    shingles: NDArray[np.uint32]  # how many, repetitions included
    body_sizes: NDArray[np.uint32]  # how many of them, the last ones, are of the body
    starts: NDArray[np.int64]  # where they lie in the arena, -1 if they do not
    labels: NDArray[np.uint32]  # the document that stands for all with its text
    signed: NDArray[np.bool_]  # whether it has a sketch and keys of its own
    known: NDArray[np.int64]  # the document of an earlier release with the same original bytes, else -1
    frozen: int  # documents before this number are an earlier release's

    @classmethod
    def of(cls, count: int, frozen: int = 0) -> State:
        """Return the state of so many documents of which nothing is known yet."""
        return cls(
            np.zeros((count, 2), np.uint64),
            np.zeros((count, SKETCH_WORDS), np.uint64),
            np.zeros(count, np.uint32),
            np.zeros(count, np.uint32),
            np.full(count, -1, np.int64),
            np.arange(count, dtype=np.uint32),
            np.zeros(count, np.bool_),
            np.full(count if frozen else 0, -1, np.int64),
            frozen,
        )
