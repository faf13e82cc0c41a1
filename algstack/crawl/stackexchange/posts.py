"""Posts, as the dump or the API gives them, and the licence they stand under."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from algstack.crawl.stackexchange.html import to_markdown_all
from algstack.crawl.stackexchange.rows import Block
from algstack.crawl.stackexchange.seek import Numbers

# https://stackoverflow.com/help/licensing: by the post's creation date (UTC), where the dump does not say it.
LICENSES_UNTIL = (("2011-04-08", "CC-BY-SA-2.5"), ("2018-05-02", "CC-BY-SA-3.0"))
LICENSE_NOW = "CC-BY-SA-4.0"

STATED_LICENSES = {f"CC BY-SA {version}": f"CC-BY-SA-{version}" for version in ("2.5", "3.0", "4.0")}

STATED = "the post's ContentLicense"
DATED = "the post's date (stackoverflow.com/help/licensing)"


class Post(NamedTuple):
    """A question, an answer or a comment. Dates are ISO 8601 in UTC, to the second; what is not known is None.

    `body` is Markdown as `html.to_markdown_all` gives it, of a comment plain text.
    """

    id: int
    body: str
    created: str
    score: int | None = None
    license: str | None = None  # SPDX
    license_source: str = DATED
    owner: int | None = None
    owner_name: str | None = None
    # of questions
    title: str = ""
    tags: str = ""  # as the dump has them
    accepted: int | None = None
    closed: str | None = None
    duplicate: bool = False


POSTS = pa.schema(
    [
        ("id", pa.int64()),
        ("body", pa.string()),
        ("created", pa.string()),
        ("score", pa.int64()),
        ("license", pa.string()),
        ("license_source", pa.string()),
        ("owner", pa.int64()),
        ("owner_name", pa.string()),
        ("title", pa.string()),
        ("tags", pa.string()),
        ("accepted", pa.int64()),
        ("closed", pa.string()),
        ("duplicate", pa.bool_()),
    ]
)
"""Posts as a table."""

NAMES = (
    "Id",
    "PostTypeId",
    "ParentId",
    "AcceptedAnswerId",
    "CreationDate",
    "Score",
    "Body",
    "OwnerUserId",
    "OwnerDisplayName",
    "Title",
    "Tags",
    "ClosedDate",
    "ContentLicense",
)
"""The attributes of Posts.xml that are read."""

COMMENT_NAMES = {"Text": "Body", "UserId": "OwnerUserId", "UserDisplayName": "OwnerDisplayName"}
"""Those that Comments.xml calls otherwise."""


def table_of(block: Block, order: Numbers | None = None) -> tuple[pa.Table, pa.Array]:
    """Return (the posts of some rows as a table of POSTS, an error or null for each of them).

    Args:
        block: the rows.
        order: their places in the order in which they are wanted.
    """
    empty = pa.nulls(len(block), pa.string())
    named = {COMMENT_NAMES.get(name, name): column for name, column in block.columns.items()}
    body = named["Body"]
    plain = {name: pl.Series(name, named.get(name, empty), pl.String) for name in NAMES if name != "Body"}
    attributes = pl.DataFrame(plain) if order is None else pl.DataFrame(plain)[order]
    frame = attributes.select(
        **{name: _number(attribute) for name, attribute in _NUMBERS.items()},
        created=_date("CreationDate"),
        day=pl.col("CreationDate").str.slice(0, 10),
        stated=pl.col("ContentLicense"),
        owner_name=pl.col("OwnerDisplayName").replace("", None),
        title=pl.col("Title").fill_null(""),
        tags=pl.col("Tags").fill_null(""),
        closed=_date("ClosedDate"),
        duplicate=False,
        error=pl.coalesce(_wrong_date(), *(_wrong_number(attribute) for attribute in _NUMBERS.values())),
    )
    frame = _with_licenses(frame)
    markdown = pc.fill_null(body, "") if "Text" in block.columns else to_markdown_all(body, order)
    columns = {name: frame[name].to_arrow().cast(POSTS.field(name).type) for name in POSTS.names if name != "body"}
    return pa.table({**columns, "body": markdown}).select(POSTS.names), frame["error"].to_arrow()


_NUMBERS = {"id": "Id", "score": "Score", "owner": "OwnerUserId", "accepted": "AcceptedAnswerId"}


def _number(attribute: str) -> pl.Expr:
    return pl.col(attribute).cast(pl.Int64, strict=False)


def _wrong_number(attribute: str) -> pl.Expr:
    wrong = pl.col(attribute).is_not_null() & (pl.col(attribute) != "") & _number(attribute).is_null()
    return pl.when(wrong).then(pl.format(f"{attribute} is `{{}}`", pl.col(attribute)))


def _date(attribute: str) -> pl.Expr:
    """A dump's date without its fraction of a second, or null if it is none."""
    second = pl.col(attribute).str.slice(0, 19)
    return pl.when(second.str.to_datetime("%Y-%m-%dT%H:%M:%S", strict=False).is_not_null()).then(second)


def _wrong_date() -> pl.Expr:
    date = pl.col("CreationDate").fill_null("")
    return pl.when(_date("CreationDate").is_null()).then(pl.format("CreationDate is `{}`", date))


def _with_licenses(frame: pl.DataFrame) -> pl.DataFrame:
    """Add the columns `license` and `license_source`: posts of one day stand under one licence, or what they state."""
    days = frame.select("day", "stated").unique()
    known = [license_of(stated, day or "") for day, stated in days.iter_rows()]
    columns = {
        name: pl.Series(name, values, pl.String)
        for name, values in zip(_LICENSE, zip(*known, strict=True), strict=True)
    }
    return frame.join(
        days.with_columns(**columns), on=["day", "stated"], how="left", nulls_equal=True, maintain_order="left"
    )


_LICENSE = ("license", "license_source")


@lru_cache(maxsize=1 << 14)
def tags_of(value: str) -> tuple[str, ...]:
    """Return the tags of either notation: `<a><b>` until 2023, `|a|b|` since."""
    if value.startswith("<"):
        value = value[1:].removesuffix(">").replace("><", "|")
    return tuple(tag for tag in value.split("|") if tag)


def license_of(stated: str | None, created: str) -> tuple[str | None, str]:
    """Return (SPDX id or None, how it is known) of a post."""
    if stated:
        known = STATED_LICENSES.get(stated)
        return known, STATED if known else f"{STATED}, `{stated}`, is not known"
    return next((spdx for until, spdx in LICENSES_UNTIL if created < until), LICENSE_NOW), DATED
