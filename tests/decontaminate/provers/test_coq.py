"""Coq: sentences, and proofs up to `Qed.`."""

from __future__ import annotations

import pytest

from algstack.decontaminate.provers.coq import declarations

FILE = """Require Import Arith.
(* Lemma commented : True. *)
Module M.
Section S.
Variable R : Type.

(** Its documentation. With a point. *)
#[local] Lemma first (x : nat) : x + 0 = x.
Proof.
  intros; simpl. (* Qed. *)

  - auto.
  - { rewrite Nat.add_0_r. reflexivity. }
Qed. (* beside *)

Theorem second: forall n, n = n. Proof. by []. Qed.
Definition f := 1.
Lemma term : True := I.
Definition proved : nat.
  exact 1.
Defined.
Theorem axiom : 1.5 = 1.5. Admitted.
End S.
End M.
Goal True. exact I. Qed.
"""


def test_each_ends_with_its_proof() -> None:
    found = {one.names: FILE[one.start : one.end] for one in declarations(FILE)}
    assert found["M.first",].startswith("(** Its documentation.")
    assert found["M.first",].endswith("Qed. (* beside *)")
    assert found["M.second",] == "Theorem second: forall n, n = n. Proof. by []. Qed."
    assert found["M.f",] == "Definition f := 1."
    assert found["M.term",] == "Lemma term : True := I."
    assert found["M.proved",].endswith("Defined.")
    assert found["M.axiom",] == "Theorem axiom : 1.5 = 1.5. Admitted."
    assert found[()] == "Goal True. exact I. Qed."


def test_a_proof_without_end_is_not_whole() -> None:
    found = declarations("Lemma a : True.\nProof.\n auto.\nLemma b : True. Qed.")
    assert [one.is_whole for one in found] == [False, True]


def test_a_statement_alone() -> None:
    assert [one.is_whole for one in declarations("Theorem a : True.")] == [True]


@pytest.mark.parametrize("text", ["", "Lemma", "Lemma a", ".", "(*", '"', "End X."])
def test_whatever_is_written_is_read(text: str) -> None:
    declarations(text)
