"""The HTML of posts to Markdown, with every formula and every code block as the author typed it.

The text of a post is never touched: nothing is escaped, re-wrapped or indented, entities are resolved once. Only
block starts get a prefix (`- `, `> `, the indent of a nested list), never continuation lines, which CommonMark
allows for paragraphs ("lazy continuation"); code blocks stand at the left margin even inside lists and quotes.
So a formula or a code block of any number of lines is one contiguous piece of the Markdown.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from itertools import chain

from algstack.crawl.stackexchange.pieces import (
    VOID,
    Piece,
    Unbalanced,
    join_formulas,
    merge_paragraphs,
    name_of,
    repair,
    split,
)

_LANGUAGE = re.compile(r"\b(?:lang|language)-([\w+#.-]+)")

# The sites' own class names for "no highlighting".
_NO_LANGUAGE = frozenset({"none", "default", "plaintext", "text"})

# What the editor fills in when nobody describes the image.
_NO_DESCRIPTION = frozenset({"", "alt text", "enter image description here", "enter image title here"})

HEADING_SHIFT = 2
"""A post's headings stand below those of the document it becomes part of: the title, and one for each post."""

MAX_DEPTH = 12
"""Lists and quotes nested deeper than this get no further indent: no post means it, and prefixes would explode."""

MAX_TABLE_DEPTH = 3
"""Of tables nested deeper than this only the text is kept."""


def to_markdown(source: str, code_lang: str | None = None) -> str:
    """Return a post's HTML as Markdown.

    Formulas and code are kept character for character, entities resolved. An inline tag in the middle of a formula
    (`$a<em>1 + b</em>1$`, made of underscores by an old renderer) is removed, its text stays.

    Args:
        source: the rendered HTML of one post, of any size and however broken.
        code_lang: language of code blocks that do not name one themselves.
    """
    if "\0" in source:
        source = source.replace("\0", "\ufffd")
    try:
        return resolve(_Writer(_pieces(source), code_lang).write())
    except Unbalanced:
        return resolve(_Writer(join_formulas(repair(source)), code_lang).write())


def _pieces(source: str) -> list[Piece]:
    """Return the pieces of well-formed HTML."""
    pieces = split(merge_paragraphs(source))
    return join_formulas(pieces) if "$" in source or "\\" in source else pieces


def resolve(text: str) -> str:
    """Resolve HTML's character references, each once; what is none stays as it is."""
    if "&" not in text:
        return text
    plain = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", '"')
    if plain.count("&") == plain.count("&amp;"):
        return plain.replace("&amp;", "&")
    return html.unescape(text)


_BETWEEN_BLOCKS = ("\n", "\n\n", "\n  ")
"""What the renderers put there; any other white space is ignored too, a little later."""

_VALUES = {
    name: re.compile(rf"\s{name}\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'>]+))", re.IGNORECASE)
    for name in ("alt", "href", "src", "start")
}


def _value(attributes: str, name: str) -> str:
    """Return one attribute's value, entities and all; empty where there is none."""
    match = _VALUES[name].search(attributes)
    return match[match.lastindex] if match and match.lastindex else ""


class _Table:
    """A table that is being read."""

    def __init__(self) -> None:
        self.rows: list[list[str]] = []
        self.start = 0  # where the open cell's text begins

    def add(self, cell: str) -> None:
        """Append a cell; only one that holds a formula or code keeps its line ends."""
        if not self.rows:
            self.rows.append([])
        verbatim = "$" in cell or "\\" in cell or "`" in cell
        self.rows[-1].append(cell.strip() if verbatim else " ".join(cell.split()))

    def markdown(self, prefix: str) -> str:
        """Return the table with its first row as header."""
        width = max(map(len, self.rows), default=0)
        lines = ["| " + " | ".join(row + [""] * (width - len(row))) + " |" for row in self.rows]
        return f"\n{prefix}".join([*lines[:1], "|" + " --- |" * width, *lines[1:]]) if width else ""


class _Writer:
    """Writes the Markdown of one list of pieces. Each tag has a method; it returns the text left to be written."""

    def __init__(self, pieces: list[Piece], code_lang: str | None) -> None:
        self._pieces = iter(pieces)
        self._code_lang = code_lang
        self._tag = ""  # the current tag with its attributes
        self._out: list[str] = []
        self._open: list[str] = []  # names of open elements
        self._prefix = ""  # what a block of the open lists and quotes starts with
        self._prefixes: list[str] = []
        self._inline = False  # inside a paragraph
        self._fresh = True  # nothing yet since the start or since the marker of a list item or a quote
        self._loose = True  # the last block wants a blank line after it
        self._lists: list[int | None] = []  # next number of each open list, None for bullets
        self._links: list[tuple[int, str]] = []
        self._tables: list[_Table | None] = []  # None for those nested too deep

    def write(self) -> str:
        """Return the Markdown.

        Raises:
            Unbalanced: the pieces are not well-formed.
        """
        append = self._out.append
        find = _HANDLERS.get
        for piece in self._pieces:
            tag, _, text = piece.partition(">")
            handler = find(tag) or self._by_name(tag)
            text = handler(self, text)
            if text:
                if self._inline:
                    append(text)
                elif text not in _BETWEEN_BLOCKS:
                    self._text(text)
        if self._open:
            raise Unbalanced
        return "".join(self._out).strip("\n \t\r")

    def _by_name(self, tag: str) -> Handler:
        """Find the method of a tag with attributes, capitals or a closing slash."""
        self._tag = tag
        known = _HANDLERS.get(tag.partition(" ")[0])
        if known is not None and not tag.count('"') % 2:
            return known
        name = name_of(tag)
        known = _HANDLERS.get(name)
        if known is not None:
            return known
        if name.startswith("/"):
            self._close(name[1:])
        elif name not in VOID and not tag.endswith("/"):
            self._open.append(name)
        return _Writer._ignored

    def _ignored(self, text: str) -> str:
        return text

    def _close(self, name: str) -> None:
        if not self._open or self._open.pop() != name:
            raise Unbalanced

    def _attributes(self, name: str) -> str:
        """Return the attributes of the current tag, which is called `name`; empty for a bare `<name>`."""
        if self._tag[: len(name)].lower() != name:
            return ""  # left by an earlier tag: bare tags are found without their text being kept
        attributes, self._tag = self._tag[len(name) :], ""
        return attributes

    # blocks

    def _text(self, text: str) -> None:
        """Write text that may stand outside of any paragraph."""
        if not self._inline:
            text = text.lstrip()
            if not text:
                return
            self._begin_inline()
        self._out.append(text)

    def _begin_inline(self) -> None:
        """Start the paragraph that text or an inline tag implies, e.g. directly in a list item."""
        self._separate(tight=bool(self._lists))
        self._inline = True
        self._loose = not self._lists

    def _separate(self, *, tight: bool = False) -> None:
        """Start a block: on the marker's line, on a new line, or after a blank one."""
        if self._inline:
            self._end_inline()
        if self._fresh:
            self._fresh = False
        else:
            self._out.append("\n" if tight and not self._loose else "\n\n")
            if self._prefix:
                self._out.append(self._prefix)

    def _end_inline(self) -> None:
        self._inline = False
        out = self._out
        if out and out[-1][-1:].isspace():
            out[-1] = out[-1].rstrip()

    def _paragraph(self, text: str) -> str:
        self._open.append("p")
        self._separate()
        self._inline = self._loose = True
        return text.lstrip()

    def _paragraph_end(self, text: str) -> str:
        self._close("p")
        self._end_inline()
        return text

    def _rule(self, text: str) -> str:
        self._separate()
        self._out.append("---")
        self._loose = True
        return text

    def _quote(self, text: str) -> str:
        marker = ">! " if "spoiler" in self._attributes("blockquote") else "> "
        self._open.append("blockquote")
        self._separate()
        self._push(marker, marker)
        return text

    def _quote_end(self, text: str) -> str:
        self._close("blockquote")
        self._pop()
        return text

    def _push(self, marker: str, prefix: str) -> None:
        """Open a container whose first block starts with `marker` and whose others start with `prefix`."""
        self._out.append(marker)
        self._prefixes.append(self._prefix)
        if len(self._prefixes) <= MAX_DEPTH:
            self._prefix += prefix
        self._fresh = True

    def _pop(self) -> None:
        if self._inline:
            self._end_inline()
        self._prefix = self._prefixes.pop()
        self._fresh = False
        self._loose = True

    # lists

    def _bullets(self, text: str) -> str:
        self._open.append("ul")
        return self._list(None, text)

    def _numbers(self, text: str) -> str:
        self._open.append("ol")
        start = _value(self._attributes("ol"), "start")
        return self._list(int(start) if start.isascii() and start.isdigit() and len(start) < 10 else 1, text)

    def _list(self, number: int | None, text: str) -> str:
        if self._inline:
            self._end_inline()
        self._lists.append(number)
        return text

    def _bullets_end(self, text: str) -> str:
        return self._list_end("ul", text)

    def _numbers_end(self, text: str) -> str:
        return self._list_end("ol", text)

    def _list_end(self, name: str, text: str) -> str:
        self._close(name)
        if self._inline:
            self._end_inline()
        self._lists.pop()
        self._loose = self._loose or not self._lists
        return text

    def _item(self, text: str) -> str:
        self._open.append("li")
        self._separate(tight=True)
        number = self._lists[-1] if self._lists else None
        marker = "- "
        if number is not None:
            marker = f"{number}. "
            self._lists[-1] = number + 1
        self._push(marker, " " * len(marker))
        self._loose = False
        return text.lstrip()

    def _item_end(self, text: str) -> str:
        self._close("li")
        loose = self._loose
        self._pop()
        self._loose = loose
        return text

    # inline

    def _break(self, text: str) -> str:
        if self._inline and not text.startswith(("\n", "\r")):
            self._out.append("\n")
        return text

    def _code(self, text: str) -> str:
        """Write inline code; what stands in it is text, whatever tags an editor put there."""
        after = next(self._pieces, "")
        if after.startswith("/code>"):
            content, text = text, after[6:]
        else:
            content, text = self._verbatim("code", text, after)
        if not self._inline:
            self._begin_inline()
        if content:
            self._out.append(_in_backticks(content))
        return text

    def _verbatim(self, name: str, text: str, ahead: Piece | None = None) -> tuple[str, str]:
        """Return (text content of the open element, text after it); `ahead` is a piece already taken."""
        content = [text]
        depth = 1
        for piece in self._pieces if ahead is None else chain((ahead,), self._pieces):
            tag, _, after = piece.partition(">")
            if tag == f"/{name}":
                depth -= 1
                if not depth:
                    return "".join(content), after
            elif tag == name or tag.startswith(f"{name} "):
                depth += 1
            elif tag[:2] == "br":
                content.append("\n")
            elif tag[:4] == "code":
                self._tag += tag  # its class may name the language
            content.append(after)
        raise Unbalanced

    def _preformatted(self, text: str) -> str:
        """Write a code block at the left margin, fenced by more backticks than it holds."""
        self._tag = self._tag if self._tag[:3].lower() == "pre" else ""
        content, text = self._verbatim("pre", text)
        if self._inline:
            self._end_inline()
        # On a marker's line, or glued to it, the fence would not be one.
        if self._out:
            self._out.append("\n" if self._fresh else "\n\n")
        language = _language(self._tag) or ("" if "lang-none" in self._tag else self._code_lang or "")
        self._tag = ""
        fence = "`" * max(3, 1 + _longest_backticks(content))
        end = "" if content.endswith("\n") else "\n"
        self._out.append(f"{fence}{language}\n{content}{end}{fence}")
        self._fresh = False
        self._loose = True
        return text

    def _link(self, text: str) -> str:
        self._open.append("a")
        if not self._inline:
            self._begin_inline()
        attributes = self._attributes("a")
        # Nearly all links start like this, and a pattern would cost more than all else here.
        plain = attributes.startswith(' href="')
        self._links.append((len(self._out), attributes[7:].partition('"')[0] if plain else _value(attributes, "href")))
        return text

    def _link_end(self, text: str) -> str:
        self._close("a")
        start, target = self._links.pop()
        label = "".join(self._out[start:])
        if label == target or not target:
            self._out[start:] = [f"<{target}>" if target else label]
        elif label:
            if "(" in target or ")" in target or " " in target:
                target = f"<{target}>"
            self._out[start:] = [f"[{label}]({target})"]
        return text

    def _image(self, text: str) -> str:
        attributes = self._attributes("img")
        description = " ".join(_value(attributes, "alt").split())
        if not self._inline:
            self._begin_inline()
        shown = "image" if description.lower() in _NO_DESCRIPTION else f"image: {description}"
        self._out.append(f"[{shown}]")
        return text

    # tables: their rows are gathered, because Markdown wants a header and one line a row

    def _table(self, text: str) -> str:
        self._open.append("table")
        self._separate()
        self._tables.append(_Table() if len(self._tables) < MAX_TABLE_DEPTH else None)
        return text

    def _table_end(self, text: str) -> str:
        self._close("table")
        if self._inline:
            self._end_inline()
        table = self._tables.pop()
        if table is not None:
            self._out.append(table.markdown(self._prefix))
        self._loose = True
        return text

    def _open_table(self) -> _Table | None:
        return self._tables[-1] if self._tables else None

    def _row(self, text: str) -> str:
        self._open.append("tr")
        table = self._open_table()
        if table is not None:
            table.rows.append([])
        return text

    def _row_end(self, text: str) -> str:
        self._close("tr")
        return text

    def _begin_cell(self, name: str, text: str) -> str:
        self._open.append(name)
        table = self._open_table()
        if table is None:
            return text
        table.start = len(self._out)
        self._out.append("")  # keeps the cell's text apart from what stands before the table
        self._inline = True
        return text.lstrip()

    def _end_cell(self, name: str, text: str) -> str:
        self._close(name)
        self._end_inline()
        table = self._open_table()
        if table is not None:
            table.add("".join(self._out[table.start :]))
            del self._out[table.start :]
        return text


def _longest_backticks(content: str) -> int:
    return max(map(len, re.findall("`+", resolve(content))), default=0) if "`" in content or "&" in content else 0


def _in_backticks(content: str) -> str:
    """Return inline code between enough backticks."""
    longest = _longest_backticks(content)
    if not longest:
        return f"`{content}`"
    ticks = "`" * (longest + 1)
    return f"{ticks} {content} {ticks}"


def _language(attributes: str) -> str:
    """Return the language that classes such as `lang-py` name, or an empty string."""
    names = (name for name in _LANGUAGE.findall(attributes) if name not in _NO_LANGUAGE)
    return next(names, "")


Handler = Callable[[_Writer, str], str]


def _marked(name: str, opening: str, closing: str) -> dict[str, Handler]:
    """Return the two methods of an inline element that Markdown writes between two marks."""

    def start(writer: _Writer, text: str) -> str:
        writer._open.append(name)
        if not writer._inline:
            writer._begin_inline()
        writer._out.append(opening)
        return text

    def end(writer: _Writer, text: str) -> str:
        if not writer._open or writer._open.pop() != name:
            raise Unbalanced
        out = writer._out
        if out[-1] is opening:
            out.pop()  # there is nothing between the two
        else:
            out.append(closing)
        return text

    return {name: start, f"/{name}": end}


def _heading(level: int) -> dict[str, Handler]:
    name, marker = f"h{level}", "#" * min(6, level + HEADING_SHIFT) + " "

    def start(writer: _Writer, text: str) -> str:
        writer._open.append(name)
        writer._separate()
        writer._out.append(marker)
        writer._inline = writer._loose = True
        return text.lstrip()

    def end(writer: _Writer, text: str) -> str:
        writer._close(name)
        writer._end_inline()
        return text

    return {name: start, f"/{name}": end}


def _block(name: str, marker: str = "") -> dict[str, Handler]:
    """Return the two methods of an element that only sets its text apart."""

    def start(writer: _Writer, text: str) -> str:
        writer._open.append(name)
        if writer._inline:
            writer._end_inline()
        if marker:
            writer._separate(tight=True)
            writer._out.append(marker)
            writer._fresh = True
        return text

    def end(writer: _Writer, text: str) -> str:
        writer._close(name)
        if writer._inline:
            writer._end_inline()
        writer._loose = not marker
        return text

    return {name: start, f"/{name}": end}


def _dropped(name: str) -> Handler:
    """Return the method of an element whose content is not text."""
    return lambda writer, text: writer._verbatim(name, text)[1]


def _cell(name: str) -> dict[str, Handler]:
    return {
        name: lambda writer, text: writer._begin_cell(name, text),
        f"/{name}": lambda writer, text: writer._end_cell(name, text),
    }


_HANDLERS: dict[str, Handler] = {
    "": _Writer._ignored,
    "a": _Writer._link,
    "/a": _Writer._link_end,
    "blockquote": _Writer._quote,
    "/blockquote": _Writer._quote_end,
    "br": _Writer._break,
    "br /": _Writer._break,
    "br/": _Writer._break,
    "code": _Writer._code,
    "hr": _Writer._rule,
    "hr /": _Writer._rule,
    "hr/": _Writer._rule,
    "img": _Writer._image,
    "li": _Writer._item,
    "/li": _Writer._item_end,
    "ol": _Writer._numbers,
    "/ol": _Writer._numbers_end,
    "p": _Writer._paragraph,
    "/p": _Writer._paragraph_end,
    "pre": _Writer._preformatted,
    "script": _dropped("script"),
    "style": _dropped("style"),
    "table": _Writer._table,
    "/table": _Writer._table_end,
    "tr": _Writer._row,
    "/tr": _Writer._row_end,
    "ul": _Writer._bullets,
    "/ul": _Writer._bullets_end,
    **_block("div"),
    **_block("dl"),
    **_block("dt"),
    **_block("dd", ": "),
    **_block("section"),
    **_block("details"),
    **_block("summary"),
    **_cell("td"),
    **_cell("th"),
    **_heading(1),
    **_heading(2),
    **_heading(3),
    **_heading(4),
    **_heading(5),
    **_heading(6),
    **_marked("b", "**", "**"),
    **_marked("del", "~~", "~~"),
    **_marked("em", "*", "*"),
    **_marked("i", "*", "*"),
    **_marked("kbd", "<kbd>", "</kbd>"),
    **_marked("s", "~~", "~~"),
    **_marked("strike", "~~", "~~"),
    **_marked("strong", "**", "**"),
    **_marked("sub", "<sub>", "</sub>"),
    **_marked("sup", "<sup>", "</sup>"),
}
"""Every element that Markdown has something for; the text of any other is kept."""
