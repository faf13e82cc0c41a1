"""Text as a stream of normalised words, each a 64-bit hash: what n-grams are made of.

A word is a run of letters and digits, in lower case and without accents. White space, punctuation and operators only
separate. What is set differently but reads the same gives the same words:

- Unicode: compatibility forms (`ﬁ`, `ℝ`, `𝑥`, full width) are their plain letters, combining marks are ignored;
- TeX: spacing and font commands (`\\,`, `\\quad`, `\\left`, `\\mathbb`) are no words, synonyms are one;
- symbols and Greek letters are the words of their TeX commands: `≤` is `\\le`, `α` is `\\alpha`;
- `\\n`, `\\t`, `\\r` before a word, as in a quoted string, are white space unless TeX has such a command.

Everything runs in one compiled pass over UTF-8 bytes.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

Bytes = npt.NDArray[np.uint8]
Hashes = npt.NDArray[np.uint64]
Positions = npt.NDArray[np.int64]

_PRIME = np.uint64(0x9E3779B97F4A7C15)  # odd, bits well spread
_SHIFT = np.uint64(29)
_STEP, _BACK = np.uint64(7), np.uint64(57)  # 7 bits a character: up to nine ASCII ones cannot collide

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

_ESCAPES = "ntr"
_TEX_WITH_N_T_R_TEXT = (
    "nabla natural ne nearrow neg neq newcommand newline newpage nexists ngeq ni nleq nmid noindent nolimits "
    "nonumber normalsize not notag notin nparallel nsubseteq nu tabular tag tan tanh tau tbinom text textbf textit "
    "textnormal textrm textsc textsf textstyle texttt tfrac the theta thinspace thm tilde times tiny title to today "
    "top triangle triangleleft triangleright tt rangle rbrace rbrack rceil ref renewcommand rfloor rho right "
    "rightarrow rightharpoonup rightleftharpoons rm root rule rvert"
)
_TEX_WITH_N_T_R = _TEX_WITH_N_T_R_TEXT.split()


class Tables(NamedTuple):
    """What the kernel looks up. `ascii`: lower-case letter or digit, 0 or _LOOK."""

    ascii: Bytes
    kinds: Bytes
    values: npt.NDArray[np.uint32]
    symbols: Hashes
    commands: Hashes
    command_words: Hashes
    command_drops: Bytes


class Words(NamedTuple):
    """The words of one text: their hashes and where each starts and ends, in bytes of the text."""

    hashes: Hashes
    starts: Positions
    ends: Positions


def hash_word(word: str) -> int:
    """Return the hash of a normalised ASCII word, as the kernel computes it."""
    value, mask = 0, 2**64 - 1
    for byte in word.encode("ascii"):
        value = ((value << 7 | value >> 57) & mask) ^ byte
    value = (value * int(_PRIME)) & mask
    return value ^ (value >> int(_SHIFT))


@cache
def tables() -> Tables:
    """Return the tables, made on first use (about 0.1 s)."""
    ascii_table = np.zeros(256, np.uint8)
    for character in "abcdefghijklmnopqrstuvwxyz0123456789":
        ascii_table[ord(character)] = ascii_table[ord(character.upper())] = ord(character)
    ascii_table[ord("\\")] = _LOOK
    ascii_table[0x80:] = _LOOK
    symbol_words = {**{ord(symbol): name for symbol, name in SYMBOLS.items()}, **_greek()}
    names = sorted(set(symbol_words.values()))
    kinds, values = np.zeros(CODE_POINTS, np.uint8), np.zeros(CODE_POINTS, np.uint32)
    for code in range(0x80, CODE_POINTS):
        if code in symbol_words:
            kinds[code], values[code] = _WORD, names.index(symbol_words[code])
        else:
            kinds[code], values[code] = _classify(chr(code), symbol_words, names)
    commands, words, drops = _command_table()
    symbols = np.array([hash_word(COMMAND_SYNONYMS.get(name, name).lower()) for name in names], np.uint64)
    return Tables(ascii_table, kinds, values, symbols, commands, words, drops)


def _greek() -> dict[int, str]:
    """Greek letters -> their names, as TeX has them."""
    found = {}
    for code in range(0x391, 0x3CA):
        name = unicodedata.name(chr(code), "").removeprefix("GREEK ").lower()
        if " letter " in name:
            found[code] = name.split(" letter ")[1].replace("final ", "").replace("lamda", "lambda")
    return found | {0x3D1: "theta", 0x3D5: "phi", 0x3F5: "epsilon", 0x3F1: "rho"}


def _classify(character: str, symbol_words: dict[int, str], names: list[str]) -> tuple[int, int]:
    """Return (kind, value) of a code point that is no listed symbol."""
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
        return _WORD, names.index(symbol_words[ord(plain[0])])
    if not plain[0].isalnum():
        return _SEPARATOR, 0
    return _LETTER, ord(plain[0])


def _command_table() -> tuple[Hashes, Hashes, Bytes]:
    """An open-addressed table: hash of a TeX command -> hash of its word (0: no word); -> 1 if its `\\n` is TeX."""
    size = 1024
    keys, words, known = np.zeros(size, np.uint64), np.zeros(size, np.uint64), np.zeros(size, np.uint8)
    entries = {name: hash_word(name.lower()) for name in _TEX_WITH_N_T_R}
    entries |= {name: hash_word(word.lower()) if word else 0 for name, word in COMMAND_SYNONYMS.items()}
    entries |= dict.fromkeys(SKIPPED_COMMANDS, 0)
    for name in sorted(entries):
        if not name.isalpha():
            continue
        key = hash_word(name)
        slot = key % size
        while keys[slot]:
            slot = (slot + 1) % size
        keys[slot], words[slot], known[slot] = key, entries[name], 1
    return keys, words, known


@njit(cache=True, nogil=True)
def _mix(value: Any, character: Any) -> Any:
    return ((value << _STEP) | (value >> _BACK)) ^ np.uint64(character)


@njit(cache=True, nogil=True)
def spread(value: Any) -> Any:
    """Finish the hash of a word: spread its bits; 0 stays 0."""
    value = value * _PRIME
    return value ^ (value >> _SHIFT)


@njit(cache=True, nogil=True)
def _command(data: Any, at: Any, end: Any, tables: Any) -> Any:
    """Read the TeX command after a backslash: (the hash of its word or 0, where it ends)."""
    stop, value, lower = at, np.uint64(0), np.uint64(0)
    while stop < end and 97 <= tables.ascii[data[stop]] < _LOOK:  # letters, not digits
        value = _mix(value, data[stop])
        lower = _mix(lower, tables.ascii[data[stop]])
        stop += 1
    if stop == at:
        return np.uint64(0), at
    key = spread(value)
    slot = np.int64(key % np.uint64(tables.commands.size))
    while tables.commands[slot] != 0:
        if tables.commands[slot] == key:
            return tables.command_words[slot], stop
        slot = (slot + 1) % tables.commands.size
    if data[at] == 110 or data[at] == 116 or data[at] == 114:  # \n, \t, \r of a quoted string
        return np.uint64(0), at + 1
    return spread(lower), stop


@njit(cache=True, nogil=True)
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


@njit(cache=True, nogil=True)
def _special(data: Any, at: Any, end: Any, value: Any, tables: Any) -> Any:
    """Read a backslash or a non-ASCII character.

    Args:
        value: hash of the word that is open before it, 0 if none is.

    Returns:
        The hash of the word that is open after it; whether the open word ended before it; the word that it is itself,
        or 0; where the next character starts.
    """
    none = np.uint64(0)
    if data[at] == 92:
        word, after = _command(data, at + 1, end, tables)
        return none, True, word, after
    code, after = _code_point(data, at, end)
    kind = tables.kinds[code] if code < tables.kinds.size else np.uint8(_SEPARATOR)
    if kind == _IGNORED:
        return value, False, none, after
    if kind == _LETTERS:
        letters = tables.values[code]
        while letters:
            value = _mix(value, letters & np.uint32(0xFF))
            letters >>= np.uint32(8)
        return value, False, none, after
    if kind == _LETTER:
        return _mix(value, tables.values[code]), False, none, after
    if kind == _WORD:
        return none, True, tables.symbols[tables.values[code]], after
    if kind == _RAISED:
        word = none
        while kind == _RAISED:
            word, at = _mix(word, tables.values[code] & np.uint32(0xFF)), after
            if at >= end or data[at] < 0x80:
                break
            code, after = _code_point(data, at, end)
            kind = tables.kinds[code] if code < tables.kinds.size else np.uint8(_SEPARATOR)
        return none, True, spread(word), at
    return none, True, none, after


@njit(cache=True, nogil=True)
def read_words(
    data: Any, at: Any, stop: Any, end: Any, value: Any, tables: Any, hashes: Any, count: Any, starts: Any, ends: Any
) -> Any:
    """Read the words of `data[at:stop]`; of the text that ends at `end`, more than one call may be needed.

    ASCII is read without a branch: words are short, and a mispredicted branch at each of their ends would cost more
    than all the rest. A word is written at every byte, and counted where one ended.

    Args:
        value: hash of the word that is open at `at`, 0 if none is.
        tables: `tables()`.
        hashes: gets the words' hashes from `count` on; must have room for one a byte.
        starts: gets where each word starts; or None, and then `ends` is None.
        ends: gets where each word ends.

    Returns:
        The new count, where reading stopped (a character may lie across `stop`), and the hash of the open word.
    """
    ascii_table = tables.ascii
    while at < stop:
        byte = data[at]
        letter = ascii_table[byte]
        if letter == _LOOK:
            open_value, is_end, word, after = _special(data, at, end, value, tables)
            if is_end and value != 0:
                hashes[count] = spread(value)
                if ends is not None:
                    ends[count] = at
                count += 1
            if starts is not None and (value == 0 or is_end):
                starts[count] = at
            if word != 0:
                hashes[count] = word
                if ends is not None:
                    ends[count] = after
                count += 1
            value, at = open_value, after
            continue
        hashes[count] = spread(value)
        if starts is not None:
            ends[count] = at
            if value == 0:
                starts[count] = at
        count += (letter == 0) & (value != 0)
        value = _mix(value, letter) & (np.uint64(0) - np.uint64(letter != 0))
        at += 1
    return count, at, value


@njit(cache=True, nogil=True)
def _fill(data: Any, tables: Any, hashes: Any, starts: Any, ends: Any) -> Any:
    count, _, value = read_words(data, 0, data.size, data.size, np.uint64(0), tables, hashes, 0, starts, ends)
    if value != 0:
        hashes[count], ends[count] = spread(value), data.size
        count += 1
    return count


def words(text: bytes) -> Words:
    """Return the words of one text, in order.

    Args:
        text: valid UTF-8.
    """
    data = np.frombuffer(text, np.uint8)
    hashes = np.empty(data.size + 1, np.uint64)
    starts, ends = np.full(data.size + 1, 0, np.int64), np.empty(data.size + 1, np.int64)
    count = _fill(data, tables(), hashes, starts, ends)
    return Words(hashes[:count].copy(), starts[:count].copy(), ends[:count].copy())
