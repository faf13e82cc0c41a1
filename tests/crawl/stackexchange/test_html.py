"""HTML of posts to Markdown: what each element becomes, and that formulas and code survive character for character."""

from __future__ import annotations

import random
import re

import pytest
from bs4 import BeautifulSoup
from bs4.element import PreformattedString
from hypothesis import given, settings
from hypothesis import strategies as st

from algstack.crawl.stackexchange.html import to_markdown
from benchmarks.stackexchange import Shapes
from tests.crawl.stackexchange.reference import to_markdown as reference

ELEMENTS = {
    "paragraphs": ("<p>one</p>\n\n<p>two</p>", "one\n\ntwo"),
    "paragraphs of newer dumps": ("<p>one</p>\n<p>two</p>\n", "one\n\ntwo"),
    "line ends inside": ("<p>one\ntwo</p>", "one\ntwo"),
    "break": ("<p>one<br>\ntwo<br />three</p>", "one\ntwo\nthree"),
    "emphasis": ("<p>an <em>old</em> and <strong>true</strong> <s>tale</s></p>", "an *old* and **true** ~~tale~~"),
    "emphasis of old editors": ("<p><i>a</i> <b>b</b> <strike>c</strike></p>", "*a* **b** ~~c~~"),
    "empty emphasis": ("<p>a<em></em>b</p>", "ab"),
    "inline code": ("<p>call <code>f(x_1, *a)</code></p>", "call `f(x_1, *a)`"),
    "inline code with backticks": ("<p><code>a`b``c</code></p>", "``` a`b``c ```"),
    "inline code with tags": ("<p><code>a<sub>1</sub> <b>b</b></code></p>", "`a1 b`"),
    "link": ('<p><a href="http://a.b/c" rel="nofollow">here</a></p>', "[here](http://a.b/c)"),
    "link of its own address": ('<p><a href="http://a.b/c?x=1&amp;y">http://a.b/c?x=1&amp;y</a></p>',
                                "<http://a.b/c?x=1&y>"),
    "link with parentheses": ('<p><a href="http://a.b/c_(d)">c</a></p>', "[c](<http://a.b/c_(d)>)"),
    "link without address": ('<p><a name="x">anchor</a></p>', "anchor"),
    "link around code": ('<p><a href="u"><code>f</code></a></p>', "[`f`](u)"),
    "address with a bracket": ('<p><a href="http://a.b/?x>y">c</a></p>', "[c](http://a.b/?x>y)"),
    "image": ('<p><img src="http://i.b/x.png" alt="a sine wave"></p>', "[image: a sine wave]"),
    "image that nobody described": ('<p><img src="x.png" alt="enter image description here" /></p>', "[image]"),
    "keys": ("<p>press <kbd>Ctrl</kbd></p>", "press <kbd>Ctrl</kbd>"),
    "superscripts": ("<p>H<sub>2</sub>O, 2<sup>10</sup></p>", "H<sub>2</sub>O, 2<sup>10</sup>"),
    "heading": ("<h1>Top</h1>\n<p>text</p>\n<h5>Low</h5>", "### Top\n\ntext\n\n###### Low"),
    "rule": ("<p>a</p>\n<hr>\n<p>b</p>\n<hr />", "a\n\n---\n\nb\n\n---"),
    "list": ("<ul>\n<li>one</li>\n<li>two</li>\n</ul>", "- one\n- two"),
    "numbered list": ('<ol start="3">\n<li>c</li>\n<li>d</li>\n</ol>', "3. c\n4. d"),
    "a list that does not start at one, then one that does": (
        '<ol start="3"><li>c</li></ol><p>x</p><ol><li>a</li></ol>', "3. c\n\nx\n\n1. a"),
    "nested lists": ("<ul>\n<li>a\n<ol>\n<li>b</li>\n<li>c</li>\n</ol></li>\n<li>d</li>\n</ul>",
                     "- a\n  1. b\n  2. c\n- d"),
    "loose list": ("<ul>\n<li><p>a</p></li>\n<li><p>b</p>\n\n<p>c</p></li>\n</ul>", "- a\n\n- b\n\n  c"),
    "text after a list": ("<ul><li>a</li></ul><p>b</p>", "- a\n\nb"),
    "quote": ("<blockquote>\n  <p>a</p>\n  \n  <p>b</p>\n</blockquote>\n<p>c</p>", "> a\n\n> b\n\nc"),
    "spoiler": ('<blockquote class="spoiler">\n<p>a</p>\n</blockquote>\n<blockquote><p>b</p></blockquote>',
                ">! a\n\n> b"),
    "quote in a list": ("<ul><li><blockquote><p>a</p></blockquote></li></ul>", "- > a"),
    "code block": ("<pre><code>a &lt; b\n  c\n</code></pre>", "```\na < b\n  c\n```"),
    "code block of a language": ('<pre class="lang-hs prettyprint-override"><code>f x\n</code></pre>',
                                 "```hs\nf x\n```"),
    "code block of newer dumps": ('<pre class="lang-py s-code-block"><code class="hljs language-py">x</code></pre>',
                                  "```py\nx\n```"),
    "code block of no language": ('<pre class="lang-none"><code>x\n</code></pre>', "```\nx\n```"),
    "code block without code": ("<pre>x\n y</pre>", "```\nx\n y\n```"),
    "code block with backticks": ("<pre><code>```\nx\n```\n</code></pre>", "````\n```\nx\n```\n````"),
    "code block in a list": ("<ul>\n<li><p>a</p>\n\n<pre><code>  x\n    y\n</code></pre></li>\n</ul>",
                             "- a\n\n```\n  x\n    y\n```"),
    "table": ("<table>\n<thead><tr><th>a</th>\n<th>b</th></tr></thead>\n<tr><td>1</td>\n<td>$|x|$</td></tr></table>",
              "| a | b |\n| --- | --- |\n| 1 | $|x|$ |"),
    "definitions": ("<dl><dt>a</dt><dd>b</dd></dl>", "a\n\n: b"),
    "comment": ("<p>a</p>\n<!-- language: lang-py -->\n<p>b</p>", "a\n\nb"),
    "script": ("<p>a</p><script>alert(1 < 2)</script><p>b</p>", "a\n\nb"),
    "unknown elements": ("<p>a <center>b</center></p>", "a b"),
    "capitals": ("<P>a <EM>b</EM></P>", "a *b*"),
    "no words glued": ("<div>a</div><div>b</div><p>c</p>d", "a\n\nb\n\nc\n\nd"),
    "entities": ("<p>&amp;lt; &eacute; &#233; &#x2200; &nosuch; AT&T &lt;p&gt;</p>", "&lt; é é ∀ &nosuch; AT&T <p>"),
    "nothing is escaped": ("<p>a_b * c # 1. [x] \\ `</p>", "a_b * c # 1. [x] \\ `"),
    "nothing": ("", ""),
}  # fmt: skip


@pytest.mark.parametrize(("source", "wanted"), ELEMENTS.values(), ids=ELEMENTS)
def test_element(source: str, wanted: str) -> None:
    assert to_markdown(source) == wanted


def test_the_callers_language_is_for_blocks_without_one() -> None:
    classes = ("", ' class="lang-r"', ' class="lang-none"')
    source = "".join(f"<pre{named}><code>a</code></pre>" for named in classes)

    assert re.findall("```(.+)", to_markdown(source, "tex")) == ["tex", "r"]


FORMULAS = {
    "inline": ("<p>if $a_1 * b_2$ and $c_3*d$</p>", "$a_1 * b_2$"),
    "entities": ("<p>$a &lt; b &amp; c &gt; d$</p>", "$a < b & c > d$"),
    "display": ("<p>so\n$$\n  x \\\\\n  y\n$$</p>", "$$\n  x \\\\\n  y\n$$"),
    "bracketed": (r"<p>\[ \frac{a}{b} \] and \(x_1\)</p>", r"\[ \frac{a}{b} \]"),
    "environment": ("<p>\\begin{align}\na &amp;= b \\\\\n&amp;= c\n\\end{align}</p>",
                    "\\begin{align}\na &= b \\\\\n&= c\n\\end{align}"),
    "environment outside of paragraphs": ("\\begin{align}\na &amp;= b\n\\end{align}\n<p>x</p>",
                                          "\\begin{align}\na &= b\n\\end{align}"),
    "marked by the site": ('<p>if <span class="math-container">$a_1$</span>.</p>', "if $a_1$."),
    "in a list, over lines": ("<ul><li>so\n$$\na\n$$\nthen</li></ul>", "$$\na\n$$\nthen"),
    "in a quote, over lines": ("<blockquote>\n<p>so\n$$\na\n$$</p></blockquote>", "$$\na\n$$"),
    "in a nested list": ("<ol><li><ul><li><p>x</p><p>$$\na\n$$</p></li></ul></li></ol>", "$$\na\n$$"),
    "in a table": ("<table><tr><td>$a\n|b|$</td></tr></table>", "$a\n|b|$"),
    "in a heading": ("<h2>On $x_1$</h2>", "#### On $x_1$"),
    "in a link": ('<p><a href="u">$x_1$</a></p>', "[$x_1$](u)"),
    "emphasised": ("<p><em>$x_1$</em></p>", "*$x_1$*"),
    "cut by emphasis": ("<p>$a<em>1 + b</em>1$ and <em>x</em></p>", "$a1 + b1$ and *x*"),
    "two cut by one emphasis": ("<p>$a<em>1$ and $b</em>2$ <em>x</em></p>", "$a1$ and $b2$ *x*"),
    "cut by breaks": ("<p>$$a \\\\<br>\nb$$</p>", "$$a \\\\\nb$$"),
    "cut by a link": ('<p>$<a href="u">a</a>$</p>', "$a$"),
    "environment cut by emphasis": (r"<p>\begin{x}a<em>1 b</em>1\end{x}</p>", r"\begin{x}a1 b1\end{x}"),
    "a dollar that is none": (r"<p>\$5 <em>or</em> $x$</p>", r"\$5 *or* $x$"),
    "no formula across code": ("<p>$a <code>x$</code> <em>b</em></p>", "$a `x$` *b*"),
    "no formula across paragraphs": ("<p>cost $5</p>\n\n<p>or <em>then</em> $6</p>", "cost $5\n\nor *then* $6"),
}  # fmt: skip


@pytest.mark.parametrize(("source", "wanted"), FORMULAS.values(), ids=FORMULAS)
def test_formula(source: str, wanted: str) -> None:
    assert wanted in to_markdown(source)


BROKEN = {
    "never closed": ("<p>a <em>b<p>c", "a *b\n\nc*"),
    "closed twice": ("<p>a</p></p></em>b", "a\n\nb"),
    "crossed": ("<p><em>a <strong>b</em> c</strong></p>", "*a **b*** c"),
    "a bracket of its own": ("<p>a < b and c > d</p>", "a < b and c > d"),
    "brackets with nothing inside": ("<p>a <> b</p>", "a <> b"),
    "cut in a tag": ("<p>a</p><a href=", "a"),
    "comment never closed": ("<p>a</p><!-- x <p>b</p>", "a"),
    "comment never closed in a code block": ("<pre>a<!--b", "```\na\n```"),
    "comment never closed in code": ("<p>a <code>b<!--c", "a `b`"),
    "code never closed": ("<p>a <code>b</p>\n<p><code>c</code> d</code></p>", "a `b`\n\n`c` d"),
    "a tag in a value": ('<p><a href="x<a href="y" b="z">c" d="e">f</a></p>', '[c" d="e">f](<x<a href=>)'),
    "a quote too many": ('<p><a href="x"">c</a> d</p>', "[c](x) d"),
    "NUL": ("<p>a\0b &#0;</p>", "a\ufffdb \ufffd"),
    "surrogate": ("<p>&#xD800;</p>", "\ufffd"),
    "list items alone": ("<li>a</li><li>b</li>", "- a\n\n- b"),
    "cells alone": ("<td>a</td><td>b</td>", "a\n\nb"),
}


@pytest.mark.parametrize(("source", "wanted"), BROKEN.values(), ids=BROKEN)
def test_broken_html_keeps_its_text(source: str, wanted: str) -> None:
    assert to_markdown(source) == wanted


LARGE = {
    "paragraph": "<p>" + "word $x$ " * 500_000 + "</p>",
    "quotes": "<blockquote>" * 20_000 + "x",
    "lists": "<ul><li>x" * 20_000,
    "emphasis": "<em>" * 20_000 + "x",
    "brackets": "< " * 200_000,
    "comments": "<!--" * 200_000,
    "tables": "<table><tr><td>" * 5_000,
    "links": '<a href="x">' * 20_000 + "x",
}


@pytest.mark.parametrize("source", LARGE.values(), ids=LARGE)
def test_large_and_deep_html_ends(source: str) -> None:
    assert len(to_markdown(source)) < 12 * len(source) + 1000


def without_space(text: str) -> str:
    return "".join(text.split())


def fragments() -> list[str]:
    return ["\n\n".join(Shapes(seed).fragments(12)) for seed in range(40)]


DIFFERENTIAL = [*(source for source, _ in ELEMENTS.values()), *fragments()]


@pytest.mark.parametrize("source", DIFFERENTIAL, ids=range(len(DIFFERENTIAL)))
def test_says_the_same_as_beautifulsoup(source: str) -> None:
    assert without_space(to_markdown(source)) == without_space(reference(source))


def broken(rng: random.Random) -> str:
    """HTML with a few tags lost, doubled, cut or made up."""
    source = "\n\n".join(rng.choices(FRAGMENTS, k=2))
    for _ in range(rng.randrange(1, 4)):
        tags = [match.span() for match in re.finditer("<[^<>]*>", source)] or [(0, 1)]
        start, end = rng.choice(tags)
        place = rng.randrange(len(source))
        source = rng.choice(
            (
                source[:start] + source[end:],
                source[:place] + source[start:end] + source[place:],
                source[:place]
                + rng.choice(("<", "&", '"', "</p>", "<!--", "</code>", "<pre>", "<b>"))
                + source[place:],
                source[: max(1, place)],
                source[:start] + source[start + 1 : end - 1] + source[end:],
            )
        )
    return source


FRAGMENTS = Shapes(3).fragments(300)


@pytest.mark.parametrize("seed", range(20))
def test_broken_html_loses_nothing_that_can_be_seen(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(20):
        source = broken(rng)
        soup = BeautifulSoup(source, "lxml")
        seen = "".join(text for text in soup.find_all(string=True) if not isinstance(text, PreformattedString))
        written = iter(without_space(to_markdown(source)))
        assert all(character in written for character in without_space(seen)), source


def check_verbatim(source: str) -> None:
    """Every code block and every formula without tags stands in the Markdown as it is."""
    markdown = to_markdown(source)
    soup = BeautifulSoup(source, "html.parser")
    for code in soup.find_all("pre"):
        assert code.get_text() in markdown
        code.decompose()
    for code in soup.find_all("code"):
        assert code.get_text() in markdown
        code.decompose()
    for text in soup.find_all(string=True):
        for formula in re.findall(r"\$\$[^$]+\$\$|\$[^$]+\$|\\begin\{(?:.|\n)*?\\end\{\w+\}", str(text)):
            assert formula in markdown


@pytest.mark.parametrize("source", fragments(), ids=range(40))
def test_formulas_and_code_are_verbatim(source: str) -> None:
    check_verbatim(source)


TAGS = ["p", "ul", "ol", "li", "em", "strong", "a", "code", "pre", "blockquote", "h1", "table", "tr", "td", "br", "img"]
PIECES = st.one_of(
    st.sampled_from([f"<{tag}>" for tag in TAGS] + [f"</{tag}>" for tag in TAGS]),
    st.sampled_from(['<a href="x>y">', "<", ">", "&", "<!--", "-->", "&#0;", '"', "<p", "$", "$$", "\\(", "`", "\n"]),
    st.text(max_size=5),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES, max_size=25).map("".join))
def test_any_html_becomes_some_text(source: str) -> None:
    to_markdown(source).encode()
