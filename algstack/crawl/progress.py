"""How a crawl of a remote source gets on: what `algstack status` says of its ledger."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from algstack.crawl.ledger import FILE, Ledger

ON_THEIR_WAY = ("found", "pinned")
SHOWN = 5
"""Failures that are named; the others are counted."""


class Failure(NamedTuple):
    """A repository that could not be fetched, and why."""

    name: str
    tries: int
    error: str


class CrawlProgress(NamedTuple):
    """How far one source has come.

    `minutes_left` is an estimate from the pace of the last ten minutes; `budgets` are the rate limits as last heard.
    """

    source: str
    discovered: bool
    states: dict[str, int]
    documents: int
    drops: int
    minutes_left: float | None
    budgets: list[dict[str, Any]]
    failures: list[Failure]

    def as_json(self) -> dict[str, object]:
        """The same as JSON values."""
        return {**self._asdict(), "failures": [failure._asdict() for failure in self.failures]}


def progress_of(folder: Path) -> CrawlProgress | None:
    """Return how far the source in a folder has come, or None if it has no ledger. A crawl may be running."""
    if not (folder / FILE).is_file():
        return None
    with Ledger(folder, read_only=True) as ledger:
        totals = ledger.totals()
        left = sum(totals.states.get(state, 0) for state in ON_THEIR_WAY)
        return CrawlProgress(
            source=folder.name,
            discovered=bool(ledger.note("discovered")),
            states=dict(totals.states),
            documents=totals.documents,
            drops=totals.drops,
            minutes_left=left / totals.a_minute if totals.a_minute else None,
            budgets=ledger.note("budgets") or [],
            failures=[Failure(entry.name, entry.tries, entry.error or "") for entry in ledger.entries("failed")],
        )


def in_words(progress: CrawlProgress) -> Iterator[str]:
    """Yield the lines that say it to people."""
    states = ", ".join(f"{number:,} {state}" for state, number in progress.states.items())
    looking = "" if progress.discovered else "; still searching"
    yield f"{progress.source}: {states or 'no repositories yet'}{looking}"
    if progress.minutes_left:
        yield f"  about {_duration(progress.minutes_left)} left"
    for budget in progress.budgets:
        if budget["reset"] > time.time():
            reset = datetime.fromtimestamp(budget["reset"], UTC).strftime("%H:%M:%S UTC")
            yield f"  {budget['remaining']:,} of {budget['limit']:,} {budget['resource']} requests left until {reset}"
    for failure in progress.failures[:SHOWN]:
        yield f"  failed: {failure.name} after {failure.tries} tries: {failure.error}"
    if progress.failures:
        more = f"{len(progress.failures) - SHOWN} more; " if len(progress.failures) > SHOWN else ""
        yield f"  {more}`algstack crawl --retry failed` tries them again"


def _duration(minutes: float) -> str:
    if minutes > 90:
        return f"{minutes / 60:.1f} hours"
    return "1 minute" if minutes < 1.5 else f"{round(minutes)} minutes"
