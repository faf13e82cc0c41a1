"""Check a release against itself: each promise is one line, and none trusts what another part says of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from algstack import dataset, documents
from algstack.dataset import StageRecord
from algstack.errors import DatasetError
from algstack.release import card, splits
from algstack.release.dropped import DROPPED
from algstack.release.facts import facts_of
from algstack.release.leaks import NAME as CLUSTERS
from algstack.release.policy import takes
from algstack.release.stage import CHECKSUMS
from algstack.release.statistics import Statistics, dropped_paths, measure, shard_paths, split_of_file

_SHARD = re.compile(r"(?P<split>.+)-(?P<number>\d{5})-of-(?P<of>\d{5})\.parquet")

_NUMBER = re.compile(r"\d[\d,.]*")

_UNREADABLE = (OSError, pa.ArrowException, pl.exceptions.PolarsError)


class Check(NamedTuple):
    """One promise: whether it holds, and what was seen."""

    name: str
    passed: bool
    detail: str


class _BrokenError(Exception):
    """A promise does not hold; the text says where."""


@dataclass(frozen=True)
class _Release:
    """A release that is being checked; what several checks need is read once."""

    path: Path
    shards: list[Path] = field(default_factory=list)

    def name(self, path: Path) -> str:
        return path.relative_to(self.path).as_posix()

    @cached_property
    def record(self) -> StageRecord:
        record = dataset.load_stage(self.path)
        if record is None:
            raise _BrokenError(f"{dataset.STAGE_FILE} is missing")
        return record

    @cached_property
    def statistics(self) -> Statistics:
        return measure(self.path)

    @cached_property
    def card(self) -> str:
        try:
            return (self.path / "README.md").read_text(encoding="utf-8")
        except FileNotFoundError:
            raise _BrokenError("README.md is missing") from None


def verify(path: Path) -> list[Check]:
    """Check a release folder.

    Raises:
        DatasetError: there is no release in that folder at all.
    """
    if not (path / dataset.STAGE_FILE).is_file() and not (path / CHECKSUMS).is_file():
        raise DatasetError(f"{path}: no release here (neither {dataset.STAGE_FILE} nor {CHECKSUMS}). Name its folder.")
    release = _Release(path, shard_paths(path))
    return [_checked(name, check, release) for name, check in CHECKS]


def _checked(name: str, check: Callable[[_Release], str], release: _Release) -> Check:
    try:
        return Check(name, True, check(release))
    except (_BrokenError, DatasetError) as error:
        return Check(name, False, str(error))
    except (KeyError, TypeError) as error:
        return Check(name, False, f"{dataset.STAGE_FILE} is not one of this version of algstack ({error})")
    except _UNREADABLE as error:
        return Check(name, False, f"cannot be read: {str(error).splitlines()[0]}")


def checksums(release: _Release) -> str:
    """Every file is listed in SHA256SUMS and has the sum that stands there."""
    try:
        text = (release.path / CHECKSUMS).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise _BrokenError(f"{CHECKSUMS} is missing") from None
    wanted = {name: digest for digest, _, name in (line.partition("  ") for line in text.splitlines())}
    files = (path for path in release.path.rglob("*") if path.is_file() and not path.name.startswith("."))
    found = {release.name(path) for path in files} - {CHECKSUMS}
    if missing := sorted(wanted.keys() - found):
        raise _BrokenError(f"{_some(missing)} missing")
    if strange := sorted(found - wanted.keys()):
        raise _BrokenError(f"{_some(strange)} not listed in {CHECKSUMS}")
    if changed := sorted(name for name, digest in wanted.items() if dataset.sha256_file(release.path / name) != digest):
        raise _BrokenError(f"{_some(changed)} changed after the release was made")
    return f"{len(wanted)} files"


def shards_complete(release: _Release) -> str:
    """The shards are those of stage.json, numbered without a gap, and none is empty."""
    recorded = {part.name for part in release.record.parts}
    found = {release.name(path) for path in (*release.shards, *dropped_paths(release.path))}
    if missing := sorted(recorded - found):
        raise _BrokenError(f"{_some(missing)} missing")
    if strange := sorted(found - recorded):
        raise _BrokenError(f"{_some(strange)} not in {dataset.STAGE_FILE}")
    numbers: dict[tuple[str, str, str], set[int]] = {}
    for path in release.shards:
        name = _SHARD.fullmatch(path.name)
        if name is None:
            raise _BrokenError(f"{release.name(path)}: not a shard's name")
        numbers.setdefault((path.parent.name, name["split"], name["of"]), set()).add(int(name["number"]))
    for (lang, split, of), present in numbers.items():
        if present != set(range(int(of))):
            raise _BrokenError(f"data/{lang}/{split}: {len(present)} shards of {int(of)}")
    if empty := [release.name(path) for path in release.shards if not pq.read_metadata(path).num_rows]:
        raise _BrokenError(f"{_some(empty)} empty")
    return f"{len(release.shards)} shards, none empty"


def schema(release: _Release) -> str:
    """All shards have the one schema of a release."""
    # A release of an earlier algstack knows of no signals.
    of_release = documents.release_schema(release.record.config["manifest"]["release"].get("signals", ()))
    wanted = [(path, of_release) for path in release.shards]
    for path, columns in [*wanted, *((path, DROPPED) for path in dropped_paths(release.path))]:
        found = pq.read_schema(path).remove_metadata()
        if not found.equals(columns):
            raise _BrokenError(f"{release.name(path)}: {_schema_difference(found, columns)}")
    return f"{len(of_release)} columns"


def _schema_difference(found: pa.Schema, columns: pa.Schema) -> str:
    for wanted in columns:
        if wanted.name not in found.names:
            return f"column `{wanted.name}` is missing"
        if not found.field(wanted.name).equals(wanted):
            return f"column `{wanted.name}` is `{found.field(wanted.name).type}`, not `{wanted.type}`"
    return "columns are in another order, or there is one too many"


def counts(release: _Release) -> str:
    """Rows and bytes counted again are those of stage.json."""
    files = (*release.shards, *dropped_paths(release.path))
    rows = {release.name(path): pq.read_metadata(path).num_rows for path in files}
    for part in release.record.parts:
        if rows.get(part.name) != part.rows:
            raise _BrokenError(f"{part.name}: {rows.get(part.name, 0)} rows, not {part.rows}")
    recorded, total = release.record.counts, release.statistics.total
    if (recorded.kept, recorded.bytes_kept) != (total.documents, total.bytes):
        raise _BrokenError(
            f"{total.documents} documents of {total.bytes} bytes, not {recorded.kept} of {recorded.bytes_kept}"
        )
    return f"{total.documents:,} documents, {total.bytes:,} bytes"


def texts(release: _Release) -> str:
    """Every text can be read, is not empty, and is as long as `size` says."""
    for path in release.shards:
        for batch in pq.ParquetFile(path).iter_batches(256, columns=["id", "text", "size"]):
            batch.validate(full=True)  # UTF-8, too
            frame = pl.DataFrame(batch)
            wrong = frame.filter((pl.col("text").str.len_bytes() != pl.col("size")) | (pl.col("size") == 0))
            if wrong.height:
                raise _BrokenError(f"{release.name(path)}: {wrong['id'][0]}: text is empty or not `size` bytes long")
    return "valid UTF-8, sizes as stated"


def unique_ids(release: _Release) -> str:
    """No id occurs twice, and ids are in order within a split."""
    hashes: list[pl.Series] = []
    for of_split in _by_place(release.shards).values():
        last = ""
        for path in of_split:
            ids = pl.read_parquet(path, columns=["id"], glob=False)["id"]
            if not ids.is_sorted() or (ids.len() and ids[0] < last):
                raise _BrokenError(f"{release.name(path)}: ids are not in order")
            last = ids[-1] if ids.len() else last
            hashes.append(ids.hash(0))
    together = pl.concat(hashes) if hashes else pl.Series(dtype=pl.UInt64)
    twice = together.filter(together.is_duplicated()).unique()
    if twice.len() and (name := _first_duplicate(release.shards, twice)):
        raise _BrokenError(f"{name} occurs twice")
    return f"{together.len():,} ids"


def _first_duplicate(shards: Sequence[Path], hashes: pl.Series) -> str | None:
    """Return an id that truly occurs twice among those with equal hashes."""
    all_ids = (pl.read_parquet(path, columns=["id"], glob=False)["id"] for path in shards)
    suspects = pl.concat([ids.filter(ids.hash(0).is_in(hashes.implode())) for ids in all_ids])
    twice = suspects.filter(suspects.is_duplicated()).sort()
    return twice[0] if twice.len() else None


def places(release: _Release) -> str:
    """A document lies in its language's folder."""
    for path in release.shards:
        languages = pl.read_parquet(path, columns=["lang"], glob=False)["lang"].unique().to_list()
        if languages != [path.parent.name]:
            raise _BrokenError(f"{release.name(path)}: holds the languages {languages}")
    return "each language in its folder"


def leaks(release: _Release) -> str:
    """No repository, and no question of a site, is in two splits: each is in the one that its name's hash says."""
    shares = tuple((str(split), float(share)) for split, share in release.record.config["splits"])
    seen: list[pl.Series] = []
    for path in release.shards:
        units = pl.scan_parquet(path, glob=False).select(splits.unit().str.to_lowercase()).unique(maintain_order=True)
        split = split_of_file(path)
        names = units.collect()["unit"]
        for unit in names:
            if splits.split_of(unit, shares) != split:
                said = splits.split_of(unit, shares)
                raise _BrokenError(f"{unit} is in {release.name(path)}, its name says that it is in {said}")
        seen.append(names.hash())
    units_seen = pl.concat(seen).n_unique() if seen else 0
    clusters = _clusters_in_one_split(release)
    return f"{units_seen:,} repositories or questions and {clusters:,} clusters, each in one split"


def _clusters_in_one_split(release: _Release) -> int:
    path = release.path / CLUSTERS
    if not path.is_file():
        return 0
    table = pl.read_parquet(path, glob=False)
    members = [
        pl.read_parquet(shard, columns=["id"], glob=False)
        .join(table, on="id")
        .with_columns(split=pl.lit(split_of_file(shard)))
        for shard in release.shards
    ]
    apart = pl.concat(members).filter(pl.col("split").n_unique().over("cluster") > 1).sort("cluster", "id")
    if apart.height:
        raise _BrokenError(f"{apart['id'][0]} is like documents of another split")
    return table["cluster"].n_unique()


def licences(release: _Release) -> str:
    """Every licence is one that the manifest's policy takes."""
    policy = release.record.config["manifest"]["release"].get("licenses", "any")
    for path in release.shards:
        for value in pl.read_parquet(path, columns=["license"], glob=False)["license"].unique().to_list():
            if not takes(policy, value):
                raise _BrokenError(f"{release.name(path)}: {value or 'an unknown licence'} is not {policy}")
    return f"all within the policy `{policy}`"


def card_numbers(release: _Release) -> str:
    """The card's front matter and tables say what the data says."""
    matter = _front_matter(release.card)
    facts = facts_of(release.record, release.path)
    expected = card.card_data(facts, release.statistics)
    for key in ("configs", "dataset_info", "size_categories"):
        if matter.get(key) != expected[key]:
            raise _BrokenError(f"README.md: `{key}` {_difference(matter.get(key), expected[key])}")
    wanted = card.fields(facts, release.statistics)
    for name in card.TABLES:
        head, *lines = wanted[name].splitlines() or [""]
        # A template of one's own need not have every table; one that is there must be right.
        for line in lines[1:] if head and head in release.card else ():
            if line not in release.card:
                raise _BrokenError(f"README.md: the data says `{line}`, the card does not")
    _refuse_other_numbers(release.card, card.render(facts, release.statistics))
    return "front matter, tables and sentences equal the data"


def _refuse_other_numbers(text: str, expected: str) -> None:
    """Compare lines that differ in their numbers only: the words can be those of a template, or of another version."""
    lines: dict[str, set[str]] = {}
    for line in expected.splitlines():
        lines.setdefault(_NUMBER.sub("#", line), set()).add(line)
    for line in text.splitlines():
        right = lines.get(_NUMBER.sub("#", line))
        if right and line not in right:
            raise _BrokenError(f"README.md: `{line:.120}`, the data says `{min(right):.120}`")


def _front_matter(text: str) -> dict[str, object]:
    parts = re.split(r"^---\s*$", text, maxsplit=2, flags=re.MULTILINE)
    try:
        matter = yaml.safe_load(parts[1]) if len(parts) == 3 and not parts[0] else None
    except yaml.YAMLError as error:
        raise _BrokenError(f"README.md: the front matter is not YAML ({str(error).splitlines()[0]})") from None
    if not isinstance(matter, dict):
        raise _BrokenError("README.md: no YAML front matter")
    return matter


def _difference(found: object, wanted: object, where: str = "") -> str:
    """Say where two nested values differ first."""
    if isinstance(found, dict) and isinstance(wanted, dict):
        for key in sorted(found.keys() | wanted.keys()):
            if found.get(key) != wanted.get(key):
                return _difference(found.get(key), wanted.get(key), f"{where}.{key}")
    if isinstance(found, list) and isinstance(wanted, list):
        for index, (one, other) in enumerate(zip_longest(found, wanted)):
            if one != other:
                return _difference(one, other, f"{where}[{index}]")
    return f"{where} is {found!r:.80}, the data says {wanted!r:.80}"


def _by_place(shards: Sequence[Path]) -> dict[tuple[str, str], list[Path]]:
    table: dict[tuple[str, str], list[Path]] = {}
    for path in shards:
        table.setdefault((path.parent.name, split_of_file(path)), []).append(path)
    return table


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return f"{names[0]}{more}:"


CHECKS: tuple[tuple[str, Callable[[_Release], str]], ...] = (
    ("checksums", checksums),
    ("shards", shards_complete),
    ("schema", schema),
    ("counts", counts),
    ("texts", texts),
    ("unique ids", unique_ids),
    ("languages", places),
    ("splits", leaks),
    ("licences", licences),
    ("card", card_numbers),
)
"""All checks, in the order in which they are told."""
