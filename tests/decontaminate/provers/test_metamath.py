"""Metamath: `$p` statements with their scope."""

from __future__ import annotations

import pytest

from algstack.decontaminate.provers.metamath import declarations

FILE = """$c |- ( ) -> $.
$( Axiom. $)
ax-1 $a |- ( ph -> ph ) $.

${
  one.1 $e |- ph $.
  $( What it says. (Contributed by X.) $)
  one $p |- ( ps -> ph ) $=
    ( ax-1 ) ABC $.
$}

$( Two. $)
two $p |- ( ph -> ph ) $= ( one ) A $.
"""

WRAPPED = """$(
  @{
    w.0 @e |- ( ph -> X e. NN ) $@
    $@ (Contributed by X.) $@
    w @p |- ( ph -> X = 1 ) @=
       ? @.
  @}
$)
"""


def test_a_scope_of_one_theorem_is_its_own() -> None:
    found = {one.names[0]: FILE[one.start : one.end] for one in declarations(FILE)}
    assert found["one"].startswith("${")
    assert found["one"].endswith("$}")
    assert found["two"].startswith("$( Two. $)")
    assert found["two"].endswith("A $.")


def test_statements_have_their_hypotheses() -> None:
    says = {one.names[0]: one.statement for one in declarations(FILE)}
    assert says["one"] == "|- ph & |- ( ps -> ph )"


def test_a_wrapped_file() -> None:
    found = declarations(WRAPPED)
    assert [one.names for one in found] == [("w",)]
    assert found[0].statement == "|- ( ph -> X e. NN ) & |- ( ph -> X = 1 )"
    assert WRAPPED[found[0].start : found[0].end].startswith("@{")


def test_no_end_is_not_whole() -> None:
    assert [one.is_whole for one in declarations("a $p |- ph $= ( ax-1 ) A")] == [False]


@pytest.mark.parametrize("text", ["", "$(", "$}", "$e", "$p", "${ ${"])
def test_whatever_is_written_is_read(text: str) -> None:
    declarations(text)


def test_a_comment_with_an_empty_line_behind_it_is_no_description() -> None:
    text = "$( About the section. $)\n\n$( About it. $)\na $p |- ph $= ? $.\n"
    assert [text[one.start : one.end] for one in declarations(text)] == ["$( About it. $)\na $p |- ph $= ? $."]
    apart = text.replace("it. $)\n", "it. $)\n\n")
    assert [apart[one.start : one.end] for one in declarations(apart)] == ["a $p |- ph $= ? $."]
