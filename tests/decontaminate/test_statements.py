"""Statements: one theorem, however it is spelled, has one normal form."""

from __future__ import annotations

import pytest

from algstack.decontaminate.statements import is_telling, words


@pytest.mark.parametrize(
    ("lang", "one", "other"),
    [
        pytest.param("lean", "(x y : ℕ) (h : x < y) : x ≠ y", "\n (x  y :nat)\n  (h: x<y) :\n x ≠ y", id="white space"),
        pytest.param("lean", "(x y : ℕ) : x = y", "(x : ℕ) (y : ℕ) : x = y", id="grouped binders"),
        pytest.param("lean", "{x : ℕ} [h : Foo x] : x = x", "(x : ℕ) (h : Foo x) : x = x", id="brackets"),
        pytest.param("lean", "(a b : ℝ) (h₀ : a < b) : b > a", "(u v : ℝ) (foo : u < v) : v > u", id="variables"),
        pytest.param("lean", "(x : ℕ) : P x", ": ∀ x : ℕ, P x", id="binder or quantifier"),
        pytest.param("lean", ": ∀ x y : ℕ, P x y", ": ∀ (x : ℕ) (y : ℕ), P x y", id="quantifiers"),
        pytest.param(
            "lean",
            "(f : ℕ → ℕ) : ∑ k in finset.range 10, f k = (λ x, x) 3",
            "(f : Nat → Nat) : ∑ k ∈ Finset.range 10, f k = (fun x => x) 3",
            id="Lean 3 and 4",
        ),
        pytest.param("lean", "(s : set ℝ) : is_open s", "(s : Set ℝ) : IsOpen s", id="names of Lean 3 and 4"),
        pytest.param(
            "isabelle",
            r'fixes x y :: nat assumes h: "x < y" and "y < 3" shows "x \<le> y"',
            'fixes a::nat and b::nat assumes "a < b" and k: "b < 3" shows "a <= b"',
            id="Isabelle",
        ),
        pytest.param("isabelle", r'"\<lbrakk>A x; B y\<rbrakk> \<Longrightarrow> C"', '"A x ==> B y ==> C"', id="meta"),
        pytest.param(
            "isabelle",
            '"(LEAST n::nat. xs!n = 3) = 5"',
            '"(LEAST k :: nat. xs ! k = 3) = 5"',
            id="least, and of a list",
        ),
        pytest.param("isabelle", '"(THE x. P x) = (SOME y. Q y)"', '"(THE a. P a) = (SOME b. Q b)"', id="the and some"),
        pytest.param(
            "isabelle",
            'fixes n :: nat and A :: "real^\'n^\'n" shows "CARD(\'n) = n"',
            'fixes k :: nat and B :: "real^\'n^\'n" shows "CARD(\'n) = k"',
            id="variables of types",
        ),
        pytest.param("coq", "(x y : nat) : x <= y -> True", "(a : nat) (b : nat): a ≤ b → True", id="Coq"),
        pytest.param("coq", ": forall x : nat, (x + 1)%nat = x", ": ∀ y : nat, (y + 1) = y", id="Coq scopes"),
        pytest.param("hollight", r"!x y:num. x < y ==> ~(x = y)", r"!a:num b:num. a<b ==> ~(a = b)", id="HOL Light"),
        pytest.param("metamath", "|- ( A + B ) = C", "|-  ( X + Y )  = Z", id="Metamath"),
    ],
)
def test_the_same(lang: str, one: str, other: str) -> None:
    assert words(one, lang) == words(other, lang)


@pytest.mark.parametrize(
    ("lang", "one", "other"),
    [
        pytest.param("lean", "(a b c : ℕ) : a * b * c = a", "(a b c : ℕ) : a * (b * c) = a", id="brackets that group"),
        pytest.param("lean", "(a b : ℕ) : a < b", "(a b : ℕ) : b < a", id="order"),
        pytest.param("lean", "(a : ℕ) : a < 3", "(a : ℕ) : a < 4", id="numbers"),
        pytest.param("lean", "(a : ℕ) : P a", "(a : ℤ) : P a", id="types"),
        pytest.param("metamath", "|- ( A + B ) = A", "|- ( A + B ) = B", id="variables"),
    ],
)
def test_not_the_same(lang: str, one: str, other: str) -> None:
    assert words(one, lang) != words(other, lang)


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        pytest.param("(a b : ℕ) : a + b = b + a", False, id="everybody's"),
        pytest.param(": f (a * b) = f a * f b", False, id="a homomorphism"),
        pytest.param(": 91 ^ 2 = 8281", True, id="few words, a telling number"),
        pytest.param(
            "(a b : ℝ) (h : a * b = 180) (h' : 2 * (a + b) = 54) : Real.sqrt (a^2 + b^2) = 369", True, id="long"
        ),
    ],
)
def test_telling(statement: str, expected: bool) -> None:
    assert is_telling(words(statement, "lean")) is expected


@pytest.mark.parametrize("statement", ["", ")", "(", "∀", "∀ x", "∑", "(x :", "λ", '"', "fixes", "⟦", "x.y.1"])
@pytest.mark.parametrize("lang", ["coq", "hollight", "isabelle", "lean", "metamath"])
def test_whatever_is_written_is_read(statement: str, lang: str) -> None:
    words(statement, lang)
