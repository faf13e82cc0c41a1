"""A bad line on loopback: it passes requests on to a server, and a share of them fails in the ways that lines do."""

from __future__ import annotations

import random
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

BUSY = ("429", "429 with Retry-After", "500", "503")
BROKEN = ("reset", "answer lost", "answer cut off")
"""`answer lost`: the server did what it was asked, and the line broke before it could say so."""


@dataclass
class Line:
    """A line to `target`. `failing` is the share of requests that fail; `kinds` are the ways, all equally likely."""

    target: str
    failing: float = 0.0
    kinds: tuple[str, ...] = (*BUSY, *BROKEN)
    retry_after: int = 0
    chance: random.Random = field(default_factory=lambda: random.Random(7))
    requests: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    sent_up: int = 0
    on_request: Callable[[str, str, int], None] = lambda method, path, size: None
    lock: threading.Lock = field(default_factory=threading.Lock)
    url: str = ""

    def fault(self, method: str) -> str | None:
        """Decide on one request: how it fails, or None."""
        with self.lock:
            self.requests[method] += 1
            if self.chance.random() >= self.failing:
                return None
            kind = self.chance.choice(self.kinds)
            self.failures[kind] += 1
            return kind


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    line: Line

    def log_message(self, *args: object) -> None:
        pass

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        fault = self.line.fault(self.command)
        if fault == "reset":
            self._break()
        elif fault in BUSY:
            self._refuse(fault)
        else:
            self._answer(body, fault)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _pass_on  # noqa: N815 - the names that http.server looks for

    def _refuse(self, fault: str) -> None:
        self.send_response(int(fault[:3]))
        if fault.endswith("Retry-After"):
            self.send_header("retry-after", str(self.line.retry_after))
        self.send_header("content-length", "0")
        self.end_headers()

    def _answer(self, body: bytes, fault: str | None) -> None:
        place = urlsplit(self.line.target)
        connection = HTTPConnection(str(place.hostname), place.port, timeout=60)
        try:
            connection.request(self.command, self.path, body, dict(self.headers))
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, HTTPException):
            self._break()
            return
        finally:
            connection.close()
        with self.line.lock:
            self.line.sent_up += len(body)
        self.line.on_request(self.command, self.path, len(body))
        if fault == "answer lost" or (fault == "answer cut off" and not content):
            self._break()
            return
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "connection", "content-length", "date", "server"):
                self.send_header(name, value)
        length = answer.getheader("content-length") if self.command == "HEAD" else str(len(content))
        self.send_header("content-length", length or "0")
        self.end_headers()
        self.wfile.write(content if fault is None else content[: len(content) // 2])
        if fault is not None:
            self._break()

    def _break(self) -> None:
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: lines break here on purpose."""


@contextmanager
def flaky(target: str, failing: float = 0.0) -> Iterator[Line]:
    """Open a bad line to a server while open; its own address is `url`."""
    line = Line(target, failing)
    server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"line": line}))
    line.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield line
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
