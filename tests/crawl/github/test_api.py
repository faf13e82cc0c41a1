from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Mapping

import pytest

from algstack.crawl.github.api import Endpoints, GitHub, Limited, Refused, TooSlow
from algstack.crawl.github.search import SEARCH
from algstack.crawl.http import TRIES, Clock, Fault
from algstack.errors import SourceError
from tests.crawl.github.conftest import connection
from tests.crawl.github.stand_in import Faults, Limits, StandIn, simple

FILES = {"a.lean": b"theorem"}
SECRET = "ghp_0123456789secret"


class Memory(dict[str, tuple[str, bytes]]):
    """Answers by address."""

    recall = dict.get

    def remember(self, url: str, etag: str, body: bytes) -> None:
        self[url] = (etag, body)


def api(
    stand_in: StandIn, tokens: tuple[str, ...] = ("token",), speed: float = 500.0, memory: Memory | None = None
) -> GitHub:
    at = connection(stand_in, tokens, speed)
    return GitHub(at.endpoints, at.session, at.clock, memory)


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    repositories = [
        simple(1, "o/r", FILES),
        simple(2, "o/new-name", FILES, was="o/old-name"),
        simple(3, "o/gone", FILES, status=404),
        simple(4, "o/blocked", FILES, status=451),
    ]
    with StandIn(repositories, tokens=("token", SECRET), clock=Clock(500)) as running:
        yield running
        assert not running.tally.problems
        assert not running.tally.forbidden


@pytest.mark.parametrize(
    ("environment", "rest", "graphql", "tokens"),
    [
        ({}, "https://api.github.com", "https://api.github.com/graphql", ()),
        ({"GH_TOKEN": "a"}, "https://api.github.com", "https://api.github.com/graphql", ("a",)),
        (
            {"GITHUB_TOKEN": " a, b,,a ", "GH_TOKEN": "c"},
            "https://api.github.com",
            "https://api.github.com/graphql",
            ("a", "b"),
        ),
        ({"GITHUB_API_URL": "https://git.test/api/v3/"}, "https://git.test/api/v3", "https://git.test/api/graphql", ()),
        ({"GITHUB_API_URL": "http://h/x", "GITHUB_GRAPHQL_URL": "http://g/q"}, "http://h/x", "http://g/q", ()),
    ],
    ids=["nothing", "one token", "several", "enterprise", "both addresses"],
)
def test_environment(environment: Mapping[str, str], rest: str, graphql: str, tokens: tuple[str, ...]) -> None:
    found = Endpoints.from_environment(environment)
    assert (found.rest, found.graphql, found.tokens) == (rest, graphql, tokens)


def test_get(stand_in: StandIn) -> None:
    assert api(stand_in).get("/repos/o/r", {})["id"] == 1


def test_a_rename_is_followed(stand_in: StandIn) -> None:
    assert api(stand_in).get("/repos/o/old-name", {})["full_name"] == "o/new-name"


@pytest.mark.parametrize(("name", "status"), [("o/gone", 404), ("o/blocked", 451), ("o/never", 404)])
def test_a_definite_no_is_not_asked_twice(stand_in: StandIn, name: str, status: int) -> None:
    with pytest.raises(Refused) as refused:
        api(stand_in).get(f"/repos/{name}", {})
    assert refused.value.status == status
    assert stand_in.tally.requests.total() == 1


@pytest.mark.parametrize("fault", ["403", "403-retry-after", "429", "429-retry-after", "500", "502", "503", "reset"])
def test_every_fault_passes(stand_in: StandIn, fault: str) -> None:
    # The first two tries of this request fail.
    stand_in.faults = OnlyFirst(2, fault)
    assert api(stand_in).get("/repos/o/r", {})["id"] == 1
    assert stand_in.tally.requests.total() == 3


class OnlyFirst(Faults):
    """A fault in the first tries of each request, and in no other."""

    def __init__(self, tries: int, kind: str) -> None:
        super().__init__()
        object.__setattr__(self, "_plan", (tries, kind))

    def of(self, request: str, attempt: int, possible: tuple[str, ...]) -> str | None:
        tries, kind = self._plan  # type: ignore[attr-defined]
        return kind if attempt <= tries and kind in possible else None


@pytest.mark.parametrize("fault", ["403", "502", "reset"])
def test_tries_have_a_cap(stand_in: StandIn, fault: str) -> None:
    stand_in.faults = OnlyFirst(99, fault)
    with pytest.raises(Fault):
        api(stand_in).get("/repos/o/r", {})
    assert stand_in.tally.requests.total() == 5


def test_what_has_not_changed_is_not_sent_again(stand_in: StandIn) -> None:
    memory = Memory()
    answers = [api(stand_in, memory=memory).get("/repos/o/r", {}) for _ in range(2)]
    assert answers[0] == answers[1]
    assert stand_in.tally.requests["304"] == 1


def test_an_archive(stand_in: StandIn) -> None:
    commit = stand_in.repositories[0].commits[0]
    with api(stand_in).archive("o/r", commit.sha) as stream:
        assert b"".join(iter(lambda: stream.read(10), b"")) == commit.archive()
    assert stand_in.tally.requests == {"tarball": 1, "archive": 1}


def test_an_archive_of_a_renamed_repository(stand_in: StandIn) -> None:
    commit = stand_in.repositories[1].commits[0]
    with api(stand_in).archive("o/old-name", commit.sha) as stream:
        assert stream.read(2) == b"\x1f\x8b"


def test_a_token_that_is_wrong_is_said_at_once(stand_in: StandIn) -> None:
    for call in (lambda at: at.get("/repos/o/r", {}), lambda at: at.graphql(SEARCH, {})):
        with pytest.raises(SourceError, match=r"does not accept the token \(401\)"):
            call(api(stand_in, ("wrong",)))
    assert stand_in.tally.requests.total() == 2


@pytest.mark.parametrize(
    ("refusal", "error", "match"),
    [
        (
            {"errors": [{"type": "INSUFFICIENT_SCOPES", "message": "Your token has not been granted"}]},
            SourceError,
            "token",
        ),
        ({"errors": [{"message": "Field 'x' doesn't exist"}]}, SourceError, "does not take algstack's query"),
        ({"data": None, "errors": [{"message": "Something went wrong while executing your query."}]}, TooSlow, ""),
        ({"data": None, "errors": [{"type": "RESOURCE_LIMITS_EXCEEDED", "message": "Too much"}]}, TooSlow, ""),
    ],
    ids=["no scope", "bad query", "timeout", "limits"],
)
def test_graphql_that_refuses(
    stand_in: StandIn, refusal: dict[str, object], error: type[Exception], match: str
) -> None:
    stand_in.graphql_refusal = refusal
    with pytest.raises(error, match=match or None):
        api(stand_in).graphql(SEARCH, {})
    assert stand_in.tally.requests["graphql"] == 1


def test_a_403_that_is_no_limit_is_a_refusal() -> None:
    """Facts 2.6: every error was taken for a rate limit, and cost an hour."""
    message = {"message": "Resource not accessible by personal access token"}
    with StandIn([simple(1, "o/r", FILES)]) as stand_in:
        stand_in.refusal = (403, message)
        with pytest.raises(Refused, match="Resource not accessible"):
            api(stand_in).get("/repos/o/r", {})
        assert stand_in.tally.requests.total() == 1


@pytest.mark.parametrize(
    ("status", "error", "match"),
    [
        (403, SourceError, "refuses the token: HTTP 403: Said by"),
        (502, TooSlow, "timed out"),
        (504, TooSlow, "timed out"),
    ],
)
def test_graphql_that_answers_with_an_error_status(status: int, error: type[Exception], match: str) -> None:
    """A gateway's 502 and 504 are what a query that takes too long ends in; their pages need not say so."""
    with StandIn([simple(1, "o/r", FILES)]) as stand_in:
        stand_in.refusal = (status, {"message": "Said by someone: not accessible."})
        with pytest.raises(error, match=match):
            api(stand_in).graphql(SEARCH, {})
        assert stand_in.tally.requests.total() == 1


@pytest.mark.parametrize("kind", ["RATE_LIMIT", "RATE_LIMITED"])
def test_graphql_says_that_a_limit_was_passed_with_status_200(stand_in: StandIn, kind: str) -> None:
    stand_in.graphql_refusal = {"errors": [{"type": kind, "message": "API rate limit exceeded"}]}
    with pytest.raises(Limited):
        api(stand_in, speed=5000.0).graphql(SEARCH, {})
    assert stand_in.tally.requests["graphql"] == TRIES


def test_the_primary_limit_is_waited_for_by_the_servers_clock() -> None:
    with StandIn([simple(1, "o/r", FILES)], limits=Limits(core=(3, 60)), clock=Clock(500), hours_off=1.0) as stand_in:
        at = api(stand_in)
        for _ in range(8):
            at.get("/repos/o/r", {})
        assert not stand_in.tally.forbidden
        assert len(stand_in.tally.windows) == 2


@pytest.mark.parametrize(
    "call",
    [
        lambda at: at.get("/repos/o/gone", {}),
        lambda at: at.get("/repos/o/r", {}),
        lambda at: at.graphql(SEARCH, {}),
        lambda at: at.archive("o/r", "0" * 40).__enter__(),
    ],
    ids=["refused", "fault", "graphql", "archive"],
)
def test_a_token_never_stands_in_an_error(stand_in: StandIn, call: Callable[[GitHub], object]) -> None:
    stand_in.faults = OnlyFirst(99, "reset")
    at = api(stand_in, (SECRET,), speed=5000.0)
    try:
        call(at)
    except Exception:
        assert SECRET not in traceback.format_exc()
    assert SECRET not in repr(at._endpoints)
    assert SECRET not in repr(at.limiter.budgets())


def test_the_token_is_sent_to_nobody_else(stand_in: StandIn) -> None:
    """Archives are on another host; the stand-in notes a problem if it sees a token there."""
    commit = stand_in.repositories[0].commits[0]
    with api(stand_in, (SECRET,)).archive("o/r", commit.sha) as stream:
        stream.read(1)
    assert stand_in.tally.requests["archive"] == 1
