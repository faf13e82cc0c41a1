from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from algstack.crawl import stage
from algstack.errors import SourceError
from tests.conftest import FewLanguages, checksums, context_of, rows

SOURCE = '[[sources]]\nname = "src"\nkind = "folder"\npath = "in"\n'


def crawl(folder: Path, text: str = SOURCE, workers: int = 1) -> tuple[list[dict[str, object]], dict[str, str]]:
    """Crawl, and return the documents and the dropped ids with their rules."""
    stage.run(context_of(text, folder, workers), FewLanguages())
    at = folder / "work/crawl/src"
    decisions = rows(at.glob("decisions-*.parquet"))
    assert len({row["id"] for row in decisions}) == len(decisions)
    return rows(at.glob("documents-*.parquet")), {row["id"]: row["rule"] for row in decisions if not row["keep"]}


def fill(folder: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def test_every_file_is_a_document_or_a_drop(tmp_path: Path) -> None:
    fill(tmp_path / "in", {"b/x.lean": b"theorem", "a.py": b"", "notes.txt": b"", "n.v": b"\0", ".git/config.py": b""})
    (tmp_path / "in/link.lean").symlink_to("/etc/passwd")
    (tmp_path / "in/folder-link").symlink_to("/etc")
    os.mkfifo(tmp_path / "in/pipe.py")
    documents, drops = crawl(tmp_path)
    assert [row["id"] for row in documents] == ["folder:src:a.py", "folder:src:b/x.lean"]
    assert drops == {
        "folder:src:folder-link": "link",
        "folder:src:link.lean": "link",
        "folder:src:n.v": "binary",
        "folder:src:notes.txt": "no-language",
        "folder:src:pipe.py": "special-file",
    }


def test_a_file_that_may_not_be_read_is_a_drop(tmp_path: Path) -> None:
    fill(tmp_path / "in", {"a.lean": b"x"})
    (tmp_path / "in/a.lean").chmod(0)
    documents, drops = crawl(tmp_path)
    if os.geteuid() == 0:  # root reads everything
        assert len(documents) == 1
    else:
        assert drops == {"folder:src:a.lean": "unreadable"}


def test_a_two_gigabyte_file_is_dropped_unread(tmp_path: Path) -> None:
    fill(tmp_path / "in", {"a.lean": b"x"})
    with (tmp_path / "in/big.lean").open("wb") as file:
        file.truncate(2 * 2**30)
    assert crawl(tmp_path)[1] == {"folder:src:big.lean": "too-large"}


def test_each_subfolder_is_a_repository(tmp_path: Path) -> None:
    fill(tmp_path / "in", {"one/a.lean": b"x", "two/a.lean": b"y", "loose.lean": b"z"})
    documents, _ = crawl(tmp_path, SOURCE + "each_subfolder = true\n")
    assert [(row["id"], row["repo"]) for row in documents] == [
        ("folder:one:a.lean", "one"),
        ("folder:two:a.lean", "two"),
    ]


def test_excluded_files_are_not_part_of_the_source(tmp_path: Path) -> None:
    fill(tmp_path / "in", {"a.lean": b"x", "vendor/deep/b.lean": b"y"})
    documents, drops = crawl(tmp_path, SOURCE + 'exclude = ["vendor/*"]\n')
    assert [row["path"] for row in documents] == ["a.lean"]
    assert drops == {}


@pytest.mark.parametrize("make", [True, False], ids=["empty", "missing"])
def test_an_empty_or_missing_folder_is_an_error(tmp_path: Path, make: bool) -> None:
    if make:
        (tmp_path / "in").mkdir()
    with pytest.raises(SourceError, match="empty" if make else "no such folder"):
        crawl(tmp_path)


def test_a_folder_without_a_known_language_is_all_drops(tmp_path: Path) -> None:
    fill(tmp_path / "in", {"a.txt": b"x", "b": b"y"})
    documents, drops = crawl(tmp_path)
    assert documents == []
    assert set(drops.values()) == {"no-language"}


def test_workers_do_not_change_a_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("algstack.crawl.folder.TASK_FILES", 3)
    results = []
    for workers in (1, 2):
        folder = tmp_path / str(workers)
        fill(folder / "in", {f"{n}.lean": bytes([65 + n]) * 50 for n in range(10)})
        for path in (folder / "in").iterdir():
            os.utime(path, (0, 0))
        crawl(folder, workers=workers)
        results.append(checksums(folder / "work"))
    assert results[0] == results[1]
    assert len(results[0]) == 9


def test_only_a_changed_part_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("algstack.crawl.folder.TASK_FILES", 1)
    fill(tmp_path / "in", {"a.lean": b"a", "b.lean": b"b"})
    crawl(tmp_path)
    before = (tmp_path / "work/crawl/src/documents-00000.parquet").stat().st_ino
    fill(tmp_path / "in", {"b.lean": b"changed"})
    documents, _ = crawl(tmp_path)
    assert [row["text"] for row in documents] == ["a", "changed"]
    assert (tmp_path / "work/crawl/src/documents-00000.parquet").stat().st_ino == before


def test_a_file_that_became_a_link_after_the_listing_is_not_followed(tmp_path: Path) -> None:
    from algstack.crawl import folder
    from algstack.crawl.files import FileReader
    from algstack.crawl.refusals import Refusal
    from algstack.manifest import CrawlConfig

    (tmp_path / "a.lean").symlink_to("/etc/passwd")
    listed = folder.Listed("a.lean", stat.S_IFREG | 0o644, 10, 0)
    content = folder.read_file(tmp_path, listed, FileReader(CrawlConfig(), FewLanguages())).content
    assert isinstance(content, Refusal)
    assert content.rule == "unreadable"
