"""Small made-up documents with exact copies, near-copies, headers and neighbours of each other."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

WORDS = [f"w{n}" for n in range(3000)]
HEADER = "# Copyright 2020 someone. " + " ".join(f"licence{n}" for n in range(120)) + "\n"


def changed(words: list[str], share: float, dice: random.Random) -> list[str]:
    """Replace about a share of the words."""
    return [f"n{dice.randrange(10**6)}" if dice.random() < share else word for word in words]


def documents(families: int, seed: int = 0) -> pl.DataFrame:
    """Return families of a few documents each, shuffled."""
    dice = random.Random(seed)
    rows: list[dict[str, Any]] = []
    for family in range(families):
        words = dice.choices(WORDS, k=dice.choice([3, 20, 60, 300]))
        rows += [
            _row(dice, f"f{family}/{member}", _member(words, member, dice)) for member in range(dice.randrange(1, 7))
        ]
    frame = pl.DataFrame(rows, schema_overrides={"license": pl.String, "stars": pl.Int64}, infer_schema_length=None)
    return frame.sample(fraction=1, shuffle=True, seed=seed)


def _member(words: list[str], member: int, dice: random.Random) -> str:
    kinds = (
        lambda: " ".join(words),
        lambda: " ".join(words),
        lambda: "\r\n".join(words) + "\r\n",
        lambda: " ".join(changed(words, dice.choice([0.01, 0.04, 0.06, 0.1]), dice)),
        lambda: HEADER + " , ".join(words),
        lambda: " ".join(words) + " tail" * dice.randrange(30),
    )
    return kinds[member]() if member < 2 else dice.choice(kinds)()


def _row(dice: random.Random, name: str, text: str) -> dict[str, Any]:
    return {
        "id": name,
        "text": text,
        "license": dice.choice(["MIT", "GPL-3.0-only", None]),
        "stars": dice.choice([None, 0, 5, 5000]),
        "created_at": datetime(2020, 1, 1, tzinfo=UTC) + timedelta(days=dice.randrange(1000)),
        "lang": dice.choice(["lean", "coq", None]),
    }
