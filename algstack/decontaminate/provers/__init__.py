"""Formal languages whose declarations are found: name -> parser, and which texts are in which language."""

from __future__ import annotations

import re
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

_OTHER_CONTENT_TEXT = {
    "coq": "Inductive CoInductive Variant Record Structure Class Ltac Ltac2 Notation Infix Scheme Canonical Coercion",
    "hollight": "let new_type new_constant new_axiom parse_as_infix",
    "isabelle": (
        "definition abbreviation primrec fun function inductive inductive_set coinductive datatype codatatype record "
        "locale class typedef type_synonym consts axiomatization primcorec corec lift_definition quotient_type "
        "interpretation instance notation syntax translations ML method partial_function overloading"
    ),
    "lean": "notation infix infixl infixr prefix postfix macro macro_rules syntax elab elab_rules run_cmd simproc",
}
OTHER_CONTENT = {
    lang: re.compile(rf"^\s*(?:[@#]\[[^\]]*\]\s*)?(?:[a-z]+\s+)??(?:{'|'.join(words.split())})(?![\w'])", re.MULTILINE)
    for lang, words in _OTHER_CONTENT_TEXT.items()
}
"""What begins a line that teaches something and is no declaration that the parsers find."""

__all__ = ["EXTENSIONS", "OTHER_CONTENT", "PARSERS", "Declaration"]
