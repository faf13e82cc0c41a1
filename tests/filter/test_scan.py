"""Digit counts and comment stripping, against plain Python."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from algstack.filter import scan
from algstack.filter.language import load_languages
from algstack.filter.syntax import Syntax
from algstack.texts import places
from tests.filter import reading

C = Syntax(line_comments=("//",), block_comments=(("/*", "*/"),), strings=('"',), character_quotes=True)
PYTHON = Syntax(line_comments=("#",), strings=('"""', "'''", '"', "'"))
COQ = Syntax(block_comments=(("(*", "*)"),), nested_comments=True, strings=('"',), multiline_strings=True, escape="")
TEX = Syntax(line_comments=("%",), escape_everywhere=True)


def code(text: str, syntax: Syntax) -> str:
    return str(scan.code(pl.Series([text]), syntax)[0])


@pytest.mark.parametrize(
    ("syntax", "text", "expected"),
    [
        pytest.param(C, "a // b\nc", "a     \nc", id="line"),
        pytest.param(C, "a /* b\n */ c", "a     \n    c", id="block"),
        pytest.param(C, 'x = "/*"; y', 'x = "  "; y', id="comment-in-string"),
        pytest.param(C, "'\"' // z", "'\"'     ", id="quote-character"),
        pytest.param(COQ, "(* (* a *) b *) c", "                c", id="nested"),
        pytest.param(COQ, '"a""(*" b', '" ""  " b', id="doubled-quote"),
        pytest.param(PYTHON, '"""a\n"b" """ c', '"""  \n    """ c'.replace("  \n", " \n"), id="long-string"),
        pytest.param(PYTHON, "'a\nb'", "' \nb'", id="open-string"),
        pytest.param(TEX, r"10\% of % all", r"10\% of      ", id="escaped-comment"),
        pytest.param(C, "é /* λ */ x", "é          x", id="utf8"),
    ],
)
def test_code(syntax: Syntax, text: str, expected: str) -> None:
    assert code(text, syntax) == expected


TOKENS = [
    "(*",
    "*)",
    "/*",
    "*/",
    "//",
    "--",
    "/-",
    "-/",
    "{-",
    "-}",
    "#",
    "%",
    "!",
    '"',
    "'",
    "'''",
    '"""',
    "\\",
    "x",
    "λ",
    "𝔸",
    "a'",
    "'a'",
    "//*",
    "\\%",
    "[[",
    "]]",
    "#=",
    "=#",
    ";",
    "C",
    "'\\n'",
    "'\\''",
    "\\\\",
]
PIECES = st.lists(st.sampled_from([*TOKENS, "\n", "\r", " "]), max_size=40).map("".join)


@given(texts=st.lists(PIECES | st.text(max_size=30), min_size=1, max_size=8))
@settings(max_examples=60, deadline=None)
def test_code_is_as_plain_python_reads_it(texts: list[str]) -> None:
    syntaxes = {language.syntax for language in load_languages().values()} | {C, PYTHON, COQ, TEX}
    for syntax in syntaxes:
        assert scan.code(pl.Series(texts), syntax).to_list() == [reading.code(text, syntax) for text in texts]


@given(texts=st.lists(st.text(max_size=50) | st.text("0123 \x1c\x85\xa0\u2003\u3000é9", max_size=30), max_size=8))
@settings(deadline=None)
def test_densities_count_as_str_split_does(texts: list[str]) -> None:
    found = scan.densities(pl.Series("text", texts, pl.String))
    assert found["characters"].to_list() == [len("".join(text.split())) for text in texts]
    assert found["digits"].to_list() == [sum(char in "0123456789" for char in text) for text in texts]


def test_slices_and_nulls() -> None:
    texts = pl.Series(["ab 1", None, "22", "x"]).slice(1, 2)
    assert scan.densities(texts).rows() == [(0, 0), (2, 2)]
    assert scan.code(texts, C).to_list() == ["", "22"]


@given(
    texts=st.lists(st.text(max_size=30) | st.text("aλ𝔸\n", max_size=400), min_size=1, max_size=6),
    characters=st.integers(0, 300),
)
@settings(deadline=None)
def test_texts_are_cut_between_characters(texts: list[str], characters: int) -> None:
    where = places(pl.Series(texts))
    assert scan.as_series(scan.beginnings(where, characters)).to_list() == [text[:characters] for text in texts]
    kept = [text[: max(len(text) - characters, 0)] for text in texts]
    assert scan.as_series(scan.without_end(where, characters)).to_list() == kept


@given(texts=st.lists(st.text("a\n", max_size=60), min_size=1, max_size=6), length=st.integers(1, 20))
def test_long_lines_are_long_on_average(texts: list[str], length: int) -> None:
    expected = [len(text) / (text.count("\n") + 1) > length for text in texts]
    assert scan.has_long_lines(pl.Series(texts), length).to_list() == expected


def test_texts_of_several_chunks_are_read_where_they_lie() -> None:
    texts = pl.concat([pl.Series(["ab" * 20, "x"]), pl.Series([None, "λ" * 9, ""])], rechunk=False)
    where = places(texts.slice(1, 3))
    assert scan.as_series(where.take(np.array([2, 0]))).to_list() == ["λ" * 9, "x"]
    assert where.lengths.tolist() == [1, 0, 18]
