/-
Copyright (c) the algstack authors. Released under Apache 2.0.
Small facts about averages, written for the quickstart of algstack.
-/
import Mathlib.Tactic

namespace Averages

/-- The arithmetic mean of two rational numbers. -/
def mean (a b : ℚ) : ℚ := (a + b) / 2

theorem mean_comm (a b : ℚ) : mean a b = mean b a := by
  unfold mean
  rw [add_comm]

theorem mean_self (a : ℚ) : mean a a = a := by
  unfold mean
  ring

/-- The mean of two numbers lies between them. -/
theorem le_mean_of_le {a b : ℚ} (h : a ≤ b) : a ≤ mean a b := by
  unfold mean
  linarith

theorem mean_le_of_le {a b : ℚ} (h : a ≤ b) : mean a b ≤ b := by
  unfold mean
  linarith

theorem mul_le_mean_sq (a b : ℚ) : a * b ≤ mean (a ^ 2) (b ^ 2) := by
  unfold mean
  nlinarith [sq_nonneg (a - b)]

end Averages
