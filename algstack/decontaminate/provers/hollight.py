"""Declarations of HOL Light: OCaml phrases `let NAME = prove (`…`, …);;`."""

from __future__ import annotations

import re
from itertools import pairwise

from algstack.decontaminate.provers.declaration import Declaration
from algstack.decontaminate.provers.masks import STRING, mask

_OPENER = re.compile(
    r"""(?P<comment_block>\(\*)
      | (?P<string>"(?:\\.|[^"\\])*" | `[^`]*` | (?<![\w'])'(?:\\.|[^\\'\n])')""",
    re.VERBOSE | re.DOTALL,
)
_BLOCKS = {"comment_block": re.compile(r"(?P<open>\(\*)|\*\)")}
_LET = re.compile(r"\s*let\s+(?:rec\s+)?([\w'-]+|\[[^\]]*\]|\([^)]*\))\s*(?::[^=]*)?=\s*")
_TOP_LET = re.compile(r"^let\b", re.MULTILINE)
_LOCAL = re.compile(r"(?<![\w'])in(?![\w'])")
_PROOF = re.compile(r"(?<![\w'])(?:\w*prove\w*|new_\w*definition|define\w*|new_axiom)(?![\w'])")
_DEFINITION = re.compile(r"new_|define")


def declarations(text: str) -> list[Declaration]:
    """Return the theorems and definitions of a HOL Light file or fragment, in order."""
    masked = mask(text, _OPENER, _BLOCKS)
    found: list[Declaration] = []
    at = 0
    while at < len(text):
        end = masked.text.find(";;", at)
        stop = end + 2 if end >= 0 else len(text)
        starts = [at, *_behind(masked.text, at, stop)]
        for start, limit in pairwise([*starts, stop]):
            declaration = _phrase(text, masked.text, start, limit, stop, masked.is_whole and end >= 0)
            if declaration:
                found.append(declaration)
                break
        at = stop
    return found


def _behind(code: str, at: int, stop: int) -> list[int]:
    """Return where other phrases of the top level begin in one that OCaml needs no `;;` to end."""
    local = max((found.end() for found in _LOCAL.finditer(code, at, stop)), default=at)
    return [found.start() for found in _TOP_LET.finditer(code, local, stop) if found.start() > at]


def _phrase(text: str, code: str, at: int, limit: int, stop: int, is_whole: bool) -> Declaration | None:
    """Return the declaration that a phrase of the top level is, or None; its first term stands before `limit`."""
    let = _LET.match(code, at, stop)
    if not let:
        return None
    term = text.find("`", let.end(), limit)
    proof = _PROOF.search(code, let.end(), term) if term >= 0 else None
    if term < 0 or code[term] != STRING or not (proof or not code[let.end() : term].strip()):
        return None  # neither a theorem nor, as in a benchmark, a term alone
    close = text.find("`", term + 1, stop)
    names = re.findall(r"[\w'-]+", let.group(1))
    is_definition = proof is not None and _DEFINITION.match(proof.group()) is not None
    return Declaration(
        kind="let",
        names=tuple(names),
        start=at + len(code[at:stop]) - len(code[at:stop].lstrip()),
        end=stop,
        statement=text[term + 1 : close] if close >= 0 else text[term + 1 : stop],
        is_theorem=not is_definition,
        is_whole=is_whole and close >= 0,
    )
