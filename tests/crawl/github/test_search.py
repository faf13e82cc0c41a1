from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from algstack.crawl.github import search
from algstack.crawl.github.api import GitHub, Refused
from algstack.crawl.github.search import Range, Search
from algstack.crawl.http import Clock
from algstack.crawl.ledger import Entry, Found, Ledger
from algstack.errors import SourceError
from tests.crawl.github.conftest import connection
from tests.crawl.github.stand_in import Faults, Limits, Repository, StandIn, simple

CUTOFF = datetime(2022, 1, 1, tzinfo=UTC)
MANY = Limits(core=(10**6, 3600), search=(10**6, 60), graphql=(10**6, 3600))
TOKENS = pytest.mark.parametrize("tokens", [("token",), ()], ids=["GraphQL", "REST"])


class Everything:
    """A policy that leaves nothing out."""

    def apply(self, found: Found) -> Found:
        return found


def api(stand_in: StandIn, tokens: tuple[str, ...] = ("token",)) -> tuple[GitHub, Clock]:
    at = connection(stand_in, tokens, 1000.0)
    return GitHub(at.endpoints, at.session, at.clock), at.clock


def discover(stand_in: StandIn, folder: Path, tokens: tuple[str, ...], query: str = "language:Lean") -> list[Entry]:
    github, clock = api(stand_in, tokens)
    with Ledger(folder) as ledger:
        ledger.begin("wanted", search.searches([query], CUTOFF))
        search.discover(github, ledger, CUTOFF, Everything(), clock)
        ledger.end_discovery()
        return ledger.entries()


def many(count: int, created: Callable[[int], datetime], **known: object) -> list[Repository]:
    return [simple(number, f"o{number % 9}/r{number}", {}, created=created(number), **known) for number in range(count)]


def spread(number: int) -> datetime:
    chance = random.Random(number)
    return datetime(2010, 1, 1, tzinfo=UTC) + timedelta(seconds=chance.randrange(3 * 10**8))


def same_second(number: int) -> datetime:
    return datetime(2020, 2, 2, 2, 2, 2, tzinfo=UTC)


@TOKENS
@pytest.mark.parametrize("created", [spread, same_second])
def test_all_repositories_are_found_once(
    tmp_path: Path, tokens: tuple[str, ...], created: Callable[[int], datetime]
) -> None:
    """Facts 2.5: the cap of 1,000 cut a week silently, and neighbouring weeks shared a day."""
    repositories = many(1501, created)
    sized = [simple(one.id, one.name, {}, created=one.created, size=one.id % 90 + 1) for one in repositories]
    with StandIn(sized, limits=MANY, clock=Clock(1000)) as stand_in:
        stand_in.twice = True
        found = discover(stand_in, tmp_path, tokens)
        assert sorted(int(entry.key) for entry in found) == list(range(1501))
        assert not stand_in.tally.problems
        if created is spread:  # a single second is 28 splits away from all time
            assert stand_in.tally.api_requests <= 0.05 * 1501


def test_what_cannot_be_split_is_an_error_and_not_a_loss(tmp_path: Path) -> None:
    stand_in = StandIn(many(1001, same_second), limits=MANY, clock=Clock(1000))
    with stand_in, pytest.raises(SourceError, match="cannot be split further"):
        discover(stand_in, tmp_path, ("token",))


def test_a_search_that_ends_early_is_read_again(tmp_path: Path) -> None:
    """Facts 2.5: `incomplete_results` was ignored."""
    with StandIn(many(700, spread), limits=MANY, clock=Clock(1000)) as stand_in:
        github, clock = api(stand_in, ())
        with Ledger(tmp_path) as ledger:
            ledger.begin("wanted", search.searches(["language:Lean"], CUTOFF))
            stand_in.incomplete[str(Search.loads(ledger.open_search() or ""))] = 3
            search.discover(github, ledger, CUTOFF, Everything(), clock)
            assert len(ledger.entries()) == 700


def test_pages_get_smaller_when_graphql_times_out(tmp_path: Path) -> None:
    with StandIn(many(120, spread), limits=MANY, clock=Clock(1000)) as stand_in:
        stand_in.page_limit = 30
        assert len(discover(stand_in, tmp_path, ("token",))) == 120
        stand_in.page_limit = 5
        with pytest.raises(Exception, match="times out on 10 repositories"):
            discover(stand_in, tmp_path / "again", ("token",))


def test_one_page_that_times_out_costs_none_of_the_others(tmp_path: Path) -> None:
    faults = Faults(0.3, kinds=("502",))
    with StandIn(many(900, spread), limits=MANY, clock=Clock(1000), faults=faults) as stand_in:
        assert len(discover(stand_in, tmp_path, ("token",))) == 900


def test_a_search_that_github_does_not_take(tmp_path: Path) -> None:
    with StandIn([], limits=MANY) as stand_in, pytest.raises(SourceError, match=r"does not take the search .*422"):
        discover(stand_in, tmp_path, (), "nonsense:x")


def test_a_search_that_is_too_long(tmp_path: Path) -> None:
    with StandIn([]) as stand_in, pytest.raises(SourceError, match="longer than GitHub's 256"):
        discover(stand_in, tmp_path, ("token",), "language:Lean " + "topic:x " * 40)


DATES = [datetime(2021, 1, 1, tzinfo=UTC), CUTOFF - timedelta(seconds=1), CUTOFF, CUTOFF + timedelta(days=9)]


@TOKENS
@pytest.mark.parametrize(
    ("dates", "expected"),
    [(DATES, DATES[1]), (DATES[:1], DATES[0]), (DATES[2:], None), ([], None)],
    ids=["the last before", "one", "none before", "empty"],
)
def test_the_pin_is_the_last_commit_before_the_cutoff(
    tmp_path: Path, tokens: tuple[str, ...], dates: list[datetime], expected: datetime | None
) -> None:
    """Facts 2.7: without a commit before the cutoff, the branch was taken as it was."""
    one = simple(1, "o/r", {})
    commits = tuple(simple(number, "o/r", {}, date=date).commits[0] for number, date in enumerate(dates))
    repository = Repository(1, "o/r", "Lean", one.created, commits)
    with StandIn([repository], limits=MANY) as stand_in:
        (found,) = discover(stand_in, tmp_path, tokens)
        if tokens:
            assert found.revised_at == expected
            assert found.state == ("pinned" if expected else "no commit" if dates else "empty")
        elif dates:
            revision = search.pin(api(stand_in, tokens)[0], "o/r", CUTOFF)
            assert (revision.date if revision else None) == expected
        else:
            with pytest.raises(Refused) as refused:
                search.pin(api(stand_in, tokens)[0], "o/r", CUTOFF)
            assert search.ending(refused.value)[0] == "empty"
        assert not stand_in.tally.problems


@TOKENS
def test_repositories_that_are_named(tokens: tuple[str, ...]) -> None:
    repositories = [
        simple(1, "o/r", {}, license="MIT", stars=5, topics=("x",)),
        simple(2, "o/new", {}, was="o/old"),
        simple(3, "o/fork", {}, fork_of="x/y"),
        simple(4, "o/gone", {}, status=404),
    ]
    with StandIn(repositories, limits=MANY) as stand_in:
        names = ["O/R", "o/old", "o/fork", "o/gone", "o/never"]
        found = search.look_up(api(stand_in, tokens)[0], names, CUTOFF)
        assert [(one.name, one.state) for one in found] == [
            ("o/r", "pinned" if tokens else "found"),
            ("o/new", "pinned" if tokens else "found"),
            ("o/fork", "pinned" if tokens else "found"),
            ("o/gone", "gone"),
            ("o/never", "gone"),
        ]
        assert (found[0].license, found[0].stars, found[0].facts["topics"]) == ("MIT", 5, ["x"])
        assert found[2].facts["fork of"] == "x/y"
        assert not stand_in.tally.problems


def test_two_hundred_named_repositories_are_a_few_requests() -> None:
    with StandIn(many(200, spread), limits=MANY) as stand_in:
        assert len(search.look_up(api(stand_in)[0], [one.name for one in stand_in.repositories], CUTOFF)) == 200
        assert stand_in.tally.api_requests == 4


@pytest.mark.parametrize("license_", [None, "NOASSERTION", "MIT"])
def test_a_licence_that_github_does_not_know_is_none(license_: str | None) -> None:
    with StandIn([simple(1, "o/r", {}, license=license_)]) as stand_in:
        found = search.look_up(api(stand_in)[0], ["o/r"], CUTOFF)[0]
        assert found.license == (license_ if license_ == "MIT" else None)


RANGES = st.tuples(
    st.sampled_from(["created", "size", "stars", "pushed"]), st.integers(0, 2**31), st.integers(1, 2**31)
)


@given(RANGES)
def test_halves_are_half_open_and_make_up_the_whole(values: tuple[str, int, int]) -> None:
    field, low, length = values
    whole = Range(field, low, low + length)
    halves = whole.halves()
    if length == 1:
        assert halves is None
    else:
        assert halves is not None
        first, second = halves
        assert (first.low, second.high) == (whole.low, whole.high)
        assert whole.low < first.high == second.low < whole.high


def test_a_search_as_github_reads_it() -> None:
    created = Range("created", int(datetime(2020, 1, 1, tzinfo=UTC).timestamp()), int(CUTOFF.timestamp()))
    found = Search('language:"Lean 4"', (created, Range("size", 0, 10)))
    assert str(found) == 'language:"Lean 4" created:2020-01-01T00:00:00Z..2021-12-31T23:59:59Z size:0..9'
    assert Search.loads(found.dumps()) == found


def test_until_is_the_last_second_before_the_cutoff() -> None:
    assert search.until(CUTOFF) == "2021-12-31T23:59:59Z"


def test_a_thousand_of_one_second_are_told_from_the_others_in_two_splits() -> None:
    sample = [Found(str(n), "o/r", 0, None, {"created": "1970-01-01T00:01:40Z"}) for n in range(50)]
    before, rest = Range("created", 0, 10_000).halves(sample) or ()
    assert (before, rest) == (Range("created", 0, 100), Range("created", 100, 10_000))
    assert rest.halves(sample) == (Range("created", 100, 101), Range("created", 101, 10_000))
