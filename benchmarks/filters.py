"""Filtering speed: Parquet to Parquet with reasons, beside plain Python and beside no filter at all.

    python benchmarks/filters.py FOLDER... [--profile llemma] [--files 4000]

Each folder is searched for source files (unpacked Debian packages, checkouts, `site-packages`). For each language a
Parquet file of The Stack's layout is read and written three times, on one core: by algstack, by the same rules read in
plain Python (`tests/filter/reading.py`), and as it is. Prints MB of text a second for each, and for the decisions alone
(`--dry-run`, nothing written) of the first two. An argument `LANG=FILE.parquet` names such a file that is there.

With `--workers 2` only algstack and the copy are measured, by the clock, each with two processes on eight copies of a
table: so nothing else may run on the machine.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ["POLARS_MAX_THREADS"] = "1"  # before Polars is imported: one core each
sys.path.insert(0, str(Path(__file__).parents[1]))

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from algstack import engine
from algstack import tables as source_tables
from algstack.documents import DECISIONS
from algstack.filter import tables
from algstack.filter.language import Languages, load_languages
from algstack.tables import TableColumns
from tests.filter import reading

ROW_GROUP = 2_000
WIDTHS = (10, 8, 10, 10, 8, 8, 9, 8, 9, 8, 8)


def main() -> None:
    options = arguments()
    languages = load_languages(options.profile)
    ready = dict(folder.split("=", 1) for folder in options.folders if "=" in folder)
    files = gather([Path(folder) for folder in options.folders if "=" not in folder], languages, options.files)
    print(heading(options))
    with tempfile.TemporaryDirectory() as scratch:
        for lang, rows in sorted(files.items()):
            table = write_table(Path(scratch) / f"{lang}.parquet", rows)
            print(line(table, lang, options, Path(scratch)), flush=True)
        for lang, path in sorted(ready.items()):
            print(line(Path(path), lang, options, Path(scratch)), flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    print(f"peak memory of this process: {peak:.0f} MiB")


def heading(options: argparse.Namespace) -> str:
    if options.workers > 1:
        names: tuple[str, ...] = ("documents", "MB", "algstack", "copy", "/ copy")
        title = f"profile {options.profile}, {options.workers} workers; MB of text a second by the clock"
    else:
        names = ("documents", "MB", "algstack", "docs/s", "plain", "copy")
        names += ("x plain", "/ copy", "decide", "plain", "x plain")
        title = f"profile {options.profile}, one core; MB of text a second, documents a second"
    columns = (f"{name:>{width}}" for name, width in zip(names, WIDTHS, strict=False))
    return f"{title}\n{'language':14}{''.join(columns)}"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", metavar="FOLDER")
    parser.add_argument("--profile", default="llemma", choices=["default", "llemma"])
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--no-plain", dest="plain", action="store_false", help="leave out the plain Python: minutes")
    parser.add_argument("--files", type=int, default=4_000, help="at most so many files of a language")
    return parser.parse_args()


def gather(folders: list[Path], languages: Languages, limit: int) -> dict[str, list[tuple[str, str]]]:
    """(path, text) of the UTF-8 files of each language, at most `limit` of each."""
    found: dict[str, list[tuple[str, str]]] = {}
    for path in walk(folders):
        lang = languages.for_path(path.name)
        if lang is None or len(found.setdefault(lang, [])) >= limit:
            continue
        try:
            found[lang].append((path.as_posix(), path.read_bytes().decode()))
        except UnicodeDecodeError:
            continue
    return {lang: rows for lang, rows in found.items() if len(rows) >= 20}


def walk(folders: list[Path]) -> Iterator[Path]:
    for folder in folders:
        for root, names, files in os.walk(folder):
            names.sort()
            yield from (
                path for name in sorted(files) if (path := Path(root) / name).is_file() and not path.is_symlink()
            )


def write_table(path: Path, rows: list[tuple[str, str]]) -> Path:
    columns = {
        "content": [text for _, text in rows],
        "max_stars_repo_path": [name for name, _ in rows],
        "max_stars_repo_name": ["bench/mark"] * len(rows),
        "max_stars_repo_head_hexsha": ["0" * 40] * len(rows),
    }
    pq.write_table(pa.table(columns), path, compression="zstd", row_group_size=ROW_GROUP)
    return path


def line(table: Path, lang: str, options: argparse.Namespace, scratch: Path) -> str:
    if options.workers > 1:
        return measured_by_clock(table, lang, options.profile, options.workers, scratch)
    return measured(table, lang, options.profile, options.plain, scratch)


COPIES = 8


def measured_by_clock(table: Path, lang: str, profile: str, workers: int, scratch: Path) -> str:
    size = COPIES * sum(len(text.encode()) for text in texts(table)) / 1e6
    rows = COPIES * pq.ParquetFile(table).metadata.num_rows
    inputs = scratch / f"inputs-{lang}"
    inputs.mkdir()
    inputs_ = [inputs / f"{number}.parquet" for number in range(COPIES)]
    for path in inputs_:
        path.symlink_to(table.resolve())
    chosen = tables.table_filter(profile, None, [lang], TableColumns())
    pairs = [(path, scratch / f"copy-{path.name}") for path in inputs_]
    best = {"filter": float("inf"), "copy": float("inf")}
    for _ in range(4):  # the first starts the processes
        shutil.rmtree(scratch / "out", ignore_errors=True)
        start = time.perf_counter()
        tables.run([str(inputs)], scratch / "out", chosen, workers)
        between = time.perf_counter()
        list(engine.run(copied_pair, pairs, workers))
        best["filter"] = min(best["filter"], between - start)
        best["copy"] = min(best["copy"], time.perf_counter() - between)
    return (
        f"{lang:14}{rows:>10}{size:>8.1f}{size / best['filter']:>10.1f}{size / best['copy']:>10.1f}"
        f"{best['copy'] / best['filter']:>8.2f}"
    )


def copied_pair(pair: tuple[Path, Path]) -> None:
    copied(*pair)


def measured(table: Path, lang: str, profile: str, with_plain: bool, scratch: Path) -> str:
    size = sum(len(text.encode()) for text in texts(table)) / 1e6
    rows = pq.ParquetFile(table).metadata.num_rows
    chosen = tables.table_filter(profile, None, [lang], TableColumns())
    warm = write_table(
        scratch / "warm.parquet", [(f"{number}.txt", text) for number, text in enumerate(list(texts(table))[:5])]
    )
    filtered(warm, chosen, scratch / "warm")  # compiled kernels and models are loaded before the clock starts
    native = seconds(lambda: filtered(table, chosen, scratch / "out"))
    plain = plain_decide = float("nan")
    if with_plain:
        plain = seconds(lambda: plainly_filtered(table, chosen.languages, lang, scratch / "plain"), 2)
        plain_decide = seconds(lambda: plainly_decided(table, chosen.languages, lang), 2)
    copy = seconds(lambda: copied(table, scratch / "copy.parquet"))
    decide = seconds(lambda: decided(table, chosen))
    return (
        f"{lang:14}{rows:>10}{size:>8.1f}{size / native:>10.1f}{rows / native:>10.0f}{size / plain:>8.1f}"
        f"{size / copy:>8.1f}{plain / native:>9.1f}{copy / native:>8.2f}"
        f"{size / decide:>9.1f}{size / plain_decide:>8.1f}{plain_decide / decide:>8.1f}"
    )


def texts(table: Path) -> Iterator[str]:
    for batch in pq.ParquetFile(table).iter_batches(columns=["content"]):
        yield from batch.column(0).to_pylist()


def seconds(work: Callable[[], None], runs: int = 6) -> float:
    """Seconds of processor time, which other work on the machine lengthens less; the best of some runs."""
    best = float("inf")
    for _ in range(runs):
        start = time.process_time()
        work()
        best = min(best, time.process_time() - start)
    return best


def filtered(table: Path, chosen: tables.TableFilter, output: Path) -> None:
    shutil.rmtree(output, ignore_errors=True)
    tables.run([str(table)], output, chosen, workers=1)


def decided(table: Path, chosen: tables.TableFilter) -> None:
    for task in source_tables.tasks([table]):
        for _ in chosen.frames(task):
            pass


def plainly_decided(table: Path, languages: Languages, lang: str) -> None:
    file = pq.ParquetFile(table)
    for group in range(file.metadata.num_row_groups):
        for row in file.read_row_group(group, use_threads=False).to_pylist():
            plain_rule(row, languages[lang])


def plainly_filtered(table: Path, languages: Languages, lang: str, output: Path) -> None:
    """The same job in plain Python: read, decide row by row, write what is kept and why the rest is not."""
    language = languages[lang]
    output.mkdir(exist_ok=True)
    file = pq.ParquetFile(table)
    with (
        pq.ParquetWriter(output / "documents.parquet", file.schema_arrow, compression="zstd") as kept,
        pq.ParquetWriter(output / "decisions.parquet", DECISIONS, compression="zstd") as about,
    ):
        for group in range(file.metadata.num_row_groups):
            rows = file.read_row_group(group, use_threads=False).to_pylist()
            rules = [plain_rule(row, language) for row in rows]
            keep = [row for row, rule in zip(rows, rules, strict=True) if rule is None]
            kept.write_table(pa.Table.from_pylist(keep, file.schema_arrow))
            said = [
                {"id": row["max_stars_repo_path"], "stage": "filter", "lang": lang, "keep": rule is None, "rule": rule}
                for row, rule in zip(rows, rules, strict=True)
            ]
            about.write_table(pa.Table.from_pylist(said, DECISIONS))


def plain_rule(row: dict[str, str], language: object) -> str | None:
    document: reading.Document = {"text": row["content"], "path": row["max_stars_repo_path"], "repo": "bench/mark"}
    return reading.first_drop(document, language)  # type: ignore[arg-type]


def copied(table: Path, output: Path) -> None:
    file = pq.ParquetFile(table)
    with pq.ParquetWriter(output, file.schema_arrow, compression="zstd") as writer:
        for group in range(file.metadata.num_row_groups):
            writer.write_table(file.read_row_group(group, use_threads=False))


if __name__ == "__main__":
    assert pl.thread_pool_size() == 1
    main()
