from __future__ import annotations

import gzip
import io
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest

from algstack.crawl import stage
from algstack.errors import SourceError
from tests.conftest import FewLanguages, context_of, rows

SOURCE = '[[sources]]\nname = "src"\nkind = "archive"\npath = "in/*"\n'


def tar_info(
    name: str, content: bytes = b"", kind: bytes = tarfile.REGTYPE, link: str = ""
) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, len(content)
    return info, content


def write_tar(path: Path, members: list[tuple[tarfile.TarInfo, bytes]], mode: str = "w:gz") -> None:
    path.parent.mkdir(exist_ok=True)
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))


def crawl(folder: Path, more: str = "") -> tuple[dict[str, str], dict[str, str]]:
    """Crawl, and return text by id of the documents, and rule by id of the drops."""
    stage.run(context_of(SOURCE + more, folder), FewLanguages())
    at = folder / "work/crawl/src"
    return (
        {row["id"]: row["text"] for row in rows(at.glob("documents-*.parquet"))},
        {row["id"]: row["rule"] for row in rows(at.glob("decisions-*.parquet")) if not row["keep"]},
    )


GOOD = [tar_info("top/a.lean", b"theorem"), tar_info("top/b.txt", b"text"), tar_info("top/c.py", b"\0")]


@pytest.mark.parametrize(
    ("name", "mode"),
    [("x.tar.gz", "w:gz"), ("x.tgz", "w:gz"), ("x.tar.xz", "w:xz"), ("x.tar.bz2", "w:bz2"), ("x.tar", "w:")],
)
def test_tar_of_every_kind(tmp_path: Path, name: str, mode: str) -> None:
    write_tar(tmp_path / "in" / name, GOOD, mode)
    documents, drops = crawl(tmp_path, 'strip = 1\nrevision = "1.0"\n')
    assert documents == {"archive:x@1.0:a.lean": "theorem"}
    assert drops == {"archive:x@1.0:b.txt": "no-language", "archive:x@1.0:c.py": "binary"}


def test_zip(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with zipfile.ZipFile(tmp_path / "in/x.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.lean", "theorem")
        archive.writestr("../b.lean", "out")
        link = zipfile.ZipInfo("link.lean")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    documents, drops = crawl(tmp_path)
    assert documents == {"archive:x:a.lean": "theorem"}
    assert drops == {"archive:x:../b.lean": "unsafe-path", "archive:x:link.lean": "link"}


def test_what_is_not_a_plain_file_inside_is_refused(tmp_path: Path) -> None:
    """Facts 2.8: a link `x.lean -> /etc/passwd` read the host's file, and `..` wrote outside."""
    members = [
        tar_info("x.lean", kind=tarfile.SYMTYPE, link="/etc/passwd"),
        tar_info("hard.lean", kind=tarfile.LNKTYPE, link="../../etc/passwd"),
        tar_info("../up.lean", b"x"),
        tar_info("/absolute.lean", b"x"),
        tar_info("a/../../b.lean", b"x"),
        tar_info("device.lean", kind=tarfile.CHRTYPE),
        tar_info("pipe.lean", kind=tarfile.FIFOTYPE),
        tar_info("good.lean", b"x"),
        tar_info("good.lean", b"again"),
    ]
    write_tar(tmp_path / "in/x.tar.gz", members)
    documents, drops = crawl(tmp_path)
    assert documents == {"archive:x:good.lean": "x"}
    assert sorted(drops.values()) == ["link"] * 2 + ["repeated-path"] + ["special-file"] * 2 + ["unsafe-path"] * 3


@pytest.mark.parametrize("cut", [0.5, 0.9])
def test_a_truncated_archive_is_a_drop_and_what_came_before_is_kept(tmp_path: Path, cut: float) -> None:
    noise = [tar_info(f"{n}.lean", (str(n) * 5000 + str(hash(n) ** 7) * 200).encode()) for n in range(200)]
    write_tar(tmp_path / "in/x.tar.gz", noise)
    content = (tmp_path / "in/x.tar.gz").read_bytes()
    (tmp_path / "in/x.tar.gz").write_bytes(content[: int(len(content) * cut)])
    documents, drops = crawl(tmp_path)
    assert 10 < len(documents) < 200
    assert drops == {"archive:x:x.tar.gz": "broken-archive"}


def test_a_bomb_is_left(tmp_path: Path) -> None:
    """One gigabyte of zeros in one megabyte: refused by its ratio before it is unpacked."""
    (tmp_path / "in").mkdir()
    info = tarfile.TarInfo("zeros.lean")
    info.size = 2**30
    good, content = tar_info("good.lean", b"x")
    with gzip.open(tmp_path / "in/x.tar.gz", "wb", compresslevel=1) as file:
        file.write(good.tobuf() + content.ljust(512, b"\0") + info.tobuf())
        for _ in range(64):
            file.write(bytes(2**20))
    documents, drops = crawl(tmp_path, "[crawl]\nmax_archive_bytes = 1_000_000_000\n")
    assert documents == {"archive:x:good.lean": "x"}
    assert drops == {"archive:x:x.tar.gz": "archive-bomb"}


@pytest.mark.parametrize(
    ("limit", "rule"),
    [("max_archive_members = 2", "archive-bomb"), ("max_archive_bytes = 8", "archive-bomb")],
)
def test_limits_of_the_manifest(tmp_path: Path, limit: str, rule: str) -> None:
    write_tar(tmp_path / "in/x.tar.gz", GOOD)
    assert crawl(tmp_path, f"[crawl]\n{limit}\n")[1]["archive:x:x.tar.gz"] == rule


def test_what_is_no_archive_at_all(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/x.tar.gz").write_text("not gzip")
    assert crawl(tmp_path)[1] == {"archive:x:x.tar.gz": "broken-archive"}
    (tmp_path / "in/x.rar").write_text("unknown")
    with pytest.raises(SourceError, match="not an archive"):
        crawl(tmp_path)
