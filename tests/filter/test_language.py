"""Loading filter files: names, extensions, and what is refused with its line."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from algstack.errors import ManifestError
from algstack.filter.language import load_languages

NILANG = """\
name = "nilang"
title = "Nilang"
aliases = ["nil"]
extensions = [".nil"]
[[rules]]
id = "no-theorem"
reason = "It states no theorem."
require_any = ["theorem "]
hits = ["lemma"]
misses = ["theorem x"]
"""


def write(folder: Path, text: str, name: str = "nilang") -> Path:
    (folder / f"{name}.toml").write_text(text)
    return folder


@pytest.mark.parametrize(
    ("path", "lang"),
    [
        ("a/b.lean", "lean"),
        ("a/B.V", "coq"),
        ("x.lagda.md", "agda"),
        ("x.C", "cpp"),
        ("x.F90", "fortran"),
        ("README.md", None),
        ("lean", None),
        ("a.lean/x", None),
    ],
)
def test_for_path(path: str, lang: str | None) -> None:
    assert load_languages().for_path(path) == lang


def test_aliases_and_unknown_names(tmp_path: Path) -> None:
    assert list(load_languages(names=["rocq", "Lean"])) == ["coq", "lean"]
    with pytest.raises(ManifestError, match="unknown language `lena`; did you mean `lean`"):
        load_languages(names=["lena"])
    with pytest.raises(ManifestError, match="unknown profile"):
        load_languages("lemma")


def test_a_language_is_one_file(tmp_path: Path) -> None:
    languages = load_languages(folder=write(tmp_path, NILANG))
    assert languages.for_path("x.nil") == "nilang"
    assert languages.resolve("nil") == "nilang"
    assert ".nil" in languages.extensions


def test_languages_are_picklable() -> None:
    languages = load_languages()
    again = pickle.loads(pickle.dumps(languages))
    assert {name: again.fingerprint(name) for name in again} == {n: languages.fingerprint(n) for n in languages}


def test_fingerprint_ignores_examples_and_follows_rules(tmp_path: Path) -> None:
    def fingerprint(text: str) -> object:
        return load_languages(folder=write(tmp_path, text)).fingerprint("nilang")

    first = fingerprint(NILANG)
    assert fingerprint(NILANG.replace('hits = ["lemma"]', 'hits = ["none"]')) == first
    assert fingerprint(NILANG.replace('"theorem "', '"theorem"')) != first


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        pytest.param('title = "Nilang"', 'titel = "N"', r"nilang.toml:2: `titel`: unknown key; .*`title`", id="key"),
        pytest.param('hits = ["lemma"]', 'hits = ["theorem "]', r"nilang.toml:9: .*does not drop its hit", id="hit"),
        pytest.param('["theorem x"]', '["lemma"]', r"nilang.toml:10: .*drops its miss", id="miss"),
        pytest.param('require_any = ["theorem "]', "", r"nilang.toml:5: .*exactly one condition", id="none"),
        pytest.param("require_any", 'deny_start = ["x"]\nrequire_any', "exactly one condition", id="two"),
        pytest.param(
            'require_any = ["theorem "]', "require_match = ['(?=x)']", "nilang.toml:8: .*look-around", id="re"
        ),
        pytest.param('require_any = ["theorem "]', "require_match = ['(']", "nilang.toml:8: .*unclosed", id="pattern"),
        pytest.param(
            'require_any = ["theorem "]', 'predicate = "englsh"', "unknown predicate `englsh`", id="predicate"
        ),
        pytest.param(
            "require_any", 'unless = "mathematical"\nrequire_any', "unknown predicate `mathematical`", id="unless"
        ),
        pytest.param('name = "nilang"', 'name = "other"', "nilang.toml:1: `name`", id="name"),
        pytest.param('aliases = ["nil"]', 'use = ["generla"]', "unknown rule set .*`general`", id="rule-set"),
        pytest.param(
            'aliases = ["nil"]', 'transforms = ["line-end"]', "unknown transform .*`line-ends`", id="transform"
        ),
        pytest.param('name = "nilang"', "name = ", "not valid TOML", id="toml"),
    ],
)
def test_refused_with_its_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in NILANG
    with pytest.raises(ManifestError, match=message):
        load_languages(folder=write(tmp_path, NILANG.replace(old, new, 1)))


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="no such folder"):
        load_languages(folder=tmp_path / "none")
