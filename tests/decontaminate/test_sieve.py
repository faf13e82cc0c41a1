"""The sieve lets through every text in which a pattern can match, wherever in the text that is."""

from __future__ import annotations

import numpy as np
import pytest

from algstack.decontaminate.sieve import ADDRESS, EMAIL, KINDS, WORDS, sift


def flags(*texts: str) -> list[int]:
    encoded = [text.encode() for text in texts]
    offsets = np.r_[0, np.cumsum([len(text) for text in encoded])].astype(np.int64)
    return [int(flag) for flag in sift(np.frombuffer(b"".join(encoded), np.uint8), offsets)]


NEEDED = {
    **{word: 1 << KINDS.index(kind) for kind, words in WORDS.items() for word in words},
    "a@b": int(EMAIL),
    **dict.fromkeys(("1.2.3.4", "255.255.255.255", "10.0.12.123", "2001:db8::1", "3fff:0:"), int(ADDRESS)),
}


@pytest.mark.parametrize(("word", "flag"), NEEDED.items(), ids=NEEDED)
def test_found_in_any_case_and_at_any_place(word: str, flag: int) -> None:
    for before in (*range(8), *range(40, 75), 500):
        for behind in (0, 1, 200):
            text = "-" * before + (word.upper() if before % 2 and flag != int(ADDRESS) else word) + "-" * behind
            assert flags("x", text, "y")[1] & flag, (before, behind)


@pytest.mark.parametrize(
    "text",
    [
        *("", "x", "Let x be 1.25, and y at most 3.5.", "a @ b", "version 1.2", "std::vector<int>", "x" * 300),
        *("1..2..3..4", "1.2.x.4", "1.2345.6.7", "14545:6", "α@β", "ask the taxi", "to ken", "pass word"),
    ],
)
def test_nothing_to_find(text: str) -> None:
    assert flags(text) == [0]


def test_texts_are_told_apart() -> None:
    far = " " * 100
    assert [bool(flag) for flag in flags(far, f"{far}token{far}", far, f"{far}a@b.de", f"{far}x")] == [
        *(False, True, False, True, False)
    ]
