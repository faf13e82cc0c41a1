"""Pages end where the documents say so."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from algstack import documents
from algstack.release import pages, shards
from benchmarks.parquet_pages import new_bytes
from benchmarks.parquet_pages import pages as pages_of
from tests.release.conftest import document


def table(numbers: list[int]) -> pa.Table:
    """Documents of about 6 kB that do not resemble one another."""
    made = []
    for number in numbers:
        text = "".join(hashlib.sha256(f"{number} {line}".encode()).hexdigest() + "\n" for line in range(90))
        made.append(document(number, text=text) | {"tokens": 1})
    return pa.Table.from_pylist(made, documents.RELEASE)


def write(path: Path, rows: pa.Table) -> Path:
    with pq.ParquetWriter(path, documents.RELEASE, **shards.options(documents.RELEASE, rows.num_rows)) as writer:
        writer.write_table(pages.paged(rows), row_group_size=rows.num_rows)
    return path


def test_a_page_ends_with_each_piece(tmp_path: Path) -> None:
    rows = table(list(range(200)))
    cut = pages.paged(rows)
    assert cut.equals(rows)
    written = [page for page in pages_of(write(tmp_path / "a.parquet", rows)) if page.column == "text"]
    assert len(written) == cut.column("text").num_chunks > 20


@pytest.mark.parametrize(
    "numbers",
    [
        pytest.param([*range(100), *range(101, 400)], id="one removed"),
        pytest.param([*range(100), 1000, *range(100, 400)], id="one added"),
        pytest.param([*range(100), 1000, *range(101, 400)], id="one replaced"),
    ],
)
def test_one_other_document_makes_few_new_pages(tmp_path: Path, numbers: list[int]) -> None:
    old = write(tmp_path / "old.parquet", table(list(range(400))))
    new = write(tmp_path / "new.parquet", table(numbers))
    fresh, total = new_bytes([old], [new])
    assert fresh < 0.04 * total


def test_equal_content_ends_pages_wherever_it_stands() -> None:
    """A new commit gives a repository's files new ids, and no new pages."""
    rows = table(list(range(100)))
    renamed = rows.set_column(0, documents.RELEASE.field(0), pa.array([f"x{number:05d}" for number in range(100)]))
    lengths = [[len(chunk) for chunk in pages.paged(one).column("text").chunks] for one in (rows, renamed)]
    assert lengths[0] == lengths[1]
