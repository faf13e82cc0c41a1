"""Which language a document is in: by its extension, and by its content where several languages share one.

Each language has signs, patterns with points. Every sign that is found counts once; the most points win; a tie goes to
the language that the document came as, then to the extension's default one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import polars as pl

from algstack.filter import patterns, scan
from algstack.filter.language import Language, Languages, Sign


def assign(documents: pl.DataFrame, languages: Languages) -> pl.DataFrame:
    """Say which language each document is in.

    Args:
        documents: columns `text`, `lang`, `path`.
        languages: those wanted, and those they are told apart from.

    Returns:
        One row a document, in order: `owner` (the wanted language that decides on it; null if none does) and
        `found` (the language that its content is in; the owner unless it is only recognised, never kept).
    """
    extensions = [languages.extension_of(path) if path else None for path in documents["path"].to_list()]
    firsts = [_first(extension, lang, languages) for extension, lang in zip(extensions, documents["lang"], strict=True)]
    table = pl.DataFrame(
        {"extension": extensions, "owner": firsts}, schema={"extension": pl.String, "owner": pl.String}
    ).with_columns(found=pl.col("owner"))
    table = table.with_row_index("row")
    texts = documents["text"]
    decided = [
        _recognised(texts.gather(group["row"]), group, languages.rivals[str(extension)], languages)
        for (extension,), group in table.group_by("extension", maintain_order=True)
        if extension in languages.rivals
    ]
    if decided:
        table = table.update(pl.concat(decided), on="row", how="left")
    return table.select("owner", "found")


def _first(extension: str | None, lang: str | None, languages: Languages) -> str | None:
    if extension is None:
        return lang if lang in languages else None
    candidates = languages.extensions[extension]
    return lang if lang in candidates else candidates[0]


def _recognised(texts: pl.Series, group: pl.DataFrame, rivals: Sequence[str], languages: Languages) -> pl.DataFrame:
    """Decide a group of documents that share an extension: columns `row`, `owner`, `found`."""
    scores = pl.DataFrame([_points(texts, languages.any(rival)).alias(rival) for rival in rivals])
    best = pl.max_horizontal(rivals)
    came_as = pl.coalesce(
        *(pl.when(pl.col("owner") == rival, pl.col(rival) == best).then(pl.lit(rival)) for rival in rivals)
    )
    first = pl.coalesce(*(pl.when(pl.col(rival) == best).then(pl.lit(rival)) for rival in rivals))
    found = group.hstack(scores).select("row", "owner", found=pl.coalesce(came_as, first))
    wanted = pl.col("found").is_in(list(languages))
    return found.with_columns(owner=pl.when(wanted).then("found").otherwise("owner"))


def _points(texts: pl.Series, language: Language) -> pl.Series:
    if not language.signs:
        return pl.zeros(len(texts), pl.Int32, eager=True)
    frame = _views(texts, language)
    return frame.select(
        pl.sum_horizontal([_found(sign).cast(pl.Int32) * sign.points for sign in language.signs])
    ).to_series()


def _views(texts: pl.Series, language: Language) -> pl.DataFrame:
    views = [texts.alias("text")]
    if any(sign.where == "code" for sign in language.signs):
        views.append(scan.code(texts, language.syntax))
    return pl.DataFrame(views)


def _found(sign: Sign) -> pl.Expr:
    return pl.col(sign.where).str.contains(patterns.compiled([sign.match]))


def signs_in(text: str, language: Language) -> list[Sign]:
    """The signs of a language that stand in a text, in the order of its file."""
    if not language.signs:
        return []
    frame = _views(pl.Series("text", [text]), language)
    return [sign for sign in language.signs if frame.select(_found(sign)).item()]


def strongest(signs: Iterable[Sign]) -> str:
    """The patterns of the signs with the most points, for evidence."""
    ordered = sorted(signs, key=lambda sign: -sign.points)
    return ", ".join(f"`{sign.match}`" for sign in ordered[:3] if sign.points > 0)
