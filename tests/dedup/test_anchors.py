"""Anchors that equal texts have in common, and the runs of chunks that repeat, against plain Python."""

from __future__ import annotations

import random

import numpy as np
import pytest

from algstack.dedup import anchors
from algstack.dedup.anchors import Anchors
from algstack.dedup.shingles import TOKEN, shingle_hashes
from tests.dedup.test_passages import parts_of, prose


@pytest.mark.parametrize("window", [1, 4, 32])
def test_the_smallest_hash_of_every_window(window: int) -> None:
    dice = random.Random(window)
    texts = [prose(dice, tokens) for tokens in (0, 3, 4, 5, 36, 37, 5_000)]
    found = anchors.find(parts_of({str(n): text for n, text in enumerate(texts)}, 2), window, 10**6, 2)
    assert found is not None
    for number, text in enumerate(texts):
        hashes = shingle_hashes(text.encode())
        starts = [token.start() for token in TOKEN.finditer(text.encode())][4:]
        chosen = sorted({at + int(hashes[at : at + window].argmin()) for at in range(len(hashes) - window + 1)})
        of = found.documents == number
        assert found.shingles[of].tolist() == chosen
        assert found.places[of].tolist() == [starts[at] for at in chosen]
        spans = [
            b - a for a, b in zip([0] * (window + 4) + starts, [*starts, *[len(text)] * (window + 4)], strict=True)
        ]
        assert found.reaches[number] == max(spans[: len(starts) + 1], default=len(text))


def test_equal_bytes_are_equal_chunks() -> None:
    dice = random.Random(1)
    same = prose(dice, 1_000)
    texts = [f"{prose(dice, 300)}{same}{prose(dice, 100)}", f"{same}1", same.replace(" ", "  ")]
    found = anchors.find(parts_of(dict(zip("abc", texts, strict=True))), 8, 10**6, 1)
    assert found is not None
    chunks = [set(found.chunks[found.documents == number].tolist()) for number in range(3)]
    assert len(chunks[1] - chunks[0]) == 1  # the last anchor's, which is no chunk
    assert len(chunks[1] & chunks[2]) < len(chunks[1]) / 2
    assert anchors.find(parts_of(dict(zip("abc", texts, strict=True))), 8, 500, 2) is None


@pytest.mark.parametrize("seed", range(20))
def test_repeats_are_all_runs_that_are_maximal(seed: int) -> None:
    dice = random.Random(seed)
    documents = [[dice.randrange(1, 2 + seed % 4) for _ in range(dice.randrange(12))] for _ in range(6)]
    found = anchors.repeats(sequences(documents))
    firsts = np.cumsum([0, *(len(one) + 1 for one in documents)])
    runs = {}
    for first, end, size, count in zip(found.firsts, found.ends, found.sizes, found.documents, strict=True):
        runs[frozenset(found.order[first:end].tolist()), int(size)] = int(count)
    expected = {}
    for one in documents:
        for low in range(len(one)):
            for high in range(low + 1, len(one) + 1):
                at = [
                    (n, i)
                    for n, d in enumerate(documents)
                    for i in range(len(d))
                    if d[i:][: high - low] == one[low:high]
                ]
                before = {documents[n][i - 1] if i else ("none", n, i) for n, i in at}
                behind = {(*documents[n], *[None] * 99)[i + high - low] or ("none", n) for n, i in at}
                if len({n for n, _ in at}) > 1 and len(before) > 1 and len(behind) > 1:
                    expected[frozenset(int(firsts[n]) + i for n, i in at), high - low] = len({n for n, _ in at})
    assert runs == expected
    assert (np.diff(found.bounds) <= 0).all()


def sequences(documents: list[list[int]]) -> Anchors:
    """Documents made of these chunks, each of ten bytes."""
    sizes = [len(one) + 1 for one in documents]
    return Anchors(
        documents=np.repeat(np.arange(len(documents), dtype=np.uint32), sizes),
        places=np.concatenate([10 * np.arange(size) for size in sizes]),
        shingles=np.concatenate([np.arange(size, dtype=np.uint32) for size in sizes]),
        chunks=np.array([chunk for n, one in enumerate(documents) for chunk in (*one, 2**64 - 1 - n)], np.uint64),
        reaches=np.arange(len(documents)),
        counts=np.array([len(documents)]),
    )
