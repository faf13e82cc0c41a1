"""The index of all benchmarks: built once from their copies, kept in the workspace, mapped by every worker."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from algstack import dataset
from algstack.decontaminate.benchmarks import Copy, Problem, problems
from algstack.decontaminate.formal import FormalIndex, Target, targets
from algstack.decontaminate.ngrams import NgramIndex

CODE = "4"
"""Raised when the same benchmarks give another index."""

_META = "index.json"
_UNITS = "units.parquet"
_UNIT_SCHEMA = {"benchmark": pl.Int64, "problem": pl.String, "is_formal": pl.Boolean}
_FRAME_ROWS = 65_536


class Applied(NamedTuple):
    """A benchmark as it was indexed: for the card and the report."""

    name: str
    version: str | None
    title: str | None
    url: str | None
    license: str | None
    sha256: str
    problems: int
    empty: int
    too_short: int


class Index(NamedTuple):
    """Everything that documents are compared with.

    `unit_benchmark`, `unit_problem` and `unit_is_formal` say of each text of the n-gram index whose it is; `applied`
    are the benchmarks, in the order of their numbers.
    """

    ngrams: NgramIndex
    formal: FormalIndex
    unit_benchmark: pl.Series
    unit_problem: pl.Series
    unit_is_formal: pl.Series
    applied: list[Applied]


def fingerprint(copies: Sequence[Copy], ngram: int) -> str:
    """Return what an index depends on."""
    of = [[copy.benchmark.model_dump(mode="json", exclude={"path"}), copy.sha256] for copy in copies]
    return dataset.fingerprint([CODE, ngram, of])


def build(folder: Path, copies: Sequence[Copy], ngram: int) -> str:
    """Bring the index in a folder up to date, and return its fingerprint.

    The benchmarks are read one problem at a time; of their texts only hashes are kept.
    """
    wanted = fingerprint(copies, ngram)
    if _fingerprint_of(folder) == wanted:
        return wanted
    shutil.rmtree(folder, ignore_errors=True)
    building = folder.with_name(f".{folder.name}.tmp")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    _write(building, copies, ngram, wanted)
    building.rename(folder)
    load.cache_clear()
    return wanted


def _fingerprint_of(folder: Path) -> str | None:
    try:
        found: str = json.loads((folder / _META).read_text(encoding="utf-8"))["fingerprint"]
    except (FileNotFoundError, KeyError, ValueError):
        return None
    return found


def _write(folder: Path, copies: Sequence[Copy], ngram: int, wanted: str) -> None:
    collected = _Collected(copies)
    index = NgramIndex.build(collected.texts(), ngram)
    index.save(folder)
    FormalIndex(collected.targets).save(folder)
    units = collected.units().with_columns(is_short=pl.Series(index.is_short, dtype=pl.Boolean))
    units.write_parquet(folder / _UNITS)
    applied = [_applied(number, copy, units, collected) for number, copy in enumerate(copies)]
    meta = {"fingerprint": wanted, "applied": [one._asdict() for one in applied]}
    dataset.write_text(folder / _META, dataset.dump_json(meta))


@lru_cache(maxsize=1)
def load(folder: Path) -> Index:
    """Map an index; once for each process."""
    meta: dict[str, Any] = json.loads((folder / _META).read_text(encoding="utf-8"))
    units = pl.read_parquet(folder / _UNITS)
    return Index(
        ngrams=NgramIndex.load(folder),
        formal=FormalIndex.load(folder),
        unit_benchmark=units["benchmark"],
        unit_problem=units["problem"],
        unit_is_formal=units["is_formal"],
        applied=[Applied(**one) for one in meta["applied"]],
    )


class _Collected:
    """What is gathered while the problems of all benchmarks stream by."""

    def __init__(self, copies: Sequence[Copy]) -> None:
        self.copies = copies
        self.targets: list[Target] = []
        self.frames = [pl.DataFrame(schema=_UNIT_SCHEMA)]
        self.rows: tuple[list[int], list[str], list[bool]] = [], [], []
        self.problems = [0] * len(copies)
        self.empty = [0] * len(copies)

    def texts(self) -> Iterator[tuple[int, str]]:
        """Yield (number of the benchmark, text), noting whose each text is."""
        for number, copy in enumerate(self.copies):
            for problem in problems(copy):
                self.problems[number] += 1
                self.empty[number] += not (problem.texts or problem.formal or problem.theorem)
                formal = self._formal(number, copy, problem)
                for place, text in enumerate((*problem.texts, *formal)):
                    numbers, names, are_formal = self.rows
                    numbers.append(number)
                    names.append(problem.id)
                    are_formal.append(place >= len(problem.texts))
                    if len(numbers) >= _FRAME_ROWS:
                        self._close_frame()
                    yield number, text

    def units(self) -> pl.DataFrame:
        """Return whose each text is that was yielded: benchmark, problem, is_formal."""
        self._close_frame()
        return pl.concat(self.frames, rechunk=False)

    def _close_frame(self) -> None:
        """Lists of Python's values take ten times as much memory as columns."""
        self.frames.append(pl.DataFrame(self.rows, schema=_UNIT_SCHEMA, orient="col"))
        self.rows = [], [], []

    def _formal(self, number: int, copy: Copy, problem: Problem) -> list[str]:
        """Take a problem's formal statements and theorem; return the texts of its declarations."""
        benchmark, lang = copy.benchmark, copy.benchmark.lang
        if lang is None:
            return []
        found, sources = targets(number, problem.id, problem.formal, lang, benchmark.similarity)
        self.targets += [target._replace(path=problem.path) for target in found]
        if problem.theorem:
            name = problem.theorem
            self.targets.append(Target(number, problem.id, lang, name, problem.path, None, (), benchmark.similarity))
        return sources


def _applied(number: int, copy: Copy, units: pl.DataFrame, collected: _Collected) -> Applied:
    """Sum up one benchmark. A problem is too short if nothing of it can be found: no run, no statement, no name."""
    # Hashes of their names: the names of twenty million problems would be a gigabyte, twice.
    own = units.lazy().filter(pl.col("benchmark") == number).select(pl.col("problem").hash(), "is_short").collect()
    stated = pl.Series([target.problem for target in collected.targets if target.benchmark == number], dtype=pl.String)
    found = own.filter(~pl.col("is_short") | pl.col("problem").is_in(stated.hash().implode()))
    benchmark = copy.benchmark
    return Applied(
        name=benchmark.name,
        version=benchmark.version,
        title=benchmark.title,
        url=benchmark.url,
        license=benchmark.license,
        sha256=copy.sha256,
        problems=collected.problems[number],
        empty=collected.empty[number],
        too_short=own["problem"].n_unique() - found["problem"].n_unique(),
    )
