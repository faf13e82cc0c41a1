from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from algstack.crawl import decoding
from algstack.crawl.refusals import Refusal

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
    decoded = decoding.decode(content)
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
    refusal = decoding.decode(content)
    assert isinstance(refusal, Refusal)
    assert refusal.rule in ([rule] if rule else ["binary", "undecodable"])
    assert refusal.evidence


CONTENTS = st.one_of(
    st.text(max_size=20).map(str.encode),
    st.binary(max_size=20),
    st.sampled_from([LATIN, b"", b"\0", b"\xff\xfea\0", "∀".encode(), "∀".encode()[:2]]),
)


@given(st.lists(CONTENTS, max_size=12))
def test_many_at_once_are_what_they_are_singly(contents: list[bytes]) -> None:
    singly = list(map(decoding.decode, contents))
    found = decoding.decode_all(contents)
    assert found.refusals == {n: one for n, one in enumerate(singly) if isinstance(one, Refusal)}
    assert found.encodings == [None if isinstance(one, Refusal) else one[1] for one in singly]
    assert found.column.to_pylist() == [one[0] for one in singly if not isinstance(one, Refusal)]
