"""A crawl of the stand-in as a process that can be killed."""

from __future__ import annotations

from pathlib import Path

from algstack.crawl import stage
from algstack.crawl.github import source
from algstack.crawl.github.api import Endpoints
from algstack.crawl.http import Clock
from tests.conftest import FewLanguages, context_of
from tests.crawl.github.conftest import stamping_session


def main(folder: Path, api_url: str, workers: int, speed: float, manifest: str) -> None:
    """Crawl what a manifest names, with clocks at a speed."""
    endpoints = Endpoints(api_url, f"{api_url}/graphql", ("token",))
    source.connect = lambda environment, count: source.Connection(endpoints, stamping_session(), Clock(speed))
    stage.run(context_of(manifest, folder, workers), FewLanguages())
