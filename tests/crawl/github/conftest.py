"""How the tests crawl the stand-in."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import requests

from algstack.crawl import stage
from algstack.crawl.github import source
from algstack.crawl.github.api import Endpoints
from algstack.crawl.http import Clock, open_session
from algstack.dataset import StageRecord
from tests.conftest import FewLanguages, context_of
from tests.crawl.github.stand_in import SENT_AT, StandIn


class StampingSession(requests.Session):
    """Says when each request was sent, so that the stand-in can tell one that was forbidden from one on its way."""

    def request(self, method: Any, url: Any, *args: Any, headers: Any = None, **more: Any) -> requests.Response:
        stamped: Mapping[str, str] = {**(headers or {}), SENT_AT: repr(time.monotonic())}
        return super().request(method, url, *args, headers=stamped, **more)


def stamping_session() -> requests.Session:
    """The crawl's own session, stamping."""
    session = open_session(16)
    session.__class__ = StampingSession
    return session


def connection(stand_in: StandIn, tokens: tuple[str, ...] = ("token",), speed: float = 1.0) -> source.Connection:
    """A connection to the stand-in; its clock runs at the stand-in's speed."""
    session = stamping_session()
    endpoints = Endpoints(stand_in.api_url, f"{stand_in.api_url}/graphql", tokens)
    return source.Connection(endpoints, session, Clock(speed))


def crawl(
    folder: Path,
    stand_in: StandIn,
    manifest: str = 'languages = ["lean"]\n',
    *,
    tokens: tuple[str, ...] = ("token",),
    speed: float = 1.0,
    workers: int = 4,
    retry: tuple[str, ...] = (),
    cutoff: str = "2022-01-01",
    monkeypatch: Any = None,
) -> StageRecord:
    """Crawl one GitHub source called `gh` and return its record."""
    text = f'[[sources]]\nname = "gh"\nkind = "github"\ncutoff = {cutoff}\n{manifest}'
    context = context_of(text, folder, workers)
    connect = source.connect
    source.connect = lambda environment, count: connection(stand_in, tokens, speed)
    try:
        return stage.run(context, FewLanguages(), retry=retry)["gh"]
    finally:
        source.connect = connect
