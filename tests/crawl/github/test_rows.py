from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from identify.vendor.licenses import LICENSES

from algstack.crawl.archive import ArchiveBomb
from algstack.crawl.files import FileReader
from algstack.crawl.github import rows
from algstack.crawl.github.rows import submodules
from algstack.crawl.ledger import Entry
from algstack.crawl.tar import Damage
from algstack.documents import DECISIONS, DOCUMENTS, swhid
from algstack.manifest import CrawlConfig
from tests.conftest import FewLanguages
from tests.crawl.github.stand_in import archive

TEXTS = dict(LICENSES)
SHA = "0123456789abcdef0123456789abcdef01234567"


def entry_of(**known: Any) -> Entry:
    values = {
        **dict.fromkeys(Entry.__dataclass_fields__),
        "key": "7",
        "name": "o/r",
        "state": "pinned",
        "stars": 4,
        "facts": {"url": "https://github.com/o/r"},
        "revision": SHA,
        "revised_at": datetime(2021, 2, 3, tzinfo=UTC),
        **known,
    }
    return Entry(**values)


def read(
    folder: Path, packed: bytes, limits: CrawlConfig | None = None, exclude: tuple[str, ...] = (), **known: Any
) -> tuple[dict[str, dict[str, Any]], dict[str, dict[str, Any]]]:
    """Write and read back an archive's rows: documents by path, drops by id."""
    reader = FileReader(limits or CrawlConfig(), FewLanguages(), folder / "scratch")
    entry = entry_of(**known)
    part = rows.write(folder, entry, "gh", io.BytesIO(packed), reader, exclude)
    documents, drops = {}, {}
    for batch in rows.read(folder, entry_of(**{**known, "part": part.name})):
        if batch.schema.equals(DOCUMENTS):
            documents |= {row["path"]: row for row in batch.to_pylist()}
        else:
            assert batch.schema.equals(DECISIONS)
            drops |= {row["id"]: row for row in batch.to_pylist()}
    assert (part.rows, part.drops) == (len(documents), len(drops))
    return documents, drops


def rules(drops: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    return {name.partition(":")[2].partition(":")[2]: row["rule"] for name, row in drops.items()}


def test_a_document(tmp_path: Path) -> None:
    documents, drops = read(tmp_path, archive({"src/a b.lean": "theorem ∀".encode(), "README": b"x"}))
    assert documents["src/a b.lean"] == {
        "id": f"github:o/r@{SHA}:src/a b.lean",
        "text": "theorem ∀",
        "lang": "lean",
        "source": "gh",
        "repo": "o/r",
        "path": "src/a b.lean",
        "revision": SHA,
        "url": f"https://github.com/o/r/blob/{SHA}/src/a%20b.lean",
        "license": None,
        "license_source": None,
        "attribution": None,
        "created_at": datetime(2021, 2, 3, tzinfo=UTC),
        "stars": 4,
        "size": 11,
        "swhid": swhid("theorem ∀".encode()),
        "meta": None,
    }
    assert rules(drops) == {"README": "no-language"}


def test_the_same_archive_gives_the_same_bytes(tmp_path: Path) -> None:
    packed = archive({f"{number}.lean": b"x" * number for number in range(1, 200)})
    reader = FileReader(CrawlConfig(), FewLanguages(), tmp_path)
    made = [rows.write(tmp_path / name, entry_of(), "gh", io.BytesIO(packed), reader, ()) for name in "ab"]
    assert made[0] == made[1]
    assert (tmp_path / "a" / made[0].name).read_bytes() == (tmp_path / "b" / made[1].name).read_bytes()


@pytest.mark.parametrize("name", ["with space.lean", "é∀.lean", "new\nline.lean", "100%#?.lean", "a" * 200 + "/b.lean"])
def test_names(tmp_path: Path, name: str) -> None:
    documents, _ = read(tmp_path, archive({name: b"x"}))
    assert list(documents) == [name]
    assert not set("\n #?∀") & set(documents[name]["url"])


def test_what_is_no_file_of_the_repository_is_recorded(tmp_path: Path) -> None:
    """Facts 2.8: a link read the host's file, and `..` wrote outside."""
    link = tarfile.TarInfo("top/link.lean")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    pipe = tarfile.TarInfo("top/pipe.lean")
    pipe.type = tarfile.FIFOTYPE
    modules = b'[submodule "std"]\n\tpath = lib/std\n\turl = https://example.org/std\n'
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 123456\n"
    files = {
        ".gitmodules": modules,
        "lib/std": None,
        "big.lean": pointer,
        "../up.lean": b"x",
        "nul.lean": b"a\0b",
        "good.lean": b"x",
    }
    absolute = tarfile.TarInfo("/absolute.lean")
    documents, drops = read(tmp_path, archive(files, "top", [link, pipe, absolute]))
    assert list(documents) == ["good.lean"]
    assert rules(drops) == {
        ".gitmodules": "no-language",
        "big.lean": "lfs-pointer",
        "../up.lean": "unsafe-path",
        "nul.lean": "binary",
        "link.lean": "link",
        "pipe.lean": "special-file",
        "absolute.lean": "unsafe-path",
        "lib/std": "submodule",
    }


def test_paths_that_the_manifest_excludes(tmp_path: Path) -> None:
    documents, drops = read(tmp_path, archive({"a.lean": b"x", "test/b.lean": b"x"}), exclude=("test/*",))
    assert (list(documents), drops) == (["a.lean"], {})


FILES = {
    "A.lean": b"x",
    "LICENSE": TEXTS["MIT"].encode(),
    "other/B.lean": b"x",
    "vendor/gpl/B.lean": b"x",
    "vendor/gpl/COPYING": TEXTS["GPL-3.0"].encode(),
    "vendor/own/B.lean": b"-- SPDX-License-Identifier: ISC\nx",
    "vendor/own/LICENSE": b"Ask me.",
    "vendor/own/C.lean": b"x",
}


@pytest.mark.parametrize(
    ("github", "path", "expected"),
    [
        ("Apache-2.0", "A.lean", ("Apache-2.0", "github")),
        (None, "A.lean", ("MIT", "license file")),
        (None, "other/B.lean", ("MIT", "license file")),
        ("Apache-2.0", "vendor/gpl/B.lean", ("GPL-3.0", "license file in vendor/gpl")),
        ("Apache-2.0", "vendor/own/B.lean", ("ISC", "file header")),
        ("Apache-2.0", "vendor/own/C.lean", (None, None)),
    ],
)
def test_licences(tmp_path: Path, github: str | None, path: str, expected: tuple[str | None, str | None]) -> None:
    documents, _ = read(tmp_path, archive(FILES), license=github)
    assert (documents[path]["license"], documents[path]["license_source"]) == expected


def test_two_licences_are_the_users_choice(tmp_path: Path) -> None:
    files = {"LICENSE-APACHE": TEXTS["Apache-2.0"].encode(), "LICENSE-MIT": TEXTS["MIT"].encode(), "a.lean": b"x"}
    documents, _ = read(tmp_path, archive(files))
    assert documents["a.lean"]["license"] == "Apache-2.0 OR MIT"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a.lean", False),
        ("vendor/a.lean", True),
        ("x/third_party/a.lean", True),
        ("_target/deps/mathlib/a.lean", True),
        (".lake/packages/std/a.lean", True),
        ("node_modules/a.py", True),
        ("invendor/a.lean", False),
        ("vendor.lean", False),
    ],
)
def test_vendored_folders(tmp_path: Path, path: str, expected: bool) -> None:
    documents, _ = read(tmp_path, archive({path: b"x"}))
    assert json.loads(documents[path]["meta"] or "{}") == ({"vendored": True} if expected else {})


def test_what_was_vendored_and_in_an_old_encoding_says_both(tmp_path: Path) -> None:
    text = ("-- d'être déjà à l'œuvre, où l'été français paraît " * 20).encode("cp1252")
    documents, _ = read(tmp_path, archive({"vendor/a.lean": text}))
    assert json.loads(documents["vendor/a.lean"]["meta"]) == {"encoding": "windows-1252", "vendored": True}


def test_stars_and_licence_are_those_of_the_ledger_now(tmp_path: Path) -> None:
    reader = FileReader(CrawlConfig(), FewLanguages(), tmp_path)
    part = rows.write(tmp_path, entry_of(), "gh", io.BytesIO(archive({"a.lean": b"x"})), reader, ())
    (batch,) = rows.read(tmp_path, entry_of(part=part.name, stars=99, license="MIT"))
    assert (batch["stars"][0].as_py(), batch["license"][0].as_py()) == (99, "MIT")


GOOD = archive({"a.lean": b"theorem" * 5000})


@pytest.mark.parametrize(
    "packed",
    [GOOD[: len(GOOD) // 2], GOOD[:-4], GOOD[:60] + b"x" + GOOD[61:], b"", b"<html>", gzip.compress(b"no tar" * 200)],
    ids=["cut", "cut in its checksum", "damaged", "empty", "a page", "no tar"],
)
def test_a_broken_archive_leaves_nothing(tmp_path: Path, packed: bytes) -> None:
    with pytest.raises(Damage):
        read(tmp_path, packed)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def zeros(size: int, claimed: int | None = None) -> bytes:
    """An archive of one file of zeros, which may claim to be shorter than what follows its end."""
    info = tarfile.TarInfo("top/zeros.lean")
    info.size = size if claimed is None else claimed
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=9, mtime=0) as file:
        file.write(info.tobuf())
        for _ in range(size // 2**20):
            file.write(bytes(2**20))
    return packed.getvalue()


@pytest.mark.parametrize(
    ("packed", "limits", "match"),
    [
        (zeros(100 * 2**20), CrawlConfig(), "a ratio above 200"),
        (zeros(100 * 2**20, claimed=0), CrawlConfig(), "a ratio above 200"),
        (GOOD, CrawlConfig(max_archive_bytes=1000), "more than 1000 bytes"),
        (archive(dict.fromkeys(map(str, range(11)), b"")), CrawlConfig(max_archive_members=10), "more than 10 members"),
    ],
    ids=["zeros", "zeros after the end", "bytes", "members"],
)
def test_a_bomb_leaves_nothing(tmp_path: Path, packed: bytes, limits: CrawlConfig, match: str) -> None:
    with pytest.raises(ArchiveBomb, match=match):
        read(tmp_path, packed, limits)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_large_file_at_the_beginning_is_no_bomb(tmp_path: Path) -> None:
    """Its header states more than the first packed bytes can be worth; only what is unpacked counts."""
    info = tarfile.TarInfo("top/zeros.lean")
    info.size = 100 * 2**20
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=9, mtime=0) as file:
        for piece in (info.tobuf(), *[bytes(2**20)] * 100, bytes(10_240)):
            file.write(piece)
    _, drops = read(tmp_path, packed.getvalue(), CrawlConfig(max_archive_ratio=1050))
    assert rules(drops) == {"zeros.lean": "too-large"}


def test_a_file_that_is_too_large_is_a_drop(tmp_path: Path) -> None:
    documents, drops = read(
        tmp_path, archive({"a.lean": b"x" * 101, "b.lean": b"x" * 100}), CrawlConfig(max_file_bytes=100)
    )
    assert (list(documents), rules(drops)) == (["b.lean"], {"a.lean": "too-large"})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[submodule "a"]\n\tpath = x/a\n\turl = u\n[submodule "b"]\n  path=b\n', {"x/a": "u", "b": ""}),
        ("[core]\n\tpath = x\n", {}),
        ("nonsense", {}),
        ("", {}),
    ],
)
def test_submodules(text: str, expected: dict[str, str]) -> None:
    assert submodules(text) == expected
