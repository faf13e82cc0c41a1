"""The Stack Exchange API, version 2.3: one request at a time, every `backoff` and the quota obeyed.

(api.stackexchange.com/docs/throttle, …/docs/paging, …/docs/wrapper)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import requests

from algstack.crawl.http import Clock, Fault, open_session, retried
from algstack.errors import SourceError

URL = "https://api.stackexchange.com/2.3"
PAGE_SIZE = 100
"""The most items of a page, and the most ids of a request."""

PAGES = 25
"""Pages beyond this one are for requests with a key only."""

TIMEOUT = (10, 120)
"""Seconds to connect, and between two bytes."""

THROTTLED = 502
PASSING = frozenset({500, 503})
"""The API's own error ids: too many requests; an internal error, temporarily unavailable."""


class QuotaSpent(SourceError):  # noqa: N818 - what it is
    """The day's requests are used up. What was fetched is kept, and the same command goes on from there."""


class Page(NamedTuple):
    """One page of items, and whether there are more."""

    items: list[dict[str, Any]]
    has_more: bool


@dataclass(frozen=True)
class Connection:
    """How the API is reached: what a test replaces."""

    url: str
    key: str | None
    session: requests.Session
    clock: Clock


def connect(environment: Mapping[str, str]) -> Connection:
    """Return the connection that the environment names."""
    url = environment.get("STACKEXCHANGE_API_URL") or URL
    return Connection(url.rstrip("/"), environment.get("STACKEXCHANGE_KEY") or None, open_session(1), Clock())


class Api:
    """The API for one crawl.

    Args:
        connection: how it is reached.
        backoffs: method -> seconds since 1970 before which it must not be asked again, from an earlier run.
        note_backoff: told (method, seconds since 1970) of every new one, so that a later run can obey it too.
    """

    def __init__(
        self,
        connection: Connection,
        backoffs: Mapping[str, float] | None = None,
        note_backoff: Callable[[str, float], None] = lambda method, until: None,
    ) -> None:
        self._connection = connection
        self._note_backoff = note_backoff
        # Waiting goes by the clock that never jumps; only what outlives this run is in seconds since 1970.
        self._ready = {method: until - connection.clock.epoch for method, until in (backoffs or {}).items()}
        self._remaining: int | None = None

    def page(self, method: str, path: str, parameters: Mapping[str, str | int]) -> Page:
        """Return one page.

        Args:
            method: the method's name, e.g. `questions/{ids}/answers`: a `backoff` holds for all its requests.
            path: the same with its ids.
            parameters: of the request, apart from the key.

        Raises:
            QuotaSpent: there are no requests left today.
            SourceError: the API refuses the request, or does not answer.
        """
        try:
            return retried(lambda: self._ask(method, path, parameters), self._connection.clock)
        except Fault as fault:
            raise SourceError(
                f"The Stack Exchange API does not answer ({fault}). Run the same command again: what was fetched is "
                "kept."
            ) from fault

    def _ask(self, method: str, path: str, parameters: Mapping[str, str | int]) -> Page:
        if self._remaining == 0:
            raise _spent("")
        clock = self._connection.clock
        clock.sleep(self._ready.get(method, 0.0) - clock.now())
        answer = self._send(path, parameters)
        self._obey(method, answer)
        if "error_id" in answer:
            raise _error(answer)
        return Page(answer.get("items", []), bool(answer.get("has_more")))

    def _send(self, path: str, parameters: Mapping[str, str | int]) -> dict[str, Any]:
        """Return the answer's wrapper, an error's too."""
        connection = self._connection
        key = {"key": connection.key} if connection.key else {}
        try:
            response = connection.session.get(
                f"{connection.url}/{path}", params={**parameters, **key}, timeout=TIMEOUT, allow_redirects=False
            )
            answer = response.json()
        except (requests.RequestException, ValueError) as error:
            # Its text may hold the address, and with it the key.
            raise Fault(type(error).__name__) from None
        if not isinstance(answer, dict) or not ("items" in answer or "error_id" in answer):
            raise Fault(f"HTTP {response.status_code} without a wrapper")
        return answer

    def _obey(self, method: str, answer: Mapping[str, Any]) -> None:
        remaining = answer.get("quota_remaining")
        if isinstance(remaining, int):
            self._remaining = remaining
        backoff = answer.get("backoff")
        if isinstance(backoff, int | float) and backoff > 0:
            clock = self._connection.clock
            self._ready[method] = clock.now() + backoff
            self._note_backoff(method, clock.epoch + self._ready[method])


def _error(answer: Mapping[str, Any]) -> Exception:
    number, name = answer["error_id"], answer.get("error_name", "")
    message = str(answer.get("error_message", ""))
    if number == THROTTLED:
        return _spent(message)
    if number in PASSING:
        return Fault(f"{number} {name}")
    return SourceError(f"The Stack Exchange API refuses the request: {number} {name}: {message}")


def _spent(message: str) -> QuotaSpent:
    said = f" ({message})" if message else ""
    return QuotaSpent(
        f"The Stack Exchange API allows no more requests for now{said}. What was fetched is kept.\n"
        "Run the same command again tomorrow; a key in STACKEXCHANGE_KEY makes 300 requests a day 10,000."
    )
