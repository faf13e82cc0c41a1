"""Declarations of Isabelle/Isar: a statement, and a proof that is followed through its blocks to where it ends."""

from __future__ import annotations

import re
from bisect import bisect_left
from operator import itemgetter
from typing import NamedTuple

from algstack.decontaminate.provers.declaration import Declaration
from algstack.decontaminate.provers.masks import STRING, Masked, mask, without_comments, word_pattern

_OPENER = re.compile(
    r"""[(\\―‹"`{](?:
        (?P<comment_block>(?<=\()\*)
      | (?:(?<=\\)<comment>|(?<=―)|(?<=\\)<\^marker>)\s*(?P<comment_block_cartouche>\\<open>|‹)
      | (?P<string_block>(?<=\\)<open>|(?<=‹))
      | (?P<string>(?<=")(?:\\.|[^"\\])*" | (?<=`)(?:\\.|[^`\\])*` | (?<=\{)\*.*?\*\})
      | (?P<unclosed>(?<=")))""",
    re.VERBOSE | re.DOTALL,
)
_CARTOUCHE = re.compile(r"(?P<open>\\<open>|‹)|\\<close>|›")
_BLOCKS = {
    "comment_block": re.compile(r"(?P<open>\(\*)|\*\)"),
    "comment_block_cartouche": _CARTOUCHE,
    "string_block": _CARTOUCHE,
}

_THEOREMS = ("theorem", "lemma", "corollary", "proposition", "schematic_goal", "schematic_lemma")
_DEFINITIONS = (
    "definition",
    "abbreviation",
    "primrec",
    "fun",
    "function",
    "inductive",
    "datatype",
    "lemmas",
    "axiomatization",
)
_OUTER_TEXT = (
    "theory begin end text txt section subsection subsubsection chapter paragraph header context locale sublocale "
    "interpretation global_interpretation class instance instantiation subclass declare notation no_notation "
    "type_synonym type_notation typedef typedecl record consts method method_setup attribute_setup ML ML_file setup "
    "local_setup simproc_setup hide_const hide_fact hide_type bundle unbundle export_code code_printing "
    "code_reserved code_identifier termination lift_definition setup_lifting quotient_type copy_bnf codatatype "
    "corec primcorec primcorecursive inductive_cases inductive_simps inductive_set coinductive coinductive_set "
    "inductive_cases nonterminal syntax translations parse_translation print_translation overloading nitpick_params "
    "value export_generated_files named_theorems adhoc_overloading unused_thms text_raw no_syntax hide_class derive "
    "crunch crunches notepad ML_prf alias type_alias experiment specification oracle judgment partial_function "
    "function_compile"
)
_OUTER = _OUTER_TEXT.split()
_WORDS = {*_THEOREMS, *_DEFINITIONS, *_OUTER}
_TERMINAL = ("done", "sorry", "oops", r"\<proof>", "⟨proof⟩", "..", ".")
_PROOF_WORDS = ("proof", "qed", "subgoal", "by", "done", "sorry", "oops")
_NOT_IN_NAME = r"(?<![\w.'\\<].)"  # before the character that is matched already
_TOKEN = re.compile(
    rf"""[a-zM\\⟨.{{}}](?:
         {_NOT_IN_NAME}(?P<outer>{word_pattern(_WORDS)})(?![\w'.])
       | {_NOT_IN_NAME}(?P<block>{word_pattern(_PROOF_WORDS)})(?![\w'.])
       | (?P<mark>(?<=\\)<proof>|(?<=⟨)proof⟩|(?<=\s\.)\.?(?=\s|\Z)|(?<=[{{}}])))""",
    re.VERBOSE,
)
_HEADER = re.compile(
    r"""\s*(?:\(\s*in\s+(?P<locale>[\w.']+)\s*\)\s*)?
        (?:(?P<name>[^\W\d][\w.'?]*|"+)\s*(?=[\[:]|"))?
        (?P<attributes>\[[^\]]*\])?\s*:?""",
    re.VERBOSE,
)
_METHOD = re.compile(r"\s*(?:(?:[^\W\d][\w.']*|-)(?![\w'])|(?=\())")
_MODIFIER = re.compile(r"(?:private|qualified)\s+\Z")
_SCOPE = re.compile(r"\s*(?:begin\b|(?P<name>[^\W\d][\w.']*))")
_PROOF_STARTS_TEXT = (
    "by proof apply using unfolding including supply sorry oops done nitpick quickcheck sledgehammer subgoal back "
    "defer prefer"
)
_PROOF_START = re.compile(
    rf"""[a-z\\⟨.](?:
         (?<![\w.'\\].)(?:{word_pattern(_PROOF_STARTS_TEXT.split())})(?![\w'.])
       | (?<=\\)<proof>|(?<=⟨)proof⟩|(?<=\s\.)\.?(?=\s|\Z))""",
    re.VERBOSE,
)
_BRACKETS = {"(": 1, "[": 1, ")": -1, "]": -1}
_KEPT_IN_PROOF = ("text", "txt", "value", "ML_prf", "end", "begin", "notation", "text_raw")
"""Outer words that may also stand inside a structured proof."""


class _Proof(NamedTuple):
    end: int
    is_whole: bool


def declarations(text: str) -> list[Declaration]:
    """Return the theorems of an Isabelle theory or fragment, in order, and the definitions between them."""
    masked = mask(text, _OPENER, _BLOCKS)
    code = masked.text
    found: list[Declaration] = []
    theory = re.search(r"(?<![\w.'])theory\s+([\w.'\"]+)", code)
    at, limit = 0, len(code)
    while at < limit and (token := _next_outer(code, at)):
        word, at = token.group(), token.end()
        if word in _THEOREMS:
            proof = _proof(code, at)
            found.append(_declaration(text, masked, token, proof, theory.group(1) if theory else None))
            at = max(proof.end, at)
    return found


def _next_outer(code: str, at: int) -> re.Match[str] | None:
    for found in _TOKEN.finditer(code, at):
        if found.lastgroup == "outer":
            return found
    return None


def _proof(code: str, at: int) -> _Proof:
    """Follow the proof of a statement that begins at `at`.

    `open_` holds the blocks that are open: `proof` … `qed`, and `subgoal`, which any terminal proof closes.
    """
    open_: list[str] = []
    seen_proof = _PROOF_START.search(code, at)
    for found in _TOKEN.finditer(code, at):
        word = found.group()
        if found.lastgroup == "outer":
            if "proof" in open_ and word in _KEPT_IN_PROOF:
                continue
            return _cut_short(code, at, found.start(), seen_proof)
        if word == "oops":
            return _Proof(found.end(), True)
        if word == "proof" or (word == "subgoal" and "proof" not in open_):
            open_.append(word)
        elif word == "qed":
            if "proof" not in open_:
                return _cut_short(code, at, found.start(), seen_proof)
            while open_.pop() != "proof":
                pass
            if _closes_all(open_):
                return _Proof(_after_methods(code, found.end(), 1), True)
        elif (word == "by" or word in _TERMINAL) and "proof" not in open_ and _closes_all(open_):
            return _Proof(_after_methods(code, found.end(), 2 if word == "by" else 0), True)
    return _cut_short(code, at, len(code), seen_proof)


def _closes_all(open_: list[str]) -> bool:
    """Whether a proof that has just ended was the outermost; if it was a subgoal's, that is closed."""
    if not open_:
        return True
    if open_[-1] == "subgoal":
        open_.pop()
    return False


def _cut_short(code: str, at: int, stop: int, seen_proof: re.Match[str] | None) -> _Proof:
    """A statement without a proof ends where it ends; one whose proof does not end is not whole."""
    has_proof = seen_proof is not None and seen_proof.start() < stop
    return _Proof(at + len(code[at:stop].rstrip()), not has_proof)


def _after_methods(code: str, at: int, count: int) -> int:
    """Return the end of at most `count` proof methods."""
    for number in range(count):
        method = _METHOD.match(code, at)
        if not method or _TOKEN.match(code, at + len(method.group()) - len(method.group().lstrip())):
            break
        # A word on a new line is a command that this module does not know, or `private`.
        if "\n" in method.group() and (number or count == 1) and method.group().strip():
            break
        at = method.end()
        if at < len(code) and code[at] == "(":
            at = _closing(code, at)
        while at < len(code) and code[at] in "+?":
            at += 1
        if at < len(code) and code[at] == "[":
            at = _closing(code, at)
    return at


def _closing(code: str, at: int) -> int:
    depth = 0
    for place in range(at, len(code)):
        depth += _BRACKETS.get(code[place], 0)
        if depth == 0:
            return place + 1
    return len(code)


def _declaration(text: str, masked: Masked, token: re.Match[str], proof: _Proof, theory: str | None) -> Declaration:
    code = masked.text
    header = _HEADER.match(code, token.end())
    assert header is not None  # every part of it is optional
    name = header.group("name")
    if name and name.startswith(STRING):  # `lemma "…"` has no name, `lemma "name":` has one
        is_name = header.group(0).rstrip().endswith(":")
        name = text[header.start("name") + 1 : header.end("name") - 1] if is_name else None
        begin = header.end() if is_name else header.start("name")
    else:
        begin = header.end()
    started = _PROOF_START.search(code, begin, proof.end)
    modifier = _MODIFIER.search(code, max(token.start() - 40, 0), token.start())
    spaces = [space for space in (theory, header.group("locale")) if space]
    return Declaration(
        kind=token.group(),
        names=(".".join([*spaces, name]),) if name else (),
        start=modifier.start() if modifier else token.start(),
        end=_with_marks_beside(text, masked, proof.end),
        statement=without_comments(text, masked, begin, started.start() if started else proof.end),
        is_whole=proof.is_whole and masked.is_whole,
    )


def _with_marks_beside(text: str, masked: Masked, end: int) -> int:
    """Return the end of a comment that stands behind `end` on its line, or `end`."""
    after = bisect_left(masked.comments, end, key=itemgetter(0))
    if after == len(masked.comments):
        return end
    first, last = masked.comments[after]
    return last if not text[end:first].strip(" \t") and "\n" not in text[end:last] else end
