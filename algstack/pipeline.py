"""The one ordered list of stages, and how a manifest is run through them.

A stage's code is imported when the stage is run: `status` needs none of it, and no stage that of another.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from algstack import dataset
from algstack.crawl.progress import CrawlProgress, progress_of
from algstack.dataset import Counts, StageRecord
from algstack.workspace import DECIDING_STAGES, Context, Progress, Workspace

Records = Mapping[str, StageRecord]


class Stage(NamedTuple):
    """A stage: its name, how it is run, and the folder of the workspace where its results lie."""

    name: str
    run: Callable[[Context], Records]
    folder: str


def _crawl(context: Context) -> Records:
    from algstack.crawl import stage
    from algstack.filter.stage import languages_of

    return stage.run(context, languages_of(context.manifest))


def _filter(context: Context) -> Records:
    from algstack.filter import stage

    return stage.run(context)


def _dedup(context: Context) -> Records:
    from algstack.dedup import stage

    return {"dedup": stage.run(context)}


def _decontaminate(context: Context) -> Records:
    from algstack.decontaminate import stage

    return {"decontaminate": stage.run(context)}


def _release(context: Context) -> Records:
    from algstack.release import stage

    return {"release": stage.run(context)}


STAGES = (
    Stage("crawl", _crawl, "crawl"),
    Stage("filter", _filter, "filter"),
    Stage("dedup", _dedup, "dedup"),
    Stage("decontaminate", _decontaminate, "decontaminate"),
    Stage("release", _release, "releases"),
)


@dataclass(frozen=True)
class Summary:
    """What one run of a stage did. `tasks` are those that had to be done: none if all was done before."""

    stage: str
    counts: Counts
    tasks: int
    seconds: float
    folder: Path

    def as_json(self) -> dict[str, object]:
        """The summary as JSON values."""
        return {
            "stage": self.stage,
            **self.counts.model_dump(),
            "tasks": self.tasks,
            "seconds": round(self.seconds, 3),
            "folder": str(self.folder),
        }


def timed(stage: str, context: Context, run: Callable[[Context], Records], folder: Path | None = None) -> Summary:
    """Run one stage under the workspace's lock and sum up what it did."""
    place = folder or context.workspace.path / stage
    with dataset.locked(context.workspace.path):
        return _timed(stage, place, context.progress, lambda progress: run(replace(context, progress=progress)))


def timed_tables(stage: str, output: Path, progress: Progress, run: Callable[[Progress], StageRecord]) -> Summary:
    """Run a stage on tables under the lock of its output folder and sum up what it did."""
    with dataset.locked(output):
        return _timed(stage, output, progress, lambda counting: {stage: run(counting)})


def _timed(stage: str, folder: Path, progress: Progress, run: Callable[[Progress], Records]) -> Summary:
    done = 0

    def total(name: str, tasks: int) -> None:
        nonlocal done
        done += tasks
        progress.total(name, tasks)

    start = time.monotonic()
    records = run(replace(progress, total=total))
    counts = sum((record.counts for record in records.values()), Counts())
    return Summary(stage, counts, done, time.monotonic() - start, folder)


def build(context: Context) -> list[Summary]:
    """Run every stage in order, only what is not done yet, and return what each did."""
    from algstack.decontaminate import benchmarks

    # A copy that is missing is said now, not when the stages before it have run for days.
    wanted = context.manifest.config.decontaminate
    benchmarks.places(wanted, context.manifest.resolve(wanted.folder))
    summaries = []
    for stage in STAGES:
        folder = context.workspace.path / stage.folder
        if stage.name == "release":
            folder = context.workspace.release(context.manifest.config.version)
        summaries.append(timed(stage.name, context, stage.run, folder))
    return summaries


def without(context: Context, files: Sequence[Path]) -> Context:
    """Decide anew on everything, without what opt-out files name; return the context to release with.

    Every stage is asked again: a removed document may have been the keeper of others.
    """
    asked = [*context.manifest.config.removal.files, *(str(path.resolve()) for path in files)]
    context = replace(context, manifest=context.manifest.override("removal", files=asked))
    for stage in STAGES:
        if stage.name in DECIDING_STAGES:
            stage.run(context)
    return context


class StageStatus(NamedTuple):
    """How far one folder of the workspace has come.

    `counts` are of the tasks that are done; `crawl` is what the ledger of a remote source says.
    """

    folder: str
    complete: bool
    tasks: int
    counts: Counts
    crawl: CrawlProgress | None = None

    def as_json(self) -> dict[str, object]:
        """The status as JSON values."""
        values = {**self._asdict(), "counts": self.counts.model_dump()}
        values["crawl"] = self.crawl.as_json() if self.crawl else None
        return values


def status(workspace: Workspace) -> list[StageStatus]:
    """Return the state of every stage folder, in the order of the stages, then by name."""
    states = (_folder_status(workspace, folder) for stage in STAGES for folder in _folders(workspace, stage))
    return [state for state in states if state is not None]


def _folders(workspace: Workspace, stage: Stage) -> list[Path]:
    top = workspace.path / stage.folder
    return [top, *sorted(path for path in top.glob("[!.]*") if path.is_dir())]


def _folder_status(workspace: Workspace, folder: Path) -> StageStatus | None:
    name = str(folder.relative_to(workspace.path))
    record = dataset.load_stage(folder)
    if record is not None:
        return StageStatus(name, True, len(record.tasks), record.counts, progress_of(folder))
    done = dataset.task_records(folder)
    if not done and folder.parent == workspace.path:
        return None
    return StageStatus(name, False, len(done), sum((task.counts for task in done), Counts()), progress_of(folder))


__all__ = ["STAGES", "Progress", "StageStatus", "Summary", "build", "status", "timed"]
