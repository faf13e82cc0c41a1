from __future__ import annotations

import hashlib
from typing import Any

import pytest

from algstack.crawl.files import FileReader, RawFile, Repository
from algstack.crawl.refusals import Refusal
from algstack.documents import DECISIONS, DOCUMENTS, swhid
from algstack.manifest import CrawlConfig
from tests.conftest import FewLanguages

REPOSITORY = Repository("git", "src", "repo", "abc", url="https://example.org/{revision}/{path}", license="MIT")
LATIN = "Die Fläche des Kreises ist größer, als man für möglich hält; das gehört überprüft. ".encode("latin-1") * 5


def document_of(path: str, content: bytes) -> dict[str, Any]:
    reader = FileReader(CrawlConfig(), FewLanguages())
    (batch,) = reader.batches(REPOSITORY, [RawFile(path, len(content), content)])
    (document,) = batch.to_pylist()
    return dict(document)


def test_a_document_has_every_column() -> None:
    document = document_of("a b/é.lean", "∀ x".encode())
    assert list(document) == DOCUMENTS.names
    assert document["id"] == "git:repo@abc:a b/é.lean"
    assert document["url"] == "https://example.org/abc/a%20b/%C3%A9.lean"
    assert document["lang"] == "lean"
    assert document["size"] == 5
    # `git hash-object` of the same bytes:
    assert document["swhid"] == f"swh:1:cnt:{hashlib.sha1(b'blob 5' + bytes(1) + '∀ x'.encode()).hexdigest()}"
    assert document["meta"] is None


def test_the_swhid_is_of_the_original_bytes() -> None:
    document = document_of("a.lean", LATIN)
    assert document["swhid"] == swhid(LATIN)
    assert document["size"] == len(document["text"].encode())
    assert "encoding" in document["meta"]


def test_every_file_is_a_document_or_a_decision() -> None:
    reader = FileReader(CrawlConfig(), FewLanguages())
    raw = [
        RawFile("a.lean", 1, b"x"),
        RawFile("b.lean", 4, b"\0"),
        RawFile("c.lean", 9, Refusal("link", "/etc/passwd")),
        RawFile("caf\udce9.lean", 1, b"x"),
    ]
    documents, drops = reader.batches(REPOSITORY, raw)
    assert documents.schema == DOCUMENTS
    assert drops.schema == DECISIONS
    assert documents.column("path").to_pylist() == ["a.lean", "caf\\xe9.lean"]
    assert drops.select(["id", "rule", "keep", "lang"]).to_pylist() == [
        {"id": "git:repo@abc:b.lean", "rule": "binary", "keep": False, "lang": "lean"},
        {"id": "git:repo@abc:c.lean", "rule": "link", "keep": False, "lang": "lean"},
    ]


@pytest.mark.parametrize(
    ("path", "size", "rule"),
    [("a.lean", 10, None), ("a.txt", 10, "no-language"), ("a.lean", 2**31, "too-large")],
    ids=["wanted", "unknown", "two-gigabytes"],
)
def test_refusal_by_name_and_size(path: str, size: int, rule: str | None) -> None:
    refusal = FileReader(CrawlConfig(), FewLanguages()).refusal(path, size)
    assert (refusal and refusal.rule) == rule
