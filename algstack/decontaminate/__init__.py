"""What must not be in training text: benchmarks, secrets, personal data."""
