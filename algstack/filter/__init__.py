"""Filter: documents to decisions, by rules that are data (`filters/*.toml`)."""
