"""HOL Light: phrases of OCaml that prove or state a term."""

from __future__ import annotations

import pytest

from algstack.decontaminate.provers.hollight import declarations

FILE = """needs "Library/prime.ml";;

(* let commented = prove(`x`, TAC);; *)
let ADD_SYM = prove
 (`!m n. m + n = n + m`,
  INDUCT_TAC THEN ASM_REWRITE_TAC[ADD_CLAUSES]);;

let helper x = x + 1;;
let imo-1 = `!x:num. x = x`;;
let [A; B] = (CONJUNCTS o prove) (`p /\\ q`, TAC);;
let f = new_definition `f x = x + 1`;;
"""


def test_phrases() -> None:
    found = [(one.names, one.is_theorem, one.statement) for one in declarations(FILE)]
    assert found == [
        (("ADD_SYM",), True, "!m n. m + n = n + m"),
        (("imo-1",), True, "!x:num. x = x"),
        (("A", "B"), True, "p /\\ q"),
        (("f",), False, "f x = x + 1"),
    ]
    first = declarations(FILE)[0]
    assert FILE[first.start : first.end].endswith("ADD_CLAUSES]);;")


@pytest.mark.parametrize(
    "before", ["let x = 3", "let helper x = x + 1", "open Num", "let rec f = function\n  | 0 -> 1\n  | n -> f (n - 1)"]
)
def test_a_theorem_behind_a_phrase_that_has_no_end(before: str) -> None:
    theorem = "let ADD_SYM = prove (`!m n. m + n = n + m`, TAC);;"
    found = declarations(f"{before}\n\n{theorem}\nlet y = 2;;\n")
    assert [one.names for one in found] == [("ADD_SYM",)]
    assert f"{before}\n\n{theorem}"[found[0].start : found[0].end] == theorem


def test_a_local_theorem_is_a_part_of_the_one_around_it() -> None:
    text = "let OUTER =\nlet inner = prove (`p`, TAC) in\nprove (`q`, MATCH_MP_TAC inner);;"
    assert [(one.names, one.start, one.end) for one in declarations(text)] == [(("OUTER",), 0, len(text))]


def test_no_end_is_not_whole() -> None:
    assert [one.is_whole for one in declarations("let A = prove (`x`, TAC)")] == [False]


@pytest.mark.parametrize("text", ["", "let", "let a = `", ";;", "(*"])
def test_whatever_is_written_is_read(text: str) -> None:
    declarations(text)
