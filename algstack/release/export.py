"""Export a release in the original's layout: JSON lines of `{text, meta}`, zstd, as Proof-Pile-2 had them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from algstack import dataset, engine
from algstack.errors import AlgstackError, DatasetError
from algstack.release.stage import CHECKSUMS, write_checksums
from algstack.release.statistics import shard_paths

FORMAT = "jsonl.zst"

ROWS = 256
"""Documents in memory at once."""


def beside(release: Path) -> Path:
    """Where the export of a release is put."""
    return release.with_name(f"{release.name}-{FORMAT}")


def export(release: Path, target: Path, workers: int = 1) -> list[Path]:
    """Write `<split>/<lang>0000.jsonl.zst`, one file for each shard, with checksums.

    Args:
        release: the folder of a release.
        target: a folder that is not there yet, or one of an export of the same release.

    Returns:
        The files.

    Raises:
        DatasetError: there is no release.
        AlgstackError: the target is something else.
    """
    if dataset.load_stage(release) is None:
        raise DatasetError(f"{release}: no release here. `algstack release` makes one.")
    if target.exists():
        if not (target / CHECKSUMS).is_file():
            raise AlgstackError(f"{target}: is there already and is no finished export. Remove it or choose another.")
        return sorted(target.glob("*/*.jsonl.zst"))
    building = target.with_name(f".building-{target.name}")
    shutil.rmtree(building, ignore_errors=True)
    tasks = [(path, building / _name(path)) for path in shard_paths(release)]
    for _ in engine.run(_export_shard, tasks, workers):
        pass
    write_checksums(building)
    building.rename(target)
    return sorted(target.glob("*/*.jsonl.zst"))


def _name(shard: Path) -> str:
    split, number, _, _ = shard.name.rsplit("-", 3)
    return f"{split}/{shard.parent.name}{int(number):04d}.jsonl.zst"


def _export_shard(task: tuple[Path, Path]) -> Path:
    shard, target = task
    with dataset.written_atomically(target) as temporary, pa.CompressedOutputStream(str(temporary), "zstd") as stream:
        for line in _lines(shard):
            stream.write(line)
    return target


def _lines(shard: Path) -> Iterator[bytes]:
    for batch in pq.ParquetFile(shard).iter_batches(ROWS):
        for row in batch.to_pylist():
            yield json.dumps(as_line(row), ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def as_line(row: dict[str, Any]) -> dict[str, Any]:
    """Return `{text, meta}` of a row: every other column is in `meta`, those without a value are not."""
    meta = {name: _plain(value) for name, value in row.items() if name != "text" and value is not None}
    return {"text": row["text"], "meta": meta}


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value
