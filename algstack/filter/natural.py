"""Which natural language a text is in, as langid.py (Lui and Baldwin, 2012) says, in a numba kernel.

The model is that of the package `langid`, which AlgebraicStack used; the walk through its automaton is compiled.
"""

from __future__ import annotations

from contextlib import suppress
from functools import lru_cache
from importlib.metadata import version
from typing import Any, NamedTuple
from zipfile import BadZipFile

import numpy as np
import polars as pl
from numba import njit
from numpy.typing import NDArray

from algstack.data import cache_folder
from algstack.dataset import written_atomically
from algstack.errors import AlgstackError
from algstack.filter.scan import Bytes, as_texts


class _Model(NamedTuple):
    """A naive Bayes model over features that an automaton on bytes finds.

    `moves[state * 256 + byte]` is the next state; state s counts for the features `features[starts[s]:starts[s + 1]]`;
    a text's score of language c is the sum of `weights[feature, c]` over its features, and `priors[c]`.
    """

    moves: NDArray[np.uint16]
    starts: NDArray[np.int64]
    features: NDArray[np.int64]
    weights: NDArray[np.float64]
    priors: NDArray[np.float64]


@lru_cache(maxsize=1)
def _load() -> tuple[_Model, list[str]]:
    """Return the model and the names of its languages, from the user's cache if they are there."""
    path = cache_folder() / f"langid-{version('langid')}.npz"
    try:
        with np.load(path, allow_pickle=False) as stored:
            return _Model(*(stored[name] for name in _Model._fields)), stored["names"].tolist()
    except (OSError, ValueError, KeyError, BadZipFile):
        model, names = _unpack()
    with suppress(OSError, AlgstackError), written_atomically(path) as temporary, temporary.open("wb") as file:
        np.savez(file, names=np.array(names), **model._asdict())
    return model, names


def _unpack() -> tuple[_Model, list[str]]:
    """Unpack the model as the package brings it; this takes seconds."""
    from langid.langid import LanguageIdentifier, model

    packed = LanguageIdentifier.from_modelstring(model)
    moves = np.frombuffer(packed.tk_nextmove, np.uint16)
    outputs = [packed.tk_output.get(state, ()) for state in range(len(moves) // 256)]
    starts = np.concatenate([[0], np.cumsum([len(output) for output in outputs])]).astype(np.int64)
    features = np.array([feature for output in outputs for feature in output], np.int64)
    weights = np.ascontiguousarray(packed.nb_ptc, np.float64)
    return _Model(moves, starts, features, weights, packed.nb_pc.astype(np.float64)), list(packed.nb_classes)


def identify(texts: pl.Series) -> pl.Series:
    """Return the ISO 639-1 code of each text's most probable language."""
    model, names = _load()
    data, offsets = as_texts(texts)
    best = np.zeros(len(texts), np.int64)
    _classify(data, offsets, *model, best)
    return pl.Series("language", [names[number] for number in best], pl.String)


@njit(cache=True, nogil=True)
def _classify(
    data: Bytes, offsets: Any, moves: Any, starts: Any, features: Any, weights: Any, priors: Any, best: Any
) -> None:
    visits = np.zeros(len(starts) - 1, np.int64)
    counts = np.zeros(len(weights), np.float64)
    for row in range(len(offsets) - 1):
        visits[:] = 0
        counts[:] = 0.0
        state = 0
        for i in range(offsets[row], offsets[row + 1]):
            state = moves[(state << 8) + data[i]]
            visits[state] += 1
        for reached in range(len(visits)):
            if visits[reached]:
                for k in range(starts[reached], starts[reached + 1]):
                    counts[features[k]] += visits[reached]
        scores = priors.copy()
        for feature in range(len(counts)):
            if counts[feature]:
                scores += counts[feature] * weights[feature]
        best[row] = np.argmax(scores)
