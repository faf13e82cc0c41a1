"""The examples in a filter file: a hit must be dropped by its rule, a miss let pass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import polars as pl

from algstack import toml
from algstack.documents import clip
from algstack.filter import measure, patterns, predicates, rules, scan, transforms
from algstack.filter.language import Language, Rule, RuleSet
from algstack.filter.syntax import Syntax

Problem = tuple[tuple[str | int, ...], str]


def first_problem(subject: Language | RuleSet) -> Problem | None:
    """Return (key, what is wrong) of the first thing in a filter file that cannot be, or None."""
    return next(_problems(subject), None)


def _problems(subject: Language | RuleSet) -> Iterator[Problem]:
    syntax = subject.syntax if isinstance(subject, Language) else Syntax()
    if isinstance(subject, Language):
        for name in subject.transforms:
            if name not in transforms.TRANSFORMS:
                yield ("transforms",), f"unknown transform `{name}`{toml.nearest(name, transforms.TRANSFORMS)}"
        for number, sign in enumerate(subject.signs):
            if cause := _refused(sign.match):
                yield ("signs", number, "match"), cause
    for number, rule in enumerate(subject.rules):
        yield from ((("rules", number, key), what) for key, what in _rule_problems(rule, syntax))


def _rule_problems(rule: Rule, syntax: Syntax) -> Iterator[tuple[str, str]]:
    for key, name in (("predicate", rule.predicate), ("unless", rule.unless)):
        if name is not None and name not in predicates.PREDICATES:
            yield key, f"unknown predicate `{name}`{toml.nearest(name, predicates.PREDICATES)}"
            return
    if rule.condition.endswith(("_match", "_path", "_repo")):
        for pattern in getattr(rule, rule.condition):
            if cause := _refused(pattern):
                yield rule.condition, cause
                return
    hits, misses = rule.examples
    dropped = apply(rule, hits + misses, syntax)
    for example, is_dropped in zip(hits, dropped, strict=False):
        if not is_dropped:
            yield "hits", f"rule `{rule.id}` does not drop its hit {clip(repr(example))}"
    for example, is_dropped in zip(misses, dropped[len(hits) :], strict=True):
        if is_dropped:
            yield "misses", f"rule `{rule.id}` drops its miss {clip(repr(example))}"


def _refused(pattern: str) -> str | None:
    try:
        patterns.compiled([pattern])
    except ValueError as error:
        return str(error)
    return None


def apply(rule: Rule, examples: Sequence[str], syntax: Syntax) -> list[bool]:
    """Say of each example whether the rule drops it; for a path or repository rule it is a path or repository."""
    subjects = pl.Series("text", list(examples), pl.String)
    frame = pl.DataFrame(
        {
            "original": subjects,
            "text": subjects,
            "path": subjects,
            "repo": subjects,
            "head": subjects.to_frame().select(scan.head(pl.col("text"))).to_series(),
            "bytes": subjects.str.len_bytes(),
        }
    ).hstack(measure.densities(subjects))
    return rules.check(rule).drops(frame, syntax).to_list()
