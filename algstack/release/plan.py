"""Which shard and row group each document goes to: planned from ids and sizes alone.

Row groups end where the ids say so (a hash of the id that opens the next one), not after a fixed amount: documents that
are added or removed move the ends near them only, and the next version uploads little more than what changed.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq

from algstack.dataset import StageRecord
from algstack.errors import DatasetError
from algstack.release.dropped import PLACE
from algstack.release.pages import cut
from algstack.release.runs import DROPPED_BYTES
from algstack.workspace import as_frame

ROW_GROUP_BYTES = 32 * 2**20
"""Text that a row group aims at: a page of the hub's viewer reads one, and a writer holds one."""

OPENS_GROUP = 64
"""One id in so many may open a row group."""


@dataclass(frozen=True)
class Shard:
    """One file of the release. Picklable. `place` is its folder and the beginning of its name.

    `rows` are the rows of each row group and `starts` the first id of each; `end` is the first id after the shard.
    `runs` are the sorted runs that hold its documents, with the row groups to read and the run's sha256.
    """

    place: str
    number: int
    of: int
    starts: tuple[str, ...]
    rows: tuple[int, ...]
    end: str | None
    runs: tuple[tuple[str, str, tuple[int, ...]], ...]

    @property
    def name(self) -> str:
        """Path inside the release."""
        return f"{self.place}-{self.number:05d}-of-{self.of:05d}.parquet"

    @property
    def task(self) -> str:
        """Name of the task that writes it."""
        return f"{self.place.replace('/', '-')}-{self.number:05d}-of-{self.of:05d}"

    @property
    def inputs(self) -> list[object]:
        """What its bytes depend on."""
        return [
            list(self.starts),
            list(self.rows),
            self.end,
            [[sha256, list(groups)] for _, sha256, groups in self.runs],
        ]


@dataclass(frozen=True)
class _Group:
    """One row group of a run."""

    run: str
    sha256: str
    number: int
    rows: int


def plan(runs: StageRecord, folder: Path, shard_bytes: int) -> list[Shard]:
    """Plan all shards of a release.

    Args:
        runs: the record of the runs' stage.
        folder: where the runs lie.
        shard_bytes: text in a shard.

    Raises:
        DatasetError: an id occurs twice.
    """
    shards: list[Shard] = []
    seen: list[np.ndarray] = []
    places = _places(runs)
    for place, groups in sorted(places.items()):
        rows = _rows(folder, place, groups)
        if place != PLACE:  # what two sources refuse may have one name
            _refuse_neighbours_with_one_id(rows["id"])
            seen.append(rows["id"].hash(0).to_numpy())
        shards += _shards_of(place, rows, groups, shard_bytes)
    _refuse_one_id_in_two_places(seen, places, folder)
    return shards


def _places(runs: StageRecord) -> dict[str, list[_Group]]:
    places: dict[str, list[_Group]] = {}
    for task in runs.tasks:
        sha256 = {part.name: part.sha256 for part in task.parts}
        for run, groups in task.note["groups"].items():
            for number, (place, rows) in enumerate(groups):
                places.setdefault(place, []).append(_Group(run, sha256[run], number, rows))
    return places


def _rows(folder: Path, place: str, groups: Sequence[_Group]) -> pl.DataFrame:
    """Return `id`, `size` and `group` (index into `groups`) of the documents of one place, sorted by id."""
    frames = []
    for run, indices in _by_run(groups):
        numbers, rows = [groups[index].number for index in indices], [groups[index].rows for index in indices]
        # All at once: a call for each of many small row groups would cost more than the rows.
        table = pq.ParquetFile(folder / run).read_row_groups(numbers, columns=["id", "size"], use_threads=False)
        frames.append(as_frame(table).with_columns(group=pl.Series(np.repeat(indices, rows), dtype=pl.Int32)))
    frame = pl.concat(frames).sort("id", "group")
    return frame.with_columns(size=pl.lit(DROPPED_BYTES, pl.Int64)) if place == PLACE else frame


def _by_run(groups: Sequence[_Group]) -> Iterator[tuple[str, list[int]]]:
    table: dict[str, list[int]] = {}
    for index, group in enumerate(groups):
        table.setdefault(group.run, []).append(index)
    yield from table.items()


def _shards_of(place: str, rows: pl.DataFrame, groups: Sequence[_Group], shard_bytes: int) -> Iterator[Shard]:
    ids = rows["id"].to_list()
    starts = cut_row_groups(ids, rows["size"].to_list(), min(ROW_GROUP_BYTES, shard_bytes))
    total = np.concatenate([[0], rows["size"].cum_sum().to_numpy()])
    ends = [*starts[1:], len(ids)]
    shards = cut_shards([int(total[end] - total[start]) for start, end in zip(starts, ends, strict=True)], shard_bytes)
    for number, (first, last) in enumerate(shards):
        begin, end = starts[first], ends[last - 1]
        used = rows["group"].slice(begin, end - begin).unique().sort().to_list()
        yield Shard(
            place=place,
            number=number,
            of=len(shards),
            starts=tuple(ids[start] for start in starts[first:last]),
            rows=tuple(ends[index] - starts[index] for index in range(first, last)),
            end=ids[end] if end < len(ids) else None,
            runs=tuple(_needed(groups, used)),
        )


def _needed(groups: Sequence[_Group], used: Iterable[int]) -> Iterator[tuple[str, str, tuple[int, ...]]]:
    table: dict[tuple[str, str], list[int]] = {}
    for index in used:
        group = groups[index]
        table.setdefault((group.run, group.sha256), []).append(group.number)
    for (run, sha256), numbers in sorted(table.items()):
        yield run, sha256, tuple(sorted(numbers))


def cut_row_groups(ids: Sequence[str], sizes: Sequence[int], target: int) -> list[int]:
    """Return the offset of the first row of each row group, of about `target` bytes of text."""
    starts = cut((zlib.crc32(name.encode()) for name in ids), sizes, target, OPENS_GROUP)
    # What was dropped can repeat an id, and a merge finds a group by its first one.
    return [start for start in starts if not start or ids[start] != ids[start - 1]]


def cut_shards(sizes: Sequence[int], target: int) -> list[tuple[int, int]]:
    """Return [first, last) row groups of each shard: as few equal shards as `target` bytes of text ask for."""
    total = sum(sizes)
    count = max(1, min(len(sizes), round(total / target)))
    shards: list[tuple[int, int]] = []
    first = reached = 0
    for index, size in enumerate(sizes):
        reached += size
        left = count - len(shards) - 1
        groups_left = len(sizes) - index - 1
        due = reached * count >= total * (len(shards) + 1) or groups_left == left
        if left and due and groups_left >= left:
            shards.append((first, index + 1))
            first = index + 1
    shards.append((first, len(sizes)))
    return shards


def _refuse_neighbours_with_one_id(ids: pl.Series) -> None:
    twice = ids.filter(ids == ids.shift(1))
    if twice.len():
        raise _twice(twice[0])


def _refuse_one_id_in_two_places(hashes: list[np.ndarray], places: dict[str, list[_Group]], folder: Path) -> None:
    """Compare 64-bit hashes first (8 bytes a document); equal ones are looked at in full."""
    if len(hashes) < 2:
        return
    ordered = np.sort(np.concatenate(hashes))
    equal = ordered[1:][ordered[1:] == ordered[:-1]]
    if not equal.size:
        return
    wanted = pl.Series(equal).implode()
    found = [_rows(folder, place, groups)["id"] for place, groups in places.items() if place != PLACE]
    ids = pl.concat([ids.filter(ids.hash(0).is_in(wanted)) for ids in found])
    twice = ids.filter(ids.is_duplicated())
    if twice.len():
        raise _twice(twice.sort()[0])


def _twice(name: str) -> DatasetError:
    return DatasetError(
        f"{name}: two documents have this id, and a release needs them unique. "
        "Two sources bring the same document: remove one of them from the manifest."
    )
