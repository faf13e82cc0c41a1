import pytest

from algstack.dedup.bodies import HEADER_LIMIT, body, header_end

CODE = "def f(x):\n    return x\n"


@pytest.mark.parametrize(
    ("header", "rest"),
    [
        pytest.param("", CODE, id="none"),
        pytest.param("# Copyright 2020 A\n# Licensed under MIT.\n", CODE, id="line-comments"),
        pytest.param("#!/usr/bin/env python\n\n# SPDX-License-Identifier: MIT\n", "\n" + CODE, id="after-a-shebang"),
        pytest.param("/*\n * LICENSE: Apache\n */", "\nint x;", id="c-block"),
        pytest.param("(* Copyright INRIA *)", "\nTheorem x : True.", id="coq-block"),
        pytest.param("/-\nReleased under Apache 2.0 license\n-/", "\nimport Mathlib", id="lean-block"),
        pytest.param("{- License: BSD -}\n-- Copyright Y\n", "module X where", id="two-kinds"),
        pytest.param("% Copyright\n", "\n% what it does\n\\begin{document}", id="a-later-comment-stays"),
        pytest.param("", "# what it does\n" + CODE, id="no-licence-word"),
        pytest.param("", "x = 1  # Copyright\n", id="code-first"),
        pytest.param("", "/* Copyright, never closed\nint x;", id="open-block"),
        pytest.param("", "", id="empty"),
    ],
)
def test_header_end(header: str, rest: str) -> None:
    assert header_end((header + rest).encode()) == len(header)


def test_a_header_is_looked_for_only_at_the_start() -> None:
    assert header_end(b"# x\n" * HEADER_LIMIT + b"# Copyright\n") == 0


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        pytest.param("a = 1\n", "a=1", True, id="white-space"),
        pytest.param("// Copyright A\nint f();", "// Copyright B\n// MIT License\n\nint  f( );\r\n", True, id="header"),
        pytest.param("int x", "intx", False, id="space-that-parts-tokens"),
        pytest.param("int x", "int\n\tx", True, id="another-space-that-parts-tokens"),
        pytest.param("a + b", "a - b", False, id="operators"),
    ],
)
def test_body(one: str, other: str, same: bool) -> None:
    assert (body(one.encode()) == body(other.encode())) is same
