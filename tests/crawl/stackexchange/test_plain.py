"""Plain threads become the same documents column by column as thread by thread."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import pytest

from algstack.crawl.files import RowBuffer
from algstack.crawl.stackexchange import plain, spill
from algstack.crawl.stackexchange.dump import open_dump
from algstack.crawl.stackexchange.source import _read_group, _rows
from algstack.crawl.stackexchange.threads import NOTHING, Policy, Site
from benchmarks.stackexchange import Shapes
from tests.crawl.stackexchange import dumps

BODIES = [
    *Shapes(7).fragments(60),
    "",
    "<pre><code>x\n</code></pre>",
    "<p>é ∀ <code>y</code></p>",
    "<p>&nosuch; <b>c</p>",
]
TITLES = ["Plain", "  two\n words\x1cmore ", " ", "Été $x$", 'A "quoted" one [duplicate]', "{} {braces}"]
TAGS = ["<linear-algebra><python>", "|tag\u00e9|lean4|", "", "|a&b|"]
LICENSES = [None, "CC BY-SA 2.5", "CC BY-SA 3.0", "CC BY-SA 4.0", "MIT"]
OWNERS = [{}, {"OwnerUserId": 9}, {"OwnerDisplayName": "Ann"}, {"OwnerDisplayName": ""}]


def rows(seed: int, count: int = 400) -> Iterator[str]:
    """Posts of all kinds; most of them are ordinary."""
    rng = random.Random(seed)

    def some(value: object, odd: object, share: float = 0.05) -> object:
        return odd if rng.random() < share else value

    for number in range(1, count):
        common = {
            "Body": rng.choice(BODIES),
            "Score": some(rng.randrange(-2, 4), "many", 0.01),
            "CreationDate": some(f"20{rng.randrange(10, 24)}-03-05T01:02:03.456", "today", 0.01),
            **rng.choice(OWNERS),
        }
        if (stated := rng.choice(LICENSES)) is not None:
            common["ContentLicense"] = stated
        if number % 3 == 1:
            closed = {"ClosedDate": "2020-01-02T03:04:05.678"} if rng.random() < 0.1 else {}
            more = {"AcceptedAnswerId": number + rng.randrange(1, 9)} if rng.random() < 0.5 else {}
            title = some("Plain", rng.choice(TITLES), 0.3)
            yield dumps.question(number, Title=title, Tags=rng.choice(TAGS), **common, **closed, **more)
        else:
            parent = rng.randrange(1, number + 1) // 3 * 3 + 1
            yield dumps.answer(some(number, number - 1), some(parent, 10**6), **common)
        if rng.random() < 0.03:
            yield dumps.row(Id=number, PostTypeId=5, Body="<p>wiki</p>", CreationDate="2012-01-01T00:00:00.000")


POLICIES = {
    "all": Policy(),
    "scores": Policy(min_score=0),
    "accepted": Policy(answers="accepted"),
    "top": Policy(answers="top"),
    "tags": Policy(tags=frozenset({"python", "a&b"})),
    "open": Policy(closed=False),
    "no duplicates": Policy(duplicates=False),
}


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
@pytest.mark.parametrize("seed", [1, 2])
def test_says_the_same_as_thread_by_thread(policy: Policy, seed: int, tmp_path: Path) -> None:
    dump = open_dump(dumps.write(tmp_path / "math.example.com" / "Posts.xml", rows(seed)).parent)
    table = spill.read_partition(spill.spill(dump, tmp_path / "spill"), 0, 0)
    site = Site(dump.site, "se", "2024", policy)

    documents, others = plain.documents(site, table)

    wanted = RowBuffer()
    for _, group in groupby(_rows(spill.by_question(table)), key=itemgetter(0)):
        document, drops = _read_group(site, list(group), NOTHING)
        if document is not None and not drops:
            wanted.keep(document)
    assert documents is not None
    (whole,) = wanted.flush()
    found = documents.to_pylist()
    assert [row["id"] for row in found] == sorted(
        (row["id"] for row in found), key=lambda name: int(name.split("/")[-1])
    )
    by_id = {row["id"]: row for row in whole.to_pylist()}
    assert found == [by_id[row["id"]] for row in found]
    assert documents.num_rows > 5
    assert others.num_rows < table.num_rows


def test_a_thread_is_not_plain_if_anything_is_to_be_said_about_it(tmp_path: Path) -> None:
    odd = [
        dumps.question(1, Body=""),
        dumps.question(2), dumps.answer(12, 2, Body=""),
        dumps.question(3), dumps.question(3),
        dumps.question(4), dumps.answer(14, 4), dumps.answer(14, 4),
        dumps.question(5, CreationDate="never"),
        dumps.question(6, Title=" "),
        dumps.answer(17, 7),
    ]  # fmt: skip
    path = dumps.write(tmp_path / "math.example.com" / "Posts.xml", odd)
    table = spill.read_partition(spill.spill(open_dump(path.parent), tmp_path / "spill"), 0, 0)

    documents, others = plain.documents(Site("math.example.com", "se"), table)

    assert documents is None
    assert others.num_rows == len(odd)
