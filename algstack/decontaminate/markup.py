"""Markup that stands between the words of a text and is none: tags and entities of HTML, reStructuredText's `:math:`.

It is replaced by as many spaces, so that places stay what they were. Entities that read as words stay, for they are the
words of TeX's commands: `&times;` is `\\times`.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from algstack.vector import LANES, copy, equal_mask, inlined, kernel, trailing_zeros

Bytes = npt.NDArray[np.uint8]
Names = npt.NDArray[np.uint64]

_TAGS_TEXT = (
    "a abbr b big blockquote body br center cite code dd del details div dl dt em figure font h1 h2 h3 h4 h5 h6 hr "
    "html i img ins kbd li mark ol p pre q s samp section small span strike strong sub summary sup table tbody td "
    "tfoot th thead tr tt u ul var wbr"
)
_ENTITIES_TEXT = (
    "amp apos bull emsp ensp gt hellip laquo ldquo lsquo lt mdash nbsp ndash quot raquo rdquo rsquo shy thinsp"
)
_ROLE = ":math:"

_LONGEST_NAME = 10
_LONGEST_TAG = 400
_LESS, _GREATER, _SLASH, _EQUALS, _SPACE = (np.uint8(ord(sign)) for sign in "<>/= ")
_AMPERSAND, _HASH, _SEMICOLON, _BACKTICK = (np.uint8(ord(sign)) for sign in "&#;`")
_NONE_IGNORED = np.uint8(0)


@cache
def _names(text: str) -> Names:
    return np.array(sorted(_number(np.frombuffer(name.encode(), np.uint8)) for name in text.split()), np.uint64)


def _number(name: Bytes) -> int:
    """Return a name as a number: letters and digits are the digits of base 37."""
    value = 0
    for byte in name.tolist():
        value = value * 37 + (byte - ord("0") + 27 if byte < ord("a") else byte - ord("a") + 1)
    return value


_ROLE_BYTES = np.frombuffer(_ROLE.encode(), np.uint8)


class Markup(NamedTuple):
    """What is markup: numbers of the names of tags and entities, sorted, and the bytes of the role."""

    tags: Names
    entities: Names
    role: Bytes


@cache
def markup() -> Markup:
    """Return what is markup."""
    return Markup(_names(_TAGS_TEXT), _names(_ENTITIES_TEXT), _ROLE_BYTES)


def without_markup(text: bytes) -> Bytes:
    """Return the bytes of one text with spaces for markup."""
    data, room = np.frombuffer(text, np.uint8), np.empty(len(text), np.uint8)
    return room if copied_without_markup(data, 0, data.size, markup(), room) else data


@kernel
def copied_without_markup(data: Any, at: Any, end: Any, wanted: Any, room: Any) -> Any:
    """Copy a text that has markup, with spaces for it; return whether it has any.

    Args:
        data: bytes of many texts.
        at: where the text begins.
        end: where it ends.
        wanted: `markup()`.
        room: gets the text at its beginning.
    """
    tags, entities, role = wanted.tags, wanted.entities, wanted.role
    begin, stop = _markup(data, at, end, tags, entities, role)
    if begin == end:
        return False
    copy(data, at, end - at, room, 0)
    while begin < end:
        for place in range(begin, stop):
            room[place - at] = _SPACE
        begin, stop = _markup(data, stop, end, tags, entities, role)
    return True


@inlined
def _markup(data: Any, at: Any, end: Any, tags: Any, entities: Any, role: Any) -> Any:
    """Return where the next markup begins and where it ends, (end, end) where there is none."""
    at = _next_sign(data, at, end)
    while at < end:
        sign = data[at]
        if sign == _LESS:
            stop = _tag_end(data, at, min(end, at + _LONGEST_TAG), tags)
            if stop > at:
                return at, stop
        elif sign == _AMPERSAND:
            stop = _entity_end(data, at, end, entities)
            if stop > at:
                return at, stop
        elif _is_role(data, at, role):
            return at - role.size, at + 1
        at = _next_sign(data, at + 1, end)
    return end, end


@inlined
def _next_sign(data: Any, at: Any, end: Any) -> Any:
    """Return the next place that markup can begin at, 64 bytes at a time where so many are left."""
    while at + LANES <= end:
        found = equal_mask(data, at, _LESS, _NONE_IGNORED) | equal_mask(data, at, _AMPERSAND, _NONE_IGNORED)
        found |= equal_mask(data, at, _BACKTICK, _NONE_IGNORED)
        if found:
            return at + trailing_zeros(found)
        at += LANES
    while at < end and data[at] != _LESS and data[at] != _AMPERSAND and data[at] != _BACKTICK:
        at += 1
    return at


@inlined
def _name(data: Any, at: Any, end: Any) -> Any:
    """Read a name: (its number, or 0 where it is too long or none, and where it ends)."""
    value, stop = np.uint64(0), at
    while stop < end and stop <= at + _LONGEST_NAME:
        byte = np.int64(data[stop])
        lower = byte | 0x20
        if 97 <= lower <= 122:
            value = value * np.uint64(37) + np.uint64(lower - 96)
        elif 48 <= byte <= 57:
            value = value * np.uint64(37) + np.uint64(byte - 21)
        else:
            break
        stop += 1
    return (value if stop <= at + _LONGEST_NAME else np.uint64(0)), stop


@inlined
def _is_in(value: Any, names: Any) -> Any:
    low, high = 0, names.size
    while low < high:
        middle = (low + high) // 2
        if names[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low < names.size and names[low] == value


@inlined
def _tag_end(data: Any, start: Any, end: Any, tags: Any) -> Any:
    """Return where the tag that begins at a `<` ends, or its start where it is none: `a<b && c>d` is not."""
    at = start + 1
    at += at < end and data[at] == _SLASH
    value, at = _name(data, at, end)
    if value == 0 or not _is_in(value, tags) or at >= end:
        return start
    if data[at] != _GREATER and data[at] != _SLASH:
        if data[at] > _SPACE:
            return start
        while at < end and data[at] <= _SPACE:
            at += 1
        stop = at
        while stop < end and (97 <= (data[stop] | 0x20) <= 122 or data[stop] == 45):  # an attribute's name
            stop += 1
        is_attribute = at < stop < end and data[stop] == _EQUALS
        if not is_attribute and (at >= end or (data[at] != _GREATER and data[at] != _SLASH)):
            return start
    if at < end and data[at] == _SLASH:
        at += 1
        return at + 1 if at < end and data[at] == _GREATER else start
    while at < end and data[at] != _GREATER and data[at] != _LESS:
        at += 1
    return at + 1 if at < end and data[at] == _GREATER else start


@inlined
def _entity_end(data: Any, start: Any, end: Any, entities: Any) -> Any:
    """Return where the entity that begins at a `&` ends, or its start where it is none or reads as a word."""
    at = start + 1
    if at < end and data[at] == _HASH:
        value, stop = _name(data, at + 1, end)
        return stop + 1 if value and stop < end and data[stop] == _SEMICOLON else start
    value, stop = _name(data, at, end)
    return stop + 1 if _is_in(value, entities) and stop < end and data[stop] == _SEMICOLON else start


@inlined
def _is_role(data: Any, at: Any, role: Any) -> Any:
    matching = 0
    while matching < role.size and at - matching > 0 and data[at - matching - 1] == role[role.size - matching - 1]:
        matching += 1
    return matching == role.size
