import pytest

from algstack.dedup.bodies import HEADER_LIMIT, body_shingles, header_end

CODE = "def f(x):\n    return x\n"


HEADERS = [
    ("", CODE),
    ("# Copyright 2020 A\n# Licensed under MIT.\n", CODE),
    ("#!/usr/bin/env python\n\n# SPDX-License-Identifier: MIT\n", "\n" + CODE),
    ("/*\n * LICENSE: Apache\n */", "\nint x;"),
    ("(* Copyright INRIA *)", "\nTheorem x : True."),
    ("/-\nReleased under Apache 2.0 license\n-/", "\nimport Mathlib"),
    ("{- License: BSD -}\n-- Copyright Y\n", "module X where"),
    ("% Copyright\n", "\n% what it does\n\\begin{document}"),
    ("", "# what it does\n" + CODE),
    ("", "x = 1  # Copyright\n"),
    ("", "/* Copyright, never closed\nint x;"),
    ("", ""),
]
IDS = [
    "none",
    "line-comments",
    "after-a-shebang",
    "c-block",
    "coq-block",
    "lean-block",
    "two-kinds",
    "a-later-comment-stays",
    "no-licence-word",
    "code-first",
    "open-block",
    "empty",
]


@pytest.mark.parametrize(("header", "rest"), HEADERS, ids=IDS)
def test_header_end(header: str, rest: str) -> None:
    assert header_end((header + rest).encode()) == len(header)


def test_a_header_is_looked_for_only_at_the_start() -> None:
    assert header_end(b"# x\n" * HEADER_LIMIT + b"# Copyright\n") == 0


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        pytest.param("a = b + c * d + e\n", "a=b+c*d+e", True, id="white-space"),
        pytest.param("a = b + c * d + e", "a = b - c / d - e", True, id="punctuation"),
        pytest.param("// Copyright A\na b c d e", "// Copyright B\n// MIT\n\na b c\r\nd e", True, id="header"),
        pytest.param("a b c d e f", "ab c d e f", False, id="space-that-parts-tokens"),
        pytest.param("a b c d e f", "b a c d e f", False, id="order"),
    ],
)
def test_body_shingles(one: str, other: str, same: bool) -> None:
    assert (body_shingles(one.encode()).tolist() == body_shingles(other.encode()).tolist()) is same


def test_a_header_that_the_limit_cuts_takes_the_cut_token_along() -> None:
    text = b"# Copyright " + b"x" * HEADER_LIMIT + b" a b c d e"
    assert text[header_end(text) :] == b" a b c d e"
