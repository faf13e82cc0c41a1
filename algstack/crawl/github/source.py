"""The manifest's `kind = "github"`: discovery, pinning and download, then parts from the rows of all repositories.

Rows of a repository are kept in a file of their own beside the ledger, and the parts are made from these files in a
stated order. So the parts do not depend on what was fetched when, and a later crawl fetches only what moved.
"""

from __future__ import annotations

import fnmatch
import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from importlib.resources import files
from itertools import count
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import requests

from algstack.crawl.files import FileReader
from algstack.crawl.github import rows, search
from algstack.crawl.github.api import Endpoints, GitHub
from algstack.crawl.github.fetch import Fetcher, fetch_all
from algstack.crawl.http import Clock, Fault, open_session
from algstack.crawl.ledger import Entry, Found, Ledger
from algstack.crawl.task import CrawlTask
from algstack.dataset import Counts, fingerprint
from algstack.documents import DECISIONS
from algstack.errors import ManifestError, SourceError
from algstack.manifest import GitHubSource, select
from algstack.toml import nearest
from algstack.workspace import Context

PART_BYTES = 64 * 2**20
"""Bytes of repositories' files that make up one part, about."""

BUDGETS_EVERY = 25
"""Repositories after which the rate limits' state is noted anew."""

# What an end of the ledger is as the crawl's decision.
RULES = {
    "blocked": "repository-blocked",
    "empty": "repository-empty",
    "failed": "repository-failed",
    "gone": "repository-gone",
    "no commit": "repository-new",
    "too large": "repository-too-large",
}


class Languages(Protocol):
    """What the crawl asks of the filters."""

    @property
    def extensions(self) -> Any:
        """Extensions and the languages they name, as JSON values."""
        ...

    @property
    def linguist(self) -> Mapping[str, tuple[str, ...]]:
        """Each language's names on GitHub."""
        ...


@dataclass(frozen=True)
class Connection:
    """How GitHub is reached: what a test replaces."""

    endpoints: Endpoints
    session: requests.Session
    clock: Clock


def connect(environment: Mapping[str, str], workers: int) -> Connection:
    """Return the connection that the environment names."""
    return Connection(Endpoints.from_environment(environment), open_session(workers), Clock())


def plan(
    source: GitHubSource,
    context: Context,
    languages: Languages,
    reader: FileReader,
    retry: Sequence[str] = (),
    connection: Connection | None = None,
) -> list[CrawlTask]:
    """Bring the ledger to its end, then return the tasks that make its rows into parts.

    Args:
        source: the manifest's.
        context: the manifest, the workspace, the number of workers.
        languages: the filters.
        reader: says what is wanted, and the limits.
        retry: states of the ledger that get another chance, e.g. `failed`.
        connection: how GitHub is reached; by the environment if not given.

    Raises:
        ManifestError: a language, a list or a repository's name is not right.
        SourceError: GitHub refuses the token or a search, or does not answer.
    """
    connection = connection or connect(os.environ, context.workers)
    folder = context.workspace.crawl(source.name)
    reading = fingerprint([rows.READING, languages.extensions, select(reader.limits), list(source.exclude)])
    with Ledger(folder) as ledger:
        ledger.settle(reading)
        if retry:
            ledger.retry(*retry)
        github = GitHub(connection.endpoints, connection.session, connection.clock, ledger)
        try:
            _discover(source, context, languages, github, ledger, connection.clock)
            _fetch(source, context, reader, github, ledger, connection.clock, reading)
        finally:
            _note_budgets(github, ledger)
        return _tasks(source, ledger.entries(), folder)


def _note_budgets(github: GitHub, ledger: Ledger) -> None:
    """Note what is left of the rate limits, for `algstack status`."""
    ledger.set_notes(budgets=[budget._asdict() for budget in github.limiter.budgets()])


def _discover(
    source: GitHubSource, context: Context, languages: Languages, github: GitHub, ledger: Ledger, clock: Clock
) -> None:
    names = _repositories(source, context)
    queries = _queries(source, languages, bool(names))
    wanted = {**select(source), "exclude": None, "repositories": names, "queries": list(queries)}
    if not ledger.begin(fingerprint(wanted), search.searches(queries, source.until)):
        return
    if not github.has_token:
        context.progress.note(
            f"{source.name}: without GITHUB_TOKEN, GitHub allows 60 requests an hour: any token makes that 5,000."
        )
    policy = Policy(source)
    try:
        ledger.add([policy.apply(found) for found in search.look_up(github, names, source.until)])
        search.discover(github, ledger, source.until, policy, clock)
    except Fault as fault:
        raise SourceError(
            f"GitHub does not answer ({fault}). Run the same command again: what was found is kept."
        ) from fault
    _check_languages(queries, languages, ledger)
    ledger.end_discovery()
    counted, listed = ledger.counted()
    if counted > listed:
        context.progress.note(f"{source.name}: GitHub counts {counted - listed} repositories more than it shows.")


def _repositories(source: GitHubSource, context: Context) -> list[str]:
    """Return the repositories that are named one by one, each once, whatever its case."""
    names = list(source.repositories)
    if source.repository_list is not None:
        path = context.manifest.resolve(source.repository_list)
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ManifestError(f"source `{source.name}`: {path}: cannot be read ({error}).") from None
        names += [name for line in lines if (name := line.partition("#")[0].strip())]
    for name in names:
        if not re.fullmatch(r"[\w.-]+/[\w.-]+", name, re.ASCII):
            raise ManifestError(f"source `{source.name}`: `{name}` is not `owner/name`.")
    return list({name.lower(): name for name in sorted(names)}.values())


def _queries(source: GitHubSource, languages: Languages, named: bool) -> dict[str, str]:
    """Return the searches' queries, without their time, and the manifest's language that each is for ("" for none)."""
    # Private repositories that a token may read are never searched for. Forks are left out by GitHub unless asked for.
    forks = ["fork:true"] if source.forks and "fork:" not in source.qualifiers else []
    common = " ".join(["is:public", *forks, *source.qualifiers.split()])
    by_default = not (named or source.organizations)
    wanted = source.languages if source.languages is not None else tuple(languages.linguist) if by_default else ()
    found = {f'language:"{name}" {common}': given for given in wanted for name in _linguist(given, languages)}
    return found | {f"user:{owner} {common}": "" for owner in source.organizations}


def _linguist(name: str, languages: Languages) -> tuple[str, ...]:
    """Return GitHub's names of a language that a manifest names by a filter, or by GitHub's own name."""
    return languages.linguist.get(name, (name,))


def _check_languages(queries: Mapping[str, str], languages: Languages, ledger: Ledger) -> None:
    """Raise ManifestError for a language of which GitHub has no repository and of which nobody else has heard."""
    known = linguist_names()
    for given in dict.fromkeys(filter(None, queries.values())):
        counted = sum(ledger.counted(query)[0] for query, of in queries.items() if of == given)
        if not counted and not set(_linguist(given, languages)) & set(known):
            raise ManifestError(
                f"GitHub has no repository in the language `{given}`{nearest(given, [*known, *languages.linguist])}"
            )


def linguist_names() -> list[str]:
    """GitHub's names of languages, when this version of algstack was made."""
    text = files("algstack.crawl.github").joinpath("languages.txt").read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


@dataclass(frozen=True)
class Policy:
    """Which repositories stay out, by the manifest."""

    source: GitHubSource

    def apply(self, found: Found) -> Found:
        """Return the repository, as `excluded` if it stays out: the detail is a rule, then what it saw."""
        rule, _, evidence = (self._exclusion(found) or "").partition(" ")
        if not rule or found.state not in {"found", "pinned"}:
            return found
        return found._replace(state="excluded", detail=f"{rule} {evidence}".strip(), revision=None)

    def _exclusion(self, found: Found) -> str | None:
        facts = found.facts
        patterns = (one for one in self.source.exclude_repositories if fnmatch.fnmatch(found.name.lower(), one.lower()))
        if facts.get("private"):
            return "repository-private"
        if pattern := next(patterns, None):
            return f"repository-excluded {pattern}"
        if facts.get("fork") and not self.source.forks:
            return f"repository-fork {facts.get('fork of') or ''}"
        if facts.get("mirror") and not self.source.mirrors:
            return "repository-mirror"
        return "repository-archived" if facts.get("archived") and not self.source.archived else None


def _fetch(
    source: GitHubSource,
    context: Context,
    reader: FileReader,
    github: GitHub,
    ledger: Ledger,
    clock: Clock,
    reading: str,
) -> None:
    fetcher = Fetcher(github, ledger, clock, source.name, source.until, reader, reading, source.exclude)
    ended = count(1)

    def advance() -> None:
        context.progress.advance(Counts())
        if next(ended) % BUDGETS_EVERY == 0:
            _note_budgets(github, ledger)

    fetch_all(
        fetcher,
        context.workers,
        lambda repositories: context.progress.total(f"crawl {source.name}: repositories", repositories),
        advance,
    )
    failed = ledger.totals().states.get("failed", 0)
    if failed:
        context.progress.note(
            f"{source.name}: {failed} repositories failed; `algstack status` says why, "
            "`algstack crawl --retry failed` tries them again."
        )


def _tasks(source: GitHubSource, entries: Sequence[Entry], folder: Path) -> list[CrawlTask]:
    """Return one task for each part. Repositories are shared out by their keys: most parts stay as they were."""
    total = sum(entry.part_bytes or 0 for entry in entries)
    # A power of two: one part more would share all repositories out anew.
    parts = 1 << max(0, (total // PART_BYTES).bit_length())
    shares: dict[int, list[Entry]] = {number: [] for number in range(parts)}
    for entry in entries:
        shares[int(hashlib.sha256(entry.key.encode()).hexdigest()[:8], 16) % parts].append(entry)
    return [
        CrawlTask(f"{number:05d}", _inputs(share), partial(_read, folder, share))
        for number, share in shares.items()
        if share or parts == 1
    ]


def _inputs(entries: Iterable[Entry]) -> list[Any]:
    """Return what a part depends on: not how often a repository was tried, or when."""
    wanted = ("name", "state", "detail", "stars", "license", "revision", "part_bytes", "reading")
    return [[asdict(entry)[key] for key in wanted] for entry in entries]


def _read(folder: Path, entries: Sequence[Entry], reader: FileReader) -> Iterator[pa.RecordBatch]:
    for entry in entries:
        if entry.state == "fetched":
            yield from rows.read(folder, entry)
        else:
            yield pa.RecordBatch.from_pylist([_decision(entry)], DECISIONS)


def _decision(entry: Entry) -> dict[str, Any]:
    """Return the decision about a repository that brought no rows."""
    # The others end before or after they are pinned, by how they are asked for.
    at = f"@{entry.revision}" if entry.state in {"failed", "too large"} and entry.revision else ""
    rule, _, evidence = (entry.detail or "").partition(" ")
    if entry.state != "excluded":
        rule, evidence = RULES[entry.state], entry.detail or ""
    return rows.decision(f"github:{entry.name}{at}", rule, evidence)
