"""Sources to documents: the only stage that fetches. What it cannot take is a decision with its reason."""
