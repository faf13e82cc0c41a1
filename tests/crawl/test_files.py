from __future__ import annotations

import hashlib

import pytest

from algstack.crawl import files
from algstack.crawl.files import FileReader, RawFile, Refusal, Repository
from algstack.documents import DECISIONS, DOCUMENTS
from algstack.manifest import CrawlConfig
from tests.conftest import FewLanguages

REPOSITORY = Repository("git", "src", "repo", "abc", url="https://example.org/{revision}/{path}", license="MIT")
LATIN = "Die Fläche des Kreises ist größer, als man für möglich hält; das gehört überprüft. ".encode("latin-1") * 5


@pytest.mark.parametrize(
    ("content", "text", "encoding"),
    [
        (b"plain", "plain", "utf-8"),
        (b"", "", "utf-8"),
        ("∀ ε > 0".encode(), "∀ ε > 0", "utf-8"),
        (b"\xef\xbb\xbfwith a BOM", "\ufeffwith a BOM", "utf-8"),
        ("two bytes".encode("utf-16"), "two bytes", "utf-16"),
        (LATIN, LATIN.decode("latin-1"), None),
    ],
    ids=["ascii", "empty", "utf-8", "bom", "utf-16", "latin-1"],
)
def test_decode(content: bytes, text: str, encoding: str | None) -> None:
    decoded = files.decode(content)
    assert not isinstance(decoded, Refusal)
    assert decoded[0] == text
    assert encoding in (None, decoded[1])


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (b"\0" * 1000, "binary"),
        (b"text with one \0 in it", "binary"),
        (bytes(range(1, 256)) * 20, None),
        (b"\xff\xfe\x00", "undecodable"),
        (hashlib.sha512(b"noise").digest().replace(b"\0", b"\1") * 3, None),
    ],
    ids=["nuls", "one-nul", "every-byte", "half-utf-16", "noise"],
)
def test_what_is_not_text_is_refused(content: bytes, rule: str | None) -> None:
    refusal = files.decode(content)
    assert isinstance(refusal, Refusal)
    assert refusal.rule in ([rule] if rule else ["binary", "undecodable"])
    assert refusal.evidence


def test_a_document_has_every_column() -> None:
    document = files.read(REPOSITORY, RawFile("a b/é.lean", 5, "∀ x".encode()), FewLanguages())
    assert isinstance(document, dict)
    assert list(document) == DOCUMENTS.names
    assert document["id"] == "git:repo@abc:a b/é.lean"
    assert document["url"] == "https://example.org/abc/a%20b/%C3%A9.lean"
    assert document["lang"] == "lean"
    assert document["size"] == 5
    # `git hash-object` of the same bytes:
    assert document["swhid"] == f"swh:1:cnt:{hashlib.sha1(b'blob 5' + bytes(1) + '∀ x'.encode()).hexdigest()}"
    assert document["meta"] is None


def test_the_swhid_is_of_the_original_bytes() -> None:
    document = files.read(REPOSITORY, RawFile("a.lean", len(LATIN), LATIN), FewLanguages())
    assert isinstance(document, dict)
    assert document["swhid"] == files.swhid(LATIN)
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
