from typing import Any

import numpy as np
import pytest

from algstack.dedup import bodies
from algstack.dedup.headers import header_end
from algstack.vector import kernel
from tests.dedup.test_bodies import HEADERS


@kernel
def _header_end(data: Any, begin: Any, end: Any) -> Any:
    return header_end(data, begin, end) - begin


MORE = [
    "/* a */ /* (C) copyright b */ code",
    "-- a\n  -- LICENSE\n\n-- after\ncode",
    "(* open\nlicence",
    "# Copyright " + "x" * 20_000,
    "# Copyright " + "x y " * 20_000,
    "\n\n\r\n# spdx-license\r\n# more",
    "#",
    "<!-- Licence -->\n{- spdx- -} /- a -/",
]


@pytest.mark.parametrize("text", [header + rest for header, rest in HEADERS] + MORE)
def test_the_kernel_finds_what_the_definition_says(text: str) -> None:
    content = text.encode()
    expected = bodies.header_end(content)
    for padding in (b"", b"# Licence\n" * 20):
        data = np.frombuffer(padding + content + padding, np.uint8)
        assert _header_end(data, len(padding), len(padding) + len(content)) == expected
