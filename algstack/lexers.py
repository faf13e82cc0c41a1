"""Which of Pygments' lexers reads a document."""

from __future__ import annotations

from functools import lru_cache

from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name, get_lexer_for_filename
from pygments.util import ClassNotFound

LEXERS = {
    "acl2": "common-lisp",
    "gap": "gap",
    "hol-light": "ocaml",
    "hol4": "sml",
    "isabelle": "isabelle",
    "jupyter": "markdown",
    "lean": "lean4",
    "matlab": "octave",
    "stackexchange": "markdown",
    "tex": "latex",
}
"""Lexers of languages that Pygments knows by another name."""


@lru_cache(maxsize=256)
def lexer_of(lang: str | None, path: str | None) -> Lexer | None:
    """Return the lexer of a language, or of a path where there is none; None where Pygments has none."""
    try:
        return get_lexer_by_name(LEXERS.get(lang, lang)) if lang else get_lexer_for_filename(path or "")
    except ClassNotFound:
        return None
