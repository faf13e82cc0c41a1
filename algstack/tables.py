"""Other people's tables as documents: The Stack v1, v2 and v3, and any Parquet or JSON-lines file with a text column.

A table is read in portions of bounded size, and each portion's columns are mapped to those of DOCUMENTS by native
expressions. The columns are those that the dataset cards of bigcode/the-stack, bigcode/the-stack-v2 and
HuggingFaceCode/stack-v3-train name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from glob import glob
from io import BufferedReader
from pathlib import Path
from typing import Any, Literal

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from algstack import toml
from algstack.documents import DOCUMENTS, swhid
from algstack.errors import SourceError

PORTION_BYTES = 32 * 2**20
"""Uncompressed bytes of a table that are looked at together."""

TASK_BYTES = 64 * 2**20
"""Uncompressed bytes of a table that make one task: few enough that all workers end at about the same time."""

_JSON_LINES = re.compile(r"\.(?:jsonl|ndjson|json)(?:\.(?:gz|zst|bz2))?\Z", re.IGNORECASE)

_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]|\xed[\xa0-\xbf]")
"""Half of a character in a line of JSON, escaped or not; it may have its other half."""

LayoutName = Literal["auto", "plain", "stack-v1", "stack-v2", "stack-v3"]


class TableColumns(toml.Config):
    """Which columns of a table are which; where nothing is said, the layout's own names."""

    layout: LayoutName = "auto"
    text_column: str | None = None
    id_column: str | None = None
    path_column: str | None = None
    repo_column: str | None = None
    license_column: str | None = None
    lang_column: str | None = None


@dataclass(frozen=True)
class Layout:
    """Where a kind of table keeps what a document needs: names of columns, `a.b` inside structs.

    `files` is the column that lists the files of a row's repository; its fields stand beside the row's columns.
    """

    name: str
    title: str
    text: str
    path: str
    repo: str
    revision: str
    licenses: str
    language: str
    stars: str
    date: str
    blob: str
    is_github: bool = True
    files: str | None = None


LAYOUTS = {
    "plain": Layout(
        "plain", "table", "text", "path", "repo", "revision", "license", "lang", "stars", "created_at", "", False
    ),
    "stack-v1": Layout(
        name="stack-v1",
        title="The Stack v1",
        text="content",
        path="max_stars_repo_path",
        repo="max_stars_repo_name",
        revision="max_stars_repo_head_hexsha",
        licenses="max_stars_repo_licenses",
        language="lang",
        stars="max_stars_count",
        date="",
        blob="hexsha",
    ),
    "stack-v2": Layout(
        name="stack-v2",
        title="The Stack v2",
        text="content",
        path="path",
        repo="repo_name",
        revision="revision_id",
        licenses="detected_licenses",
        language="language",
        stars="star_events_count",
        date="revision_date",
        blob="blob_id",
    ),
    "stack-v3": Layout(
        name="stack-v3",
        title="The Stack v3",
        text="content",
        path="file_path",
        repo="repo_path",
        revision="commit_id",
        licenses="detected_licenses",
        language="language",
        stars="github_metadata.stars",
        date="file_timestamp",
        blob="content_id",
        files="files",
    ),
}

_SIGNATURES = {
    "stack-v1": {"content", "max_stars_repo_path"},
    "stack-v3": {"files", "repo_path", "commit_id"},
    "stack-v2": {"blob_id", "repo_name"},
}


@dataclass(frozen=True)
class TableTask:
    """A part of one table: some of the row groups of a Parquet file, or a whole JSON-lines file."""

    path: Path
    groups: tuple[int, ...] | None
    first_row: int

    @property
    def inputs(self) -> list[Any]:
        """What changes when the part does: JSON values."""
        status = self.path.stat()
        return [str(self.path), status.st_size, status.st_mtime_ns, list(self.groups or ())]


def paths_of(patterns: Sequence[str]) -> list[Path]:
    """Return the sorted files that glob patterns name; a folder stands for all the tables in it.

    Raises:
        SourceError: a pattern names nothing, or something that is not a table.
    """
    found: set[Path] = set()
    for pattern in patterns:
        named = [Path(path) for path in glob(pattern, recursive=True)]  # noqa: PTH207 (absolute patterns too)
        files = [file for path in named for file in (_tables_in(path) if path.is_dir() else [path])]
        if not files:
            raise SourceError(f"{pattern}: no such file. Name Parquet or JSON-lines files, or a folder of them.")
        found.update(files)
    return sorted(found)


def _tables_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and (is_parquet(path) or is_json_lines(path)))


def is_parquet(path: Path) -> bool:
    """Whether a file's name says that it is Parquet."""
    return path.suffix.lower() in (".parquet", ".pq")


def is_json_lines(path: Path) -> bool:
    """Whether a file's name says that it holds JSON lines, as they are or compressed."""
    return _JSON_LINES.search(path.name) is not None


def tasks(paths: Sequence[Path]) -> list[TableTask]:
    """Cut tables into tasks, in the order of the paths.

    Raises:
        SourceError: a file is neither Parquet nor JSON lines, or is broken.
    """
    return [task for path in paths for task in _tasks_of(path)]


def _tasks_of(path: Path) -> Iterator[TableTask]:
    if is_json_lines(path):
        yield TableTask(path, None, 0)
        return
    metadata = opened(path).metadata
    groups: list[int] = []
    first = row = size = 0
    for group in range(metadata.num_row_groups):
        groups.append(group)
        size += metadata.row_group(group).total_byte_size
        row += metadata.row_group(group).num_rows
        if size >= TASK_BYTES:
            yield TableTask(path, tuple(groups), first)
            groups, size, first = [], 0, row
    if groups:
        yield TableTask(path, tuple(groups), first)


def opened(path: Path) -> pq.ParquetFile:
    """Open a Parquet file to be read piece by piece.

    Raises:
        SourceError: its name or its content says that it is none.
    """
    if not is_parquet(path):
        raise SourceError(f"{path}: neither Parquet (.parquet) nor JSON lines (.jsonl, .jsonl.gz, .jsonl.zst).")
    try:
        # A buffered column is read page by page, so that a row group larger than memory streams.
        return pq.ParquetFile(path, buffer_size=2**20, pre_buffer=False)
    except (pa.ArrowInvalid, OSError) as error:
        raise SourceError(f"{path}: cannot be read as Parquet ({str(error).splitlines()[0]}).") from error


def documents(task: TableTask, columns: TableColumns, source: str) -> Iterator[pl.DataFrame]:
    """Yield a task's rows as frames with the columns of DOCUMENTS; `text` is null where a row has none.

    `lang` is what the table calls the language (`C++`, `Jupyter Notebook`), or null.

    Raises:
        SourceError: the table has no text column, or is broken.
    """
    row = task.first_row
    for portion in _portions(task):
        layout = _layout(portion.columns, columns, task.path)
        flat = _flattened(portion, layout)
        yield _mapped(flat, layout, columns, source, task.path, row)
        row += flat.height


def _portions(task: TableTask) -> Iterator[pl.DataFrame]:
    if task.groups is None:
        yield from _json_portions(task.path)
        return
    file = opened(task.path)
    for groups in _together(task.groups, file.metadata):
        size, rows = _extent(groups, file.metadata)
        portions = max(1, round(size / PORTION_BYTES))
        try:
            for batch in file.iter_batches(max(1, -(-rows // portions)), groups, use_threads=False):
                frame = pl.from_arrow(batch)
                assert isinstance(frame, pl.DataFrame)
                yield frame
        except (pa.ArrowInvalid, OSError) as error:
            where = f"row group {groups[0]}" if len(groups) == 1 else f"one of row groups {groups[0]} to {groups[-1]}"
            raise SourceError(f"{task.path}: {where} is broken ({str(error).splitlines()[0]}).") from error


def _together(groups: Sequence[int], metadata: pq.FileMetaData) -> Iterator[list[int]]:
    """Cut row groups into runs that make one portion: each call of Polars costs the same, however small it is."""
    run: list[int] = []
    for group in groups:
        if run and _extent([*run, group], metadata)[0] > PORTION_BYTES:
            yield run
            run = []
        run.append(group)
    if run:
        yield run


def _extent(groups: Sequence[int], metadata: pq.FileMetaData) -> tuple[int, int]:
    """Uncompressed bytes and rows of row groups."""
    read = [metadata.row_group(group) for group in groups]
    return sum(group.total_byte_size for group in read), sum(group.num_rows for group in read)


def _json_portions(path: Path) -> Iterator[pl.DataFrame]:
    rows: list[dict[str, Any]] = []
    size = 0
    for number, line in enumerate(_lines(path), 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except ValueError as error:
            raise SourceError(f"{path}:{number}: not JSON ({error}). Each line must be one JSON object.") from None
        if not isinstance(value, dict):
            raise SourceError(f"{path}:{number}: not a JSON object. Each line must be one.")
        rows.append(_without_lone_surrogates(value) if _SURROGATE.search(line) else value)
        size += len(line)
        if size >= PORTION_BYTES:
            yield _frame(rows)
            rows, size = [], 0
    if rows:
        yield _frame(rows)


def _without_lone_surrogates(value: dict[str, Any]) -> dict[str, Any]:
    """Return a JSON object with U+FFFD for halves of characters: JSON can hold them, UTF-8 cannot."""
    text = json.dumps(value, ensure_ascii=False).encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    whole: dict[str, Any] = json.loads(text)
    return whole


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with pa.input_stream(str(path)) as stream:  # which decompresses what the file's name says is compressed
            yield from BufferedReader(stream)
    except (OSError, EOFError) as error:
        raise SourceError(f"{path}: cannot be read to its end ({error}).") from error


def _frame(rows: list[dict[str, Any]]) -> pl.DataFrame:
    """JSON objects as a frame; what is neither text nor a number becomes JSON text, so that rows of all kinds fit."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    return pl.DataFrame({name: _column([row.get(name) for row in rows]) for name in names})


def _column(values: list[Any]) -> pl.Series:
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {str}:
        return pl.Series(values, dtype=pl.String)
    if kinds <= {int, bool}:
        return pl.Series(values, dtype=pl.Int64, strict=False)
    if kinds == {list} and all(isinstance(item, str) for value in values for item in value or ()):
        return pl.Series(values, dtype=pl.List(pl.String))
    texts = [v if v is None or isinstance(v, str) else json.dumps(v, ensure_ascii=False) for v in values]
    return pl.Series(texts, dtype=pl.String)


def _layout(names: Sequence[str], columns: TableColumns, path: Path) -> Layout:
    found: str = columns.layout
    if found == "auto":
        found = next((name for name, needed in _SIGNATURES.items() if needed <= set(names)), "plain")
    layout = LAYOUTS[found]
    for option, column in columns.model_dump(exclude={"layout"}).items():
        if column and is_parquet(path) and not layout.files and not {column, column.partition(".")[0]} & set(names):
            raise SourceError(
                f"{path}: no column `{column}`{toml.nearest(column, names)} Change --{option.replace('_', '-')}."
            )
    text = columns.text_column or layout.text
    if layout.files is None and text not in names and not (layout.name == "plain" and "content" in names):
        more = " Its contents are downloaded apart from it." if layout.name == "stack-v2" else ""
        raise SourceError(
            f"{path}: no column `{text}` with the text.{more} Name it with --text-column{toml.nearest(text, names)}"
        )
    return layout


def _flattened(portion: pl.DataFrame, layout: Layout) -> pl.DataFrame:
    """One row a file, where a row was a repository."""
    if layout.files is None:
        return portion
    rows = portion.explode(layout.files).filter(pl.col(layout.files).is_not_null())
    fields = rows.select(layout.files).unnest(layout.files)
    return rows.drop(layout.files, *(name for name in fields.columns if name in rows.columns)).hstack(fields)


def _mapped(
    rows: pl.DataFrame, layout: Layout, columns: TableColumns, source: str, path: Path, first_row: int
) -> pl.DataFrame:
    names = {
        "text": columns.text_column or (layout.text if layout.text in rows.columns else "content"),
        "path": columns.path_column or layout.path,
        "repo": columns.repo_column or layout.repo,
        "revision": layout.revision,
        "license": columns.license_column or layout.licenses,
        "lang": columns.lang_column or layout.language,
        "stars": layout.stars,
        "created_at": layout.date,
    }
    known = {name: _cast(rows, column, DOCUMENTS.field(name).type) for name, column in names.items()}
    known["path"] = known["path"].str.strip_prefix("/")
    frame = rows.select(
        **known,
        source=pl.lit(source),
        blob=_cast(rows, layout.blob, pa.string()),
        given_id=_cast(rows, columns.id_column or ("id" if layout.name == "plain" else ""), pa.string()),
        url=_cast(rows, "url" if layout.name == "plain" else "", pa.string()),
        meta=_meta(rows, layout, {*names.values(), layout.blob, columns.id_column or ""}),
        attribution=_cast(rows, "attribution" if layout.name == "plain" else "", pa.string()),
        license_source=_cast(rows, "license_source" if layout.name == "plain" else "", pa.string()),
        swhid=_cast(rows, "swhid" if layout.name == "plain" else "", pa.string()),
    )
    frame = frame.with_row_index("row", offset=first_row).with_columns(
        size=pl.col("text").str.len_bytes().fill_null(0).cast(pl.Int64)
    )
    row_id = pl.format("{}#{}", pl.lit(path.name), "row")
    if layout.is_github:
        frame = frame.with_columns(
            given_id=pl.format("github:{}@{}:{}", "repo", "revision", "path"),
            url=pl.format("https://github.com/{}/blob/{}/{}", "repo", "revision", _quoted("path")),
            license_source=pl.when(pl.col("license").is_not_null()).then(pl.lit(layout.title)),
            swhid=_swhids(frame, layout),
        )
    return frame.with_columns(id=pl.coalesce("given_id", row_id)).select(DOCUMENTS.names)


def _cast(rows: pl.DataFrame, column: str, kind: pa.DataType) -> pl.Expr:
    """The expression of a column as an Arrow type; null where there is no such column.

    `a.b` is the field `b` of a struct, or of the JSON object that a text is, as `meta` in Proof-Pile-2.
    """
    wanted = pl.Series(pa.nulls(0, kind)).dtype
    name, _, field = (column, "", "") if column in rows.columns else column.partition(".")
    if name not in rows.columns:
        return pl.lit(None, wanted)
    found, dtype = pl.col(name), rows.schema[name]
    if field and dtype == pl.String:
        found = found.str.json_path_match(f"$.{field}")
    elif field:
        if not isinstance(dtype, pl.Struct) or field not in [part.name for part in dtype.fields]:
            return pl.lit(None, wanted)
        found, dtype = found.struct.field(field), dict(dtype.to_schema())[field]  # type: ignore[assignment]
    if wanted == pl.String and isinstance(dtype, pl.List):
        joined = found.list.drop_nulls().list.unique().list.sort().list.join(" AND ")
        return pl.when(joined != "").then(joined)
    if wanted == pl.Datetime("us", "UTC"):
        return _moment(found, dtype)
    return found.cast(wanted, strict=False)


def _moment(found: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    if dtype.is_integer():
        return pl.from_epoch(found, "s").cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    if dtype == pl.String:
        return found.str.to_datetime(time_unit="us", time_zone="UTC", strict=False)
    if isinstance(dtype, pl.Datetime) and dtype.time_zone is None:
        return found.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    if isinstance(dtype, pl.Datetime):
        return found.dt.convert_time_zone("UTC").cast(pl.Datetime("us", "UTC"))
    return pl.lit(None, pl.Datetime("us", "UTC"))


def _quoted(column: str) -> pl.Expr:
    quoted = pl.col(column)
    for char, code in (("%", "%25"), (" ", "%20"), ("#", "%23"), ("?", "%3F")):
        quoted = quoted.str.replace_all(char, code, literal=True)
    return quoted


def _swhids(frame: pl.DataFrame, layout: Layout) -> pl.Series:
    """The SWHID of the original bytes: the table's blob name, which is git's sha1 of them.

    The card of The Stack v1 does not say what its hashes are; there a portion's first text must have the first hash.
    """
    is_sha1 = pl.col("blob").str.contains(r"\A[0-9a-f]{40}\z").fill_null(False)
    if layout.name == "stack-v1":
        first = frame.filter(is_sha1 & pl.col("text").is_not_null()).select("text", "blob").head(1)
        if not all(swhid(text.encode()) == f"swh:1:cnt:{blob}" for text, blob in first.iter_rows()):
            return pl.Series("swhid", [None] * frame.height, pl.String)
    return frame.select(swhid=pl.when(is_sha1).then(pl.format("swh:1:cnt:{}", "blob"))).to_series()


def _meta(rows: pl.DataFrame, layout: Layout, used: set[str]) -> pl.Expr:
    """What no column of DOCUMENTS holds, as JSON text."""
    if "meta" in rows.columns and rows.schema["meta"] == pl.String and layout.name == "plain":
        return pl.col("meta")
    left = [name for name in rows.columns if name not in used | set(DOCUMENTS.names if layout.name == "plain" else ())]
    if not left:
        return pl.lit(None, pl.String)
    temporal = [name for name in left if rows.schema[name].is_temporal() or rows.schema[name] == pl.Binary]
    kept = [pl.col(name).cast(pl.String, strict=False) if name in temporal else pl.col(name) for name in left]
    return pl.struct(kept).struct.json_encode()
