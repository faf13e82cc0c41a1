"""Parts and stages on disk: atomic writes, the stage record, fingerprints, resume.

A stage is a folder. Its work is cut into tasks; a task writes its parts, then its own record under
`.tasks/`, so that an interrupted stage goes on where it stopped. `stage.json` is written last: that it
exists means that the stage is complete.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, ValidationError

from algstack import __version__
from algstack.errors import AlgstackError, DatasetError

STAGE_FILE = "stage.json"
TASKS_FOLDER = ".tasks"

ROW_GROUP_BYTES = 32 * 2**20
"""Text a row group holds before it is written: what bounds a writer's memory."""

ROW_GROUP_ROWS = 65_536


class Record(BaseModel):
    """A frozen value that is stored as JSON; an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Part(Record):
    """One written file of a stage. `name` is relative to the stage's folder."""

    name: str
    sha256: str
    rows: int
    bytes: int


class Counts(Record):
    """Documents that reached a stage and what became of them; bytes are UTF-8 bytes of text."""

    documents: int = 0
    kept: int = 0
    dropped: dict[str, int] = {}
    bytes: int = 0
    bytes_kept: int = 0

    def __add__(self, other: Counts) -> Counts:
        dropped = Counter(self.dropped) + Counter(other.dropped)
        return Counts(
            documents=self.documents + other.documents,
            kept=self.kept + other.kept,
            dropped=dict(sorted(dropped.items())),
            bytes=self.bytes + other.bytes,
            bytes_kept=self.bytes_kept + other.bytes_kept,
        )

    def check(self, where: str) -> None:
        """Raise DatasetError unless every document is either kept or dropped."""
        dropped = sum(self.dropped.values())
        if self.documents != self.kept + dropped:
            raise DatasetError(
                f"{where}: counts do not balance: {self.documents} documents in, {self.kept} kept, {dropped} dropped. "
                "This is a defect of the stage; please report it."
            )


class TaskRecord(Record):
    """What one task of a stage did. `note` holds what only its stage understands."""

    task: str
    fingerprint: str
    counts: Counts
    parts: tuple[Part, ...]
    note: dict[str, Any] = {}


class StageRecord(Record):
    """`stage.json`: what a complete stage was made from, and what it made."""

    stage: str
    fingerprint: str
    code: str
    tool: str
    config: dict[str, Any]
    counts: Counts
    tasks: tuple[TaskRecord, ...]

    @property
    def parts(self) -> tuple[Part, ...]:
        """All parts, in the order of their tasks."""
        return tuple(part for task in self.tasks for part in task.parts)


def fingerprint(value: object) -> str:
    """Return the sha256 of a value's canonical JSON.

    Raises:
        TypeError: the value holds something without one stable JSON form (a set, a path, NaN).
    """
    try:
        text = json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except ValueError as error:
        raise TypeError(f"not a stable value: {error}") from None
    return hashlib.sha256(text.encode()).hexdigest()


def sha256_file(path: Path) -> str:
    """Return the hex sha256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def explained_os_errors(path: Path) -> Iterator[None]:
    """Turn a full disk or a folder that may not be written into an error that says what to do."""
    try:
        yield
    except OSError as error:
        # Arrow raises plain OSErrors whose number stands only in the text.
        full = error.errno in (errno.ENOSPC, errno.EDQUOT) or "No space left" in str(error)
        if full:
            raise DatasetError(
                f"{path.parent}: no room left on the disk. Free some, then run the same command again: "
                "what was done is kept."
            ) from error
        if error.errno in (errno.EACCES, errno.EROFS):
            raise DatasetError(f"{path}: may not be written ({error.strerror}). Choose another --workspace.") from error
        raise


@contextmanager
def written_atomically(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success sync it and rename it, otherwise remove it."""
    with explained_os_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            yield temporary
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
            temporary.rename(path)
        finally:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make renames in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically, as UTF-8."""
    with written_atomically(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


class PartWriter:
    """Write batches of one schema into one Parquet file, a row group at a time.

    A row group closes by the rows it was given, never by how they were batched, so the same rows give
    the same bytes.
    """

    def __init__(self, path: Path, schema: pa.Schema, **options: Any) -> None:
        self.rows = 0
        self._schema = schema
        self._text = schema.get_field_index("text")
        self._writer = pq.ParquetWriter(path, schema, compression="zstd", **options)
        self._pending: list[pa.RecordBatch] = []
        self._pending_rows = 0
        self._pending_bytes = 0

    def write(self, rows: pa.Table | pa.RecordBatch) -> None:
        """Append rows, cast to the writer's schema."""
        if rows.schema != self._schema:
            rows = rows.select(self._schema.names).cast(self._schema)
        for batch in rows.to_batches() if isinstance(rows, pa.Table) else [rows]:
            self._append(batch)

    def _append(self, batch: pa.RecordBatch) -> None:
        while batch.num_rows:
            take = self._room(batch)
            head, batch = batch.slice(0, take), batch.slice(take)
            self._pending.append(head)
            self._pending_rows += take
            self._pending_bytes += self._text_bytes(head)
            if self._pending_rows >= ROW_GROUP_ROWS or self._pending_bytes >= ROW_GROUP_BYTES:
                self._flush()

    def _room(self, batch: pa.RecordBatch) -> int:
        """Return how many of the batch's rows still belong to the open row group."""
        limit: int = min(batch.num_rows, ROW_GROUP_ROWS - self._pending_rows)
        if self._text < 0 or self._pending_bytes + self._text_bytes(batch.slice(0, limit)) < ROW_GROUP_BYTES:
            return limit
        total = self._pending_bytes
        for row, length in enumerate(pc.binary_length(batch.column(self._text).slice(0, limit)).to_pylist()):
            total += length or 0
            if total >= ROW_GROUP_BYTES:
                return row + 1
        return limit

    def _text_bytes(self, batch: pa.RecordBatch) -> int:
        if self._text < 0:
            return 0
        return int(pc.sum(pc.binary_length(batch.column(self._text))).as_py() or 0)

    def _flush(self) -> None:
        if self._pending:
            # One chunk: where chunks begin, pages do too.
            group = pa.Table.from_batches(self._pending, self._schema).combine_chunks()
            self._writer.write_table(group, row_group_size=ROW_GROUP_ROWS)
        self.rows += self._pending_rows
        self._pending, self._pending_rows, self._pending_bytes = [], 0, 0

    def close(self) -> None:
        """Write what is pending and the footer."""
        self._flush()
        self._writer.close()


@contextmanager
def part_writer(folder: Path, name: str, schema: pa.Schema, done: list[Part], **options: Any) -> Iterator[PartWriter]:
    """Write `folder/name` atomically; on success append its `Part` to `done`."""
    path = folder / name
    with written_atomically(path) as temporary:
        writer = PartWriter(temporary, schema, **options)
        try:
            yield writer
        except BaseException:
            with suppress(Exception):  # the first error is the one to report
                writer.close()
            raise
        writer.close()
        size, digest = temporary.stat().st_size, sha256_file(temporary)
    done.append(Part(name=name, sha256=digest, rows=writer.rows, bytes=size))


class StageFolder:
    """One stage's folder: the records of its tasks, and its completion.

    Args:
        path: the folder, e.g. `work/filter/lean`.
        stage: the stage's name.
        code: version of the stage's code; raised when the same input gives another output.
        config: what decides the output besides the input; must be plain JSON values.
    """

    def __init__(self, path: Path, stage: str, code: str, config: Mapping[str, Any]) -> None:
        self.path = path
        self.stage = stage
        self.code = code
        self.config = dict(config)
        self._base = fingerprint([stage, code, self.config])

    def task_fingerprint(self, inputs: object) -> str:
        """Fingerprint of one task: the stage's configuration and that task's inputs."""
        return fingerprint([self._base, inputs])

    def fingerprint(self, tasks: Mapping[str, str]) -> str:
        """Fingerprint of the complete stage: its configuration and its tasks' (name -> fingerprint)."""
        return fingerprint([self._base, dict(tasks)])

    def open(self) -> Self:
        """Make a complete stage into one that can go on: its tasks' records become files again."""
        record = load_stage(self.path)
        if record is not None:
            for task in record.tasks:
                self._write_task(task)
            (self.path / STAGE_FILE).unlink()
        return self

    def is_complete(self, expected: Mapping[str, str]) -> bool:
        """Whether `stage.json` says just these tasks (name -> fingerprint) and their parts are there."""
        record = load_stage(self.path)
        if record is None or {task.task: task.fingerprint for task in record.tasks} != dict(expected):
            return False
        return all(self._is_whole(part) for part in record.parts)

    def done(self, task: str, wanted: str) -> TaskRecord | None:
        """Return a task's record if it was done with this fingerprint and its parts are still there."""
        try:
            record = TaskRecord.model_validate_json(self._task_path(task).read_bytes())
        except (FileNotFoundError, ValidationError):
            return None
        return record if self.is_current(record, wanted) else None

    def is_current(self, record: TaskRecord, wanted: str) -> bool:
        """Whether a task's record has this fingerprint and its parts are still there."""
        return record.fingerprint == wanted and all(self._is_whole(part) for part in record.parts)

    def save(self, record: TaskRecord) -> None:
        """Record a finished task; its parts must be in place."""
        record.counts.check(f"{self.path}, task {record.task}")
        self._write_task(record)

    def finish(self, records: Iterable[TaskRecord]) -> StageRecord:
        """Write `stage.json` and remove what does not belong to it."""
        tasks = tuple(sorted(records, key=lambda record: record.task))
        counts = sum((task.counts for task in tasks), Counts())
        counts.check(str(self.path))
        record = StageRecord(
            stage=self.stage,
            fingerprint=self.fingerprint({task.task: task.fingerprint for task in tasks}),
            code=self.code,
            tool=f"algstack {__version__}",
            config=self.config,
            counts=counts,
            tasks=tasks,
        )
        self._remove_strays({part.name for part in record.parts})
        write_text(self.path / STAGE_FILE, dump_json(record.model_dump(mode="json")))
        shutil.rmtree(self.path / TASKS_FOLDER, ignore_errors=True)
        return record

    def _task_path(self, task: str) -> Path:
        return self.path / TASKS_FOLDER / f"{task}.json"

    def _write_task(self, record: TaskRecord) -> None:
        write_text(self._task_path(record.task), dump_json(record.model_dump(mode="json")))

    def _is_whole(self, part: Part) -> bool:
        path = self.path / part.name
        return path.is_file() and path.stat().st_size == part.bytes

    def _remove_strays(self, wanted: set[str]) -> None:
        for path in self.path.glob("*.parquet"):
            if path.name not in wanted:
                path.unlink()
        for path in self.path.glob(".*.tmp"):
            path.unlink(missing_ok=True)


def dump_json(value: object) -> str:
    """JSON as this project stores it: sorted keys, two spaces, a final line end."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, indent=2) + "\n"


def load_stage(folder: Path) -> StageRecord | None:
    """Return a folder's stage record, or None if the stage is not complete.

    Raises:
        DatasetError: the record is there but cannot be read.
    """
    path = folder / STAGE_FILE
    try:
        return StageRecord.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise DatasetError(
            f"{path}: not a stage record of this version of algstack ({error.error_count()} problems). "
            "Remove the folder to run the stage again."
        ) from error


def task_records(folder: Path) -> list[TaskRecord]:
    """Return the records of an unfinished stage's tasks, by name."""
    return [
        TaskRecord.model_validate_json(path.read_bytes()) for path in sorted((folder / TASKS_FOLDER).glob("[!.]*.json"))
    ]


def check_part(path: Path, record: Part) -> None:
    """Raise DatasetError unless a stored part is the one that was recorded."""
    if not path.is_file():
        raise DatasetError(f"{path}: the part is missing. Run the stage again: it makes what is missing.")
    if path.stat().st_size != record.bytes or sha256_file(path) != record.sha256:
        raise DatasetError(
            f"{path}: the part is not the one that was written (its checksum differs). Run the stage again."
        )


@contextmanager
def locked(workspace: Path) -> Iterator[None]:
    """Hold a workspace for one process at a time.

    Raises:
        AlgstackError: another process works in it.
    """
    with explained_os_errors(workspace):
        workspace.mkdir(parents=True, exist_ok=True)
        with (workspace / ".lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise AlgstackError(
                    f"{workspace}: another algstack is working here. Wait for it, or choose another --workspace."
                ) from None
            yield


def run_tasks(
    folder: StageFolder,
    tasks: Mapping[str, str],
    run: Callable[[list[str]], Iterable[TaskRecord]],
) -> StageRecord:
    """Bring a stage to completion: skip done tasks, run the others, write `stage.json`.

    Args:
        folder: the stage.
        tasks: task name -> fingerprint, everything the complete stage consists of.
        run: runs the named tasks in any order and yields the record of each.
    """
    if folder.is_complete(tasks):
        record = load_stage(folder.path)
        assert record is not None
        return record
    folder.open()
    records = {name: folder.done(name, wanted) for name, wanted in tasks.items()}
    for done in run([name for name, record in records.items() if record is None]):
        folder.save(done)
        records[done.task] = done
    missing = [name for name, record in records.items() if record is None]
    if missing:
        raise DatasetError(f"{folder.path}: task {missing[0]} left no record. This is a defect; please report it.")
    return folder.finish(record for record in records.values() if record is not None)
