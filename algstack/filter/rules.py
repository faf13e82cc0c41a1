"""Rules to Polars expressions: each says of a whole batch which documents it drops, in native code.

A batch is a frame with the columns that the rules look at: `original` (text as crawled), `text` (after the transforms),
`code` (text without comments and strings), `head` (its beginning), `path`, `repo`, and the numbers `bytes`, `digits`,
`characters`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import polars as pl
from numpy.typing import NDArray

from algstack.documents import clip
from algstack.filter import automaton, patterns, predicates, scan
from algstack.filter.automaton import Found
from algstack.filter.language import Language, Rule
from algstack.filter.syntax import Syntax
from algstack.texts import Places, places

SHOWN_WORDS = 8
BEGINNINGS = (scan.HEAD, 10 * scan.HEAD)
"""Characters in which a pattern is sought before whole texts are rid of their comments."""

NEAR = 200
"""Bytes before a match's end in which it mostly begins."""

CONTEXT = 60
"""Bytes shown on each side of a match."""

Evidence = Callable[[pl.DataFrame], pl.Series]


@dataclass(frozen=True)
class Check:
    """A rule made ready.

    `dropped` says of each row, never null, whether the rule drops it; or else `sought` must be found (`required`), or
    must not. What must be found in `code` must be found both in the text and in its code: so that only the texts that
    have it anywhere need be rid of their comments. What `spared` holds for is not dropped. `evidence` says what dropped
    rows show.
    """

    rule: str
    reason: str
    column: str
    evidence: Evidence
    dropped: pl.Expr | None = None
    sought: Sought | None = None
    required: bool = False
    spared: pl.Expr | None = None

    def drops(self, batch: pl.DataFrame, syntax: Syntax) -> pl.Series:
        """Say of each row of a batch whether the rule drops it."""
        found = self._found(batch, syntax)
        if self.spared is not None and found.any():
            rows = found.arg_true()
            found = found.scatter(rows, ~batch[rows].select(self.spared).to_series())
        return found

    def _found(self, batch: pl.DataFrame, syntax: Syntax) -> pl.Series:
        if self.sought is None:
            return batch.select(self.dropped).to_series()
        texts = batch["text" if self.column == "code" else self.column]
        is_code = self.column == "code"
        found = _in_code(texts, self.sought, syntax) if is_code else self.sought.stands_in_texts(texts)
        return pl.Series("dropped", ~found if self.required else found)


@dataclass(frozen=True)
class Sought:
    """What a rule looks for: `pattern` as Polars takes it, `parts` as a filter file has it, if it has patterns."""

    pattern: str
    parts: tuple[str, ...] = ()

    def stands_in_texts(self, texts: pl.Series) -> Found:
        """Whether it stands in each text."""
        return self.first_in_texts(texts) >= 0

    def first_in_texts(self, texts: pl.Series) -> NDArray[np.int64]:
        """By which byte it has stood in each text: see `automaton.first_of`. Where it has no patterns, by the last."""
        if self.parts:
            return automaton.first_of(places(texts), self.parts)
        return np.where(texts.str.contains(self.pattern).to_numpy(), texts.str.len_bytes().to_numpy(), -1)

    def stands_in(self, texts: Places) -> Found:
        """The same of texts that are not Polars'."""
        if not self.parts:
            return scan.as_series(texts).str.contains(self.pattern).to_numpy()
        return automaton.any_of(texts, self.parts)

    def followed(self) -> Sought:
        """The same with one more character after it."""
        return Sought(f"(?:{self.pattern})(?s:.)", tuple(f"(?:{part})(?s:.)" for part in self.parts))


def _in_code(series: pl.Series, sought: Sought, syntax: Syntax) -> Found:
    """Say of each text whether a pattern is found in it, and in its code.

    Mostly where it is found first settles it, or the first lines do.
    """
    texts = places(series)
    ends = sought.first_in_texts(series)
    found = ends >= 0
    left = np.flatnonzero(found)
    found[left] = _near(texts.take(left), ends[left], sought, syntax)
    left = left[~found[left]]
    for characters in BEGINNINGS:
        code = scan.blanked(scan.beginnings(texts.take(left), characters), syntax)
        found[left] = sought.followed().stands_in(scan.without_end(code, scan.LONGEST_TOKEN))
        left = left[~found[left]]
    found[left] = sought.stands_in(scan.blanked(texts.take(left), syntax))
    return found


def _near(texts: Places, ends: NDArray[np.int64], sought: Sought, syntax: Syntax) -> Found:
    """Whether a match that ends near a place of a text is one in its code: if not, there may be others.

    What comments and strings are there does not depend on what follows, but for a token that is cut off: so the last
    bytes are left out. One more must follow the match, so that the end of what was cut off is not taken for the text's.
    The lines before the match are not looked at again; a pattern that asks for the text's beginning is not sought.
    """
    followed = sought.followed()
    if not sought.parts or any(r"\A" in part or not automaton.is_usual(part) for part in followed.parts):
        return np.zeros(len(ends), np.bool_)
    lengths = np.minimum(texts.lengths, ends + scan.LONGEST_TOKEN + 1)
    code = scan.blanked(Places(texts.addresses, lengths, texts.owner), syntax)
    lines = scan.last_lines(code, ends - automaton.STRIDE - NEAR)
    cut = lengths < texts.lengths
    found = np.zeros(len(ends), np.bool_)
    found[cut] = followed.stands_in(scan.without_bytes(lines.take(cut), scan.LONGEST_TOKEN))
    found[~cut] = sought.stands_in(lines.take(~cut))
    return found


def limits(language: Language) -> list[Check]:
    """The checks of a language's limits, in their order: empty, too large, too many digits."""
    limit = language.limits
    checks = []
    if limit.empty != "allowed":
        measure = "characters" if limit.empty == "blank" else "bytes"
        checks.append(
            Check("empty", "The file is empty.", "text", _said(pl.format("{} bytes", "bytes")), pl.col(measure) == 0)
        )
    if limit.max_bytes is not None:
        reason = f"The file is larger than {limit.max_bytes:,} bytes."
        said = _said(pl.format("{} bytes", "bytes"))
        checks.append(Check("too-large", reason, "text", said, pl.col("bytes") > limit.max_bytes))
    if limit.max_digits is not None:
        reason = f"More than {limit.max_digits:g} of the characters are digits: data, not text."
        share = pl.col("digits") / pl.max_horizontal("characters", 1)
        said = _said(pl.format("{} of {} characters are digits", "digits", "characters"))
        checks.append(Check("too-many-digits", reason, "text", said, share > limit.max_digits))
    return checks


@lru_cache(maxsize=4096)
def check(rule: Rule) -> Check:
    """Make one rule ready."""
    ready = _ready(rule)
    return ready if rule.unless is None else replace(ready, spared=predicates.PREDICATES[rule.unless].dropped("text"))


def _ready(rule: Rule) -> Check:
    if rule.predicate is not None:
        predicate = predicates.PREDICATES[rule.predicate]
        said = _said(predicate.seen(rule.where))
        return Check(rule.id, rule.reason, rule.where, said, predicate.dropped(rule.where))
    column, pattern = _target(rule)
    required = rule.condition.startswith("require")
    evidence = _said(pl.lit(_wanted(rule))) if required else _seen(column, pattern)
    sought = Sought(pattern, _parts(rule))
    # What must stand at the beginning is seen at once by Polars' engine; the automaton would go on to the end. And a
    # pattern that begins with a word is sought by that word, ten times as fast.
    is_text = bool(sought.parts) and not any(r"\A" in part for part in sought.parts) and not _is_led_by_word(sought)
    if column == "code" or is_text:
        return Check(rule.id, rule.reason, column, evidence, None, sought, required)
    found = pl.col(column).str.contains(pattern)
    return Check(rule.id, rule.reason, column, evidence, (~found if required else found).fill_null(False))


def _is_led_by_word(sought: Sought) -> bool:
    return (
        len(sought.parts) == 1 and re.match(r"[A-Za-z]{5}", sought.parts[0]) is not None and "|" not in sought.pattern
    )


def _target(rule: Rule) -> tuple[str, str]:
    """The column that a rule looks at and the pattern that it looks for."""
    given: tuple[str, ...] = getattr(rule, rule.condition)
    match rule.condition:
        case "require_any" | "deny_any":
            return rule.where, patterns.literals(given, rule.ignore_case)
        case "deny_start":
            return rule.where, r"\A" + patterns.literals(given, rule.ignore_case)
        case "require_match" | "deny_match":
            return rule.where, patterns.compiled(given, rule.ignore_case)
        case "require_path" | "deny_path":
            return "path", patterns.compiled(given, rule.ignore_case)
        case _:
            return "repo", patterns.compiled(given, rule.ignore_case)


def _parts(rule: Rule) -> tuple[str, ...]:
    """A rule's patterns one by one, each with its case; none if it has words."""
    if not rule.condition.endswith("match"):
        return ()
    given: tuple[str, ...] = getattr(rule, rule.condition)
    return tuple(
        f"(?i:{part.removeprefix('(?i)')})" if rule.ignore_case or part.startswith("(?i)") else part for part in given
    )


def _wanted(rule: Rule) -> str:
    if rule.condition != "require_any":
        return "not found"
    given: Sequence[str] = getattr(rule, rule.condition)
    shown = ", ".join(f"`{word}`" for word in given[:SHOWN_WORDS])
    more = f" and {len(given) - SHOWN_WORDS} more" if len(given) > SHOWN_WORDS else ""
    return clip(f"nothing of {shown}{more}")


def _said(expression: pl.Expr) -> Evidence:
    return lambda rows: rows.with_columns(expression.cast(pl.String).alias("evidence"))["evidence"]


def _seen(column: str, pattern: str) -> Evidence:
    # The code has the text's offsets, but not its comments: the text shows more.
    return lambda rows: _context(rows["text" if column == "code" else column], pattern)


def _context(texts: pl.Series, pattern: str) -> pl.Series:
    """The line of the first match in each text, with its number."""
    frame = texts.alias("text").to_frame().with_columns(at=pl.col("text").str.find(pattern).fill_null(0))
    raw = pl.col("text").cast(pl.Binary)
    start = pl.max_horizontal(pl.col("at").cast(pl.Int64) - CONTEXT, 0)
    pieces = frame.select(
        line=raw.bin.slice(0, pl.col("at")).cast(pl.String).str.count_matches("\n", literal=True) + 1,
        before=raw.bin.slice(start, pl.col("at").cast(pl.Int64) - start),
        after=raw.bin.slice(pl.col("at"), 2 * CONTEXT),
    )
    return pl.Series("evidence", [_shown(*row) for row in pieces.iter_rows()], pl.String)


def _shown(line: int, before: bytes, after: bytes) -> str:
    head = before.decode(errors="ignore").rsplit("\n", 1)[-1]
    tail = after.decode(errors="ignore").lstrip("\n").split("\n", 1)[0]
    return clip(f"line {line}: {(head + tail).strip()}")
