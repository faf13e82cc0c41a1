"""The longest repeated passages: exact lengths, counts and places, against brute force on small documents."""

from __future__ import annotations

import random
from bisect import bisect_left
from itertools import pairwise

import polars as pl
import pytest

from algstack.dedup import anchors
from algstack.dedup.parts import Part, TablePart
from algstack.dedup.passages import longest
from algstack.dedup.shingles import TOKEN
from algstack.errors import AlgstackError
from tests.dedup.corpus import documents

LICENSE = "".join(
    f"-- Permission is granted, clause {n}: keep notice number {n * 37} in all copies.\n" for n in range(30)
)
TEMPLATE = "".join(
    f"\\newcommand{{\\m{n}}}{{\\mathbb{{K}}_{{{n}}}}} % symbol {n * 11} of the template\n" for n in range(60)
)


def parts_of(texts: dict[str, str | bytes | None], rows: int = 3) -> list[Part]:
    """Documents in parts of so many."""
    frame = pl.DataFrame({"id": list(texts), "text": list(texts.values())}, strict=False)
    return [TablePart(frame.slice(first, rows).to_arrow()) for first in range(0, frame.height, rows)]


def prose(dice: random.Random, tokens: int) -> str:
    """Text in which nothing repeats."""
    return "".join(f"w{dice.randrange(10**6)}{dice.choice([' ', ' ', ', ', ' = (', chr(10)])}" for _ in range(tokens))


def test_planted_passages() -> None:
    dice = random.Random(1)
    texts = {f"lib/{n}.lean": f"{LICENSE}{'abcde'[n]} := {prose(dice, 300)}" for n in range(5)}
    texts["a.tex"] = f"% a\n\n{TEMPLATE}\\begin{{document}}{prose(dice, 40)}"
    texts["b.tex"] = f"{prose(dice, 10)};\n{TEMPLATE}\\end{{a}}"
    report = longest(parts_of(texts), 10)
    first, second = report.passages
    assert (report.documents, report.least_tokens) == (7, 68)
    assert (first.bytes, first.lines, first.documents) == (len(f"\n{TEMPLATE}\\"), 62, 2)
    assert first.tokens == len(TOKEN.findall(TEMPLATE.encode()))
    before = texts["b.tex"].index(f"\n{TEMPLATE}")
    assert first.places == (("a.tex", 2, 4), ("b.tex", texts["b.tex"][:before].count("\n") + 1, before))
    assert first.begins == tuple(TEMPLATE.splitlines()[:2])
    assert (second.bytes, second.lines, second.documents) == (len(LICENSE), 30, 5)
    assert second.places == tuple((f"lib/{n}.lean", 1, 0) for n in range(3))
    assert second.begins == tuple(LICENSE.splitlines()[:2])
    assert longest(parts_of(texts), 1).passages == (first,)


def test_a_licence_is_reported_again_only_in_twice_as_many_documents() -> None:
    """Two share the licence and what follows, three the licence and a line, nine the licence."""
    dice = random.Random(2)
    rest, line = prose(dice, 200), "-- The same line in three of them.\n"
    ends = [rest + "a", rest + "b", line + "c", line + "d", line + "e", "f", "g", "h", "i"]
    texts = {f"{n}": f"{LICENSE}{end} {prose(dice, 50)}" for n, end in enumerate(ends)}
    found = [(one.bytes, one.documents) for one in longest(parts_of(texts), 10).passages]
    assert found == [(len(LICENSE) + len(rest), 2), (len(LICENSE), 9)]


@pytest.mark.parametrize("seed", range(12))
def test_all_that_brute_force_finds(seed: int) -> None:
    """What is reported is maximal; every maximal passage of 2 w + 4 tokens is, or lies within one that is."""
    dice, window = random.Random(seed), 4
    shared = [prose(dice, dice.choice([5, 12, 20, 60])) for _ in range(6)]
    texts = {}
    for number in range(dice.randrange(2, 9)):
        pieces = [dice.choice([prose(dice, dice.randrange(40)), *shared]) for _ in range(dice.randrange(1, 6))]
        texts[f"d{number}"] = "".join(pieces)[dice.randrange(4) :]
    expected = maximal([text.encode() for text in texts.values()])
    reported: dict[bytes, int] = {}
    for one in longest(parts_of(texts), 1000, window=window).passages:
        (passage,) = {texts[place.id].encode()[place.byte :][: one.bytes] for place in one.places}
        assert passage not in reported
        assert expected.get(passage) == one.documents or one.tokens < 2 * window + 6  # two of them need not be whole
        assert len(TOKEN.findall(passage)) == one.tokens >= 2 * window + 4
        reported[passage] = one.documents
    assert list(reported) == sorted(reported, key=len, reverse=True)
    enough = {text: count for text, count in expected.items() if len(TOKEN.findall(text)) >= 2 * window + 6}
    for text, count in enough.items():
        longer = [other for other, documents in reported.items() if len(other) >= len(text) and 2 * documents > count]
        told = {token for other in longer for token in TOKEN.findall(other)}
        inner = TOKEN.findall(text)[window + 4 : -window - 4]
        half = sum(len(token) for token in inner if token in told)
        short = len(TOKEN.findall(text)) < 4 * window + 8 and any(token in told for token in TOKEN.findall(text))
        assert text in reported or short or 2 * half >= sum(map(len, inner))
    assert max(map(len, enough), default=0) <= max(map(len, reported), default=0)


def maximal(texts: list[bytes]) -> dict[bytes, int]:
    """Return what is in several documents and can be prolonged at neither end everywhere: in how many it is."""
    suffixes = sorted(
        (text[at:], number, text[at - 1 : at] if at else b"of %d" % number)
        for number, text in enumerate(texts)
        for at in range(len(text))
    )
    found: dict[bytes, int] = {}
    for (one, _, _), (other, _, _) in pairwise(suffixes):
        size = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
        passage = one[:size]
        if size >= 10 and passage not in found:
            low, high = bisect_left(suffixes, (passage,)), bisect_left(suffixes, (passage + b"\xff",))
            documents = len({number for _, number, _ in suffixes[low:high]})
            if documents > 1 and len({before for _, _, before in suffixes[low:high]}) > 1:
                found[passage] = documents
    return found


def without_ends(text: bytes, tokens: int) -> bytes:
    """Cut so many tokens off either end."""
    found = list(TOKEN.finditer(text))[tokens:-tokens]
    return text[found[0].start() : found[-1].end()] if found else b""


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"workers": 2}, id="workers"),
        pytest.param({"rows": 1}, id="small-parts"),
        pytest.param({"rows": 10_000, "workers": 2}, id="one-part"),
        pytest.param({"memory": 1 << 20}, id="few-runs-together"),
    ],
)
def test_the_way_there_does_not_matter(options: dict[str, int]) -> None:
    frame = documents(150, seed=5)
    texts = dict(frame.select("id", "text").iter_rows())
    expected = longest(parts_of(texts), 50)
    assert len(expected.passages) > 20
    shuffled = dict(random.Random(3).sample(list(texts.items()), len(texts)))
    rows = options.pop("rows", 20)
    assert longest(parts_of(texts, rows), 50, **options) == expected
    assert longest(parts_of(shuffled, rows), 50, **options) == expected


def test_windows_grow_until_the_anchors_fit() -> None:
    dice = random.Random(4)
    whole = prose(dice, 3000)
    texts = {"one": f"{whole}; {prose(dice, 500)}", "other": f"{prose(dice, 500)}\n{whole}. {prose(dice, 400)}"}
    usual, short_of_memory = longest(parts_of(texts), 5), longest(parts_of(texts), 5, memory=anchors.BYTES * 200)
    assert (usual.least_tokens, short_of_memory.least_tokens) == (68, 260)
    assert usual.passages[0].bytes == len(whole)
    assert short_of_memory.passages[0] == usual.passages[0]


def test_rows_of_zeros() -> None:
    """Text that repeats itself has few anchors, and what stands around it is found."""
    dice = random.Random(5)
    after = prose(dice, 200)
    texts = {
        "one": f"{prose(dice, 50)}x {'0.0, ' * 8_000}{after}1",
        "other": f"{prose(dice, 50)}y {'0.0, ' * 11_600}{after}2",
    }
    first = longest(parts_of(texts), 5).passages[0]
    assert (first.bytes, first.documents) == (len("0.0, ") * 8_000 + len(after) + 1, 2)


def test_one_passage_in_many_documents() -> None:
    dice = random.Random(6)
    texts = {f"{n:05}": f"{LICENSE}{prose(dice, 8)}" for n in range(5_000)}
    *others, whole = longest(parts_of(texts, 500), 100).passages
    assert (whole.documents, whole.bytes) == (5_000, len(LICENSE) + 1)
    assert [one.id for one in whole.places] == ["00000", "00001", "00002"]
    assert all(2 * one.documents <= two.documents for one, two in pairwise([*others, whole]))


def test_odd_texts() -> None:
    """Null, empty, not UTF-8, with characters that terminals obey; a document's own repetitions do not count."""
    dice = random.Random(7)
    passage = b"\x1b[31m\xff \xe2" + prose(dice, 100).encode() + b"\xe2\x80"
    texts = {
        "null": None,
        "empty": b"",
        "a\x1b[0m": b"a" + passage + b"1",
        "b": b"b" + passage + b"2",
        "c": passage[:300],
    }
    texts["twice"] = 2 * prose(dice, 300).encode()
    report = longest(parts_of(texts), 5)
    assert report.passages[0].bytes == len(passage)
    assert [one.documents for one in report.passages] == [2]
    words = list(report.in_words())
    assert all(line.isprintable() for line in words)
    assert words[:2] == [
        f"1. {len(passage)} bytes, 102 tokens, {passage.count(10) + 1} lines, in 2 documents",
        "   a\ufffd[0m, line 1",
    ]


def test_nothing_to_report() -> None:
    report = longest(parts_of({"a": "some text", "b": prose(random.Random(8), 500)}), 5)
    assert list(report.in_words()) == ["No passage of 68 tokens or more is in two of the 2 documents."]
    with pytest.raises(AlgstackError, match="There is no document to look at"):
        longest([], 5)
    with pytest.raises(AlgstackError, match="0 passages: ask for at least one"):
        longest(parts_of({"a": "some text"}), 0)
