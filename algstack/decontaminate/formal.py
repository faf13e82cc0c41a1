"""Which declarations of a formal text are a benchmark's: by statement, by name, or by both."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple, Self

import polars as pl

from algstack.decontaminate import statements
from algstack.decontaminate.provers import PARSERS, Declaration

FILE = "formal.parquet"

SHINGLE = 4
"""Words of the runs by which statements are found similar; variables are all alike in them."""

_GENERIC_WORDS_TEXT = (
    "aux axiom claim cor corollary def ex example exercise fact foo goal helper lem lemma main my p problem prop "
    "proposition q question result step sub test thm theorem this"
)
GENERIC_WORDS = frozenset(_GENERIC_WORDS_TEXT.split())
"""Words that name no theorem: `exercise_1_2` is in every formalised textbook."""

_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+|[^\W\d_a-zA-Z]+")


class Target(NamedTuple):
    """One declaration of a benchmark."""

    benchmark: int
    problem: str
    lang: str
    name: str | None
    path: str | None
    digest: int | None  # of its statement, None where only its name is known
    words: tuple[str, ...]
    similarity: float


class Match(NamedTuple):
    """A declaration of a text that is a benchmark's, and how that is known: `statement`, `name` or `similar`."""

    declaration: Declaration
    target: Target
    how: str
    similarity: float


def targets(
    benchmark: int, problem: str, texts: Iterable[str], lang: str, similarity: float
) -> tuple[list[Target], list[str]]:
    """Return the declarations that formal texts of one problem consist of, and the text of each.

    A text in which no declaration is found is a statement alone.
    """
    found: list[Target] = []
    sources: list[str] = []
    for text in texts:
        declarations = PARSERS[lang](text) or [Declaration("statement", (), 0, len(text), text)]
        for declaration in declarations:
            words = statements.words(declaration.statement, lang) if declaration.is_theorem else ()
            names = declaration.names or (None,)
            digest = statements.digest(words) if words else None
            found += [Target(benchmark, problem, lang, name, None, digest, words, similarity) for name in names]
            if declaration.is_theorem:
                sources.append(text[declaration.start : declaration.end])
    return found, sources


class FormalIndex:
    """The declarations of all benchmarks, by statement, by name, and by runs of words of those that may be similar."""

    def __init__(self, all_targets: Sequence[Target]) -> None:
        self.targets = all_targets
        self.languages = frozenset(target.lang for target in all_targets)
        self._by_digest: dict[tuple[str, int], list[int]] = defaultdict(list)
        self._by_name: dict[tuple[str, str], list[int]] = defaultdict(list)
        self._by_shingle: dict[tuple[str, ...], list[int]] = defaultdict(list)
        self._shingles: dict[int, int] = {}  # how many each has that may be similar
        for number, target in enumerate(all_targets):
            if target.digest is not None:
                self._by_digest[target.lang, target.digest].append(number)
            if target.name:
                self._by_name[target.lang, _last(target.name)].append(number)
            if target.similarity < 1 and statements.is_telling(target.words):
                shingles = _shingles(target.words)
                self._shingles[number] = len(shingles)
                for shingle in shingles:
                    self._by_shingle[shingle].append(number)

    def save(self, folder: Path) -> None:
        """Write the declarations into a folder."""
        rows = [{**target._asdict(), "words": list(target.words)} for target in self.targets]
        pl.DataFrame(rows, schema=_SCHEMA).write_parquet(folder / FILE)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        rows = pl.read_parquet(folder / FILE).iter_rows(named=True)
        return cls([Target(**{**row, "words": tuple(row["words"])}) for row in rows])

    def matches(self, declarations: Sequence[Declaration], lang: str, path: str | None) -> list[Match]:
        """Return the declarations of one file that are a benchmark's, each once.

        Args:
            declarations: all of the file.
            lang: the formal language.
            path: the file's path, or None where it is not known.
        """
        if lang not in self.languages:
            return []
        found = (self._match(declaration, lang, path) for declaration in declarations)
        return [match for match in found if match is not None]

    def _match(self, declaration: Declaration, lang: str, path: str | None) -> Match | None:
        words = statements.words(declaration.statement, lang) if declaration.is_theorem else ()
        digest = statements.digest(words) if words else None
        if digest is not None and statements.is_telling(words):
            for number in self._by_digest.get((lang, digest), ()):
                return Match(declaration, self.targets[number], "statement", 1.0)
        for name in declaration.names:
            for number in self._by_name.get((lang, _last(name)), ()):
                if _is_named(self.targets[number], name, path, digest):
                    return Match(declaration, self.targets[number], "name", 1.0)
        return self._similar(declaration, words, lang) if self._by_shingle else None

    def _similar(self, declaration: Declaration, words: tuple[str, ...], lang: str) -> Match | None:
        if not statements.is_telling(words):
            return None
        shingles = _shingles(words)
        shared = Counter(number for shingle in shingles for number in self._by_shingle.get(shingle, ()))
        best: tuple[float, int] | None = None
        for number, count in shared.items():
            target = self.targets[number]
            similarity = count / (len(shingles) + self._shingles[number] - count)
            if similarity < target.similarity or target.lang != lang or (best and (-similarity, number) >= best):
                continue
            if _numerals(words) == _numerals(target.words):
                best = (-similarity, number)
        return Match(declaration, self.targets[best[1]], "similar", -best[0]) if best else None


_SCHEMA: dict[str, Any] = {
    "benchmark": pl.Int64,
    "problem": pl.String,
    "lang": pl.String,
    "name": pl.String,
    "path": pl.String,
    "digest": pl.UInt64,
    "words": pl.List(pl.String),
    "similarity": pl.Float64,
}


def _is_named(target: Target, name: str, path: str | None, digest: int | None) -> bool:
    """Whether a declaration of the same last name is the target.

    Equal statements are proof enough. Otherwise the name must tell something: `lemma w:` is in every theory, and with
    another statement it is another lemma.
    """
    if target.digest is not None and digest == target.digest:
        return True
    assert target.name is not None
    parts = _parts(target.name)
    is_numbered = len(parts) >= 3 and any(part.isdigit() for part in parts) and bool(_telling(parts))
    if is_numbered and (name == target.name or name.endswith(f".{target.name}")):
        return True  # `imo_1963_p5`, in whatever namespace
    if name != target.name and not name.endswith(f".{target.name}"):
        return False
    if target.digest is not None:
        return same_file(target.path, path) and len(_telling(parts)) >= 2
    if same_file(target.path, path):
        return True
    return name == target.name and len(_telling(parts)) >= (2 if "." in name else 3)


def _parts(name: str) -> list[str]:
    return [part.lower() for part in _WORD.findall(name)]


def _telling(parts: Sequence[str]) -> set[str]:
    return {part for part in parts if part not in GENERIC_WORDS and not part.isdigit() and len(part) > 1}


def same_file(wanted: str | None, path: str | None) -> bool:
    """Whether two paths may be one file, seen from different folders: one is the end of the other."""
    if not wanted or not path:
        return False
    first, second = (PurePosixPath(one.replace("\\", "/")).parts for one in (wanted, path))
    length = min(len(first), len(second))
    return first[-length:] == second[-length:]


def _last(name: str) -> str:
    return name.rsplit(".", 1)[-1]


def _shingles(words: Sequence[str]) -> set[tuple[str, ...]]:
    plain = ["v" if word.startswith("v#") else word for word in words if word not in "()"]
    return {tuple(plain[at : at + SHINGLE]) for at in range(max(len(plain) - SHINGLE + 1, 1))}


def _numerals(words: Sequence[str]) -> Counter[str]:
    return Counter(word for word in words if word.isdigit())
