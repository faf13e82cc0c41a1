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
FORTRAN = Syntax(line_comments=("!",), column_comments=("*", "C", "c"), strings=("'", '"'), escape="")


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
        pytest.param(TEX, r"10\\% of all", r"10\\        ", id="escaped-escape"),
        pytest.param(FORTRAN, "* a\nC b\nc\td\nC\n*c", "   \n   \n   \n \n  ", id="first-column"),
        pytest.param(FORTRAN, "call f(x)\nc(1) = 2 * 3\n  c * d\nC=1", None, id="not-first-column"),
        pytest.param(C, "é /* λ */ x", "é          x", id="utf8"),
    ],
)
def test_code(syntax: Syntax, text: str, expected: str | None) -> None:
    assert code(text, syntax) == (text if expected is None else expected)


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
    "c ",
    "*",
    "'\\n'",
    "'\\''",
    "\\\\",
]
PIECES = st.lists(st.sampled_from([*TOKENS, "\n", "\r", " ", "x" * 30, " " * 70]), max_size=60).map("".join)


@given(texts=st.lists(PIECES | st.text(max_size=30), min_size=1, max_size=8))
@settings(max_examples=60, deadline=None)
def test_code_is_as_plain_python_reads_it(texts: list[str]) -> None:
    syntaxes = {language.syntax for language in load_languages().values()} | {C, PYTHON, COQ, TEX, FORTRAN}
    for syntax in syntaxes:
        assert scan.code(pl.Series(texts), syntax).to_list() == [reading.code(text, syntax) for text in texts]


def test_slices_and_nulls() -> None:
    assert scan.code(pl.Series(["ab 1", None, "22", "x"]).slice(1, 2), C).to_list() == ["", "22"]


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


def test_texts_of_several_chunks_are_read_where_they_lie() -> None:
    texts = pl.concat([pl.Series(["ab" * 20, "x"]), pl.Series([None, "λ" * 9, ""])], rechunk=False)
    where = places(texts.slice(1, 3))
    assert scan.as_series(where.take(np.array([2, 0]))).to_list() == ["λ" * 9, "x"]
    assert where.lengths.tolist() == [1, 0, 18]
