"""Isabelle: statements, and proofs followed through their blocks."""

from __future__ import annotations

import pytest

from algstack.decontaminate.provers.isabelle import declarations

THEORY = r"""theory Small imports Main
begin

text \<open>lemma not_one: "x"\<close>

lemma plain: "x = (x::nat)" by simp

(* lemma commented: "x" *)
lemma (in group) located [simp]:
  assumes a: "P x" and "Q x"
  shows "R x"
proof -
  have "A" by (rule foo)

  then show ?thesis
  proof (cases x)
    case True then show ?thesis using a by auto
  next
    case False text \<open>inside\<close>
    show ?thesis by blast
  qed
qed

lemma [simp]: "y = y"
  apply (induct y)
   subgoal by simp
  subgoal for z
    apply auto
    done
  done

private lemma "nameless" using foo unfolding bar_def
  by (metis x) (auto simp: y)

theorem starred*: "True" ..
corollary "False" oops
definition f where "f = (1::nat)"

end
"""


def cuts() -> list[str]:
    return [THEORY[one.start : one.end] for one in declarations(THEORY)]


def test_each_lemma_ends_with_its_proof() -> None:
    found = cuts()
    assert found[0] == 'lemma plain: "x = (x::nat)" by simp'
    assert found[1].startswith("lemma (in group) located")
    assert found[1].endswith("    show ?thesis by blast\n  qed\nqed")
    assert found[2].endswith("    done\n  done")
    assert found[3].startswith('private lemma "nameless"')
    assert found[3].endswith("by (metis x) (auto simp: y)")
    assert found[5] == 'corollary "False" oops'
    assert len(found) == 6


def test_names() -> None:
    names = [one.names for one in declarations(THEORY)]
    assert names[:4] == [("Small.plain",), ("Small.group.located",), (), ()]


def test_statements() -> None:
    found = declarations(THEORY)
    assert found[1].statement.split() == ["assumes", "a:", '"P', 'x"', "and", '"Q', 'x"', "shows", '"R', 'x"']
    assert found[3].statement.strip() == '"nameless"'


def test_a_statement_alone_has_no_proof() -> None:
    text = r'lemma (in Corps) n_val_surj:"valuation K v \<Longrightarrow> \<exists>x\<in> carrier K. n_val K v x = 1"'
    found = declarations(text)
    assert [(one.names, one.is_whole, one.end) for one in found] == [(("Corps.n_val_surj",), True, len(text))]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('lemma a: "x" proof - show "x"', id="no qed"),
        pytest.param('lemma a: "x" apply auto lemma b: "y" by auto', id="no done"),
        pytest.param('lemma a: "x by auto', id="a string is not closed"),
    ],
)
def test_what_cannot_be_told_is_said(text: str) -> None:
    assert not declarations(text)[0].is_whole


@pytest.mark.parametrize("text", ["", "lemma", "lemma (in", "proof qed", r"\<open>", "(*", "by"])
def test_whatever_is_written_is_read(text: str) -> None:
    declarations(text)
