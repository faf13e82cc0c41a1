"""Lean: each declaration from its first attribute to the end of its proof, under its full name."""

from __future__ import annotations

import pytest

from algstack.decontaminate.provers.lean import declarations

LEAN_4 = """import Mathlib

/-! # A module's doc: theorem not_one : False -/

open Nat

namespace Foo

variable {n : ℕ} -- theorem not_this

/-- The doc of `bar`. -/
@[simp, to_additive bar_add]
protected theorem bar (n : ℕ) : n + 0 = n := by
  -- a comment, and a blank line inside the proof

  have h : True := by
    trivial

  simp -- the end
  -- a comment that is still the proof's

-- a comment before baz
theorem baz: 1 = 1
  := rfl

set_option maxHeartbeats 400000 in
open Foo in
/-- Long. -/
private lemma Nested.qux{m : ℕ} : m = m := by
  rw [show "theorem x : lemma" = "theorem x : lemma" from rfl]

section Inner
theorem inner
    (h : n = 2) : n < 3 :=
  by omega
end Inner

theorem cases : ∀ k : ℕ, 0 ≤ k
  | 0 => le_refl _
  | k + 1 => by
    exact Nat.zero_le _

theorem _root_.Top.level : True := trivial

end Foo

theorem last : let x := 5; x = 5 := by rfl"""

LEAN_3 = """import data.real.basic

namespace nat
section
variables {n : ℕ}

@[simp] lemma first (n : ℕ) : n = n :=
begin
  cases n,
  { refl },

  begin
    match n with
    | 0 := rfl
    | _ := rfl
    end
  end
end

theorem second : 1 = 1 := rfl
lemma third : 2 = 2 := by refl

end
end nat

example : 3 = 3 :=
begin
  refl
end
"""


def cut(text: str, name: str) -> str:
    """The text of a declaration."""
    return next(text[one.start : one.end] for one in declarations(text) if name in one.names)


def test_names_are_resolved() -> None:
    names = [one.names for one in declarations(LEAN_4)]
    assert names == [
        ("Foo.bar", "Foo.bar_add"),
        ("Foo.baz",),
        ("Foo.Nested.qux",),
        ("Foo.inner",),
        ("Foo.cases",),
        ("Top.level",),
        ("last",),
    ]
    assert [one.names for one in declarations(LEAN_3)] == [("nat.first",), ("nat.second",), ("nat.third",), ()]


def test_the_whole_of_a_declaration() -> None:
    bar = cut(LEAN_4, "Foo.bar")
    assert bar.startswith("/-- The doc of `bar`. -/\n@[simp")
    assert bar.endswith("-- a comment that is still the proof's")
    assert cut(LEAN_4, "Foo.baz") == "theorem baz: 1 = 1\n  := rfl"
    assert cut(LEAN_4, "Foo.Nested.qux").startswith("set_option maxHeartbeats 400000 in\nopen Foo in\n/-- Long. -/")
    assert cut(LEAN_4, "Foo.cases").endswith("Nat.zero_le _")
    assert cut(LEAN_4, "last").endswith(":= by rfl")
    assert cut(LEAN_3, "nat.first").endswith("    end\n  end\nend")
    assert cut(LEAN_3, "nat.second") == "theorem second : 1 = 1 := rfl"


@pytest.mark.parametrize(
    ("name", "statement"),
    [
        ("Foo.bar", "(n : ℕ) : n + 0 = n"),
        ("Foo.cases", ": ∀ k : ℕ, 0 ≤ k"),
        ("Foo.Nested.qux", "{m : ℕ} : m = m"),
        ("last", ": let x := 5; x = 5"),
    ],
)
def test_statements(name: str, statement: str) -> None:
    found = next(one.statement for one in declarations(LEAN_4) if name in one.names)
    assert found.strip() == statement


def test_a_command_with_in_goes_with_its_declaration() -> None:
    guarded = "/-- error: no -/\n#guard_msgs in example : 1 = 2 := rfl"
    text = f"{guarded}\n\n#eval 1\n\ntheorem after : 1 = 1 := rfl\n"
    assert [text[one.start : one.end] for one in declarations(text)] == [guarded, "theorem after : 1 = 1 := rfl"]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('local notation "S(U, "M")" => form M', id="tokens beside a name"),
        pytest.param('def s := m!"{if n = 1 then "" else "s"} of {n}"', id="a string in a string"),
        pytest.param('def s := r#"a " b"# ++ r"\\"', id="raw strings"),
    ],
)
def test_strings_end_where_they_end(text: str) -> None:
    after = "theorem after : 1 = 1 := rfl"
    *_, last = declarations(f"{text}\n\n{after}\n")
    assert last.is_whole
    assert last.names == ("after",)


def test_prose_is_no_declaration() -> None:
    assert not declarations("#doc (Manual)\n\nThree rules.\nFor example, let's define addition: it is easy.\n")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("theorem a : (1 = 1 := rfl", id="a bracket is not closed"),
        pytest.param("theorem a : 1 = 1 :=\nbegin\n  refl", id="begin without end"),
        pytest.param("theorem a : 1 = 1 := /- rfl", id="a comment is not closed"),
    ],
)
def test_what_cannot_be_told_is_said(text: str) -> None:
    assert [one.is_whole for one in declarations(text)] == [False]


@pytest.mark.parametrize("text", ["", "theorem", "@[", "theorem theorem", "end end", "/--", "namespace", '"'])
def test_whatever_is_written_is_read(text: str) -> None:
    declarations(text)


def test_a_deeper_declaration_is_one_of_its_own() -> None:
    first, second = "theorem one : 1 = 1 := by\n  simp", "  /-- Doc. -/\n  @[simp]\n    theorem two : 2 = 2 := rfl"
    third = "    instance : Inhabited Nat where\n      default := 1"
    text = f"{first}\n\n{second}\n\n{third}\n"
    assert [text[one.start : one.end] for one in declarations(text)] == [first, second.lstrip(), third.lstrip()]
