"""Deduplication: shingles -> signatures -> bands -> candidate pairs -> verified pairs -> keepers."""
