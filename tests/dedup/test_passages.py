"""The longest repeated passages: exact lengths, counts and places, against brute force on small documents."""

from __future__ import annotations

import random
import re
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest

from algstack.dedup import anchors, passages
from algstack.dedup.parts import Part, TablePart
from algstack.dedup.passages import Report, longest
from algstack.dedup.shingles import TOKEN
from algstack.errors import AlgstackError

LICENSE = "".join(f"-- Permission is granted, clause {n}: keep notice number {n * 37} in all copies.\n" for n in range(30))
TEMPLATE = "".join(f"\\newcommand{{\\m{n}}}{{\\mathbb{{K}}_{{{n}}}}} % symbol {n * 11} of the template\n" for n in range(60))


def parts_of(texts: dict[str, str | bytes | None], rows: int = 3) -> list[Part]:
    """Documents in parts of so many."""
    frame = pl.DataFrame({"id": list(texts), "text": list(texts.values())}, strict=False)
    return [TablePart(frame.slice(first, rows).to_arrow()) for first in range(0, frame.height, rows)]


def prose(dice: random.Random, tokens: int) -> str:
    """Text in which nothing repeats."""
    return "".join(f"word{dice.randrange(10**9)}{dice.choice([' ', ' ', ', ', ' = (', chr(10)])}" for _ in range(tokens))


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
    rest, line = prose(dice, 200), "-- In three.\n"
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
        assert expected[passage] == one.documents
        reported[passage] = one.documents
    assert list(reported) == sorted(reported, key=len, reverse=True)
    enough = {text: count for text, count in expected.items() if len(TOKEN.findall(text)) >= 2 * window + 4}
    for text, count in enough.items():
        core = without_ends(text, window + 4)
        assert reported.get(text) == count or any(
            count < 2 * documents and core in other and len(other) >= len(text) for other, documents in reported.items()
        )
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
        if size >= 10 and one[:size] not in found:
            same = [(number, before) for suffix, number, before in suffixes if suffix.startswith(one[:size])]
            documents = len({number for number, _ in same})
            if documents > 1 and len({before for _, before in same}) > 1:
                found[one[:size]] = documents
    return found


def without_ends(text: bytes, tokens: int) -> bytes:
    """Cut so many tokens off either end."""
    found = list(TOKEN.finditer(text))[tokens:-tokens]
    return text[found[0].start() : found[-1].end()] if found else b""
