"""The GitHub crawl against a stand-in on loopback: completeness under faults, kills, limits, speed, memory.

    python -m benchmarks.github complete|kill|limits|memory|speed [--files FOLDER …]

Repositories are made from real source files: this Python's standard library, and the folders that are named.
"""

from __future__ import annotations

import argparse
import gzip
import io
import os
import random
import signal
import statistics
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq

from algstack.crawl.files import FileReader, Repository
from algstack.crawl.github import rows
from algstack.crawl.ledger import Ledger
from algstack.crawl.tar import CHUNK, GzipStream
from algstack.documents import swhid
from algstack.manifest import CrawlConfig
from tests.conftest import FewLanguages
from tests.crawl.github.server import Server, World, parts_of, states_of
from tests.crawl.github.stand_in import Commit, Faults, Limits, StandIn, archive
from tests.crawl.github.stand_in import Repository as Repository_
from tests.crawl.github.world import files_under

ROOT = Path(__file__).parents[1]
SPEED = 200.0
"""How much faster than real the clocks of both sides run: a secondary limit's minute is 0.3 seconds."""

SLOW = 20.0
"""The same where it is counted what was sent after it was forbidden: a late answer must not be taken for a mistake."""

MANIFEST = """
[[sources]]
name = "gh"
kind = "github"
cutoff = {cutoff}
languages = ["lean", "coq", "python"]
"""


def crawl(
    folder: Path, api_url: str, workers: int, speed: float, cutoff: str = "2022-01-01"
) -> subprocess.Popen[bytes]:
    """Start a crawl in a process of its own."""
    program = (
        "import sys, pathlib\n"
        "from tests.crawl.github.client import main\n"
        "main(pathlib.Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4]), sys.argv[5])\n"
    )
    arguments = [
        sys.executable,
        "-c",
        program,
        str(folder),
        api_url,
        str(workers),
        str(speed),
        MANIFEST.format(cutoff=cutoff),
    ]
    return subprocess.Popen(arguments, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})


def run(folder: Path, server: Server, workers: int, cutoff: str = "2022-01-01", speed: float = SPEED) -> float:
    """Crawl to the end and return the seconds it took."""
    start = time.monotonic()
    code = crawl(folder, server.api_url, workers, speed, cutoff).wait()
    if code:
        raise SystemExit(f"the crawl ended with {code}")
    return time.monotonic() - start


def complete(count: int, folders: tuple[Path, ...]) -> None:
    """Every repository ends once, in the right state, with the same bytes, whatever goes wrong."""
    print(f"{count} repositories, 1,500 created on one day and 1,501 in one second; every fault at 5 %")
    print("workers faults  seconds  repositories  wrong state  API requests a repository  forbidden  same bytes")
    with (
        Server(World(count, folders, busy=count * 3 // 10), SPEED) as server,
        tempfile.TemporaryDirectory() as temporary,
    ):
        first: dict[str, bytes] = {}
        for workers, rate in ((8, 0.0), (8, 0.05), (1, 0.05)):
            server.begin(Faults(rate, seed=workers))
            folder = Path(temporary) / f"{workers}-{rate}"
            seconds = run(folder, server, workers)
            at = folder / "work/crawl/gh"
            states, tally = states_of(at), server.tally()
            wrong = {key for key in states.keys() | server.expected if states.get(key) != server.expected.get(key)}
            parts = parts_of(at)
            first = first or parts
            print(
                f"{workers:7} {rate:6.0%} {seconds:8.0f} {len(states):13} {len(wrong):12} "
                f"{tally.api_requests / len(states):26.4f} {len(tally.forbidden):10}  {parts == first}"
            )
            print(
                f"        states {dict(Counter(states.values()))}; faults {dict(tally.faults)}; {dict(tally.requests)}"
            )
            for line in tally.forbidden[:3]:
                print("        forbidden:", line)
        server.begin(Faults())
        run(folder, server, 8, "2022-01-01")
        print("again, nothing changed:         ", dict(server.tally().requests))
        run(folder, server, 8, "2022-01-01T00:00:01Z")
        print("later cutoff, nothing moved:    ", dict(server.tally().requests))
        server.begin(Faults())
        run(folder, server, 8, "2022-01-03")
        moved = server.tally()
        print("later cutoff, everything moved: ", dict(moved.requests))


def kill(count: int, folders: tuple[Path, ...], kills: int = 20) -> None:
    """`kill -9` at random moments, resumed each time."""
    with Server(World(count, folders), 1.0) as server, tempfile.TemporaryDirectory() as temporary:
        whole = Path(temporary) / "whole"
        seconds = run(whole, server, 8, speed=1.0)
        server.begin(Faults(0.02, kinds=("500", "reset", "truncated", "corrupt")))
        folder = Path(temporary) / "killed"
        at = folder / "work/crawl/gh"
        chance = random.Random(11)
        committed: dict[str, int] = {}
        for number in range(kills):
            process = crawl(folder, server.api_url, 8, 1.0)
            # Twenty such pieces are less than a whole crawl, so that hardly one comes after its end.
            time.sleep(chance.uniform(0.5, 1.0 + 1.2 * seconds / kills))
            ended = process.poll() is not None
            process.send_signal(signal.SIGKILL)
            process.wait()
            committed |= _check_killed(at, server)
            print(f"kill {number + 1:2}: {'was over' if ended else 'killed'}, {len(committed)} committed", flush=True)
        run(folder, server, 8, speed=1.0)
        tally = server.tally().archives
        again = [sha for sha, before in committed.items() if tally[sha] > before]
        states = states_of(at)
        print(f"{kills} kills: {len(states)} repositories, states {dict(Counter(states.values()))}")
        print(
            f"in the right state: {states == server.expected}; same bytes as a crawl left alone: "
            f"{parts_of(at) == parts_of(whole / 'work/crawl/gh')}; committed archives fetched again: {len(again)}"
        )


def _check_killed(at: Path, server: Server) -> dict[str, int]:
    """Return commit -> archives sent, of what a killed crawl has committed; its rows must be in place."""
    if not (at / "ledger.sqlite").exists():
        return {}
    with Ledger(at) as ledger:
        entries = ledger.entries("fetched")
    for entry in entries:
        assert entry.part is not None
        found = pq.ParquetFile(at / entry.part).metadata.num_rows
        assert found == (entry.rows or 0) + (entry.drops or 0), entry
    tally = server.tally().archives
    return {entry.revision: tally[entry.revision] for entry in entries if entry.revision}


def limits(count: int, folders: tuple[Path, ...]) -> None:
    """Without faults, a crawl uses all that the headers allow, and never more."""
    allowed = Limits(core=(100, 600), graphql=(20, 600))
    with Server(World(count, folders), SLOW, allowed) as server, tempfile.TemporaryDirectory() as temporary:
        for workers in (1, 8):
            server.begin(Faults())
            run(Path(temporary) / str(workers), server, workers, speed=SLOW)
            tally = server.tally()
            windows = [window for _, kind, window in tally.windows if kind == "core"]
            # The time between two windows is lost as well. The last window is cut off by the crawl's end.
            seconds = windows[-1].reset - windows[0].start
            allowance = allowed.core[0] * seconds / allowed.core[1]
            print(
                f"workers {workers}: {len(windows)} windows of {allowed.core[0]} requests, "
                f"{sum(window.used for window in windows) / allowance:.2%} of the allowed budget used, "
                f"{len(tally.forbidden)} forbidden requests"
            )

        server.begin(Faults(0.02, kinds=("403", "403-retry-after", "429", "429-retry-after", "500", "reset")))
        run(Path(temporary) / "faults", server, 8, speed=SLOW)
        tally = server.tally()
        print(f"with faults: {dict(tally.faults)}, {len(tally.forbidden)} forbidden requests")
        print(*tally.forbidden[:5], sep="\n")


def speed(count: int, folders: tuple[Path, ...]) -> None:
    """Archive to batches of documents on one core, against `tarfile` alone; in seconds of this process's own work."""
    found = files_under(folders)
    print("MB/s of uncompressed tar on one core, by the process's own time: medians of five runs, taken in turns")
    print("files             of KB  tar MB  packed MB  gzip alone  sha1 alone  tarfile alone  to documents  ratio")
    for name, least, most in SIZES:
        chosen = [path for path in found if least <= path.stat().st_size < most][:count]
        _speed_of(name, {str(number): path.read_bytes() for number, path in enumerate(chosen)})


SIZES = (("as they come", 0, 10**9), ("small", 0, 4_000), ("of a page or two", 4_000, 16_000), ("long", 16_000, 10**9))
"""What archives are made of: real files, by their bytes."""


def _speed_of(name: str, contents: dict[str, bytes]) -> None:
    packed = archive({f"{number}.py": content for number, content in contents.items()})
    size = len(gzip.decompress(packed)) / 1e6
    reader = FileReader(CrawlConfig(), FewLanguages(), Path(tempfile.gettempdir()))
    repository = Repository("github", "gh", "o/r", "0" * 40, "https://github.com/o/r/blob/{revision}/{path}")

    def documents() -> int:
        files = rows._Archive(io.BytesIO(packed), reader, ()).files()
        return sum(batch.num_rows for batch in reader.batches(repository, files))

    def members() -> int:
        with tarfile.open(fileobj=io.BytesIO(packed), mode="r|gz") as tar:
            return sum(len(file.read()) > 0 for member in tar if (file := tar.extractfile(member)))

    def unpacked() -> int:
        stream = GzipStream(io.BytesIO(packed))
        return sum(map(len, iter(lambda: stream.read(CHUNK), b"")))

    def named() -> int:
        return len([swhid(content) for content in contents.values()])

    works = (unpacked, named, members, documents)
    times: dict[Callable[[], int], list[float]] = {work: [] for work in works}
    for _ in range(5):
        for work in works:
            start = time.process_time()
            work()
            times[work].append(time.process_time() - start)
    gzip_alone, sha1_alone, tarfile_alone, ours = (size / statistics.median(times[work]) for work in works)
    kilobytes = sum(map(len, contents.values())) / len(contents) / 1000
    print(
        f"{name:16} {kilobytes:6.1f} {size:7.0f} {len(packed) / 1e6:10.0f} {gzip_alone:11.0f} {sha1_alone:11.0f}"
        f" {tarfile_alone:14.0f} {ours:13.0f} {ours / tarfile_alone:6.2f}",
        flush=True,
    )


def memory(count: int, folders: tuple[Path, ...]) -> None:
    """Eight downloads of archives of 500 MB (packed) at a time: the crawl's largest memory."""
    noise = [random.Random(number).randbytes(2**20 // 2).hex().encode() for number in range(8)]
    files = {f"{number}.py": noise[number % 8] + b"%d" % number for number in range(count)}
    packed = archive(files)
    date = datetime(2021, 1, 1, tzinfo=UTC)
    repositories = [
        Repository_(number, f"o/r{number}", "Python", date, (Commit(f"{number:040x}", date, lambda: packed),))
        for number in range(8)
    ]
    print(f"8 archives of {len(packed) / 1e6:.0f} MB with {len(files)} files of 1 MB")
    with StandIn(repositories, checked=False) as stand_in, tempfile.TemporaryDirectory() as temporary:
        process = crawl(Path(temporary), stand_in.api_url, 8, 1.0)
        most = 0
        while process.poll() is None:
            most = max(most, _most_memory(process.pid))
            time.sleep(0.2)
        print(f"ended with {process.returncode}; at most {most} MiB")


def _most_memory(process: int) -> int:
    """MiB that a process had at most; its rusage would count what its parent had when it was started."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM")), 0)


def main() -> None:
    """Run one benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("complete", "kill", "limits", "memory", "speed"))
    parser.add_argument("--files", type=Path, nargs="*", default=[])
    parser.add_argument("--count", type=int)
    given = parser.parse_args()
    folders = (Path(sysconfig.get_path("stdlib")), *given.files)
    benchmarks: dict[str, tuple[Callable[[int, tuple[Path, ...]], None], int]] = {
        "complete": (complete, 5000),
        "kill": (kill, 2000),
        "limits": (limits, 330),
        "memory": (memory, 900),
        "speed": (speed, 20_000),
    }
    function, count = benchmarks[given.what]
    function(given.count or count, folders)


if __name__ == "__main__":
    main()
