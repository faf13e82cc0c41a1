"""Words: the same text in another dress has the same words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from algstack.decontaminate.words import hash_word, words


def spelled(text: str) -> list[str]:
    """The words of a text as they stand in it."""
    encoded = text.encode()
    found = words(encoded)
    return [encoded[start:end].decode() for start, end in zip(found.starts, found.ends, strict=True)]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param("Find the Value", "find  the\n-- value", id="case and white space"),
        pytest.param(r"$x \leq \frac{1}{2}$,\,y", "x ≤ 1/2 y", id="LaTeX"),
        pytest.param(r"\left( \mathbb{R} \right)", "(ℝ)", id="LaTeX that only sets the type"),
        pytest.param("naïve ﬁne 𝑥", "naive fine x", id="compatibility forms and accents"),
        pytest.param("e\u0301t", "ét", id="combining mark"),
        pytest.param("x² + h₀", "x^2 + h_0", id="raised digits"),
        pytest.param(r"one\ntwo\tthree", "one two three", id="escapes of a quoted string"),
        pytest.param(r"Ann\u2019s x \u2264 caf\u00e9\u003d\u03b1 x\u00b2", "Ann's x ≤ café α x²", id="escapes of JSON"),
        pytest.param(r"\u12 \uzzzz", r"\u 12 \uzzzz", id="what only looks like one"),
        pytest.param(r"\nu \theta", "ν θ", id="commands that begin like escapes"),
        pytest.param("α → β", r"\alpha \to \beta", id="Greek and arrows"),
        pytest.param("１２ Ａ", "12 a", id="full width"),
    ],
)
def test_the_same_words(one: str, other: str) -> None:
    assert words(one.encode()).hashes.tolist() == words(other.encode()).hashes.tolist()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", [], id="empty"),
        pytest.param(" ,;\\ ", [], id="no word"),
        pytest.param("a", ["a"], id="one letter at the end"),
        pytest.param("x1 y_2", ["x1", "y", "2"], id="underscore separates"),
        pytest.param("é\\alpha b", ["é", "\\alpha", "b"], id="places of words with and without ASCII"),
        pytest.param("中文", ["中文"], id="letters of other scripts"),
    ],
)
def test_places(text: str, expected: list[str]) -> None:
    assert spelled(text) == expected


def test_hash_of_a_word() -> None:
    assert words(b"Lemma").hashes.tolist() == [hash_word("lemma")]


@given(st.text(max_size=80))
def test_any_text_is_read_to_its_end(text: str) -> None:
    found = words(text.encode())
    assert (found.starts < found.ends).all()
    assert (found.ends[:-1] <= found.starts[1:]).all()
    assert (found.hashes != 0).all()
    for word in spelled(text):  # every place is at whole characters
        assert word
