"""Documents to decisions: the pure core of the filter."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from algstack.documents import DECISIONS
from algstack.errors import DatasetError
from algstack.filter import measure, recognise, rules, scan
from algstack.filter.language import Language, Languages
from algstack.filter.rules import Check
from algstack.filter.transforms import TRANSFORMS
from algstack.texts import places, replaced
from algstack.workspace import as_frame

STAGE = "filter"
COLUMNS = ("id", "text", "lang", "path", "repo")
"""The columns of DOCUMENTS that the filter looks at."""

WRONG_LANGUAGE = "language"

_DROPS: pl.Schema = pl.Schema({"row": pl.UInt32, "rule": pl.String, "reason": pl.String, "evidence": pl.String})


@dataclass(frozen=True)
class Verdict:
    """What one rule says of one document."""

    lang: str
    rule: str
    reason: str
    drops: bool
    evidence: str | None


def decide(documents: pl.DataFrame, languages: Languages, only: Collection[str] | None = None) -> pl.DataFrame:
    """Decide on every document whose language is wanted; the first rule that fails drops it.

    Args:
        documents: at least COLUMNS.
        languages: the languages that are wanted.
        only: decide only on the documents of these languages; all wanted ones by default.

    Returns:
        Rows of DECISIONS in the order of the documents, one for each document that belongs to a wanted language.
    """
    documents = documents.select(pl.col(COLUMNS).cast(pl.String))
    assigned = documents.hstack(recognise.assign(documents, languages)).with_row_index("row")
    reached = assigned.filter(pl.col("owner").is_in(list(languages if only is None else only)))
    decided = [
        _decided(batch, languages[str(owner)], languages)
        for (owner,), batch in reached.group_by("owner", maintain_order=True)
    ]
    if not decided:
        return as_frame(DECISIONS.empty_table())
    decisions = pl.concat(decided).sort("row")
    if decisions["row"].to_list() != reached["row"].to_list():
        raise DatasetError(
            f"The filter made {decisions.height} decisions about {reached.height} documents. "
            "This is a defect; please report it."
        )
    return decisions.select(DECISIONS.names)


def _decided(batch: pl.DataFrame, language: Language, languages: Languages) -> pl.DataFrame:
    foreign = batch.filter(pl.col("found") != language.name)
    alive, drops = judge(batch.filter(pl.col("found") == language.name), language)
    if foreign.height:
        drops.append(_foreign(foreign, language, languages))
    kept = alive.select(
        "row",
        pl.lit(True).alias("keep"),
        *(pl.lit(None, pl.String).alias(name) for name in ("rule", "reason", "evidence")),
        _changed(alive).alias("text"),
    )
    dropped = pl.concat([drop.cast(_DROPS) for drop in drops]) if drops else pl.DataFrame(schema=_DROPS)
    dropped = dropped.select(
        "row", pl.lit(False).alias("keep"), "rule", "reason", "evidence", text=pl.lit(None, pl.String)
    )
    return (
        pl.concat([kept, dropped])
        .join(batch.select("row", "id"), on="row")
        .with_columns(
            stage=pl.lit(STAGE),
            lang=pl.lit(language.name),
            keeper=pl.lit(None, pl.String),
            similarity=pl.lit(None, pl.Float64),
        )
    )


def _changed(alive: pl.DataFrame) -> pl.Series:
    """The texts that are not the original ones, null for the others: only what lies elsewhere is compared."""
    texts, originals = alive["text"], alive["original"]
    moved = pl.Series(np.flatnonzero(places(texts).addresses != places(originals).addresses))
    rows = moved.filter(texts.gather(moved) != originals.gather(moved))
    return replaced(pl.Series([None], dtype=pl.String).new_from_index(0, len(texts)), rows, texts.gather(rows))


def judge(batch: pl.DataFrame, language: Language) -> tuple[pl.DataFrame, list[pl.DataFrame]]:
    """Let a language's rules pass over a batch, each over what the rules before it let pass.

    Args:
        batch: columns `row`, `text`, `path`, `repo`.
        language: the language that all of it is in.

    Returns:
        The rows that no rule drops, with `original` beside the transformed `text`; and the dropped rows, as frames
        `row`, `rule`, `reason`, `evidence`, one frame for each rule that dropped any, in the order of the rules.
    """
    drops: list[pl.DataFrame] = []
    alive = batch.with_columns(original=pl.col("text"))
    alive = _pass(alive, language, original_checks(language), drops)
    alive = _transform(alive, language, drops)
    alive = measured(alive)
    alive = _pass(alive, language, text_checks(language), drops)
    return alive, drops


def original_checks(language: Language) -> list[Check]:
    """The checks that look at the text as it was crawled; they come first."""
    return [rules.check(rule) for rule in language.rules if rule.where == "original"]


def text_checks(language: Language) -> list[Check]:
    """The checks that look at the transformed text: limits, then rules, in the order of the file."""
    return rules.limits(language) + [rules.check(rule) for rule in language.rules if rule.where != "original"]


def steps(language: Language) -> list[str]:
    """The rule names that can drop a document of this language, in the order in which they are asked."""
    transforms = [TRANSFORMS[name].rule for name in language.transforms if TRANSFORMS[name].rule]
    checks = [*original_checks(language), *text_checks(language)]
    first = [check.rule for check in checks[: len(original_checks(language))]]
    return [WRONG_LANGUAGE, *first, *transforms, *(check.rule for check in checks[len(first) :])]


def measured(batch: pl.DataFrame) -> pl.DataFrame:
    """Add the text's `head`, and its `bytes`, `digits` and `characters`."""
    counts = measure.densities(batch["text"])
    return batch.hstack(counts).with_columns(bytes=pl.col("text").str.len_bytes(), head=scan.head(pl.col("text")))


def _pass(alive: pl.DataFrame, language: Language, checks: Iterable[Check], drops: list[pl.DataFrame]) -> pl.DataFrame:
    for check in checks:
        if not alive.height:
            break
        mask = check.drops(alive, language.syntax)
        if mask.any():
            lost = alive.filter(mask)
            drops.append(_dropped(lost, check.rule, check.reason, check.evidence(lost)))
            alive = alive.filter(~mask)
    return alive


def _transform(alive: pl.DataFrame, language: Language, drops: list[pl.DataFrame]) -> pl.DataFrame:
    for name in language.transforms:
        transform = TRANSFORMS[name]
        texts, failures = transform.apply(alive["text"])
        alive = alive.with_columns(texts.alias("text"))
        if failures.is_not_null().any():
            failed = failures.is_not_null()
            lost = alive.filter(failed)
            drops.append(_dropped(lost, transform.rule, transform.reason, failures.filter(failed)))
            alive = alive.filter(~failed)
    return alive


def _dropped(lost: pl.DataFrame, rule: str, reason: str, evidence: pl.Series) -> pl.DataFrame:
    return lost.select("row", rule=pl.lit(rule), reason=pl.lit(reason)).with_columns(evidence.alias("evidence"))


def _foreign(batch: pl.DataFrame, language: Language, languages: Languages) -> pl.DataFrame:
    """Drop what is recognised as a language that nobody wants."""
    drops = [
        _dropped(
            rows,
            WRONG_LANGUAGE,
            f"The content is {languages.any(str(found)).title}, not {language.title}.",
            recognise.evidence(rows, languages.any(str(found))),
        )
        for (found,), rows in batch.group_by("found", maintain_order=True)
    ]
    return pl.concat(drops)


def explain(document: Mapping[str, str | None], languages: Languages) -> list[Verdict]:
    """Say what every rule of a document's language says of it, those after the first that drops it included.

    Args:
        document: `text`, and `path`, `lang`, `repo`, `id` where they are known.
        languages: the languages that are wanted.

    Returns:
        Verdicts in the order of the rules; empty if no wanted language names the document.
    """
    frame = pl.DataFrame({name: [document.get(name)] for name in COLUMNS}, schema=dict.fromkeys(COLUMNS, pl.String))
    owner, found = recognise.assign(frame, languages).row(0)
    if owner is None:
        return []
    language = languages[owner]
    batch = frame.with_row_index("row").with_columns(found=pl.lit(found))
    return list(_verdicts(batch, language, languages))


def _verdicts(batch: pl.DataFrame, language: Language, languages: Languages) -> Iterator[Verdict]:
    found = batch["found"].item()
    if found != language.name:
        row = _foreign(batch, language, languages).row(0, named=True)
        yield Verdict(language.name, WRONG_LANGUAGE, row["reason"], True, row["evidence"])
    elif any(extension in languages.rivals for extension in language.extensions):
        evidence = recognise.evidence(batch.with_columns(pl.col("text").fill_null("")), language).item()
        yield Verdict(language.name, WRONG_LANGUAGE, f"The content is {language.title}.", False, evidence)
    batch = batch.with_columns(original=pl.col("text"))
    yield from (_verdict(batch, language, check) for check in original_checks(language))
    drops: list[pl.DataFrame] = []
    batch = _transform(batch, language, drops)
    for drop in drops:
        row = drop.row(0, named=True)
        yield Verdict(language.name, row["rule"], row["reason"], True, row["evidence"])
    if batch.height:
        batch = measured(batch)
        yield from (_verdict(batch, language, check) for check in text_checks(language))


def _verdict(batch: pl.DataFrame, language: Language, check: Check) -> Verdict:
    drops = bool(check.drops(batch, language.syntax).item())
    return Verdict(language.name, check.rule, check.reason, drops, check.evidence(batch).item() if drops else None)
