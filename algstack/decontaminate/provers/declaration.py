"""What is known of one declaration of a formal text."""

from __future__ import annotations

from typing import NamedTuple


class Declaration(NamedTuple):
    """A declaration with its whole proof.

    Attributes:
        kind: the keyword: `theorem`, `lemma`, `def`, …
        names: its names, resolved with namespaces; the first is its own, others are what an attribute adds. Empty for
            one without a name.
        start: where its first attribute, doc-comment or modifier begins, a character of the text.
        end: where its proof ends.
        statement: what it says: from behind its name to before its proof, comments removed.
        is_theorem: whether it is something to be proved.
        is_whole: whether its end could be told.
    """

    kind: str
    names: tuple[str, ...]
    start: int
    end: int
    statement: str
    is_theorem: bool = True
    is_whole: bool = True
