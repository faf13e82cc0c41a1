"""Which document of several alike is kept: one total order, taken greedily.

The document that comes first in the order is kept; each later one is dropped if it is a duplicate of one that is kept
already. So every dropped document has a kept one to which it is itself similar enough, and a chain a ~ b ~ c never
drops c for a. The result depends on the documents alone, not on their order, their parts, or the workers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import polars as pl
import pyarrow as pa

from algstack.errors import AlgstackError
from algstack.licenses import is_permissive

Criterion = Literal["license", "stars", "date"]

ORDER: tuple[Criterion, ...] = get_args(Criterion)
"""A permissive licence first, then more stars, then the earlier date; the id decides what is left."""

EXACT = "exact-duplicate"
SAME_BODY = "same-body"
NEAR = "near-duplicate"

REASONS = {
    EXACT: "The same text as the keeper's, line ends aside.",
    SAME_BODY: "The same tokens as the keeper's: only the licence header, white space or punctuation differ.",
    NEAR: "At least the threshold's share of the 5-token shingles of the two is common to both.",
}

DROPS = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("rule", pa.string(), nullable=False),
        pa.field("keeper", pa.string(), nullable=False),
        pa.field("similarity", pa.float64(), nullable=False),
    ]
)
"""One row for each dropped document, sorted by id: the rule, a document that is kept, and the exact Jaccard similarity
of both. It is at least the threshold, except for `same-body`, whose headers may differ by more."""

COLUMNS = ("id", "license", "stars", "created_at")
"""The columns of DOCUMENTS that the order looks at. All but `id` may be missing or null."""


def in_keeper_order(documents: pl.DataFrame, order: Sequence[Criterion] = ORDER) -> pl.DataFrame:
    """Return documents sorted with the one to be kept first.

    An unknown licence is not permissive; unknown stars and dates come last.

    Raises:
        AlgstackError: the order names a criterion that there is not, or two documents share an id.
    """
    keys = {"license": "_permissive", "stars": "stars", "date": "created_at"}
    descending = {"license": True, "stars": True, "date": False}
    for criterion in order:
        if criterion not in keys:
            raise AlgstackError(f"There is no keeper criterion `{criterion}`: choose from {', '.join(keys)}.")
    check_unique_ids(documents["id"])
    missing = [pl.lit(None).alias(name) for name in COLUMNS if name not in documents.columns]
    frame = documents.with_columns(missing)
    permissive = {name: is_permissive(name) for name in frame["license"].unique()}
    frame = frame.with_columns(
        pl.col("license").replace_strict(permissive, return_dtype=pl.Boolean).alias("_permissive")
    )
    by = [*(keys[criterion] for criterion in order), "id"]
    falling = [*(descending[criterion] for criterion in order), False]
    return frame.sort(by, descending=falling, nulls_last=True).select(documents.columns)


def check_unique_ids(ids: pl.Series) -> None:
    """Raise AlgstackError if an id stands more than once, naming it."""
    if ids.n_unique() < len(ids):
        twice = ids.filter(ids.is_duplicated())
        raise AlgstackError(
            f"The id {twice.sort()[0]} stands more than once ({len(twice)} such rows in all). "
            "Ids must be unique: name another column with --id-column, or make them so."
        )
