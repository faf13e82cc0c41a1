"""Declarations of Coq (Rocq): sentences up to a full stop, and proofs up to `Qed.`."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from operator import itemgetter
from typing import NamedTuple

from algstack.decontaminate.provers.declaration import Declaration
from algstack.decontaminate.provers.masks import Masked, line_end, mask, overlapping, without_comments

_OPENER = re.compile(r'(?P<comment_block>\(\*)|(?P<string>"(?:[^"]|"")*")|(?P<unclosed>")', re.DOTALL)
_BLOCKS = {"comment_block": re.compile(r"(?P<open>\(\*)|\*\)")}

_SENTENCE_END = re.compile(r"(?<!\.)\.(?=\s|\Z)|\.\.\.(?=\s|\Z)")
_BULLET = re.compile(r"\s*(?:[-+*]+|[{}]|\d+\s*:\s*\{|\[\w+\]\s*:\s*\{)\s*")
_PREFIX = re.compile(
    r"\s*(?:(?:#\[[^\]]*\]|Local|Global|Polymorphic|Monomorphic|Program|Private|Cumulative|NonCumulative"
    r"|Time|Timeout\s+\d+|Fail|Succeed)\s+)*"
)
_THEOREMS = ("Theorem", "Lemma", "Fact", "Remark", "Corollary", "Proposition", "Property", "Example", "Goal")
_DEFINITIONS = ("Definition", "Fixpoint", "CoFixpoint", "Let")
_OTHERS = ("Instance", "Axiom", "Conjecture", "Equations", "Function")
_KEYWORD = re.compile(rf"({'|'.join(_THEOREMS + _DEFINITIONS + _OTHERS)})\b")
_NAME = re.compile(r"\s+([^\W\d][\w']*)(?:@\{[^}]*\})?")
_SCOPE = re.compile(r"(Module|Section|Chapter|End)\s+(?:(?:Type|Import|Export)\s+)*([^\W\d][\w']*)")
_PROOF_END = re.compile(r"(?:Qed|Defined|Admitted|Abort|Save\b.*|Proof\s+(?!using\b|with\b)\S.*)\s*\Z", re.DOTALL)
_NEVER_IN_PROOF = re.compile(
    r"(?:Module|Section|End|Require|From|Inductive|Record|Structure|Class|Variables?|Context)\b"
)
_MARK = re.compile(r"[()\[\]{}]|:=|\blet\b|\bin\b")


class _Sentence(NamedTuple):
    """A sentence: its span without the space before it, and where its keyword stands behind bullets and prefixes."""

    start: int
    keyword: int
    end: int


def declarations(text: str) -> list[Declaration]:
    """Return the theorems and definitions of a Coq file or fragment, in order."""
    masked = mask(text, _OPENER, _BLOCKS)
    code = masked.text
    sentences = list(_sentences(code))
    found: list[Declaration] = []
    modules: list[tuple[str, str]] = []
    number = 0
    while number < len(sentences):
        sentence = sentences[number]
        keyword = _KEYWORD.match(code, sentence.keyword)
        number += 1
        if not keyword:
            _follow_modules(code, sentence, modules)
            continue
        last, is_whole = _last_sentence(code, sentences, number - 1, keyword.group() not in _OTHERS)
        found.append(_declaration(text, masked, sentence, keyword, sentences[last].end, is_whole, modules))
        number = last + 1
    return found


def _sentences(code: str) -> Iterator[_Sentence]:
    at = 0
    while at < len(code):
        bullet = _BULLET.match(code, at)
        while bullet and bullet.end() > at:
            at = bullet.end()
            bullet = _BULLET.match(code, at)
        found = _SENTENCE_END.search(code, at)
        end = found.end() if found else len(code)
        start = at + len(code[at:end]) - len(code[at:end].lstrip())
        if start < end:
            prefix = _PREFIX.match(code, start, end)
            yield _Sentence(start, prefix.end() if prefix else start, end)
        at = end


def _follow_modules(code: str, sentence: _Sentence, modules: list[tuple[str, str]]) -> None:
    scope = _SCOPE.match(code, sentence.keyword, sentence.end)
    if not scope:
        return
    kind, name = scope.groups()
    if kind == "End":
        while modules and modules.pop()[1] != name:
            pass
    elif kind != "Module" or ":=" not in code[sentence.keyword : sentence.end]:
        modules.append((kind, name))


def _last_sentence(code: str, sentences: list[_Sentence], first: int, needs_proof: bool) -> tuple[int, bool]:
    """Return the number of the sentence that ends a declaration, and whether it could be told.

    Args:
        needs_proof: whether such a declaration without a term must have a proof.
    """
    if _body_start(code, sentences[first].keyword, sentences[first].end) is not None:
        return first, True
    last = first
    for number in range(first + 1, len(sentences)):
        sentence = sentences[number]
        if _KEYWORD.match(code, sentence.keyword) or _NEVER_IN_PROOF.match(code, sentence.keyword):
            break
        if _PROOF_END.match(code[sentence.keyword : sentence.end].rstrip(".")):
            return number, True
        last = number
    # Statements alone, as in a benchmark, have no proof at all; a proof without end is not whole.
    return first, last == first or not needs_proof


def _body_start(code: str, start: int, end: int) -> int | None:
    """Return where `:=` gives the term of a declaration, or None."""
    depth, lets = 0, 0
    for found in _MARK.finditer(code, start, end):
        mark = found.group()
        if mark in "([{":
            depth += 1
        elif mark in ")]}":
            depth -= 1
        elif depth == 0 and mark == "let":
            lets += 1
        elif depth == 0 and mark == ":=":
            if not lets:
                return found.start()
            lets -= 1
    return None


def _declaration(
    text: str,
    masked: Masked,
    sentence: _Sentence,
    keyword: re.Match[str],
    end: int,
    is_whole: bool,
    modules: list[tuple[str, str]],
) -> Declaration:
    code = masked.text
    named = None if keyword.group() == "Goal" else _NAME.match(code, keyword.end())
    begin = named.end() if named else keyword.end()
    body = _body_start(code, begin, sentence.end)
    statement_end = sentence.end - 1 if body is None else body
    spaces = [name for kind, name in modules if kind == "Module"]
    return Declaration(
        kind=keyword.group(),
        names=(".".join([*spaces, named.group(1)]),) if named else (),
        start=_with_doc(text, masked, sentence.start),
        end=_with_comment_beside(text, masked, end),
        statement=without_comments(text, masked, begin, statement_end),
        is_theorem=keyword.group() in _THEOREMS,
        is_whole=is_whole and masked.is_whole,
    )


def _with_doc(text: str, masked: Masked, start: int) -> int:
    """Return where the `(** … *)` begins that documents what begins at `start`, or `start`."""
    before = bisect_right(masked.comments, start, key=itemgetter(1))
    if not before:
        return start
    first, last = masked.comments[before - 1]
    gap = text[last:start]
    is_doc = text.startswith("(**", first) and not text.startswith(("(** *", "(***"), first)
    return first if is_doc and not gap.strip() and gap.count("\n") <= 1 else start


def _with_comment_beside(text: str, masked: Masked, end: int) -> int:
    """Return the end of a comment that stands behind `end` on its line, or `end`."""
    stop = line_end(text, end)
    for first, last in overlapping(masked.comments, end, stop):
        if end <= first and last <= stop and not text[end:first].strip():
            return last
    return end
