"""Colours as run lengths."""

from __future__ import annotations

import re

import pytest

from algstack.release.highlight import runs


@pytest.mark.parametrize(
    ("text", "lang"),
    [
        ("theorem foo : ∀ n, n = n := by rfl -- done\n", "lean"),
        ("def f(x):\n\treturn '𝔸' # 𝔸\r\n", "python"),
        ("\n\n  leading", "coq"),
        ("anything", "a language nobody knows"),
        ("", "lean"),
    ],
)
def test_lengths_add_up_to_the_text_in_utf_16(text: str, lang: str) -> None:
    lengths = [int(length) for length, _ in re.findall(r"(\d+)([a-z])", runs(text, lang, None))]
    assert sum(lengths) == len(text.encode("utf-16-le")) // 2


def test_kinds_are_told_apart() -> None:
    assert runs("def f", "python", None) == "3k1p1f"
    assert runs("x", None, "a.py") == "1p"
