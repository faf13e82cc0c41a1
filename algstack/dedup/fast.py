"""The fast engine: the same drops as the oracle, at the speed of the disk, in bounded memory.

The first reading of the documents makes a digest of each new text (`digest`): keys, which spill to disk by partition, a
sketch, and its shingles as long as they fit into memory. Documents that share a key form groups; groups that share a
document, a component. Components are independent of each other, so they are put into buckets that fit into memory; a
second reading brings the shingles that are missing, and keepers are taken in the keeper order, each drop proven by the
exact Jaccard similarity.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from algstack.dedup import buckets, groups, radix, verify
from algstack.dedup.digest import LARGEST, Arena, Digester, keys_of, least_agreement, partition_bits
from algstack.dedup.fingerprint import fingerprints_of
from algstack.dedup.groups import Groups, GroupSet
from algstack.dedup.index import Index, Swhids
from algstack.dedup.judge import Judge
from algstack.dedup.keepers import COLUMNS, check_unique_ids, in_keeper_order
from algstack.dedup.kernel import new_scratch
from algstack.dedup.parts import Numbering, Part, chosen_rows, take
from algstack.dedup.seen import Seen
from algstack.dedup.shelf import Shelf
from algstack.dedup.spill import Spill
from algstack.dedup.state import Drops, Settings, State, room
from algstack.dedup.texts import as_texts
from algstack.errors import AlgstackError, DatasetError


class Deduplication:
    """One run over parts of documents, and against earlier releases, whose documents stay whatever comes.

    Afterwards `drops` names the dropped documents by their number, `components` a number that the documents of each
    connected component share if it was asked for, and `drops_of` a part's drops by their ids.

    Raises:
        AlgstackError: the threshold or the recall is out of its range, or two documents share an id.
        DatasetError: an index was made for another threshold, a part cannot be read, or the disk is full.
    """

    def __init__(self, parts: Sequence[Part], settings: Settings, folder: Path, against: Sequence[Index] = ()) -> None:
        """Make it ready; `folder` is where what does not fit into memory goes."""
        self.settings, self.folder = settings, folder
        self.cut = settings.bands
        self.least = least_agreement(settings.threshold, self.cut.values)
        for index in against:
            index.check(self.cut)
        earlier = [part for index in against for part in index.parts()]
        self.parts: list[Part] = [*earlier, *parts]
        self.new = range(len(earlier), len(self.parts))
        self.earlier = range(len(earlier))
        self.components: NDArray[np.uint32] | None = None
        self._local = threading.local()

    def run(self) -> Drops:
        """Return the documents to drop."""
        with ThreadPoolExecutor(self.settings.workers) as self.pool:
            self._number()
            self._digest()
            self._label()
            self.drops = self._decide(self._find_groups())
        return self.drops

    def _spill(self, name: str, share: int) -> Spill:
        return Spill(self.folder, name, self.room // share, 1 << self.bits)

    def _each(self, work: Callable[[int], None], parts: Sequence[int]) -> None:
        list(self.pool.map(work, parts))

    def _each_partition(self, spill: Spill, work: Callable[[NDArray[np.uint64]], None]) -> None:
        """Do something with the rows of each partition, and forget them all."""
        self._each(lambda number: work(spill.partition(number)), range(spill.partitions))
        spill.discard()

    # First: how many documents there are, and that their ids are unique.

    def _number(self) -> None:
        read = list(self.pool.map(_read_ids, self.parts))
        self.numbering = Numbering(map(len, read))
        if len(self.numbering) >= 1 << 32:
            raise AlgstackError(f"{len(self.numbering)} documents are too many for one run: at most 2^32.")
        self.bits = partition_bits(len(self.numbering), self.cut.bands)
        self.state = State.of(len(self.numbering), int(self.numbering.starts[len(self.earlier)]))
        self.room = room(self.settings.memory, len(self.numbering))
        ids = self._spill("ids", 8)
        for part in self.new:
            found, first = read[part], int(self.numbering.starts[part])
            ids.add(keys_of(found, np.ones(len(found), np.bool_), self.bits, first))
        self._check_ids(ids)

    def _check_ids(self, ids: Spill) -> None:
        suspects: list[NDArray[np.uint32]] = []
        self._each_partition(ids, lambda rows: suspects.append(_repeated(rows)))
        documents = np.unique(np.concatenate(suspects))
        check_unique_ids(pl.Series(self._take(documents, ["id"])["id"]))

    def _take(self, documents: NDArray[np.uint32], columns: Sequence[str]) -> pl.DataFrame:
        frame = pl.from_arrow(take(self.parts, self.numbering, documents, columns, self.settings.workers))
        assert isinstance(frame, pl.DataFrame)
        return frame

    # Second: a digest of every text that was not seen before.

    def _digest(self) -> None:
        self.exact, self.banded = self._spill("exact", 16), self._spill("bands", 8)
        self.bodied = self._spill("bodies", 16)
        self.arena = Arena(self.room // 4 // 8)
        self.seen = Seen(min(len(self.numbering), self.room // 8 // Seen.BYTES))
        self._each(self._load_earlier, self.earlier)
        self.swhids = Swhids.of(self.parts[: len(self.earlier)])
        self._each(self._digest_part, self.new)
        del self.seen

    def _load_earlier(self, part: int) -> None:
        """Take what an index holds of an earlier release's documents for their digests."""
        first = int(self.numbering.starts[part])
        for batch in self.parts[part].batches([*Index.DIGEST, *self._within]):
            rows, count = slice(first, first + batch.num_rows), batch.num_rows
            loaded, salts = Index.digests(batch), self._salts(batch)
            self.state.fingerprints[rows] = loaded.fingerprints ^ salts[:, None]
            self.state.sketches[rows] = loaded.sketches
            self.state.shingles[rows] = loaded.shingles
            self.state.body_sizes[rows] = loaded.body_sizes
            self.state.signed[rows] = True
            self.exact.add(keys_of(self.state.fingerprints[rows, 0], np.ones(count, np.bool_), self.bits, first))
            compared = (loaded.shingles > 0) & (loaded.shingles <= LARGEST)
            self.bodied.add(keys_of(loaded.body_keys ^ salts, compared & (loaded.body_sizes > 0), self.bits, first))
            for band in range(self.cut.bands):
                keys = loaded.band_keys[:, band] ^ salts
                self.banded.add(keys_of(keys, compared, self.bits, first))
            first += count

    def _digest_part(self, part: int) -> None:
        state, first = self.state, int(self.numbering.starts[part])
        columns = ["text", *(["swhid"] if len(self.swhids) else []), *self._within]
        for batch in self.parts[part].batches(columns):
            texts = as_texts(batch.column(0))
            rows, salts, wanted = slice(first, first + len(texts)), self._salts(batch), texts.valid
            if len(self.swhids):
                known = self.swhids.find(batch.column(1))
                state.known[rows] = known
                wanted = wanted & (known < 0)
            found = fingerprints_of(texts) ^ salts[:, None]
            new = self.seen.claim(found, wanted)
            digests = self._digester().digest(texts, first, new, salts)
            state.fingerprints[rows] = found
            state.sketches[rows] = digests.sketches
            state.shingles[rows] = digests.shingles
            state.body_sizes[rows] = digests.body_sizes
            state.starts[rows] = digests.starts
            state.signed[rows] = new
            self.exact.add(keys_of(found[:, 0], wanted, self.bits, first))
            self.bodied.add(keys_of(digests.body_keys ^ salts, digests.body_sizes > 0, self.bits, first))
            self.banded.add(digests.bands)
            first += len(texts)

    @property
    def _within(self) -> list[str]:
        return [self.settings.within] if self.settings.within else []

    def _salts(self, batch: pa.RecordBatch) -> NDArray[np.uint64]:
        """Return a number for what each document must share with its duplicates: nothing unless a column says it."""
        if not self.settings.within:
            return np.zeros(batch.num_rows, np.uint64)
        column = batch.column(batch.schema.get_field_index(self.settings.within))
        return fingerprints_of(as_texts(column.cast(pa.string()).fill_null("")))[:, 0].copy()

    def _digester(self) -> Digester:
        if not hasattr(self._local, "digester"):
            self._local.digester = Digester(self.cut, self.arena, self.bits)
        digester: Digester = self._local.digester
        return digester

    # Third: documents with the same text, which one of them stands for from here on.

    def _label(self) -> None:
        state = self.state
        self.copies = np.zeros(len(self.numbering), np.bool_)  # documents with the text of another
        self._each_partition(self.exact, self._label_copies)
        known = np.flatnonzero(state.known >= 0)
        state.labels[known] = state.labels[state.known[known]]
        self.copies[known] = True
        self.copies[state.known[known]] = True

    def _label_copies(self, rows: NDArray[np.uint64]) -> None:
        state = self.state
        documents = _repeated(rows)
        if not len(documents):
            return
        found = state.fingerprints[documents]
        order = np.lexsort((documents, found[:, 1], found[:, 0]))
        documents, found = documents[order], found[order]
        begins = np.flatnonzero(np.r_[True, (found[1:] != found[:-1]).any(axis=1)])
        sizes = np.diff(np.r_[begins, len(documents)])
        # Of those that have a sketch, which may be several, the first.
        signed = np.where(state.signed[documents], documents, np.uint32(0xFFFFFFFF))
        state.labels[documents] = np.repeat(np.minimum.reduceat(signed, begins), sizes)
        self.copies[documents] = np.repeat(sizes > 1, sizes)

    # Fourth: who shares a key with whom.

    def _find_groups(self) -> Groups:
        found, state = GroupSet(), self.state
        self._each_partition(
            self.banded, lambda rows: groups.find(rows, state.labels, state.sketches, self.least, found)
        )
        # Documents with the same body may be unlike as a whole: their sketches do not count.
        self._each_partition(self.bodied, lambda rows: groups.find(rows, state.labels, state.sketches, 0, found))
        return found.groups()

    # Fifth: bucket by bucket, keepers.

    def _decide(self, found: Groups) -> Drops:
        grouped = np.zeros(len(self.numbering), np.bool_)
        grouped[found.members] = True
        roots = self.state.labels.copy()
        groups.unite(found.members, found.starts, roots)
        groups.flatten(roots)
        if self.settings.components:
            self.components = self.state.labels.copy()
        involved = np.flatnonzero(self.copies | grouped).astype(np.uint32)
        budget = self.room // 4
        filled = buckets.fill(involved, roots, grouped, self.state, budget)
        shelf = self._shelve(filled, grouped, budget)
        decided = [
            self._decide_bucket(documents, shelf, bucket, found, grouped, roots)
            for bucket, documents in enumerate(filled)
        ]
        shelf.discard()
        drops = buckets.merged([drops for drops, _ in decided])
        named = pl.DataFrame(schema={"document": pl.UInt32, "id": pl.String})
        self._keepers = pl.concat([named, *(keepers for _, keepers in decided)]).sort("document")
        if self.components is not None:
            groups.flatten(self.components)
        return drops

    def _decide_bucket(
        self,
        documents: NDArray[np.uint32],
        shelf: Shelf,
        bucket: int,
        found: Groups,
        grouped: NDArray[np.bool_],
        roots: NDArray[np.uint32],
    ) -> tuple[Drops, pl.DataFrame]:
        """Return the drops among a bucket's documents, and the `document` and `id` of their keepers."""
        ranked, ids = self._in_order(documents)
        # The first document of each text is the one to keep, should the text be kept.
        texts, firsts, text_of = np.unique(self.state.labels[ranked], return_index=True, return_inverse=True)
        compared = grouped[texts]
        nodes = texts[compared][np.argsort(firsts[compared])]
        verdicts = self._verdicts(nodes, shelf, bucket, found, roots)
        drops = buckets.drops_of(ranked, text_of, texts, ranked[firsts], nodes, verdicts, self.state.frozen)
        return drops, self._named(np.unique(drops.keepers), ids)

    def _in_order(self, documents: NDArray[np.uint32]) -> tuple[NDArray[np.uint32], pl.DataFrame]:
        """Return documents in keeper order, those of earlier releases before all others, and the others' ids."""
        earlier, new = np.split(documents, [np.searchsorted(documents, self.state.frozen)])
        frame = self._take(new, COLUMNS).with_columns(document=pl.Series(new))
        ordered = in_keeper_order(frame, self.settings.order)
        return np.concatenate([earlier, ordered["document"].to_numpy()]), frame.select("document", "id")

    def _named(self, keepers: NDArray[np.uint32], ids: pl.DataFrame) -> pl.DataFrame:
        """Return the ids of ascending keepers, which are among those given unless an earlier release has them."""
        earlier, new = np.split(keepers, [np.searchsorted(keepers, self.state.frozen)])
        rows = np.searchsorted(ids["document"].to_numpy(), new)
        names = pl.concat([self.names_of(earlier), ids["id"].gather(rows).cast(pl.String)])
        return pl.DataFrame({"document": keepers, "id": names})

    def _verdicts(
        self, nodes: NDArray[np.uint32], shelf: Shelf, bucket: int, found: Groups, roots: NDArray[np.uint32]
    ) -> verify.Verdicts:
        state, settings = self.state, self.settings
        sizes, body_sizes = state.shingles[nodes].astype(np.int64), state.body_sizes[nodes].astype(np.int64)
        nothing = np.zeros(0, np.uint64)  # yet
        sets = verify.Sets(self.arena.hashes, nothing, state.starts[nodes], sizes, body_sizes)
        prepared = buckets.prepare(nodes, found, sets, state)
        judge = Judge.of(prepared, nodes, settings.threshold, self.least, self.components)
        judge.decide(shelf, bucket, roots[nodes], self.pool, settings.workers)
        return judge.verdicts

    def _shelve(self, filled: Sequence[NDArray[np.uint32]], grouped: NDArray[np.bool_], budget: int) -> Shelf:
        """Read the shingles again that are to be compared and are not in memory, those of all buckets in one pass.

        A bucket's lie on its shelf in the order of the documents; `starts` says where.
        """
        state = self.state
        bucket_of = np.full(len(self.numbering), -1, np.int32)
        sizes = np.zeros(len(filled), np.int64)
        for bucket, documents in enumerate(filled):
            missing = documents[grouped[documents] & (state.starts[documents] < 0)]
            ends = np.cumsum(state.shingles[missing], dtype=np.int64)
            state.starts[missing] = -1 - (ends - state.shingles[missing])
            bucket_of[missing] = bucket
            sizes[bucket] = ends[-1] if len(ends) else 0
        shelf = Shelf(self.folder / "shingles", sizes, buckets.limits(filled, budget))
        self._each(lambda part: self._shelve_earlier(part, bucket_of, shelf), self.earlier)
        self._each(lambda part: self._shelve_part(part, bucket_of, shelf), self.new)
        return shelf

    def _shelve_part(self, part: int, bucket_of: NDArray[np.int32], shelf: Shelf) -> None:
        scratch = new_scratch()
        for rows, documents, batch in self._by_bucket(part, bucket_of, "text"):
            sizes = self.state.shingles[documents].astype(np.int64)
            texts, read = as_texts(batch.column(0)), np.empty(int(sizes.sum()), np.uint64)
            slots = np.full(len(texts), -1, np.int64)
            slots[rows] = np.arange(len(rows))
            verify.read_hashes(texts.data, texts.offsets, slots, scratch, -1 - (np.cumsum(sizes) - sizes), read)
            self._put(documents, bucket_of, read, shelf)

    def _shelve_earlier(self, part: int, bucket_of: NDArray[np.int32], shelf: Shelf) -> None:
        """The same from an index, which holds the shingles themselves."""
        for rows, documents, batch in self._by_bucket(part, bucket_of, "hashes"):
            read = batch.column(0).take(pa.array(rows)).flatten().to_numpy()
            self._put(documents, bucket_of, read, shelf)

    def _by_bucket(
        self, part: int, bucket_of: NDArray[np.int32], column: str
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], pa.RecordBatch]]:
        """Yield a part's batches with the rows and the documents in them that are in a bucket, sorted by bucket."""
        start, end = self.numbering.starts[part : part + 2]
        wanted = np.flatnonzero(bucket_of[start:end] >= 0)
        for first, rows, batch in chosen_rows(self.parts[part], wanted, [column]):
            documents = rows + first + start
            order = np.argsort(bucket_of[documents], kind="stable")
            yield rows[order], documents[order], batch

    def _put(
        self, documents: NDArray[np.int64], bucket_of: NDArray[np.int32], read: NDArray[np.uint64], shelf: Shelf
    ) -> None:
        """Put the shingles of neighbouring documents, which are sorted by bucket, on their buckets' shelves."""
        ends = np.cumsum(self.state.shingles[documents], dtype=np.int64)
        changes = np.flatnonzero(np.diff(bucket_of[documents], prepend=-1))
        begins = ends[changes] - self.state.shingles[documents[changes]]
        for one, begin, end in zip(documents[changes], begins, [*begins[1:], len(read)], strict=True):
            shelf.write(int(bucket_of[one]), int(-1 - self.state.starts[one]), read[begin:end])

    # What came of it, by ids.

    def names_of(self, documents: NDArray[np.uint32]) -> pl.Series:
        """Return the ids of documents with these ascending numbers."""
        return self._take(documents, ["id"])["id"].cast(pl.String)

    def drops_of(self, part: int, end: int | None = None) -> pl.DataFrame:
        """Return the drops of one of the parts given, or of all from it to before another.

        Returns:
            `row`, counted from the first part's first one; the index of the `rule`; `keeper`, an id; `similarity`.
        """
        bounds = [self.new.start + part, self.new.start + (part + 1 if end is None else end)]
        first, behind = self.numbering.starts[bounds]
        low, high = np.searchsorted(self.drops.documents, [first, behind])
        keepers = np.searchsorted(self._keepers["document"].to_numpy(), self.drops.keepers[low:high])
        return pl.DataFrame(
            {
                "row": self.drops.documents[low:high].astype(np.int64) - first,
                "rule": self.drops.rules[low:high],
                "keeper": self._keepers["id"].gather(keepers),
                "similarity": self.drops.similarities[low:high],
            }
        )


def _read_ids(part: Part) -> NDArray[np.uint64]:
    """Return a hash of each id of a part."""
    found = [np.zeros(0, np.uint64)]
    for batch in part.batches(["id"]):
        texts = as_texts(batch.column(0))
        if not texts.valid.all():
            raise DatasetError("A document has no id. Name the column that holds ids with --id-column.")
        found.append(fingerprints_of(texts)[:, 0])
    return np.concatenate(found)


def _repeated(rows: NDArray[np.uint64]) -> NDArray[np.uint32]:
    """Return the documents whose key another document has too."""
    if not len(rows):
        return np.zeros(0, np.uint32)
    radix.sort(rows)
    keys = rows >> np.uint64(32)
    same = keys[1:] == keys[:-1]
    repeated: NDArray[np.uint64] = rows[np.r_[same, False] | np.r_[False, same]]
    return repeated.astype(np.uint32)
