"""Deduplication of generated documents with known duplicates: time for each document, and memory.

    python -m benchmarks.dedup_scale FOLDER 100000 1000000 10000000 [--memory 4GiB] [--components] [--family]

Of ten documents seven are alike to no other, one is an exact copy and two are near-copies, of documents anywhere in the
set; with --family all are near-copies of one. With --components connected components are looked for as well, as the
pipeline does for its table of clusters. Each size is deduplicated by a process of its own, whose peak memory is that of
the whole process.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from algstack.dedup.fast import Deduplication
from algstack.dedup.parts import ParquetPart, Part
from algstack.dedup.stage import parse_memory
from algstack.dedup.state import Settings

PART = 50_000
WORDS = np.frombuffer("".join(f"w{number:06} " for number in range(3000)).encode(), np.uint8).reshape(3000, 8)
LENGTHS = (60, 200)
"""Fewest and most words of a document: about 1 KB of text on average."""


def main() -> None:
    """Generate what is missing, and print a row for each size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("sizes", type=int, nargs="+")
    parser.add_argument("--memory", default="4GiB")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--components", action="store_true", help="look for connected components, too")
    parser.add_argument("--family", action="store_true", help="all documents are near-copies of one")
    parser.add_argument("--alone", action="store_true", help="deduplicate the one size in this process; print JSON")
    options = parser.parse_args()
    if options.alone:
        settings = Settings(memory=parse_memory(options.memory), workers=options.workers, components=options.components)
        print(json.dumps(deduplicate(_parts(options.folder, options.sizes[0], options.family), settings)))
        return
    print(
        f"{'documents':>10} {'MB':>7} {'seconds':>8} {'us/doc':>7} {'peak GiB':>9} {'exact':>8} {'near':>8}  of known"
    )
    for size in options.sizes:
        generate(options.folder, size, options.family)
        command = [sys.executable, "-m", "benchmarks.dedup_scale", str(options.folder), str(size), "--alone"]
        command += ["--memory", options.memory, "--workers", str(options.workers)]
        command += [f"--{name}" for name in ("components", "family") if getattr(options, name)]
        said = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        print(
            f"{size:10} {said['mb']:7.0f} {said['seconds']:8.1f} {said['seconds'] / size * 1e6:7.2f} "
            f"{said['peak']:9.2f} "
            f"{said['exact']:8} {said['near']:8}  "
            + ("all but one" if options.family else f"{size // 10} exact, {size // 5} near"),
            flush=True,
        )


def _parts(folder: Path, size: int, family: bool) -> list[Path]:
    inside = folder / (f"{size}-family" if family else str(size))
    return [inside / f"documents-{first:09}.parquet" for first in range(0, size, PART)]


def generate(folder: Path, size: int, family: bool = False) -> None:
    """Write documents in parts; those that are there stay."""
    originals = 1 if family else size - 3 * (size // 10)
    for part, path in enumerate(_parts(folder, size, family)):
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            continue
        # A stride that shares no factor with the size scatters copies over all parts.
        numbers = (np.arange(part * PART, min(size, (part + 1) * PART), dtype=np.int64) * 7_368_787) % size
        table = pa.table({"id": [f"d{number:09}" for number in numbers], "text": _texts(numbers, originals, size)})
        pq.write_table(table, path.with_suffix(".tmp"), compression="zstd")
        path.with_suffix(".tmp").rename(path)


def _texts(numbers: np.ndarray, originals: int, size: int) -> pa.Array:
    """Return documents: originals, and copies of them, exact or with about 1 in 60 words changed."""
    of = np.where(numbers < originals, numbers, (numbers - originals) * 2 % originals)
    lengths = LENGTHS[0] + _dice(of, 0) % (LENGTHS[1] - LENGTHS[0]) if originals > 1 else np.full(len(of), LENGTHS[1])
    places = np.arange(1, LENGTHS[1] + 1)
    words = _dice(of[:, None], places) % len(WORDS)
    # A family is of one document of the greatest length, with one word changed on average.
    is_near, one_in = (numbers > 0, LENGTHS[1]) if originals == 1 else (numbers >= originals + size // 10, 60)
    dice = _dice(numbers[:, None] + size, places)
    words = np.where(is_near[:, None] & (dice % one_in == 0), dice // one_in % len(WORDS), words)
    content = WORDS[words[places <= lengths[:, None]]].tobytes()
    bounds = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths * WORDS.shape[1])])
    return pa.LargeStringArray.from_buffers(len(numbers), pa.py_buffer(bounds), pa.py_buffer(content))


def _dice(number: np.ndarray, place: np.ndarray | int) -> np.ndarray:
    """Return a number at random that depends on nothing but these two (splitmix64)."""
    mixed = (np.asarray(number).astype(np.uint64) << np.uint64(12)) + np.asarray(place).astype(np.uint64)
    mixed = mixed * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((mixed ^ (mixed >> np.uint64(31))) >> np.uint64(1)).astype(np.int64)


def deduplicate(paths: list[Path], settings: Settings) -> dict[str, float]:
    """Deduplicate once, with kernels that are compiled already."""
    parts = [ParquetPart(path) for path in paths]
    with tempfile.TemporaryDirectory(dir=paths[0].parent) as spill:
        Deduplication([_first(parts[0])], settings, Path(spill)).run()
        start = time.perf_counter()
        drops = Deduplication(parts, settings, Path(spill)).run()
        seconds = time.perf_counter() - start
    return {
        "seconds": seconds,
        "mb": sum(pq.read_metadata(part.path).row_group(0).total_byte_size for part in parts) / 1e6,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
        "exact": int((drops.rules == 0).sum()),
        "near": int((drops.rules > 0).sum()),
    }


def _first(part: Part) -> Part:
    from algstack.dedup.parts import TablePart

    return TablePart(pa.Table.from_batches([next(iter(part.batches(["id", "text"])))]))


if __name__ == "__main__":
    main()
