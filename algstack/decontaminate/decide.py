"""From findings to decisions: what is cut, what is dropped, and what the neighbours keep. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from algstack.decontaminate.match import Finding, formal_language
from algstack.decontaminate.provers import OTHER_CONTENT, PARSERS
from algstack.documents import clip

OVERLAP = "benchmark-overlap"
NOTHING_LEFT = "benchmark-file"
REPOSITORY = "benchmark-repository"

REASONS = {
    OVERLAP: "It holds a run of words of a benchmark's problem.",
    NOTHING_LEFT: "Nothing but a benchmark's declarations is in it.",
    REPOSITORY: "Its repository is a benchmark, by its content.",
}
"""Each rule of the stage that drops, and its reason in words."""


class Verdict(NamedTuple):
    """What becomes of one document: the rule that drops it, or its new text where it changed."""

    rule: str | None
    evidence: str | None
    text: str | None


def decide(
    text: str,
    lang: str | None,
    path: str | None,
    findings: Sequence[Finding],
    action: Literal["drop", "cut"],
) -> Verdict:
    """Decide on one document.

    Args:
        text: the document.
        lang: its language, or None.
        path: its path, or None.
        findings: what it shares with benchmarks.
        action: what a shared run of words outside declarations does.
    """
    runs = [finding for finding in findings if finding.how == "ngram"]
    if runs and action == "drop":
        return Verdict(OVERLAP, max(runs, key=lambda run: (run.words, -run.start)).evidence, None)
    cut = [finding for finding in findings if finding.how != "unparsable"]
    if not cut:
        return Verdict(None, None, None)
    left = without(text, [(finding.start, finding.end) for finding in cut])
    evidence = clip(f"cut {len(cut)}: " + "; ".join(f"{one.benchmark} {one.problem}" for one in cut))
    if not left.strip() or _is_empty(left, lang, path):
        return Verdict(NOTHING_LEFT, evidence, None)
    return Verdict(None, evidence, left)


def _is_empty(left: str, lang: str | None, path: str | None) -> bool:
    """Whether a formal text has no declaration left: imports and options alone teach nothing."""
    formal = formal_language(lang, path)
    if formal is None or PARSERS[formal](left):
        return False
    other = OTHER_CONTENT.get(formal)
    return other is None or not other.search(left)


def without(text: str, spans: Sequence[tuple[int, int]]) -> str:
    """Return a text without spans of it; where a span filled its lines, those and the empty lines behind it go too.

    All other characters stay as they are.
    """
    pieces, at = [], 0
    for start, end in _joined(spans):
        first, last = _whole_lines(text, start, end)
        pieces.append(text[at : max(first, at)])
        at = max(last, at)
    return "".join([*pieces, text[at:]])


def _joined(spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def _whole_lines(text: str, start: int, end: int) -> tuple[int, int]:
    first = text.rfind("\n", 0, start) + 1
    stop = text.find("\n", end)
    line_end = len(text) if stop < 0 else stop + 1
    if text[first:start].strip() or text[end:line_end].strip():
        return start, end
    while (stop := text.find("\n", line_end)) >= 0 and not text[line_end : stop + 1].strip():
        line_end = stop + 1
    return first, line_end
