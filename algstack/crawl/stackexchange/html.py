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
from algstack.crawl.stackexchange.seek import WIDTH, Bytes, Numbers, array_of, padded
from algstack.crawl.stackexchange.writer import (
    CUT_FORMULA,
    DONE,
    FULL,
    NO_LANGUAGE,
    REFERENCES,
    Writer,
    write_all,
    writer,
)

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


def to_markdown_all(sources: pa.StringArray, order: Numbers | None = None) -> pa.StringArray:
    """Return the Markdown of many posts, with a NUL behind the fence of each code block that names no language.

    Args:
        sources: HTML without NULs; of a null there is no Markdown.
        order: places of the posts in the order in which they are wanted.
    """
    _, offsets, data = sources.buffers()
    if not len(sources) or data is None:
        return pa.array([""] * len(sources), pa.string())
    starts = np.frombuffer(offsets, np.int32)[sources.offset : sources.offset + len(sources) + 1].astype(np.int64)
    source = array_of(data) if starts[-1] + WIDTH <= data.size else padded(data.to_pybytes())
    size = starts[-1] - starts[0]
    begins, ends = (starts[:-1], starts[1:]) if order is None else (starts[:-1][order], starts[1:][order])
    state, written, statuses = _write(source, begins, ends, int(size + size // 4 + ROOM))
    found = pa.StringArray.from_buffers(len(sources), pa.py_buffer(written.astype(np.int32)), pa.py_buffer(state.out))
    if not statuses.any():
        return found
    undone = np.flatnonzero(statuses != DONE)
    mended = [_written(sources[place].as_py()) for place in (undone if order is None else order[undone]).tolist()]
    return pc.replace_with_mask(found, pa.array(statuses != DONE), pa.array(mended, pa.string()))


def _write(
    source: Bytes, begins: Numbers, ends: Numbers, room: int, *, joined: bool = False
) -> tuple[Writer, Numbers, Numbers]:
    """Return (a writer that wrote some posts, the offsets of their Markdown in its `out`, their statuses)."""
    state = writer(source, room, int((ends - begins).max()))
    written, statuses = np.empty(len(begins) + 1, np.int64), np.empty(len(begins), np.int64)
    write_all(state, begins, ends, joined, written, statuses)
    return state, written, statuses


def _written(source: str) -> str:
    """Return the Markdown of any HTML, mended as far as it needs that."""
    room, joined = 1, False
    for _ in range(MENDINGS):
        data = source.encode()
        begins, ends = np.array([[0], [len(data)]])
        state, written, (status,) = _write(padded(data), begins, ends, room * 2 * len(data) + ROOM, joined=joined)
        if status == DONE:
            return state.out[: written[-1]].tobytes().decode()
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
