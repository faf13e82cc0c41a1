"""algstack: crawl, filter, deduplicate and release math-and-code training sets."""

__version__ = "0.1.0"
