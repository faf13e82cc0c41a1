(* Copyright (c) the algstack authors. Released under Apache 2.0. *)
theory Triangular
  imports Main
begin

fun triangular :: "nat \<Rightarrow> nat" where
  "triangular 0 = 0"
| "triangular (Suc n) = Suc n + triangular n"

lemma double_triangular: "2 * triangular n = n * (n + 1)"
  by (induction n) auto

theorem triangular_closed_form: "triangular n = n * (n + 1) div 2"
  using double_triangular [of n] by simp

lemma triangular_mono: "m \<le> n \<Longrightarrow> triangular m \<le> triangular n"
proof (induction n)
  case 0
  then show ?case by simp
next
  case (Suc n)
  then show ?case by (cases "m = Suc n") auto
qed

end
