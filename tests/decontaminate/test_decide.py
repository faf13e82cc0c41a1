"""Decisions: the whole proof gone, the neighbours byte-identical."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from algstack.decontaminate.decide import NOTHING_LEFT, OVERLAP, decide, without
from algstack.decontaminate.formal import FormalIndex, Target
from algstack.decontaminate.match import Finding
from algstack.decontaminate.provers import PARSERS

PROOFS = {
    "a colon": "theorem {name}: {n} = {n} := by\n  have h : True := trivial\n\n  simp",
    "a new line": "@[simp]\ntheorem {name}\n    (h : {n} = 1) : {n} = {n} := by\n  omega\n\n  -- done\n  simp",
    "a brace": "/-- Doc of it. -/\nlemma {name}{{k : Nat}} : k = {n} →  k = {n} :=\n  fun h =>\n    h",
    "a blank": "protected theorem {name} : {n} < 100\n  | h => by\n    trivial",
}


def file_of(proofs: Sequence[str], *, in_namespace: bool, final_line_end: bool) -> tuple[str, list[str], list[str]]:
    """A file of many theorems: its text, their texts, and their full names."""
    kinds = list(PROOFS.values())
    texts = [kinds[number % len(kinds)].format(name=f"result_{number}", n=number) for number in range(len(proofs))]
    prefix = "Space.Inner." if in_namespace else ""
    head = "import Mathlib\n\nopen Nat\n\n" + ("namespace Space\nnamespace Inner\n\n" if in_namespace else "")
    tail = "\n\nend Inner\nend Space" if in_namespace else ""
    text = head + "\n\n".join(texts) + tail + ("\n" if final_line_end else "")
    return text, texts, [f"{prefix}result_{number}" for number in range(len(proofs))]


@pytest.mark.parametrize("in_namespace", [True, False], ids=["namespaced", "not namespaced"])
@pytest.mark.parametrize("final_line_end", [True, False], ids=["line end", "no line end"])
@pytest.mark.parametrize("wanted", [[0], [1], [2], [3], [39], [38, 39], list(range(0, 40, 2)), list(range(20))])
def test_named_theorems_go_whole(wanted: list[int], in_namespace: bool, final_line_end: bool) -> None:
    text, texts, names = file_of(["x"] * 40, in_namespace=in_namespace, final_line_end=final_line_end)
    index = FormalIndex([Target(0, "p", "lean", names[number], "A/B.lean", None, (), 1.0) for number in wanted])
    found = index.matches(PARSERS["lean"](text), "lean", "src/A/B.lean")
    assert [text[one.declaration.start : one.declaration.end] for one in found] == [texts[n] for n in wanted]
    findings = [Finding("b", "p", one.how, one.declaration.start, one.declaration.end, 0, 0, 1.0, "") for one in found]
    left = decide(text, "lean", "src/A/B.lean", findings, "drop").text
    assert left is not None
    others = [one for number, one in enumerate(texts) if number not in wanted]
    assert all(one in left for one in others)
    assert not any(texts[number] in left or f"result_{number} " in left for number in wanted)
    # What is left is what was there, in its order, but for the cuts and the empty lines behind them.
    assert left.split() == "".join(_without_all(text, [texts[number] for number in wanted])).split()
    inner = "\n\n".join(others) if others else ""
    assert inner in left


def _without_all(text: str, gone: list[str]) -> str:
    for one in gone:
        text = text.replace(one + "\n", "\n", 1) if one + "\n" in text else text.replace(one, "", 1)
    return text


@pytest.mark.parametrize(
    ("text", "spans", "expected"),
    [
        pytest.param("a\n\nB\nB\n\nc\n", [(3, 6)], "a\n\nc\n", id="whole lines and the empty ones behind"),
        pytest.param("a\nB", [(2, 3)], "a\n", id="at the end"),
        pytest.param("x B y\n", [(2, 3)], "x  y\n", id="inside a line"),
        pytest.param("aBBBc", [(1, 3), (2, 4)], "ac", id="overlapping"),
        pytest.param("B\n", [(0, 1)], "", id="everything"),
        pytest.param("  B  \nc", [(2, 3)], "c", id="blanks beside it"),
    ],
)
def test_cutting(text: str, spans: list[tuple[int, int]], expected: str) -> None:
    assert without(text, spans) == expected


def finding(how: str, start: int = 0, end: int = 5, words: int = 13) -> Finding:
    return Finding("bench", "p1", how, start, end, words, 20, 0.5, f"{words} words")


def test_a_run_of_words_drops_with_its_longest_evidence() -> None:
    verdict = decide("text of it", None, None, [finding("ngram", words=13), finding("ngram", words=19)], "drop")
    assert (verdict.rule, verdict.evidence, verdict.text) == (OVERLAP, "19 words", None)


def test_a_run_of_words_can_be_cut() -> None:
    assert decide("01234 rest", None, None, [finding("ngram")], "cut").text == " rest"


def test_nothing_left_is_a_drop() -> None:
    assert decide("01234", None, None, [finding("statement")], "drop").rule == NOTHING_LEFT
    text = "import Mathlib\n\ntheorem a : 1 = 1 := rfl\n"
    at = text.index("theorem")
    assert decide(text, "lean", None, [finding("name", at, len(text) - 1)], "drop").rule == NOTHING_LEFT


@pytest.mark.parametrize(
    ("lang", "head", "theorem", "tail"),
    [
        (
            "isabelle",
            'theory A imports Main begin\n\ndefinition "two = (2::nat)"\n\n',
            'lemma a: "x = x"\n  by simp',
            "\n\nend\n",
        ),
        ("isabelle", "theory A imports Main begin\n\ndatatype t = A | B\n\n", 'lemma a: "x = x" ..', "\n\nend\n"),
        ("coq", "Require Import Arith.\n\nInductive t := A | B.\n\n", "Lemma a : 1 = 1. Proof. easy. Qed.", "\n"),
        ("hollight", "let rec f x = f x;;\n\n", "let A = prove (`x = x`, REFL_TAC);;", "\n"),
        ("lean", 'import A\n\nlocal macro "m" : tactic => `(tactic| simp)\n\n', "theorem a : 1 = 1 := rfl", "\n"),
    ],
)
def test_what_is_no_theorem_stays(lang: str, head: str, theorem: str, tail: str) -> None:
    verdict = decide(head + theorem + tail, lang, None, [finding("name", len(head), len(head + theorem))], "drop")
    assert (verdict.rule, verdict.text) == (None, head + tail.removeprefix("\n\n" if lang == "isabelle" else "\n"))


def test_an_unparsable_theorem_is_left_whole() -> None:
    assert decide("theorem a : (", "lean", None, [finding("unparsable")], "drop") == (None, None, None)
