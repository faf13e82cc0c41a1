"""A GitHub of many repositories made from real files: unevenly dated, with everything that can be the matter."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from tests.crawl.github.stand_in import Commit, Repository, archive

CUTOFF = datetime(2022, 1, 1, tzinfo=UTC)
LANGUAGES = ("Lean", "Lean 4", "Rocq Prover", "Python")
LICENSES = ("MIT", "Apache-2.0", "GPL-3.0", None, None)
BUSY_DAY = datetime(2021, 3, 14, tzinfo=UTC)
BUSY_SECOND = datetime(2020, 9, 9, 9, 9, 9, tzinfo=UTC)

MISFORTUNES = ("gone", "blocked", "empty", "new", "renamed", "fork", "mirror", "private", "bomb")
"""One repository in a hundred has each of them."""

ENDS = {
    "gone": "gone",
    "blocked": "blocked",
    "empty": "empty",
    "new": "no commit",
    "renamed": "fetched",
    "mirror": "fetched",
    "bomb": "too large",
    "": "fetched",
}
"""The state that a crawl of what search shows must bring each to. Forks and private ones are not shown."""


def files_under(
    folders: Sequence[Path], endings: tuple[str, ...] = (".py", ".v", ".m", ".g", ".gi", ".h")
) -> list[Path]:
    """Real source files, at most 100 kB each, in a stated order."""
    found = [path for folder in folders for path in folder.rglob("*") if path.suffix in endings and path.is_file()]
    return sorted(path for path in found if 0 < path.stat().st_size < 100_000)


def make(count: int, files: Sequence[Path], seed: int = 7, busy: int = 0) -> dict[Repository, str]:
    """Return repositories with what is the matter with each ("" for nothing).

    Args:
        count: how many in all.
        files: what is in them, from 1 to 12 each.
        seed: of everything that is random.
        busy: how many are created on one day, and as many in one second.
    """
    chance = random.Random(seed)
    return dict(_repository(number, files, chance, busy) for number in range(count))


def _repository(number: int, files: Sequence[Path], chance: random.Random, busy: int) -> tuple[Repository, str]:
    fate = chance.random() * 100
    matter = MISFORTUNES[int(fate)] if fate < len(MISFORTUNES) else ""
    name = f"owner-{number % 97}/repo-{number}"
    created = _created(number, chance, busy)
    at = chance.randrange(len(files))
    chosen = [files[(at + step) % len(files)] for step in range(chance.randint(1, 12))]
    repository = Repository(
        id=10_000 + number,
        name=name,
        language=chance.choice(LANGUAGES),
        created=created,
        commits=tuple(_commits(number, chosen, created, matter)),
        stars=int(chance.paretovariate(0.8)) - 1,
        size=chance.randint(1, 5000),
        license=chance.choice(LICENSES),
        topics=("mathematics",) * chance.randint(0, 1),
    )
    return _unfortunate(repository, matter), matter


def _unfortunate(repository: Repository, matter: str) -> Repository:
    match matter:
        case "gone":
            return replace(repository, status=404)
        case "blocked":
            return replace(repository, status=451)
        case "renamed":
            return replace(repository, was=f"{repository.name}-of-old")
        case "fork":
            return replace(repository, fork_of="owner-0/repo-0")
        case "mirror":
            return replace(repository, mirror=True)
        case "private":
            return replace(repository, private=True)
        case _:
            return repository


def _created(number: int, chance: random.Random, busy: int) -> datetime:
    if number < busy:
        return BUSY_DAY + timedelta(seconds=chance.randrange(86_400))
    if number < 2 * busy + 1:
        return BUSY_SECOND
    # Ever more of them, as on the real one.
    return datetime(2009, 1, 1, tzinfo=UTC) + timedelta(
        days=4700 * chance.random() ** 0.3, seconds=chance.randrange(86_400)
    )


def _commits(number: int, files: Sequence[Path], created: datetime, matter: str) -> list[Commit]:
    if matter == "empty":
        return []
    first = max(created, datetime(2010, 1, 1, tzinfo=UTC))
    dates = [first, first + (CUTOFF - first) / 2, CUTOFF - timedelta(seconds=1), CUTOFF + timedelta(days=1)]
    chosen = [-1] if matter == "new" else [0, 1, 2, 3] if number % 3 else [0, 3]
    return [_commit(number, dates[one], files, matter) for one in chosen]


def _commit(number: int, date: datetime, files: Sequence[Path], matter: str) -> Commit:
    sha = hashlib.sha1(f"{number} {date}".encode()).hexdigest()
    make_files: Callable[[], bytes] = partial(_bomb if matter == "bomb" else _archive, sha, tuple(files), date)
    return Commit(sha, date, make_files)


def _archive(sha: str, files: Sequence[Path], date: datetime) -> bytes:
    # The date stands in one file, so that commits differ.
    contents: dict[str, bytes | None] = {"CHANGES.py": f"# {date}\n".encode()}
    return archive(
        contents | {f"src/{number}-{path.name}": path.read_bytes() for number, path in enumerate(files)}, sha
    )


def _bomb(sha: str, files: Sequence[Path], date: datetime) -> bytes:
    return archive({"zeros.lean": bytes(80 * 2**20)}, sha)
