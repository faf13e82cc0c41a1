(* Copyright (c) the algstack authors. Released under Apache 2.0.
   The word wire in a comment says nothing about a file: this is Coq. *)
Require Import Arith Lia.

Fixpoint sum_to (n : nat) : nat :=
  match n with
  | 0 => 0
  | S m => n + sum_to m
  end.

Theorem gauss : forall n, 2 * sum_to n = n * (n + 1).
Proof.
  induction n as [| n IH].
  - reflexivity.
  - simpl sum_to. lia.
Qed.

Lemma sum_to_monotone : forall m n, m <= n -> sum_to m <= sum_to n.
Proof.
  intros m n H. induction H as [| k _ IH].
  - lia.
  - simpl. lia.
Qed.

Definition is_triangular (t : nat) : Prop := exists n, t = sum_to n.

Example six_is_triangular : is_triangular 6.
Proof. exists 3. reflexivity. Qed.
