"""The index of a release: what later documents are deduplicated against without its text.

Beside a release `releases/1.0.0` lies `releases/1.0.0.dedup/`: Parquet files with the fingerprint, the signature, the
band keys and the shingle hashes of every document, and `index.json`, which says by what rules they were made. The
release itself is never changed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from algstack.dataset import dump_json, sha256_file, write_text, written_atomically
from algstack.dedup.bands import Bands
from algstack.dedup.digest import SKETCH_WORDS, Arena, Digester, Digests, band_keys
from algstack.dedup.fingerprint import fingerprints_of
from algstack.dedup.kernel import MOST_SHINGLES
from algstack.dedup.parts import ParquetPart, Part, parquet_parts
from algstack.dedup.texts import as_texts
from algstack.errors import DatasetError

SCHEME = "affine32, 5 tokens, 2"
"""Changes when the same text gives other hashes, or the files other columns."""

INDEX_FILE = "index.json"


class Loaded(NamedTuple):
    """What an index holds of a batch of documents; see State and Digests."""

    fingerprints: NDArray[np.uint64]
    sketches: NDArray[np.uint64]
    shingles: NDArray[np.uint32]
    body_sizes: NDArray[np.uint32]
    body_keys: NDArray[np.uint64]
    band_keys: NDArray[np.uint64]  # (n, bands)


@dataclass(frozen=True)
class Index:
    """An index on disk."""

    folder: Path
    about: dict[str, Any]

    DIGEST: ClassVar = ("fingerprint", "sketch", "shingles", "body_shingles", "body_key", "band_keys")

    @classmethod
    def open(cls, folder: Path) -> Index:
        """Open an index.

        Raises:
            DatasetError: there is none, or it was made by other rules than this version's.
        """
        try:
            about = json.loads((folder / INDEX_FILE).read_bytes())
        except FileNotFoundError:
            raise DatasetError(f"{folder}: there is no index here.") from None
        except ValueError as error:
            raise DatasetError(f"{folder / INDEX_FILE}: is not JSON ({error}). {_again(folder)}") from error
        if about.get("scheme") != SCHEME:
            raise DatasetError(
                f"{folder}: made by other rules ({about.get('scheme')}) than this version's ({SCHEME}). "
                f"{_again(folder)}"
            )
        return cls(folder, about)

    def check(self, bands: Bands) -> None:
        """Raise DatasetError unless the index was made for these bands."""
        made = Bands(self.about["bands"], self.about["rows"])
        if made != bands:
            raise DatasetError(
                f"{self.folder}: made for {made.bands} bands of {made.rows} rows, not {bands.bands} of {bands.rows}. "
                "Use the threshold and recall that it was made with, or remove the folder to have it made again."
            )

    def parts(self) -> list[ParquetPart]:
        """Return the documents as parts, which know `id`, `swhid`, `lang` and the index's own columns."""
        return [part for file in self.about["files"] for part in parquet_parts(self.folder / file["name"])]

    @staticmethod
    def digests(batch: pa.RecordBatch) -> Loaded:
        """Return the digests in a batch of the columns DIGEST."""
        fingerprint, sketch, shingles, body_sizes, body_keys, keys = (batch.column(name) for name in Index.DIGEST)
        return Loaded(
            _matrix(fingerprint), _matrix(sketch), shingles.to_numpy(), body_sizes.to_numpy(), body_keys.to_numpy(),
            _matrix(keys),
        )  # fmt: skip


def _again(folder: Path) -> str:
    return f"Remove {folder} to have it made again from the release."


def index_folder(release: Path) -> Path:
    """Return where a release's index lies: beside it."""
    return release.with_name(release.name + ".dedup")


def index_of(release: Path, bands: Bands) -> Index:
    """Return a release's index; make it from the release's texts if there is none.

    Raises:
        DatasetError: there is neither an index nor a release, or the index was made by other rules.
    """
    folder = index_folder(release)
    if (folder / INDEX_FILE).is_file():
        index = Index.open(folder)
        index.check(bands)
        return index
    shards = sorted((release / "data").glob("*/*.parquet"))
    if not shards:
        raise DatasetError(f"{release}: there are no shards here (data/*/*.parquet), and no index in {folder}.")
    return build([ParquetPart(shard) for shard in shards], bands, folder)


def schema(bands: Bands) -> pa.Schema:
    """Return the schema of an index's files."""
    return pa.schema(
        [
            pa.field("id", pa.string(), nullable=False),
            pa.field("swhid", pa.string()),
            pa.field("lang", pa.string()),
            pa.field("fingerprint", pa.list_(pa.uint64(), 2)),
            pa.field("sketch", pa.list_(pa.uint64(), SKETCH_WORDS)),
            pa.field("shingles", pa.uint32()),
            pa.field("body_shingles", pa.uint32()),
            pa.field("body_key", pa.uint64()),
            pa.field("band_keys", pa.list_(pa.uint64(), bands.bands)),
            pa.field("signature", pa.list_(pa.uint32(), bands.values)),
            pa.field("hashes", pa.large_list(pa.uint64())),
        ]
    )


def build(parts: Sequence[Part], bands: Bands, folder: Path) -> Index:
    """Write the index of documents and return it.

    Args:
        parts: the documents; `id` and `text`, and `swhid` and `lang` where they are known.
        bands: how signatures are cut: that of the threshold that will be deduplicated with.
        folder: where to write it; what is there is replaced.
    """
    files, documents = [], 0
    for number, part in enumerate(parts):
        name = f"index-{number:05}.parquet"
        with (
            written_atomically(folder / name) as temporary,
            pq.ParquetWriter(temporary, schema(bands), compression="zstd", use_dictionary=False) as writer,
        ):
            for rows in _rows(part, bands):
                writer.write_batch(rows)
                documents += rows.num_rows
        files.append({"name": name, "sha256": sha256_file(folder / name)})
    about = {"scheme": SCHEME, "bands": bands.bands, "rows": bands.rows, "documents": documents, "files": files}
    write_text(folder / INDEX_FILE, dump_json(about))
    return Index(folder, about)


def _rows(part: Part, bands: Bands) -> Iterator[pa.RecordBatch]:
    for batch in part.batches(["id", "swhid", "lang", "text"]):
        texts = as_texts(batch.column(3))
        size = int(texts.offsets[-1] - texts.offsets[0]) // 2 + MOST_SHINGLES
        arena = Arena(size, chunk=size)
        digester = Digester(bands, arena, 1, keep_signatures=True)
        digests = digester.digest(texts, 0, texts.valid, np.zeros(len(texts), np.uint64))
        keys = band_keys(digests.signatures, bands)
        columns = {
            "fingerprint": _lists(fingerprints_of(texts)),
            "sketch": _lists(digests.sketches),
            "shingles": pa.array(digests.shingles),
            "body_shingles": pa.array(digests.body_sizes),
            "body_key": pa.array(digests.body_keys),
            "band_keys": _lists(keys),
            "signature": _lists(digests.signatures),
            "hashes": _hashes(digests, arena),
        }
        given = {name: batch.column(name).cast(pa.string()) for name in ("id", "swhid", "lang")}
        yield pa.RecordBatch.from_pydict({**given, **columns}, schema=schema(bands))


def _hashes(digests: Digests, arena: Arena) -> pa.Array:
    """Return the shingle hashes of each text; a text too large to be compared has none."""
    stored = digests.starts >= 0
    sizes = np.where(stored, digests.shingles, 0).astype(np.int64)
    bounds = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])
    # They were written one after the other.
    return pa.LargeListArray.from_arrays(pa.array(bounds), pa.array(arena.hashes[: bounds[-1]]))


def _lists(matrix: NDArray[Any]) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(pa.array(matrix.ravel()), matrix.shape[1])


def _matrix(lists: pa.Array) -> NDArray[np.uint64]:
    values: NDArray[np.uint64] = lists.flatten().to_numpy()
    return values.reshape(len(lists), -1)


class Swhids:
    """The SWHIDs of earlier releases, to find documents of the same original bytes before anything is hashed."""

    def __init__(self, halves: NDArray[np.uint64], documents: NDArray[np.int64]) -> None:
        """Take the first 128 bits of each sha1, (n, 2), and whose they are."""
        order = np.lexsort((documents, halves[:, 1], halves[:, 0]))
        self._halves, self._documents = halves[order], documents[order]

    @classmethod
    def of(cls, parts: Sequence[Part]) -> Swhids:
        """Read the SWHIDs of documents, which are numbered in the order of the parts."""
        found = [_sha1s(batch.column(0)) for part in parts for batch in part.batches(["swhid"])]
        halves = np.concatenate([np.zeros((0, 2), np.uint64), *found])
        known = halves.any(axis=1)
        return cls(halves[known], np.flatnonzero(known))

    def __len__(self) -> int:
        return len(self._documents)

    def find(self, swhids: pa.Array) -> NDArray[np.int64]:
        """Return the first document with each of these SWHIDs, -1 where there is none."""
        wanted = _sha1s(swhids)
        place = np.searchsorted(self._halves[:, 0], wanted[:, 0])
        place = np.minimum(place, len(self) - 1)
        same = (self._halves[place] == wanted).all(axis=1) & wanted.any(axis=1)
        return np.where(same, self._documents[place], -1)


def _sha1s(swhids: pa.Array) -> NDArray[np.uint64]:
    """Return the first 128 bits of the sha1 in each SWHID of a content, zeros where there is none."""
    digits = [(name or "").removeprefix("swh:1:cnt:") for name in swhids.to_pylist()]
    whole = b"".join(bytes.fromhex(name[:32]) if len(name) == 40 else bytes(16) for name in digits)
    return np.frombuffer(whole, ">u8").astype(np.uint64).reshape(-1, 2)
