"""A stand-in of the Stack Exchange API on loopback: paging, quota, `backoff`, compression, faults."""

from __future__ import annotations

import gzip
import json
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Item = Mapping[str, Any]


@dataclass
class World:
    """What the stand-in serves and how. Seconds of `backoff` last `1 / speed` seconds here."""

    questions: Sequence[Item]
    answers: Sequence[Item]
    speed: float = 1.0
    key: str | None = None
    quota: int = 300
    backoff_every: int = 0
    backoff: int = 10
    faults: list[str] = field(default_factory=list)  # the next answers' faults, by name
    page_limit: int = 100  # items a page, at most
    # what happened
    requests: list[str] = field(default_factory=list)
    violations: int = 0
    _ready: dict[str, float] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, path: str, query: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
        """Return (HTTP status, wrapper) for a request."""
        parts = path.strip("/").split("/")
        method = "questions" if parts == ["questions"] else "questions/{ids}/answers"
        with self._lock:
            self.requests.append(path)
            if time.monotonic() < self._ready.get(method, 0.0):
                self.violations += 1
            if self.quota <= 0:
                return 400, _error(502, "throttle_violation", "too many requests from this IP")
            self.quota -= 1
            return self._page(method, parts, query)

    def _page(self, method: str, parts: Sequence[str], query: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
        if self.key and query.get("key") != self.key:
            return 400, _error(400, "bad_parameter", "`key` doesn't match a known application")
        page, size = int(query["page"]), min(int(query["pagesize"]), self.page_limit)
        if page > 25 and not self.key:
            return 400, _error(403, "access_denied", "page above 25 requires access token or app key")
        items = [item for item in self._items(method, parts, query) if query["site"] == item["site"]]
        items.sort(key=lambda item: item["creation_date"])
        shown = [{**item, "site": None} for item in items[(page - 1) * size : page * size]]
        quota = {"quota_max": 300, "quota_remaining": self.quota}
        wrapper: dict[str, Any] = {"items": shown, "has_more": page * size < len(items), **quota}
        if self.backoff_every and len(self.requests) % self.backoff_every == 0:
            wrapper["backoff"] = self.backoff
            self._ready[method] = time.monotonic() + self.backoff / self.speed
        return 200, wrapper

    def _items(self, method: str, parts: Sequence[str], query: Mapping[str, str]) -> list[Item]:
        assert query["filter"] == "withbody"
        if method == "questions":
            start, end = int(query["fromdate"]), int(query["todate"])
            return [item for item in self.questions if start <= item["creation_date"] <= end]
        ids = {int(number) for number in parts[1].split(";")}
        assert len(ids) <= 100
        return [item for item in self.answers if item["question_id"] in ids]


def _error(number: int, name: str, message: str) -> dict[str, Any]:
    return {"error_id": number, "error_name": name, "error_message": message}


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        world = self.server.world
        fault = world.faults.pop(0) if world.faults else ""
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        status, wrapper = world.answer(url.path, query)
        body = gzip.compress(json.dumps(wrapper).encode())
        if fault == "unavailable":
            status, body = 503, gzip.compress(b"<html>busy</html>")
        elif fault == "internal":
            status, body = 400, gzip.compress(json.dumps(_error(500, "internal_error", "")).encode())
        elif fault == "cut":
            body = body[: len(body) // 2]
        self.send_response(status)
        # Always compressed, whether that was asked for or not.
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    world: World


@contextmanager
def serving(world: World) -> Iterator[str]:
    """Serve a world; yield its address."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.world = world
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
