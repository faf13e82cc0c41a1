import random

import polars as pl
import pytest

from algstack.dedup.oracle import deduplicate
from algstack.dedup.shingles import jaccard, shingle_set

WORDS = [f"word{n}" for n in range(400)]


def _text(seed: int, words: int = 200) -> str:
    return " ".join(random.Random(seed).choices(WORDS, k=words))


def _changed(text: str, share: float, seed: int) -> str:
    dice = random.Random(seed)
    return " ".join(f"new{seed}" if dice.random() < share else word for word in text.split(" "))


def _drops(documents: dict[str, str | None], **options: float) -> dict[str, tuple[str, str]]:
    frame = pl.DataFrame(
        {"id": list(documents), "text": list(documents.values())}, schema={"id": pl.String, "text": pl.String}
    )
    return {row["id"]: (row["rule"], row["keeper"]) for row in deduplicate(frame, **options).to_pylist()}


BASE = _text(1)
NEAR = _changed(BASE, 0.03, 2)
HEADER = "# Copyright someone. " + _text(9, 400) + "\n"


@pytest.mark.parametrize(
    ("documents", "expected"),
    [
        pytest.param({"a": BASE, "b": _text(2)}, {}, id="different"),
        pytest.param({"a": BASE, "b": BASE}, {"b": ("exact-duplicate", "a")}, id="exact"),
        pytest.param({"a": "x\r\ny", "b": "x\ny"}, {"b": ("exact-duplicate", "a")}, id="line-ends"),
        pytest.param({"a": BASE, "b": NEAR}, {"b": ("near-duplicate", "a")}, id="near"),
        pytest.param(
            {"a": BASE, "b": NEAR, "c": NEAR},
            {"b": ("near-duplicate", "a"), "c": ("near-duplicate", "a")},
            id="a-copy-of-a-dropped-text-names-the-kept-one",
        ),
        pytest.param({"a": "x " + BASE, "b": HEADER + "x " + BASE}, {"b": ("same-body", "a")}, id="licence-header"),
        pytest.param({"a": "", "b": ""}, {"b": ("exact-duplicate", "a")}, id="empty"),
        pytest.param({"a": None, "b": None}, {}, id="null-texts-are-no-texts"),
        pytest.param({"a": "x = 1", "b": "x = 2", "c": "y + 1"}, {}, id="too-short-for-a-shingle"),
        pytest.param({}, {}, id="nothing"),
    ],
)
def test_deduplicate(documents: dict[str, str | None], expected: dict[str, tuple[str, str]]) -> None:
    assert _drops(documents) == expected


def test_a_chain_never_drops_what_is_unlike_its_keeper() -> None:
    a = _text(3, 300)
    b = _changed(a, 0.03, 4)
    c = _changed(b, 0.03, 5)
    one, two, three = (shingle_set(text.encode()) for text in (a, b, c))
    assert jaccard(one, two) >= 0.65
    assert jaccard(two, three) >= 0.65
    assert jaccard(one, three) < 0.65
    assert _drops({"a": a, "b": b, "c": c}, threshold=0.65) == {"b": ("near-duplicate", "a")}


def test_the_similarity_is_exact() -> None:
    frame = pl.DataFrame({"id": ["a", "b"], "text": [BASE, NEAR]})
    (row,) = deduplicate(frame).to_pylist()
    assert row["similarity"] == jaccard(shingle_set(BASE.encode()), shingle_set(NEAR.encode()))


def test_the_order_of_documents_does_not_matter() -> None:
    texts = [_changed(_text(seed % 7), 0.02, seed) for seed in range(40)]
    frame = pl.DataFrame({"id": [f"d{n:02}" for n in range(40)], "text": texts, "stars": [n % 5 for n in range(40)]})
    drops = deduplicate(frame)
    assert drops.num_rows > 10
    for seed in range(3):
        assert deduplicate(frame.sample(fraction=1, shuffle=True, seed=seed)).equals(drops)
