"""Every filter file that ships: sorted, complete, and true to its own examples."""

from __future__ import annotations

from pathlib import Path

import pytest

from algstack import data
from algstack.filter.examples import first_problem
from algstack.filter.language import CONDITIONS, Language, Limits, Rule, RuleSet, Sign, load_languages
from algstack.filter.predicates import PREDICATES
from algstack.filter.syntax import Syntax
from algstack.filter.transforms import TRANSFORMS
from algstack.toml import parse

FILTERS = data.folder("filters")
LANGUAGE_FILES = sorted(path for path in FILTERS.rglob("*.toml") if path.parent.name != "rules")
RULE_FILES = sorted((FILTERS / "rules").glob("*.toml"))


def name_of(path: Path) -> str:
    return str(path.relative_to(FILTERS))


@pytest.mark.parametrize("path", LANGUAGE_FILES, ids=name_of)
def test_filter_file(path: Path) -> None:
    language = parse(path.read_text(encoding="utf-8"), Language, str(path))
    assert language.name == path.stem
    assert first_problem(language) is None
    for listed in (language.aliases, language.extensions, language.default_for, language.linguist, language.use):
        assert list(listed) == sorted(set(listed)), "lists are sorted"
    assert path.parent.name == "lookalikes" or language.rules or path.parent.name == "llemma", "a filter has a rule"
    for rule in language.rules:
        assert rule.reason.endswith("."), f"{rule.id}: a reason is a sentence"
        assert not set(rule.hits) & set(rule.misses), rule.id
        given = getattr(rule, rule.condition)
        if isinstance(given, tuple):
            assert len(set(given)) == len(given), rule.id
    assert not {rule.id for rule in language.rules} & {"empty", "too-large", "too-many-digits", "language"}, (
        "these names are the limits'"
    )


@pytest.mark.parametrize("path", RULE_FILES, ids=name_of)
def test_rule_set(path: Path) -> None:
    rules = parse(path.read_text(encoding="utf-8"), RuleSet, str(path))
    assert rules.name == path.stem
    assert first_problem(rules) is None
    for rule in rules.rules:
        assert rule.reason.endswith("."), f"{rule.id}: a reason is a sentence"


@pytest.mark.parametrize("profile", ["default", "llemma"])
def test_profile_loads_with_all_its_languages(profile: str) -> None:
    assert set(load_languages(profile)) == {
        path.stem for path in (FILTERS if profile == "default" else FILTERS / profile).glob("*.toml")
    }


def test_every_name_in_the_vocabulary_is_explained() -> None:
    readme = (FILTERS / "README.md").read_text(encoding="utf-8")
    models = (Language, Limits, Rule, Sign, Syntax)
    names = {name for model in models for name in model.model_fields} | {*CONDITIONS, *PREDICATES, *TRANSFORMS}
    assert [name for name in sorted(names) if f"`{name}`" not in readme and f"[{name}]" not in readme] == []
