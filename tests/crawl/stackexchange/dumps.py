"""Small dumps for the tests, written as the sites write them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from xml.sax.saxutils import quoteattr

import py7zr

HEAD = '\ufeff<?xml version="1.0" encoding="utf-8"?>\n'


def row(**values: object) -> str:
    """One row; line ends in values as references."""
    attributes = (f"{name}={quoteattr(str(value)).replace(chr(10), '&#xA;')}" for name, value in values.items())
    return f"  <row {' '.join(attributes)} />\n"


def question(number: int, **more: object) -> str:
    """The row of a question of 2013, as the dumps of that year wrote it."""
    values = {
        "Id": number,
        "PostTypeId": 1,
        "CreationDate": "2013-06-25T03:05:29.920",
        "Score": 5,
        "Body": f"<p>What is $x_{number}$?</p>\n",
        "OwnerUserId": 7,
        "Title": f"Question {number}",
        "Tags": "<linear-algebra><python>",
    }
    return row(**(values | more))


def answer(number: int, parent: object, **more: object) -> str:
    """The row of an answer."""
    values = {
        "Id": number,
        "PostTypeId": 2,
        "ParentId": parent,
        "CreationDate": "2013-06-26T10:00:00.123",
        "Score": 1,
        "Body": f"<p>It is $y_{number}$.</p>\n",
        "OwnerUserId": 8,
    }
    return row(**(values | more))


def table(rows: Iterable[str], root: str = "posts") -> bytes:
    """A whole table."""
    return f"{HEAD}<{root}>\n{''.join(rows)}</{root}>".encode()


def write(path: Path, rows: Iterable[str], root: str = "posts") -> Path:
    """Write a table; return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(table(rows, root))
    return path


def pack(path: Path, members: Mapping[str, bytes]) -> Path:
    """Write a `.7z`; return its path."""
    with py7zr.SevenZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(content, name)
    return path
