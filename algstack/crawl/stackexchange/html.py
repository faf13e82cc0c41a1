"""The HTML of posts to Markdown, with every formula and every code block as the author typed it.

The text of a post is never touched: nothing is escaped, re-wrapped or indented, references are resolved once. Only
block starts get a prefix (`- `, `> `, the indent of a nested list), never continuation lines, which CommonMark
allows for paragraphs ("lazy continuation"); code blocks stand at the left margin even inside lists and quotes.
So a formula or a code block of any number of lines is one contiguous piece of the Markdown.

`writer` does it for well-formed HTML, which nearly all posts are. What is not is mended first, then written the same
way.
"""

from __future__ import annotations

import html
import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from algstack.crawl.stackexchange.pieces import Unbalanced, join_formulas, repair, source_of, split
from algstack.crawl.stackexchange.seek import Numbers, padded
from algstack.crawl.stackexchange.writer import CUT_FORMULA, DONE, FULL, NO_LANGUAGE, REFERENCES, write_all, writer

_NO_LANGUAGE = chr(NO_LANGUAGE)

ROOM = 1 << 14
"""Bytes of Markdown that there is room for beyond the length of the HTML, which it hardly ever exceeds."""

MENDINGS = 8
"""More than any HTML needs: references, repair, then formulas, and larger rooms in between."""


def to_markdown(source: str, code_lang: str | None = None) -> str:
    """Return a post's HTML as Markdown.

    Formulas and code are kept character for character, entities resolved. An inline tag in the middle of a formula
    (`$a<em>1 + b</em>1$`, made of underscores by an old renderer) is removed, its text stays.

    Args:
        source: the rendered HTML of one post, of any size and however broken.
        code_lang: language of code blocks that do not name one themselves.
    """
    return with_language(_written(source.replace(_NO_LANGUAGE, "\ufffd")), code_lang)


def with_language(markdown: str, code_lang: str | None) -> str:
    """Return what `to_markdown_all` gives with the language of code blocks that do not name one themselves."""
    return markdown.replace(_NO_LANGUAGE, code_lang or "") if _NO_LANGUAGE in markdown else markdown


def to_markdown_all(sources: pa.StringArray) -> pa.StringArray:
    """Return the Markdown of many posts, with a NUL behind the fence of each code block that names no language.

    Args:
        sources: HTML without nulls and without NULs.
    """
    _, offsets, data = sources.buffers()
    if not len(sources) or data is None:
        return sources
    ends = np.frombuffer(offsets, np.int32)[sources.offset : sources.offset + len(sources) + 1].astype(np.int64)
    room = int(ends[-1] - ends[0]) + (ends[-1] - ends[0]) // 4 + ROOM
    text, written, statuses = _write(data.to_pybytes(), ends, room)
    found = pa.StringArray.from_buffers(len(sources), pa.py_buffer(written.astype(np.int32)), pa.py_buffer(text))
    if not statuses.any():
        return found
    mended = [_written(source.as_py()) for source in sources.filter(pa.array(statuses != DONE))]
    return pc.replace_with_mask(found, pa.array(statuses != DONE), pa.array(mended, pa.string()))


def _write(html_: bytes, ends: Numbers, room: int, *, joined: bool = False) -> tuple[bytes, Numbers, Numbers]:
    """Return (Markdown of the posts between some offsets, its offsets, their statuses)."""
    state = writer(padded(html_), room, int(np.diff(ends).max()))
    written, statuses = np.empty(len(ends), np.int64), np.empty(len(ends) - 1, np.int64)
    write_all(state, ends, joined, written, statuses)
    return state.out[: written[-1]].tobytes(), written, statuses


def _written(source: str) -> str:
    """Return the Markdown of any HTML, mended as far as it needs that."""
    room, joined = 1, False
    for _ in range(MENDINGS):
        data = source.encode()
        text, _, (status,) = _write(data, np.array([0, len(data)]), room * 2 * len(data) + ROOM, joined=joined)
        if status == DONE:
            return text.decode()
        if status == FULL:
            room *= 8
        elif status == REFERENCES:
            source = plain_references(source)
        elif status == CUT_FORMULA:
            source, joined = _with_whole_formulas(source), True
        else:
            source, joined = source_of(repair(source)), False
    raise AssertionError(f"HTML that cannot be mended: {source[:200]}")


def _with_whole_formulas(source: str) -> str:
    try:
        return source_of(join_formulas(split(source)))
    except Unbalanced:
        return source_of(join_formulas(repair(source)))


_REFERENCE = re.compile(r"&(?:#\d+;?|#[xX][0-9a-fA-F]+;?|[^\t\n\f <&#;]{1,32};?)?")
_PLAIN = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"})


def plain_references(source: str) -> str:
    """Return HTML whose only character references are `&lt;`, `&gt;`, `&quot;` and `&amp;`; it means the same."""
    return _REFERENCE.sub(lambda reference: html.unescape(reference[0]).translate(_PLAIN), source)
