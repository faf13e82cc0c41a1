r"""A filter file's patterns as Rust regular expressions, which take linear time on any text.

Patterns are ASCII-minded and line-minded: `\s`, `\w`, `\d` and `\b` know ASCII only (which is also what keeps
the engine fast), `^` and `$` are the ends of lines, `\A` and `\z` those of the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

import polars as pl

_CLASSES = {"s": r"\t-\r ", "w": "0-9A-Za-z_", "d": "0-9"}
_SPECIAL = re.compile(r"[\\.+*?()|\[\]{}^$#&\-~]")


def compiled(patterns: Sequence[str], ignore_case: bool = False) -> str:
    """Return one Rust regular expression that matches where any of the patterns does.

    Raises:
        ValueError: the engine refuses a pattern: look-around, back-references, or simply not a pattern.
    """
    return _compiled(tuple(patterns), ignore_case)


@lru_cache(maxsize=8192)
def _compiled(patterns: tuple[str, ...], ignore_case: bool) -> str:
    parts = [_translated(pattern) for pattern in patterns]
    whole = ("(?mi)" if ignore_case else "(?m)") + (
        parts[0] if len(parts) == 1 else "|".join(f"(?:{p})" for p in parts)
    )
    _refuse_unusable(whole)
    return whole


def literals(words: Iterable[str], ignore_case: bool = False) -> str:
    """Return a Rust regular expression that matches any of these words; case is ASCII's."""
    escaped = [_SPECIAL.sub(r"\\\g<0>", word) for word in words]
    return ("(?i-u)" if ignore_case else "") + (escaped[0] if len(escaped) == 1 else f"(?:{'|'.join(escaped)})")


def _refuse_unusable(pattern: str) -> None:
    try:
        pl.Series(["x"]).str.contains(pattern)
    except pl.exceptions.ComputeError as error:
        lines = [line.strip() for line in str(error).splitlines()]
        cause = next((line.removeprefix("error: ") for line in lines if line.startswith("error: ")), lines[0])
        raise ValueError(f"the pattern cannot be used: {cause}") from None


def _translated(pattern: str) -> str:
    r"""Make `\s`, `\w`, `\d`, `\b` ASCII, and write classes as Rust reads them."""
    out: list[str] = []
    i, in_class = 0, False
    while i < len(pattern):
        char = pattern[i]
        if char == "\\" and i + 1 < len(pattern):
            out.append(_escape(pattern[i + 1], in_class))
            i += 2
        elif not in_class and char == "[":
            start = re.compile(r"\[\^?\]?").match(pattern, i)
            assert start is not None
            out.append(start.group().replace("]", r"\]"))
            i, in_class = start.end(), True
        else:
            if in_class and char == "]":
                in_class = False
            # In Rust `[[`, `&&` and `~~` have a meaning inside a class.
            out.append(f"\\{char}" if in_class and char in "[&~" else char)
            i += 1
    return "".join(out)


def _escape(letter: str, in_class: bool) -> str:
    if letter.lower() in _CLASSES:
        members = _CLASSES[letter.lower()]
        if letter.islower():
            return members if in_class else f"[{members}]"
        return f"[^{members}]"
    if letter in "bB" and not in_class:
        if letter == "B":
            raise ValueError(r"the pattern cannot be used: \B is not supported")
        return r"(?-u:\b)"
    return f"\\{letter}"
