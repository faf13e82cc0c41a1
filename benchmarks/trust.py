"""Whether a release can be read and trusted. Prints a line for each reader, each check, and each damage that is found.

    python -m benchmarks.trust work/releases/1.0.0

Readers: datasets (one language; all, streaming), polars, DuckDB, mlcroissant (the smallest language). Damage, each to a
copy: a flipped byte, a missing shard, an id that stands twice with the checksums written anew, a number of the card
that was edited with the checksums written anew.
"""

from __future__ import annotations

import argparse
import re
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from algstack.release.stage import write_checksums
from algstack.release.statistics import Statistics, measure, shard_paths
from algstack.release.verify import verify

STREAMED = 1000
"""Documents that the streaming reader reads."""


def readers(release: Path, statistics: Statistics, cache: Path) -> dict[str, Callable[[], str]]:
    """Each reader by name; it returns what it has read."""
    import datasets
    import duckdb
    import mlcroissant
    import polars as pl

    datasets.disable_progress_bars()
    shards = str(release / "data" / "*" / "*.parquet")
    lang = statistics.languages[len(statistics.languages) // 2].value
    small = min(statistics.languages, key=lambda group: (group.documents, group.value)).value

    def by_language() -> str:
        read = datasets.load_dataset(str(release), lang, cache_dir=str(cache))
        return f"{lang}: {sum(len(split) for split in read.values()):,} documents in {', '.join(sorted(read))}"

    def streaming() -> str:
        stream = datasets.load_dataset(str(release), split="train", streaming=True)
        read = list(stream.take(STREAMED))
        return f"{len(read):,} documents, {sum(row['tokens'] for row in read):,} tokens"

    def with_polars() -> str:
        table = pl.scan_parquet(shards).select(pl.len(), pl.col("size").sum(), pl.col("tokens").sum()).collect()
        return "{:,} documents, {:,} bytes, {:,} tokens".format(*table.row(0))

    def with_duckdb() -> str:
        query = f"select count(*), count(distinct id), sum(length(text)) from '{shards}'"
        return "{:,} documents, {:,} ids, {:,} characters".format(*duckdb.sql(query).fetchall()[0])

    def with_croissant() -> str:
        described = mlcroissant.Dataset(jsonld=str(release / "croissant.json"))
        issues = described.metadata.ctx.issues
        read = sum(1 for _ in described.records(small))
        return f"{small}: {read:,} records; {len(issues.errors)} errors, {len(issues.warnings)} warnings"

    return {
        "datasets, one language": by_language,
        "datasets, streaming": streaming,
        "polars": with_polars,
        "DuckDB": with_duckdb,
        "mlcroissant": with_croissant,
    }


def flip_a_byte(release: Path) -> None:
    """Change one bit in the middle of the largest shard."""
    path = max(shard_paths(release), key=lambda one: one.stat().st_size)
    _own(path)
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        byte = file.read(1)
        file.seek(-1, 1)
        file.write(bytes([byte[0] ^ 1]))


def lose_a_shard(release: Path) -> None:
    """Remove the last shard."""
    shard_paths(release)[-1].unlink()


def repeat_an_id(release: Path) -> None:
    """Give the second document of the smallest shard of several documents the id of the first."""
    path = min(
        (one for one in shard_paths(release) if pq.read_metadata(one).num_rows > 1), key=lambda one: one.stat().st_size
    )
    table = pq.read_table(path)
    ids = table.column("id").to_pylist()
    ids[1] = ids[0]
    place = table.schema.get_field_index("id")
    _own(path)
    pq.write_table(table.set_column(place, table.schema.field("id"), pa.array(ids, pa.string())), path)
    _sign(release)


def edit_the_card(release: Path) -> None:
    """Add one to the number of documents in the card's first sentence."""
    path = release / "README.md"
    text = path.read_text(encoding="utf-8")
    _own(path)
    edited = re.sub(
        r"(?m)^(Version .*: )([\d,]+)", lambda found: f"{found[1]}{int(found[2].replace(',', '')) + 1:,}", text
    )
    assert edited != text
    path.write_text(edited, encoding="utf-8")
    _sign(release)


DAMAGE = (flip_a_byte, lose_a_shard, repeat_an_id, edit_the_card)


def _own(path: Path) -> None:
    """Make a file one's own: copies of a release are hard links."""
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content)


def _sign(release: Path) -> None:
    (release / "SHA256SUMS").unlink()
    write_checksums(release)


def main() -> None:
    """Print the lines."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("release", type=Path)
    release: Path = parser.parse_args().release
    statistics = measure(release)
    total = statistics.total
    print(
        f"{total.documents:,} documents, {total.bytes / 1e6:,.1f} MB of text, {len(statistics.languages)} languages\n"
    )
    with tempfile.TemporaryDirectory(prefix="algstack-", dir=release.parent) as name:
        folder = Path(name)
        for reader, read in readers(release, statistics, folder / "cache").items():
            start = time.perf_counter()
            print(f"read by {reader}: {read()} ({time.perf_counter() - start:.1f} s)")
        start = time.perf_counter()
        for check in verify(release):
            print(f"verify {'ok    ' if check.passed else 'FAILED'} {check.name}: {check.detail}")
        print(f"verified in {time.perf_counter() - start:.1f} s")
        for damage in DAMAGE:
            copy = folder / damage.__name__
            shutil.copytree(release, copy, copy_function=lambda source, target: Path(target).hardlink_to(source))
            damage(copy)
            failed = [f"{check.name}: {check.detail}" for check in verify(copy) if not check.passed]
            print(f"{damage.__name__}: {'; '.join(failed) if failed else 'NOT FOUND'}")


if __name__ == "__main__":
    main()
