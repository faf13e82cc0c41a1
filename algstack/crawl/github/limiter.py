"""GitHub's rate limits, kept by what its headers say: one limiter for all threads and all tokens.

Primary limits are counted by `x-ratelimit-*`, per token and resource (`core`, `search`, `graphql`). Secondary limits
answer 403 or 429 and stop a token for a while.
(docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api)
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from algstack.crawl.http import Clock, http_date

MARGIN = 1.0
"""Seconds after a reset before the next request: `reset` and `Date` are whole seconds."""

LONGEST_WINDOW = 3600.0
"""No limit of GitHub's counts longer, so a reset further away is a mistake."""

SECONDARY_WAIT = 60.0
"""A secondary limit without `retry-after`: at least a minute, then twice as long each time."""

LONGEST_SECONDARY_WAIT = 3600.0

POINTS_A_MINUTE = {"graphql": 2000, "core": 900, "search": 900}
"""Secondary limits known beforehand. GETs and GraphQL queries cost one point each."""


class Permit(NamedTuple):
    """Leave to send one request: with which token (an index), for which resource, when it was given."""

    token: int
    resource: str
    given: float


class Budget(NamedTuple):
    """What a token may still ask of a resource, as last heard. `reset` is in seconds since 1970, by this machine."""

    token: int
    resource: str
    limit: int
    remaining: int
    reset: float


@dataclass
class _Bucket:
    """One token's budget for one resource in the present window.

    `low` is the least `remaining` heard in it. A request that is still unanswered may or may not be counted in
    `low`, so it is taken off; once all are answered, `low` is exact. One that was lost, at a moment in `lost`, is
    taken off until a later one is answered, which counts it.
    """

    limit: int | None = None
    low: int | None = None
    reset: float | None = None
    unanswered: int = 0
    lost: list[float] = field(default_factory=list)
    unlimited: bool = False

    def wait(self, server_now: float) -> float:
        """Seconds until one more request may be sent; infinity: not before an answer comes."""
        if self.unlimited:
            return 0.0
        if self.reset is not None and not self.runs(server_now):
            self.low = self.reset = None
            self.lost.clear()
        if self.low is None or self.reset is None:
            # Nothing is known of this window: one request asks.
            return math.inf if self.unanswered else 0.0
        if self.left() > 0:
            return 0.0
        return math.inf if self.unanswered else self.reset + MARGIN - server_now

    def runs(self, server_now: float) -> bool:
        """Whether the window that was last heard of has not ended yet."""
        return self.reset is not None and server_now < self.reset + MARGIN

    def left(self) -> float:
        """Requests that may surely be sent in this window."""
        if self.unlimited or self.low is None:
            return math.inf
        return self.low - self.unanswered - len(self.lost)

    def hear(self, given: float, limit: int, remaining: int, reset: float) -> None:
        """Take in the headers of one answer, to a request whose leave was given at a moment."""
        self.limit = limit
        self.lost = [moment for moment in self.lost if moment > given]
        if self.low is None or self.reset is None or reset > self.reset + MARGIN:
            self.low, self.reset = remaining, reset
        elif reset >= self.reset - MARGIN:  # an earlier reset is an answer out of the window before
            self.low, self.reset = min(self.low, remaining), max(self.reset, reset)


@dataclass
class _Token:
    buckets: dict[str, _Bucket] = field(default_factory=dict)
    blocked_until: float = -math.inf
    strikes: int = 0
    sent: dict[str, deque[float]] = field(default_factory=dict)

    def bucket(self, resource: str) -> _Bucket:
        return self.buckets.setdefault(resource, _Bucket())

    def pace(self, resource: str, now: float) -> float:
        """Seconds until one more request keeps below the points that are allowed in a minute."""
        limit = POINTS_A_MINUTE.get(resource)
        if limit is None:
            return 0.0
        sent = self.sent.setdefault("graphql" if resource == "graphql" else "rest", deque(maxlen=limit))
        return sent[0] + 60.0 - now if len(sent) == limit else 0.0

    def note_sent(self, resource: str, now: float) -> None:
        if resource in POINTS_A_MINUTE:
            self.sent["graphql" if resource == "graphql" else "rest"].append(now)


class Limiter:
    """Gives leave to send requests. All methods may be called from any thread.

    Args:
        tokens: how many tokens there are; one for none at all, as requests without a token have limits of their own.
        clock: time, and waiting.
    """

    def __init__(self, tokens: int, clock: Clock) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._tokens = [_Token() for _ in range(max(tokens, 1))]
        self._server_offset: float | None = None

    def acquire(self, resource: str) -> Permit:
        """Wait for leave to send one request.

        Raises:
            Stopped: the clock was stopped meanwhile.
        """
        with self._changed:
            while True:
                permit = self.reserve(resource)
                if isinstance(permit, Permit):
                    return permit
                self._clock.wait(self._changed, min(permit, LONGEST_WINDOW))

    def reserve(self, resource: str) -> Permit | float:
        """Return leave to send one request now, or the seconds until it is worth asking again (may be infinite)."""
        with self._changed:
            now = self._clock.now()
            waits = [self._wait(token, resource, now) for token in self._tokens]
            soonest = min(waits)
            if soonest > 0:
                return soonest
            free = [number for number, wait in enumerate(waits) if wait <= 0]
            chosen = max(free, key=lambda number: (self._tokens[number].bucket(resource).left(), -number))
            token = self._tokens[chosen]
            token.bucket(resource).unanswered += 1
            token.note_sent(resource, now)
            return Permit(chosen, resource, now)

    def _wait(self, token: _Token, resource: str, now: float) -> float:
        wait = token.bucket(resource).wait(now + self._offset())
        return max(token.blocked_until - now, wait, token.pace(resource, now))

    def _offset(self) -> float:
        """What to add to `now` for the server's seconds since 1970; ours only until it has said its own."""
        return self._clock.epoch if self._server_offset is None else self._server_offset

    def answered(self, permit: Permit, headers: Mapping[str, str], limited: bool, succeeded: bool) -> None:
        """Take in an answer.

        Args:
            permit: what the request was sent with.
            headers: the answer's, with lower-case or case-insensitive names.
            limited: whether it says that a limit was passed.
            succeeded: whether it is an answer at all, and not a server's fault.
        """
        with self._changed:
            self._hear_date(headers)
            token = self._tokens[permit.token]
            bucket = token.bucket(permit.resource)
            bucket.unanswered -= 1
            if not self._hear_budget(token, permit, headers) and bucket.limit is not None:
                bucket.lost.append(self._clock.now())
            if succeeded and not limited:
                bucket.unlimited = bucket.limit is None
                if permit.given >= token.blocked_until:
                    token.strikes = 0
            if limited:
                self._block(token, permit, headers)
            self._changed.notify_all()

    def lost(self, permit: Permit) -> None:
        """Note that a request will never be answered; a later one's answer tells whether it was counted."""
        with self._changed:
            bucket = self._tokens[permit.token].bucket(permit.resource)
            bucket.unanswered -= 1
            bucket.lost.append(self._clock.now())
            self._changed.notify_all()

    def budgets(self) -> list[Budget]:
        """What is left, by token and resource, as last heard."""
        with self._changed:
            ahead = self._offset() - self._clock.epoch
            return [
                Budget(number, resource, bucket.limit, bucket.low, bucket.reset - ahead)
                for number, token in enumerate(self._tokens)
                for resource, bucket in sorted(token.buckets.items())
                if bucket.limit is not None and bucket.low is not None and bucket.reset is not None
            ]

    def _hear_date(self, headers: Mapping[str, str]) -> None:
        date = http_date(headers.get("date"))
        if date is not None:
            # `Date` is cut to whole seconds and old on arrival, so the largest difference is the truest,
            # and the server's clock is never taken to be further on than it is.
            offset = date - self._clock.now()
            self._server_offset = offset if self._server_offset is None else max(self._server_offset, offset)

    def _hear_budget(self, token: _Token, permit: Permit, headers: Mapping[str, str]) -> bool:
        try:
            limit = int(headers["x-ratelimit-limit"])
            remaining = int(headers["x-ratelimit-remaining"])
            reset = float(headers["x-ratelimit-reset"])
        except (KeyError, ValueError):
            return False
        reset = min(reset, self._clock.now() + self._offset() + LONGEST_WINDOW)
        bucket = token.bucket(headers.get("x-ratelimit-resource", permit.resource))
        bucket.hear(permit.given, limit, remaining, reset)
        return True

    def _block(self, token: _Token, permit: Permit, headers: Mapping[str, str]) -> None:
        now = self._clock.now()
        if (seconds := self._retry_after(headers)) is not None:
            until = now + seconds + MARGIN
        elif headers.get("x-ratelimit-remaining") == "0" and token.bucket(permit.resource).runs(now + self._offset()):
            return  # a primary limit: its bucket knows how long
        else:
            # What was sent before the last block was known is no new strike.
            token.strikes += permit.given >= token.blocked_until
            until = now + min(SECONDARY_WAIT * 2 ** max(token.strikes - 1, 0), LONGEST_SECONDARY_WAIT)
        token.blocked_until = max(token.blocked_until, until)

    def _retry_after(self, headers: Mapping[str, str]) -> float | None:
        text = headers.get("retry-after", "")
        if text.isdigit():
            return float(text)
        date = http_date(text)
        if date is None:
            return None
        server_now = http_date(headers.get("date"))
        return max(date - server_now, 0.0) if server_now is not None else SECONDARY_WAIT
