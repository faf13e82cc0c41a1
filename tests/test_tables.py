"""Other people's tables as documents: every layout, nested rows, JSON lines, and what is broken."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from algstack import tables
from algstack.documents import DOCUMENTS, swhid
from algstack.errors import SourceError
from algstack.tables import TableColumns

TEXT = "import numpy\n"
BLOB = swhid(TEXT.encode()).removeprefix("swh:1:cnt:")
SHA = "c" * 40

V1 = {
    "hexsha": [BLOB],
    "size": [len(TEXT)],
    "ext": ["py"],
    "lang": ["Python"],
    "max_stars_repo_path": ["a b/x.py"],
    "max_stars_repo_name": ["me/it"],
    "max_stars_repo_head_hexsha": [SHA],
    "max_stars_repo_licenses": [["MIT", "Apache-2.0"]],
    "max_stars_count": [7],
    "content": [TEXT],
}
V2 = {
    "blob_id": [BLOB],
    "path": ["/a b/x.py"],
    "repo_name": ["me/it"],
    "revision_id": [SHA],
    "detected_licenses": [["MIT", "Apache-2.0"]],
    "star_events_count": [7],
    "language": ["Python"],
    "revision_date": [datetime(2023, 1, 2, tzinfo=UTC)],
    "is_vendor": [False],
    "content": [TEXT],
}
FILE = {
    "content_id": BLOB,
    "content": TEXT,
    "file_path": "a b/x.py",
    "file_timestamp": 1672617600,
    "language": "Python",
    "detected_licenses": ["MIT", "Apache-2.0"],
}
V3 = {
    "repo_path": ["me/it", "me/empty"],
    "commit_id": [SHA, SHA],
    "github_metadata": [{"stars": 7, "is_fork": False}, {"stars": 0, "is_fork": True}],
    "files": [[FILE, FILE | {"file_path": "y.v", "content": None}], []],
}


def read(path: Path, **columns: str) -> pl.DataFrame:
    options = TableColumns.model_validate(columns)
    frames = [frame for task in tables.tasks([path]) for frame in tables.documents(task, options, "s")]
    return pl.concat(frames)


def write(folder: Path, rows: dict[str, list[object]], **options: int) -> Path:
    path = folder / "t.parquet"
    pl.DataFrame(rows).write_parquet(path, **options)  # type: ignore[arg-type]
    return path


@pytest.mark.parametrize("rows", [pytest.param(V1, id="v1"), pytest.param(V2, id="v2"), pytest.param(V3, id="v3")])
def test_the_stack(tmp_path: Path, rows: dict[str, list[object]]) -> None:
    found = read(write(tmp_path, rows))
    assert found.columns == DOCUMENTS.names
    first = found.row(0, named=True)
    assert first["id"] == f"github:me/it@{SHA}:a b/x.py"
    assert first["url"] == f"https://github.com/me/it/blob/{SHA}/a%20b/x.py"
    assert (first["text"], first["size"], first["lang"], first["stars"]) == (TEXT, len(TEXT), "Python", 7)
    assert first["license"] == "Apache-2.0 AND MIT"
    assert first["swhid"] == swhid(TEXT.encode())
    assert first["created_at"] in (None, datetime(2023, 1, 2, tzinfo=UTC))
    assert TEXT not in (first["meta"] or "")


def test_rows_of_repositories_are_unnested(tmp_path: Path) -> None:
    found = read(write(tmp_path, V3))
    assert found.select("path", "text").rows() == [("a b/x.py", TEXT), ("y.v", None)]
    assert json.loads(found["meta"][0])["github_metadata"]["is_fork"] is False


def test_v1_hash_is_no_swhid_unless_it_fits(tmp_path: Path) -> None:
    assert read(write(tmp_path, V1 | {"hexsha": ["d" * 40]}))["swhid"].to_list() == [None]


def test_any_table_by_its_columns(tmp_path: Path) -> None:
    path = write(tmp_path, {"body": ["x", None], "key": ["k1", "k2"], "name": ["a.py", "b.py"], "score": [1.5, 2.5]})
    found = read(path, text_column="body", id_column="key", path_column="name")
    assert found.select("id", "text", "path", "meta").rows() == [
        ("k1", "x", "a.py", '{"score":1.5}'),
        ("k2", None, "b.py", '{"score":2.5}'),
    ]
    with pytest.raises(SourceError, match=r"no column `text` with the text.*--text-column"):
        read(path)
    with pytest.raises(SourceError, match="did you mean `body`"):
        read(path, text_column="bodi")


def test_our_own_documents_come_back(tmp_path: Path) -> None:
    known = {"id": ["x"], "text": ["t"], "lang": ["lean"], "repo": ["r"], "license": ["MIT"], "meta": ['{"a": 1}']}
    row = read(write(tmp_path, known)).row(0, named=True)
    assert {name: [row[name]] for name in known} == known


def test_ids_count_rows_over_tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "TASK_BYTES", 1)
    monkeypatch.setattr(tables, "PORTION_BYTES", 1)
    path = write(tmp_path, {"text": [str(n) for n in range(7)]}, row_group_size=3)
    assert len(tables.tasks([path])) == 3
    assert read(path)["id"].to_list() == [f"t.parquet#{n}" for n in range(7)]


def test_json_lines(tmp_path: Path) -> None:
    rows = [{"text": "a", "meta": {"x": 1}}, {"text": "b", "stars": 3}, {"text": None, "stars": "many"}]
    path = tmp_path / "t.jsonl.gz"
    path.write_bytes(gzip.compress("\n\n".join(json.dumps(row) for row in rows).encode()))
    assert read(path).select("text", "stars", "meta").rows() == [
        ("a", None, '{"x": 1}'),
        ("b", 3, None),
        (None, None, None),
    ]


@pytest.mark.parametrize(
    ("line", "text"),
    [
        pytest.param(rb'{"text": "a \ud800 b"}', "a \ufffd b", id="first half"),
        pytest.param(rb'{"text": "a \udcd0"}', "a \ufffd", id="second half, at the end"),
        pytest.param(rb'{"text": "\ud835\ud835\udcd0"}', "\ufffd\U0001d4d0", id="one and a half"),
        pytest.param(rb'{"text": "\ud835\udcd0"}', "\U0001d4d0", id="both"),
        pytest.param(b'{"text": "a \xed\xa0\x80 b"}', "a \ufffd b", id="not escaped"),
        pytest.param(rb'{"text": "a", "\ud800": {"x": ["\ud800"]}}', "a", id="in another column and its name"),
    ],
)
def test_halves_of_characters_in_json_are_no_characters(tmp_path: Path, line: bytes, text: str) -> None:
    (tmp_path / "t.jsonl").write_bytes(line + b"\n")
    assert read(tmp_path / "t.jsonl")["text"].to_list() == [text]


def test_json_lines_as_proof_pile_2_has_them(tmp_path: Path) -> None:
    row = json.dumps({"text": "a", "meta": {"lang": "lean", "file": {"path": "A/B.lean"}}})
    path = tmp_path / "train.jsonl.zst"
    for _ in range(2):  # a file of two frames, as tools that append write it
        with path.open("ab") as appended, pa.output_stream(appended, compression="zstd") as out:
            out.write(f"{row}\n".encode())
    found = read(path, lang_column="meta.lang", path_column="meta.file.path")
    assert found.select("text", "lang", "path").rows() == [("a", "lean", "A/B.lean")] * 2


def test_a_named_column_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    path = write(tmp_path, {"text": ["x"], "route": ["a.py"]})
    with pytest.raises(SourceError, match=r"no column `rout`; did you mean `route`\? Change --path-column"):
        read(path, path_column="rout")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        pytest.param("t.parquet", b"PAR1 not really", "cannot be read as Parquet", id="parquet"),
        pytest.param("t.jsonl", b'{"text": "a"}\n{"text"', r"t.jsonl:2: not JSON", id="line"),
        pytest.param("t.jsonl", b"[1]\n", "not a JSON object", id="array"),
        pytest.param("t.jsonl.gz", gzip.compress(b'{"text": "a"}\n' * 9)[:-9], "cannot be read to its end", id="gzip"),
        pytest.param("t.csv", b"text\n", "neither Parquet", id="kind"),
    ],
)
def test_broken_input(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError, match=message):
        read(tmp_path / name)


def test_paths(tmp_path: Path) -> None:
    (tmp_path / "b.parquet").touch()
    (tmp_path / "a.jsonl").touch()
    (tmp_path / "c.txt").touch()
    assert [path.name for path in tables.paths_of([str(tmp_path)])] == ["a.jsonl", "b.parquet"]
    with pytest.raises(SourceError, match="no such file"):
        tables.paths_of([str(tmp_path / "*.pq")])
