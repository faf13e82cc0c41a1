from __future__ import annotations

import errno
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from algstack import dataset
from algstack.dataset import Counts, Part, StageFolder, TaskRecord
from algstack.errors import AlgstackError, DatasetError

SCHEMA = pa.schema([("id", pa.string()), ("text", pa.string())])


def rows(texts: list[str]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict({"id": [str(n) for n in range(len(texts))], "text": texts}, SCHEMA)


def folder(path: Path, **config: object) -> StageFolder:
    return StageFolder(path, "filter", "filter-1", config)


def write(stage: StageFolder, task: str, inputs: object, texts: list[str]) -> TaskRecord:
    parts: list[Part] = []
    with dataset.part_writer(stage.path, f"documents-{task}.parquet", SCHEMA, parts) as writer:
        writer.write(rows(texts))
    counts = Counts(documents=len(texts), kept=len(texts))
    return TaskRecord(task=task, fingerprint=stage.task_fingerprint(inputs), counts=counts, parts=tuple(parts))


def fail_after_writing(path: Path) -> None:
    path.write_text("half")
    raise RuntimeError


class TestFingerprint:
    def test_does_not_depend_on_the_order_of_keys(self) -> None:
        assert dataset.fingerprint({"a": 1, "b": [2]}) == dataset.fingerprint({"b": [2], "a": 1})

    @pytest.mark.parametrize("value", [{1, 2}, Path("x"), float("nan"), object()], ids=["set", "path", "nan", "object"])
    def test_refuses_values_that_are_not_stable(self, value: object) -> None:
        with pytest.raises(TypeError):
            dataset.fingerprint(value)


class TestWrittenAtomically:
    def test_leaves_nothing_when_it_fails(self, tmp_path: Path) -> None:
        with pytest.raises(RuntimeError), dataset.written_atomically(tmp_path / "a") as temporary:
            fail_after_writing(temporary)
        assert list(tmp_path.iterdir()) == []

    def test_keeps_the_old_file_when_it_fails(self, tmp_path: Path) -> None:
        (tmp_path / "a").write_text("old")
        with pytest.raises(RuntimeError), dataset.written_atomically(tmp_path / "a") as temporary:
            fail_after_writing(temporary)
        assert (tmp_path / "a").read_text() == "old"

    @pytest.mark.parametrize(
        "error",
        [OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), OSError("Error writing bytes: No space left on device")],
        ids=["os", "arrow"],
    )
    def test_says_what_to_do_when_the_disk_is_full(self, tmp_path: Path, error: OSError) -> None:
        with pytest.raises(DatasetError, match="no room left on the disk"), dataset.written_atomically(tmp_path / "a"):
            raise error

    def test_a_disk_that_is_really_full(self) -> None:
        """/dev/full answers every write with ENOSPC, as a full disk does."""
        if not Path("/dev/full").exists():
            pytest.skip("this system has no /dev/full")
        full = Path("/dev/full")
        with pytest.raises(DatasetError, match="Free some"), dataset.explained_os_errors(full):
            full.write_text("x" * 10)


class TestPartWriter:
    def test_same_rows_give_the_same_bytes_however_they_are_batched(self, tmp_path: Path) -> None:
        texts = ["x" * (3 * 2**20)] * 25
        digests = set()
        for size in (1, 4, 25):
            done: list[Part] = []
            with dataset.part_writer(tmp_path, f"{size}.parquet", SCHEMA, done) as writer:
                batch = rows(texts)
                for start in range(0, len(texts), size):
                    writer.write(batch.slice(start, size))
            digests.add(done[0].sha256)
        assert len(digests) == 1
        assert pq.ParquetFile(tmp_path / "25.parquet").metadata.num_row_groups == 3

    def test_an_empty_part_is_a_valid_file(self, tmp_path: Path) -> None:
        done: list[Part] = []
        with dataset.part_writer(tmp_path, "a.parquet", SCHEMA, done):
            pass
        assert done[0].rows == pq.read_table(tmp_path / "a.parquet").num_rows == 0

    def test_says_rows_bytes_and_checksum(self, tmp_path: Path) -> None:
        done: list[Part] = []
        with dataset.part_writer(tmp_path, "a.parquet", SCHEMA, done) as writer:
            writer.write(rows(["a", "b"]))
        path = tmp_path / "a.parquet"
        assert done == [Part(name="a.parquet", sha256=dataset.sha256_file(path), rows=2, bytes=path.stat().st_size)]


class TestStageFolder:
    def test_a_task_is_done_until_its_inputs_change(self, tmp_path: Path) -> None:
        stage = folder(tmp_path)
        record = write(stage, "one", ["in"], ["x"])
        stage.save(record)
        assert stage.done("one", stage.task_fingerprint(["in"])) == record
        assert stage.done("one", stage.task_fingerprint(["other"])) is None
        assert stage.done("two", stage.task_fingerprint(["in"])) is None

    def test_a_task_whose_part_is_gone_is_not_done(self, tmp_path: Path) -> None:
        stage = folder(tmp_path)
        stage.save(write(stage, "one", ["in"], ["x"]))
        (tmp_path / "documents-one.parquet").unlink()
        assert stage.done("one", stage.task_fingerprint(["in"])) is None

    def test_another_configuration_is_another_fingerprint(self, tmp_path: Path) -> None:
        assert folder(tmp_path, a=1).task_fingerprint([]) != folder(tmp_path, a=2).task_fingerprint([])

    def test_finish_sums_up_and_removes_strays(self, tmp_path: Path) -> None:
        stage = folder(tmp_path)
        (tmp_path / "documents-old.parquet").write_bytes(b"")
        records = [write(stage, "b", [2], ["x", "y"]), write(stage, "a", [1], ["z"])]
        done = stage.finish(records)
        assert done.counts == Counts(documents=3, kept=3)
        assert [task.task for task in done.tasks] == ["a", "b"]
        assert sorted(path.name for path in tmp_path.iterdir()) == [
            "documents-a.parquet",
            "documents-b.parquet",
            "stage.json",
        ]
        assert dataset.load_stage(tmp_path) == done

    def test_counts_that_do_not_balance_are_an_error(self, tmp_path: Path) -> None:
        stage = folder(tmp_path)
        record = write(stage, "a", [], ["x"]).model_copy(update={"counts": Counts(documents=2, kept=1)})
        with pytest.raises(DatasetError, match="do not balance: 2 documents in, 1 kept, 0 dropped"):
            stage.save(record)

    def test_a_damaged_record_says_so(self, tmp_path: Path) -> None:
        (tmp_path / "stage.json").write_text("{}")
        with pytest.raises(DatasetError, match="Remove the folder"):
            dataset.load_stage(tmp_path)


class TestRunTasks:
    def test_only_what_is_missing_is_run(self, tmp_path: Path) -> None:
        stage = folder(tmp_path)
        ran: list[str] = []

        def run(names: list[str], texts: dict[str, str]) -> list[TaskRecord]:
            ran.extend(names)
            return [write(stage, name, texts[name], [texts[name]]) for name in names]

        for texts in ({"a": "1", "b": "2"}, {"a": "1", "b": "2"}, {"a": "1", "b": "3"}):
            wanted = {name: stage.task_fingerprint(text) for name, text in texts.items()}
            dataset.run_tasks(stage, wanted, lambda names, texts=texts: run(names, texts))  # type: ignore[misc]
        assert ran == ["a", "b", "b"]

    def test_what_was_done_before_an_error_is_kept(self, tmp_path: Path) -> None:
        stage = folder(tmp_path)
        wanted = {name: stage.task_fingerprint(name) for name in "abc"}

        def breaks(names: list[str]):  # type: ignore[no-untyped-def]
            yield write(stage, names[0], names[0], ["x"])
            raise RuntimeError

        with pytest.raises(RuntimeError):
            dataset.run_tasks(stage, wanted, breaks)
        assert dataset.load_stage(tmp_path) is None
        ran: list[str] = []

        def works(names: list[str]):  # type: ignore[no-untyped-def]
            ran.extend(names)
            yield from (write(stage, name, name, ["x"]) for name in names)

        dataset.run_tasks(stage, wanted, works)
        assert ran == ["b", "c"]


def test_a_workspace_is_locked_for_one_process(tmp_path: Path) -> None:
    with dataset.locked(tmp_path), pytest.raises(AlgstackError, match="another algstack"), dataset.locked(tmp_path):
        pass


def test_check_part_finds_a_flipped_byte(tmp_path: Path) -> None:
    record = write(folder(tmp_path), "a", [], ["x"]).parts[0]
    path = tmp_path / record.name
    dataset.check_part(path, record)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(DatasetError, match="checksum"):
        dataset.check_part(path, record)
