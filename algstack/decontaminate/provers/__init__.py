"""Formal languages whose declarations are found: name -> parser, and which texts are in which language."""

from __future__ import annotations

from collections.abc import Callable

from algstack.decontaminate.provers import coq, hollight, isabelle, lean, metamath
from algstack.decontaminate.provers.declaration import Declaration

PARSERS: dict[str, Callable[[str], list[Declaration]]] = {
    "coq": coq.declarations,
    "hollight": hollight.declarations,
    "isabelle": isabelle.declarations,
    "lean": lean.declarations,
    "metamath": metamath.declarations,
}
"""Each formal language and what finds its declarations."""

EXTENSIONS = {".lean": "lean", ".mm": "metamath", ".thy": "isabelle", ".v": "coq"}
"""Languages by the ending of a path, for documents whose `lang` says nothing."""

__all__ = ["EXTENSIONS", "PARSERS", "Declaration"]
