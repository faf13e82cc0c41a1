"""Publishing a release over a bad line: to a hub on loopback, and to S3 as moto serves it. Prints a table.

    python -m benchmarks.publish work/releases/1.0.0

Each request fails with the probability `--failing`, in one of seven ways: 429 with and without Retry-After, 500, 503, a
reset, an answer that is lost after the server did what it was asked, an answer cut off. The command line is run as a
user runs it. Then the same on a good line, killed with SIGKILL once half of the bytes have arrived, and run again.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from moto.server import ThreadedMotoServer

from algstack.publish.place import release_files
from algstack.publish.stage import version_of
from tests.publish.flaky import Line, flaky
from tests.publish.hub import TOKEN, Hub, serving

HUB, S3 = "hf://datasets/org/algebra", "s3://bucket/algebra"


@dataclass
class Target:
    """A target, the line to it, what a command needs to find it, and the bytes and times that each object was sent."""

    name: str
    line: Line
    environment: dict[str, str]
    holds: Callable[[str | None], dict[str, int]]
    sent: Counter[str] = field(default_factory=Counter)
    sent_bytes: int = 0

    def count(self, method: str, path: str, size: int) -> None:
        """Count what arrives."""
        name = path.split("?")[0]
        if method == "PUT" and (name.startswith("/lfs/") or name.startswith("/bucket/")):
            self.sent[name] += 1
            self.sent_bytes += size


@contextmanager
def hub(failing: float) -> Iterator[Target]:
    """A hub with nothing on it."""
    with serving(Hub()) as served, flaky(served.url, failing) as line:
        served.url = line.url

        def holds(tag: str | None) -> dict[str, int]:
            repo = served.repos["org/algebra"]
            tree = repo.tags.get(tag, {}) if tag else repo.branches["main"]
            return {name: len(blob.content) for name, blob in tree.items() if name != ".gitattributes"}

        environment = {"HF_ENDPOINT": line.url, "HF_TOKEN": TOKEN, "HF_HUB_DISABLE_XET": "1"}
        target = Target(HUB, line, environment, holds)
        line.on_request = target.count
        yield target


@contextmanager
def s3(failing: float) -> Iterator[Target]:
    """A bucket with nothing in it."""
    import boto3

    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    url = "http://{}:{}".format(*server.get_host_and_port())
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
    client = boto3.client(
        "s3", endpoint_url=url, region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test"
    )
    client.create_bucket(Bucket="bucket")

    def holds(tag: str | None) -> dict[str, int]:
        pages = client.get_paginator("list_objects_v2").paginate(Bucket="bucket", Prefix="algebra/")
        return {e["Key"].removeprefix("algebra/"): e["Size"] for page in pages for e in page.get("Contents", ())}

    with flaky(url, failing) as line:
        target = Target(S3, line, {"AWS_ENDPOINT_URL": line.url, **keys}, holds)
        line.on_request = target.count
        yield target
    for name in holds(None):
        client.delete_object(Bucket="bucket", Key=f"algebra/{name}")
    client.delete_bucket(Bucket="bucket")
    server.stop()


def command(target: Target, *arguments: str) -> subprocess.Popen[str]:
    """Start the command line."""
    environment = os.environ | target.environment
    whole = [sys.executable, "-m", "algstack", *arguments]
    return subprocess.Popen(whole, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def run(target: Target, *arguments: str) -> tuple[int, str]:
    """Run the command line; return its exit code and the last line that it prints."""
    process = command(target, *arguments)
    printed, _ = process.communicate()
    return process.returncode, (printed.strip().splitlines() or [""])[-1]


def on_a_bad_line(target: Target, release: Path, wanted: dict[str, int], version: str) -> None:
    """Publish, look at what is there, verify, publish again."""
    start = time.perf_counter()
    code, said = run(target, "publish", str(release), target.name)
    line = target.line
    requests, failures = line.requests.total(), line.failures.copy()
    print(f"{target.name}: exit {code} after {time.perf_counter() - start:.1f} s: {said}")
    print(f"  {requests} requests, {failures.total()} failed: {dict(sorted(failures.items()))}")
    print(f"  what is there equals the release: {target.holds(None) == wanted}")
    place = target.name
    if target.name == HUB:
        print(f"  the tag {version} equals the release: {target.holds(version) == wanted}")
        place = f"{target.name}@{version}"
    code, said = run(target, "verify", place)
    print(f"  verify {place}: exit {code}: {said}")
    before = target.sent_bytes
    code, said = run(target, "publish", str(release), target.name)
    print(f"  again: exit {code}, {target.sent_bytes - before} bytes sent: {said}")


def killed(target: Target, release: Path, wanted: dict[str, int], version: str) -> None:
    """Kill the publisher once half of the bytes are there, run it again, and count what was sent twice."""
    whole = sum(wanted.values())
    process = command(target, "publish", str(release), target.name)
    while target.sent_bytes < whole / 2 and process.poll() is None:
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    time.sleep(0.5)  # what was on the line arrives
    first, objects = target.sent_bytes, len(target.sent)
    tagged = target.name == HUB and target.holds(version) != {}
    code, said = run(target, "publish", str(release), target.name)
    twice = {name: times for name, times in target.sent.items() if times > 1}
    print(f"{target.name}, killed: exit {process.returncode}, {objects} objects, {first / 1e6:.1f} MB there", end="")
    print(f", {'' if tagged else 'not '}tagged")
    print(f"  run again: exit {code}, {(target.sent_bytes - first) / 1e6:.1f} of {whole / 1e6:.1f} MB sent: {said}")
    print(f"  objects sent twice: {len(twice)}; what is there equals the release: {target.holds(None) == wanted}")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("release", type=Path)
    parser.add_argument("--failing", type=float, default=0.2, help="share of requests that fail")
    arguments = parser.parse_args()
    wanted = {file.name: file.size for file in release_files(arguments.release)}
    version = version_of(arguments.release)
    print(f"{len(wanted)} files, {sum(wanted.values()) / 1e6:.1f} MB\n")
    for place in (hub, s3):
        with place(arguments.failing) as target:
            on_a_bad_line(target, arguments.release, wanted, version)
        with place(0.0) as target:
            killed(target, arguments.release, wanted, version)
        print()


if __name__ == "__main__":
    main()
