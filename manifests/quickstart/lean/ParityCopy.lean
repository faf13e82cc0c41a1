/-
Copyright (c) the algstack authors. Released under Apache 2.0.
Even and odd, from scratch.
-/
namespace Parity

def Even (n : Nat) : Prop := ∃ k, n = k + k
def Odd (n : Nat) : Prop := ∃ k, n = k + k + 1

theorem zero_is_even : Even 0 := ⟨0, rfl⟩

theorem odd_succ_of_even {n : Nat} (h : Even n) : Odd (n + 1) := by
  cases h with
  | intro k hk => exact ⟨k, by rw [hk]⟩

theorem even_add {m n : Nat} (hm : Even m) (hn : Even n) : Even (m + n) := by
  obtain ⟨a, ha⟩ := hm
  obtain ⟨b, hb⟩ := hn
  exact ⟨a + b, by omega⟩

example : Even 4 := ⟨2, rfl⟩
example : Even 6 := ⟨3, rfl⟩

end Parity
