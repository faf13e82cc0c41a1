"""Program text with its comments and strings made blank, so that plain patterns find only code."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import NamedTuple

STRING = '"'
"""What each character of a masked string is: no blank, and in no keyword."""


class Masked(NamedTuple):
    """A text with comments made blank and strings made opaque; of the same length, with the same lines.

    `comments` are the spans of the comments, `strings` those of the strings, and `is_whole` says whether each has an
    end.
    """

    text: str
    comments: list[tuple[int, int]]
    strings: list[tuple[int, int]]
    is_whole: bool


def mask(text: str, opener: re.Pattern[str], blocks: Mapping[str, re.Pattern[str]]) -> Masked:
    """Mask a text.

    Args:
        text: the program.
        opener: finds the next comment or string. Its named group says what it is: `line` and `string` are whole
            matches; `string_block…` and `comment_block…` are opened by the match and closed by their delimiters;
            `unclosed` begins a string that has no end.
        blocks: for each group `…_block…`, a pattern of its delimiters, with the group `open` where they nest.
    """
    pieces: list[str] = []
    comments: list[tuple[int, int]] = []
    strings: list[tuple[int, int]] = []
    at, is_whole = 0, True
    while found := opener.search(text, at):
        kind = found.lastgroup or "line"
        end = found.end()
        if kind == "unclosed":
            is_whole = False
        elif kind in blocks:
            end = _block_end(text, end, blocks[kind])
            is_whole, end = is_whole and end >= 0, end if end >= 0 else len(text)
        is_string = kind.startswith("string")
        (strings if is_string else comments).append((found.start(), end))
        pieces.append(text[at : found.start()])
        sign = STRING if is_string else " "
        pieces.append("\n".join([sign * len(line) for line in text[found.start() : end].split("\n")]))
        at = end
    pieces.append(text[at:])
    return Masked("".join(pieces), comments, strings, is_whole)


def _block_end(text: str, at: int, delimiters: re.Pattern[str]) -> int:
    depth = 1
    for found in delimiters.finditer(text, at):
        depth += 1 if found.lastgroup == "open" else -1
        if depth == 0:
            return found.end()
    return -1


def without_comments(text: str, masked: Masked, start: int, end: int) -> str:
    """Return `text[start:end]` with its comments made blank and its strings as they are."""
    pieces, at = [], start
    for first, last in overlapping(masked.comments, start, end):
        pieces += [text[at : max(first, at)], " "]
        at = min(last, end)
    return "".join([*pieces, text[at:end]])


def overlapping(spans: Sequence[tuple[int, int]], start: int, end: int) -> Sequence[tuple[int, int]]:
    """Return the spans that share a character with `start:end`; the spans are sorted and apart."""
    return spans[bisect_right(spans, start, key=itemgetter(1)) : bisect_left(spans, end, key=itemgetter(0))]


def line_start(text: str, at: int) -> int:
    """Return where the line that holds a character begins."""
    return text.rfind("\n", 0, at) + 1


def line_end(text: str, at: int) -> int:
    """Return where that line ends: at its `\\n`, or at the end of the text."""
    end = text.find("\n", at)
    return len(text) if end < 0 else end


def word_pattern(words: Iterable[str]) -> str:
    """Return the pattern of any of some words, the longest first, behind the first character of each.

    Python goes through a text for a pattern that begins with a set of characters many times as fast as for one that
    begins with a look behind or with alternatives; so the set comes first, and the rest looks back at it.
    """
    rests: dict[str, list[str]] = {}
    for word in sorted(set(words), key=lambda word: (-len(word), word)):
        rests.setdefault(word[0], []).append(re.escape(word[1:]))
    return "|".join(f"(?<={first})(?:{'|'.join(rest)})" for first, rest in sorted(rests.items()))
