"""GitHub's REST and GraphQL APIs and its archives, over one injected session and one limiter.

A request ends in one of four ways: an answer; `Refused` (what GitHub will always say); `Fault` after the last try; or
a SourceError that ends the crawl (a wrong token). Tokens stand in headers only, never in an error or a log.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, Any, Protocol, cast
from urllib.parse import urlencode, urljoin, urlsplit

import requests

from algstack.crawl.github.limiter import Limiter
from algstack.crawl.http import TRIES, Clock, Fault, retried
from algstack.errors import SourceError

API_URL = "https://api.github.com"
API_VERSION = "2022-11-28"
REDIRECTS = 5
TIMEOUT = (10.0, 60.0)
"""Seconds to connect, and between two pieces of an answer."""

ARCHIVES = "archives"
"""The limiter's name for the host of archives, which has no primary limit."""

# 403s that no waiting helps against; all others may be secondary limits.
# (docs.github.com/rest/using-the-rest-api/troubleshooting-the-rest-api)
FORBIDDEN = re.compile(r"not accessible|access blocked|must have|SAML|suspended|forbids access", re.IGNORECASE)

TIMED_OUT = re.compile(r"something went wrong|timeout|timed out|in time|resource limits", re.IGNORECASE)


class Refused(Exception):  # noqa: N818 - an answer, not an error of ours
    """A definite refusal: 404, 409, 422, 451, or a 403 that is not a limit."""

    def __init__(self, status: int, message: str = "") -> None:
        super().__init__(f"HTTP {status}{f': {message}' if message else ''}".rstrip("."))
        self.status = status
        self.message = message


class Limited(Fault):
    """A rate limit was passed. The limiter waits, so the next try need not."""

    wait = 0.0


class TooSlow(Exception):  # noqa: N818
    """GraphQL gave up on a query: the same again will not do, a smaller page may."""


class Broken(Fault):
    """An answer that breaks off or is not what it says it is."""


class Memory(Protocol):
    """Remembers answers with their ETags, so that what has not changed is not sent again."""

    def recall(self, url: str) -> tuple[str, bytes] | None:
        """Return (ETag, body) of an answer that was remembered."""
        ...

    def remember(self, url: str, etag: str, body: bytes) -> None:
        """Keep an answer."""
        ...


@dataclass(frozen=True)
class Endpoints:
    """Where the APIs are, and the tokens for them."""

    rest: str = API_URL
    graphql: str = f"{API_URL}/graphql"
    tokens: tuple[str, ...] = field(default=(), repr=False)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Endpoints:
        """Read GITHUB_API_URL, GITHUB_GRAPHQL_URL and GITHUB_TOKEN or GH_TOKEN (comma-separated for several)."""
        rest = (environment.get("GITHUB_API_URL") or API_URL).rstrip("/")
        # GitHub Enterprise serves https://HOST/api/v3 and https://HOST/api/graphql.
        graphql = environment.get("GITHUB_GRAPHQL_URL") or f"{rest.removesuffix('/v3')}/graphql"
        tokens = environment.get("GITHUB_TOKEN") or environment.get("GH_TOKEN") or ""
        return cls(rest, graphql, tuple(dict.fromkeys(token for part in tokens.split(",") if (token := part.strip()))))


class GitHub:
    """The APIs. All methods may be called from any thread.

    Args:
        endpoints: addresses and tokens.
        session: what sends every request.
        clock: time, and waiting.
        memory: where answers are remembered by their ETags.
        tries: how often a request is sent before its fault is the answer.
    """

    def __init__(
        self,
        endpoints: Endpoints,
        session: requests.Session,
        clock: Clock,
        memory: Memory | None = None,
        tries: int = TRIES,
    ) -> None:
        self.limiter = Limiter(len(endpoints.tokens), clock)
        self._endpoints = endpoints
        self._session = session
        self._clock = clock
        self._memory = memory
        self._tries = tries

    @property
    def has_token(self) -> bool:
        """Whether GraphQL can be asked: it answers nobody without a token."""
        return bool(self._endpoints.tokens)

    def get(self, path: str, parameters: Mapping[str, str | int], resource: str = "core") -> Any:
        """Return the JSON that a REST path answers. Renames are followed; what has not changed is remembered.

        Raises:
            Refused: GitHub said no.
            Fault: it did not answer in `tries` tries.
        """
        url = f"{self._endpoints.rest}{path}{f'?{urlencode(parameters)}' if parameters else ''}"
        return retried(lambda: self._get(url, resource), self._clock, self._tries)

    def graphql(self, query: str, variables: Mapping[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Return (data, errors) of a query; errors are those of single nodes, which are null in the data.

        Raises:
            TooSlow: the query asks for too much at once, or GitHub is slow today.
            Fault: GitHub did not answer in `tries` tries.
            SourceError: GitHub does not let this token ask.
        """
        body = json.dumps({"query": query, "variables": variables}).encode()
        return retried(lambda: self._graphql(body), self._clock, self._tries)

    @contextmanager
    def archive(self, name: str, commit: str) -> Iterator[IO[bytes]]:
        """Yield the stream of a commit's tar.gz. One try: whoever reads it sees where it breaks off.

        Raises:
            Refused: there is none.
            Fault: GitHub did not answer, or the stream broke off.
        """
        url = f"{self._endpoints.rest}/repos/{name}/tarball/{commit}"
        resource = "core"
        for _ in range(REDIRECTS):
            response = self._send("GET", url, resource, {"Accept-Encoding": "identity"}, stream=True)
            with response:
                if not response.is_redirect:
                    yield cast(IO[bytes], _Stream(response))
                    return
                url = self._redirected(url, response)
                resource = "core" if self._is_api(url) else ARCHIVES
        raise Broken("too many redirects")

    def _get(self, url: str, resource: str) -> Any:
        known = self._memory.recall(url) if self._memory is not None else None
        headers = {"If-None-Match": known[0]} if known else {}
        at = url
        for _ in range(REDIRECTS):
            response = self._send("GET", at, resource, headers)
            if not response.is_redirect:
                break
            at = self._redirected(at, response)
        if response.status_code == requests.codes.not_modified and known:
            return _json(zlib.decompress(known[1]))
        answer = _json(response.content)
        if self._memory is not None and (etag := response.headers.get("etag")):
            self._memory.remember(url, etag, zlib.compress(response.content))
        return answer

    def _graphql(self, body: bytes) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        kind = {"Content-Type": "application/json"}
        try:
            response = self._send("POST", self._endpoints.graphql, "graphql", kind, body)
        except Refused as refusal:
            raise SourceError(
                f"GitHub's GraphQL at {self._endpoints.graphql} refuses the token: {refusal}. It needs one that may "
                "read public repositories; without GITHUB_TOKEN the crawl goes by REST."
            ) from None
        answer = _json(response.content)
        if not isinstance(answer, dict):
            raise Broken("the answer is not an object")
        errors = answer.get("errors") or []
        for error in errors:
            _raise_for(error)
        if not isinstance(answer.get("data"), dict):
            said = errors[0].get("message", "") if errors else "no data"
            raise SourceError(f"GitHub's GraphQL does not take algstack's query: {_clip(said)}. Please report it.")
        return answer["data"], errors

    def _send(
        self,
        method: str,
        url: str,
        resource: str,
        headers: Mapping[str, str],
        body: bytes | None = None,
        stream: bool = False,
    ) -> requests.Response:
        """Send one request, tell the limiter how it was answered, and raise unless it is an answer or a redirect."""
        permit = self.limiter.acquire(resource)
        try:
            response = self._session.request(
                method,
                url,
                headers={**headers, **self._own_headers(url, permit.token)},
                data=body,
                stream=True,
                allow_redirects=False,
                timeout=TIMEOUT,
            )
            if not stream or response.status_code >= requests.codes.bad_request:
                _ = response.content
        except requests.RequestException as error:
            self.limiter.lost(permit)
            # The text of the error may hold an address with a key in it.
            raise Broken(f"no answer: {type(error).__name__}") from None
        except BaseException:
            self.limiter.lost(permit)
            raise
        limited = _is_limit(response)
        self.limiter.answered(permit, response.headers, limited, response.status_code < 500)
        if response.status_code >= requests.codes.bad_request:
            raise self._refusal(response, limited, permit.token)
        return response

    def _own_headers(self, url: str, token: int) -> dict[str, str]:
        if not self._is_api(url):
            return {}
        headers = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": API_VERSION}
        if self._endpoints.tokens:
            headers["Authorization"] = f"Bearer {self._endpoints.tokens[token]}"
        return headers

    def _is_api(self, url: str) -> bool:
        """Whether an address may see the token: only the two that the user named."""
        return url == self._endpoints.graphql or url.startswith(f"{self._endpoints.rest}/")

    def _redirected(self, url: str, response: requests.Response) -> str:
        target = urljoin(url, response.headers["location"])
        if urlsplit(target).scheme not in {"https", urlsplit(self._endpoints.rest).scheme}:
            raise Refused(response.status_code, "redirected to an address that is not https")
        return target

    def _refusal(self, response: requests.Response, limited: bool, token: int) -> Exception:
        status = response.status_code
        if status == requests.codes.unauthorized:
            count = len(self._endpoints.tokens)
            which = f"token {token + 1} of {count}" if count > 1 else "the token"
            return SourceError(
                f"GitHub does not accept {which} (401). Set GITHUB_TOKEN to a valid one, or unset it to go without."
            )
        if limited:
            return Limited(f"rate limit (HTTP {status})")
        if status >= 500 or status == requests.codes.request_timeout:
            # A query that takes longer than 10 seconds ends in a 502 or 504 that says so.
            slow = response.url == self._endpoints.graphql and TIMED_OUT.search(_message(response))
            return TooSlow("GraphQL timed out") if slow else Fault(f"HTTP {status}")
        return Refused(status, _message(response))


class _Stream:
    """The bytes of an answer as a file that is read forward; what breaks it is a Fault."""

    def __init__(self, response: requests.Response) -> None:
        self._response = response

    def read(self, size: int = -1) -> bytes:
        try:
            return cast(bytes, self._response.raw.read(size if size >= 0 else None))
        # urllib3 raises its own errors here, and plain ones of the socket.
        except Exception as error:
            raise Broken(f"the archive breaks off: {type(error).__name__}") from None


def _raise_for(error: Mapping[str, Any]) -> None:
    """Raise for an error of GraphQL that concerns the whole query."""
    kind, message = error.get("type", ""), str(error.get("message", ""))
    if kind == "RATE_LIMITED":
        raise Limited("rate limit (GraphQL)")
    if kind in {"INSUFFICIENT_SCOPES", "FORBIDDEN"} and not error.get("path"):
        raise SourceError(
            f"GitHub's GraphQL refuses the token: {_clip(message)}. It needs one that may read public repositories."
        )
    if kind in {"RESOURCE_LIMITS_EXCEEDED", "MAX_NODE_LIMIT_EXCEEDED"} or (not kind and TIMED_OUT.search(message)):
        raise TooSlow("GraphQL timed out")


def _is_limit(response: requests.Response) -> bool:
    if response.status_code == requests.codes.too_many_requests:
        return True
    if response.status_code != requests.codes.forbidden:
        return _is_graphql_limit(response)
    if "retry-after" in response.headers or response.headers.get("x-ratelimit-remaining") == "0":
        return True
    return not FORBIDDEN.search(_message(response))


def _is_graphql_limit(response: requests.Response) -> bool:
    """GraphQL says that a limit was passed with status 200."""
    return response.headers.get("x-ratelimit-resource") == "graphql" and b'"RATE_LIMITED"' in response.content[:2000]


def _json(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        raise Broken("the answer is not JSON") from None


def _message(response: requests.Response) -> str:
    try:
        body = response.json()
    except ValueError:
        return ""
    if not isinstance(body, dict):
        return ""
    said: Sequence[Any] = [body.get("message", ""), *(body.get("errors") or [])]
    return _clip("; ".join(one.get("message", "") if isinstance(one, dict) else str(one) for one in said).strip("; "))


def _clip(message: str) -> str:
    return " ".join(message.split())[:200]
