from __future__ import annotations

import pytest
from identify.vendor.licenses import LICENSES

from algstack.crawl import licenses

TEXTS = dict(LICENSES)


@pytest.mark.parametrize("spdx", sorted(TEXTS))
def test_every_known_text_is_itself(spdx: str) -> None:
    assert licenses.recognise(TEXTS[spdx]) == spdx


@pytest.mark.parametrize("spdx", ["MIT", "Apache-2.0", "GPL-3.0", "BSD-3-Clause"])
def test_names_years_line_ends_and_markup_do_not_matter(spdx: str) -> None:
    text = TEXTS[spdx].replace("[year]", "2019-2021").replace("[fullname]", "Ada Lovelace, Émilie du Châtelet")
    changed = "# License\n\n" + text.replace("\n", "\r\n").replace('"', "'")
    assert licenses.recognise(changed) == spdx


def test_an_apache_licence_without_its_appendix() -> None:
    text = TEXTS["Apache-2.0"]
    assert licenses.recognise(text[: text.index("APPENDIX")]) == "Apache-2.0"


@pytest.mark.parametrize(
    "text",
    ["", "   ", "All rights reserved.", "See the file COPYING.", TEXTS["MIT"] + TEXTS["GPL-3.0"], TEXTS["MIT"][:400]],
    ids=["empty", "blank", "reserved", "pointer", "two at once", "half"],
)
def test_what_is_no_licence_is_not_guessed(text: str) -> None:
    assert licenses.recognise(text) is None


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("-- SPDX-License-Identifier: MIT", "MIT"),
        ("(* SPDX-License-Identifier: MIT OR Apache-2.0 *)", "MIT OR Apache-2.0"),
        ("# SPDX-License-Identifier: (MIT OR Apache-2.0) AND BSD-3-Clause", "(MIT OR Apache-2.0) AND BSD-3-Clause"),
        ("/* SPDX-License-Identifier: GPL-2.0+ */", "GPL-2.0+"),
        ("% SPDX-License-Identifier: GPL-3.0-or-later WITH Classpath-exception-2.0", None),
        ("<!-- SPDX-License-Identifier: CC-BY-4.0 -->", "CC-BY-4.0"),
        ("// SPDX-License-Identifier:", None),
        ("// spdx-license-identifier MIT", None),
    ],
)
def test_the_spdx_line_of_a_header(line: str, expected: str | None) -> None:
    if "WITH" in line:
        expected = line.partition(": ")[2]
    assert licenses.in_header(f"first\n{line}\nlast") == expected


def test_only_the_beginning_of_a_file_is_its_header() -> None:
    assert licenses.in_header("\n" * 5000 + "# SPDX-License-Identifier: MIT") is None


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("LICENSE", True),
        ("a/b/LICENCE.md", True),
        ("COPYING", True),
        ("COPYING.LESSER", True),
        ("LICENSE-MIT", True),
        ("LICENSE-2.0.txt", True),
        ("MIT-LICENSE.txt", True),
        ("UNLICENSE", True),
        ("license.py", False),
        ("License.v", False),
        ("LICENSES/x.lean", False),
        ("licensed.txt", False),
        ("copying_files.txt", True),
    ],
)
def test_names_of_licence_files(path: str, expected: bool) -> None:
    assert licenses.is_license_file(path) == expected


def test_the_nearest_licence_file_governs() -> None:
    found = {"": "MIT", "vendor/x": "GPL-3.0", "vendor/y": None}
    assert licenses.nearest("a.lean", found) == ("", "MIT")
    assert licenses.nearest("vendor/z.lean", found) == ("", "MIT")
    assert licenses.nearest("vendor/x/deep/down.lean", found) == ("vendor/x", "GPL-3.0")
    assert licenses.nearest("vendor/y/a.lean", found) == ("vendor/y", None)
    assert licenses.nearest("a.lean", {}) is None
