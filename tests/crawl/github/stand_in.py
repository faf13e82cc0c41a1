"""A stand-in of GitHub on loopback, for tests and benchmarks: search, repositories, commits, archives, GraphQL.

Its answers fit GitHub's published descriptions. It keeps rate limits and says so in headers, has faults on demand, and
counts what a client should not do.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import re
import shlex
import socket
import struct
import tarfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import formatdate
from functools import cache, cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

from graphql import GraphQLResolveInfo, graphql_sync, parse, validate

from algstack.crawl.http import Clock
from tests.crawl.github import published

SHOWN = 1000
SENT_AT = "X-Sent-At"
"""Header in which a client under test says when it sent a request (time.monotonic, in seconds)."""


@dataclass(frozen=True)
class Commit:
    """A commit: its date, and what makes its archive (tar.gz)."""

    sha: str
    date: datetime
    archive: Callable[[], bytes]


@dataclass(frozen=True)
class Repository:
    """A repository as GitHub knows it. `commits` are in the order of their dates.

    `status` is what its archive and commits answer for ever; `was` is a name that it had before and is found under.
    """

    id: int
    name: str
    language: str
    created: datetime
    commits: tuple[Commit, ...]
    stars: int = 0
    size: int = 1
    license: str | None = None
    fork_of: str | None = None
    mirror: bool = False
    archived: bool = False
    private: bool = False
    topics: tuple[str, ...] = ()
    status: int = 200
    was: str | None = None

    @property
    def shown_name(self) -> str:
        """The name that search shows."""
        return self.was or self.name

    @property
    def owner(self) -> str:
        """The owner's login."""
        return self.shown_name.split("/")[0]

    def last(self, until: datetime) -> Commit | None:
        """The last commit at a moment, itself included, as in git."""
        return next((commit for commit in reversed(self.commits) if commit.date <= until), None)

    @property
    def pushed(self) -> datetime:
        """Date of the last commit."""
        return self.commits[-1].date if self.commits else self.created

    @cached_property
    def values(self) -> dict[str, Any]:
        """What searches compare: numbers and seconds since 1970."""
        return {
            "created": self.created.timestamp(),
            "pushed": self.pushed.timestamp(),
            "stars": self.stars,
            "size": self.size,
        }


def archive(files: Mapping[str, bytes | None], top: str = "repo-sha", more: Iterable[tarfile.TarInfo] = ()) -> bytes:
    """A tar.gz as GitHub makes them: a pax header with the commit, one top folder; None is a folder (a submodule's)."""
    unpacked = io.BytesIO()
    with tarfile.open(fileobj=unpacked, mode="w", format=tarfile.PAX_FORMAT, pax_headers={"comment": "0" * 40}) as tar:
        for path, content in files.items():
            info = tarfile.TarInfo(f"{top}/{path}")
            info.mtime = 1_600_000_000
            if content is None:
                info.type = tarfile.DIRTYPE
            info.size = len(content or b"")
            tar.addfile(info, io.BytesIO(content or b""))
        for info in more:
            tar.addfile(info)
    return gzip.compress(unpacked.getvalue(), 6, mtime=0)


def simple(number: int, name: str, files: Mapping[str, bytes], **known: Any) -> Repository:
    """A repository with one commit, whose files are given."""
    date = known.pop("date", datetime(2021, 5, 6, 7, 8, 9, tzinfo=UTC))
    sha = hashlib.sha1(f"{number}{name}".encode()).hexdigest()
    known = {"language": "Lean", "created": datetime(2020, 1, 1, tzinfo=UTC), **known}
    return Repository(number, name, commits=(Commit(sha, date, lambda: archive(files)),), **known)


API_FAULTS = ("403", "403-retry-after", "429", "429-retry-after", "500", "502", "503", "reset")
ARCHIVE_FAULTS = ("429-retry-after", "500", "503", "reset", "truncated", "corrupt", "slow")


@dataclass(frozen=True)
class Faults:
    """Each kind of fault happens to a share `rate` of requests, decided by the request and how often it was sent."""

    rate: float = 0.0
    seed: int = 0
    kinds: tuple[str, ...] = tuple(dict.fromkeys((*API_FAULTS, *ARCHIVE_FAULTS)))

    def of(self, request: str, attempt: int, possible: tuple[str, ...]) -> str | None:
        """The fault of a request's n-th attempt, or None."""
        if not self.rate:
            return None
        digest = hashlib.sha256(f"{self.seed} {request} {attempt}".encode()).digest()
        chance = int.from_bytes(digest[:8], "big") / 2**64
        kinds = [kind for kind in possible if kind in self.kinds]
        number = int(chance / self.rate)
        return kinds[number] if number < len(kinds) else None


@dataclass(frozen=True)
class Limits:
    """Requests that a token has in a window of seconds, by resource."""

    core: tuple[int, int] = (5000, 3600)
    search: tuple[int, int] = (30, 60)
    graphql: tuple[int, int] = (5000, 3600)
    retry_after: int = 5

    def of(self, resource: str) -> tuple[int, int]:
        """(requests, seconds) of a resource."""
        found: tuple[int, int] = getattr(self, resource)
        return found


@dataclass
class Window:
    """What one token has used of one resource."""

    limit: int
    start: float
    reset: float
    used: int = 0


@dataclass
class Tally:
    """What the stand-in saw: `forbidden` are requests that headers had forbidden; `windows` are those that are over."""

    requests: Counter[str] = field(default_factory=Counter)
    archives: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    forbidden: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    windows: list[tuple[str, str, Window]] = field(default_factory=list)

    @property
    def api_requests(self) -> int:
        """Requests to the API besides those that lead to an archive."""
        return sum(n for kind, n in self.requests.items() if kind not in {"archive", "tarball"})


class StandIn:
    """The servers. Use it as a context manager.

    Args:
        repositories: all that there are.
        tokens: those that are accepted.
        faults: how often what goes wrong.
        limits: the rate limits.
        clock: time, which may run faster, with the client's at the same speed.
        hours_off: how wrong the server's clock is.
        checked: whether requests and answers are compared with the published descriptions.
        slack: real seconds after an answer was written in which a client need not have read it yet.
    """

    def __init__(
        self,
        repositories: Iterable[Repository],
        tokens: tuple[str, ...] = ("token",),
        faults: Faults | None = None,
        limits: Limits | None = None,
        clock: Clock | None = None,
        hours_off: float = 0.0,
        checked: bool = True,
        slack: float = 0.1,
    ) -> None:
        self.repositories = list(repositories)
        self.tokens = tokens
        self.faults = faults or Faults()
        self.limits = limits or Limits()
        self.clock = clock or Clock()
        self.tally = Tally()
        self.checked = checked
        self.graphql_refusal: dict[str, Any] | None = None
        self.refusal: tuple[int, dict[str, Any]] | None = None
        self.page_limit = SHOWN
        self.incomplete: Counter[str] = Counter()
        self.twice = False
        self._hours_off = hours_off
        self._slack = slack
        self._by_name = {name.lower(): one for one in self.repositories for name in (one.name, one.was or one.name)}
        self._by_id = {one.id: one for one in self.repositories}
        self._by_sha = {commit.sha: commit for one in self.repositories for commit in one.commits}
        self._lock = threading.RLock()
        self._attempts: Counter[str] = Counter()
        self._contents: dict[str, bytes] = {}
        self._windows: dict[tuple[str, str], Window] = {}
        self._blocks: dict[str, tuple[float, float]] = {}
        # Two addresses: archives are on another host, which must not see the token.
        self._api = _Server(("127.0.0.1", 0), _Api, self)
        self._archives = _Server(("127.0.0.1", 0), _Archives, self)

    @property
    def api_url(self) -> str:
        """What GITHUB_API_URL is to be."""
        return f"http://127.0.0.1:{self._api.server_address[1]}"

    @property
    def archives_url(self) -> str:
        """The host of archives."""
        return f"http://localhost:{self._archives.server_address[1]}"

    def __enter__(self) -> Self:
        for server in (self._api, self._archives):
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for server in (self._api, self._archives):
            server.shutdown()
            server.server_close()

    def now(self) -> float:
        """The server's time, in seconds since 1970."""
        return self.clock.epoch + self.clock.now() + 3600 * self._hours_off

    # Limits.

    def take(self, token: str, resource: str, sent_at: float | None) -> tuple[Window, bool]:
        """Count a request; return the window and whether it is within the limit."""
        with self._lock:
            now = self.now()
            limit, seconds = self.limits.of(resource)
            window = self._windows.get((token, resource))
            if window is None or now >= window.reset:
                if window is not None:
                    self.tally.windows.append((token, resource, window))
                window = self._windows[token, resource] = Window(limit, now, float(int(now + seconds)))
            self._check_block(token, sent_at)
            within = window.used < window.limit
            if within:
                window.used += 1
            else:
                self.tally.forbidden.append(f"{resource}: none left for {window.reset - now:.0f} s")
            return window, within

    def _check_block(self, token: str, sent_at: float | None) -> None:
        written, until = self._blocks.get(token, (0.0, 0.0))
        if sent_at is not None and written + self._slack < sent_at and self.now() < until:
            self.tally.forbidden.append(f"blocked for {until - self.now():.0f} s more")

    @contextmanager
    def blocking(self, token: str, seconds: float) -> Iterator[None]:
        """Forbid a token to ask again for so long from now on; within, the answer is written that says so."""
        until = self.now() + seconds
        yield
        with self._lock:
            self._blocks[token] = (time.monotonic(), until)

    def fault(self, request: str, possible: tuple[str, ...]) -> str | None:
        """Return the fault that a request has this time."""
        with self._lock:
            self._attempts[request] += 1
            fault = self.faults.of(request, self._attempts[request], possible)
            if fault:
                self.tally.faults[fault] += 1
            return fault

    def count(self, kind: str) -> None:
        """Count a request."""
        with self._lock:
            self.tally.requests[kind] += 1

    def problem(self, problems: Iterable[str]) -> None:
        """Note what does not fit the published descriptions."""
        with self._lock:
            self.tally.problems += problems

    def forget(self) -> None:
        """Forget how often each request was sent, what was used, and who is blocked."""
        with self._lock:
            self._attempts.clear()
            self._windows.clear()
            self._blocks.clear()

    # What there is.

    def find(self, name: str) -> Repository | None:
        """Return a repository by a name that it has or had."""
        return self._by_name.get(name.lower())

    def by_id(self, number: int) -> Repository | None:
        """Return a repository by its number."""
        return self._by_id.get(number)

    def content(self, commit: Commit) -> bytes:
        """Return a commit's archive; the last few are remembered."""
        with self._lock:
            found = self._contents.get(commit.sha)
        if found is None:
            found = commit.archive()
            with self._lock:
                self._contents[commit.sha] = found
                while len(self._contents) > 4000:
                    del self._contents[next(iter(self._contents))]
        return found

    def commit(self, sha: str) -> Commit | None:
        """Return a commit."""
        return self._by_sha.get(sha)

    def search(self, query: str) -> list[Repository]:
        """Return what a search finds, most stars first."""
        tests = [_test(word) for word in shlex.split(query)]
        if not any(word.startswith("fork:") for word in query.split()):
            tests.append(lambda one: one.fork_of is None)
        found = [one for one in self.repositories if all(test(one) for test in tests)]
        return sorted(found, key=lambda one: (-one.stars, one.id))


def _test(word: str) -> Callable[[Repository], bool]:
    """One qualifier of a search as a test."""
    name, _, value = word.partition(":")
    match name:
        case "language":
            return lambda one: one.language.lower() == value.lower()
        case "user" | "org":
            return lambda one: one.owner.lower() == value.lower()
        case "fork":
            return lambda one: value == "true" or one.fork_of is not None
        case "archived":
            return lambda one: one.archived == (value == "true")
        case "is":
            return lambda one: one.private == (value == "private")
        case "created" | "pushed" | "stars" | "size":
            low, high = _range(value)
            return lambda one: low <= one.values[name] <= high
        case _:
            raise ValueError(word)


def _range(value: str) -> tuple[float, float]:
    def number(text: str) -> float:
        return datetime.fromisoformat(text).timestamp() if "-" in text else float(text)

    if ".." in value:
        low, high = value.split("..")
        return number(low), number(high)
    operator, text = re.fullmatch(r"([<>]=?)?(.*)", value).groups()  # type: ignore[union-attr]
    at = number(text)
    step = 1e-6
    return {
        ">=": (at, float("inf")),
        ">": (at + step, float("inf")),
        "<=": (float("-inf"), at),
        "<": (float("-inf"), at - step),
        None: (at, at),
    }[operator]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], handler: type[_Handler], stand_in: StandIn) -> None:
        super().__init__(address, handler)
        self.stand_in = stand_in

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that went away: some tests kill them."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    server: _Server

    @property
    def stand_in(self) -> StandIn:
        return self.server.stand_in

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def date_time_string(self, timestamp: float | None = None) -> str:
        return formatdate(self.stand_in.now() if timestamp is None else timestamp, usegmt=True)

    def answer(self, status: int, body: bytes = b"", headers: Mapping[str, object] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": len(body), **(headers or {})}.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def reset(self) -> None:
        """Cut the connection with a TCP reset."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.shutdown(socket.SHUT_RDWR)


class _Api(_Handler):
    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        resource = "search" if path.startswith("/search/") else "core"
        kind = "search" if resource == "search" else path.split("/")[4] if path.count("/") > 3 else "repository"
        if path.startswith("/repositories/"):
            kind = path.split("/")[3] if path.count("/") > 2 else "repository"
        if self.stand_in.checked:
            self.stand_in.problem(request_problems(self.path))
        if self.begin(kind, resource, self.path):
            self.rest(path, {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path != "/graphql":
            return self.json(404, {"message": "Not Found"})
        if self.begin("graphql", "graphql", hashlib.sha256(body).hexdigest()):
            self.graphql(json.loads(body))
        return None

    def begin(self, kind: str, resource: str, request: str) -> bool:
        """Check the token and the limits, and play the request's fault; return whether it is to be answered."""
        stand_in = self.stand_in
        stand_in.count(kind)
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if token and token not in stand_in.tokens:
            self.json(401, {"message": "Bad credentials"})
            return False
        sent_at = self.headers.get(SENT_AT)
        window, within = stand_in.take(token, resource, float(sent_at) if sent_at else None)
        self.limit_headers = {
            "X-RateLimit-Limit": window.limit,
            "X-RateLimit-Remaining": window.limit - window.used,
            "X-RateLimit-Reset": int(window.reset),
            "X-RateLimit-Used": window.used,
            "X-RateLimit-Resource": resource,
        }
        if not within:
            self.json(403, {"message": "API rate limit exceeded"})
            return False
        if kind == "graphql" and not token:
            self.json(403, {"message": "API rate limit exceeded"})
            return False
        fault = stand_in.fault(request, API_FAULTS)
        if fault:
            self.fail(fault, token)
        return not fault

    def fail(self, fault: str, token: str) -> None:
        if fault == "reset":
            self.reset()
            return
        status = int(fault[:3])
        if status >= 500:
            self.answer(status, b"<html>Unicorn!</html>", {"Content-Type": "text/html"})
            return
        headers = {}
        if fault.endswith("retry-after"):
            headers["Retry-After"] = self.stand_in.limits.retry_after
        with self.stand_in.blocking(token, headers.get("Retry-After", 60)):
            self.json(status, {"message": "You have exceeded a secondary rate limit."}, headers)

    def json(self, status: int, body: Any, headers: Mapping[str, object] | None = None) -> None:
        encoded = json.dumps(body).encode()
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            **getattr(self, "limit_headers", {}),
            **(headers or {}),
        }
        self.answer(status, encoded, headers)

    def described(self, status: int, body: Any, headers: Mapping[str, object] | None = None) -> None:
        """Answer JSON that fits the published description, with its ETag."""
        path = urlsplit(self.path).path
        if self.stand_in.checked:
            self.stand_in.problem(published.answer_problems(path, status, body))
        if status != 200:
            return self.json(status, body, headers)
        etag = f'"{hashlib.sha256(json.dumps(body).encode()).hexdigest()}"'
        if self.headers.get("If-None-Match") == etag:
            self.stand_in.count("304")
            # An answer that has not changed costs an authenticated client nothing; GitHub counts it back.
            return self.answer(304, b"", {"ETag": etag, **self.limit_headers})
        return self.json(200, body, {"ETag": etag, **(headers or {})})

    def rest(self, path: str, given: Mapping[str, str]) -> None:
        if path == "/search/repositories":
            return self.search(given)
        found = re.fullmatch(r"/repos/([^/]+/[^/]+)(/.*)?", path)
        by_id = re.fullmatch(r"/repositories/(\d+)(/.*)?", path)
        if found:
            repository, rest = self.stand_in.find(unquote(found[1])), found[2] or ""
            if repository and repository.was and unquote(found[1]).lower() == repository.was.lower():
                query = urlsplit(self.path).query
                at = f"{self.stand_in.api_url}/repositories/{repository.id}{rest}{f'?{query}' if query else ''}"
                body = {"message": "Moved Permanently", "url": at, "documentation_url": "https://docs.github.com"}
                return self.json(301, body, {"Location": at})
        elif by_id:
            repository, rest = self.stand_in.by_id(int(by_id[1])), by_id[2] or ""
        else:
            return self.json(404, {"message": "Not Found"})
        if repository is None:
            return self.described(404, {"message": "Not Found"})
        return self.repository(repository, rest, given)

    def repository(self, repository: Repository, rest: str, given: Mapping[str, str]) -> None:
        if self.stand_in.refusal:
            return self.json(*self.stand_in.refusal)
        if repository.status != 200:
            return self.json(repository.status, {"message": "unavailable"})
        if not rest:
            return self.described(200, full_repository(repository))
        if rest == "/commits":
            if not repository.commits:
                return self.described(409, {"message": "Git Repository is empty."})
            commit = repository.last(datetime.fromisoformat(given["until"]))
            return self.described(200, [described_commit(commit)] if commit else [])
        tarball = re.fullmatch(r"/tarball/([0-9a-f]{40})", rest)
        if tarball and tarball[1] in {commit.sha for commit in repository.commits}:
            at = f"{self.stand_in.archives_url}/{repository.name}/legacy.tar.gz/{tarball[1]}"
            return self.answer(302, b"", {"Location": at, **self.limit_headers})
        return self.json(404, {"message": "Not Found"})

    def search(self, given: Mapping[str, str]) -> None:
        try:
            found = self.stand_in.search(given["q"])
        except ValueError:
            return self.described(422, {"message": "Validation Failed"})
        size, page = int(given.get("per_page", 30)), int(given.get("page", 1))
        if page * size > SHOWN:
            return self.json(422, {"message": "Only the first 1000 search results are available"})
        incomplete = self.stand_in.incomplete[given["q"]] > 0
        self.stand_in.incomplete[given["q"]] -= incomplete
        shown = found[: SHOWN // (2 if incomplete else 1)][(page - 1) * size : page * size]
        items = [found_repository(one) for one in shown]
        return self.described(200, {"total_count": len(found), "incomplete_results": incomplete, "items": items})

    def graphql(self, request: Mapping[str, Any]) -> None:
        if self.stand_in.refusal is not None:
            return self.json(*self.stand_in.refusal)
        if self.stand_in.graphql_refusal is not None:
            return self.json(200, self.stand_in.graphql_refusal)
        if request["variables"].get("first", 0) > self.stand_in.page_limit:
            return self.json(502, {"message": "We couldn't respond to your request in time."})
        document = _parsed(request["query"])
        self.stand_in.problem(error.message for error in _validated(request["query"]))
        with _RESOLVING:
            result = graphql_sync(
                _schema(), request["query"], context_value=self.stand_in, variable_values=request["variables"]
            )
        del document
        answer: dict[str, Any] = {"data": result.data}
        if result.errors:
            answer["errors"] = [{"message": e.message, "path": e.path, **(e.extensions or {})} for e in result.errors]
        return self.json(200, answer)


_RESOLVING = threading.Lock()


@cache
def _parsed(query: str) -> Any:
    return parse(query)


@cache
def _validated(query: str) -> list[Any]:
    return validate(_schema(), _parsed(query))


@cache
def _schema() -> Any:
    schema = published.schema()
    assert schema.query_type is not None
    schema.query_type.fields["search"].resolve = _resolve_search
    schema.query_type.fields["repository"].resolve = _resolve_repository
    return schema


class NotFoundError(Exception):
    """A node that is not there."""

    extensions = {"type": "NOT_FOUND"}


def _resolve_search(_: object, info: GraphQLResolveInfo, **given: Any) -> dict[str, Any]:
    stand_in: StandIn = info.context
    found = stand_in.search(given["query"])
    at = int(given.get("after") or 0)
    end = min(at + given["first"], SHOWN, len(found))
    nodes: list[Any] = [node(one) for one in found[at:end]]
    if stand_in.twice and at and nodes:
        nodes.append(node(found[0]))
    return {
        "repositoryCount": len(found),
        "pageInfo": {"hasNextPage": end < min(len(found), SHOWN), "endCursor": str(end)},
        "nodes": nodes,
    }


def _resolve_repository(_: object, info: GraphQLResolveInfo, owner: str, name: str, **_more: Any) -> dict[str, Any]:
    repository = info.context.find(f"{owner}/{name}")
    if repository is None or repository.status == 404:
        raise NotFoundError(f"Could not resolve to a Repository with the name '{owner}/{name}'.")
    return node(repository, repository.name)


def node(one: Repository, name: str | None = None) -> dict[str, Any]:
    """A repository for GraphQL."""

    def history(_: object, first: int, until: str, **_more: Any) -> dict[str, Any]:
        commit = one.last(datetime.fromisoformat(until))
        nodes = [{"oid": commit.sha, "committedDate": _iso(commit.date)}] if commit else []
        return {"nodes": nodes, "totalCount": len(nodes)}

    return {
        "__typename": "Repository",
        "databaseId": one.id,
        "nameWithOwner": name or one.shown_name,
        "url": f"https://github.com/{name or one.shown_name}",
        "isArchived": one.archived,
        "isFork": one.fork_of is not None,
        "isMirror": one.mirror,
        "isPrivate": one.private,
        "stargazerCount": one.stars,
        "createdAt": _iso(one.created),
        "pushedAt": _iso(one.pushed),
        "parent": {"nameWithOwner": one.fork_of} if one.fork_of else None,
        "licenseInfo": {"spdxId": one.license} if one.license else None,
        "repositoryTopics": {"nodes": [{"topic": {"name": topic}} for topic in one.topics]},
        "defaultBranchRef": {"name": "main", "target": {"__typename": "Commit", "history": history}}
        if one.commits
        else None,
    }


def _iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


@cache
def _schema_of(path: str) -> dict[str, Any]:
    found: dict[str, Any] = published.openapi()["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]
    return published.look_up(found["schema"])


@cache
def found_repository(one: Repository) -> dict[str, Any]:
    """A repository as REST's search shows it."""
    kind = published.look_up(_schema_of("/search/repositories")["properties"]["items"]["items"])
    return _rest(one, kind, one.shown_name)


@cache
def full_repository(one: Repository) -> dict[str, Any]:
    """A repository as REST shows it alone."""
    known = _rest(one, _schema_of("/repos/{owner}/{repo}"), one.name)
    if one.fork_of:
        kind = published.look_up({"$ref": "#/components/schemas/repository"})
        known["parent"] = published.filled(kind, {"full_name": one.fork_of})
    return known


def _rest(one: Repository, kind: dict[str, Any], name: str) -> dict[str, Any]:
    license_ = None
    if one.license:
        license_ = published.filled(
            {"$ref": "#/components/schemas/nullable-license-simple"}, {"spdx_id": one.license}
        ) or {"key": one.license.lower(), "name": one.license, "spdx_id": one.license, "url": None, "node_id": "x"}
    known = {
        "id": one.id,
        "name": name.split("/")[1],
        "full_name": name,
        "html_url": f"https://github.com/{name}",
        "private": one.private,
        "owner": published.filled({"$ref": "#/components/schemas/simple-user"}, {"login": one.owner}),
        "fork": one.fork_of is not None,
        "mirror_url": "https://example.org/x.git" if one.mirror else None,
        "archived": one.archived,
        "stargazers_count": one.stars,
        "size": one.size,
        "created_at": _iso(one.created),
        "pushed_at": _iso(one.pushed),
        "default_branch": "main",
        "topics": list(one.topics),
        "license": license_,
    }
    filled: dict[str, Any] = published.filled(kind, known)
    return filled


def described_commit(commit: Commit) -> dict[str, Any]:
    """A commit as REST shows it."""
    person = {"name": "A", "email": "a@example.org", "date": _iso(commit.date)}
    kind = published.look_up({"$ref": "#/components/schemas/commit"})
    inner = published.filled(kind["properties"]["commit"], {"author": person, "committer": person, "message": "m"})
    filled: dict[str, Any] = published.filled(kind, {"sha": commit.sha, "commit": inner, "parents": []})
    return filled


class _Archives(_Handler):
    def do_GET(self) -> None:
        stand_in = self.stand_in
        stand_in.count("archive")
        if self.headers.get("Authorization"):
            stand_in.problem(["the token was sent to the host of archives"])
        sha = self.path.rpartition("/")[2]
        commit = stand_in.commit(sha)
        if commit is None:
            return self.answer(404)
        fault = stand_in.fault(f"archive {sha}", ARCHIVE_FAULTS)
        if fault == "reset":
            return self.reset()
        if fault and fault[0].isdigit():
            headers = {"Retry-After": stand_in.limits.retry_after} if fault.endswith("retry-after") else {}
            return self.answer(int(fault[:3]), b"", headers)
        content = stand_in.content(commit)
        if fault == "truncated":
            return self.chunked(content[: len(content) * 2 // 3])
        if fault == "corrupt":
            at = 10 + (len(content) - 18) // 2
            content = content[:at] + bytes([content[at] ^ 0x55]) + content[at + 1 :]
        if fault == "slow":
            return self.slowly(content)
        with stand_in._lock:
            stand_in.tally.archives[sha] += not fault
        return self.chunked(content)

    def chunked(self, content: bytes) -> None:
        """Answer in chunks, as codeload does: nobody knows the length beforehand."""
        self.send_response(200)
        self.send_header("Content-Type", "application/x-gzip")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for at in range(0, len(content), 2**16):
            piece = content[at : at + 2**16]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()

    def slowly(self, content: bytes) -> None:
        """Answer piece by piece with pauses, whole in the end."""
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        for at in range(0, len(content), len(content) // 5 + 1):
            self.wfile.write(content[at : at + len(content) // 5 + 1])
            self.wfile.flush()
            time.sleep(0.02)
        with self.stand_in._lock:
            self.stand_in.tally.archives[self.path.rpartition("/")[2]] += 1


request_problems = published.request_problems
