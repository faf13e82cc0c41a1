"""Which licence each file of a repository is under, and how that is known.

The nearest licence file above a file governs it; for what stands under none but the repository's own, the word of
whoever publishes the repository comes first; where nobody says anything, the file's own header may.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from algstack.crawl import licenses
from algstack.documents import DOCUMENTS, batch_of

FoundLicenses = Mapping[str, str | None]
"""Folder ("" for the root) -> what its licence file was recognised as, None where it was not."""


class Grant(NamedTuple):
    """A licence (SPDX expression), and how it is known."""

    license: str
    source: str


class LicenseFiles:
    """Gathers what the licence files of a repository say."""

    def __init__(self) -> None:
        self.found: dict[str, str | None] = {}

    def note(self, path: str, content: bytes) -> None:
        """Note a folder's licence. One of several that are recognised differently is the user's choice: `OR`."""
        folder = path.rpartition("/")[0]
        found, known = licenses.recognise(content.decode("utf-8", "replace")), self.found.get(folder)
        several = {*(known or "").split(" OR "), found or ""} - {""}
        self.found[folder] = " OR ".join(sorted(several)) or None


def is_noted(path: str, size: int) -> bool:
    """Whether a file is one that licences are recognised in, by name and size."""
    return size <= licenses.LONGEST and licenses.is_license_file(path)


def with_licenses(
    batches: Iterable[pa.RecordBatch], stated: Grant | None, found: FoundLicenses
) -> Iterator[pa.RecordBatch]:
    """Yield batches with the licences of their documents put in; those of other schemas as they are."""
    for batch in batches:
        yield licensed(batch, stated, found) if batch.schema.equals(DOCUMENTS) else batch


def licensed(documents: pa.RecordBatch, stated: Grant | None, found: FoundLicenses) -> pa.RecordBatch:
    """Return documents with `license` and `license_source` as they follow from their paths and texts.

    Args:
        documents: a batch of DOCUMENTS.
        stated: what is said of the repository as a whole.
        found: what its licence files were recognised as.
    """
    of_folder = cache(lambda folder: _grant(folder, stated, found))
    grants = [of_folder(path.rpartition("/")[0]) for path in documents.column("path").to_pylist()]
    if None in grants:
        _read_headers(documents.column("text"), grants)
    columns: dict[str, Any] = {name: documents.column(name) for name in documents.schema.names}
    columns["license"] = [grant and grant.license for grant in grants]
    columns["license_source"] = [grant and grant.source for grant in grants]
    return batch_of(DOCUMENTS, documents.num_rows, columns)


def _grant(folder: str, stated: Grant | None, found: FoundLicenses) -> Grant | None:
    """Return the licence of a folder's files, None where only they themselves may say it."""
    at, recognised = licenses.nearest(f"{folder}/file".lstrip("/"), found) or ("", None)
    if at:  # other people's code: what is said of the repository does not reach so far
        return Grant(recognised, f"license file in {at}") if recognised else None
    return stated or (Grant(recognised, "license file") if recognised else None)


def _read_headers(texts: pa.StringArray, grants: list[Grant | None]) -> None:
    # Natively first: most files say nothing, and turning each into a string would take longer than all the rest.
    with_line = pc.match_substring(texts, licenses.SPDX_LINE).to_pylist()
    for row, grant in enumerate(grants):
        if grant is None and with_line[row] and (license_ := licenses.in_header(texts[row].as_py())):
            grants[row] = Grant(license_, "file header")
