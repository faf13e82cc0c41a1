"""What a filter file says about a language's comments and strings."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from algstack import toml

Token = Annotated[str, Field(pattern=r"^[!-~]{1,24}$")]


class Syntax(toml.Config):
    """Comments and strings: what `where = "code"` leaves out."""

    line_comments: tuple[Token, ...] = ()
    column_comments: tuple[Token, ...] = ()  # comments in the first column only; a letter if white space follows
    block_comments: tuple[tuple[Token, Token], ...] = ()
    nested_comments: bool = False
    strings: tuple[Token, ...] = ()  # a quote of several characters may span lines
    multiline_strings: bool = False  # so may the others
    keep_strings: bool = False  # what stands in strings is code: C's `#include "…"`
    escape: Annotated[str, Field(pattern=r"^[!-~]?$")] = "\\"  # before a quote in a string; "" where it is doubled
    escape_everywhere: bool = False  # TeX's \%
    character_quotes: bool = False  # 'x' is a character, x' a name
