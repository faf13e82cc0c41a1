"""One row to one post: tags of either notation, licences, owners, numbers."""

from __future__ import annotations

import pytest

from algstack.crawl.stackexchange.posts import NAMES, Post, license_of, table_of, tags_of
from algstack.crawl.stackexchange.rows import blocks
from tests.crawl.stackexchange import dumps


def read(row: str) -> tuple[Post, str | None]:
    """Return the post of a row, and what is wrong with it."""
    (block,) = blocks([dumps.table([row])], "posts", NAMES)
    table, errors = table_of(block)
    return Post(**table.to_pylist()[0]), errors[0].as_py()


def test_a_question_is_read_as_it_is() -> None:
    more = {"ContentLicense": "CC BY-SA 3.0", "AcceptedAnswerId": 3, "ClosedDate": "2014-01-02T03:04:05.6"}

    assert read(dumps.question(1, Title="Is $a<b$ & c?", **more)) == (
        Post(
            id=1,
            body="What is $x_1$?",
            created="2013-06-25T03:05:29",
            score=5,
            license="CC-BY-SA-3.0",
            license_source="the post's ContentLicense",
            owner=7,
            title="Is $a<b$ & c?",
            tags="<linear-algebra><python>",
            accepted=3,
            closed="2014-01-02T03:04:05",
        ),
        None,
    )


def test_what_a_row_does_not_say_is_not_known() -> None:
    post, error = read(dumps.row(Id=1, PostTypeId=2, CreationDate="2020-01-01T00:00:00"))

    assert post == Post(id=1, body="", created="2020-01-01T00:00:00", license="CC-BY-SA-4.0")
    assert error is None


TAGS = {
    "": (),
    "<a><c++>": ("a", "c++"),
    "|a|b|": ("a", "b"),
    "|ag.algebraic-geometry|": ("ag.algebraic-geometry",),
}


@pytest.mark.parametrize(("value", "wanted"), TAGS.items(), ids=TAGS)
def test_tags_of_either_notation(value: str, wanted: tuple[str, ...]) -> None:
    assert tags_of(value) == wanted


LICENSES = {
    "2011-04-07T23:59:59": "CC-BY-SA-2.5",
    "2011-04-08T00:00:00": "CC-BY-SA-3.0",
    "2018-05-01T23:59:59": "CC-BY-SA-3.0",
    "2018-05-02T00:00:00": "CC-BY-SA-4.0",
}


@pytest.mark.parametrize(("created", "wanted"), LICENSES.items(), ids=LICENSES)
def test_the_date_says_the_licence(created: str, wanted: str) -> None:
    assert license_of(None, created)[0] == wanted


def test_a_stated_licence_goes_before_the_date() -> None:
    assert license_of("CC BY-SA 2.5", "2020-01-01T00:00:00")[0] == "CC-BY-SA-2.5"


def test_a_licence_that_is_not_known_is_none() -> None:
    spdx, known_by = license_of("CC BY-NC 9.0", "2020-01-01T00:00:00")

    assert spdx is None
    assert "CC BY-NC 9.0" in known_by


WRONG = {"CreationDate": "soon", "Score": "many", "OwnerUserId": "x", "AcceptedAnswerId": "9" * 30}


@pytest.mark.parametrize(("name", "value"), WRONG.items(), ids=WRONG)
def test_a_value_that_is_none_makes_a_bad_row(name: str, value: str) -> None:
    assert read(dumps.question(1, **{name: value}))[1] == f"{name} is `{value}`"
