"""The fast engine: the same drops as the oracle, at the speed of the disk, in bounded memory.

Documents are read twice at most. The first reading makes a digest of each new text (`digest`): keys, which spill to
disk by partition, and a sketch. Documents that share a key form groups; groups that share a document, a component.
Components are independent of each other, so they are put into buckets that fit into memory; the second reading brings a
bucket's distinct shingles, and keepers are taken in the keeper order, each drop proven by the exact Jaccard similarity.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from algstack.dedup import groups, verify
from algstack.dedup.bands import RECALL, Bands, choose
from algstack.dedup.digest import SKETCH_WORDS, Arena, Digester, keys_of_fingerprints, least_agreement, partition_bits
from algstack.dedup.fingerprint import fingerprints
from algstack.dedup.groups import Groups, GroupSet
from algstack.dedup.keepers import COLUMNS, EXACT, NEAR, ORDER, SAME_BODY, Criterion, in_keeper_order
from algstack.dedup.kernel import new_scratch
from algstack.dedup.parts import Numbering, Part, chosen_rows, take
from algstack.dedup.seen import Seen
from algstack.dedup.spill import Spill
from algstack.dedup.texts import Texts, as_texts
from algstack.errors import AlgstackError, DatasetError

MEMORY = 2 << 30

RULES = (EXACT, SAME_BODY, NEAR)
_RULE_OF_VERDICT = np.array([0, 1, 2], np.uint8)  # indices of RULES by verify's BY_BODY, BY_SHINGLES

DOCUMENT_BYTES = 300
"""What a document that may be a duplicate takes in memory beside its shingles: its id, its attributes, its groups."""


@dataclass(frozen=True)
class Settings:
    """What is a duplicate, and what may be used to find it."""

    threshold: float = 0.7
    recall: float = RECALL
    order: Sequence[Criterion] = ORDER
    within: str | None = None  # the column that two duplicates must agree in
    memory: int = MEMORY
    workers: int = 1

    @property
    def bands(self) -> Bands:
        """How signatures are cut."""
        return choose(self.threshold, self.recall)


class Drops(NamedTuple):
    """The dropped documents by number, ascending; rules are indices of RULES."""

    documents: NDArray[np.uint32]
    keepers: NDArray[np.uint32]
    rules: NDArray[np.uint8]
    similarities: NDArray[np.float64]


@dataclass
class State:
    """What is kept of every document in memory, by its number: 69 bytes."""

    fingerprints: NDArray[np.uint64]  # (n, 2)
    sketches: NDArray[np.uint64]  # (n, 4)
    shingles: NDArray[np.uint32]  # how many, repetitions included
    body_sizes: NDArray[np.uint32]  # how many of them, the last ones, are of the body
    starts: NDArray[np.int64]  # where they lie in the arena, -1 if they do not
    labels: NDArray[np.uint32]  # the document that stands for all with its text
    signed: NDArray[np.bool_]  # whether it has a sketch and keys of its own
    frozen: int = 0  # documents before this number are an earlier release's

    @classmethod
    def of(cls, count: int) -> State:
        """Return the state of so many documents of which nothing is known yet."""
        return cls(
            np.zeros((count, 2), np.uint64),
            np.zeros((count, SKETCH_WORDS), np.uint64),
            np.zeros(count, np.uint32),
            np.zeros(count, np.uint32),
            np.full(count, -1, np.int64),
            np.arange(count, dtype=np.uint32),
            np.zeros(count, np.bool_),
        )


class Deduplication:
    """One run over parts of documents."""

    def __init__(self, parts: Sequence[Part], settings: Settings, folder: Path) -> None:
        """Make it ready; `folder` is where what does not fit into memory goes."""
        self.parts, self.settings, self.folder = parts, settings, folder
        self.cut = settings.bands
        self.least = least_agreement(settings.threshold, self.cut.values)
        self._local = threading.local()

    def run(self) -> Drops:
        """Return the documents to drop."""
        with ThreadPoolExecutor(self.settings.workers) as self.pool:
            self._number()
            self._digest()
            self._label()
            found = self._find_groups()
            return self._decide(found)

    def _spill(self, name: str, share: int) -> Spill:
        return Spill(self.folder, name, self.settings.memory // share, 1 << self.bits)

    def _each_partition(self, spill: Spill, work: Callable[[NDArray[np.uint64]], None]) -> None:
        """Do something with the rows of each partition, and forget them all."""
        list(self.pool.map(lambda number: work(spill.partition(number)), range(spill.partitions)))
        spill.discard()

    # First: how many documents there are, and that their ids are unique.

    def _number(self) -> None:
        counts = list(self.pool.map(self._count, self.parts))
        self.numbering = Numbering(counts)
        if len(self.numbering) >= 1 << 32:
            raise AlgstackError(f"{len(self.numbering)} documents are too many for one run: at most 2^32.")
        self.bits = partition_bits(len(self.numbering), self.cut.bands)
        ids = self._spill("ids", 8)
        list(self.pool.map(lambda part: self._read_ids(part, ids), range(len(self.parts))))
        self._check_ids(ids)
        self.state = State.of(len(self.numbering))

    def _count(self, part: Part) -> int:
        return sum(batch.num_rows for batch in part.batches(["id"]))

    def _read_ids(self, part: int, ids: Spill) -> None:
        first = int(self.numbering.starts[part])
        for batch in self.parts[part].batches(["id"]):
            texts = as_texts(batch.column(0))
            if not texts.valid.all():
                raise DatasetError("A document has no id. Name the column that holds ids with --id-column.")
            ids.add(keys_of_fingerprints(_fingerprints(texts), texts.valid, self.bits, first))
            first += batch.num_rows

    def _check_ids(self, ids: Spill) -> None:
        suspects: list[NDArray[np.uint32]] = []
        self._each_partition(ids, lambda rows: suspects.append(_repeated(rows)))
        documents = np.unique(np.concatenate(suspects))
        if len(documents):
            names = pl.Series(take(self.parts, self.numbering, documents, ["id"], self.pool).column(0))
            twice = names.filter(names.is_duplicated())
            if len(twice):
                raise DatasetError(
                    f"The id {twice.sort()[0]} stands more than once ({len(twice)} such rows in all). "
                    "Ids must be unique: name another column with --id-column, or make them so."
                )

    # Second: a digest of every text that was not seen before.

    def _digest(self) -> None:
        self.exact, self.banded, self.bodied = (
            self._spill("exact", 16),
            self._spill("bands", 8),
            self._spill("bodies", 16),
        )
        self.arena = Arena(self.settings.memory // 4 // 8)
        self.seen = Seen(min(len(self.numbering), self.settings.memory // 8 // Seen.BYTES))
        list(self.pool.map(self._digest_part, range(len(self.parts))))
        del self.seen

    def _digest_part(self, part: int) -> None:
        state, first = self.state, int(self.numbering.starts[part])
        columns = ["text", self.settings.within] if self.settings.within else ["text"]
        for batch in self.parts[part].batches(columns):
            texts = as_texts(batch.column(0))
            rows = slice(first, first + len(texts))
            salts = _salts(batch, len(texts))
            found = _fingerprints(texts) ^ salts[:, None]
            new = self.seen.claim(found, texts.valid)
            digests = self._digester().digest(texts, first, new, salts)
            state.fingerprints[rows] = found
            state.sketches[rows] = digests.sketches
            state.shingles[rows] = digests.shingles
            state.body_sizes[rows] = digests.body_sizes
            state.starts[rows] = digests.starts
            state.signed[rows] = new
            self.exact.add(keys_of_fingerprints(found, texts.valid, self.bits, first))
            self.banded.add(digests.bands)
            self.bodied.add(digests.bodies)
            first += len(texts)

    def _digester(self) -> Digester:
        if not hasattr(self._local, "digester"):
            self._local.digester = Digester(self.cut, self.arena, self.bits)
        digester: Digester = self._local.digester
        return digester

    # Third: documents with the same text, which one of them stands for from here on.

    def _label(self) -> None:
        self.copies = np.zeros(len(self.numbering), np.bool_)  # documents with the text of another
        self._each_partition(self.exact, self._label_copies)

    def _label_copies(self, rows: NDArray[np.uint64]) -> None:
        state = self.state
        documents = _repeated(rows)
        found = state.fingerprints[documents]
        order = np.lexsort((documents, found[:, 1], found[:, 0]))
        documents, found = documents[order], found[order]
        begins = (
            np.flatnonzero(np.r_[True, (found[1:] != found[:-1]).any(axis=1)]) if len(documents) else np.zeros(0, int)
        )
        # Of those that have a sketch, which may be several, the first.
        signed = np.where(state.signed[documents], documents, np.uint32(0xFFFFFFFF))
        labels = np.minimum.reduceat(signed, begins) if len(begins) else signed
        sizes = np.diff(np.r_[begins, len(documents)])
        state.labels[documents] = np.repeat(labels, sizes)
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
        involved = np.flatnonzero(self.copies | grouped).astype(np.uint32)
        bucket_of = self._buckets(involved, roots, grouped)
        drops = [
            self._decide_bucket(involved[bucket_of == bucket], found, grouped, roots)
            for bucket in range(int(bucket_of.max(initial=-1)) + 1)
        ]
        return _merged(drops)

    def _buckets(
        self, involved: NDArray[np.uint32], roots: NDArray[np.uint32], grouped: NDArray[np.bool_]
    ) -> NDArray[np.int64]:
        """Return the bucket of each involved document: whole components, as many as a quarter of the memory holds."""
        weights = np.full(len(involved), DOCUMENT_BYTES, np.int64)
        weights += np.where(
            grouped[involved] & (self.state.starts[involved] < 0), 8 * self.state.shingles[involved].astype(np.int64), 0
        )
        components, component_of = np.unique(roots[involved], return_inverse=True)
        totals = np.bincount(component_of, weights, len(components)).astype(np.int64)
        return ((np.cumsum(totals) - totals) // max(1, self.settings.memory // 4))[component_of]

    def _decide_bucket(
        self, documents: NDArray[np.uint32], found: Groups, grouped: NDArray[np.bool_], roots: NDArray[np.uint32]
    ) -> Drops:
        ranked = self._in_order(documents)
        labels = self.state.labels[ranked]
        # The first document of each text is the one to keep, should the text be kept.
        texts, firsts, text_of = np.unique(labels, return_index=True, return_inverse=True)
        best = ranked[firsts]
        compared = grouped[texts]
        order = np.argsort(firsts[compared])
        nodes = texts[compared][order]
        verdicts = self._verdicts(nodes, found, roots)
        return _drops_of(ranked, text_of, texts, best, nodes, verdicts, self.state.frozen)

    def _in_order(self, documents: NDArray[np.uint32]) -> NDArray[np.uint32]:
        """Return documents in keeper order, those of earlier releases before all others."""
        table = take(self.parts, self.numbering, documents, COLUMNS, self.pool)
        frame = pl.from_arrow(table)
        assert isinstance(frame, pl.DataFrame)
        ranked = in_keeper_order(frame.with_columns(document=pl.Series(documents)), self.settings.order)[
            "document"
        ].to_numpy()
        frozen = ranked < self.state.frozen
        return np.concatenate([ranked[frozen], ranked[~frozen]])

    def _verdicts(self, nodes: NDArray[np.uint32], found: Groups, roots: NDArray[np.uint32]) -> verify.Verdicts:
        sets = self._read_sets(nodes)
        prepared = _prepare(nodes, found, sets, self.state)
        count = len(nodes)
        verdicts = verify.Verdicts(np.full(count, verify.KEPT, np.int64), np.zeros(count, np.uint8), np.zeros(count))
        seen = np.full(count, -1, np.int64)
        shards = _shards(roots[nodes], sets.sizes, self.settings.workers)

        def decide(order: NDArray[np.int64]) -> None:
            table = verify.new_table(2 * int(sets.sizes[order].max(initial=0)))
            verify.decide(prepared, order, self.settings.threshold, self.least, seen, table, *verdicts)

        list(self.pool.map(decide, shards))
        return verdicts

    def _read_sets(self, nodes: NDArray[np.uint32]) -> verify.Sets:
        """Return the shingles of documents, reading those again that are not in memory."""
        state = self.state
        sizes, starts = state.shingles[nodes].astype(np.int64), state.starts[nodes]
        missing = starts < 0
        room = np.where(missing, sizes, 0)
        starts = np.where(missing, -1 - (np.cumsum(room) - room), starts)
        body_sizes = state.body_sizes[nodes].astype(np.int64)
        sets = verify.Sets(self.arena.hashes, np.empty(int(room.sum()), np.uint64), starts, sizes, body_sizes)
        wanted = np.flatnonzero(missing)
        wanted = wanted[np.argsort(nodes[wanted])]
        list(self.pool.map(lambda part: self._read_part(part, nodes[wanted], wanted, sets), range(len(self.parts))))
        return sets

    def _read_part(
        self, part: int, documents: NDArray[np.uint32], places: NDArray[np.int64], sets: verify.Sets
    ) -> None:
        """Read the shingles of those of ascending documents that lie in a part; `places` says where they stand."""
        scratch, start = new_scratch(), int(self.numbering.starts[part])
        for first, rows, batch in chosen_rows(self.parts[part], self.numbering.within(part, documents), ["text"]):
            texts = as_texts(batch.column(0))
            slots = np.full(len(texts), -1, np.int64)
            slots[rows] = places[np.searchsorted(documents, (rows + first + start).astype(np.uint32))]
            verify.read_hashes(texts.data, texts.offsets, slots, scratch, sets.starts, sets.read)


def _fingerprints(texts: Texts) -> NDArray[np.uint64]:
    found = np.zeros((len(texts), 2), np.uint64)
    fingerprints(texts.data, texts.offsets, found)
    return found


def _salts(batch: pa.RecordBatch, count: int) -> NDArray[np.uint64]:
    """Return a number for what each document must share with its duplicates: nothing unless a second column says it."""
    if batch.num_columns < 2:
        return np.zeros(count, np.uint64)
    return _fingerprints(as_texts(batch.column(1).cast(pa.string()).fill_null("")))[:, 0].copy()


def _repeated(rows: NDArray[np.uint64]) -> NDArray[np.uint32]:
    """Return the documents whose key another document has too."""
    rows.sort()
    keys = rows >> np.uint64(32)
    same = keys[1:] == keys[:-1]
    return rows[np.r_[same, False] | np.r_[False, same]].astype(np.uint32) if len(rows) else np.zeros(0, np.uint32)


def _prepare(nodes: NDArray[np.uint32], found: Groups, sets: verify.Sets, state: State) -> verify.Nodes:
    """Renumber the groups' members by their place among the nodes, and list each node's groups."""
    order = np.argsort(nodes)
    ascending = nodes[order]
    sizes = np.diff(found.starts)
    first = found.members[found.starts[:-1]]
    place = np.searchsorted(ascending, first)
    ours = place < len(ascending)
    ours[ours] = ascending[place[ours]] == first[ours]
    members = order[np.searchsorted(ascending, found.members[np.repeat(ours, sizes)])]
    sizes = sizes[ours]
    group_of = np.repeat(np.arange(len(sizes)), sizes)
    by_group = np.lexsort((members, group_of))
    members = members[by_group]
    by_member = np.argsort(members, kind="stable")
    return verify.Nodes(
        sets=sets,
        sketches=state.sketches[nodes],
        frozen=nodes < state.frozen,
        members=members.astype(np.uint32),
        starts=np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)]),
        joined=group_of[by_group][by_member].astype(np.int64),
        joined_starts=np.concatenate([np.zeros(1, np.int64), np.cumsum(np.bincount(members, minlength=len(nodes)))]),
    )


def _shards(roots: NDArray[np.uint32], sizes: NDArray[np.int64], workers: int) -> list[NDArray[np.int64]]:
    """Cut nodes into shards of whole components, about as heavy as each other; nodes stay in their order."""
    components, component_of = np.unique(roots, return_inverse=True)
    totals = np.bincount(component_of, sizes, len(components))
    count = max(1, 4 * workers)
    shard_of = (np.cumsum(totals) * count / max(1, totals.sum() + 1)).astype(np.int64)[component_of]
    return [np.flatnonzero(shard_of == shard) for shard in range(count)]


def _drops_of(
    ranked: NDArray[np.uint32],
    text_of: NDArray[np.int64],
    texts: NDArray[np.uint32],
    best: NDArray[np.uint32],
    nodes: NDArray[np.uint32],
    verdicts: verify.Verdicts,
    frozen: int,
) -> Drops:
    """Turn verdicts about texts into drops of documents."""
    keepers = best.copy()
    rules = np.zeros(len(texts), np.uint8)
    similarities = np.ones(len(texts))
    place = np.searchsorted(texts, nodes)
    dropped = verdicts.keepers != verify.KEPT
    keepers[place[dropped]] = best[place[verdicts.keepers[dropped]]]
    rules[place[dropped]] = _RULE_OF_VERDICT[verdicts.rules[dropped]]
    similarities[place[dropped]] = verdicts.similarities[dropped]
    goes = (keepers[text_of] != ranked) & (ranked >= frozen)
    documents, of = ranked[goes], text_of[goes]
    order = np.argsort(documents)
    of = of[order]
    return Drops(documents[order], keepers[of], rules[of], similarities[of])


def _merged(drops: Sequence[Drops]) -> Drops:
    nothing = Drops(np.zeros(0, np.uint32), np.zeros(0, np.uint32), np.zeros(0, np.uint8), np.zeros(0))
    documents, keepers, rules, similarities = (np.concatenate(column) for column in zip(nothing, *drops, strict=True))
    order = np.argsort(documents)
    return Drops(documents[order], keepers[order], rules[order], similarities[order])
