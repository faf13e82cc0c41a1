"""A small release, and a hub to publish it to."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from algstack.release import stage
from tests.publish.flaky import Line, flaky
from tests.publish.hub import TOKEN, Hub, serving
from tests.release.conftest import MANIFEST, context, document, write_workspace


@pytest.fixture(scope="session")
def releases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Versions 1.0.0 and 1.1.0, the second without a language and with a shard more."""
    folder = tmp_path_factory.mktemp("publish")
    made = [document(number, lang="coq" if number % 5 == 0 else "lean") for number in range(60)]
    first = write_workspace(folder / "first", [made])
    stage.run(context(first))
    second = write_workspace(folder / "second", [[one for one in made if one["lang"] == "lean"]])
    stage.run(context(second, text=MANIFEST + "\n[release]\nshard_bytes = 1200\n"), "1.1.0")
    return {"1.0.0": first.release("1.0.0"), "1.1.0": second.release("1.1.0")}


@pytest.fixture
def release(releases: dict[str, Path], tmp_path: Path) -> Path:
    """A copy of version 1.0.0."""
    return Path(shutil.copytree(releases["1.0.0"], tmp_path / "release"))


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Hub, Line]]:
    """A hub on loopback and the line to it that huggingface_hub uses, good until told otherwise; without waits."""
    from huggingface_hub import constants
    from huggingface_hub.utils import _http, disable_progress_bars

    with serving(Hub()) as hub, flaky(hub.url) as opened:
        hub.url = opened.url
        monkeypatch.setattr(constants, "ENDPOINT", opened.url)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", opened.url + "/{repo_id}/resolve/{revision}/{filename}"
        )
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        disable_progress_bars()
        monkeypatch.setattr(_http.time, "sleep", lambda seconds: None)
        yield hub, opened


@pytest.fixture
def hub(served: tuple[Hub, Line]) -> Hub:
    """The hub at the end of the line."""
    return served[0]


@pytest.fixture
def line(served: tuple[Hub, Line]) -> Line:
    """The line to the hub."""
    return served[1]
