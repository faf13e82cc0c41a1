"""Samples: the same ones each time, with the evidence in view."""

from __future__ import annotations

from pathlib import Path

import pytest

from algstack.release import samples, stage
from tests.release.conftest import context, document, write_workspace


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> samples.Samples:
    folder = tmp_path_factory.mktemp("samples")
    made = [document(number, lang="coq" if number % 2 else "lean") for number in range(80)]
    workspace = write_workspace(folder / "work", [made[:50], made[50:]], [str(one["id"]) for one in made[70:]])
    stage.run(context(workspace))
    return samples.draw(workspace.release("1.0.0"), workspace)


def test_kept_and_dropped_are_drawn_per_language_and_rule(drawn: samples.Samples) -> None:
    kept = [one for one in drawn.samples if one.rule is None]
    dropped = [one for one in drawn.samples if one.rule]
    assert len(kept) == 2 * samples.KEPT_PER_LANGUAGE
    assert len(dropped) == 2 * samples.DROPPED_PER_RULE
    assert all(one.text for one in (*kept, *dropped))
    assert all(one.split and one.tokens for one in kept)


def test_counts_of_repositories_are_exact(drawn: samples.Samples) -> None:
    assert drawn.all_repositories == 20
    assert sum(one.documents for one in drawn.repositories) == 70
    assert sum(one.dropped for one in drawn.repositories) == 10


def test_without_a_workspace_there_are_no_texts_of_what_was_dropped(tmp_path: Path) -> None:
    made = [document(0), document(1)]
    workspace = write_workspace(tmp_path / "work", [made], [str(made[1]["id"])])
    stage.run(context(workspace))
    found = samples.draw(workspace.release("1.0.0"), None)
    assert [bool(one.text) for one in found.samples] == [True, False]


LONG = "a\n" * 5000


@pytest.mark.parametrize(
    ("text", "evidence", "window"),
    [
        pytest.param("short", None, ("short", 1, False), id="whole"),
        pytest.param(None, "x", (None, 1, False), id="no text"),
        pytest.param(LONG, None, (LONG[:100], 1, True), id="beginning"),
        pytest.param(
            LONG + "SEEN\n" + LONG, "SEEN…", ("a\n" * 13 + "SEEN\n" + "a\n" * 34 + "a", 4988, True), id="around"
        ),
    ],
)
def test_the_window_shows_the_evidence(text: str | None, evidence: str | None, window: tuple[object, ...]) -> None:
    assert samples.window(text, evidence, 100) == window
