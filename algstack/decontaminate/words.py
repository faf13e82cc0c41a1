"""Text as a stream of normalised words, each a 64-bit hash: what n-grams are made of.

A word is a run of letters and digits, in lower case and without accents. White space, punctuation and operators only
separate. What is set differently but reads the same gives the same words:

- Unicode: compatibility forms (`ﬁ`, `ℝ`, `𝑥`, full width) are their plain letters, combining marks are ignored;
- TeX: spacing and font commands (`\\,`, `\\quad`, `\\left`, `\\mathbb`) are no words, synonyms are one;
- symbols and Greek letters are the words of their TeX commands: `≤` is `\\le`, `α` is `\\alpha`;
- HTML's tags and entities, and `:math:` of reStructuredText, are no words;
- `\\u2264` of JSON is the character that it stands for;
- `\\n`, `\\t`, `\\r` before a word, as in a quoted string, are white space unless TeX has such a command.

Everything runs in one compiled pass over UTF-8 bytes.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from algstack.decontaminate.markup import without_markup
from algstack.vector import (
    LANES,
    alphanumeric_mask,
    bit_count,
    escape_mask,
    folded_product,
    inlined,
    kernel,
    load64,
    trailing_zeros,
)

Bytes = npt.NDArray[np.uint8]
Hashes = npt.NDArray[np.uint64]
Positions = npt.NDArray[np.int64]

# wyhash's secrets: a word's hash folds the product of its two halves of eight bytes.
_SEED, _FACTOR = np.uint64(0xA0761D6478BD642F), np.uint64(0xE7037ED1A0B428DB)
_ZERO, _ONE = np.uint64(0), np.uint64(1)
_LOWER = np.uint64(0x2020202020202020)  # makes letters lower-case, and leaves digits as they are
_FIRST_BYTES = np.array([(1 << 8 * count) - 1 for count in range(9)], np.uint64)
REACH = LANES + 16
"""Bytes from a place on that are read at once; nearer to the buffer's end they are read one by one."""

CODE_POINTS = 0x20000
"""Code points that are looked up; those beyond (rare ideographs, emoji) separate words."""

# What a code point is in a word.
_SEPARATOR, _LETTERS, _LETTER, _WORD, _IGNORED, _RAISED = range(6)

_LOOK = 255
"""Marks a byte that must be looked at: a backslash or a part of a non-ASCII character."""

_SKIPPED_COMMANDS_TEXT = (
    "big bigg biggl biggm biggr bigl bigm bigr bf boldsymbol bm cal color dfrac displaystyle emph enspace frak frac "
    "hphantom hskip hspace it kern large left left. limits mathbb mathbf mathcal mathfrak mathit mathop mathord "
    "mathrel mathrm mathscr mathsf mathtt mbox mkern mskip nolimits nonumber operatorname phantom qquad quad right "
    "rm scriptscriptstyle scriptstyle sf small smash sqrt text textbf textit textnormal textrm textsc textsf "
    "textstyle texttt tfrac thinspace tt underline vphantom vspace Big Bigg Biggl Biggm Biggr Bigl Bigm Bigr Large"
)
SKIPPED_COMMANDS = _SKIPPED_COMMANDS_TEXT.split()
"""TeX commands that only set the type. `1/2` is `\\frac{1}{2}`, `√2` is `\\sqrt 2`."""

COMMAND_SYNONYMS = {
    "leq": "le",
    "leqslant": "le",
    "geq": "ge",
    "geqslant": "ge",
    "neq": "ne",
    "rightarrow": "to",
    "longrightarrow": "to",
    "Longrightarrow": "implies",
    "Rightarrow": "implies",
    "Leftrightarrow": "iff",
    "Longleftrightarrow": "iff",
    "leftrightarrow": "iff",
    "land": "wedge",
    "lor": "vee",
    "lnot": "neg",
    "varphi": "phi",
    "varepsilon": "epsilon",
    "vartheta": "theta",
    "emptyset": "varnothing",
    "ldots": "dots",
    "cdots": "dots",
    "dotsc": "dots",
    "dotsb": "dots",
    "cdot": "times",
    "owns": "ni",
    "mid": "vert",
    "lvert": "vert",
    "rvert": "vert",
    "setminus": "backslash",
    "bmod": "mod",
    "pmod": "mod",
    "degree": "circ",
    "colon": "",
    "lbrace": "",
    "rbrace": "",
    "lbrack": "",
    "rbrack": "",
}
"""TeX commands that are set the same or read the same -> one of them; the empty one separates."""

SYMBOLS = {
    "≤": "le",
    "⩽": "le",
    "≥": "ge",
    "⩾": "ge",
    "≠": "ne",
    "→": "to",
    "⟶": "to",
    "⇒": "implies",
    "⟹": "implies",
    "⇔": "iff",
    "↔": "iff",
    "⟷": "iff",
    "⟺": "iff",
    "∧": "wedge",
    "∨": "vee",
    "¬": "neg",
    "∀": "forall",
    "∃": "exists",
    "∈": "in",
    "∉": "notin",
    "⊆": "subseteq",
    "⊂": "subset",
    "∪": "cup",
    "∩": "cap",
    "∅": "varnothing",
    "∑": "sum",
    "∏": "prod",
    "∫": "int",
    "∞": "infty",
    "∂": "partial",
    "∇": "nabla",
    "×": "times",
    "·": "times",
    "⋅": "times",
    "÷": "div",
    "±": "pm",
    "∓": "mp",
    "≈": "approx",
    "≡": "equiv",
    "≅": "cong",
    "∼": "sim",
    "∘": "circ",
    "°": "circ",
    "∥": "parallel",
    "⊥": "perp",
    "∠": "angle",
    "△": "triangle",
    "∣": "vert",
    "⌊": "lfloor",
    "⌋": "rfloor",
    "⌈": "lceil",
    "⌉": "rceil",
    "⟨": "langle",
    "⟩": "rangle",
    "…": "dots",
    "⋯": "dots",
    "↦": "mapsto",
    "⊢": "vdash",
    "∖": "backslash",
}
"""Symbols that are words of their own: those of their TeX commands."""

_TEX_WITH_N_T_R_TEXT = (
    "nabla natural ne nearrow neg neq newcommand newline newpage nexists ngeq ni nleq nmid noindent nolimits "
    "nonumber normalsize not notag notin nparallel nsubseteq nu tabular tag tan tanh tau tbinom text textbf textit "
    "textnormal textrm textsc textsf textstyle texttt tfrac the theta thinspace thm tilde times tiny title to today "
    "top triangle triangleleft triangleright tt rangle rbrace rbrack rceil ref renewcommand rfloor rho right "
    "rightarrow rightharpoonup rightleftharpoons rm root rule rvert"
)
_TEX_WITH_N_T_R = _TEX_WITH_N_T_R_TEXT.split()


class Tables(NamedTuple):
    """What the kernel looks up.

    Attributes:
        ascii: of a byte, its lower-case letter or digit, 0 or _LOOK.
        kinds: of a code point, what it is in a word.
        values: of a code point, its letters, its letter, or the hash of the word that it is.
        commands: open-addressed, a TeX command's hash and behind it that of its word, 0 for none.
    """

    ascii: Bytes
    kinds: Bytes
    values: Hashes
    commands: Hashes


class Words(NamedTuple):
    """The words of one text: their hashes and where each starts and ends, in bytes of the text."""

    hashes: Hashes
    starts: Positions
    ends: Positions


def hash_word(word: str) -> int:
    """Return the hash of a normalised ASCII word, as the kernel computes it."""
    content, value = word.encode("ascii"), int(_SEED)
    while True:
        left, right = (int.from_bytes(content[at : at + 8], "little") for at in (0, 8))
        product = (left ^ value) * (right ^ int(_FACTOR))
        value = (product ^ product >> 64) & (2**64 - 1)
        content = content[16:]
        if not content:
            return value


@cache
def tables() -> Tables:
    """Return the tables, made on first use (about 0.1 s)."""
    ascii_table = np.zeros(256, np.uint8)
    for character in "abcdefghijklmnopqrstuvwxyz0123456789":
        ascii_table[ord(character)] = ascii_table[ord(character.upper())] = ord(character)
    ascii_table[ord("\\")] = _LOOK
    ascii_table[0x80:] = _LOOK
    symbol_words = {**{ord(symbol): name for symbol, name in SYMBOLS.items()}, **_greek()}
    kinds, values = np.zeros(CODE_POINTS, np.uint8), np.zeros(CODE_POINTS, np.uint64)
    for code in range(0x80, CODE_POINTS):
        kinds[code], values[code] = _classify(chr(code), symbol_words)
    return Tables(ascii_table, kinds, values, _command_table())


def _greek() -> dict[int, str]:
    """Greek letters -> their names, as TeX has them."""
    found = {}
    for code in range(0x391, 0x3CA):
        name = unicodedata.name(chr(code), "").removeprefix("GREEK ").lower()
        if " letter " in name:
            found[code] = name.split(" letter ")[1].replace("final ", "").replace("lamda", "lambda")
    return found | {0x3D1: "theta", 0x3D5: "phi", 0x3F5: "epsilon", 0x3F1: "rho"}


def _classify(character: str, symbol_words: dict[int, str]) -> tuple[int, int]:
    """Return (kind, value) of a code point."""
    if ord(character) in symbol_words:
        return _WORD, _hash_of_symbol(symbol_words[ord(character)])
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return _IGNORED, 0
    plain = unicodedata.normalize("NFKD", character)
    plain = "".join(mark for mark in plain if not unicodedata.combining(mark)).lower()
    if not plain:
        return _SEPARATOR, 0
    if plain.isascii() and plain.isalnum() and len(plain) <= 3:
        raised = unicodedata.decomposition(character).startswith(("<super>", "<sub>"))
        return (_RAISED if raised else _LETTERS), int.from_bytes(plain.encode(), "little")
    if ord(plain[0]) in symbol_words:  # mathematical Greek: 𝛼
        return _WORD, _hash_of_symbol(symbol_words[ord(plain[0])])
    if not plain[0].isalnum():
        return _SEPARATOR, 0
    return _LETTER, ord(plain[0])


@cache
def _hash_of_symbol(name: str) -> int:
    return hash_word(COMMAND_SYNONYMS.get(name, name).lower())


def _command_table() -> Hashes:
    """An open-addressed table: each slot the hash of a TeX command and that of its word (0: no word)."""
    slots = 1024
    table = np.zeros(2 * slots, np.uint64)
    entries = {name: hash_word(name.lower()) for name in _TEX_WITH_N_T_R}
    entries |= {name: hash_word(word.lower()) if word else 0 for name, word in COMMAND_SYNONYMS.items()}
    entries |= dict.fromkeys(SKIPPED_COMMANDS, 0)
    for name in sorted(entries):
        if not name.isalpha():
            continue
        key = hash_word(name)
        slot = key % slots
        while table[2 * slot]:
            slot = (slot + 1) % slots
        table[2 * slot], table[2 * slot + 1] = key, entries[name]
    return table


class _Open(NamedTuple):
    """A word that is being read byte by byte: the hash of what was folded, up to 16 bytes that were not, how many."""

    value: Any
    left: Any
    right: Any
    length: Any


@inlined
def _nothing() -> Any:
    return _Open(_SEED, _ZERO, _ZERO, _ZERO)


@inlined
def _folded(word: Any) -> Any:
    return folded_product(word.left ^ word.value, word.right ^ _FACTOR)


@inlined
def _with(word: Any, byte: Any) -> Any:
    """Return the word with one more byte."""
    value, left, right, length = word.value, word.left, word.right, word.length
    if length == 16:
        value, left, right, length = _folded(word), _ZERO, _ZERO, _ZERO
    shift = np.uint64(8) * (length & np.uint64(7))
    if length < 8:
        left |= np.uint64(byte) << shift
    else:
        right |= np.uint64(byte) << shift
    return _Open(value, left, right, length + _ONE)


@inlined
def _with_letter(word: Any, code: Any) -> Any:
    """Return the word with one more letter that is not ASCII."""
    word = _with(word, np.uint64(0x80) | (code & np.uint64(0x7F)))
    word = _with(word, np.uint64(0x80) | ((code >> np.uint64(7)) & np.uint64(0x7F)))
    return _with(word, np.uint64(0x80) | (code >> np.uint64(14)))


@inlined
def _with_letters(word: Any, letters: Any) -> Any:
    while letters:
        word = _with(word, letters & np.uint64(0xFF))
        letters >>= np.uint64(8)
    return word


# Arrays are taken out of their tuples once, in `read_words`: numba counts a reference each time that one is.


@inlined
def _command(data: Any, at: Any, end: Any, ascii_table: Any, commands: Any) -> Any:
    """Read the TeX command after a backslash: (the hash of its word or 0, where it ends)."""
    stop, exact, lower = at, _nothing(), _nothing()
    while stop < end and 97 <= ascii_table[data[stop]] < _LOOK:  # letters, not digits
        exact = _with(exact, data[stop])
        lower = _with(lower, ascii_table[data[stop]])
        stop += 1
    if stop == at:
        return _ZERO, at
    key, slots = _folded(exact), commands.size // 2
    slot = np.int64(key % np.uint64(slots))
    while commands[2 * slot] != 0:
        if commands[2 * slot] == key:
            return commands[2 * slot + 1], stop
        slot = (slot + 1) % slots
    if data[at] == 110 or data[at] == 116 or data[at] == 114:  # \n, \t, \r of a quoted string
        return _ZERO, at + 1
    return _folded(lower), stop


@inlined
def _code_point(data: Any, at: Any, end: Any) -> Any:
    """Decode one non-ASCII character of valid UTF-8: (code point, where the next one starts)."""
    first = np.int64(data[at])
    if first < 0xE0 and at + 1 < end:
        return ((first & 0x1F) << 6) | (np.int64(data[at + 1]) & 0x3F), at + 2
    if first < 0xF0 and at + 2 < end:
        code = ((first & 0x0F) << 12) | ((np.int64(data[at + 1]) & 0x3F) << 6) | (np.int64(data[at + 2]) & 0x3F)
        return code, at + 3
    if at + 3 < end:
        code = ((first & 0x07) << 18) | ((np.int64(data[at + 1]) & 0x3F) << 12)
        return code | ((np.int64(data[at + 2]) & 0x3F) << 6) | (np.int64(data[at + 3]) & 0x3F), at + 4
    return np.int64(0), end


@inlined
def _escaped(data: Any, at: Any, end: Any) -> Any:
    """Return the code point that `u` and four hexadecimal digits stand for behind a backslash, as in JSON, or -1."""
    if at + 5 > end or data[at] != 117:
        return np.int64(-1)
    code = np.int64(0)
    for place in range(at + 1, at + 5):
        byte = np.int64(data[place])
        lower = byte | 0x20
        if 48 <= byte <= 57:
            code = code << 4 | (byte - 48)
        elif 97 <= lower <= 102:
            code = code << 4 | (lower - 87)
        else:
            return np.int64(-1)
    return code


@inlined
def _kind(code: Any, kinds: Any) -> Any:
    return kinds[code] if code < kinds.size else np.uint8(_SEPARATOR)


@inlined
def _special(data: Any, at: Any, end: Any, word: Any, ascii_table: Any, kinds: Any, values: Any, commands: Any) -> Any:
    """Read a backslash or a non-ASCII character.

    Args:
        word: the word that is open before it.

    Returns:
        The word that is open after it; whether the open word ended before it; the hash of the word that it is itself,
        or 0; where the next character starts.
    """
    if data[at] == 92:
        code, after = _escaped(data, at + 1, end), at + 6
        if code < 0:
            own, after = _command(data, at + 1, end, ascii_table, commands)
            return _nothing(), True, own, after
    else:
        code, after = _code_point(data, at, end)
    kind = _kind(code, kinds)
    if kind == _IGNORED:
        return word, False, _ZERO, after
    if kind == _LETTERS:
        return _with_letters(word, values[code]), False, _ZERO, after
    if kind == _LETTER:
        return _with_letter(word, values[code]), False, _ZERO, after
    if kind == _WORD:
        return _nothing(), True, values[code], after
    if kind == _RAISED:
        raised = _nothing()
        while kind == _RAISED:
            raised, at = _with(raised, values[code]), after
            if at >= end or data[at] < 0x80:
                break
            code, after = _code_point(data, at, end)
            kind = _kind(code, kinds)
        return _nothing(), True, _folded(raised), at
    return _nothing(), True, _ZERO, after


@inlined
def _hash(data: Any, at: Any, length: Any) -> Any:
    """Return the hash of a word of ASCII; 16 bytes behind its end must be there to be read."""
    value = _SEED
    while length > 16:
        left, right = load64(data, at) | _LOWER, load64(data, at + 8) | _LOWER
        value = folded_product(left ^ value, right ^ _FACTOR)
        at += 16
        length -= 16
    # Nearly all words come here at once: no branch that depends on their length.
    left = (load64(data, at) | _LOWER) & _FIRST_BYTES[min(length, 8)]
    right = (load64(data, at + 8) | _LOWER) & _FIRST_BYTES[max(length - 8, 0)]
    return folded_product(left ^ value, right ^ _FACTOR)


@kernel
def read_words(data: Any, at: Any, end: Any, tables: Any, found: Any, count: Any) -> Any:
    """Read the words of `data[at:end]`, until there is no more room for them.

    ASCII is read 64 bytes at a time: masks say where its words begin and end. A word that touches anything else, or
    the end of the 64 bytes, is read byte by byte, until no word is open.

    Args:
        data: the bytes of many texts.
        at: where to begin: never within a word.
        end: where the text ends.
        tables: `tables()`.
        found: `Words` with room; gets the words from `count` on.
        count: how many there are already.

    Returns:
        The new count, and where reading stopped: the text's end, unless there is less room than for a step.
    """
    ascii_table, kinds, values, commands = tables.ascii, tables.kinds, tables.values, tables.commands
    hashes, starts, ends = found.hashes, found.starts, found.ends
    room = hashes.size - LANES
    while at < end and count < room:
        if at + REACH <= data.size:
            left = min(end - at, LANES)
            valid = ~_ZERO >> np.uint64(LANES - left)
            escapes = escape_mask(data, at) & valid
            # All bits below the first escape; all if there is none.
            mask = alphanumeric_mask(data, at) & valid & ((escapes & (_ZERO - escapes)) - _ONE)
            begins, stops = mask & ~(mask << _ONE), ~mask & (mask << _ONE)
            limit = min(trailing_zeros(escapes), left)
            touches = limit > 0 and at + limit < end and mask >> np.uint64(limit - 1) != 0
            for _ in range(bit_count(begins) - touches):
                start, stop = trailing_zeros(begins), trailing_zeros(stops)
                begins &= begins - _ONE
                stops &= stops - _ONE
                hashes[count] = _hash(data, at + start, stop - start)
                starts[count], ends[count] = at + start, at + stop
                count += 1
            step = trailing_zeros(begins) if touches else limit
            at += step
            if escapes == 0 and step > 0:
                continue
        word, start = _nothing(), at
        while at < end:
            letter = ascii_table[data[at]]
            if letter == _LOOK:
                following, is_end, own, after = _special(data, at, end, word, ascii_table, kinds, values, commands)
                if is_end and word.length:
                    hashes[count], starts[count], ends[count] = _folded(word), start, at
                    count += 1
                if own:
                    hashes[count], starts[count], ends[count] = own, at, after
                    count += 1
                if not word.length:
                    start = at
                word, at = following, after
            elif letter:
                word, at = _with(word, letter), at + 1
            else:
                break
            if not word.length:
                break
        if word.length:
            hashes[count], starts[count], ends[count] = _folded(word), start, at
            count += 1
        elif at < end and ascii_table[data[at]] == 0:
            at += 1
    return count, at


def empty_words(room: int) -> Words:
    """Return room for words."""
    return Words(np.empty(room, np.uint64), np.empty(room, np.int64), np.empty(room, np.int64))


def words(text: bytes) -> Words:
    """Return the words of one text, in order.

    Args:
        text: valid UTF-8.
    """
    data = without_markup(text)
    found = empty_words(data.size + LANES + 1)
    count, _ = read_words(data, 0, data.size, tables(), found, 0)
    return Words(found.hashes[:count].copy(), found.starts[:count].copy(), found.ends[:count].copy())
