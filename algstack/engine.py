"""Run one function over many tasks on the local cores; results come in the order of completion."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import lru_cache
from itertools import islice
from multiprocessing import active_children, connection, get_context, parent_process
from typing import TypeVar

from algstack.errors import AlgstackError

Task = TypeVar("Task")
Result = TypeVar("Result")

IN_FLIGHT = 2
"""Tasks handed out per worker: enough to keep it busy, few enough to stop soon."""


def default_workers() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def ahead(items: Iterable[Task]) -> Iterator[Task]:
    """Yield items, each of which is made by another thread while the one before is used."""
    source = iter(items)

    def take() -> list[Task]:
        return list(islice(source, 1))

    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(take)
        while item := coming.result():
            coming = pool.submit(take)
            yield from item


def run(function: Callable[[Task], Result], tasks: Iterable[Task], workers: int) -> Iterator[Result]:
    """Yield `function(task)` for every task, as they complete.

    With one worker all runs in this process. With more, function, tasks and results must be picklable; the first
    error is raised here once the tasks that were handed out have ended.

    Raises:
        AlgstackError: a worker process died, usually for want of memory.
    """
    tasks = list(tasks)
    if workers <= 1 or len(tasks) <= 1:
        for task in tasks:
            yield function(task)
        return
    yield from _run_in_processes(function, tasks, workers)


def _run_in_processes(function: Callable[[Task], Result], tasks: Sequence[Task], workers: int) -> Iterator[Result]:
    waiting = iter(tasks)
    running: set[Future[Result]] = set()
    pool = _pool(workers)
    try:
        with _single_threaded_children():
            running = {pool.submit(function, task) for task in islice(waiting, IN_FLIGHT * workers)}
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                result = future.result()
                running.update(pool.submit(function, task) for task in islice(waiting, 1))
                yield result
    except BrokenProcessPool as error:
        _pool.cache_clear()
        raise AlgstackError(
            "A worker process died, most often for want of memory. Run again with fewer --workers: "
            "what was done is kept."
        ) from error
    except KeyboardInterrupt:
        # Whatever they write has a temporary name, so they need not end what they are at.
        _pool.cache_clear()
        for worker in active_children():
            worker.terminate()
        raise
    finally:
        # Not cancelled: where a worker dies, the executor fails its futures one by one in a thread of its own, and one
        # that was cancelled meanwhile ends that thread, so that the others never end (Python 3.11 to 3.13).
        wait(running)


@lru_cache(maxsize=1)
def _pool(workers: int) -> ProcessPoolExecutor:
    """The worker processes; kept from one call to the next, since a start costs a second or two.

    Spawned, not forked: Polars' and Arrow's threads do not survive a fork.
    """
    return ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_start_worker)


@contextmanager
def _single_threaded_children() -> Iterator[None]:
    """While open, new processes start with one Polars thread each: the workers are the parallelism."""
    before = os.environ.get("POLARS_MAX_THREADS")
    os.environ["POLARS_MAX_THREADS"] = "1"
    try:
        yield
    finally:
        del os.environ["POLARS_MAX_THREADS"]
        if before is not None:
            os.environ["POLARS_MAX_THREADS"] = before


def _start_worker() -> None:
    """End this worker when its parent ends, even by `kill -9`: an orphan would go on writing."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    parent = parent_process()
    assert parent is not None

    def watch() -> None:
        connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
