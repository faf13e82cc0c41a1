from __future__ import annotations

import heapq
import math
import random
from dataclasses import dataclass, field
from email.utils import formatdate

import pytest

from algstack.crawl.github.limiter import Limiter, Permit
from algstack.crawl.http import Clock

START = 1_700_000_000.0


class Frozen(Clock):
    """A clock that stands still unless it is set."""

    def __init__(self) -> None:
        super().__init__()
        self.at = 1000.0
        self.epoch = START - self.at

    def now(self) -> float:
        return self.at


@dataclass
class Server:
    """What GitHub does with one token and one resource, in time that is simulated. Counts what it had forbidden."""

    limit: int
    window: float
    off: float = 0.0
    reset: float = -math.inf
    used: int = 0
    forbidden: int = 0
    served: int = 0
    used_in_windows: list[int] = field(default_factory=list)
    began: float | None = None

    def answer(self, now: float) -> dict[str, str]:
        now += START + self.off
        if now >= self.reset:
            if self.began is not None:
                self.used_in_windows.append(self.used)
            self.began = self.began or now
            self.reset, self.used = float(int(now + self.window)), 0
        if self.used >= self.limit:
            self.forbidden += 1
        else:
            self.used += 1
            self.served += 1
        return {
            "date": formatdate(now, usegmt=True),
            "x-ratelimit-limit": str(self.limit),
            "x-ratelimit-remaining": str(self.limit - self.used),
            "x-ratelimit-reset": str(int(self.reset)),
            "x-ratelimit-resource": "core",
        }


def simulate(server: Server, clients: int, seconds: float, seed: int = 0, lost: float = 0.0) -> None:
    """Let clients ask as fast as the limiter lets them; answers take 0.1 to 3 seconds, in any order."""
    clock, chance = Frozen(), random.Random(seed)
    limiter = Limiter(1, clock)
    begin = clock.at
    events: list[tuple[float, int, str, Permit | None, dict[str, str]]] = []
    for number in range(clients):
        heapq.heappush(events, (begin + number * 0.01, number, "ask", None, {}))
    number = clients
    while events and events[0][0] < begin + seconds:
        clock.at, _, what, permit, headers = heapq.heappop(events)
        number += 1
        if what == "ask":
            leave = limiter.reserve("core")
            if not isinstance(leave, Permit):
                again = leave if math.isfinite(leave) else 0.5
                heapq.heappush(events, (clock.at + again, number, "ask", None, {}))
                continue
            heapq.heappush(events, (clock.at + chance.uniform(0.05, 1.5), number, "arrive", leave, {}))
        elif what == "arrive":
            answer = server.answer(clock.at - begin)
            heapq.heappush(events, (clock.at + chance.uniform(0.05, 1.5), number, "answer", permit, answer))
        else:
            assert permit is not None
            if chance.random() < lost:
                limiter.lost(permit)
            else:
                limiter.answered(permit, headers, limited=False, succeeded=True)
            heapq.heappush(events, (clock.at, number, "ask", None, {}))


@pytest.mark.parametrize("off", [0.0, 3600.0, -3600.0], ids=["right clock", "an hour ahead", "an hour behind"])
@pytest.mark.parametrize("clients", [1, 8, 40])
@pytest.mark.parametrize(("limit", "window"), [(30, 60.0), (500, 3600.0)], ids=["search", "core"])
def test_never_more_than_allowed_and_hardly_less(limit: int, window: float, clients: int, off: float) -> None:
    server = Server(limit, window, off)
    simulate(server, clients, 12 * window)
    assert server.forbidden == 0
    most = 1 / 1.55  # a single client that waits for each answer, of 1.55 seconds in the mean
    expected = min(limit, most * window * clients)
    assert sum(server.used_in_windows[1:]) / (len(server.used_in_windows) - 1) >= 0.9 * expected
    if clients >= 8 and window > 60:
        # Less than 5 % of the allowed budget is lost, the time between windows included.
        assert server.served >= 0.95 * limit * (12 * window) / window


def test_answers_that_are_lost_are_counted_by_the_next() -> None:
    server = Server(100, 600.0)
    simulate(server, 8, 6000.0, lost=0.2)
    assert server.forbidden == 0
    assert server.served >= 0.95 * 100 * 10


def headers_of(remaining: int = 10, reset: float = START + 600, **more: str) -> dict[str, str]:
    return {
        "date": formatdate(START, usegmt=True),
        "x-ratelimit-limit": "60",
        "x-ratelimit-remaining": str(remaining),
        "x-ratelimit-reset": str(int(reset)),
        **more,
    }


def limiter_and_clock(tokens: int = 1) -> tuple[Limiter, Frozen]:
    clock = Frozen()
    return Limiter(tokens, clock), clock


def take(limiter: Limiter) -> Permit:
    permit = limiter.reserve("core")
    assert isinstance(permit, Permit)
    return permit


def wait_of(limiter: Limiter) -> float:
    wait = limiter.reserve("core")
    assert isinstance(wait, float)
    return wait


def test_one_request_asks_while_nothing_is_known() -> None:
    limiter, _ = limiter_and_clock()
    permit = take(limiter)
    assert wait_of(limiter) == math.inf
    limiter.answered(permit, headers_of(2), limited=False, succeeded=True)
    take(limiter)
    take(limiter)
    assert wait_of(limiter) == math.inf


def test_waits_for_the_reset_by_the_servers_clock() -> None:
    limiter, clock = limiter_and_clock()
    clock.epoch += 3600  # ours is an hour ahead
    limiter.answered(take(limiter), headers_of(0), limited=False, succeeded=True)
    assert wait_of(limiter) == pytest.approx(601, abs=1)


def test_a_reset_that_cannot_be_is_an_hour() -> None:
    """Recorded answers hold one in milliseconds."""
    limiter, _ = limiter_and_clock()
    limiter.answered(take(limiter), headers_of(0, START * 1000), limited=False, succeeded=True)
    assert wait_of(limiter) == pytest.approx(3601, abs=1)


def test_without_any_headers_there_is_no_limit() -> None:
    """GitHub Enterprise has none where its rate limits are off."""
    limiter, _ = limiter_and_clock()
    limiter.answered(take(limiter), {}, limited=False, succeeded=True)
    for _ in range(50):
        take(limiter)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"retry-after": "7"}, 8),
        ({"retry-after": formatdate(START + 30, usegmt=True), "date": formatdate(START, usegmt=True)}, 31),
        ({}, 60),
        ({"retry-after": "soon"}, 60),
        (headers_of(0), 601),
    ],
    ids=["seconds", "a date", "no word", "nonsense", "primary"],
)
def test_a_limit_that_was_passed(headers: dict[str, str], expected: float) -> None:
    limiter, _ = limiter_and_clock()
    limiter.answered(take(limiter), headers, limited=True, succeeded=True)
    assert wait_of(limiter) == pytest.approx(expected, abs=1)


def test_secondary_limits_double_until_an_answer_comes() -> None:
    limiter, clock = limiter_and_clock()
    waits = []
    for _ in range(8):
        limiter.answered(take(limiter), {}, limited=True, succeeded=True)
        waits.append(wait_of(limiter))
        clock.at += waits[-1]
    assert waits == [60, 120, 240, 480, 960, 1920, 3600, 3600]
    limiter.answered(take(limiter), headers_of(), limited=False, succeeded=True)
    limiter.answered(take(limiter), {}, limited=True, succeeded=True)
    assert wait_of(limiter) == 60


def test_requests_that_were_on_their_way_do_not_double_a_limit() -> None:
    limiter, _ = limiter_and_clock()
    limiter.answered(take(limiter), headers_of(50), limited=False, succeeded=True)
    permits = [take(limiter) for _ in range(8)]
    for permit in permits:
        limiter.answered(permit, {}, limited=True, succeeded=True)
    assert wait_of(limiter) == 60


def test_a_short_block_does_not_hide_a_longer_one() -> None:
    limiter, _ = limiter_and_clock()
    limiter.answered(take(limiter), headers_of(50), limited=False, succeeded=True)
    first, second = take(limiter), take(limiter)
    limiter.answered(first, {"retry-after": "5"}, limited=True, succeeded=True)
    limiter.answered(second, {}, limited=True, succeeded=True)
    assert wait_of(limiter) == 60


def test_several_tokens_share_the_work() -> None:
    limiter, _ = limiter_and_clock(3)
    permits = [take(limiter) for _ in range(3)]
    assert sorted(permit.token for permit in permits) == [0, 1, 2]
    for permit, remaining in zip(permits, (5, 0, 50), strict=True):
        limiter.answered(permit, headers_of(remaining), limited=False, succeeded=True)
    taken = [take(limiter).token for _ in range(55)]
    assert taken.count(permits[0].token) == 5
    assert taken.count(permits[2].token) == 50
    assert taken[0] == permits[2].token


def test_a_blocked_token_leaves_the_others() -> None:
    limiter, _ = limiter_and_clock(2)
    first, second = take(limiter), take(limiter)
    limiter.answered(first, {"retry-after": "60"}, limited=True, succeeded=True)
    limiter.answered(second, headers_of(), limited=False, succeeded=True)
    assert take(limiter).token == second.token


def test_no_more_than_900_points_a_minute() -> None:
    limiter, clock = limiter_and_clock()
    limiter.answered(take(limiter), headers_of(5000), limited=False, succeeded=True)
    for _ in range(899):
        take(limiter)
    clock.at += 20
    assert wait_of(limiter) == pytest.approx(40)
    clock.at += 40
    take(limiter)


def test_budgets_are_what_was_last_heard() -> None:
    limiter, _ = limiter_and_clock()
    limiter.answered(take(limiter), headers_of(7), limited=False, succeeded=True)
    assert [tuple(budget) for budget in limiter.budgets()] == [(0, "core", 60, 7, START + 600)]


@pytest.mark.parametrize("reset", [{"x-ratelimit-reset": str(int(START) - 3600)}, {}], ids=["in the past", "not said"])
def test_a_limit_whose_end_nobody_knows_is_waited_for_all_the_same(reset: dict[str, str]) -> None:
    limiter, _ = limiter_and_clock()
    headers = {"x-ratelimit-limit": "60", "x-ratelimit-remaining": "0", **reset}
    limiter.answered(take(limiter), headers, limited=True, succeeded=True)
    assert wait_of(limiter) == pytest.approx(60)


def test_budgets_end_by_the_clock_of_whoever_reads_them() -> None:
    limiter, _ = limiter_and_clock()
    headers = {
        **headers_of(7),
        "x-ratelimit-reset": str(int(START) + 7800),
        "date": formatdate(START + 7200, usegmt=True),
    }
    limiter.answered(take(limiter), headers, limited=False, succeeded=True)
    assert limiter.budgets()[0].reset == pytest.approx(START + 600)
