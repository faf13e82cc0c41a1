"""HTML as a flat list of pieces, each a tag and the text after it, with no formula cut by an inline tag.

Posts are almost always well-formed, and a flat list is several times faster to make and to walk than a tree. What is
not well-formed goes through lxml's forgiving parser, which gives the same kind of list.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Any, cast

from lxml import etree

Piece = str
"""A tag without its opening bracket, and the text after it: `p>Let`, `/p>`, `a href="…">here`."""

NO_TAG = "\0"
"""Stands where there is no tag, or none any more; no source has this character."""

VOID = frozenset({"area", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "wbr"})
"""Elements that have no end tag."""

_BLOCKS = frozenset(
    {"p", "div", "ul", "ol", "li", "blockquote", "pre", "hr", "h1", "h2", "h3", "h4", "h5", "h6"}
    | {"table", "thead", "tbody", "tfoot", "tr", "td", "th", "dl", "dt", "dd"}
)
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_NAME = re.compile(r"/?[a-zA-Z][a-zA-Z0-9:-]*")

REPAIR_BYTES = 1 << 16


class Unbalanced(Exception):  # noqa: N818 - a signal, not an error
    """The HTML is not well-formed: it needs a parser."""


def split(source: str) -> list[Piece]:
    """Return the pieces of well-formed HTML; the first is the text before any tag, after NO_TAG."""
    if "<!--" in source:
        if source.rfind("<!--") > source.rfind("-->"):
            raise Unbalanced
        source = _COMMENT.sub("", source)
    pieces = source.split("<")
    pieces[0] = f"{NO_TAG}>{pieces[0]}"
    return pieces


def source_of(pieces: list[Piece]) -> str:
    """Return the HTML that pieces are of."""
    tags = (piece.partition(">") for piece in pieces)
    return "".join(text if tag == NO_TAG else f"<{tag}>{text}" for tag, _, text in tags)


def name_of(tag: str) -> str:
    """Return a tag's name in lower case, with the slash of an end tag.

    Raises:
        Unbalanced: it is none, such as a `<` that stands for itself, or the tag ended inside a quoted value.
    """
    match = _NAME.match(tag)
    if match is None or tag.count('"') % 2:
        raise Unbalanced
    return match.group().lower()


def repair(source: str) -> list[Piece]:
    """Return the pieces of any HTML."""
    parser: Any = etree.HTMLParser(target=cast(Any, _Pieces()), huge_tree=True, remove_comments=True, remove_pis=True)
    parser.feed("<html><body>")
    # Fed in portions, libxml2 has no limit of size.
    for start in range(0, len(source), REPAIR_BYTES):
        parser.feed(source[start : start + REPAIR_BYTES])
    pieces: list[Piece] = parser.close()
    return pieces


_ATTRIBUTES = ("alt", "class", "href", "src", "start")


def _sound(tag: str) -> str:
    """Return a tag's name; libxml2 takes nearly anything for one, such as `p$"`."""
    return tag if _NAME.fullmatch(tag) else "span"


class _Pieces:
    """Target of lxml's parser: gathers pieces, with entities written again."""

    def __init__(self) -> None:
        self._pieces: list[Piece] = []
        self._tag = NO_TAG
        self._text: list[str] = []

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if tag not in ("html", "body"):
            known = [(name, attributes[name]) for name in _ATTRIBUTES if name in attributes]
            self._next(_sound(tag) + "".join(f' {name}="{html.escape(value)}"' for name, value in known))

    def end(self, tag: str) -> None:
        if tag not in ("html", "body") and tag not in VOID:
            self._next(f"/{_sound(tag)}")

    def data(self, text: str) -> None:
        self._text.append(html.escape(text, quote=False))

    def close(self) -> list[Piece]:
        self._next("")
        return self._pieces

    def _next(self, tag: str) -> None:
        self._pieces.append(f"{self._tag}>{''.join(self._text)}")
        self._tag, self._text = tag, []


# -- formulas ---------------------------------------------------------------------------------------------------------

_DELIMITER = re.compile(r"\n\n|\\[$\\]|\$\$|\$|\\[\[\]()]|\\(?:begin|end)\{[^{}]*\}")
_CLOSING = {"$": "$", "$$": "$$", "\\[": "\\]", "\\(": "\\)"}

_NEVER_INSIDE = ("/p>", "/li>", "code>", "p>", "ul>", "ol>", "li>", "/code>", "/pre>", "pre>", "blockquote>")
"""Tags that no formula goes across; most texts end at one of these."""

MAX_TAGS_INSIDE = 24
"""A formula that is cut by more tags than this is none."""


def join_formulas(pieces: list[Piece]) -> list[Piece]:
    """Remove the inline tags that stand inside formulas; their text stays."""
    before = ""
    for position, piece in enumerate(pieces):
        if ("$" in before or "\\" in before) and not piece.startswith(_NEVER_INSIDE) and _may_be_open(before):
            closing = open_formula(before, before.find(">") + 1)
            if closing and _find_closing(pieces, position, closing):
                return _without_orphans([*pieces[: position - 1], *_join(pieces, position - 1)])
        before = piece
    return pieces


def _join(pieces: list[Piece], position: int) -> Iterator[Piece]:
    """Yield the pieces from `position` on, those that are inside one formula as one."""
    while position < len(pieces):
        piece = pieces[position]
        position += 1
        closed_at = piece.find(">") + 1
        while closing := open_formula(piece, closed_at):
            end = _find_closing(pieces, position, closing)
            if end is None:
                break
            piece += "".join(_inside(pieces, position, end))
            last = pieces[end - 1]
            closed_at = len(piece) - len(last) + last.index(closing, last.index(">")) + len(closing)
            position = end
        yield piece


def _may_be_open(text: str) -> bool:
    """Whether a closer look at a text is worth while: most have nothing but pairs of single dollars."""
    if text.count("$") % 2 or "$$" in text:
        return True
    return "\\" in text and ("\\(" in text or "\\[" in text or "\\begin{" in text or "\\$" in text)


def open_formula(text: str, start: int = 0) -> str | None:
    """Return what would close the formula that is open at the end of a text, or None."""
    closing: str | None = None
    for delimiter in _DELIMITER.findall(text, start):
        if closing is None:
            environment = delimiter.startswith("\\begin")
            closing = delimiter.replace("begin", "end", 1) if environment else _CLOSING.get(delimiter)
        elif delimiter in (closing, "\n\n"):  # TeX allows no blank line in a formula
            closing = None
    return closing


def _find_closing(pieces: list[Piece], position: int, closing: str) -> int | None:
    """Return the position after the piece whose text holds `closing`, if only inline tags come before it."""
    for index in range(position, min(position + MAX_TAGS_INSIDE, len(pieces))):
        tag, _, text = pieces[index].partition(">")
        name = name_of(tag).lstrip("/")
        if name in _BLOCKS or name in ("code", "img", "script", "style"):
            return None
        text, blank, _ = text.partition("\n\n")
        if closing in text:
            return index + 1
        if blank:
            return None
    return None


def _inside(pieces: list[Piece], start: int, end: int) -> Iterator[str]:
    for piece in pieces[start:end]:
        tag, _, text = piece.partition(">")
        if tag.startswith("br") and not text.startswith("\n"):
            yield "\n"
        yield text


def _without_orphans(pieces: list[Piece]) -> list[Piece]:
    """Remove inline tags whose other half was removed: `$a<em>b$ and $c</em>d$` was `$a_b$ and $c_d$`."""
    kept = list(pieces)
    opened: list[tuple[str, int]] = []
    for position, piece in enumerate(pieces[1:], 1):
        name = name_of(piece.partition(">")[0])
        if not name.startswith("/"):
            if name not in VOID:
                opened.append((name, position))
        elif _is_open(opened, name[1:]):
            while opened[-1][0] != name[1:]:
                _remove_tag(kept, opened.pop()[1])
            opened.pop()
        elif name[1:] not in _BLOCKS:
            _remove_tag(kept, position)
    for name, position in opened:
        if name not in _BLOCKS:
            _remove_tag(kept, position)
    return kept


def _is_open(opened: list[tuple[str, int]], name: str) -> bool:
    """Whether an element is open, with at most inline ones inside it."""
    for other, _ in reversed(opened):
        if other == name or other in _BLOCKS:
            return other == name
    return False


def _remove_tag(pieces: list[Piece], position: int) -> None:
    pieces[position] = f"{NO_TAG}>{pieces[position].partition('>')[2]}"
