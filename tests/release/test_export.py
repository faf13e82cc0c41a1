"""The original's layout."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest

from algstack.errors import AlgstackError, DatasetError
from algstack.release import stage
from algstack.release.export import export
from tests.release.conftest import context, document, write_workspace


def test_every_document_is_a_line_of_text_and_meta(tmp_path: Path) -> None:
    made = [document(number, text=f'-- {number} ∀ "quoted" </script>\n') for number in range(20)]
    workspace = write_workspace(tmp_path / "work", [made])
    stage.run(context(workspace))
    files = export(workspace.release("1.0.0"), tmp_path / "export")
    lines = [
        json.loads(line)
        for file in files
        for line in pa.CompressedInputStream(str(file), "zstd").read().decode().splitlines()
    ]
    assert {line["meta"]["id"]: line["text"] for line in lines} == {one["id"]: one["text"] for one in made}
    assert all(set(line) == {"text", "meta"} for line in lines)
    assert "license" not in lines[0]["meta"] or lines[0]["meta"]["license"]
    assert (tmp_path / "export" / "SHA256SUMS").is_file()
    assert export(workspace.release("1.0.0"), tmp_path / "export") == files


def test_what_is_in_the_way_is_not_touched(tmp_path: Path) -> None:
    workspace = write_workspace(tmp_path / "work", [[document(0)]])
    stage.run(context(workspace))
    (tmp_path / "export").mkdir()
    with pytest.raises(AlgstackError, match="is there already"):
        export(workspace.release("1.0.0"), tmp_path / "export")
    with pytest.raises(DatasetError, match="no release here"):
        export(tmp_path, tmp_path / "other")
