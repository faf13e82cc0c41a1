from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from algstack.crawl import stage
from algstack.errors import SourceError
from tests.conftest import FewLanguages, context_of, rows

SOURCE = '[[sources]]\nname = "src"\nkind = "git"\npath = "repo"\n'


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=T", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(
        ["git", *identity, "-C", str(folder), *arguments],
        check=True,
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin", "GIT_COMMITTER_DATE": "2023-04-01T00:00:00Z", "HOME": str(folder)},
    )
    return done.stdout.strip()


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    folder = tmp_path / "repo"
    folder.mkdir()
    git(folder, "init", "-q")
    (folder / "a.lean").write_text("theorem one")
    (folder / "b c.py").write_bytes(b"\0")
    (folder / "é\n.lean").write_text("odd name")
    (folder / "link.lean").symlink_to("/etc/passwd")
    git(folder, "add", ".")
    git(folder, "update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},sub")
    git(folder, "commit", "-qm", "first")
    return folder


def test_reads_a_commit_without_a_checkout(repo: Path, tmp_path: Path) -> None:
    commit = git(repo, "rev-parse", "HEAD")
    (repo / "a.lean").write_text("changed, not committed")
    stage.run(context_of(SOURCE, tmp_path), FewLanguages())
    at = tmp_path / "work/crawl/src"
    documents = rows(at.glob("documents-*.parquet"))
    assert [row["id"] for row in documents] == [f"git:repo@{commit}:a.lean", f"git:repo@{commit}:é\n.lean"]
    assert documents[0]["text"] == "theorem one"
    assert documents[0]["swhid"] == f"swh:1:cnt:{git(repo, 'rev-parse', 'HEAD:a.lean')}"
    assert documents[0]["created_at"] == datetime(2023, 4, 1, tzinfo=UTC)
    drops = {row["id"].rsplit(":")[-1]: row["rule"] for row in rows(at.glob("decisions-*.parquet")) if not row["keep"]}
    assert drops == {"b c.py": "binary", "link.lean": "link", "sub": "submodule"}


def test_an_older_commit(repo: Path, tmp_path: Path) -> None:
    (repo / "a.lean").write_text("theorem two")
    git(repo, "commit", "-qam", "second")
    stage.run(context_of(SOURCE + 'commit = "HEAD~1"\n', tmp_path), FewLanguages())
    assert rows((tmp_path / "work/crawl/src").glob("documents-*"))[0]["text"] == "theorem one"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (SOURCE + 'commit = "nowhere"\n', "no commit `nowhere`"),
        (SOURCE.replace('"repo"', '"empty"'), "no commit `HEAD`"),
        (SOURCE.replace('"repo"', '"none*"'), "no such file or folder"),
    ],
    ids=["commit", "not-a-repository", "nothing"],
)
def test_errors_say_what_and_where(repo: Path, tmp_path: Path, source: str, said: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match=said):
        stage.run(context_of(source, tmp_path), FewLanguages())


def test_a_blob_that_is_not_there_is_refused_alone(repo: Path, tmp_path: Path) -> None:
    name = git(repo, "rev-parse", "HEAD:a.lean")
    (repo / ".git/objects" / name[:2] / name[2:]).unlink()
    stage.run(context_of(SOURCE, tmp_path), FewLanguages())
    at = tmp_path / "work/crawl/src"
    assert [row["text"] for row in rows(at.glob("documents-*.parquet"))] == ["odd name"]
    drops = {row["id"].rsplit(":")[-1]: row for row in rows(at.glob("decisions-*.parquet")) if not row["keep"]}
    assert drops["a.lean"]["rule"] == "unreadable"
    assert drops["a.lean"]["evidence"] == f"{name} missing"
