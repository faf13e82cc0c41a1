"""Declarations of Metamath: `$p` statements with their hypotheses, scope and description."""

from __future__ import annotations

import re
from collections.abc import Iterator

from algstack.decontaminate.provers.declaration import Declaration

_TOKEN = re.compile(r"\S+")
_WRAPPED = re.compile(r"\s@p\s")
_WRAPPED_COMMENT = re.compile(r"^[ \t]*\$@.*?\$@", re.MULTILINE | re.DOTALL)


def declarations(text: str) -> list[Declaration]:
    """Return the theorems (`$p`) and axioms (`$a`) of a Metamath file or fragment, in order.

    A file may be wrapped in a comment with `@` for `$`, as miniF2F's are; it is read as what it stands for.
    """
    if "$p" not in text and _WRAPPED.search(text):
        text = _unwrapped(text)
    return _Reader(text).read()


def _unwrapped(text: str) -> str:
    """Return a wrapped file as what it stands for, without its comments; of the same length.

    There `$@` stands for the ends of comments and of hypotheses alike.
    """
    text = _WRAPPED_COMMENT.sub(lambda comment: re.sub(r"\S", " ", comment.group()), text)
    return re.sub(r"\$[()]", "  ", text).replace("$@", "$.").replace("@", "$")


class _Reader:
    """Reads a file token by token. Tokens are separated by white space; comments do not nest."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.found: list[Declaration] = []
        # For each open `${`: where it begins, its hypotheses, and the numbers of the declarations in it.
        self.scopes: list[tuple[int, list[str], list[int]]] = [(0, [], [])]
        self.statement: list[str] = []
        self.label, self.label_at = "", 0
        self.comment: tuple[int, int] | None = None  # the last one, if nothing stands behind it

    def read(self) -> list[Declaration]:
        """Return the declarations."""
        tokens = _TOKEN.finditer(self.text)
        for found in tokens:
            word, at = found.group(), found.start()
            if word == "$(":
                end = next((token.end() for token in tokens if token.group() == "$)"), len(self.text))
                self.comment = (at, end)
            elif word == "${":
                self.scopes.append((self._with_comment(at), [], []))
                self.comment = None
            elif word == "$}":
                self._close_scope(found.end())
            elif word in ("$e", "$f", "$a", "$p", "$d", "$c", "$v"):
                self._statement(word, tokens)
            else:
                self.label, self.label_at = word, at
        return self.found

    def _with_comment(self, at: int) -> int:
        """Return where the description of what begins at `at` begins: a comment with no empty line behind it."""
        if self.comment is None:
            return at
        gap = self.text[self.comment[1] : at]
        return at if gap.strip() or gap.count("\n") > 1 else self.comment[0]

    def _statement(self, kind: str, tokens: Iterator[re.Match[str]]) -> None:
        words, end, is_whole = self._to_end(tokens)
        start, self.comment, label = self._with_comment(self.label_at), None, self.label
        says = words[: words.index("$=")] if "$=" in words else words
        if kind == "$e":
            self.scopes[-1][1].append(" ".join(says))
        elif kind in ("$a", "$p"):
            hypotheses = [hypothesis for _, own, _ in self.scopes for hypothesis in own]
            for _, _, numbers in self.scopes[1:]:
                numbers.append(len(self.found))
            self.found.append(
                Declaration(
                    kind=kind,
                    names=(label,),
                    start=start,
                    end=end,
                    statement=" & ".join([*hypotheses, " ".join(says)]),
                    is_theorem=kind == "$p",
                    is_whole=is_whole and (kind == "$a" or "$=" in words),
                )
            )

    def _to_end(self, tokens: Iterator[re.Match[str]]) -> tuple[list[str], int, bool]:
        """Return the words up to `$.`, comments left out, where that ends, and whether it is there."""
        words: list[str] = []
        in_comment = False
        for found in tokens:
            word = found.group()
            if in_comment or word == "$(":
                in_comment = word != "$)"
            elif word == "$.":
                return words, found.end(), True
            else:
                words.append(word)
        return words, len(self.text), False

    def _close_scope(self, end: int) -> None:
        """A scope that holds one theorem is that theorem's: its hypotheses are good for nothing else."""
        if len(self.scopes) == 1:
            return
        start, _, numbers = self.scopes.pop()
        if len(numbers) == 1:
            self.found[numbers[0]] = self.found[numbers[0]]._replace(start=start, end=end)
        self.comment = None
