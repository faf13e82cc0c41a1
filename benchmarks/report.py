"""How large the report of a large release is, and how fast it opens. Prints a table.

    python -m benchmarks.report --documents 1_000_000

Makes a release of generated documents in 41 languages and 60,000 repositories, with drops by 40 rules, then opens its
report in headless Chromium a few times: from asking for the page until its script has run.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl

from algstack import dataset, documents
from algstack.dataset import Counts, Part, StageFolder, TaskRecord
from algstack.release import stage
from algstack.release.facts import facts_of
from algstack.release.statistics import measure
from algstack.workspace import Workspace, decisions_name
from tests.release.conftest import context

TIMES = 5
PART = 100_000
"""Documents of one task."""

LANGUAGES = [f"language-{number:02d}" for number in range(41)]
REPOSITORIES = 60_000
RULES = 40
DROPPED = 0.4
WORDS = (
    "lemma",
    "theorem",
    "proof",
    "have",
    "group",
    "ring",
    "field",
    "add_comm",
    "rfl",
    "simp",
    "exact",
    "∀",
    "∃",
    "ℕ",
)


def made(start: int, count: int) -> pl.DataFrame:
    """Documents as the crawl writes them, and what becomes of each: `stage` and `rule` that drop it, or null."""
    dice = np.random.default_rng(start)
    numbers = np.arange(start, start + count)
    repository = (dice.pareto(1.2, count) * 50).astype(int) % REPOSITORIES
    words = np.array(WORDS, dtype=object)
    texts = [" ".join(words[dice.integers(0, len(words), 40)]) + f"\n-- {number}\n" for number in numbers]
    frame = pl.DataFrame({"number": numbers, "repository": repository, "text": texts})
    name = pl.format(
        "organisation-{}/a-repository-with-a-rather-long-name-{}", pl.col("repository") % 977, "repository"
    )
    lang = pl.Series(LANGUAGES).gather((dice.pareto(1.0, count) * 3).astype(int) % len(LANGUAGES))
    drops = dice.random(count) < DROPPED
    near = dice.random(count) < 0.3
    frame = frame.with_columns(repo=name, lang=lang).with_columns(
        id=pl.format("github:{}@c0ffee:src/{}/{}.txt", "repo", pl.col("number") % 97, "number"),
        path=pl.format("src/{}/{}.txt", pl.col("number") % 97, "number"),
        license=pl.Series(["MIT", "Apache-2.0", "GPL-3.0-or-later", None]).gather(dice.integers(0, 4, count)),
        created_at=pl.datetime(2010 + pl.col("number") % 15, 1, 1, time_zone="UTC", time_unit="us"),
        size=pl.col("text").str.len_bytes().cast(pl.Int64),
        rule=pl.when(pl.Series(drops)).then(pl.format("rule-{}", pl.col("number") % RULES)),
        similarity=pl.when(pl.Series(drops & near)).then(pl.Series(0.7 + 0.3 * dice.random(count))),
    )
    return frame.with_columns(source=pl.lit("made"), revision=pl.lit("c0ffee"), meta=pl.lit("{}"))


def decisions(frame: pl.DataFrame, of: str) -> pl.DataFrame:
    """What a stage decides: near-duplicates fall at the dedup, the other drops at the filter."""
    if of == "dedup":
        frame = frame.filter(pl.col("rule").is_null() | pl.col("similarity").is_not_null())
    drops = pl.col("rule").is_not_null() & (
        pl.col("similarity").is_not_null() if of == "dedup" else pl.col("similarity").is_null()
    )
    return frame.with_columns(
        stage=pl.lit(of),
        keep=~drops,
        rule=pl.when(drops).then(pl.lit("near-duplicate") if of == "dedup" else pl.col("rule")),
        reason=pl.when(drops).then(pl.lit("A reason of about the length that reasons have.")),
        keeper=pl.lit(None, pl.String),
        similarity=pl.when(drops).then("similarity"),
        evidence=pl.lit(None, pl.String),
        text=pl.lit(None, pl.String),
    )


def write_workspace(folder: Path, count: int) -> Workspace:
    """Write the stages before the release."""
    workspace = Workspace(folder)
    stages = {
        "crawl": StageFolder(workspace.crawl("made"), "crawl", "1", {}),
        "filter": StageFolder(workspace.stage("filter", "all"), "filter", "1", {}),
        "dedup": StageFolder(workspace.stage("dedup"), "dedup", "1", {}),
    }
    records: dict[str, list[TaskRecord]] = {name: [] for name in stages}
    for number, start in enumerate(range(0, count, PART)):
        frame = made(start, min(PART, count - start))
        for name, into in stages.items():
            rows = frame if name == "crawl" else decisions(frame, name)
            records[name].append(_write(into, name, f"{number:05d}", rows))
    for name, into in stages.items():
        into.finish(records[name])
    return workspace


def _write(into: StageFolder, name: str, task: str, rows: pl.DataFrame) -> TaskRecord:
    is_crawl = name == "crawl"
    schema = documents.DOCUMENTS if is_crawl else documents.DECISIONS
    missing = [pl.lit(None).alias(one) for one in schema.names if one not in rows.columns]
    parts: list[Part] = []
    file = f"documents-{task}.parquet" if is_crawl else decisions_name(f"made-{task}")
    with dataset.part_writer(into.path, file, schema, parts) as writer:
        writer.write(rows.with_columns(missing).select(schema.names).to_arrow().cast(schema))
    dropped = {} if is_crawl else dict(rows.filter(~pl.col("keep"))["rule"].value_counts().iter_rows())
    counts = Counts(documents=rows.height, kept=rows.height - sum(dropped.values()), dropped=dropped)
    fingerprint = into.task_fingerprint(parts[0].sha256)
    record = TaskRecord(task=task, fingerprint=fingerprint, counts=counts, parts=tuple(parts))
    into.save(record)
    return record


def opened(page: Path) -> Iterator[tuple[float, float, int]]:
    """Yield seconds until the page's script has run and until a click has its effect, and the errors in the console."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    for argument in (
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(str(shutil.which("chromedriver"))))
    try:
        for _ in range(TIMES):
            driver.get("about:blank")
            driver.get(page.as_uri())
            ready = driver.execute_script("return performance.getEntriesByType('navigation')[0].domComplete") / 1000
            clicked = driver.execute_script(
                "const start = performance.now(); document.getElementById('tab-samples').click();"
                "document.getElementById('sample-list').scrollHeight; return performance.now() - start"
            )
            yield ready, clicked / 1000, len(driver.get_log("browser"))
    finally:
        driver.quit()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=1_000_000, help="that reach the release, before drops")
    parser.add_argument("--keep", type=Path, help="a folder to make the release in, and to leave it there")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="algstack-") as name:
        folder = arguments.keep or Path(name)
        release = Workspace(folder / "work").release("1.0.0")
        if not release.exists():
            workspace = write_workspace(folder / "work", round(arguments.documents / (1 - DROPPED)))
            start = time.perf_counter()
            record = stage.run(context(workspace))
            print(f"release of {record.counts.kept:,} documents made in {time.perf_counter() - start:.0f} s")
        record = dataset.load_stage(release)
        assert record is not None
        start = time.perf_counter()
        facts, statistics = facts_of(record, release), measure(release)
        print(
            f"{statistics.total.documents:,} documents of {statistics.total.repos:,} repositories counted again in ",
            end="",
        )
        print(f"{time.perf_counter() - start:.1f} s: {facts.name}")
        page = release / "report.html"
        print(f"report.html: {page.stat().st_size / 1e6:.2f} MB")
        for ready, clicked, errors in opened(page):
            print(
                f"  ready after {ready:.2f} s, samples {clicked:.2f} s after a click, {errors} messages in the console"
            )


if __name__ == "__main__":
    main()
