"""Runs of words: what is found, what is not, and where."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from algstack.decontaminate import ngrams
from algstack.decontaminate.ngrams import NgramIndex

PROBLEM = (
    "A robe takes two bolts of blue fiber and half that much white fiber. "
    "How many bolts in total does it take, and what would a tailor charge for every one of them?"
)
SHORT = "Evaluate the logarithm of sixteen squared exactly."
HEADER = (
    "import everything open scoped namespaces options maximum heartbeats four hundred thousand universe variables "
    "common theorem"
)


def index(*texts: str, n: int = 13, **options: int) -> NgramIndex:
    """An index of one benchmark."""
    return NgramIndex.build([(0, text) for text in texts], n, **options)


def has_hit(built: NgramIndex, text: str) -> bool:
    """Whether the first pass finds a text; the second must agree."""
    data = text.encode()
    found = bool(built.candidates(np.frombuffer(data, np.uint8), np.array([0, len(data)], np.int64))[0])
    assert found or not built.hits(data)
    return bool(built.hits(data))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(PROBLEM, id="alone"),
        pytest.param("x" * 5000 + "\n" + PROBLEM, id="behind a long word"),
        pytest.param("a b c d " * 2000 + PROBLEM + " e f g" * 2000, id="across blocks"),
        pytest.param("# " + PROBLEM.upper().replace(" ", "\n#   "), id="one word a line"),
        pytest.param(" ".join(PROBLEM.split()[3:16]), id="thirteen words of it"),
    ],
)
def test_found(text: str) -> None:
    assert has_hit(index(PROBLEM), text)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param(" ".join(PROBLEM.split()[3:15]), id="twelve words of it"),
        pytest.param("for i in range(len(s)): for j in range(i + 1, len(s)): pass", id="nothing of it"),
    ],
)
def test_not_found(text: str) -> None:
    assert not has_hit(index(PROBLEM), text)


def test_a_hit_says_where() -> None:
    text = f"Überschrift\n{PROBLEM}\nEnd of it"
    hit = index(PROBLEM).hits(text.encode())[0]
    assert text.encode()[hit.start : hit.end].decode() == PROBLEM.rstrip("?")
    assert hit.words == hit.of == len(PROBLEM.split())


def test_every_block_boundary() -> None:
    built = index(PROBLEM)
    for shift in range(0, 2048, 61):
        assert has_hit(built, "ab " * shift + PROBLEM)


def test_a_short_problem_is_found_whole() -> None:
    built = index(SHORT)
    assert built.is_whole.tolist() == [True]
    assert has_hit(built, f"-- {SHORT} -/")
    assert not has_hit(built, SHORT.replace("exactly", "roughly"))


@pytest.mark.parametrize("text", ["", "Three short words.", "Find the value of x"])
def test_too_short_to_be_looked_for(text: str) -> None:
    built = index(text)
    assert built.is_short.tolist() == [True]
    assert not has_hit(built, f"{text} {PROBLEM}")


def test_runs_that_say_nothing_are_no_evidence() -> None:
    code = "for i in range(len(s)):\n    for j in range(i, len(s)):\n        for k in range(j, len(s)): count += 1"
    assert not index(code).runs.hashes.size or index(code).is_whole.all()
    assert not has_hit(index(code), "x = 0\n" + code.replace("count", "total"))


def test_what_all_problems_share_is_no_evidence() -> None:
    texts = [f"{HEADER} {PROBLEM.replace('fiber', f'thing{number}')}" for number in range(8)]
    built = index(*texts)
    assert not has_hit(built, f"{HEADER} something else")
    assert has_hit(built, texts[5])


def test_saved_and_mapped(tmp_path: Path) -> None:
    built = index(PROBLEM, SHORT)
    built.save(tmp_path)
    loaded = NgramIndex.load(tmp_path)
    text = f"{SHORT} {PROBLEM}".encode()
    assert loaded.hits(text) == built.hits(text)
    assert loaded.runs[:5] == built.runs[:5]


def test_memory_is_bounded_by_keeping_fewer_runs() -> None:
    texts = [" ".join(f"word{number}x{at}" for at in range(60)) for number in range(40)]
    built = index(*texts, most_runs=500)
    assert built.runs.hashes.size <= 500
    assert built.stride > 1
    assert all(has_hit(built, text) for text in texts)


def test_one_run_of_each_text_stays_where_there_are_more_texts_than_room() -> None:
    texts = [" ".join(f"word{number}x{at}" for at in range(60)) for number in range(40)]
    built = index(*texts, most_runs=10)
    assert built.runs.hashes.size == 40
    assert built.units[np.argsort(built.units)].tolist() == list(range(40))
    assert all(has_hit(built, text) for text in texts)


def test_texts_are_indexed_alike_in_batches_of_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [PROBLEM, "", SHORT, f"<p>{PROBLEM[:90]}</p>", "x" * 400, *(f"{HEADER} {PROBLEM} {n}" for n in range(9))]
    at_once = index(*texts)
    monkeypatch.setattr(ngrams, "_BATCH_BYTES", 200)
    one_by_one = index(*texts)
    for name in ("units", "offsets", "unit_words", "unit_starts", "unit_sizes", "is_whole", "is_short"):
        assert getattr(at_once, name).tolist() == getattr(one_by_one, name).tolist(), name
    for ours, theirs in zip(at_once.runs, one_by_one.runs, strict=True):
        assert np.array_equal(ours, theirs)
