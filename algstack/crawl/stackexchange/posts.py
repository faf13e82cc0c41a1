"""One post, as the dump or the API gives it, and the licence it stands under."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from algstack.crawl.stackexchange.rows import BadRow, unescape

# https://stackoverflow.com/help/licensing: by the post's creation date (UTC), where the dump does not say it.
LICENSES_UNTIL = (("2011-04-08", "CC-BY-SA-2.5"), ("2018-05-02", "CC-BY-SA-3.0"))
LICENSE_NOW = "CC-BY-SA-4.0"

STATED_LICENSES = {f"CC BY-SA {version}": f"CC-BY-SA-{version}" for version in ("2.5", "3.0", "4.0")}

STATED = "the post's ContentLicense"
DATED = "the post's date (stackoverflow.com/help/licensing)"

_NUMBER = re.compile(r"-?\d{1,18}", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", re.ASCII)


class Post(NamedTuple):
    """A question or an answer. Dates are ISO 8601 in UTC, to the second; what the source does not say is None."""

    id: int
    html: str
    created: str
    score: int | None = None
    license: str | None = None  # SPDX
    license_source: str = DATED
    owner: int | None = None
    owner_name: str | None = None
    # of questions
    title: str = ""
    tags: tuple[str, ...] = ()
    accepted: int | None = None
    closed: str | None = None
    duplicate: bool = False


def from_attributes(values: Mapping[str, str], body: str | None = None) -> Post:
    """Return the post that a row of Posts.xml holds.

    Args:
        values: the row's attributes, still escaped as XML wants it.
        body: the post's HTML, if it was unescaped already.

    Raises:
        BadRow: it has no date, or a number is none.
    """
    created = date(values.get("CreationDate", ""))
    if created is None:
        raise BadRow(f"CreationDate is `{values.get('CreationDate', '')}`")
    license_, license_source = license_of(values.get("ContentLicense"), created)
    owner_name = values.get("OwnerDisplayName")
    title = values.get("Title")
    return Post(
        id=int(values["Id"]),
        html=unescape(values.get("Body", "")) if body is None else body,
        created=created,
        score=_number(values, "Score"),
        license=license_,
        license_source=license_source,
        owner=_number(values, "OwnerUserId"),
        owner_name=unescape(owner_name) if owner_name else None,
        title=unescape(title) if title else "",
        tags=tags_of(values.get("Tags", "")),
        accepted=_number(values, "AcceptedAnswerId"),
        closed=date(values.get("ClosedDate", "")),
    )


def comment_from_attributes(values: Mapping[str, str]) -> Post:
    """Return the comment that a row of Comments.xml holds; its `html` is plain text.

    Raises:
        BadRow: it has no date, or a number is none.
    """
    return from_attributes(
        {
            **values,
            "Body": values.get("Text", ""),
            "OwnerUserId": values.get("UserId", ""),
            "OwnerDisplayName": values.get("UserDisplayName", ""),
        }
    )


def _number(values: Mapping[str, str], name: str) -> int | None:
    value = values.get(name)
    if not value:
        return None
    if not _NUMBER.fullmatch(value):
        raise BadRow(f"{name} is `{value}`")
    return int(value)


def date(value: str) -> str | None:
    """Return a dump's date without its fraction of a second, or None if it is none."""
    if not _DATE.match(value):
        return None
    try:
        datetime.fromisoformat(value[:19])
    except ValueError:
        return None
    return value[:19]


def tags_of(value: str) -> tuple[str, ...]:
    """Return the tags of either notation, escaped or not: `<a><b>` until 2023, `|a|b|` since."""
    if not value:
        return ()
    plain = unescape(value)
    if plain.startswith("<"):
        plain = plain[1:].removesuffix(">").replace("><", "|")
    return tuple(tag for tag in plain.split("|") if tag)


def license_of(stated: str | None, created: str) -> tuple[str | None, str]:
    """Return (SPDX id or None, how it is known) of a post."""
    if stated:
        known = STATED_LICENSES.get(stated)
        return known, STATED if known else f"{STATED}, `{stated}`, is not known"
    return next((spdx for until, spdx in LICENSES_UNTIL if created < until), LICENSE_NOW), DATED
