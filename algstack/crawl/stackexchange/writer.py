"""Writes Markdown from well-formed HTML: one compiled pass over the bytes of a post.

What is not well-formed, has a formula that tags cut, or has unusual character references is for `html` to mend first:
`write_all` then says so, and writes nothing.

Compiled, this is some fifty times as fast as a parser's tree in Python. It reads like Python all the same, but for two
things: text is a stretch of bytes, from one position to another, and what changes on the way stands in arrays, the
numbers in `now` under the names below.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import count
from typing import Any, NamedTuple

import numpy as np

from algstack.crawl.stackexchange.seek import Bytes, Numbers, compiled, copy, inner, part, room_for, seek

DONE = 0
UNBALANCED = 1
"""The HTML is not well-formed."""
REFERENCES = 2
"""It has other character references than `&lt;`, `&gt;`, `&quot;` and `&amp;`, or a bare `&`."""
CUT_FORMULA = 3
"""An inline tag may stand inside a formula."""
FULL = 4
"""The Markdown is longer than the room for it."""

HEADING_SHIFT = 2
"""A post's headings stand below those of the document it becomes part of: the title, and one for each post."""

MAX_DEPTH = 12
"""Lists and quotes nested deeper than this get no further indent: no post means it, and prefixes would explode."""

MAX_TABLE_DEPTH = 3
"""Of tables nested deeper than this only the text is kept."""

NO_LANGUAGE = 0
"""Stands behind the fence of a code block that does not name its language; no source has this character."""


class Writer(NamedTuple):
    """The state of writing one post."""

    source: Bytes
    out: Bytes
    now: Numbers  # see below
    stacks: (
        Any  # see below; an array of 64-bit numbers. One for all: compiled functions hand each array on as 9 numbers
    )
    prefix: Bytes  # what a block of the open lists and quotes starts with
    cell_text: Bytes


ELEMENT, TEXT = 0, 1  # of each open element: the key of its name, and where its text begins in `out`
OUTER_PREFIX = 2  # of each open list item and quote: the prefix's length outside of it
NUMBER = 3  # of each open list: its next number, BULLETS if it has none
ADDRESS, ADDRESS_END = 4, 5  # of each open link, in `source`
FIRST_CELL, ROWS, CELL_TEXT = 6, 7, 8  # of each open table; where the open cell begins in `out`
CELL_ROW, CELL_BEGIN, CELL_END = 9, 10, 11  # of each cell of these, in `cell_text`
STACKS = 12

SIZE, START = 0, 1  # of `out`: where the next byte goes, and where the post begins
STATUS = 2
JOINED = 3  # formulas with tags inside have been seen to
OPEN, NESTED, LISTS, LINKS, TABLES, CELLS, CELL_SIZE = 4, 5, 6, 7, 8, 9, 10  # how much of each stack is in use
PREFIX = 11  # length of the prefix
INLINE = 12  # inside a paragraph
FRESH = 13  # nothing yet since the start, or since the marker of a list item or a quote
LOOSE = 14  # the last block wants a blank line after it
FLOOR = 15  # of `out`: before this, white space stays
REGISTERS = 16

BULLETS = -1

NUL, LINE_END, SPACE, EXCLAMATION, HASH, AND, PARENTHESIS, PARENTHESIS_END = map(np.int64, b"\0\n !#&()")
DASH, POINT, ZERO, COLON, LESS, MORE, BRACKET, BRACKET_END, TICK, PIPE = map(np.int64, b"-.0:<>[]`|")
NO, YES = map(np.int64, (0, 1))
# numba compiles a function anew for every plain number that it is called with, and once for all of these.


def writer(source: Bytes, room: int, longest: int) -> Writer:
    """Return a writer with room for so many bytes of Markdown, and for posts of at most `longest` bytes."""
    depth = longest // 3 + 1  # `<p>` is the shortest tag
    return Writer(
        source,
        room_for(room),
        np.zeros(REGISTERS, np.int64),
        np.empty((STACKS, depth), np.int64),
        np.empty(16 * (MAX_DEPTH + 1), np.uint8),
        room_for(room),
    )


# -- names of elements ------------------------------------------------------------------------------------------------


def key_of(name: str) -> int:
    """Return the number by which an element's name is known here; `read_name` gives the same."""
    key = 0
    for character in name.encode():
        key = (key & _LOW) << 8 ^ key >> 55 ^ character
    return key


_LOW = (1 << 55) - 1  # a key has 63 bits: compiled numbers have a sign, and may not overflow

_kinds = count(1)
P, BR, A, CODE, PRE, LI, UL, OL, QUOTE, HR, IMG, TABLE, ROW, CELL = (next(_kinds) for _ in range(14))
DIVISION, DEFINITION, HEADING, RAW, EMPTY = (next(_kinds) for _ in range(5))
MARK = 100
"""And above: inline elements that Markdown writes between two marks."""

MARKS = {
    "b": "**",
    "del": "~~",
    "em": "*",
    "i": "*",
    "kbd": "<kbd>",
    "s": "~~",
    "strike": "~~",
    "strong": "**",
    "sub": "<sub>",
    "sup": "<sup>",
}

ELEMENTS: dict[str, int] = {
    "a": A,
    "blockquote": QUOTE,
    "br": BR,
    "code": CODE,
    "dd": DEFINITION,
    "hr": HR,
    "img": IMG,
    "li": LI,
    "ol": OL,
    "p": P,
    "pre": PRE,
    "table": TABLE,
    "td": CELL,
    "th": CELL,
    "tr": ROW,
    "ul": UL,
    **dict.fromkeys(("area", "col", "embed", "input", "link", "meta", "param", "source", "wbr"), EMPTY),
    **dict.fromkeys(("details", "div", "dl", "dt", "section", "summary", "tbody", "tfoot", "thead"), DIVISION),
    **dict.fromkeys(("h1", "h2", "h3", "h4", "h5", "h6"), HEADING),
    **dict.fromkeys(("script", "style"), RAW),
    **{name: MARK + number for number, name in enumerate(MARKS)},
}
"""Every element that Markdown has something for; the text of any other is kept."""


def _hashed(elements: dict[str, int]) -> tuple[Numbers, Numbers]:
    """Return (keys, kinds) by slot, in so many slots that no two elements share one: a key's is `key % slots`."""
    kinds = {key_of(name): kind for name, kind in elements.items()}
    slots = next(size for size in count(8 * len(kinds)) if len({key % size for key in kinds}) == len(kinds))
    by_slot = {key % slots: key for key in kinds}
    keys = np.array([by_slot.get(slot, 0) for slot in range(slots)], np.int64)
    return keys, np.array([kinds.get(key, 0) for key in keys.tolist()], np.int64)


_KEYS, _KINDS = _hashed(ELEMENTS)


def _text(*parts: str) -> Bytes:
    return np.frombuffer("".join(parts).encode(), np.uint8)


def _ends(parts: Iterable[str]) -> Numbers:
    return np.cumsum([0, *map(len, parts)], dtype=np.int64)


_CLOSING_MARKS = [mark.replace("<", "</") for mark in MARKS.values()]
_OPENING, _OPENING_ENDS = _text(*MARKS.values()), _ends(MARKS.values())
_CLOSING, _CLOSING_ENDS = _text(*_CLOSING_MARKS), _ends(_CLOSING_MARKS)

_HREF, _ALT, _CLASS, _NUMBER = _text("href"), _text("alt"), _text("class"), _text("start")
_SPOILER, _LANG, _LANGUAGE, _END = _text("spoiler"), _text("lang-"), _text("language-"), _text("end{")
_IMAGE, _IMAGE_OF, _LESS, _MORE, _QUOTED, _AND = map(_text, ("[image]", "[image: ", "lt;", "gt;", "quot;", "amp;"))

# The sites' own class names for "no highlighting", and what the editor fills in when nobody describes an image.
_NO_HIGHLIGHTING = ("none", "default", "plaintext", "text")
_NO_DESCRIPTION = ("alt text", "enter image description here", "enter image title here")
_NOTHING, _NOTHING_ENDS = _text(*_NO_HIGHLIGHTING), _ends(_NO_HIGHLIGHTING)
_UNDESCRIBED, _UNDESCRIBED_ENDS = _text(*_NO_DESCRIPTION), _ends(_NO_DESCRIPTION)


# -- bytes ------------------------------------------------------------------------------------------------------------


@inner
def _is_space(byte: Any) -> Any:
    return byte == 32 or (9 <= byte <= 13 and byte != 11)


@inner
def _is_letter(byte: Any) -> Any:
    return 97 <= (byte | 32) <= 122


@inner
def _is_digit(byte: Any) -> Any:
    return 48 <= byte <= 57


@inner
def _starts_with(source: Any, at: Any, end: Any, word: Any) -> Any:
    """Whether a word, in lower case, stands at `at`."""
    if at + word.size > end:
        return False
    for place in range(word.size):
        byte = source[at + place]
        if (byte | 32 if 65 <= byte <= 90 else byte) != word[place]:
            return False
    return True


@inner
def _is_one_of(source: Any, begin: Any, end: Any, words: Any, ends: Any) -> Any:
    """Whether a stretch is one of some words, in any case."""
    for word in range(ends.size - 1):
        if end - begin == ends[word + 1] - ends[word] and _starts_with(
            source, begin, end, words[ends[word] : ends[word + 1]]
        ):
            return True
    return False


@inner
def _put(writer: Any, byte: Any) -> Any:
    size = writer.now[SIZE]
    if size >= writer.out.size:
        writer.now[STATUS] = FULL
        return
    writer.out[size] = byte
    writer.now[SIZE] = size + 1


@inner
def _put_all(writer: Any, source: Any, begin: Any, end: Any) -> Any:
    """Write a stretch of bytes as it is."""
    size = writer.now[SIZE]
    if size + end - begin > writer.out.size:
        writer.now[STATUS] = FULL
        return
    copy(source, begin, end - begin, writer.out, size)
    writer.now[SIZE] = size + end - begin


@inner
def _put_word(writer: Any, word: Any) -> Any:
    _put_all(writer, word, 0, word.size)


@inner
def _put_text(writer: Any, begin: Any, end: Any) -> Any:
    """Write a stretch of the source, its character references resolved."""
    source, out, size = writer.source, writer.out, writer.now[SIZE]
    if size + end - begin > out.size:
        writer.now[STATUS] = FULL
        return
    while begin < end:
        stop = seek(source, begin, end, AND, AND)
        copy(source, begin, stop - begin, out, size)
        size += stop - begin
        if stop == end:
            break
        byte, length = _reference(source, stop + 1, end)
        if not length:
            writer.now[STATUS] = REFERENCES
            return
        out[size] = byte
        size += 1
        begin = stop + 1 + length
    writer.now[SIZE] = size


@inner
def _reference(source: Any, at: Any, end: Any) -> Any:
    """Return (the byte that the reference after an `&` means, the reference's length); 0 if it is none of the four."""
    if _starts_with(source, at, end, _LESS):
        return 60, 3
    if _starts_with(source, at, end, _MORE):
        return 62, 3
    if _starts_with(source, at, end, _AND):
        return 38, 4
    if _starts_with(source, at, end, _QUOTED):
        return 34, 5
    return 0, 0


@inner
def _strip(writer: Any) -> Any:
    """Remove white space from the end of what was written."""
    size, floor = writer.now[SIZE], writer.now[FLOOR]
    while size > floor and _is_space(writer.out[size - 1]):
        size -= 1
    writer.now[SIZE] = size


# -- tags -------------------------------------------------------------------------------------------------------------


@inner
def _read_name(source: Any, at: Any, end: Any) -> Any:
    """Read an element's name: (its key, where it ends); the key is 0 if there is none."""
    if at >= end or not _is_letter(source[at]):
        return 0, at
    key = 0
    while at < end:
        byte: Any = np.int64(source[at])
        if _is_letter(byte):
            byte |= 32
        elif not (_is_digit(byte) or byte == 58 or byte == 45):  # : -
            break
        key = (key & _LOW) << 8 ^ key >> 55 ^ byte
        at += 1
    return key, at


@inner
def _kind(key: Any) -> Any:
    slot = key % _KEYS.size
    return _KINDS[slot] if _KEYS[slot] == key else 0


@inner
def _tag_end(source: Any, at: Any, end: Any) -> Any:
    """Return where the `>` of a tag stands, `end` if it has none. One inside a quoted value is none."""
    quote, value = 0, False
    while at < end:
        byte = source[at]
        if quote:
            if byte == quote:
                quote = 0
        elif byte == 62:  # >
            return at
        elif byte == 60:  # <
            return end
        elif value and (byte == 34 or byte == 39):  # " '
            quote = byte
        value = not quote and (byte == 61 or (value and _is_space(byte)))  # =
        at += 1
    return end


@inner
def _attribute(source: Any, at: Any, end: Any, wanted: Any) -> Any:
    """Return where the value of an attribute begins and ends, among those that stand from `at` to `end`."""
    while at < end:
        while at < end and (_is_space(source[at]) or source[at] == 47):  # /
            at += 1
        name = at
        while at < end and not _is_space(source[at]) and source[at] != 61:  # =
            at += 1
        name_end = at
        while at < end and _is_space(source[at]):
            at += 1
        if at >= end or source[at] != 61:
            if at == name:
                at += 1
            continue
        at += 1
        while at < end and _is_space(source[at]):
            at += 1
        begin, stop = at, at
        if at < end and (source[at] == 34 or source[at] == 39):
            begin = at + 1
            stop = begin
            while stop < end and source[stop] != source[at]:
                stop += 1
            at = stop + 1
        else:
            while stop < end and not _is_space(source[stop]):
                stop += 1
            at = stop
        if name_end - name == wanted.size and _starts_with(source, name, name_end, wanted):
            return begin, stop
    return end, end


@inner
def _comment_end(source: Any, at: Any, end: Any) -> Any:
    """Return where the comment that begins at `at` is over: there if it is none, -1 if it never ends."""
    if at + 4 > end or source[at + 1] != 33 or source[at + 2] != 45 or source[at + 3] != 45:  # !--
        return at
    at += 4
    while at + 3 <= end:
        if source[at] == 45 and source[at + 1] == 45 and source[at + 2] == 62:  # -->
            return at + 3
        at += 1
    return -1


# -- formulas ---------------------------------------------------------------------------------------------------------


@inner
def _formula_is_open(source: Any, at: Any, end: Any) -> Any:
    r"""Whether a formula is open at the end of a stretch: after `$`, `$$`, `\[`, `\(` or `\begin{…}`."""
    closing: Any = 0
    begin, stop = 0, 0  # what would close it: a byte, and for `\end{…}` where its name is
    while at < end:
        byte = source[at]
        after = source[at + 1] if at + 1 < end else 0
        if byte == 10 and after == 10:  # TeX allows no blank line in a formula
            closing = 0
            at += 2
        elif byte == 36:  # $
            length = 2 if after == 36 else 1
            if closing == 0:
                closing = length
            elif closing == length:
                closing = 0
            at += length
        elif byte == 92:  # a backslash
            if after == 40 or after == 91:  # ( [
                closing = closing or np.int64(after)
                at += 2
            elif after == 41 or after == 93:  # ) ]
                if closing == (40 if after == 41 else 91):
                    closing = 0
                at += 2
            elif after == 36 or after == 92:  # an escaped dollar, a line end
                at += 2
            else:
                kind, name, name_end = _environment(source, at + 1, end)
                if kind == 98 and closing == 0:  # b
                    closing, begin, stop = 98, name, name_end
                elif kind == 101 and closing == 98 and _same(source, begin, stop, name, name_end):  # e
                    closing = 0
                at = max(name_end, at + 1)
        else:
            at += 1
    return closing != 0


@inner
def _environment(source: Any, at: Any, end: Any) -> Any:
    """Read `begin{name}` or `end{name}`: (its first letter or 0, where the name begins and ends)."""
    first = source[at] if at < end else 0
    if first == 98 and at + 5 < end and source[at + 1] == 101 and source[at + 2] == 103 and source[at + 3] == 105:
        name = at + 6 if source[at + 4] == 110 and source[at + 5] == 123 else 0  # n{
    else:
        name = at + 4 if first == 101 and _starts_with(source, at, end, _END) else 0
    if not name:
        return 0, 0, 0
    stop = name
    while stop < end and source[stop] != 123 and source[stop] != 125:  # { }
        stop += 1
    return (np.int64(first), name, stop) if stop < end and source[stop] == 125 else (0, 0, 0)


@inner
def _same(source: Any, begin: Any, end: Any, other: Any, other_end: Any) -> Any:
    if end - begin != other_end - other:
        return False
    for place in range(end - begin):  # noqa: SIM110 - compiled code knows no generators
        if source[begin + place] != source[other + place]:
            return False
    return True


# -- blocks -----------------------------------------------------------------------------------------------------------


@inner
def _end_inline(writer: Any) -> Any:
    if writer.now[INLINE]:
        writer.now[INLINE] = 0
        _strip(writer)


@inner
def _separate(writer: Any, tight: Any) -> Any:
    """Start a block: on the marker's line, on a new line, or after a blank one."""
    _end_inline(writer)
    if writer.now[FRESH] or writer.now[SIZE] == writer.now[START]:
        writer.now[FRESH] = 0
        return
    _put(writer, LINE_END)
    if not tight or writer.now[LOOSE]:
        _put(writer, LINE_END)
    _put_all(writer, writer.prefix, 0, writer.now[PREFIX])


@inner
def _begin_inline(writer: Any) -> Any:
    """Start the paragraph that text or an inline tag implies, e.g. directly in a list item, unless one is open."""
    if writer.now[INLINE]:
        return
    in_list = writer.now[LISTS] > 0
    _separate(writer, np.int64(in_list))
    writer.now[INLINE] = 1
    writer.now[LOOSE] = not in_list


@inner
def _nest(writer: Any, first: Any, width: Any) -> Any:
    """Open a container whose further blocks start with `width` bytes: `first`, then spaces."""
    writer.stacks[OUTER_PREFIX, writer.now[NESTED]] = writer.now[PREFIX]
    writer.now[NESTED] += 1
    if writer.now[NESTED] <= MAX_DEPTH:
        for place in range(width):
            writer.prefix[writer.now[PREFIX] + place] = 32
        writer.prefix[writer.now[PREFIX]] = first
        if first == 62 and width == 3:  # >!
            writer.prefix[writer.now[PREFIX] + 1] = 33
        writer.now[PREFIX] += width
    writer.now[FRESH] = 1


@inner
def _unnest(writer: Any) -> Any:
    _end_inline(writer)
    writer.now[NESTED] -= 1
    writer.now[PREFIX] = writer.stacks[OUTER_PREFIX, writer.now[NESTED]]
    writer.now[FRESH] = 0
    writer.now[LOOSE] = 1


@inner
def _begin_quote(writer: Any, at: Any, end: Any) -> Any:
    begin, stop = _attribute(writer.source, at, end, _CLASS)
    spoiler = False
    for place in range(begin, stop):
        spoiler = spoiler or _starts_with(writer.source, place, stop, _SPOILER)
    _separate(writer, NO)
    _put(writer, MORE)
    if spoiler:
        _put(writer, EXCLAMATION)
    _put(writer, SPACE)
    _nest(writer, MORE, 3 if spoiler else 2)


@inner
def _begin_list(writer: Any, kind: Any, at: Any, end: Any) -> Any:
    _end_inline(writer)
    number = BULLETS
    if kind == OL:
        number = 1
        begin, stop = _attribute(writer.source, at, end, _NUMBER)
        if 0 < stop - begin < 10:
            stated = 0
            for place in range(begin, stop):
                stated = stated * 10 + writer.source[place] - 48 if _is_digit(writer.source[place]) else -(10**10)
            number = stated if stated >= 0 else 1
    writer.stacks[NUMBER, writer.now[LISTS]] = number
    writer.now[LISTS] += 1


@inner
def _begin_item(writer: Any) -> Any:
    _separate(writer, YES)
    number = writer.stacks[NUMBER, writer.now[LISTS] - 1] if writer.now[LISTS] else BULLETS
    start = writer.now[SIZE]
    if number == BULLETS:
        _put(writer, DASH)
    else:
        writer.stacks[NUMBER, writer.now[LISTS] - 1] += 1
        scale = 1
        while scale * 10 <= number:
            scale *= 10
        while scale:
            _put(writer, ZERO + number // scale % 10)
            scale //= 10
        _put(writer, POINT)
    _put(writer, SPACE)
    _nest(writer, SPACE, writer.now[SIZE] - start)
    writer.now[LOOSE] = 0


@inner
def _begin_heading(writer: Any, level: Any) -> Any:
    _separate(writer, NO)
    for _ in range(min(6, level + HEADING_SHIFT)):
        _put(writer, HASH)
    _put(writer, SPACE)
    writer.now[INLINE] = writer.now[LOOSE] = 1


# -- inline elements --------------------------------------------------------------------------------------------------


@inner
def _end_mark(writer: Any, mark: Any, begin: Any) -> Any:
    if writer.now[SIZE] == begin:  # there is nothing between the two
        writer.now[SIZE] -= _OPENING_ENDS[mark + 1] - _OPENING_ENDS[mark]
    else:
        _put_all(writer, _CLOSING, _CLOSING_ENDS[mark], _CLOSING_ENDS[mark + 1])


@inner
def _begin_link(writer: Any, at: Any, end: Any) -> Any:
    begin, stop = _attribute(writer.source, at, end, _HREF)
    link = writer.now[LINKS]
    writer.stacks[ADDRESS, link], writer.stacks[ADDRESS_END, link] = begin, stop
    writer.now[LINKS] += 1
    if stop > begin:
        _put(writer, BRACKET)


@inner
def _end_link(writer: Any, label: Any) -> Any:
    writer.now[LINKS] -= 1
    link = writer.now[LINKS]
    begin, stop = writer.stacks[ADDRESS, link], writer.stacks[ADDRESS_END, link]
    if stop == begin:
        return
    end = writer.now[SIZE]
    if end == label:
        writer.now[SIZE] = label - 1
        return
    brackets = False
    for place in range(begin, stop):
        byte = writer.source[place]
        brackets = brackets or byte == 40 or byte == 41 or byte == 32  # ( )
    _put(writer, BRACKET_END)
    _put(writer, PARENTHESIS)
    if brackets:
        _put(writer, LESS)
    address = writer.now[SIZE]
    _put_text(writer, begin, stop)
    if writer.now[STATUS]:
        return
    if _same(writer.out, label, end, address, writer.now[SIZE]):
        writer.out[label - 1], writer.out[end] = 60, 62  # < >
        writer.now[SIZE] = end + 1
        return
    if brackets:
        _put(writer, MORE)
    _put(writer, PARENTHESIS_END)


@inner
def _image(writer: Any, at: Any, end: Any) -> Any:
    source = writer.source
    begin, stop = _attribute(source, at, end, _ALT)
    while begin < stop and _is_space(source[begin]):
        begin += 1
    while begin < stop and _is_space(source[stop - 1]):
        stop -= 1
    _begin_inline(writer)
    if begin == stop or _is_one_of(source, begin, stop, _UNDESCRIBED, _UNDESCRIBED_ENDS):
        _put_word(writer, _IMAGE)
        return
    _put_word(writer, _IMAGE_OF)
    place = begin
    while place < stop:
        word = place
        while place < stop and not _is_space(source[place]):
            place += 1
        _put_text(writer, word, place)
        while place < stop and _is_space(source[place]):
            place += 1
        if place < stop:
            _put(writer, SPACE)
    _put(writer, BRACKET_END)


# -- code -------------------------------------------------------------------------------------------------------------


@inner
def _read_code(writer: Any, key: Any, at: Any, end: Any) -> Any:
    """Look ahead over the open element, called `key`, whose text begins at `at`.

    Returns:
        Where its end tag begins, and where the tag after its name goes on; the length of the longest run of backticks;
        where the name of a language begins and ends that a `code` inside it has, and whether that says "none".
    """
    source = writer.source
    depth, inside, longest, run = 1, 0, 0, 0
    language, language_end, none = 0, 0, False
    while at < end:
        stop = seek(source, at, end, LESS, TICK)
        run = 0 if stop > at else run
        at = stop
        if at < end and source[at] == 96:
            run += 1
            longest = max(longest, run)
            at += 1
            continue
        if at == end:
            break
        over = _comment_end(source, at, end)
        if over != at:
            if over < 0:
                break
            at = over
            continue
        closing = at + 1 < end and source[at + 1] == 47
        name, after = _read_name(source, at + 1 + closing, end)
        stop = _tag_end(source, after, end)
        if not name or stop == end:
            break
        if _kind(name) == P or LI <= _kind(name) <= QUOTE:
            inside += -1 if closing else 1
            if inside < 0:  # the end of what the code stands in, which never was closed
                break
        if name == key:
            depth += -1 if closing else 1
            if not depth:
                return at, stop + 1, longest, language, language_end, none
        elif not closing and _kind(name) == CODE and language == language_end:
            language, language_end, none = _language(source, after, stop)
        elif not closing and _kind(name) == BR:
            run = 0
        at = stop + 1
    writer.now[STATUS] = UNBALANCED
    return end, end, 0, 0, 0, False


@inner
def _language(source: Any, at: Any, end: Any) -> Any:
    """Return where the language begins and ends that classes such as `lang-py` name, and whether one says "none"."""
    none = False
    while at < end:
        word = _LANG.size if _starts_with(source, at, end, _LANG) else _LANGUAGE.size
        if (word == _LANG.size or _starts_with(source, at, end, _LANGUAGE)) and not _is_word(source[at - 1]):
            begin = at + word
            stop = begin
            while stop < end and (_is_word(source[stop]) or source[stop] in (35, 43, 45, 46)):  # # + - .
                stop += 1
            if stop > begin:
                if not _is_one_of(source, begin, stop, _NOTHING, _NOTHING_ENDS):
                    return begin, stop, False
                none = none or (stop - begin == 4 and source[begin] == 110)  # none
        at += 1
    return 0, 0, none


@inner
def _is_word(byte: Any) -> Any:
    return _is_letter(byte) or _is_digit(byte) or byte == 95


@inner
def _put_code(writer: Any, at: Any, end: Any) -> Any:
    """Write the text of an element that `_read_code` has been over; what stands in it is text, tags or not."""
    source = writer.source
    text = at
    while at < end:
        at = seek(source, at, end, LESS, LESS)
        _put_text(writer, text, at)
        if at == end:
            return
        over = _comment_end(source, at, end)
        if over == at:
            name, _ = _read_name(source, at + 1, end)
            if name and _kind(name) == BR:
                _put(writer, LINE_END)
            over = _tag_end(source, at + 1, end) + 1
        text = at = over


@inner
def _put_ticks(writer: Any, number: Any) -> Any:
    for _ in range(number):
        _put(writer, TICK)


@inner
def _code(writer: Any, key: Any, at: Any, end: Any) -> Any:
    """Write inline code; return where the text after it begins."""
    stop, after, longest, _, _, _ = _read_code(writer, key, at, end)
    if writer.now[STATUS]:
        return end
    _begin_inline(writer)
    begin = writer.now[SIZE]
    _put_ticks(writer, longest + 1)
    if longest:
        _put(writer, SPACE)
    content = writer.now[SIZE]
    _put_code(writer, at, stop)
    if writer.now[SIZE] == content:
        writer.now[SIZE] = begin
        return after
    if longest:
        _put(writer, SPACE)
    _put_ticks(writer, longest + 1)
    return after


@inner
def _preformatted(writer: Any, key: Any, tag: Any, at: Any, end: Any) -> Any:
    """Write a code block at the left margin, fenced by more backticks than it holds; return where text goes on."""
    stop, after, longest, inner, inner_end, inner_none = _read_code(writer, key, at, end)
    if writer.now[STATUS]:
        return end
    begin, language_end, none = _language(writer.source, tag, at)
    if begin == language_end:
        begin, language_end = inner, inner_end
    fence = max(3, longest + 1)
    _end_inline(writer)
    # On a marker's line, or glued to it, the fence would not be one.
    if writer.now[SIZE] > writer.now[START]:
        _put(writer, LINE_END)
        if not writer.now[FRESH]:
            _put(writer, LINE_END)
    _put_ticks(writer, fence)
    if begin < language_end:
        _put_text(writer, begin, language_end)
    elif not (none or inner_none):
        _put(writer, NUL)
    _put(writer, LINE_END)
    _put_code(writer, at, stop)
    if writer.now[SIZE] and writer.out[writer.now[SIZE] - 1] != 10:
        _put(writer, LINE_END)
    _put_ticks(writer, fence)
    writer.now[FRESH], writer.now[LOOSE] = 0, 1
    return after


@inner
def _skip_raw(writer: Any, key: Any, at: Any, end: Any) -> Any:
    """Return where the text after an element begins whose content is not text."""
    while at + 1 < end:
        if writer.source[at] == 60 and writer.source[at + 1] == 47:
            name, after = _read_name(writer.source, at + 2, end)
            stop = _tag_end(writer.source, after, end)
            if name == key and stop < end:
                return stop + 1
        at += 1
    writer.now[STATUS] = UNBALANCED
    return end


# -- tables: their rows are gathered, because Markdown wants a header and one line a row ------------------------------


@inner
def _in_table(writer: Any) -> Any:
    return 0 < writer.now[TABLES] <= MAX_TABLE_DEPTH


@inner
def _begin_table(writer: Any) -> Any:
    _separate(writer, NO)
    writer.now[TABLES] += 1
    if _in_table(writer):
        table = writer.now[TABLES] - 1
        writer.stacks[FIRST_CELL, table], writer.stacks[ROWS, table] = writer.now[CELLS], 0


@inner
def _begin_row(writer: Any) -> Any:
    if _in_table(writer):
        writer.stacks[ROWS, writer.now[TABLES] - 1] += 1


@inner
def _begin_cell(writer: Any) -> Any:
    """Begin a cell; return whether it is one of a table."""
    if not _in_table(writer):
        return NO
    writer.stacks[CELL_TEXT, writer.now[TABLES] - 1] = writer.now[SIZE]
    writer.now[FLOOR] = writer.now[SIZE]
    writer.now[INLINE] = 1
    return YES


@inner
def _end_cell(writer: Any) -> Any:
    """Put a cell's text aside; only one that holds a formula or code keeps its line ends."""
    _end_inline(writer)
    if not _in_table(writer):
        return
    out, begin, end = writer.out, writer.stacks[CELL_TEXT, writer.now[TABLES] - 1], writer.now[SIZE]
    if not writer.stacks[ROWS, writer.now[TABLES] - 1]:
        _begin_row(writer)
    verbatim = False
    for place in range(begin, end):
        byte = out[place]
        verbatim = verbatim or byte == 36 or byte == 92 or byte == 96  # $ \ `
    while begin < end and _is_space(out[begin]):
        begin += 1
    while begin < end and _is_space(out[end - 1]):
        end -= 1
    size = writer.now[CELL_SIZE]
    if size + end - begin > writer.cell_text.size or writer.now[CELLS] >= writer.stacks.shape[1]:
        writer.now[STATUS] = FULL
        return
    cell = writer.now[CELLS]
    writer.stacks[CELL_ROW, cell], writer.stacks[CELL_BEGIN, cell] = (
        writer.stacks[ROWS, writer.now[TABLES] - 1] - 1,
        size,
    )
    for place in range(begin, end):
        byte = out[place]
        if not verbatim and _is_space(byte):
            if _is_space(out[place - 1]):
                continue
            byte = np.uint8(32)
        writer.cell_text[size] = byte
        size += 1
    writer.stacks[CELL_END, cell] = size
    writer.now[CELL_SIZE] = size
    writer.now[CELLS] += 1
    writer.now[SIZE] = writer.stacks[CELL_TEXT, writer.now[TABLES] - 1]
    _lower_floor(writer)


@inner
def _lower_floor(writer: Any) -> Any:
    """White space before the innermost open cell stays; in no cell, what stands before the post."""
    outer = writer.now[TABLES] - 1
    writer.now[FLOOR] = writer.stacks[CELL_TEXT, outer - 1] if outer > 0 else writer.now[START]


@inner
def _end_table(writer: Any) -> Any:
    """Write a table with its first row as header."""
    _end_inline(writer)
    in_table = _in_table(writer)
    writer.now[TABLES] -= 1
    writer.now[LOOSE] = 1
    if not in_table:
        return
    first, rows = writer.stacks[FIRST_CELL, writer.now[TABLES]], writer.stacks[ROWS, writer.now[TABLES]]
    width, cells = 0, 0
    for cell in range(first, writer.now[CELLS]):
        cells = cells + 1 if cell > first and writer.stacks[CELL_ROW, cell] == writer.stacks[CELL_ROW, cell - 1] else 1
        width = max(width, cells)
    cell = first
    for row in range(rows if width else 0):
        if row:
            _put(writer, LINE_END)
            _put_all(writer, writer.prefix, 0, writer.now[PREFIX])
        for _ in range(width):
            _put(writer, PIPE)
            _put(writer, SPACE)
            if cell < writer.now[CELLS] and writer.stacks[CELL_ROW, cell] == row:
                _put_all(writer, writer.cell_text, writer.stacks[CELL_BEGIN, cell], writer.stacks[CELL_END, cell])
                cell += 1
            _put(writer, SPACE)
        _put(writer, PIPE)
        if not row:
            _rule_below(writer, width)
    if first < writer.now[CELLS]:
        writer.now[CELL_SIZE] = writer.stacks[CELL_BEGIN, first]
    writer.now[CELLS] = first


@inner
def _rule_below(writer: Any, width: Any) -> Any:
    _put(writer, LINE_END)
    _put_all(writer, writer.prefix, 0, writer.now[PREFIX])
    for place in range(6 * width + 1):
        _put(writer, PIPE if place % 6 == 0 else SPACE if place % 6 in (1, 5) else DASH)


# -- the pass ---------------------------------------------------------------------------------------------------------


@inner
def _open(writer: Any, key: Any) -> Any:
    writer.stacks[ELEMENT, writer.now[OPEN]], writer.stacks[TEXT, writer.now[OPEN]] = key, writer.now[SIZE]
    writer.now[OPEN] += 1


@inner
def _close(writer: Any, key: Any) -> Any:
    """Return where the text of the innermost element begins, which must be the one that is closed."""
    if not writer.now[OPEN] or writer.stacks[ELEMENT, writer.now[OPEN] - 1] != key:
        writer.now[STATUS] = UNBALANCED
        return 0
    writer.now[OPEN] -= 1
    return writer.stacks[TEXT, writer.now[OPEN]]


@inner
def _begin(writer: Any, key: Any, kind: Any, at: Any, end: Any) -> Any:
    """Write the beginning of an element, its attributes from `at` to `end`; return whether white space is skipped."""
    skip = NO
    if kind >= MARK:
        _begin_inline(writer)
        _put_all(writer, _OPENING, _OPENING_ENDS[kind - MARK], _OPENING_ENDS[kind - MARK + 1])
    elif kind == P:
        _separate(writer, NO)
        writer.now[INLINE] = writer.now[LOOSE] = 1
        skip = YES
    elif kind == A:
        _begin_inline(writer)
        _begin_link(writer, at, end)
    elif kind == LI:
        _begin_item(writer)
        skip = YES
    elif kind in (UL, OL):
        _begin_list(writer, kind, at, end)
    elif kind == QUOTE:
        _begin_quote(writer, at, end)
    elif kind == HEADING:
        _begin_heading(writer, key & 15)
        skip = YES
    elif kind == TABLE:
        _begin_table(writer)
    elif kind == ROW:
        _begin_row(writer)
    elif kind == CELL:
        skip = _begin_cell(writer)
    elif kind in (DIVISION, DEFINITION):
        _end_inline(writer)
        if kind == DEFINITION:
            _separate(writer, YES)
            _put(writer, COLON)
            _put(writer, SPACE)
            writer.now[FRESH] = 1
    elif kind == 0 and writer.source[end - 1] == 47:  # />
        return NO
    _open(writer, key)
    return skip


@inner
def _finish(writer: Any, key: Any, kind: Any) -> Any:
    """Write the end of an element."""
    begin = _close(writer, key)
    if writer.now[STATUS]:
        return
    if kind >= MARK:
        _end_mark(writer, kind - MARK, begin)
    elif kind in (P, HEADING):
        writer.now[INLINE] = 1
        _end_inline(writer)
    elif kind == A:
        _end_link(writer, begin)
    elif kind == LI:
        loose = writer.now[LOOSE]
        _unnest(writer)
        writer.now[LOOSE] = loose
    elif kind in (UL, OL):
        _end_inline(writer)
        writer.now[LISTS] -= 1
        writer.now[LOOSE] = writer.now[LOOSE] or not writer.now[LISTS]
    elif kind == QUOTE:
        _unnest(writer)
    elif kind == TABLE:
        _end_table(writer)
    elif kind == CELL:
        _end_cell(writer)
    elif kind in (DIVISION, DEFINITION):
        _end_inline(writer)
        writer.now[LOOSE] = kind == DIVISION


@inner
def _put_until_tag(writer: Any, at: Any, end: Any, skip: Any) -> Any:
    """Write the text up to the next tag, without white space at its start if `skip`; return where that tag is."""
    source = writer.source
    if not writer.now[INLINE] or writer.now[SIZE] == writer.now[START]:
        skip = YES
    while at < end:
        if skip:
            while at < end and _is_space(source[at]):
                at += 1
        begin = at
        at = seek(source, at, end, LESS, LESS)
        if at > begin:
            _begin_inline(writer)
            _put_text(writer, begin, at)
            skip = NO
        over = _comment_end(source, at, end) if at < end else at
        if over == at:
            break
        if over < 0:
            writer.now[STATUS] = UNBALANCED
            break
        at = over
    return at


@part
def _tag(writer: Any, text: Any, at: Any, end: Any) -> Any:
    """Handle the tag at `at`, with the text from `text` on before it.

    Returns:
        Where text goes on, and whether white space is skipped there.
    """
    source = writer.source
    closing = at + 1 < end and source[at + 1] == 47
    key, after = _read_name(source, at + 1 + closing, end)
    stop = _tag_end(source, after, end)
    if not key or stop == end:
        writer.now[STATUS] = UNBALANCED
        return end, NO
    kind = _kind(key)
    is_inline = kind >= MARK or kind in (A, BR) or kind == 0
    if is_inline and not writer.now[JOINED] and _formula_is_open(source, text, at):
        writer.now[STATUS] = CUT_FORMULA
        return end, NO
    if closing:
        _finish(writer, key, kind)
        return stop + 1, NO
    if kind == CODE:
        return _code(writer, key, stop + 1, end), NO
    if kind == PRE:
        return _preformatted(writer, key, after, stop + 1, end), NO
    if kind == RAW:
        return _skip_raw(writer, key, stop + 1, end), NO
    if kind == BR:
        follows = source[stop + 1] if stop + 1 < end else 0
        if writer.now[INLINE] and follows != 10 and follows != 13:
            _put(writer, LINE_END)
    elif kind == HR:
        _separate(writer, NO)
        for _ in range(3):
            _put(writer, DASH)
        writer.now[LOOSE] = 1
    elif kind == IMG:
        _image(writer, after, stop)
    elif kind != EMPTY:
        return stop + 1, _begin(writer, key, kind, after, stop)
    return stop + 1, NO


@compiled
def write_all(writer: Any, begins: Any, ends: Any, joined: Any, written: Any, statuses: Any) -> Any:
    """Write the Markdown of some posts, one behind the other.

    Args:
        writer: a new one.
        begins: where each post begins in the source,
        ends: and where it ends.
        joined: no formula has tags inside, or they are to stay.
        written: gets the offsets of the Markdown.
        statuses: gets the status of each post; one that is not DONE has no Markdown.
    """
    now = writer.now
    written[0] = 0
    for post in range(begins.size):
        for register in range(REGISTERS):
            now[register] = 0
        now[SIZE] = now[START] = now[FLOOR] = written[post]
        now[FRESH] = now[LOOSE] = 1
        now[JOINED] = joined
        at, end, skip = begins[post], ends[post], NO
        while now[STATUS] == DONE:
            text = at
            at = _put_until_tag(writer, at, end, skip)
            if at >= end or now[STATUS] != DONE:
                break
            at, skip = _tag(writer, text, at, end)
        if now[STATUS] == DONE and now[OPEN]:
            now[STATUS] = UNBALANCED
        _strip(writer)
        statuses[post] = now[STATUS]
        written[post + 1] = now[SIZE] if now[STATUS] == DONE else written[post]
