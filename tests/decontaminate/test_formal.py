"""Which declarations are a benchmark's."""

from __future__ import annotations

import pytest

from algstack.decontaminate.formal import FormalIndex, Target, same_file, targets
from algstack.decontaminate.provers import PARSERS

LONG = "(a b : ℝ) (h : a * b = 180) (h' : 2 * (a + b) = 54) : Real.sqrt (a^2 + b^2) = 369"


def names_found(index: FormalIndex, text: str, lang: str = "lean", path: str | None = None) -> dict[str, str]:
    """Name -> how each matched declaration was known."""
    found = index.matches(PARSERS[lang](text), lang, path)
    return {(match.declaration.names or ("-",))[0]: match.how for match in found}


def formal(text: str, lang: str = "lean", similarity: float = 1.0, path: str | None = None) -> FormalIndex:
    found, _ = targets(0, "p", [text], lang, similarity)
    return FormalIndex([target._replace(path=path) for target in found])


def named(name: str, path: str | None = None) -> FormalIndex:
    return FormalIndex([Target(0, "p", "lean", name, path, None, (), 1.0)])


@pytest.mark.parametrize(
    ("text", "how"),
    [
        pytest.param(f"theorem other {LONG} := by simp", {"other": "statement"}, id="another name"),
        pytest.param(f"namespace N\nlemma other {LONG} := by simp\nend N", {"N.other": "statement"}, id="a namespace"),
        pytest.param("theorem mathd_algebra_160 : False := sorry", {"mathd_algebra_160": "name"}, id="only the name"),
        pytest.param("theorem other (a : ℝ) : a = a := rfl", {}, id="neither"),
    ],
)
def test_by_statement_or_telling_name(text: str, how: dict[str, str]) -> None:
    assert names_found(formal(f"theorem mathd_algebra_160 {LONG} := sorry"), text) == how


@pytest.mark.parametrize(
    ("benchmark", "text", "found"),
    [
        pytest.param('lemma [simp]: "x = y"', 'lemma [simp]: "f x = g y"', 0, id="no name"),
        pytest.param('lemma w: "x = y"', 'lemma w: "f x = g y" by auto', 0, id="one letter"),
        pytest.param('lemma w: "P x y"', 'lemma w: "P x y" by auto', 1, id="one letter, the same statement"),
        pytest.param('lemma w: "P x y"', 'lemma v: "P x y" by auto', 0, id="a short statement, another name"),
    ],
)
def test_generic_names_never_match_alone(benchmark: str, text: str, found: int) -> None:
    index = formal(benchmark, "isabelle", path="thys/A/B.thy")
    assert len(names_found(index, text, "isabelle", "thys/A/B.thy")) == found


FILE = """namespace Nat
theorem foo : 1 = 1 := rfl
theorem add_left_comm_special : 1 = 1 := rfl
end Nat
theorem foo: 2 = 2 := rfl
"""


@pytest.mark.parametrize(
    ("name", "path", "at", "found"),
    [
        pytest.param("Nat.foo", "Mathlib/A.lean", "Mathlib/A.lean", ["Nat.foo"], id="full name in its file"),
        pytest.param("foo", "Mathlib/A.lean", "A.lean", ["Nat.foo", "foo"], id="bare name in its file"),
        pytest.param("Nat.foo", "Mathlib/A.lean", "Other.lean", [], id="little said, another file"),
        pytest.param("foo", None, None, [], id="little said, no file"),
        pytest.param("Nat.add_left_comm_special", "X.lean", "Y.lean", ["Nat.add_left_comm_special"], id="telling"),
        pytest.param("exercise_1_2", None, None, [], id="every textbook's"),
    ],
)
def test_by_name_alone(name: str, path: str | None, at: str | None, found: list[str]) -> None:
    text = FILE + "theorem exercise_1_2 : 3 = 3 := rfl\n"
    assert list(names_found(named(name, path), text, path=at)) == found


def test_similar_statements() -> None:
    near = LONG.replace("Real.sqrt", "NNReal.root")
    assert names_found(formal(f"theorem a {LONG} := sorry", similarity=0.7), f"theorem b {near} := sorry") == {
        "b": "similar"
    }
    other_number = near.replace("180", "181")
    assert not names_found(formal(f"theorem a {LONG} := sorry", similarity=0.7), f"theorem b {other_number} := rfl")
    assert not names_found(formal(f"theorem a {LONG} := sorry"), f"theorem b {near} := sorry")


def test_languages_are_apart() -> None:
    assert not names_found(formal(f"theorem a {LONG} := sorry"), 'lemma a: "x = y" by auto', "isabelle")


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("thys/A/B.thy", "/home/x/afp/thys/A/B.thy", True),
        ("A/B.thy", "C/B.thy", False),
        ("B.thy", None, False),
        (None, None, False),
    ],
)
def test_same_file(one: str | None, other: str | None, expected: bool) -> None:
    assert same_file(one, other) is expected
