"""What is known of a release besides its own counts: from the manifest and from which stages ran."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from algstack.dataset import Record, StageRecord
from algstack.release import accounts
from algstack.release.accounts import Accounts
from algstack.release.statistics import Statistics


class SourceFacts(Record):
    """One source of the manifest: what it is, and the moment or revision as of which it was taken, where it says so."""

    name: str
    kind: str
    as_of: str | None


class Facts(Record):
    """Everything that is said of a release and is not counted.

    `stages` are those after the crawl that ran, `splits` the shares that the manifest asks for.
    """

    name: str
    title: str | None
    description: str | None
    version: str
    date: str | None
    contact: str | None
    tokenizer: str
    tool: str
    dedup_threshold: float
    dedup_recall: float
    ngram: int
    redacts: bool
    signals: tuple[str, ...]
    sources: tuple[SourceFacts, ...]
    accounts: Accounts
    stages: tuple[str, ...]
    splits: tuple[tuple[str, float], ...]


def dropped_by(statistics: Statistics, stage: str, lang: str | None = None) -> int:
    """Return how many documents a stage dropped, of all languages or of one."""
    return sum(drops.documents for drops in statistics.dropped if drops.stage == stage and lang in (None, drops.lang))


def waterfall(facts: Facts, statistics: Statistics) -> list[tuple[str, int, int, int]]:
    """Return (stage, documents in, dropped, documents out) for each stage; what the last puts out is the release."""
    stages = ["crawl", *facts.stages, "release"]
    left = statistics.total.documents + sum(drops.documents for drops in statistics.dropped)
    rows = []
    for stage in stages:
        dropped = dropped_by(statistics, stage)
        if dropped or stage != "release":
            rows.append((stage, left, dropped, left - dropped))
        left -= dropped
    return rows


def facts_of(record: StageRecord, release: Path) -> Facts:
    """Return the facts that a release's own record and the accounts beside it hold."""
    return facts_from(record.config, record.tool, accounts.read(release))


def facts_from(config: dict[str, Any], tool: str, said: Accounts) -> Facts:
    """Return the facts of a release that is made from a config, as its record will store it."""
    described = config["manifest"]
    return Facts(
        name=described["name"],
        title=described["title"],
        description=described["description"],
        version=config["version"],
        date=config["date"],
        contact=described["contact"],
        tokenizer=config["tokenizer"]["name"],
        tool=tool,
        dedup_threshold=described["dedup"]["threshold"],
        dedup_recall=described["dedup"]["recall"],
        ngram=described["decontaminate"]["ngram"],
        redacts=any(described["redact"].values()),
        signals=tuple(described["release"].get("signals", ())),
        sources=tuple(_source(one) for one in described["sources"]),
        accounts=said,
        stages=config["stages"],
        splits=config["splits"],
    )


def _source(described: dict[str, Any]) -> SourceFacts:
    moments = [described.get(key) for key in ("cutoff", "until", "revision", "created_at")]
    as_of = next((str(moment) for moment in moments if moment), None)
    return SourceFacts(name=described["name"], kind=described["kind"], as_of=as_of)
