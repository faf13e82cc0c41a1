"""Decisions: the first rule that fails, one decision a document, and the same as a plain-Python reading says."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from algstack.documents import DECISIONS
from algstack.filter.decide import decide, explain
from algstack.filter.language import Languages, load_languages
from tests.filter import reading

DEFAULT = load_languages()
PROFILES = {"default": DEFAULT, "llemma": load_languages("llemma")}


def documents(*rows: tuple[str | None, str, str]) -> pl.DataFrame:
    """Rows of (lang, path, text)."""
    return pl.DataFrame(
        {
            "id": [str(number) for number in range(len(rows))],
            "text": [row[2] for row in rows],
            "lang": [row[0] for row in rows],
            "path": [row[1] for row in rows],
            "repo": [None] * len(rows),
        },
        schema=dict.fromkeys(("id", "text", "lang", "path", "repo"), pl.String),
    )


def rule(path: str, text: str, languages: Languages = DEFAULT) -> str | None:
    """The rule that drops one document, or None."""
    return str(found) if (found := decide(documents((None, path, text)), languages)["rule"][0]) else None


def test_one_decision_each_in_order() -> None:
    frame = documents(
        ("lean", "a.lean", "theorem a : True := trivial\n"),
        (None, "README", "theorem"),
        ("python", "a.py", "import os\n"),
        ("lean", "b.lean", " \n"),
        ("python", "b.py", "import numpy\r\n"),
    )
    found = decide(frame, DEFAULT)
    assert found.columns == DECISIONS.names
    assert found.select("id", "lang", "keep", "rule", "text").rows() == [
        ("0", "lean", True, None, None),
        ("2", "python", False, "no-mathematics", None),
        ("3", "lean", False, "empty", None),
        ("4", "python", True, None, "import numpy\n"),
    ]
    assert set(found["stage"]) == {"filter"}
    assert decide(frame, DEFAULT, only=["lean"])["id"].to_list() == ["0", "3"]
    assert decide(frame.clear(), DEFAULT).height == 0


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        pytest.param("a.v", "(* a wire, a pragma *)\nLemma a : True.\nProof. exact I. Qed.\n", None, id="2.11-wire"),
        pytest.param("a.lean", "", "empty", id="2.16-empty"),
        pytest.param("a.py", " \n\t\x1c\u3000\n", "empty", id="2.16-blank"),
        pytest.param("a.py", "import jaxb\nfrom sagemaker import x\n", "no-mathematics", id="2.17-substring"),
        pytest.param("a.py", "import os, numpy\n", None, id="2.17-second"),
        pytest.param("a.py", "'''\nimport numpy\n'''\n", "no-mathematics", id="2.17-string"),
    ],
)
def test_defects_of_the_published_filters(path: str, text: str, expected: str | None) -> None:
    assert rule(path, text) == expected


WORDS = "The determinant, an eigenvalue and the coefficients of a polynomial.\n"


@pytest.mark.parametrize("path", ["a.c", "a.hs", "a.hpp", "a.py", "a.tex"])
def test_words_of_mathematics_spare_what_imports_nothing(path: str) -> None:
    text = "\\section{A}\n" + WORDS
    assert rule(path, text) is None
    assert rule(path, text.replace("polynomial", "function")) == "no-mathematics"
    assert rule(path, text.upper()) == rule(path, text) or path == "a.tex", "in capitals, too"


@pytest.mark.parametrize("path", ["a.jl", "a.m", "a.mm", "a.mpl", "a.py", "a.r", "a.typ", "a.v"])
@pytest.mark.parametrize(
    "text", ['<?xml version="1.0"?>\n', "<!DOCTYPE html>\n", '{"a": ["x", 1]}\n'], ids=["xml", "html", "json"]
)
def test_markup_is_no_program(path: str, text: str) -> None:
    assert rule(path, text) is not None


# What the published filters decide, by the profile that repeats them, and what ours do.
@pytest.mark.parametrize(
    ("path", "text", "published", "ours"),
    [
        pytest.param("a.c", "#include <fftw3.h>\n", "no-include", None, id="2.2-joined-words"),
        pytest.param("a.m", "int main() {\n  int x = 1;\n  return 0;\n}\n", None, "language", id="2.15-multi-line-c"),
        pytest.param("a.v", "(* wireless *)\nLemma a : True.\nProof. auto. Qed.\n", "verilog", None, id="2.11-wire"),
        pytest.param("a.py", "", "empty", "empty", id="2.16-empty"),
        pytest.param("a.jl", " \n", None, "empty", id="2.16-blank-julia"),
        pytest.param("a.m", "", None, "empty", id="2.16-empty-matlab"),
        pytest.param("a.py", "import jaxb\n", None, "no-mathematics", id="2.17-jaxb"),
        pytest.param("a.py", "import os, numpy\n", "no-import", None, id="2.17-second-import"),
        pytest.param("a.hs", "import Data.Complexity\n", None, "no-mathematics", id="2.17-complexity"),
        pytest.param("a.mpl", '<?xml version="1.0"?>\n', "xml", "no-statement", id="xml-in-mpl"),
        pytest.param("a.jl", '{"a": 1}\n', "not-julia", "not-julia", id="json-in-jl"),
    ],
)
def test_both_profiles(path: str, text: str, published: str | None, ours: str | None) -> None:
    assert rule(path, text, PROFILES["llemma"]) == published
    assert rule(path, text) == ours


def test_a_text_of_one_gigantic_line() -> None:
    assert rule("a.py", "import numpy;" * 50_000) == "minified"
    assert rule("a.v", "x" * 1_500_000) == "too-large"


def test_benchmark_copies_are_dropped() -> None:  # defect 2.12
    frame = documents(("lean", "a.lean", "theorem a : True := trivial")).with_columns(
        repo=pl.lit("yangky11/miniF2F-lean4")
    )
    assert decide(frame, DEFAULT)["rule"].to_list() == ["benchmark"]


def test_evidence_shows_the_line() -> None:
    text = "import numpy\n\n# This file was automatically generated by x.py\n"
    row = decide(documents(("python", "a.py", text)), DEFAULT).row(0, named=True)
    assert row["evidence"] == "line 3: # This file was automatically generated by x.py"
    assert row["reason"] == "The file says that a program wrote it."


def test_explain_asks_every_rule() -> None:
    text = "x\n# generated by foo, do not edit\n"
    verdicts = explain({"text": text, "path": "third_party/a.py"}, DEFAULT)
    assert [verdict.rule for verdict in verdicts if verdict.drops] == ["no-mathematics", "generated", "vendored"]
    assert explain({"text": "x", "path": "README"}, DEFAULT) == []


RULES = [rule for languages in PROFILES.values() for language in languages.values() for rule in language.rules]
SEEDS = sorted({text for rule in RULES for examples in rule.examples for text in examples if len(text) < 1_000})
TEXTS = st.lists(
    st.sampled_from(SEEDS)
    | st.text(max_size=20)
    | st.sampled_from(["\n", "0123456789" * 5, "(*", "*)", '"', "'", "#"]),
    max_size=5,
).map(lambda pieces: "".join(pieces).replace("\r", "").lstrip("\ufeff"))
PLAIN = [
    pytest.param(languages, name, id=f"{profile}-{name}")
    for profile, languages in PROFILES.items()
    for name, language in languages.items()
    if set(language.transforms) <= {"line-ends"}
]


@pytest.mark.parametrize(("languages", "name"), PLAIN)
@given(
    texts=st.lists(TEXTS, min_size=1, max_size=6), path=st.sampled_from([None, "a/b.tex", "vendor/x", "_target/deps/y"])
)
@settings(max_examples=10, deadline=None)
def test_native_plan_agrees_with_plain_python(
    languages: Languages, name: str, texts: list[str], path: str | None
) -> None:
    language = languages[name].model_copy(update={"extensions": ()})
    rules = tuple(rule for rule in language.rules if rule.predicate != "not-english")
    alone = Languages({name: language.model_copy(update={"rules": rules})}, {}, "test")
    frame = documents(*((name, path or "", text) for text in texts)).with_columns(path=pl.lit(path, pl.String))
    expected = [
        reading.first_drop({"text": text, "path": path, "repo": None, "lang": name, "id": None}, alone[name])
        for text in texts
    ]
    assert decide(frame, alone)["rule"].to_list() == expected
