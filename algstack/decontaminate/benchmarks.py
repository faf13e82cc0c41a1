"""Benchmarks as data: finding the user's copies, checking them, and reading their problems one at a time."""

from __future__ import annotations

import fnmatch
import gzip
import hashlib
import io
import json
import tarfile
import zipfile
from codecs import BOM_UTF8
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

import pyarrow as pa
import pyarrow.parquet as pq

from algstack.errors import ManifestError, SourceError
from algstack.manifest import Benchmark, DecontaminateConfig

JSON_LIST_BYTES = 2 * 2**30
"""A JSON list is read at once, so it may not be larger; JSON lines and Parquet are read piece by piece."""

_BATCH_ROWS = 1024
_CHUNK = 2**20


class Problem(NamedTuple):
    """One problem of a benchmark: its texts, its formal statements, the name and file of its theorem."""

    id: str
    texts: tuple[str, ...]
    formal: tuple[str, ...]
    theorem: str | None
    path: str | None


class Copy(NamedTuple):
    """A benchmark and the files of the user's copy, sorted."""

    benchmark: Benchmark
    files: tuple[Path, ...]
    sha256: str


def find(config: DecontaminateConfig, folder: Path) -> tuple[list[Copy], list[str]]:
    """Find the copies of the wanted benchmarks, and check their sums; see `places`."""
    found, missing = places(config, folder)
    return [_checked(benchmark, files, folder) for benchmark, files in found], missing


def places(config: DecontaminateConfig, folder: Path) -> tuple[list[tuple[Benchmark, tuple[Path, ...]]], list[str]]:
    """Find the files of the wanted benchmarks.

    Args:
        config: the manifest's table.
        folder: where its `folder` is.

    Returns:
        The benchmarks with their files, by name; and the optional benchmarks of which there is none.

    Raises:
        ManifestError: a benchmark is not known.
        SourceError: there is no copy of one that is not optional.
    """
    if problem := config.unknown():
        raise ManifestError(f"decontaminate: {problem}")
    known = config.known
    own = [name.name for name in config.benchmark if name.name not in (*config.benchmarks, *config.optional)]
    found, missing = [], []
    for name in sorted([*config.benchmarks, *config.optional, *own]):
        files = _files(known[name], folder)
        if files:
            found.append((known[name], files))
        elif name in config.optional:
            missing.append(name)
        else:
            raise SourceError(
                f"{folder / known[name].path}: there is no copy of the benchmark `{name}`{_where(known[name])}.\n"
                f"Put one there, or name it under `optional` in [decontaminate]."
            )
    return found, missing


def _where(benchmark: Benchmark) -> str:
    places = [place for place in (benchmark.url, benchmark.hub and f"{benchmark.hub} on the Hub") if place]
    return f" ({', '.join(places)})" if places else ""


def _files(benchmark: Benchmark, folder: Path) -> tuple[Path, ...]:
    """Return the files that a benchmark's path means, sorted by their path."""
    path = Path(benchmark.path).expanduser()
    if any(mark in benchmark.path for mark in "*?["):
        base, pattern = (Path("/"), str(path)[1:]) if path.is_absolute() else (folder, str(path))
        roots = sorted(base.glob(pattern))
    else:
        roots = [folder / path] if (folder / path).exists() else []
    found = [file for root in roots for file in (_below(root, benchmark.files) if root.is_dir() else [root])]
    return tuple(sorted(set(found)))


def _below(folder: Path, patterns: str | tuple[str, ...]) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and _fits(str(path.relative_to(folder)), patterns)]


def _fits(path: str, patterns: str | tuple[str, ...]) -> bool:
    names = path, path.rsplit("/", 1)[-1]
    wanted = (patterns,) if isinstance(patterns, str) else patterns
    return any(fnmatch.fnmatchcase(name, pattern) for name in names for pattern in wanted)


def _checked(benchmark: Benchmark, files: tuple[Path, ...], folder: Path) -> Copy:
    digest = hashlib.sha256()
    for file in files:
        if len(files) > 1:
            digest.update(f"{_relative(file, folder)}\0{file.stat().st_size}\0".encode())
        try:
            with file.open("rb") as opened:
                while chunk := opened.read(_CHUNK):
                    digest.update(chunk)
        except OSError as error:
            raise SourceError(f"{file}: cannot be read ({error.strerror}).") from None
    found = digest.hexdigest()
    if benchmark.sha256 and benchmark.sha256 != found:
        raise SourceError(
            f"{files[0]}: not the copy of `{benchmark.name}` that is meant: its sha256 is {found}, "
            f"expected {benchmark.sha256}. Get that version, or change `sha256`."
        )
    return Copy(benchmark, files, found)


def _relative(file: Path, folder: Path) -> str:
    return str(file.relative_to(folder)) if file.is_relative_to(folder) else file.name


def problems(copy: Copy) -> Iterator[Problem]:
    """Yield the problems of a benchmark, in the order of its files.

    Raises:
        SourceError: a file cannot be read, or a row has none of the fields that the benchmark says.
    """
    benchmark, number = copy.benchmark, 0
    wanted = (*benchmark.text, *benchmark.formal, *([benchmark.theorem] if benchmark.theorem else []))
    for file in copy.files:
        for where, row in _rows(file, benchmark):
            number += 1
            if not any(_has(row, name) for name in wanted):
                raise _no_field(where, row, wanted, benchmark)
            yield Problem(
                id=_text_of(row, benchmark.id) or _default_id(row, number),
                texts=_texts_of(row, benchmark.text),
                formal=_texts_of(row, benchmark.formal),
                theorem=_text_of(row, benchmark.theorem),
                path=_text_of(row, benchmark.theorem_path),
            )


def _texts_of(row: Any, names: Sequence[str]) -> tuple[str, ...]:
    return tuple([text for name in names if (text := _text_of(row, name))])


def _text_of(row: Any, name: str | None) -> str | None:
    """Return the text of a field; a list of texts is one under the other."""
    if name is None:
        return None
    value = _field(row, name)
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, list):
        value = "\n".join(str(part) for part in value)
    return str(value).strip() or None if value is not None else None


def _default_id(row: Any, number: int) -> str:
    path = row.get("path") if isinstance(row, dict) else None
    return Path(path).stem if isinstance(path, str) else str(number)


def _field(row: Any, name: str) -> Any:
    """Return what a dotted name leads to, or None."""
    if isinstance(row, dict) and name in row:
        return row[name]
    for step in name.split("."):
        if isinstance(row, dict):
            row = row.get(step)
        elif isinstance(row, list) and step.isdigit() and int(step) < len(row):
            row = row[int(step)]
        else:
            return None
    return row


def _has(row: Any, name: str) -> bool:
    """Whether a row has a field, be it empty."""
    return (isinstance(row, dict) and name in row) or _field(row, name) is not None


def _no_field(where: str, row: Any, wanted: Sequence[str], benchmark: Benchmark) -> SourceError:
    names = sorted(row) if isinstance(row, dict) else [f"a list of {len(row)}" if isinstance(row, list) else str(row)]
    return SourceError(
        f"{where}: a problem of `{benchmark.name}` has none of the fields {', '.join(wanted)}; it has "
        f"{', '.join(names)[:300]}.\nSay the fields in a [[decontaminate.benchmark]] of that name."
    )


def _rows(file: Path, benchmark: Benchmark) -> Iterator[tuple[str, Any]]:
    """Yield (where it stands, row) of one file."""
    name = file.name.lower()
    if zipfile.is_zipfile(file) or (name.endswith((".tar", ".tgz", ".tar.gz", ".tar.xz", ".tar.bz2"))):
        yield from _archive_rows(file, benchmark)
        return
    if name.endswith(".parquet"):
        yield from _parquet_rows(file, str(file))
        return
    with _opened(file) as opened:
        yield from _file_rows(opened, name.removesuffix(".gz"), file.stat().st_size, str(file), file.name)


@contextmanager
def _opened(file: Path) -> Iterator[IO[bytes]]:
    try:
        with file.open("rb") as opened:
            yield cast(IO[bytes], gzip.GzipFile(fileobj=opened)) if file.name.endswith(".gz") else opened
    except (OSError, EOFError) as error:
        raise SourceError(f"{file}: cannot be read ({error}).") from None


def _file_rows(opened: IO[bytes], name: str, size: int, where: str, path: str) -> Iterator[tuple[str, Any]]:
    if name.endswith((".jsonl", ".ndjson")):
        for number, line in enumerate(opened, 1):
            if line.strip():
                yield f"{where}:{number}", _json(line, f"{where}:{number}")
    elif name.endswith(".json"):
        yield from _json_rows(opened, size, where, path)
    else:
        try:
            yield where, {"path": path, "text": opened.read().decode("utf-8")}
        except UnicodeDecodeError as error:
            raise SourceError(
                f"{where}: not UTF-8 text (byte {error.start}). `files` can leave it out of the benchmark."
            ) from None


def _json(line: bytes, where: str) -> Any:
    try:
        return json.loads(str(line.removeprefix(BOM_UTF8), "utf-8"))
    except ValueError as error:
        raise SourceError(f"{where}: not JSON ({error}).") from None


def _json_rows(opened: IO[bytes], size: int, where: str, path: str) -> Iterator[tuple[str, Any]]:
    """A list of rows, an object of lists of rows by split, or one row."""
    if size > JSON_LIST_BYTES:
        raise SourceError(f"{where}: a JSON list of {size:,} bytes is read at once. Write it as JSON lines.")
    content = opened.read()
    try:
        value = json.loads(content)
    except ValueError:
        # Many benchmarks are JSON lines under the name .json.
        lines = [line for line in content.splitlines() if line.strip()]
        value = [_json(line, f"{where}:{number}") for number, line in enumerate(lines, 1)]
    rows = value if isinstance(value, list) else [value]
    for number, row in enumerate(rows, 1):
        if isinstance(row, dict) and row and all(isinstance(part, list) for part in row.values()):
            yield from ((f"{where}, {split}[{place}]", one) for split in row for place, one in enumerate(row[split]))
        elif isinstance(row, dict) and row and all(isinstance(part, dict) for part in row.values()):
            # An object of rows by the problem's name.
            yield from ((f"{where}, {key}", {"key": key} | row[key]) for key in row)
        elif isinstance(row, dict):
            yield f"{where}, row {number}", row if isinstance(value, list) else {"path": path} | row
        else:
            yield f"{where}, row {number}", row


def _parquet_rows(source: Path | IO[bytes], where: str) -> Iterator[tuple[str, Any]]:
    try:
        number = 0
        for batch in pq.ParquetFile(source).iter_batches(_BATCH_ROWS):
            for row in batch.to_pylist():
                number += 1
                yield f"{where}, row {number}", row
    except pa.ArrowException as error:
        raise SourceError(f"{where}: not a Parquet file that can be read ({error}).") from None


def _archive_rows(file: Path, benchmark: Benchmark) -> Iterator[tuple[str, Any]]:
    """Yield the rows of an archive's members; nothing is unpacked to disk, so no member's path can do harm."""
    for name, size, opened in _members(file):
        if not _fits(name, benchmark.files):
            continue
        where = f"{file}, {name}"
        if name.endswith(".parquet"):
            yield from _parquet_rows(io.BytesIO(opened.read()), where)
        else:
            yield from _file_rows(opened, name.lower(), size, where, name)


def _members(file: Path) -> Iterator[tuple[str, int, IO[bytes]]]:
    try:
        if zipfile.is_zipfile(file):
            with zipfile.ZipFile(file) as packed:
                for entry in sorted(packed.infolist(), key=lambda entry: entry.filename):
                    if not entry.is_dir():
                        with packed.open(entry) as opened:
                            yield entry.filename, entry.file_size, opened
            return
        with tarfile.open(file) as archive:
            for member in archive:
                opened_member = archive.extractfile(member) if member.isfile() else None
                if opened_member is not None:
                    yield member.name, member.size, opened_member
    except (tarfile.TarError, zipfile.BadZipFile, OSError, EOFError) as error:
        raise SourceError(f"{file}: not an archive that can be read ({error}).") from None
