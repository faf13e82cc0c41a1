"""Markup between words becomes spaces; what only looks like it stays."""

from __future__ import annotations

import pytest

from algstack.decontaminate.markup import without_markup
from algstack.decontaminate.words import words


def blanked(text: str) -> str:
    return without_markup(text.encode()).tobytes().decode()


@pytest.mark.parametrize(
    "markup",
    [
        *("<p>", "</p>", "<BR/>", "<br />", '<a href="x.html" class=y>', "<h1>", "<blockquote>", "<td\nalign='left'>"),
        *("&nbsp;", "&lt;", "&AMP;", "&#39;", "&#x2019;", ":math:`"),
    ],
)
def test_markup_is_blanked(markup: str) -> None:
    for before in ("", "one ", "é" * 70):
        expected = f"{before}{' ' * len(markup)} two"
        assert blanked(f"{before}{markup} two") == expected


@pytest.mark.parametrize(
    "text",
    [
        *("a<b && c>d", "vector<int>", "x < b > y", "<", "</", "<p", "<b", "a <- b", "<b c", "<img " + "x" * 500 + ">"),
        *("a && b;", "&times;", "&alpha;", "& x \\\\", "&", "&#;", "math:`x`", "a :math: b", "`code`"),
    ],
)
def test_what_is_no_markup_stays(text: str) -> None:
    assert blanked(text) == text


def test_a_problem_in_html_has_the_same_words() -> None:
    plain = "How many of the eggs, at most $2 \\times 3$, does she sell in March?"
    html = (
        "<p>How&nbsp;many of <b>the</b> eggs, at most <i>2</i>&times;3,<br>\n"
        "does she sell <a href='m.html'>in</a> March?</p>"
    )
    assert words(html.encode()).hashes.tolist() == words(plain.encode()).hashes.tolist()
