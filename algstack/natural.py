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
from algstack.texts import Bytes, Texts, places
from algstack.vector import bytes_at


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
    return pl.Series("language", _languages(*places(texts)[:2]), pl.String)


def languages(texts: Texts) -> list[str]:
    """The same of texts that are not Polars' yet."""
    begins = texts.data.ctypes.data + texts.offsets[:-1]
    return _languages(begins.astype(np.uint64), np.diff(texts.offsets))


def _languages(addresses: NDArray[np.uint64], lengths: NDArray[np.int64]) -> list[str]:
    model, names = _load()
    best = np.zeros(len(lengths), np.int64)
    _classify(addresses, lengths, *model, best)
    return [names[number] for number in best]


LANES = 8
"""Places of a text that are walked at a time: a step waits for memory, and eight wait together."""


@njit(cache=True, nogil=True)
def _classify(
    addresses: Any, lengths: Any, moves: Any, starts: Any, features: Any, weights: Any, priors: Any, best: Any
) -> None:
    depth = _depth(moves)
    visits = np.zeros(len(starts) - 1, np.int64)
    counts = np.zeros(len(weights), np.int64)
    scores = np.zeros(len(priors), np.float64)
    for row in range(len(addresses)):
        visits[:] = 0
        counts[:] = 0
        _visit(bytes_at(addresses[row], lengths[row]), moves, depth, visits)
        for reached in range(len(visits)):
            if visits[reached]:
                for k in range(starts[reached], starts[reached + 1]):
                    counts[features[k]] += visits[reached]
        scores[:] = priors
        for feature in range(len(counts)):
            if counts[feature]:
                _add(scores, float(counts[feature]), weights[feature])
        best[row] = np.argmax(scores)


@njit(cache=True, nogil=True)
def _add(scores: Any, count: float, weights: Any) -> None:
    for language in range(np.uint64(len(scores))):  # indices without a sign are not asked for theirs
        scores[language] += count * weights[language]


@njit(cache=True, nogil=True)
def _depth(moves: Any) -> int:
    """Return how many bytes the automaton remembers: the length of its longest feature."""
    steps = np.full(len(moves) >> 8, -1, np.int64)
    steps[0] = 0
    queue = np.zeros(len(steps), np.int64)
    taken, left = 0, 1
    while taken < left:
        state = queue[taken]
        taken += 1
        for following in moves[state << 8 : (state + 1) << 8]:
            if steps[following] < 0:
                steps[following] = steps[state] + 1
                queue[left] = following
                left += 1
    return int(steps.max())


@njit(cache=True, nogil=True)
def _visit(data: Bytes, moves: Any, depth: int, visits: Any) -> None:
    """Count how often each state is entered on the way through a text.

    The text is cut into LANES stretches; each begins in the state that the few bytes before it lead to.
    """
    length = len(data) // LANES
    if length <= depth:
        _walk(data, 0, 0, moves, visits)
        return
    states = np.zeros(LANES, np.uint64)
    for lane in range(1, LANES):
        states[lane] = _state_at(data, lane * length, moves, depth)
    _walk_lanes(data, length, states, moves, visits)
    _walk(data, LANES * length, states[-1], moves, visits)


@njit(cache=True, nogil=True)
def _walk_lanes(data: Bytes, length: int, states: Any, moves: Any, visits: Any) -> None:
    a, b, c, d = states[0], states[1], states[2], states[3]
    e, f, g, h = states[4], states[5], states[6], states[7]
    byte, stretch = np.uint64(8), np.uint64(length)
    for i in range(stretch):
        a = np.uint64(moves[(a << byte) + np.uint64(data[i])])
        b = np.uint64(moves[(b << byte) + np.uint64(data[i + stretch])])
        c = np.uint64(moves[(c << byte) + np.uint64(data[i + np.uint64(2) * stretch])])
        d = np.uint64(moves[(d << byte) + np.uint64(data[i + np.uint64(3) * stretch])])
        e = np.uint64(moves[(e << byte) + np.uint64(data[i + np.uint64(4) * stretch])])
        f = np.uint64(moves[(f << byte) + np.uint64(data[i + np.uint64(5) * stretch])])
        g = np.uint64(moves[(g << byte) + np.uint64(data[i + np.uint64(6) * stretch])])
        h = np.uint64(moves[(h << byte) + np.uint64(data[i + np.uint64(7) * stretch])])
        visits[a] += 1
        visits[b] += 1
        visits[c] += 1
        visits[d] += 1
        visits[e] += 1
        visits[f] += 1
        visits[g] += 1
        visits[h] += 1
    states[-1] = h


@njit(cache=True, nogil=True)
def _walk(data: Bytes, begin: int, state: int, moves: Any, visits: Any) -> None:
    for i in range(begin, len(data)):
        state = moves[(np.int64(state) << 8) + data[i]]
        visits[state] += 1


@njit(cache=True, nogil=True)
def _state_at(data: Bytes, at: int, moves: Any, depth: int) -> int:
    """The state after the bytes before a place: it depends on the last `depth` of them only."""
    state = 0
    for i in range(at - depth, at):
        state = moves[(state << 8) + data[i]]
    return state
