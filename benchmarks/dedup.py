"""Deduplication side by side with its peers, on source files from the registries.

    python benchmarks/corpus.py FOLDER                       # once: >= 1 GB in FOLDER/corpus.parquet
    python benchmarks/dedup.py FOLDER/corpus.parquet         # prints the tables
    python benchmarks/dedup.py FOLDER/corpus.parquet --peers PYTHON   # with the peers installed in that Python

Four tables: signatures in memory on one core; from Parquet to drops on two cores, beside decoding that Parquet alone;
recall and precision against the exact similarity of all pairs of a part; agreement with datasketch.
Peers run as programs of their own (`benchmarks/dedup_peers.py`), with as many cores, on the same documents.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from datasketch import MinHash

from algstack.dedup.digest import permutations
from algstack.dedup.fast import Deduplication
from algstack.dedup.kernel import new_scratch, sign
from algstack.dedup.parts import ParquetPart, Part, TablePart, parquet_parts
from algstack.dedup.shingles import TOKEN, jaccard, shingle_hashes, shingle_set, signature_hashes
from algstack.dedup.state import RULES, Drops, Settings
from algstack.dedup.texts import Texts, as_texts

THRESHOLD = 0.7
PEERS = Path(__file__).with_name("dedup_peers.py")


def main() -> None:
    """Print the tables that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--peers", help="a Python in which rensa, daft, text-dedup or datatrove are installed")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--memory", type=float, default=4.0, help="GiB")
    parser.add_argument("--only", choices=["signatures", "end-to-end", "quality", "datasketch"])
    options = parser.parse_args()
    tables: dict[str, Callable[[argparse.Namespace], None]] = {
        "signatures": signatures,
        "end-to-end": end_to_end,
        "quality": quality,
        "datasketch": agreement,
    }
    for name, table in tables.items():
        if options.only in (None, name):
            print(f"\n== {name}")
            table(options)


def best(function: Callable[[], Any], repeat: int) -> float:
    """Return the shortest time of some runs, in seconds."""
    return min(seconds(function) for _ in range(repeat))


def peers(options: argparse.Namespace, task: str, *arguments: str) -> Iterator[dict[str, Any]]:
    """Run every peer that is installed on a task; yield what it says, one after the other."""
    if not options.peers:
        return
    for peer in ("datasketch", "datasketch-xxh32", "rensa", "daft", "text-dedup", "datatrove"):
        command = [options.peers, str(PEERS), peer, task, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
        if done.returncode or not lines:
            last = (done.stderr.strip().splitlines() or ["said nothing"])[-1]
            print(f"{peer:18} {'not measured: ' + last[:90]}")
        else:
            yield {"peer": peer, **json.loads(lines[-1])}


# Signatures: text in memory, one core, 128 values.


def signatures(options: argparse.Namespace) -> None:
    """Text in memory to signatures of 128 values on one core."""
    rows, size = 0, 0
    chunks: list[Texts] = []
    for part in parquet_parts(options.corpus)[::6]:
        for batch in part.batches(["text"]):
            chunks.append(as_texts(batch.column(0)))
            rows += batch.num_rows
            size += int(chunks[-1].offsets[-1] - chunks[-1].offsets[0])
    chosen, scratch = permutations(128), new_scratch()

    def ours() -> None:
        for texts in chunks:
            out, counts = np.empty((len(texts), 128), np.uint32), np.empty(len(texts), np.int64)
            sign(texts.data, texts.offsets, chosen.factors, chosen.summands, scratch, out, counts)

    ours()
    seconds = best(ours, options.repeat)
    speed = size / seconds / 1e6
    print(f"{'':18} {'MB/s':>8} {'documents/s':>12} {'ours is':>9}   ({rows} documents, {size / 1e6:.0f} MB)")
    print(f"{'algstack':18} {speed:8.1f} {rows / seconds:12.0f}")
    # The peers are slow: they get a part, ours and theirs are compared by speed.
    for said in peers(options, "signatures", str(options.corpus), "20e6"):
        print(f"{said['peer']:18} {said['mbps']:8.1f} {said['dps']:12.0f} {speed / said['mbps']:8.1f}x")
    seconds, size = _datasketch_here(chunks)
    print(f"{'datasketch, here':18} {size / seconds / 1e6:8.1f} {'':12} {speed / (size / seconds / 1e6):8.1f}x")


def _datasketch_here(chunks: list[Texts]) -> tuple[float, int]:
    """Seconds and bytes of datasketch's default in this process: sha1 of each shingle's text."""
    done, start = 0, time.perf_counter()
    for texts in chunks:
        for row in range(0, len(texts), 40):
            text = texts.data[texts.offsets[row] : texts.offsets[row + 1]].tobytes()
            words = TOKEN.findall(text)
            minhash = MinHash(128)
            minhash.update_batch([b" ".join(words[i : i + 5]) for i in range(len(words) - 4)])
            done += len(text)
    return time.perf_counter() - start, done


# End to end: zstd Parquet to drops.


def end_to_end(options: argparse.Namespace) -> None:
    """From zstd Parquet on disk to verified drops, beside decoding that Parquet alone."""
    parts = parquet_parts(options.corpus)
    rows = pq.read_metadata(options.corpus).num_rows
    size = sum(_size(batch) for part in parts for batch in part.batches(["text"]))
    drops: Drops | None = None
    pa.set_cpu_count(options.workers)

    def whole() -> None:
        nonlocal drops
        drops = run(parts, options).drops

    works: dict[str, Callable[[], object]] = {
        "decode, by batches": lambda: _decode(parts, options.workers),
        "decode, into memory": lambda: pq.read_table(options.corpus, columns=["text"]),
        "algstack": whole,
    }
    first = seconds(whole)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    rounds = [{name: seconds(work) for name, work in works.items()} for _ in range(options.repeat)]
    times = {name: statistics.median(each[name] for each in rounds) for name in works}
    ours = times["algstack"]
    assert drops is not None
    print(
        f"{rows} documents, {size / 1e6:.0f} MB of text, {options.workers} workers; medians of {options.repeat} rounds"
    )
    print(f"{'':22} {'seconds':>7} {'MB/s':>8} {'docs/s':>10} {'ours takes':>11}")
    for name, taken in times.items():
        print(f"{name:22} {taken:7.2f} {size / taken / 1e6:8.0f} {rows / taken:10.0f} {ours / taken:10.2f}x")
    print(f"{'':22} the first run, which may compile: {first:.2f} s")
    names = ", ".join(f"{RULES[rule]} {count}" for rule, count in enumerate(np.bincount(drops.rules, minlength=3)))
    print(
        f"{'':22} {len(drops.documents)} drops: {names}; "
        f"peak memory {peak:.2f} GiB under --memory {options.memory:g}GiB"
    )
    for said in peers(options, "end-to-end", str(options.corpus), str(options.workers)):
        print(f"{said['peer']:22} {said['seconds']:7.1f} {said['mbps']:8.1f} {'':10}"
              f"   ours is {said['seconds'] / ours * size / said['bytes']:.1f}x as fast; {said['removed']} removed, "
              f"peak {said['peak_gib']:.2f} GiB")  # fmt: skip


def seconds(work: Callable[[], object]) -> float:
    """Return the seconds that something takes, once."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _size(batch: pa.RecordBatch) -> int:
    texts = as_texts(batch.column(0))
    return int(texts.offsets[-1] - texts.offsets[0])


def _decode(parts: list[ParquetPart], workers: int) -> None:
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(lambda part: sum(batch.num_rows for batch in part.batches(["text"])), parts))


def run(parts: list[Any], options: argparse.Namespace) -> Deduplication:
    """Deduplicate once."""
    settings = Settings(THRESHOLD, memory=int(options.memory * 2**30), workers=options.workers)
    with tempfile.TemporaryDirectory() as folder:
        done = Deduplication(parts, settings, Path(folder))
        done.run()
    return done


# Quality: recall and precision against exact all pairs.


def quality(options: argparse.Namespace) -> None:
    """Recall and precision on a part whose pairs are all compared exactly."""
    frame = _part_for_quality(options.corpus)
    texts: dict[str, bytes] = {name: text.encode() for name, text in frame.select("id", "text").iter_rows()}
    distinct = {text: name for name, text in reversed(texts.items())}  # the first of each text
    truth = _all_pairs({name: shingle_set(text) for text, name in distinct.items()})
    print(f"{len(texts)} files, {len(distinct)} different ones, {len(truth)} pairs of those at {THRESHOLD} or above")
    print(
        f"{'':18} {'recall 0.70-0.75':>17} {'above':>8} {'precision':>10}   (pairs of different files; not both kept)"
    )
    parts: list[Part] = [TablePart(frame.to_arrow())]
    done = run(parts, options)
    names = frame["id"]
    dropped = {names[row]: keeper for row, keeper in done.drops_of(0).select("row", "keeper").iter_rows()}
    right = sum(_is_right(texts[name], texts[keeper]) for name, keeper in dropped.items())
    same = {name: distinct[text] for name, text in texts.items()}
    removed = {same[name] for name in dropped} - {same[name] for name in texts if name not in dropped}
    _print_quality("algstack", truth, removed, right / max(1, len(dropped)))
    if options.peers:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "part.parquet"
            pl.DataFrame({"id": list(distinct.values()), "text": [text.decode() for text in distinct]}).write_parquet(
                path
            )
            for said in peers(options, "quality", str(path)):
                alone = list(said["pairs"])
                sets = {name: shingle_set(texts[name]) for pair in alone for name in pair}
                good = sum(jaccard(sets[one], sets[other]) >= THRESHOLD for one, other in alone)
                _print_quality(said["peer"], truth, set(said["removed"]), good / max(1, len(alone)))


def _print_quality(name: str, truth: dict[tuple[str, str], float], removed: set[str], precision: float) -> None:
    near = [pair for pair, similarity in truth.items() if similarity < THRESHOLD + 0.05]
    above = [pair for pair, similarity in truth.items() if similarity >= THRESHOLD + 0.05]
    shares = [sum(bool(removed & {*pair}) for pair in pairs) / max(1, len(pairs)) for pairs in (near, above)]
    print(f"{name:18} {shares[0]:17.4f} {shares[1]:8.4f} {precision:10.4f}")


def _part_for_quality(corpus: Path) -> pl.DataFrame:
    """Return all files of a few packages in all their versions."""
    wanted = r"^(networkx|mpmath|scipy|libcoq-|agda-stdlib|octave-|gap-)"
    return pl.scan_parquet(corpus).filter(pl.col("id").str.contains(wanted)).select("id", "text").collect()


def _all_pairs(sets: dict[str, np.ndarray]) -> dict[tuple[str, str], float]:
    """Return every pair of sets at the threshold or above, by an index of all shingles: nothing is estimated."""
    names = list(sets)
    rows = pl.concat(
        [
            pl.DataFrame({"hash": hashes, "set": np.full(len(hashes), i, np.uint32)})
            for i, hashes in enumerate(sets.values())
        ]
    )
    groups = rows.group_by("hash").agg("set").filter(pl.col("set").list.len() > 1)["set"]
    common: dict[int, int] = {}
    # Equal lists of sets count at once: most shingles of a file are in the same versions of it.
    for members, count in groups.list.sort().value_counts().iter_rows():
        for one, other in combinations(members, 2):
            key = one * len(names) + other
            common[key] = common.get(key, 0) + count
    sizes = [len(hashes) for hashes in sets.values()]
    found = {}
    for key, count in common.items():
        one, other = divmod(key, len(names))
        similarity = count / (sizes[one] + sizes[other] - count)
        if similarity >= THRESHOLD:
            found[names[one], names[other]] = similarity
    return found


def _is_right(one: bytes, other: bytes) -> bool:
    """Whether a drop holds, in plain Python: the same text, or sets of 5-token tuples at the threshold, or one body."""
    if one.replace(b"\r\n", b"\n") == other.replace(b"\r\n", b"\n"):
        return True
    sets = [_tuples(text) for text in (one, other)]
    union = len(sets[0] | sets[1])
    if union and len(sets[0] & sets[1]) / union >= THRESHOLD:
        return True
    return _ends_alike(TOKEN.findall(one), TOKEN.findall(other))


def _tuples(text: bytes) -> set[tuple[bytes, ...]]:
    words = TOKEN.findall(text)
    return {tuple(words[i : i + 5]) for i in range(len(words) - 4)}


def _ends_alike(one: list[bytes], other: list[bytes]) -> bool:
    """Whether one list of tokens, without some of its first ones, ends the other: a licence header's difference."""
    common = 0
    while common < min(len(one), len(other)) and one[-1 - common] == other[-1 - common]:
        common += 1
    return common >= 5 and max(len(one), len(other)) - common < 4000


def agreement(options: argparse.Namespace) -> None:
    """Compare signatures with datasketch's on 10,000 documents, as many of each language as there are."""
    frame = pl.scan_parquet(options.corpus).select("lang", "text").collect().sample(fraction=1, shuffle=True, seed=1)
    chosen = frame.sort(pl.int_range(pl.len()).over("lang")).head(10_000)
    texts, plan = as_texts(chosen["text"].to_arrow(compat_level=pl.CompatLevel.oldest())), permutations(128)
    found, counts = np.empty((len(texts), 128), np.uint32), np.empty(len(texts), np.int64)
    sign(texts.data, texts.offsets, plan.factors, plan.summands, new_scratch(), found, counts)
    wrong = 0
    for row, text in enumerate(chosen["text"]):
        expected = MinHash(128, hashfunc=int)
        expected.update_batch(signature_hashes(shingle_hashes(text.encode())))
        wrong += not (expected.hashvalues == found[row]).all()
    print(f"{wrong} mismatches among {len(texts)} documents of {chosen['lang'].n_unique()} kinds of file")


if __name__ == "__main__":
    sys.exit(main())
