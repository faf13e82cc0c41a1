"""Signals of quality: what a text looks like in numbers, so that users can cut further without us.

They are `documents.SIGNAL_COLUMNS`; each is measured on request only. Counts of characters and lines come from one pass
over Arrow's buffers, the natural language from langid's kernel; what Pygments says costs about a second a megabyte.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import lru_cache
from typing import Any, NamedTuple
from unicodedata import category

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pygments.lexer import Lexer
from pygments.token import Token, _TokenType

from algstack import natural
from algstack.documents import signal_columns
from algstack.lexers import lexer_of
from algstack.texts import Bytes, Offsets, Texts, as_texts
from algstack.vector import inlined, kernel

STRETCH = 1_000
"""Bytes of words whose natural language is told together: langid needs some, and a page of French must not hide."""

FEW_LETTERS = 40
"""Of fewer no natural language can be told."""

LEXED = 1_000_000
"""Characters that Pygments reads."""

ENGLISH = "en"

_LETTER, _ALPHANUMERIC, _SPACE, _LINE_END, _DIGIT = (np.uint8(1 << bit) for bit in range(5))

_CHARACTERS = 0x110000


class _Counts(NamedTuple):
    """Of each text: characters, of which letters and digits, no white space, ASCII digits; lines and the longest."""

    characters: Offsets
    alphanumeric: Offsets
    visible: Offsets
    digits: Offsets
    lines: Offsets
    in_lines: Offsets  # characters that end no line
    longest: Offsets


def measured(documents: pl.DataFrame, names: Collection[str]) -> list[pl.Series]:
    """Return the named signals of documents as columns, in the order of `documents.SIGNAL_COLUMNS`.

    Args:
        documents: at least `text`, and for Pygments `lang` and `path`.
        names: names of signals.

    Raises:
        AlgstackError: there is no such signal.
    """
    wanted = [column.name for column in signal_columns(names)]
    found: dict[str, pl.Series] = {}
    for told, how in MEASURES:
        if told & set(wanted):
            found |= how(documents)
    return [found[name].alias(name) for name in wanted]


@lru_cache(maxsize=1)
def _classes() -> Bytes:
    """What each character is, as Python's methods of strings say: `isalpha`, `isalnum`, `isspace`, `splitlines`."""
    line_ends = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"
    classes = np.zeros(_CHARACTERS, np.uint8)
    for code in range(_CHARACTERS):
        character = chr(code)
        if character.isalnum():
            classes[code] = _ALPHANUMERIC | (_LETTER if character.isalpha() else 0)
        elif character.isspace():
            classes[code] = _SPACE
        elif category(character)[0] == "M":  # vowels of Indic scripts, accents
            classes[code] = _LETTER
    classes[[ord(character) for character in line_ends]] |= _LINE_END
    classes[ord("0") : ord("9") + 1] |= _DIGIT
    return classes


@inlined
def _code(data: Any, at: Any) -> Any:
    """Return the character that begins at a byte, and where the next one begins."""
    first = np.int64(data[at])
    if first < 0x80:
        return first, at + 1
    if first < 0xE0:
        return (first & 0x1F) << 6 | (data[at + 1] & 0x3F), at + 2
    if first < 0xF0:
        return (first & 0x0F) << 12 | (data[at + 1] & 0x3F) << 6 | (data[at + 2] & 0x3F), at + 3
    high = (first & 0x07) << 18 | (data[at + 1] & 0x3F) << 12
    return high | (data[at + 2] & 0x3F) << 6 | (data[at + 3] & 0x3F), at + 4


# --- characters and lines ---


def _shape(documents: pl.DataFrame) -> dict[str, pl.Series]:
    texts = as_texts(documents["text"])
    counts = _Counts(*(np.zeros(documents.height, np.int64) for _ in _Counts._fields))
    _count(*texts, _classes(), counts)
    nothing = pl.repeat(None, documents.height, dtype=pl.Int64, eager=True)
    return {
        "alphanum_fraction": _ratio(counts.alphanumeric, counts.characters),
        "avg_line_length": _ratio(counts.in_lines, counts.lines),
        "max_line_length": pl.Series(counts.longest).zip_with(pl.Series(counts.lines > 0), nothing),
        "digit_density": _ratio(counts.digits, counts.visible),
    }


def _ratio(part: NDArray[Any], whole: NDArray[Any]) -> pl.Series:
    """Return the quotients, null where there is nothing to divide by."""
    return pl.Series(part / np.where(whole > 0, whole, np.nan)).fill_nan(None)


@kernel
def _count(data: Any, offsets: Any, classes: Any, counts: Any) -> None:
    for row in range(offsets.size - 1):
        at, end = offsets[row], offsets[row + 1]
        characters, alphanumeric, spaces, digits = 0, 0, 0, 0
        lines, ends, length, longest = 0, 0, 0, 0
        before = np.int64(0)
        while at < end:
            code, at = _code(data, at)
            kind = classes[code]
            characters += 1
            alphanumeric += (kind & _ALPHANUMERIC) != 0
            spaces += (kind & _SPACE) != 0
            digits += (kind & _DIGIT) != 0
            if kind & _LINE_END:
                ends += 1
                lines += not (code == 10 and before == 13)  # \r\n is one
                longest, length = max(longest, length), 0
            else:
                length += 1
            before = code
        counts.characters[row] = characters
        counts.alphanumeric[row] = alphanumeric
        counts.visible[row] = characters - spaces
        counts.digits[row] = digits
        counts.lines[row] = lines + (length > 0)
        counts.in_lines[row] = characters - ends
        counts.longest[row] = max(longest, length)


# --- natural language ---


def _english(documents: pl.DataFrame) -> dict[str, pl.Series]:
    texts = as_texts(documents["text"])
    rows = documents.height
    room = int(texts.offsets[-1] - texts.offsets[0]) + rows
    words, bounds, letters = np.empty(room, np.uint8), np.zeros(rows + 1, np.int64), np.zeros(rows, np.int64)
    _keep_words(*texts, _classes(), words, bounds, letters)
    pieces = np.maximum((bounds[1:] - bounds[:-1]) // STRETCH, 1)
    ends = np.zeros(pieces.sum() + 1, np.int64)
    _cut(words, bounds, pieces, ends)
    is_english = np.array(natural.languages(Texts(words, ends)), np.str_) == ENGLISH
    sizes, of_row = np.diff(ends), np.repeat(np.arange(rows), pieces)
    english = np.bincount(of_row, sizes * is_english, rows)
    share = _ratio(english, np.where(letters >= FEW_LETTERS, bounds[1:] - bounds[:-1], 0))
    return {"english_share": share}


@kernel
def _keep_words(data: Any, offsets: Any, classes: Any, words: Any, bounds: Any, letters: Any) -> None:
    """Copy the words of two letters or more, each with a space behind it; `bounds` are as `offsets`."""
    filled: Any = np.int64(0)
    for row in range(offsets.size - 1):
        at, end, found = offsets[row], offsets[row + 1], 0
        while at < end:
            begin, length = at, 0
            while at < end:
                code, following = _code(data, at)
                if not classes[code] & _LETTER:
                    break
                length, at = length + 1, following
            if length > 1:
                for byte in range(begin, at):
                    words[filled + byte - begin] = data[byte]
                filled += at - begin + 1
                words[filled - 1] = 32
                found += length
            if at < end:
                _, at = _code(data, at)
        bounds[row + 1] = filled
        letters[row] = found


@kernel
def _cut(words: Any, bounds: Any, pieces: Any, ends: Any) -> None:
    """Cut each text's words into equal pieces, between two words; `ends` are as `offsets`."""
    number = 0
    for row in range(bounds.size - 1):
        begin, end = bounds[row], bounds[row + 1]
        for piece in range(1, pieces[row] + 1):
            at = begin + (end - begin) * piece // pieces[row]
            while begin < at < end and words[at - 1] != 32:
                at += 1
            number += 1
            ends[number] = at


# --- what Pygments sees ---


class _Seen(NamedTuple):
    """What a lexer sees in a text: characters that are no white space, of them those of comments; and errors."""

    visible: int
    comments: int
    errors: int


def _lexed(documents: pl.DataFrame) -> dict[str, pl.Series]:
    seen = [_read(text, lexer_of(lang, path)) for text, lang, path in documents.select("text", "lang", "path").rows()]
    ratios = [one.comments / one.visible if one and one.visible else None for one in seen]
    return {
        "comment_ratio": pl.Series(ratios, dtype=pl.Float64),
        "parse_errors": pl.Series([one and one.errors for one in seen], dtype=pl.Int64),
    }


def _read(text: str | None, lexer: Lexer | None) -> _Seen | None:
    if lexer is None or text is None:
        return None
    visible = comments = errors = 0
    was_error = False
    try:
        for kind, piece in lexer.get_tokens(text[:LEXED]):
            size = len("".join(piece.split()))
            visible += size
            comments += size if _is_comment(kind) else 0
            is_error = kind is Token.Error
            errors += is_error and not was_error
            was_error = is_error
    except Exception:  # a lexer that fails is a defect of Pygments, and one signal that is missing
        return None
    return _Seen(visible, comments, errors)


_READ_BY_PEOPLE: tuple[Any, ...] = (Token.Comment, Token.Literal.String.Doc)
_PREPROCESSOR: tuple[Any, ...] = (Token.Comment.Preproc, Token.Comment.PreprocFile)
"""Which Pygments calls comments, too."""


@lru_cache(maxsize=1024)
def _is_comment(kind: _TokenType) -> bool:
    return any(kind in one for one in _READ_BY_PEOPLE) and not any(kind in one for one in _PREPROCESSOR)


MEASURES: tuple[tuple[frozenset[str], Callable[[pl.DataFrame], dict[str, pl.Series]]], ...] = (
    (frozenset({"alphanum_fraction", "avg_line_length", "max_line_length", "digit_density"}), _shape),
    (frozenset({"english_share"}), _english),
    (frozenset({"comment_ratio", "parse_errors"}), _lexed),
)
"""What is measured together, and how."""
