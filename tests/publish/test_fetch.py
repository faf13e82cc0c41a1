"""A published release is verified where it lies."""

from __future__ import annotations

from pathlib import Path

import pytest

from algstack.errors import AlgstackError
from algstack.publish import stage
from algstack.publish.fetch import fetched
from algstack.release.verify import verify
from tests.publish.flaky import Line
from tests.publish.hub import Hub

TARGET = "hf://datasets/org/tiny-algebra"


@pytest.mark.parametrize("place", [TARGET, f"{TARGET}@1.0.0"])
def test_a_release_on_the_hub_verifies(hub: Hub, release: Path, place: str) -> None:
    stage.publish(release, TARGET)
    with fetched(place) as path:
        assert [check for check in verify(path) if not check.passed] == []
    assert not path.exists()


def test_a_byte_that_changed_on_the_hub_is_found(hub: Hub, release: Path) -> None:
    stage.publish(release, TARGET)
    blob = hub.repos["org/tiny-algebra"].branches["main"]["manifest.toml"]
    blob.content = blob.content.replace(b"Tiny", b"Huge")
    with fetched(TARGET) as path:
        failed = [check for check in verify(path) if not check.passed]
    assert [check.name for check in failed] == ["checksums"]


def test_nothing_there_is_an_error(hub: Hub) -> None:
    with pytest.raises(AlgstackError, match="nothing is there"), fetched(TARGET):
        pass


def test_a_folder_is_taken_as_it_is(release: Path) -> None:
    with fetched(str(release)) as path:
        assert path == release


def test_a_release_comes_whole_over_a_bad_line(
    hub: Hub, line: Line, release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("algstack.publish.hub.FIRST_WAIT", 0.0)
    stage.publish(release, TARGET)
    line.failing = 0.3
    with fetched(TARGET) as path:
        assert [check for check in verify(path) if not check.passed] == []
    assert len(line.failures) > 4
