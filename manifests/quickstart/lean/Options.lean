/- Only settings, no statement: the filter for Lean drops it and says why. -/
set_option autoImplicit false
set_option pp.all true
#eval 1 + 1
