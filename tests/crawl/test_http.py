from __future__ import annotations

import threading
import time

import pytest
import requests
from requests.adapters import BaseAdapter

from algstack.crawl.http import Clock, Fault, Stopped, http_date, open_session, retried


class Recording(Clock):
    """A clock whose waits are noted and not waited."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)


class Immediate(Fault):
    wait = 0.0


def failing(times: int, kind: type[Fault] = Fault) -> tuple[list[int], object]:
    calls: list[int] = []

    def attempt() -> str:
        calls.append(1)
        if len(calls) <= times:
            raise kind(f"number {len(calls)}")
        return "done"

    return calls, attempt


@pytest.mark.parametrize(
    ("times", "kind", "waits"), [(0, Fault, []), (3, Fault, [1, 2, 4]), (2, Immediate, [0, 0])], ids=str
)
def test_faults_that_pass(times: int, kind: type[Fault], waits: list[float]) -> None:
    clock = Recording()
    calls, attempt = failing(times, kind)
    assert retried(attempt, clock) == "done"  # type: ignore[arg-type]
    assert len(calls) == times + 1
    assert clock.waits == waits


def test_the_last_fault_is_raised_and_waits_have_a_cap() -> None:
    clock = Recording()
    _, attempt = failing(99)
    with pytest.raises(Fault, match="number 9"):
        retried(attempt, clock, tries=9)  # type: ignore[arg-type]
    assert clock.waits == [1, 2, 4, 8, 16, 32, 60, 60]


def test_a_clock_that_is_stopped_wakes_whoever_waits() -> None:
    clock = Clock()
    threading.Timer(0.05, clock.stop).start()
    with pytest.raises(Stopped):
        clock.sleep(3600)
    condition = threading.Condition()
    with condition, pytest.raises(Stopped):
        clock.wait(condition, 3600)


def test_a_clock_that_runs_faster() -> None:
    clock = Clock(1000)
    start = time.monotonic()
    before = clock.now()
    clock.sleep(20)
    assert clock.now() - before >= 20
    assert time.monotonic() - start < 10


@pytest.mark.parametrize(
    ("text", "expected"), [("Thu, 01 Jan 1970 00:01:00 GMT", 60.0), ("", None), (None, None), ("soon", None)]
)
def test_http_dates(text: str | None, expected: float | None) -> None:
    assert http_date(text) == expected


class Echo(BaseAdapter):
    """Answers with a cookie, and remembers what it was sent."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[requests.PreparedRequest] = []

    def send(self, request: requests.PreparedRequest, *_: object, **__: object) -> requests.Response:  # type: ignore[override]
        self.seen.append(request)
        response = requests.Response()
        response.status_code, response.request, response.url = 200, request, request.url or ""
        response.headers["Set-Cookie"] = "a=b"
        response._content = b""
        return response

    def close(self) -> None: ...


def test_a_session_sends_no_cookies_and_nothing_from_netrc(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "netrc").write_text("machine host.test login user password secret")  # type: ignore[operator]
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))  # type: ignore[operator]
    session, echo = open_session(2), Echo()
    session.mount("http://", echo)
    for _ in range(2):
        session.get("http://host.test/", headers={"Authorization": "Bearer mine"})
    assert [request.headers["Authorization"] for request in echo.seen] == ["Bearer mine"] * 2
    assert all("Cookie" not in request.headers for request in echo.seen)
    assert echo.seen[0].headers["User-Agent"].startswith("algstack/")
