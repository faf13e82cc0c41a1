from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import Future
from pathlib import Path

import pytest

from algstack import engine
from algstack.errors import AlgstackError

ORPHANS = """
import os, sys, time
from algstack import engine

def work(folder):
    open(os.path.join(folder, str(os.getpid())), "w").close()
    time.sleep(60)

if __name__ == "__main__":
    list(engine.run(work, [sys.argv[1]] * 2, 2))
"""


def square(number: int) -> int:
    return number * number


def fail(number: int) -> int:
    raise AlgstackError(f"no {number}")


def die(number: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return number


@pytest.mark.parametrize("workers", [1, 2])
def test_every_task_is_run_once(workers: int) -> None:
    assert sorted(engine.run(square, range(20), workers)) == [n * n for n in range(20)]


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_of_a_task_is_raised_here(workers: int) -> None:
    with pytest.raises(AlgstackError, match="no "):
        list(engine.run(fail, [1, 2, 3], workers))


def test_a_worker_that_dies_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(AlgstackError, match="fewer --workers"):
        list(engine.run(die, [1, 2, 3], 2))


def test_a_worker_that_dies_ends_the_run_however_slowly_its_tasks_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    set_exception = Future.set_exception

    def slowly(future: Future[int], error: BaseException | None) -> None:
        set_exception(future, error)
        time.sleep(0.2)

    monkeypatch.setattr(Future, "set_exception", slowly)
    with pytest.raises(AlgstackError, match="fewer --workers"):
        list(engine.run(die, range(4), 2))


def test_workers_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(ORPHANS)
    (tmp_path / "pids").mkdir()
    parent = subprocess.Popen([sys.executable, str(script), str(tmp_path / "pids")])
    deadline = time.monotonic() + 30
    while len(list((tmp_path / "pids").iterdir())) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    workers = [int(path.name) for path in (tmp_path / "pids").iterdir()]
    assert len(workers) == 2
    parent.kill()
    parent.wait()
    while any(alive(worker) for worker in workers) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(alive(worker) for worker in workers)


def alive(process: int) -> bool:
    try:
        # A worker that has ended may wait as a zombie for whoever adopted it.
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
