"""Which language a document is in: by its extension, and by its content where several languages share one.

Each language has signs, patterns with points. Every sign found near the beginning counts once; a document's path, its
repository and what the user says of it give a language a start; the most points win; a tie goes to the language that
the user says, then to the extension's default one.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from algstack.documents import clip
from algstack.filter import automaton, patterns, scan
from algstack.filter.language import NAMES, Language, Languages, Sign
from algstack.texts import Places, places

WINDOWS = (4_000, 20_000, 100_000)
"""Characters at the beginning of a text in which signs are sought: more only where few leave it open."""

ENOUGH = 5
LEAD = 4
"""A contest is over when the first has ENOUGH points and leads by LEAD."""

STRONG = 3
"""Points from which a sign is strong: one of them is sought before all the signs are."""

SAID = 8
"""Points that the language has from the start that a table or a user says a document is in."""

SHOWN = 2
"""Signs that are named in evidence."""

Points = NDArray[np.int64]


def assign(documents: pl.DataFrame, languages: Languages) -> pl.DataFrame:
    """Say which language each document is in.

    Args:
        documents: columns `text`, `lang`, `path`, and `repo` where it is known.
        languages: those wanted, and those they are told apart from.

    Returns:
        One row a document, in order: `owner` (the wanted language that decides on it; null if none does) and
        `found` (the language that its content is in; the owner unless it is only recognised, never kept).
    """
    table = documents.select(extension=_extensions(documents["path"], languages), lang="lang")
    pairs = table.unique()
    firsts = [_first(extension, lang, languages) for extension, lang in pairs.iter_rows()]
    pairs = pairs.with_columns(pl.Series("owner", firsts, pl.String))
    table = table.join(pairs, on=["extension", "lang"], how="left", nulls_equal=True, maintain_order="left")
    table = table.select("extension", "owner", found="owner")
    table = table.with_row_index("row").with_columns(said=_said(documents["lang"], table, languages))
    decided = [
        _recognised(documents[group["row"]], group, _rivals(extension, said, languages), said, languages)
        for (extension, said), group in table.group_by("extension", "said", maintain_order=True)
        if extension in languages.rivals
    ]
    if decided:
        table = table.update(pl.concat(decided), on="row", how="left")
    return table.select("owner", "found")


def _extensions(paths: pl.Series, languages: Languages) -> pl.Series:
    """The extension of each path, looked up once for all the names with the same ending."""
    endings = paths.str.extract(r"(\.[^/]*)$")
    known = {ending: languages.extension_of(ending) for ending in endings.unique().drop_nulls()}
    return endings.replace_strict(known, default=None, return_dtype=pl.String)


def _first(extension: str | None, lang: str | None, languages: Languages) -> str | None:
    if extension is None:
        return lang if lang in languages else None
    candidates = languages.extensions[extension]
    return lang if lang in candidates else candidates[0]


def _said(langs: pl.Series, table: pl.DataFrame, languages: Languages) -> pl.Series:
    """The language that a document came as, where that says more than its extension does."""
    usual = {extension: names[0] for extension, names in languages.extensions.items()}
    expected = table["extension"].replace_strict(usual, default=None, return_dtype=pl.String)
    return langs.set(langs == expected, None)


def _rivals(extension: object, said: object, languages: Languages) -> list[Language]:
    """The languages that share an extension; a tie goes to the first."""
    names = languages.rivals[str(extension)]
    return [languages.any(name) for name in sorted(names, key=lambda name: name != said)]


def _recognised(
    documents: pl.DataFrame, group: pl.DataFrame, rivals: Sequence[Language], said: object, languages: Languages
) -> pl.DataFrame:
    """Decide a group of documents that share an extension: columns `row`, `owner`, `found`."""
    winner = np.zeros(documents.height, np.int64)
    open_rows = np.arange(documents.height)
    where = places(documents["text"])
    starts = [_named(documents, rival) + (SAID if rival.name == said else 0) for rival in rivals]
    for window in WINDOWS:
        scores = _Scores(scan.beginnings(where.take(open_rows), window), rivals)
        for number, (rival, start) in enumerate(zip(rivals, starts, strict=True)):
            scores.compete(rival, number, start[open_rows])
        winner[open_rows] = scores.winner
        # A text that the first window holds whole has nothing more to say.
        more = where.lengths[open_rows] > window
        open_rows = open_rows[scores.is_close() & more]
        if not len(open_rows):
            break
    names = pl.Series("found", [rivals[int(number)].name for number in winner], pl.String)
    wanted = pl.col("found").is_in(list(languages))
    found = group.select("row", "owner").with_columns(names)
    return found.with_columns(owner=pl.when(wanted).then("found").otherwise("owner"))


def _named(documents: pl.DataFrame, language: Language) -> Points:
    """The points that a language has in each document by its path and its repository."""
    points = np.zeros(documents.height, np.int64)
    for sign in language.signs:
        if sign.where in NAMES and sign.where in documents.columns:
            points += sign.points * _is_named(documents[sign.where], sign)
    return points


def _is_named(names: pl.Series, sign: Sign) -> NDArray[np.bool_]:
    return names.str.contains(patterns.compiled([sign.match])).fill_null(False).to_numpy()


class _Scores:
    """The contest of the languages for each of some texts: who leads, with how many points, and who is next."""

    def __init__(self, texts: Places, rivals: Sequence[Language]) -> None:
        self._texts = texts
        self._rivals = rivals
        self._best = np.full(len(texts.lengths), -1, np.int64)
        self._next = np.full(len(texts.lengths), -1, np.int64)
        self.winner = np.zeros(len(texts.lengths), np.int64)

    def is_close(self) -> NDArray[np.bool_]:
        """Whether more text might decide otherwise."""
        return (self._best < ENOUGH) | (self._best - self._next < LEAD)

    def compete(self, rival: Language, number: int, start: Points) -> None:
        """Let one language take the texts in which it has more points than any before it; `start` it has anyway.

        Only texts in which it can come near are looked at: those that have a sign which could bring it there.
        """
        signs = _of_content(rival)
        rows = np.flatnonzero(self._best - LEAD < start + sum(max(sign.points, 0) for sign in signs))
        rows = rows[self._is_open(rows, signs, start[rows])]
        if not len(rows):
            return
        found = _signs_in(self._texts.take(rows), rival, signs)
        self._enter(rows, start[rows] + found @ np.array([sign.points for sign in signs], np.int64), number)

    def _is_open(self, rows: NDArray[np.intp], signs: Sequence[Sign], start: Points) -> NDArray[np.bool_]:
        """Whether a language may come near in each row: the first always does, and so does what has a start."""
        is_open = (self._best[rows] < 0) | (start > 0)
        if is_open.all():
            return is_open
        weak = sum(sign.points for sign in signs if 0 < sign.points < STRONG)
        needs_strong = ~is_open & (self._best[rows] - LEAD >= weak)
        # In few texts stands a sign of another language, comments included.
        for where, least in ((needs_strong, STRONG), (~is_open & ~needs_strong, 1)):
            asked = np.flatnonzero(where)
            if len(self._rivals) > 2:
                asked = asked[self._has_foreign_sign[rows[asked]]]
            if len(asked):
                is_open[asked] = _has_sign(self._texts.take(rows[asked]), signs, least)
        return is_open

    @cached_property
    def _has_foreign_sign(self) -> NDArray[np.bool_]:
        """Whether any sign of any language but the first stands in each text: mostly one pass says no for all."""
        return _has_sign(self._texts, [sign for rival in self._rivals[1:] for sign in _of_content(rival)], 1)

    def _enter(self, rows: NDArray[np.int64], points: Points, number: int) -> None:
        leads = points > self._best[rows]
        self._next[rows] = np.where(leads, self._best[rows], np.maximum(self._next[rows], points))
        self.winner[rows[leads]] = number
        self._best[rows[leads]] = points[leads]


def _of_content(language: Language) -> list[Sign]:
    return [sign for sign in language.signs if sign.where not in NAMES]


def _has_sign(texts: Places, signs: Sequence[Sign], least: int) -> NDArray[np.bool_]:
    """Whether a sign of at least so many points stands in each text, comments included."""
    matches = [sign.match for sign in signs if sign.points >= least]
    return automaton.any_of(texts, matches)


def _signs_in(texts: Places, language: Language, signs: Sequence[Sign]) -> NDArray[np.bool_]:
    """Which of a language's signs (a column) stand in each text (a row)."""
    found = np.zeros((len(texts.lengths), len(signs)), np.bool_)
    for where in ("text", "code"):
        numbers = [number for number, sign in enumerate(signs) if sign.where == where]
        if numbers:
            view = texts if where == "text" else scan.blanked(texts, language.syntax)
            found[:, numbers] = automaton.find(view, [signs[number].match for number in numbers])
    return found


def evidence(documents: pl.DataFrame, language: Language) -> pl.Series:
    """Name, for each document (`text`, `path`, `repo`), the language and its strongest signs that it has."""
    ordered = sorted((sign for sign in language.signs if sign.points > 0), key=lambda sign: -sign.points)
    found = _signs_in(scan.beginnings(places(documents["text"]), WINDOWS[0]), language, ordered)
    for number, sign in enumerate(ordered):
        if sign.where in NAMES:
            found[:, number] = _is_named(documents[sign.where], sign)
    matches = [f"`{sign.match}`" for sign in ordered]
    names = [", ".join([matches[number] for number in np.flatnonzero(row)[:SHOWN]]) for row in found]
    nothing = "nothing speaks for another language"
    return pl.Series("evidence", [clip(f"{language.title}: {name or nothing}") for name in names], pl.String)
