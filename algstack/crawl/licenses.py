"""Which licence a text grants, as an SPDX expression.

Full texts are compared with those of choosealicense.com that the library `identify` carries; a file's own header is
read for `SPDX-License-Identifier` (spdx.dev/learn/handling-license-info).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from functools import cache, lru_cache
from pathlib import PurePosixPath
from typing import NamedTuple

from identify.vendor.licenses import LICENSES

LONGEST = 128 * 1024
"""Characters of a licence file; the longest known text has 35,000."""

ALIKE = 0.95
"""Least share of words in common (Dice) at which a text is a licence's: names, years and line ends may differ."""

MOST_ADDED = 60
"""Words that a text may have beyond the licence's: what adds more says something else too."""

HEADER = 4096
"""Characters at the beginning of a file where its SPDX line is looked for."""

_NAME = re.compile(
    r"(un)?licen[cs]e|copying|(licen[cs]e|copying)[-._ ][\w.+-]+|[\w.+-]+[-._]licen[cs]e(\.[a-z]+)?", re.IGNORECASE
)
_TEXT_ENDINGS = frozenset({"", "md", "txt", "rst", "mit", "bsd", "apache", "gpl", "lgpl", "lesser"})
_COPYRIGHT = re.compile(r"^\W*(copyright\b|\(c\)|©|all rights reserved\b).*$", re.IGNORECASE | re.MULTILINE)
_APPENDIX = re.compile(r"\bend of terms and conditions\b.*", re.IGNORECASE | re.DOTALL)
_WORD = re.compile(r"[a-z0-9][a-z0-9.]*")
SPDX_LINE = "SPDX-License-Identifier:"
_SPDX = re.compile(SPDX_LINE + r"[ \t]*([A-Za-z0-9.+()-]+(?:[ \t]+[A-Za-z0-9.+()-]+)*)")
_EXPRESSION = re.compile(r"\(*[A-Za-z0-9.-]+\+?\)*(?: (?:AND|OR|WITH) \(*[A-Za-z0-9.-]+\+?\)*)*")


def is_license_file(path: str) -> bool:
    """Whether a path's name is one that licence texts have: `LICENSE`, `COPYING.txt`, `LICENSE-MIT`, …"""
    name = path.rpartition("/")[2]
    ending = name.rpartition(".")[2].lower() if "." in name else ""
    # `LICENSE-2.0` ends in a version, not in the name of a format.
    return (ending in _TEXT_ENDINGS or ending.isdigit()) and _NAME.fullmatch(name) is not None


@lru_cache(256)  # the same text stands in many folders
def recognise(text: str) -> str | None:
    """Return the SPDX id of a licence's full text, or of the SPDX line that stands in its place; None if unknown."""
    if found := in_header(text):
        return found
    words = _words(text[:LONGEST])
    total = sum(words.values())
    best, likeness = None, ALIKE
    for known in _known():
        # The bound that the lengths alone set spares most comparisons.
        if 2 * min(total, known.total) < likeness * (total + known.total):
            continue
        common = (words & known.words).total()
        alike = 2 * common / (total + known.total)
        if alike >= likeness and total - common <= MOST_ADDED:
            best, likeness = known.spdx, alike
    return best


def in_header(text: str) -> str | None:
    """Return the expression of the first `SPDX-License-Identifier` line of a file's beginning, or None."""
    found = _SPDX.search(text, 0, HEADER)
    if not found:
        return None
    # A comment may end on the same line: what follows the expression is not part of it.
    expression = _EXPRESSION.match(" ".join(found.group(1).split()))
    return expression.group() if expression and _balanced(expression.group()) else None


def _balanced(expression: str) -> bool:
    return expression.count("(") == expression.count(")")


def nearest(path: str, licenses: Mapping[str, str | None]) -> tuple[str, str | None] | None:
    """Return (folder, licence) of the licence file that governs a path.

    Args:
        path: a file's.
        licenses: folder ("" for the root) -> what its licence file was recognised as, None where it was not.
    """
    for folder in PurePosixPath(path).parents:
        name = "" if str(folder) == "." else str(folder)
        if name in licenses:
            return name, licenses[name]
    return None


class _Known(NamedTuple):
    spdx: str
    words: Counter[str]
    total: int


@cache
def _known() -> tuple[_Known, ...]:
    texts = ((spdx, _words(text)) for spdx, text in LICENSES)
    return tuple(_Known(spdx, words, words.total()) for spdx, words in texts)


def _words(text: str) -> Counter[str]:
    # How to apply the licence stands in some copies and not in others.
    return Counter(_WORD.findall(_COPYRIGHT.sub("", _APPENDIX.sub("", text)).lower()))
