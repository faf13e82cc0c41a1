"""How fast shards are written, and how much of the next version is new. Prints two tables.

    python -m benchmarks.release work/releases/1.0.0

Writing: the documents of one language's largest split, cut into runs and merged into shards by algstack, against
`pyarrow.parquet.write_table` of the same rows in memory with the same options and row groups. One thread each.

Next version: 1 % of the same documents changed, in three ways; new is every page whose bytes the first version lacks.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from algstack import documents
from algstack.dataset import Counts, StageFolder, TaskRecord
from algstack.release import pages, plan, runs, shards
from algstack.release.splits import split_of
from benchmarks.parquet_pages import new_bytes

RUNS = 8
TIMES = 7
"""How often writing is timed; the fastest counts, since a machine is never quite idle."""
CHANGED = 0.01
SHARD_BYTES = 256 * 2**20


def documents_of(release: Path, most_bytes: int) -> pl.DataFrame:
    """The largest place of a release, whole shards of it up to a size."""
    places: dict[str, list[Path]] = {}
    for path in sorted(release.glob("data/*/*.parquet")):
        places.setdefault(str(path).rsplit("-", 3)[0], []).append(path)
    largest = max(places.values(), key=lambda paths: sum(path.stat().st_size for path in paths))
    frames: list[pl.DataFrame] = []
    for path in largest:
        if sum(int(frame["size"].sum()) for frame in frames) < most_bytes:
            frames.append(pl.read_parquet(path, glob=False))
    frame = pl.concat(frames)
    return frame.filter(frame["size"].cum_sum() <= most_bytes)


def signals_of(frame: pl.DataFrame) -> tuple[str, ...]:
    """The signals that a release's documents have."""
    return tuple(name for name in frame.columns if name not in documents.RELEASE.names)


def write_runs(frame: pl.DataFrame, folder: Path) -> tuple[StageFolder, list[TaskRecord]]:
    """Cut documents into runs, as the first half of a release leaves them."""
    stage = StageFolder(folder, "release-runs", "1", {})
    shuffled = frame.with_columns(place=pl.lit("data/lang/train")).sample(fraction=1.0, shuffle=True, seed=1)
    records = []
    for number, piece in enumerate(shuffled.iter_slices(-(-frame.height // RUNS))):
        part, groups = runs.write_run(folder / f"kept-{number}.parquet", piece.sort("place", "id"), signals_of(frame))
        note = {"groups": {part.name: groups}}
        records.append(TaskRecord(task=str(number), fingerprint="", counts=Counts(), parts=(part,), note=note))
    return stage, records


Seconds = tuple[float, float]
"""By the clock, and of the processor."""


def now() -> Seconds:
    """The clock and the processor's time of this process."""
    return time.perf_counter(), time.process_time()


def since(start: Seconds) -> Seconds:
    """What has passed since."""
    clock, cpu = now()
    return clock - start[0], cpu - start[1]


def write_shards(frame: pl.DataFrame, folder: Path) -> tuple[list[Path], Seconds]:
    """Plan and write the shards of documents; return them and the seconds of it."""
    stage, records = write_runs(frame, folder / "runs")
    record = stage.finish(records)
    start = now()
    planned = plan.plan(record, folder / "runs", SHARD_BYTES)
    for shard in planned:
        shards.write_shard(shards.ShardTask(shard, "", folder / "runs", folder / "release", signals_of(frame)))
    return [folder / "release" / shard.name for shard in planned], since(start)


def write_plainly(paths: list[Path], folder: Path) -> Seconds:
    """Write the same rows and row groups with `write_table`; return the seconds of the writing alone."""
    clock = cpu = 0.0
    for path in paths:
        table = pq.read_table(path).combine_chunks()
        groups = [pq.read_metadata(path).row_group(n).num_rows for n in range(pq.read_metadata(path).num_row_groups)]
        options = shards.options(table.schema, max(groups)) | {"data_page_size": pages.PAGE_BYTES}
        start = now()
        pq.write_table(table, folder / path.name, row_group_size=max(groups), **options)
        clock, cpu = clock + since(start)[0], cpu + since(start)[1]
    return clock, cpu


def write_plainly_again(folder: Path) -> Seconds:
    """The same for the shards of the first version."""
    return write_plainly(sorted((folder / "first" / "release").rglob("*.parquet")), folder)


def changed(frame: pl.DataFrame, where: pl.Series) -> pl.DataFrame:
    """Documents with a line more where a mask says so, and what follows from it in the other columns."""
    other = [hashlib.sha1(name.encode()).hexdigest() for name in frame["id"]]
    edited = frame.with_columns(
        text=pl.when(where).then(pl.col("text") + "\n-- changed\n").otherwise("text"),
        tokens=pl.when(where).then(pl.col("tokens") + 4).otherwise("tokens"),
        swhid=pl.when(where).then("swh:1:cnt:" + pl.Series(other)).otherwise("swhid"),
    )
    return edited.with_columns(size=edited["text"].str.len_bytes().cast(pl.Int64))


def scattered(frame: pl.DataFrame) -> pl.DataFrame:
    """One in a hundred documents changed, anywhere."""
    chosen = set(random.Random(1).sample(range(frame.height), int(frame.height * CHANGED)))
    return changed(frame, pl.Series([row in chosen for row in range(frame.height)]))


def together(frame: pl.DataFrame) -> pl.DataFrame:
    """The same number, one after the other, as when some repositories have a new commit."""
    start, count = frame.height // 3, int(frame.height * CHANGED)
    return changed(frame, pl.Series([start <= row < start + count for row in range(frame.height)]))


def more_and_less(frame: pl.DataFrame) -> pl.DataFrame:
    """Half of the same number gone, and as many new ones among the others."""
    count = int(frame.height * CHANGED / 2)
    rows = random.Random(2).sample(range(frame.height), 2 * count)
    fresh = frame[sorted(rows[:count])].with_columns(
        id=pl.col("id") + ".new", text=pl.lit("-- new\n") + pl.col("text").str.reverse()
    )
    fresh = fresh.with_columns(size=fresh["text"].str.len_bytes().cast(pl.Int64))
    gone = pl.Series([row not in set(rows[count:]) for row in range(frame.height)])
    return pl.concat([frame.filter(gone), fresh]).sort("id")


VERSIONS: dict[str, Callable[[pl.DataFrame], pl.DataFrame]] = {
    "1 % changed, scattered": scattered,
    "1 % changed, together": together,
    "0.5 % removed, 0.5 % added": more_and_less,
}


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("release", type=Path)
    parser.add_argument("--megabytes", type=int, default=100, help="text to work on, about")
    arguments = parser.parse_args()
    pa.set_cpu_count(1)
    frame = documents_of(arguments.release, arguments.megabytes * 10**6)
    size = int(frame["size"].sum()) / 1e6
    with tempfile.TemporaryDirectory(prefix="algstack-") as name:
        folder = Path(name)
        timed = [(write_shards(frame, folder / "first"), write_plainly_again(folder)) for _ in range(TIMES)]
        first = timed[0][0][0]
        print(
            f"{frame.height:,} documents, {size:,.0f} MB of text, {len(first)} shards, "
            f"{sum(path.stat().st_size for path in first) / 1e6:,.1f} MB written\n"
        )
        for which, title in enumerate(("by the clock", "processor's time")):
            ours = min(seconds[which] for (_, seconds), _ in timed)
            plain = min(seconds[which] for _, seconds in timed)
            print(f"{'writing, ' + title:30}{'seconds':>10}{'MB/s':>8}")
            print(f"{'pyarrow write_table':30}{plain:>10.2f}{size / plain:>8.0f}")
            print(f"{'algstack plan, merge, write':30}{ours:>10.2f}{size / ours:>8.0f}   {plain / ours:.2f}x\n")
        shares = (("train", 0.98), ("validation", 0.01), ("test", 0.01))
        print(f"{'next version':30}{'new MB':>10}{'of MB':>8}{'new':>8}   moved to another split")
        for title, version in VERSIONS.items():
            after = version(frame)
            second, _ = write_shards(after, folder / "second")
            fresh, total = new_bytes(first, second)
            units = frame.join(after, on="id", suffix="_new").select(
                pl.coalesce("repo", "id").alias("old"), pl.coalesce("repo_new", "id").alias("new")
            )
            moved = sum(split_of(old, shares) != split_of(new, shares) for old, new in units.unique().iter_rows())
            print(f"{title:30}{fresh / 1e6:>10.1f}{total / 1e6:>8.1f}{100 * fresh / total:>7.1f}%   {moved}")


if __name__ == "__main__":
    main()
