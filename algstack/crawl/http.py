"""What every crawler over HTTP needs: a clock that can be stopped, one session, retries of faults that pass."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from http.cookiejar import DefaultCookiePolicy
from typing import TypeVar

import requests
from requests.adapters import HTTPAdapter

from algstack import __version__

Result = TypeVar("Result")

TRIES = 5
FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0


class Fault(Exception):  # noqa: N818 - a server's fault, not an error of ours
    """Something that may pass: a 5xx, a reset connection, a body that breaks off. The text names no address."""


class Stopped(Exception):  # noqa: N818
    """The crawl was told to stop; whoever waits gives up."""


class Clock:
    """Time in seconds, and waiting that ends at once when the crawl is stopped. Tests run it faster."""

    def __init__(self, speed: float = 1.0) -> None:
        self._speed = speed
        self._start = time.monotonic()
        self.epoch = time.time() - self._start
        """Seconds since 1970 when `now` was 0, by this machine's clock, which may be wrong."""
        self._stopped = threading.Event()

    def now(self) -> float:
        """Seconds since some fixed moment; never jumps."""
        return self._start + (time.monotonic() - self._start) * self._speed

    def sleep(self, seconds: float) -> None:
        """Wait.

        Raises:
            Stopped: `stop` was called.
        """
        if self._stopped.wait(max(seconds, 0.0) / self._speed):
            raise Stopped

    def wait(self, condition: threading.Condition, seconds: float) -> None:
        """Wait until a held condition is notified, or so long at most.

        Raises:
            Stopped: `stop` was called.
        """
        # A notification cannot come from `stop`, so it is looked for once a second.
        condition.wait(min(seconds / self._speed, 1.0))
        if self._stopped.is_set():
            raise Stopped

    def stop(self) -> None:
        """End all waiting, now and later."""
        self._stopped.set()


def open_session(connections: int) -> requests.Session:
    """Return a session for that many threads, without cookies and without credentials from `.netrc`."""
    session = requests.Session()
    session.headers["User-Agent"] = f"algstack/{__version__}"
    # Without an auth of its own, requests overwrites an Authorization header with what `.netrc` has for the host.
    session.auth = lambda request: request
    session.cookies.set_policy(_NoCookies())
    adapter = HTTPAdapter(pool_connections=connections, pool_maxsize=connections)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


class _NoCookies(DefaultCookiePolicy):
    def set_ok(self, cookie: object, request: object) -> bool:
        return False


def retried(attempt: Callable[[], Result], clock: Clock, tries: int = TRIES) -> Result:
    """Return what `attempt` returns, trying again after each Fault, with waits that double.

    Raises:
        Fault: the last try's.
    """
    for number in range(tries - 1):
        try:
            return attempt()
        except Fault as fault:
            clock.sleep(getattr(fault, "wait", min(FIRST_WAIT * 2**number, LONGEST_WAIT)))
    return attempt()


def http_date(text: str | None) -> float | None:
    """Return an HTTP date in seconds since 1970, or None where it is not one."""
    try:
        return parsedate_to_datetime(text).timestamp() if text else None
    except ValueError:
        return None
