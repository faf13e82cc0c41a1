"""Syntax colour as run lengths: what Pygments sees in a text, in a form that a browser makes into marks."""

from __future__ import annotations

from functools import lru_cache

from pygments.lexer import Lexer
from pygments.token import Token, _TokenType

from algstack.lexers import lexer_of

KINDS = (
    (Token.Comment, "c"),
    (Token.Literal.String, "s"),
    (Token.Literal.Number, "n"),
    (Token.Keyword.Type, "t"),
    (Token.Keyword, "k"),
    (Token.Name.Function, "f"),
    (Token.Name.Class, "f"),
    (Token.Name.Builtin, "t"),
    (Token.Name.Tag, "k"),
    (Token.Operator, "o"),
)
"""Token types and the letter of each; the first that fits."""

PLAIN = "p"


def runs(text: str, lang: str | None, path: str | None) -> str:
    """Return lengths and kinds: `7k1p3f` is 7 characters of a keyword, 1 plain, 3 of a name.

    Characters are counted as browsers do, in UTF-16 units.
    """
    found: list[tuple[int, str]] = []
    for kind, piece in _tokens(text, lexer_of(lang, path)):
        length = len(piece) + sum(1 for character in piece if character > "\uffff")
        if found and found[-1][1] == kind:
            found[-1] = (found[-1][0] + length, kind)
        elif length:
            found.append((length, kind))
    return "".join(f"{length}{kind}" for length, kind in found)


def _tokens(text: str, lexer: Lexer | None) -> list[tuple[str, str]]:
    if lexer is None:
        return [(PLAIN, text)]
    tokens = [(_kind(kind), piece) for _, kind, piece in lexer.get_tokens_unprocessed(text)]
    # A lexer that loses or adds characters would colour the wrong ones.
    return tokens if "".join(piece for _, piece in tokens) == text else [(PLAIN, text)]


@lru_cache(maxsize=1024)
def _kind(token: _TokenType) -> str:
    return next((letter for kind, letter in KINDS if token in kind), PLAIN)  # type: ignore[comparison-overlap]
