"""The stand-in in a process of its own, so that its work is not on the crawl's account and outlives a killed crawl."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Self

from algstack.crawl.http import Clock
from tests.crawl.github import world
from tests.crawl.github.stand_in import Faults, Limits, StandIn, Tally


@dataclass(frozen=True)
class World:
    """What the server's repositories are made of: see `world.make`."""

    count: int
    folders: tuple[Path, ...]
    busy: int = 0


class Server:
    """A running stand-in. Use it as a context manager; arguments as for StandIn."""

    def __init__(self, of: World, speed: float = 1.0, limits: Limits | None = None, slack: float = 0.25) -> None:
        context = get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, of, speed, limits, slack), daemon=True)
        self._process.start()
        self.api_url, self.expected = self._pipe.recv()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pipe.send(("stop", None))
        self._process.join(10)

    def begin(self, faults: Faults) -> None:
        """Set the faults; forget what was seen."""
        self._ask("begin", faults)

    def tally(self) -> Tally:
        """What was seen since."""
        tally: Tally = self._ask("tally", None)
        return tally

    def _ask(self, what: str, value: object) -> Any:
        self._pipe.send((what, value))
        return self._pipe.recv()


def _serve(pipe: Connection, of: World, speed: float, limits: Limits | None, slack: float) -> None:
    made = world.make(of.count, world.files_under(of.folders), busy=of.busy)
    shown = {str(one.id): world.ENDS[matter] for one, matter in made.items() if matter in world.ENDS}
    with StandIn(made, limits=limits, clock=Clock(speed), checked=False, slack=slack) as stand_in:
        stand_in.twice = True
        pipe.send((stand_in.api_url, shown))
        while (request := pipe.recv())[0] != "stop":
            if request[0] == "begin":
                _begin(stand_in, request[1])
            pipe.send(stand_in.tally)


def _begin(stand_in: StandIn, faults: Faults) -> None:
    stand_in.faults, stand_in.tally = faults, Tally()
    stand_in.forget()


def states_of(folder: Path) -> dict[str, str]:
    """The ledger's repositories by key, with their states."""
    from algstack.crawl.ledger import Ledger

    with Ledger(folder) as ledger:
        return {entry.key: entry.state for entry in ledger.entries()}


def parts_of(folder: Path, names: Sequence[str] = ("documents", "decisions")) -> dict[str, bytes]:
    """The parts of a source, by file name."""
    return {path.name: path.read_bytes() for name in names for path in sorted(folder.glob(f"{name}-*.parquet"))}
