"""Signals of quality: each as its definition says, over any text."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pygments.lexers import get_lexer_by_name

from algstack import natural, signals
from algstack.documents import SIGNAL_COLUMNS, signal_columns
from algstack.errors import AlgstackError
from algstack.lexers import LEXERS

SHAPE = ("alphanum_fraction", "avg_line_length", "max_line_length", "digit_density")

ENGLISH = "Let G be a finite group. Then every subgroup of G has an order that divides the order of the group. "
FRENCH = "Soit G un groupe fini. Alors l'ordre de tout sous-groupe divise l'ordre de ce groupe, selon Lagrange. "


def measure(texts: list[str | None], names: tuple[str, ...], lang: str | None = None) -> pl.DataFrame:
    rows = {"text": texts, "lang": [lang] * len(texts), "path": [None] * len(texts)}
    schema = dict.fromkeys(rows, pl.String)
    return pl.DataFrame(signals.measured(pl.DataFrame(rows, schema=schema), names))


def in_plain_python(text: str) -> tuple[float | None, float | None, int | None, float | None]:
    lines, visible = text.splitlines(), "".join(text.split())
    if not text:
        return None, None, None, None
    return (
        sum(map(str.isalnum, text)) / len(text),
        sum(map(len, lines)) / len(lines),
        max(map(len, lines)),
        sum(character in "0123456789" for character in visible) / len(visible) if visible else None,
    )


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.text(st.sampled_from("ab1 9٣²é文ℕ∀𝔽\n\r\v\x1c\x85\u2028\u3000\t.")) | st.text(max_size=40), min_size=1)
)
def test_characters_and_lines_are_those_of_python(texts: list[str]) -> None:
    assert measure(texts, SHAPE).rows() == [pytest.approx(in_plain_python(text), abs=1e-12) for text in texts]


@pytest.mark.parametrize(
    ("text", "share"),
    [
        pytest.param(ENGLISH * 30, 1.0, id="english"),
        pytest.param(FRENCH * 30, 0.0, id="french"),
        pytest.param(ENGLISH * 200 + FRENCH * 200, 0.5, id="half of each"),
        pytest.param("ℕ → ℝ, 12 + 34, x y z", None, id="no words"),
        pytest.param("有限群の部分群の位数は群の位数を割り切る。" * 100, 0.0, id="japanese"),
        pytest.param("/* " + ENGLISH + "*/\nint main(int argc) { return x1 + y2; }\n", 1.0, id="code"),
    ],
)
def test_the_share_of_english(text: str, share: float | None) -> None:
    # Other texts in the batch, empty ones among them, change nothing.
    found = measure([FRENCH, text, "", None, text], ("english_share",))["english_share"].to_list()
    assert found[1] == (share if share is None else pytest.approx(share, abs=0.05))
    assert found[4] == found[1]
    assert found[2:4] == [None, None]


def test_words_of_a_text_of_one_stretch_are_told_as_langid_tells_them() -> None:
    words = " ".join(word for word in FRENCH.replace(".", " ").replace("'", " ").replace(",", " ").split())
    kept = " ".join(word for part in words.split("-") for word in part.split() if len(word) > 1) + " "
    assert natural.identify(pl.Series([kept]))[0] == "fr"
    assert measure([FRENCH], ("english_share",)).rows() == [(0.0,)]


@pytest.mark.parametrize(
    ("lang", "text", "ratio", "errors"),
    [
        pytest.param("python", "x = 1  # four\n", 5 / 8, 0, id="comment"),
        pytest.param("python", '"""Doc."""\nx = 1\n', 10 / 13, 0, id="documentation string"),
        pytest.param("python", "a = ?\nb = $$\n", 0.0, 2, id="errors in a row are one"),
        pytest.param("c", "#include <a.h>\nint x; /* y */\n", 5 / 23, 0, id="the preprocessor's lines are none"),
        pytest.param("lean", "theorem t : 1 = 1 := rfl -- easy\n", 6 / 23, 0, id="lean"),
        pytest.param("coq", "Lemma t : True. (* so *) Proof. exact I. Qed.\n", 6 / 35, 0, id="coq"),
        pytest.param("metamath", "$( so $)\n", None, None, id="no lexer"),
        pytest.param(None, "so\n", None, None, id="no language"),
    ],
)
def test_what_pygments_sees(lang: str | None, text: str, ratio: float | None, errors: int | None) -> None:
    found = measure([text], ("comment_ratio", "parse_errors"), lang).row(0)
    assert found == (ratio if ratio is None else pytest.approx(ratio), errors)


def test_a_text_is_lexed_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals, "LEXED", 60)
    assert measure(["x = 1\n" * 10 + "? # so\n"], ("comment_ratio", "parse_errors"), "python").row(0) == (0.0, 0)


def test_columns_come_in_one_order_and_once() -> None:
    names = ("parse_errors", "alphanum_fraction", "parse_errors")
    assert measure(["x"], names, "c").columns == ["alphanum_fraction", "parse_errors"]
    assert measure(["x"], tuple(column.name for column in SIGNAL_COLUMNS), "c").width == len(SIGNAL_COLUMNS)
    assert signals.measured(pl.DataFrame({"text": ["x"]}), ()) == []


def test_a_misspelt_name_is_an_error_that_names_the_nearest() -> None:
    with pytest.raises(AlgstackError, match="no signal `comments_ratio`; did you mean `comment_ratio`"):
        signal_columns(["comments_ratio"])


@pytest.mark.parametrize("name", LEXERS.values())
def test_every_lexer_is_one_of_pygments(name: str) -> None:
    assert get_lexer_by_name(name)
