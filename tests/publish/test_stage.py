"""Publishing to the hub, to S3 and to a folder."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from algstack.errors import AlgstackError, DatasetError
from algstack.publish import stage
from algstack.publish.hub import HubPlace
from tests.publish.flaky import Line
from tests.publish.hub import Hub

TARGET = "hf://datasets/org/tiny-algebra"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def on_hub(hub: Hub, revision: str = "main") -> dict[str, bytes]:
    repo = hub.repos["org/tiny-algebra"]
    tree = repo.branches.get(revision) or repo.tags[revision]
    return {path: blob.content for path, blob in tree.items() if path != ".gitattributes"}


def quiet(**options: object) -> HubPlace:
    """The same place as for TARGET, without its waits."""
    return HubPlace("org/tiny-algebra", sleep=lambda seconds: None, **options)  # type: ignore[arg-type]


def test_a_release_is_on_the_hub_whole_and_tagged(hub: Hub, release: Path) -> None:
    done = stage.publish(release, TARGET)
    assert on_hub(hub) == on_hub(hub, "1.0.0") == contents(release)
    assert sorted(done.sent) == sorted(contents(release))


def test_a_second_publish_sends_nothing(hub: Hub, release: Path) -> None:
    stage.publish(release, TARGET)
    uploads, commits = hub.uploads.copy(), len(hub.repos["org/tiny-algebra"].commits)
    again = stage.publish(release, TARGET)
    assert (again.sent, again.sent_bytes) == ((), 0)
    assert (hub.uploads, len(hub.repos["org/tiny-algebra"].commits)) == (uploads, commits)


def test_a_dry_run_says_what_it_would_send_and_sends_nothing(hub: Hub, release: Path) -> None:
    said = stage.publish(release, TARGET, dry_run=True)
    assert hub.repos == {}
    done = stage.publish(release, TARGET)
    assert (said.sent, said.sent_bytes) == (done.sent, done.sent_bytes)
    assert said.sent_bytes == sum(map(len, contents(release).values()))


def test_the_next_version_replaces_what_was_ours_and_nothing_else(hub: Hub, releases: dict[str, Path]) -> None:
    stage.publish(releases["1.0.0"], TARGET)
    tree = hub.repos["org/tiny-algebra"].branches["main"]
    tree["notes.md"] = tree[".gitattributes"]  # somebody's own file
    done = stage.publish(releases["1.1.0"], TARGET)
    assert any(name.startswith("data/coq/") for name in done.removed)
    found = on_hub(hub)
    assert found.pop("notes.md")
    assert found == contents(releases["1.1.0"])
    assert on_hub(hub, "1.0.0") == contents(releases["1.0.0"])


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_hub_that_fails_every_fifth_time_gets_all_of_it(line: Line, hub: Hub, release: Path, seed: int) -> None:
    line.failing = 0.2
    line.chance.seed(seed)
    stage.publish_to(quiet(), TARGET, release)
    assert line.failures
    assert on_hub(hub) == on_hub(hub, "1.0.0") == contents(release)


def test_killed_half_way_only_the_rest_is_sent(hub: Hub, release: Path) -> None:
    hub.die_after_uploads = 3
    with pytest.raises(AlgstackError):
        stage.publish_to(quiet(), TARGET, release)
    assert hub.repos["org/tiny-algebra"].tags == {}
    hub.die_after_uploads = None
    stage.publish_to(quiet(), TARGET, release)
    assert on_hub(hub, "1.0.0") == contents(release)
    assert set(hub.uploads.values()) == {1}  # nothing was sent twice


def test_many_files_go_in_several_commits(hub: Hub, release: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("algstack.publish.hub.FILES_PER_COMMIT", 5)
    stage.publish(release, TARGET)
    commits = hub.repos["org/tiny-algebra"].commits
    assert len(commits) > 2
    assert all(len(commit) <= 5 for commit in commits)
    assert commits[-1][-1] == "SHA256SUMS"


def test_private_gated_and_a_branch(hub: Hub, release: Path) -> None:
    stage.publish(release, f"{TARGET}@next", private=True, gated="manual")
    repo = hub.repos["org/tiny-algebra"]
    assert (repo.private, repo.gated) == (True, "manual")
    assert on_hub(hub, "next") == contents(release)
    assert on_hub(hub, "main") == {}


def test_a_version_that_was_tagged_on_another_branch_comes_to_main_as_well(hub: Hub, release: Path) -> None:
    stage.publish(release, f"{TARGET}@next")
    stage.publish(release, TARGET)
    assert on_hub(hub) == on_hub(hub, "1.0.0") == contents(release)


def test_publishing_an_older_version_again_changes_nothing(hub: Hub, releases: dict[str, Path]) -> None:
    stage.publish(releases["1.0.0"], TARGET)
    stage.publish(releases["1.1.0"], TARGET)
    assert stage.publish(releases["1.0.0"], TARGET).sent == ()
    assert on_hub(hub) == contents(releases["1.1.0"])


def test_a_refused_token_is_one_clear_line(hub: Hub, release: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_wrong_secret")
    with pytest.raises(AlgstackError, match="does not know the token") as caught:
        stage.publish(release, TARGET)
    assert "hf_wrong_secret" not in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    assert hub.repos == {}


@pytest.mark.parametrize("name", ["org/a--b", "org/-name", "org/na me", "org/" + "x" * 120])
def test_a_name_that_is_not_allowed_is_said(hub: Hub, release: Path, name: str) -> None:
    with pytest.raises(AlgstackError, match="does not allow this name"):
        stage.publish(release, f"hf://datasets/{name}")


@pytest.mark.parametrize("target", ["hf://org/name", "hf://datasets/name", "gs://bucket/x", "s3://"])
def test_a_target_that_is_none_is_said(release: Path, target: str) -> None:
    with pytest.raises(AlgstackError, match="not a"):
        stage.publish(release, target)


def test_a_published_version_is_never_changed(hub: Hub, releases: dict[str, Path], tmp_path: Path) -> None:
    stage.publish(releases["1.0.0"], TARGET)
    other = Path(shutil.copytree(releases["1.1.0"], tmp_path / "other"))
    record = other / "stage.json"
    record.write_text(record.read_text().replace('"version": "1.1.0"', '"version": "1.0.0"'))
    from algstack.release.stage import write_checksums

    write_checksums(other)
    with pytest.raises(AlgstackError, match="never changed"):
        stage.publish(other, TARGET)
    assert on_hub(hub, "1.0.0") == contents(releases["1.0.0"])


def test_a_damaged_release_is_not_published(hub: Hub, release: Path) -> None:
    (release / "README.md").write_text("other")
    with pytest.raises(DatasetError, match=r"README\.md: missing, or changed"):
        stage.publish(release, TARGET)
    assert hub.repos == {}


def test_a_folder(release: Path, releases: dict[str, Path], tmp_path: Path) -> None:
    target = tmp_path / "published"
    stage.publish(release, str(target))
    assert contents(target) == contents(release)
    assert stage.publish(release, str(target)).sent == ()
    (target / "mine.txt").write_text("kept")
    stage.publish(releases["1.1.0"], str(target))
    assert contents(target) == contents(releases["1.1.0"]) | {"mine.txt": b"kept"}


def test_a_strangers_file_is_never_replaced(release: Path, tmp_path: Path) -> None:
    target = tmp_path / "published"
    target.mkdir()
    (target / "README.md").write_text("mine")
    with pytest.raises(AlgstackError, match=r"README\.md. is there already"):
        stage.publish(release, str(target))
    assert contents(target) == {"README.md": b"mine"}
