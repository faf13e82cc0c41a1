"""Which texts were seen before, so that a text's copies are not looked at again."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from algstack.dedup.kernel import U64, ZERO
from algstack.vector import kernel


class Seen:
    """Fingerprints in a table of bounded size. Any thread may ask.

    Once it is full, new texts are no longer remembered: their copies are digested again, which costs time and changes
    nothing.
    """

    BYTES = 64
    """Memory for each text to remember, in a table that is at most half full."""

    def __init__(self, texts: int) -> None:
        """Make a table for so many texts."""
        self._table = np.zeros((1 << max(8, (2 * texts - 1).bit_length()), 2), np.uint64)
        self._left = np.array([len(self._table) // 2], np.int64)
        self._lock = threading.Lock()

    def claim(self, fingerprints: NDArray[np.uint64], wanted: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return which of the wanted texts nobody has claimed before, and claim them.

        Args:
            fingerprints: (n, 2).
            wanted: (n,).
        """
        new = np.zeros(len(fingerprints), np.bool_)
        with self._lock:
            _claim(self._table, self._left, fingerprints, wanted, new)
        return new


@kernel
def _claim(table: Any, left: Any, fingerprints: Any, wanted: Any, new: Any) -> None:
    mask = U64(len(table) - 1)
    for row in range(len(fingerprints)):
        if not wanted[row]:
            continue
        one, two = fingerprints[row]
        place = two & mask
        while table[place, 1] != ZERO and (table[place, 0] != one or table[place, 1] != two):
            place = (place + U64(1)) & mask
        new[row] = table[place, 1] == ZERO
        if new[row] and left[0] > 0:
            table[place, 0], table[place, 1] = one, two
            left[0] -= 1
