"""The release: splits, shards, statistics, data card, verification."""
