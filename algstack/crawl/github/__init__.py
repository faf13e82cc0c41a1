"""GitHub to documents: found by search, pinned at a date, downloaded as archives, each repository accounted for."""
