"""Rows in a stream of bytes, wherever its chunks end and however it breaks off."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from algstack.crawl.stackexchange.dump import Broken
from algstack.crawl.stackexchange.rows import Block, blocks
from algstack.errors import SourceError
from tests.crawl.stackexchange import dumps

TABLE = dumps.table(dumps.question(number) for number in range(1, 6))


def chunked(content: bytes, size: int) -> Iterator[bytes]:
    return (content[start : start + size] for start in range(0, len(content), size))


def read(content: bytes, size: int = 1000) -> list[str]:
    return [
        name for block in blocks(chunked(content, size), "posts", ["Id"]) for name in block.columns["Id"].to_pylist()
    ]


def read_row(row: bytes) -> Block:
    (block,) = blocks([b"<posts>" + row + b"</posts>"], "posts", NAMES)
    return block


NAMES = ("Id", "Title", "Body")


def values(block: Block) -> dict[str, str | None]:
    return {name: column[0].as_py() for name, column in block.columns.items()}


@pytest.mark.parametrize("size", [1, 7, 100, 4096, 10**6])
def test_rows_do_not_depend_on_chunks(size: int) -> None:
    assert read(TABLE, size) == ["1", "2", "3", "4", "5"]


@pytest.mark.parametrize(
    "content",
    [b"<posts></posts>", b"<posts />", b'<?xml version="1.0"?>\r\n<!-- c -->\n<posts>\r\n</posts>\r\n'],
    ids=["open and closed", "closed at once", "with a comment"],
)
def test_an_empty_table_is_whole(content: bytes) -> None:
    assert read(content) == []


def test_rows_may_be_closed_by_a_tag_and_stand_on_several_lines() -> None:
    assert read(b'<posts><row\n Id="1"\n></row><row Id="2"/></posts>') == ["1", "2"]


CUTS = {
    "in a row": (TABLE[: TABLE.index(b'Id="4"') + 60], ["1", "2", "3"], "in the middle of the row"),
    "between rows": (TABLE[: TABLE.index(b'  <row Id="4"')], ["1", "2", "3"], "between two rows"),
    "before the end": (TABLE[: -len("</posts>")], ["1", "2", "3", "4", "5"], "before `</posts>`"),
}


@pytest.mark.parametrize(("content", "wanted", "said"), CUTS.values(), ids=CUTS)
def test_all_rows_before_a_cut_are_kept(content: bytes, wanted: list[str], said: str) -> None:
    found: list[str] = []

    def read_all() -> None:
        for block in blocks(chunked(content, 300), "posts", ["Id"]):
            found.extend(block.columns["Id"].to_pylist())

    with pytest.raises(Broken, match=said):
        read_all()
    assert found == wanted


WRONG = {
    "another table": (dumps.table([], "comments"), "root element is <comments>"),
    "HTML": (b"<!DOCTYPE html><html>", "starts with"),
    "no XML": (b"\x89PNG\r\n", "starts with"),
    "UTF-16": (TABLE.decode().encode("utf-16"), "starts with"),
    "nothing": (b"", "starts with"),
}


@pytest.mark.parametrize(("content", "said"), WRONG.values(), ids=WRONG)
def test_another_file_is_refused(content: bytes, said: str) -> None:
    with pytest.raises(SourceError, match=said):
        read(content)


def test_attributes_may_stand_in_single_quotes() -> None:
    block = read_row(b"<row Id='1' Body='say \"x=\"' Title = \"it's\" />")

    assert values(block) == {"Id": "1", "Body": 'say "x="', "Title": "it's"}
    assert not block.bad


def test_what_a_row_does_not_have_is_null() -> None:
    assert values(read_row(b'<row Body="" Ids="2" xId="3" />')) == {"Id": None, "Title": None, "Body": ""}


BAD = {
    "UTF-8": (b'<row Id="1" Body="\xff" Title="t" />', "1", "byte 18 of the row is not UTF-8"),
    "value": (b'<row Id="1" Title="t" Body= />', "1", "not well-formed"),
    "quote": (b'<row Id="1 />', None, "not well-formed"),
    "name": (b'<row Id="1" =>', "1", "not well-formed"),
}


@pytest.mark.parametrize(("row", "name", "said"), BAD.values(), ids=BAD)
def test_a_bad_row_says_so_and_has_no_text(row: bytes, name: str | None, said: str) -> None:
    block = read_row(row)

    assert values(block) == {"Id": name, "Title": None, "Body": None}
    assert said in block.bad[0].error
    assert block.bad[0].start == row.decode("utf-8", "replace")


def test_a_bad_row_costs_no_other() -> None:
    assert read(b'<posts><row Id="1"/><row Id="2 /><row Id="3"/></posts>') == ["1", None, "3"]


REFERENCES = {
    "named": ("&lt;p&gt; &quot;&apos;&amp;", "<p> \"'&"),
    "once": ("&amp;lt; &amp;#xA; &amp;amp;", "&lt; &#xA; &amp;"),
    "numbers": ("a&#xA;b&#10;c&#xD;d&#x1F600;", "a\nb\nc\rd😀"),
    "none": ("a & b &nbsp; &#; &lt", "a & b &nbsp; &#; &lt"),
    "of two to four bytes": ("&#233;&#x2200;&#x1d538;é∀", "é∀𝔸é∀"),
    "no characters": ("&#0;&#xD800;&#x110000;\0", "\ufffd\ufffd\ufffd\ufffd"),
}


@pytest.mark.parametrize(("value", "wanted"), REFERENCES.values(), ids=REFERENCES)
def test_references_are_resolved_once(value: str, wanted: str) -> None:
    block = read_row(f'<row Id="&lt;&#xA;" Body="{value}"/>'.encode())

    assert values(block) == {"Id": "<\n", "Title": None, "Body": wanted}
