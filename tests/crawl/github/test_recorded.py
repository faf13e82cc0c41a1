"""The crawl's path through real answers of GitHub that were recorded (`tests/data/github/recorded.json`)."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
import requests
from requests.adapters import BaseAdapter
from urllib3 import HTTPResponse

from algstack.crawl.files import FileReader
from algstack.crawl.github import rows, search
from algstack.crawl.github.api import Endpoints, GitHub
from algstack.crawl.http import Clock, open_session
from algstack.documents import DOCUMENTS
from algstack.manifest import CrawlConfig
from tests.crawl.github.published import DATA
from tests.crawl.github.test_rows import entry_of


class Replay(BaseAdapter):
    """Answers what was recorded, and nothing else; no network."""

    def __init__(self) -> None:
        super().__init__()
        recorded = json.loads((DATA / "recorded.json").read_text(encoding="utf-8"))
        self._answers = {answer["url"]: answer for answer in recorded}
        self.asked: list[tuple[str, bool]] = []

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        assert request.url
        self.asked.append((request.url, "Authorization" in request.headers))
        answer = self._answers[request.url]
        body = answer["response"]
        content = bytes.fromhex(body) if answer["binary"] else json.dumps(body).encode() if body else b""
        headers = {name: value for name, value in answer["headers"].items() if name != "content-length"}
        response = requests.Response()
        response.status_code, response.url, response.request = answer["status"], request.url, request
        response.headers.update(headers)
        response.raw = HTTPResponse(io.BytesIO(content), headers, answer["status"], preload_content=False)
        return response

    def close(self) -> None: ...


@pytest.fixture
def replay() -> tuple[GitHub, Replay]:
    session, adapter = open_session(1), Replay()
    session.mount("https://", adapter)
    return GitHub(Endpoints(tokens=("token",)), session, Clock(1000)), adapter


class Markdown:
    """The recorded archive holds a README."""

    def for_path(self, path: str) -> str | None:
        return "text" if path.endswith(".md") else None


def test_a_repository(replay: tuple[GitHub, Replay]) -> None:
    found = search.from_rest(replay[0].get("/repos/octokit-fixture-org/hello-world", {}))
    assert (found.name, found.state, found.license) == ("octokit-fixture-org/hello-world", "found", None)
    assert found.facts["url"] == "https://github.com/octokit-fixture-org/hello-world"


def test_a_rename(replay: tuple[GitHub, Replay]) -> None:
    answer = replay[0].get("/repos/octokit-fixture-org/rename-repository", {})
    assert answer["full_name"] == "octokit-fixture-org/rename-repository-newname"


def test_an_archive(replay: tuple[GitHub, Replay], tmp_path: Path) -> None:
    github, adapter = replay
    entry = entry_of(name="octokit-fixture-org/get-archive", revision="main")
    reader = FileReader(CrawlConfig(), Markdown(), tmp_path / "scratch")  # type: ignore[arg-type]
    with github.archive(entry.name, "main") as stream:
        part = rows.write(tmp_path, entry, "gh", stream, reader, ())
    (batch,) = rows.read(tmp_path, entry_of(name=entry.name, revision="main", part=part.name))
    assert batch.schema.equals(DOCUMENTS)
    assert batch.to_pydict()["path"] == ["README.md"]
    # The token is for the API alone, not for the host of archives.
    assert [has_token for _, has_token in adapter.asked] == [True, False]
