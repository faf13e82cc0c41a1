"""Pinned repositories to rows: archives are downloaded side by side, and each is accounted for in the ledger."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from algstack.crawl.archive import ArchiveBomb
from algstack.crawl.files import FileReader
from algstack.crawl.github import rows, search
from algstack.crawl.github.api import GitHub, Refused
from algstack.crawl.http import Clock, Fault, retried
from algstack.crawl.ledger import Entry, Ledger
from algstack.crawl.tar import Damage

ROUNDS = 6
"""How often a repository whose tries all failed has its turn again, after all the others."""

MOST_WORKERS = 64
"""GitHub allows 100 requests at a time (docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api)."""


@dataclass(frozen=True)
class Fetcher:
    """What it takes to fetch a repository. Its method may be called from any thread."""

    github: GitHub
    ledger: Ledger
    clock: Clock
    source: str
    cutoff: datetime
    reader: FileReader
    reading: str
    exclude: tuple[str, ...] = ()

    def fetch(self, entry: Entry, last: bool) -> None:
        """Bring a repository to an end: its rows in place, or why there are none. `last`: there is no other round."""
        try:
            pinned = entry if entry.state == "pinned" else self._pin(entry)
            if pinned is not None:
                retried(lambda: self._download(pinned), self.clock)
        except Refused as refusal:
            self.ledger.end(entry.key, *search.ending(refusal))
        except Fault as fault:
            self.ledger.fail(entry.key, str(fault), last)
        except ArchiveBomb as bomb:
            self.ledger.end(entry.key, "too large", str(bomb), self.reading)

    def _pin(self, entry: Entry) -> Entry | None:
        revision = search.pin(self.github, entry.name, self.cutoff)
        if revision is None:
            self.ledger.end(entry.key, "no commit")
            return None
        pinned = self.ledger.pin(entry.key, revision)
        return pinned if pinned.state == "pinned" else None

    def _download(self, entry: Entry) -> None:
        assert entry.revision is not None
        with self.github.archive(entry.name, entry.revision) as stream:
            try:
                part = rows.write(self.ledger.folder, entry, self.source, stream, self.reader, self.exclude)
            except Damage as damage:
                raise Fault(f"the archive is damaged: {damage}") from None
        self.ledger.fetched(entry.key, part, self.reading)


def fetch_all(fetcher: Fetcher, workers: int, total: Callable[[int], None], done: Callable[[], None]) -> None:
    """Fetch every repository that the ledger has on its way.

    Args:
        fetcher: fetches one.
        workers: downloads at a time.
        total: told how many there are, once.
        done: told each time that one has ended.
    """
    for number in range(1, ROUNDS + 1):
        entries = fetcher.ledger.entries("found", "pinned")
        if number == 1:
            total(len(entries))
        for _ in _side_by_side(fetcher, entries, number == ROUNDS, workers):
            if number == 1:
                done()


def _side_by_side(fetcher: Fetcher, entries: list[Entry], last: bool, workers: int) -> Iterator[None]:
    waiting = iter(entries)
    running: set[Future[None]] = set()
    with ThreadPoolExecutor(min(workers, MOST_WORKERS)) as pool:
        try:
            for entry in islice(waiting, 2 * workers):
                running.add(pool.submit(fetcher.fetch, entry, last))
            while running:
                finished, running = wait(running, return_when=FIRST_COMPLETED)
                for future in finished:
                    future.result()
                    for entry in islice(waiting, 1):
                        running.add(pool.submit(fetcher.fetch, entry, last))
                    yield
        except BaseException:
            # Whoever waits for a limit wakes up and gives up; what is under way is not committed.
            fetcher.clock.stop()
            pool.shutdown(wait=True, cancel_futures=True)
            raise
