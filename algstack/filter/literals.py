"""Words without which a pattern does not match: where they are rare, most texts need no more than a look for them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from re import _constants as op  # type: ignore[attr-defined]
from re import _parser  # type: ignore[attr-defined]
from typing import Any

import numpy as np
from numpy.typing import NDArray

from algstack.texts import Bytes, Places
from algstack.vector import LANES, bytes_at, equal_mask, inlined, kernel, trailing_zeros

SHORTEST = 4
MOST = 6
"""Words that are looked for: more would take as long as an automaton."""

CASE = 0x20
"""A letter's case: it never counts here, which may let more texts pass, but never fewer."""

_FOLDED = frozenset("kKsS")
"""Letters that are the same as some beyond ASCII where case does not count."""

Words = frozenset[bytes]


def may_match(texts: Places, patterns: Sequence[str]) -> NDArray[np.bool_]:
    """Say of each text whether any of the patterns may match: surely none does where it is false."""
    words = _all_of(tuple(patterns))
    found = np.ones(len(texts.lengths), np.bool_)
    if words is not None:
        _look(texts.addresses, texts.lengths, *words, found)
    return found


@lru_cache(maxsize=1024)
def _all_of(patterns: tuple[str, ...]) -> tuple[Bytes, NDArray[np.int64]] | None:
    """Words of which each match of any pattern has one, a row each, and their lengths; None if there are no such."""
    wanted = [required(pattern) for pattern in patterns]
    words = sorted(frozenset().union(*wanted)) if all(wanted) else []
    if not words or len(words) > MOST or min(map(len, words)) < SHORTEST:
        return None
    lengths = np.array([len(word) for word in words], np.int64)
    rows = np.zeros((len(words), lengths.max()), np.uint8)
    for row, word in zip(rows, words, strict=True):
        row[: len(word)] = np.frombuffer(word, np.uint8) | CASE
    return rows, lengths


def required(pattern: str) -> Words:
    """Return words of which each match of a pattern, as a filter file has it, contains one; none if there are none."""
    try:
        parsed = _parser.parse(pattern.replace(r"\z", r"\Z"), re.ASCII)
    except re.error:
        return frozenset()
    return _required(parsed, parsed.state.flags)


def _required(parsed: Iterable[tuple[Any, Any]], flags: int) -> Words:
    found: list[Words] = []
    word = b""
    for kind, value in parsed:
        if kind is op.LITERAL and not (flags & re.IGNORECASE and chr(value) in _FOLDED):
            word += chr(value).encode()
        elif kind is not op.AT:
            found += [frozenset([word]), _inside(kind, value, flags)]
            word = b""
    found.append(frozenset([word]))
    return max(found, key=_worth)


def _worth(words: Words) -> tuple[bool, int, int]:
    """Few words are better than long ones, but none must be short."""
    shortest = min(map(len, words), default=0)
    return shortest >= SHORTEST, -len(words), shortest


def _inside(kind: Any, value: Any, flags: int) -> Words:
    if kind is op.SUBPATTERN:
        _, added, removed, inside = value
        return _required(inside, (flags | added) & ~removed)
    if kind is op.BRANCH:
        branches = [_required(branch, flags) for branch in value[1]]
        return frozenset().union(*branches) if all(branches) and all(map(all, branches)) else frozenset()
    if kind in (op.MAX_REPEAT, op.MIN_REPEAT) and value[0] > 0:
        return _required(value[2], flags)
    return frozenset()


@kernel
def _look(addresses: Any, lengths: Any, words: Any, word_lengths: Any, found: Any) -> None:
    for row in range(len(addresses)):
        data = bytes_at(addresses[row], lengths[row])
        found[row] = _has_any(data, words, word_lengths)


@inlined
def _has_any(data: Bytes, words: Any, word_lengths: Any) -> Any:
    at = 0
    while at + LANES + SHORTEST <= len(data):
        for word in range(len(words)):
            begins = equal_mask(data, at, words[word, 0], CASE) & equal_mask(data, at + 1, words[word, 1], CASE)
            begins &= equal_mask(data, at + 2, words[word, 2], CASE) & equal_mask(data, at + 3, words[word, 3], CASE)
            while begins:
                if _stands_at(data, at + trailing_zeros(begins), words, word, word_lengths[word]):
                    return True
                begins &= begins - np.uint64(1)
        at += LANES
    while at < len(data):
        for word in range(len(words)):
            if _stands_at(data, at, words, word, word_lengths[word]):
                return True
        at += 1
    return False


@inlined
def _stands_at(data: Bytes, at: Any, words: Any, word: Any, length: Any) -> Any:
    if at + length > len(data):
        return False
    k = 0
    while k < length and data[at + k] | CASE == words[word, k]:
        k += 1
    return k == length
