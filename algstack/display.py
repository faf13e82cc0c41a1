"""What people see: progress, tables and errors. Progress and errors go to stderr, results to stdout."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars
from rich.table import Table

if TYPE_CHECKING:
    from algstack.crawl.stackexchange.listing import Offer
    from algstack.dataset import Counts
    from algstack.pipeline import StageStatus, Summary
    from algstack.publish.stage import Published
    from algstack.release.diff import Difference
    from algstack.release.verify import Check
    from algstack.workspace import Progress

MEGABYTE = 1e6
REPOSITORIES = 20
"""Repositories that a difference names."""

COMMONEST = 3
"""Rules that a summary names; the others are counted together."""


def error(text: str) -> None:
    """Print an error to stderr."""
    console = Console(stderr=True)
    console.print(f"[bold red]error:[/] {escape(text)}", soft_wrap=True, highlight=False)


@contextmanager
def progress() -> Iterator[Progress]:
    """Show a stage's progress: bars on a terminal, a line now and then in a log."""
    from algstack.workspace import Progress

    console = Console(stderr=True)
    if not console.is_terminal:
        lines = _Lines(console)
        yield Progress(lines.total, lines.advance, lines.note)
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[said]}"),
        TimeElapsedColumn(),
    )
    with Bars(*columns, console=console, transient=True) as shown:
        bars = _Bars(shown)
        yield Progress(bars.total, bars.advance, bars.note)


class _Bars:
    """Progress on a terminal."""

    def __init__(self, bars: Bars) -> None:
        self._bars = bars
        self._task: TaskID | None = None
        self._documents = self._bytes = 0

    def total(self, stage: str, tasks: int) -> None:
        if self._task is not None:
            self._bars.remove_task(self._task)
        self._documents = self._bytes = 0
        self._task = self._bars.add_task(escape(stage), total=tasks, said="")

    def advance(self, counts: Counts) -> None:
        self._documents += counts.documents
        self._bytes += counts.bytes
        if self._task is not None:
            self._bars.update(self._task, advance=1, said=_said(self._documents, self._bytes))

    def note(self, text: str) -> None:
        self._bars.console.print(escape(text), highlight=False, soft_wrap=True)


class _Lines:
    """Progress in a log: one line at most every few seconds, and one at the end of each stage."""

    EVERY = 5.0

    def __init__(self, console: Console) -> None:
        self._console = console
        self._stage = ""
        self._tasks = self._done = self._documents = self._bytes = 0
        self._printed = 0.0

    def total(self, stage: str, tasks: int) -> None:
        self._stage, self._tasks = stage, tasks
        self._done = self._documents = self._bytes = 0
        self._printed = time.monotonic()

    def advance(self, counts: Counts) -> None:
        self._documents += counts.documents
        self._bytes += counts.bytes
        self._done += 1
        if self._done == self._tasks or time.monotonic() - self._printed > self.EVERY:
            self._printed = time.monotonic()
            self.note(f"{self._stage}: {self._done} of {self._tasks} parts, {_said(self._documents, self._bytes)}")

    def note(self, text: str) -> None:
        self._console.print(escape(text), highlight=False, soft_wrap=True)


def _said(documents: int, size: int) -> str:
    return f"{documents:,} documents, {size / MEGABYTE:,.1f} MB"


def summaries(rows: Sequence[Summary]) -> None:
    """Print the table at the end of a command."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("stage")
    for name in ("documents", "MB", "kept", "MB kept"):
        table.add_column(name, justify="right")
    table.add_column("dropped, by rule")
    for name in ("seconds", "MB/s"):
        table.add_column(name, justify="right")
    for row in rows:
        counts = row.counts
        table.add_row(
            row.stage,
            f"{counts.documents:,}",
            f"{counts.bytes / MEGABYTE:,.1f}",
            f"{counts.kept:,}",
            f"{counts.bytes_kept / MEGABYTE:,.1f}",
            _commonest(counts.dropped),
            f"{row.seconds:.1f}" if row.tasks else "done before",
            f"{counts.bytes / MEGABYTE / row.seconds:,.0f}" if row.tasks and row.seconds else "",
        )
    console = _stdout()
    console.print(table)
    if not any(row.tasks for row in rows):
        console.print("Everything is done already.", highlight=False)
    console.print(f"The result lies in {escape(str(rows[-1].folder))}", highlight=False, soft_wrap=True)


def _commonest(dropped: dict[str, int]) -> str:
    ranked = sorted(dropped.items(), key=lambda item: (-item[1], item[0]))
    words = [f"{rule} {count:,}" for rule, count in ranked[:COMMONEST]]
    rest = sum(count for _, count in ranked[COMMONEST:])
    return ", ".join([*words, f"others {rest:,}"] if rest else words)


def status(states: Sequence[StageStatus]) -> None:
    """Print the table of `algstack status`."""
    from algstack.crawl.progress import in_words

    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("stage")
    table.add_column("state")
    for name in ("parts", "documents", "kept"):
        table.add_column(name, justify="right")
    table.add_column("dropped, by rule")
    for state in states:
        counts = state.counts
        table.add_row(
            escape(state.folder),
            "done" if state.complete else "unfinished",
            f"{state.tasks:,}",
            f"{counts.documents:,}",
            f"{counts.kept:,}",
            _commonest(counts.dropped),
        )
    console = _stdout()
    console.print(table if states else "Nothing has been crawled yet: run `algstack build`.")
    for state in states:
        for line in in_words(state.crawl) if state.crawl else ():
            console.print(escape(line), highlight=False, soft_wrap=True)


def offers(rows: Sequence[Offer]) -> None:
    """Print the dumps that a page offers."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name, justify in (("dump", "left"), ("site", "left"), ("MB", "right"), ("date", "left")):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    for offer in rows:
        size = f"{offer.size / MEGABYTE:,.1f}" if offer.size is not None else ""
        table.add_row(escape(offer.name), escape(offer.site), size, offer.date or "")
    _stdout().print(table)


def checks(rows: Sequence[Check]) -> None:
    """Print one line per check of a release."""
    console = _stdout()
    for row in rows:
        mark = "[green]ok[/]    " if row.passed else "[bold red]FAILED[/]"
        console.print(f"{mark} {escape(row.name)}: {escape(row.detail)}", highlight=False, soft_wrap=True)


def published(done: Published) -> None:
    """Print what a publish sent, or would send."""
    console = _stdout()
    if done.dry_run:
        for name in done.sent:
            console.print(f"would send    {escape(name)}", highlight=False, soft_wrap=True)
        for name in done.removed:
            console.print(f"would remove  {escape(name)}", highlight=False, soft_wrap=True)
    whole = done.sent_bytes + done.same_bytes
    verb = "Would send" if done.dry_run else "Sent"
    removed = f", {'would remove' if done.dry_run else 'removed'} {len(done.removed)}" if done.removed else ""
    console.print(
        f"{verb} {len(done.sent)} files, {done.sent_bytes / MEGABYTE:,.1f} of {whole / MEGABYTE:,.1f} MB, of version "
        f"{escape(done.version)} to {escape(done.target)}; {len(done.same)} files were there already{removed}.",
        highlight=False,
        soft_wrap=True,
    )


def difference(found: Difference) -> None:
    """Print what changed between two releases."""
    console = _stdout()
    for title, changes in (("language", found.languages), ("repository", found.repositories[:REPOSITORIES])):
        table = Table(box=None, header_style="bold", pad_edge=False)
        table.add_column(title)
        for name in ("added", "removed", "changed", "same"):
            table.add_column(name, justify="right")
        for one in (*changes, found.total) if title == "language" else changes:
            table.add_row(escape(one.name), *(f"{n:,}" for n in (one.added, one.removed, one.changed, one.same)))
        console.print(table)
        console.print()
    if len(found.repositories) > REPOSITORIES:
        console.print(f"… and {len(found.repositories) - REPOSITORIES:,} more repositories; --json has them all.")
    for why, count in found.removed.items():
        console.print(f"missing, {escape(why)}: {count:,}", highlight=False)
    for key, old, new in found.settings:
        console.print(f"{escape(key)}: {escape(old)} → {escape(new)}", highlight=False, soft_wrap=True)
    moved = (
        f"{found.moved:,} {'document is' if found.moved == 1 else 'documents are'} in another split."
        if found.moved
        else "No document changed its split."
    )
    console.print(moved, highlight=False)


def _stdout() -> Console:
    # In a log or a pipe there is no width to fit: tables must not be cut.
    console = Console()
    return console if console.is_terminal else Console(width=200)
