"""Natural languages: the kernel and langid itself must say the same."""

from __future__ import annotations

import polars as pl

from algstack import natural

TEXTS = [
    "",
    "x",
    "Let G be a finite group. Then every subgroup of G has an order that divides the order of G.",
    "Sei G eine endliche Gruppe. Dann teilt die Ordnung jeder Untergruppe die Ordnung von G.",
    "Soit G un groupe fini. Alors l'ordre de tout sous-groupe divise l'ordre de G.",
    "Пусть G — конечная группа. Тогда порядок любой подгруппы делит порядок группы.",
    "有限群の部分群の位数は群の位数を割り切る。",
    "\\begin{tabular}{cc} 1 & 2 \\\\ \\end{tabular}",
]


def test_as_langid_says() -> None:
    from langid.langid import LanguageIdentifier, model

    identifier = LanguageIdentifier.from_modelstring(model, norm_probs=True)
    mixed = " ".join(TEXTS[2:])
    # Long texts are walked in several places at a time; the lengths leave rests of all kinds.
    texts = TEXTS + [mixed[start : start + length] for start, length in zip(range(0, 400, 7), range(400), strict=False)]
    assert natural.identify(pl.Series(texts)).to_list() == [identifier.classify(text)[0] for text in texts]
