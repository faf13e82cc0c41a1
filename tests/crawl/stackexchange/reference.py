"""The slow reference: the same Markdown from BeautifulSoup's tree, written for plainness, not for speed.

It says the same text as `algstack.crawl.stackexchange.html` up to white space, on HTML whose formulas hold no tags.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from bs4 import BeautifulSoup, NavigableString, PageElement, Tag
from bs4.element import PreformattedString

MARKS = {
    "b": "**", "strong": "**", "em": "*", "i": "*", "s": "~~", "strike": "~~", "del": "~~",
}  # fmt: skip
KEPT = {"kbd", "sub", "sup"}
BLOCKS = {"blockquote", "dd", "details", "div", "dl", "dt", "hr", "li", "ol", "p", "pre", "section", "summary", "ul"}
BLOCKS |= {"table", "td", "th", "tr", "h1", "h2", "h3", "h4", "h5", "h6"}
NO_DESCRIPTION = {"", "alt text", "enter image description here", "enter image title here"}


def to_markdown(source: str, code_lang: str | None = None) -> str:
    """Return the Markdown of a post's HTML."""
    soup = BeautifulSoup(source, "lxml")
    return Reference(code_lang).convert(soup)


class Reference:
    def __init__(self, code_lang: str | None) -> None:
        self.code_lang = code_lang
        self.out: list[str] = []
        self.prefix = ""
        self.fresh = True
        self.inline = False

    def convert(self, soup: BeautifulSoup) -> str:
        self.children(soup)
        return "".join(self.out).strip()

    def children(self, tag: Tag, number: Iterator[int] | None = None) -> None:
        for child in tag.children:
            self.node(child, number)

    def node(self, node: PageElement, number: Iterator[int] | None) -> None:
        if isinstance(node, PreformattedString):  # comments and the like
            return
        if isinstance(node, NavigableString):
            self.text(str(node))
        elif isinstance(node, Tag) and node.name not in ("script", "style"):
            self.tag(node, number)

    def text(self, text: str) -> None:
        if text.strip() and not self.inline:
            self.start_block()
            self.inline = True
        self.out.append(text)

    def start_block(self) -> None:
        self.inline = False
        self.out.append("" if self.fresh else f"\n\n{self.prefix}")
        self.fresh = False

    def tag(self, tag: Tag, number: Iterator[int] | None) -> None:
        name = tag.name
        if name in BLOCKS:
            self.block(tag, number)
            self.inline = False
            return
        if name == "br":
            self.out.append("\n")
        elif name == "img":
            alt = " ".join(str(tag.get("alt", "")).split())
            self.text("[image]" if alt.lower() in NO_DESCRIPTION else f"[image: {alt}]")
        elif name == "code":
            self.text(self.in_backticks(tag.get_text()))
        elif name == "a":
            self.link(tag)
        elif name in MARKS or name in KEPT:
            opening, closing = (MARKS[name],) * 2 if name in MARKS else (f"<{name}>", f"</{name}>")
            if tag.contents:
                self.text(opening)
                self.children(tag)
                self.out.append(closing)
        else:
            self.children(tag)

    def in_backticks(self, content: str) -> str:
        longest = max(map(len, re.findall("`+", content)), default=0)
        ticks = "`" * (longest + 1)
        return f"{ticks}{content}{ticks}" if content else ""

    def link(self, tag: Tag) -> None:
        target = str(tag.get("href", ""))
        self.text("\0")  # where the label starts
        self.children(tag)
        start = len(self.out) - 1 - self.out[::-1].index("\0")
        label = "".join(self.out[start + 1 :])
        del self.out[start:]
        if label == target or not target:
            self.out.append(f"<{target}>" if target else label)
        elif label:
            self.out.append(f"[{label}]({f'<{target}>' if re.search('[ ()]', target) else target})")

    def block(self, tag: Tag, number: Iterator[int] | None) -> None:
        name = tag.name
        if name == "p":
            self.start_block()
            self.inline = True
            self.children(tag)
        elif name in ("ul", "ol"):
            start = str(tag.get("start", "1"))
            first = int(start) if start.isdecimal() else 1
            self.inline = False
            self.children(tag, iter(range(first, first + 100_000)) if name == "ol" else None)
        elif name == "li":
            self.contain(tag, f"{next(number)}. " if number is not None else "- ", "")
        elif name == "blockquote":
            marker = ">! " if "spoiler" in (tag.get("class") or []) else "> "
            self.contain(tag, marker, marker)
        elif name == "hr":
            self.start_block()
            self.out.append("---")
        elif name == "pre":
            self.preformatted(tag)
        elif name == "table":
            self.table(tag)
        elif name[0] == "h":
            self.start_block()
            self.out.append("#" * min(6, int(name[1]) + 2) + " ")
            self.inline = True
            self.children(tag)
        else:
            self.inline = False
            if name == "dd":
                self.start_block()
                self.out.append(": ")
                self.fresh = True
            self.children(tag)

    def contain(self, tag: Tag, marker: str, prefix: str) -> None:
        self.start_block()
        self.out.append(marker)
        outer, self.prefix = self.prefix, self.prefix + prefix
        self.fresh = True
        self.children(tag)
        self.prefix, self.fresh = outer, False

    def preformatted(self, tag: Tag) -> None:
        content = tag.get_text()
        classes = " ".join(" ".join(part.get("class") or []) for part in (tag, *tag.find_all("code")))
        named = [name for name in re.findall(r"\b(?:lang|language)-([\w+#.-]+)", classes) if name not in NONE]
        language = named[0] if named else "" if "lang-none" in classes else self.code_lang or ""
        fence = "`" * max(3, 1 + max(map(len, re.findall("`+", content)), default=0))
        self.out.append(f"\n\n{fence}{language}\n{content}\n{fence}")
        self.fresh = False

    def table(self, tag: Tag) -> None:
        self.start_block()
        rows = []
        for row in tag.find_all("tr"):
            cells = []
            for cell in row.find_all(["td", "th"]):
                start = len(self.out)
                self.inline = True
                self.children(cell)
                cells.append("".join(self.out[start:]))
                del self.out[start:]
            rows.append(cells)
        width = max(map(len, rows), default=0)
        if width:
            lines = ["|" + "|".join(row + [""] * (width - len(row))) + "|" for row in rows]
            self.out.append("\n".join([lines[0], "|" + "---|" * width, *lines[1:]]))


NONE = {"none", "default", "plaintext", "text"}
