"""What a source is to the crawl: a list of tasks, each of which reads one part's worth of documents."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterator, Sequence
from glob import has_magic
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from algstack.crawl.files import FileReader
from algstack.errors import SourceError


class CrawlTask(NamedTuple):
    """One part of a source.

    `inputs` are JSON values that change when the source does; `read` yields batches of the schemas DOCUMENTS and
    DECISIONS (drops only) and must be picklable. Tasks of a source are named by `key` and stay in their order.
    Tasks that share a `prepare` stand together: it is called once before the first of them, unless all are done.
    """

    key: str
    inputs: Any
    read: Callable[[FileReader], Iterator[pa.RecordBatch]]
    prepare: Callable[[FileReader], None] | None = None


def paths_of(pattern: Path, source: str) -> list[Path]:
    """Return the sorted paths that a manifest's `path` names, which may have wildcards.

    Raises:
        SourceError: there is none.
    """
    if has_magic(str(pattern)):
        anchor = Path(pattern.anchor or ".")
        found = sorted(anchor.glob(str(pattern.relative_to(anchor))))
    else:
        found = [pattern] if pattern.exists() else []
    if not found:
        raise SourceError(
            f"source `{source}`: {pattern}: no such file or folder. Paths are relative to the manifest's folder."
        )
    return found


def exclusion(patterns: Sequence[str]) -> Callable[[str], bool]:
    """Return a test whether a path matches one of the glob patterns; `*` also crosses `/`."""
    if not patterns:
        return lambda path: False
    matches = re.compile("|".join(fnmatch.translate(pattern) for pattern in patterns)).match
    return lambda path: matches(path) is not None
