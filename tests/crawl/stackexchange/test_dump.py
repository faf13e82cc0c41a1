"""Dumps as files, folders and archives."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from algstack.crawl.stackexchange import dump as dump_module
from algstack.crawl.stackexchange.dump import POSTS, TABLES, Broken, open_dump
from algstack.errors import SourceError
from tests.crawl.stackexchange import dumps

CONTENT = dumps.table(dumps.question(number) for number in range(1, 2000))


@pytest.fixture(params=["_produce_by_libarchive", "_produce_by_py7zr"])
def reader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both readers of 7z archives, whichever is installed."""
    if request.param == "_produce_by_libarchive":
        pytest.importorskip("libarchive", exc_type=Exception)  # type: ignore[arg-type]
    monkeypatch.setattr(dump_module, "_PRODUCE_7Z", getattr(dump_module, request.param))


def content_of(path: Path, table: str = POSTS) -> bytes:
    return b"".join(chunk for _, chunks in open_dump(path, "a.b").tables([table]) for chunk in chunks)


@pytest.mark.usefixtures("reader")
def test_an_archive_is_read_as_it_is(tmp_path: Path) -> None:
    path = dumps.pack(tmp_path / "a.7z", {"Badges.xml": b"<badges/>", "Posts.xml": CONTENT, "Users.xml": b"<users />"})

    assert content_of(path) == CONTENT
    assert content_of(path, "users.xml") == b"<users />"
    assert [(name, b"".join(chunks)) for name, chunks in open_dump(path, "a.b").tables(TABLES)] == [
        ("posts.xml", CONTENT),
        ("users.xml", b"<users />"),
    ]


@pytest.mark.usefixtures("reader")
def test_a_damaged_archive_gives_what_comes_before(tmp_path: Path) -> None:
    content = random.Random(1).randbytes(2_000_000).hex().encode()
    whole = dumps.pack(tmp_path / "a.7z", {"Posts.xml": content}).read_bytes()
    middle = len(whole) // 2
    path = tmp_path / "b.7z"
    path.write_bytes(whole[:middle] + bytes(64) + whole[middle + 64 :])
    found: list[bytes] = []

    def read_all() -> None:
        for _, chunks in open_dump(path, "a.b").tables([POSTS]):
            found.extend(chunks)

    with pytest.raises(Broken, match=r"b\.7z cannot be read on"):
        read_all()
    assert content.startswith(b"".join(found)[:100_000])


def test_a_reader_that_stops_early_leaves_no_thread(tmp_path: Path) -> None:
    path = dumps.write(tmp_path / "Posts.xml", [dumps.question(1)] * 200_000)
    events = dump_module._read_ahead(lambda put: dump_module._produce(path, {"Posts.xml": POSTS}, put))

    next(events)
    events.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["posts.xml", "Posts.xml"])
def test_a_folder_or_a_file_of_any_year(tmp_path: Path, name: str) -> None:
    folder = dumps.write(tmp_path / "math.stackexchange.com" / name, [dumps.question(1)]).parent

    assert open_dump(folder).site == open_dump(folder / name).site == "math.stackexchange.com"
    assert content_of(folder) == content_of(folder / name) == (folder / name).read_bytes()


SITES = {
    "math.stackexchange.com.7z": "math.stackexchange.com",
    "stackoverflow.com-Posts.7z": "stackoverflow.com",
    "mathoverflow.net.7z": "mathoverflow.net",
}


@pytest.mark.parametrize(("name", "site"), SITES.items(), ids=SITES)
def test_the_archives_name_says_the_site(tmp_path: Path, name: str, site: str) -> None:
    assert open_dump(dumps.pack(tmp_path / name, {"Posts.xml": CONTENT})).site == site


def test_a_name_that_does_not_say_the_site_is_an_error(tmp_path: Path) -> None:
    path = dumps.pack(tmp_path / "dump.7z", {"Posts.xml": CONTENT})

    with pytest.raises(SourceError, match="site = "):
        open_dump(path)


def test_a_cut_archive_says_how_much_is_missing(tmp_path: Path) -> None:
    whole = dumps.pack(tmp_path / "a.b.7z", {"Posts.xml": CONTENT}).read_bytes()
    (tmp_path / "a.b.7z").write_bytes(whole[:-100])

    with pytest.raises(SourceError, match=rf"cut off: {len(whole) - 100:,} of {len(whole):,} bytes"):
        open_dump(tmp_path / "a.b.7z")


def test_a_damaged_directory_is_an_error(tmp_path: Path) -> None:
    whole = bytearray(dumps.pack(tmp_path / "a.b.7z", {"Posts.xml": CONTENT}).read_bytes())
    whole[-40:-30] = bytes(10)
    (tmp_path / "a.b.7z").write_bytes(whole)

    with pytest.raises(SourceError, match="cannot be read"):
        open_dump(tmp_path / "a.b.7z")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04" * 20, b"7z\xbc\xaf\x27\x1c"], ids=["empty", "zip", "too short"])
def test_another_file_is_an_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.b.7z").write_bytes(content)

    with pytest.raises(SourceError, match="not a dump"):
        open_dump(tmp_path / "a.b.7z")


def test_a_dump_without_posts_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"no Posts\.xml"):
        open_dump(dumps.pack(tmp_path / "a.b.7z", {"Users.xml": b"<users />"}))


def test_a_missing_dump_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no such dump"):
        open_dump(tmp_path / "a.b.7z")
