"""The automaton says of each pattern what Polars' engine says."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from algstack.filter import automaton, patterns
from algstack.filter.language import NAMES, load_languages
from algstack.texts import places

LANGUAGES = load_languages()
SIGNS = {
    language.name: [sign.match for sign in language.signs if sign.where not in NAMES]
    for language in (*LANGUAGES.values(), *LANGUAGES.others.values())
    if language.signs
}
RULES = [
    (f"(?i:{pattern})" if rule.ignore_case and not pattern.startswith("(?i)") else pattern)
    for profile in (LANGUAGES, load_languages("llemma"))
    for language in profile.values()
    for rule in language.rules
    if rule.condition in ("require_match", "deny_match")
    for pattern in getattr(rule, rule.condition)
]
WORDS = sorted({word for matches in SIGNS.values() for match in matches for word in match.replace("\\", " ").split()})
SEEDS = sorted(
    {
        text
        for language in LANGUAGES.values()
        for rule in language.rules
        for examples in rule.examples
        for text in examples
        if len(text) < 500
    }
)
TEXTS = st.lists(
    st.sampled_from(WORDS)
    | st.sampled_from(SEEDS)
    | st.sampled_from(["\n", " ", "\t", "\r", "(", ")", ":=", ",", "λ", "·", "ſ", "K", "import ", "begin", "Nat.", "|"])
    | st.text(max_size=8),
    max_size=12,
).map("".join)


def found(texts: list[str], wanted: list[str]) -> list[list[bool]]:
    return automaton.find(places(pl.Series(texts, dtype=pl.String)), wanted).tolist()  # type: ignore[no-any-return]


def by_polars(texts: list[str], wanted: list[str]) -> list[list[bool]]:
    series = pl.Series(texts, dtype=pl.String)
    columns = [series.str.contains(patterns.compiled([pattern])).to_list() for pattern in wanted]
    return [list(row) for row in zip(*columns, strict=True)]


@pytest.mark.parametrize(
    ("pattern", "hits", "misses"),
    [
        pytest.param("^a", ["a", "b\na"], ["ba", ""], id="line-start"),
        pytest.param("a$", ["a", "a\nb", "ba"], ["ab", "a\rb"], id="line-end"),
        pytest.param(r"\Aa", ["ab"], ["b\na"], id="text-start"),
        pytest.param(r"a\z", ["ba"], ["a\n"], id="text-end"),
        pytest.param(r"^\z", ["", "a\n"], ["a"], id="last-line"),
        pytest.param(r"\bfun\b", ["fun", "(fun)", "λfun"], ["fund", "_fun", "fun1"], id="boundary"),
        pytest.param("[^a]b", ["λb", "\nb", "𝔸b"], ["ab", "b"], id="all-but"),
        pytest.param("a.b", ["aλb", "a b"], ["a\nb", "ab"], id="any"),
        pytest.param("(?s:a.b)", ["a\nb"], ["ab"], id="any-of-all-lines"),
        pytest.param("(?i)task", ["TASK", "taſK"], ["tas"], id="case"),
        pytest.param("(?i)[^k]x", ["yx"], ["Kx", "kx", "\u212ax"], id="case-all-but"),
        pytest.param("a{2,3}b", ["aab", "aaaab"], ["ab"], id="counted"),
        pytest.param("(?:ab)*c|d+?e", ["c", "xabc", "dde"], ["ab", "e"], id="loops"),
        pytest.param("[α-ω→]!", ["λ!", "→!"], ["Λ!", "a!"], id="beyond-ascii"),
        pytest.param(r"[\w.]+\S\D", ["a.x!", "1λa"], ["a\n"], id="classes"),
    ],
)
def test_pattern(pattern: str, hits: list[str], misses: list[str]) -> None:
    texts = [*hits, *misses]
    assert [row[0] for row in found(texts, [pattern])] == [True] * len(hits) + [False] * len(misses)
    assert by_polars(texts, [pattern]) == found(texts, [pattern])


@pytest.mark.parametrize("wanted", [*SIGNS.values(), RULES], ids=[*SIGNS, "rules"])
def test_every_pattern_is_known(wanted: list[str]) -> None:
    assert all(automaton.is_usual(pattern) for pattern in wanted)


@pytest.mark.parametrize("name", SIGNS)
@given(texts=st.lists(TEXTS, min_size=1, max_size=9))
@settings(max_examples=15, deadline=None)
def test_signs_are_found_as_polars_finds_them(name: str, texts: list[str]) -> None:
    assert found(texts, SIGNS[name]) == by_polars(texts, SIGNS[name])


@given(texts=st.lists(TEXTS, min_size=1, max_size=9))
@settings(max_examples=60, deadline=None)
def test_rules_are_found_as_polars_finds_them(texts: list[str]) -> None:
    assert found(texts, RULES) == by_polars(texts, RULES)
    where = places(pl.Series(texts, dtype=pl.String))
    assert automaton.any_of(where, RULES).tolist() == [any(row) for row in by_polars(texts, RULES)]


def test_what_only_polars_knows() -> None:
    assert not automaton.is_usual("(?i)λ")
    assert found(["Λ", "l"], ["(?i)λ", "l"]) == [[True, False], [False, True]]


def test_states_are_forgotten_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(automaton, "MOST_STATES", 12)
    automaton.automaton_of.cache_clear()
    wanted = ["a.{0,12}b", "^c[^d]*e$", r"\bx\w+y\b"]
    texts = [f"{'a' * n}{'z' * n}b\nc{'q' * n}e\n xx{n}y a{'a z' * n}" for n in range(40)]
    assert found(texts, wanted) == by_polars(texts, wanted)
    automaton.automaton_of.cache_clear()
