"""Which repositories there are: searches that are bisected until GitHub shows all that it counts.

A search shows 1,000 results at most and may end early (`incomplete_results`), so one that counts more is split in two
by the time of creation, at the middle of what it shows, down to a second, and then by size, stars and last push.
Ranges are half-open here, so that no repository falls into two.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, NamedTuple, Protocol

from algstack.crawl.github.api import GitHub, Refused, TooSlow
from algstack.crawl.http import Clock, Fault, retried
from algstack.crawl.ledger import Found, Ledger, Revision
from algstack.errors import SourceError

SHOWN = 1000
"""Results that GitHub shows of one search, whatever it counts."""

SAMPLE = 20
"""Repositories that are enough to say where the middle of a range is."""

PAGE = 100
SMALLEST_PAGE = 10
PAGES_IN_TIME = 3
"""After so many pages without a timeout, a larger one is tried."""

FIRST_REPOSITORY = datetime(2007, 10, 1, tzinfo=UTC)
"""Before the first repository of GitHub."""

LARGEST = 2**31
LISTINGS = 3
"""How often a search that shows less than it counts is read before its count is doubted."""

QUERY_LENGTH = 256
"""Characters that a search may have (docs.github.com/rest/search)."""

FACTS = """
fragment facts on Repository {
  databaseId
  nameWithOwner
  url
  isArchived
  isFork
  isMirror
  isPrivate
  stargazerCount
  createdAt
  pushedAt
  parent { nameWithOwner }
  licenseInfo { spdxId }
  repositoryTopics(first: 20) { nodes { topic { name } } }
  defaultBranchRef {
    name
    target { ... on Commit { history(first: 1, until: $until) { nodes { oid committedDate } } } }
  }
}
"""

SEARCH = (
    """
query($search: String!, $first: Int!, $after: String, $until: GitTimestamp!) {
  search(type: REPOSITORY, query: $search, first: $first, after: $after) {
    repositoryCount
    pageInfo { hasNextPage endCursor }
    nodes { ...facts }
  }
}
"""
    + FACTS
)


_MOMENTS = frozenset({"created", "pushed"})


class Range(NamedTuple):
    """Values `low <= field < high` of a search qualifier; moments are seconds since 1970."""

    field: str
    low: int
    high: int

    def halves(self, sample: Sequence[Found] = ()) -> tuple[Range, Range] | None:
        """Return two parts, about half of the sample in each, or None where there is one value only."""
        if self.high - self.low <= 1:
            return None
        values = sorted(value for one in sample if (value := _value(one, self.field)) is not None)
        if len(values) >= SAMPLE:
            # Repositories are spread unevenly, and a thousand may be of one second: time is not halved, they are.
            middle = min(max(values[len(values) // 2], self.low + 1), self.high - 1)
        elif self.field in _MOMENTS:
            middle = (self.low + self.high) // 2
        else:  # sizes and stars have long tails: half of the orders of magnitude
            middle = min(max(math.isqrt((self.low + 1) * self.high), self.low + 1), self.high - 1)
        return Range(self.field, self.low, middle), Range(self.field, middle, self.high)

    def __str__(self) -> str:
        """The qualifier, whose ends are both inclusive in GitHub's syntax."""
        low, high = self.low, self.high - 1
        if self.field in _MOMENTS:
            return f"{self.field}:{timestamp(low)}..{timestamp(high)}"
        return f"{self.field}:{low}..{high}"


def _value(found: Found, field: str) -> int | None:
    """What a qualifier compares of a repository, None where it is not known."""
    if field == "stars":
        return found.stars
    moment = found.facts.get(field)
    return int(datetime.fromisoformat(moment).timestamp()) if moment else None


@dataclass(frozen=True)
class Search:
    """A search: qualifiers, and ranges of creation time and whatever it had to be split by further."""

    query: str
    ranges: tuple[Range, ...]

    def __str__(self) -> str:
        return " ".join([self.query, *map(str, self.ranges)])

    def dumps(self) -> str:
        """The search as text that `loads` reads; sorts by query, then by time."""
        return json.dumps([self.query, *map(list, self.ranges)])

    @classmethod
    def loads(cls, text: str) -> Search:
        """Read what `dumps` wrote."""
        query, *ranges = json.loads(text)
        return cls(query, tuple(Range(*values) for values in ranges))

    def split(self, sample: Sequence[Found] = ()) -> tuple[Search, Search] | None:
        """Return two searches that find the same together, or None where nothing is left to split by.

        Args:
            sample: some of what the search finds; it tells where the middle is.
        """
        *rest, last = self.ranges
        if halves := last.halves(sample):
            return Search(self.query, (*rest, halves[0])), Search(self.query, (*rest, halves[1]))
        further = next(
            (field for field in ("size", "stars", "pushed") if field not in {r.field for r in self.ranges}), None
        )
        if further is None:
            return None
        low = int(FIRST_REPOSITORY.timestamp()) if further == "pushed" else 0
        # A range that holds everything is split at once: it would be the same search again.
        return Search(self.query, (*self.ranges, Range(further, low, LARGEST))).split(sample)


class Listing(NamedTuple):
    """What one reading of a search brought. `complete` is False where GitHub says that it ended early."""

    found: dict[str, Found]
    counted: int
    complete: bool


class Policy(Protocol):
    """Says which repositories stay out."""

    def apply(self, found: Found) -> Found:
        """Return the repository, as `excluded` if it stays out."""
        ...


def searches(queries: Iterable[str], cutoff: datetime) -> list[str]:
    """Return the searches that a discovery begins with: each query over all time before the cutoff."""
    created = Range("created", int(FIRST_REPOSITORY.timestamp()), int(cutoff.timestamp()))
    return [Search(query, (created,)).dumps() for query in dict.fromkeys(queries)]


def discover(github: GitHub, ledger: Ledger, cutoff: datetime, policy: Policy, clock: Clock) -> None:
    """Work off the ledger's open searches; killed at any moment, the next call goes on from there.

    Raises:
        SourceError: GitHub does not take a search, or shows less than it counts however narrow the search.
        Fault: GitHub did not answer.
    """
    lister = _GraphQLLister(github, cutoff, clock) if github.has_token else _RestLister(github, clock)
    while text := ledger.open_search():
        search = Search.loads(text)
        listing = _list(lister, search)
        if listing is None or listing.counted > SHOWN:
            parts = search.split([*listing.found.values()] if listing else ())
            if parts is None:
                raise SourceError(
                    f"GitHub counts more than {SHOWN} repositories for `{search}`, which cannot be split further. "
                    "Narrow the source with `qualifiers`."
                )
            ledger.split(text, [part.dumps() for part in parts], listing.counted if listing else 0)
        else:
            found = [policy.apply(repository) for repository in listing.found.values()]
            ledger.finish(text, found, listing.counted)


class _Lister(Protocol):
    def list(self, search: Search) -> Listing:
        """Read all pages of a search; only the first where it counts more than is shown."""
        ...


def _list(lister: _Lister, search: Search) -> Listing | None:
    """Return what a search shows, read again where it shows less than it counts; None if it has to be narrower."""
    for _ in range(LISTINGS):
        listing = lister.list(search)
        if listing.counted > SHOWN or (listing.complete and len(listing.found) >= listing.counted):
            return listing
    if not listing.complete or listing.counted > PAGE:
        return None
    # Complete by its own word, and on one page: GitHub counts repositories that it does not show (blocked ones).
    return listing


class _GraphQLLister:
    """Discovery and pinning in one: each result comes with its last commit before the cutoff."""

    def __init__(self, github: GitHub, cutoff: datetime, clock: Clock) -> None:
        self._github = github
        self._cutoff = cutoff
        self._clock = clock
        self._page = PAGE
        self._in_time = 0  # pages of this size that came without a timeout, one after the other

    def list(self, search: Search) -> Listing:
        found: dict[str, Found] = {}
        after = None
        while True:
            # A page that fails is asked for again, not the whole listing: of its many, some may always fail.
            result = retried(partial(self._read_page, _checked(search), after), self._clock)
            for node in result["nodes"]:
                if node:  # a result that the token may not see, or that is gone since, is null
                    repository = from_graphql(node, self._cutoff)
                    found.setdefault(repository.key, repository)
            if result["repositoryCount"] > SHOWN or not result["pageInfo"]["hasNextPage"]:
                return Listing(found, result["repositoryCount"], True)
            after = result["pageInfo"]["endCursor"]

    def _read_page(self, search: str, after: str | None) -> dict[str, Any]:
        """Return a page of a search, a smaller one where GitHub takes too long."""
        while True:
            variables = {"search": search, "first": self._page, "after": after, "until": until(self._cutoff)}
            try:
                page: dict[str, Any] = self._github.graphql(SEARCH, variables)[0]["search"]
            except TooSlow:
                if self._page <= SMALLEST_PAGE:
                    raise Fault(f"GraphQL times out on {self._page} repositories") from None
                self._page, self._in_time = max(self._page // 2, SMALLEST_PAGE), 0
            else:
                self._in_time += 1
                if self._in_time == PAGES_IN_TIME:  # it may have been slow for a while only
                    self._page, self._in_time = min(self._page * 2, PAGE), 0
                return page


class _RestLister:
    def __init__(self, github: GitHub, clock: Clock) -> None:
        self._github = github
        self._clock = clock

    def list(self, search: Search) -> Listing:
        found: dict[str, Found] = {}
        complete = True
        for page in range(1, SHOWN // PAGE + 1):
            query: dict[str, str | int] = {"q": _checked(search), "per_page": PAGE, "page": page}
            try:
                answer = retried(partial(self._github.get, "/search/repositories", query, "search"), self._clock)
            except Refused as refusal:
                raise SourceError(
                    f"GitHub does not take the search `{search}`: {refusal}. Look at the source's `languages`, "
                    "`organizations` and `qualifiers`."
                ) from None
            complete = complete and not answer["incomplete_results"]
            for item in answer["items"]:
                repository = from_rest(item)
                found.setdefault(repository.key, repository)
            if answer["total_count"] > SHOWN or page * PAGE >= answer["total_count"]:
                break
        return Listing(found, answer["total_count"], complete)


def _checked(search: Search) -> str:
    text = str(search)
    if len(text) > QUERY_LENGTH:
        raise SourceError(
            f"The search `{text}` is longer than GitHub's {QUERY_LENGTH} characters: shorten `qualifiers`."
        )
    return text


def look_up(github: GitHub, names: Sequence[str], cutoff: datetime) -> list[Found]:
    """Return repositories that are named `owner/name`; one that is not there is `gone`, under that name."""
    if github.has_token:
        return [found for at in range(0, len(names), 50) for found in _look_up(github, names[at : at + 50], cutoff)]
    return [_look_up_by_rest(github, name) for name in names]


def _look_up(github: GitHub, names: Sequence[str], cutoff: datetime) -> list[Found]:
    declared = "".join(f", $o{n}: String!, $n{n}: String!" for n in range(len(names)))
    fields = "\n".join(f"  r{n}: repository(owner: $o{n}, name: $n{n}) {{ ...facts }}" for n in range(len(names)))
    variables = {"until": until(cutoff)}
    for number, name in enumerate(names):
        variables[f"o{number}"], variables[f"n{number}"] = name.split("/")
    try:
        data, _ = github.graphql(f"query($until: GitTimestamp!{declared}) {{\n{fields}\n}}\n{FACTS}", variables)
    except TooSlow:
        if len(names) == 1:
            raise Fault(f"GraphQL times out on {names[0]}") from None
        half = len(names) // 2
        return _look_up(github, names[:half], cutoff) + _look_up(github, names[half:], cutoff)
    answers = [data.get(f"r{number}") for number in range(len(names))]
    return [from_graphql(node, cutoff) if node else _missing(name) for name, node in zip(names, answers, strict=True)]


def _look_up_by_rest(github: GitHub, name: str) -> Found:
    try:
        return from_rest(github.get(f"/repos/{name}", {}))
    except Refused as refusal:
        return _missing(name, *ending(refusal))


def _missing(name: str, state: str = "gone", detail: str | None = "HTTP 404") -> Found:
    return Found(f"name:{name.lower()}", name, None, None, {}, state, detail)


def ending(refusal: Refused) -> tuple[str, str | None]:
    """Return the state that a refusal puts a repository in, and its detail."""
    if refusal.status == 409:  # "Git Repository is empty."
        return "empty", None
    states = {404: "gone", 410: "gone", 451: "blocked", 403: "blocked"}
    return states.get(refusal.status, "failed"), f"HTTP {refusal.status}"


def pin(github: GitHub, name: str, cutoff: datetime) -> Revision | None:
    """Return the last commit before the cutoff on a repository's default branch, by REST; None if there is none.

    Raises:
        Refused: the repository is gone, blocked or empty.
        Fault: GitHub did not answer.
    """
    commits = github.get(f"/repos/{name}/commits", {"per_page": 1, "until": until(cutoff)})
    return _before(cutoff, commits[0]["sha"], commits[0]["commit"]["committer"]["date"]) if commits else None


def until(cutoff: datetime) -> str:
    """The last second before the cutoff: git takes `until` to include the moment itself (git-log, `--until`)."""
    return timestamp(int(cutoff.timestamp()) - 1)


def timestamp(seconds: int) -> str:
    """Seconds since 1970 as GitHub writes a moment."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _before(cutoff: datetime, commit: str, date: str) -> Revision | None:
    """Return a commit if it really lies before the cutoff: a wrong pin is worse than none."""
    moment = datetime.fromisoformat(date).astimezone(UTC)
    return Revision(commit, moment) if moment < cutoff else None


def from_graphql(node: Mapping[str, Any], cutoff: datetime) -> Found:
    """Return a repository as GraphQL describes it, pinned."""
    branch = node["defaultBranchRef"]
    facts = {
        "archived": node["isArchived"],
        "branch": branch["name"] if branch else None,
        "created": node["createdAt"],
        "fork": node["isFork"],
        "fork of": node["parent"]["nameWithOwner"] if node["parent"] else None,
        "mirror": node["isMirror"],
        "private": node["isPrivate"],
        "pushed": node["pushedAt"],
        "topics": [topic["topic"]["name"] for topic in node["repositoryTopics"]["nodes"] or []],
        "url": node["url"],
    }
    found = Found(
        key=str(node["databaseId"]),
        name=node["nameWithOwner"],
        stars=node["stargazerCount"],
        license=_spdx(node["licenseInfo"] and node["licenseInfo"]["spdxId"]),
        facts=facts,
    )
    if not branch:
        return found._replace(state="empty")
    commits = (branch["target"] or {}).get("history", {}).get("nodes") or []
    revision = _before(cutoff, commits[0]["oid"], commits[0]["committedDate"]) if commits else None
    return found._replace(state="pinned" if revision else "no commit", revision=revision)


def from_rest(item: Mapping[str, Any]) -> Found:
    """Return a repository as REST describes it, not pinned yet."""
    parent = item.get("parent")
    facts = {
        "archived": item["archived"],
        "branch": item["default_branch"],
        "created": item["created_at"],
        "fork": item["fork"],
        "fork of": parent["full_name"] if parent else None,
        "mirror": bool(item["mirror_url"]),
        "private": item["private"],
        "pushed": item["pushed_at"],
        "topics": item.get("topics", []),
        "url": item["html_url"],
    }
    return Found(
        key=str(item["id"]),
        name=item["full_name"],
        stars=item["stargazers_count"],
        license=_spdx(item["license"] and item["license"]["spdx_id"]),
        facts=facts,
    )


def _spdx(license_: str | None) -> str | None:
    """GitHub's licence, or None where it says that it does not know."""
    return license_ if license_ not in {None, "", "NOASSERTION", "OTHER"} else None
