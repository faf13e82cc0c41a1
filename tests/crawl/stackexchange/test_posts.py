"""One row to one post: tags of either notation, licences, owners, numbers."""

from __future__ import annotations

import pytest

from algstack.crawl.stackexchange.posts import Post, from_attributes, license_of, tags_of
from algstack.crawl.stackexchange.rows import BadRow, attributes
from tests.crawl.stackexchange import dumps


def post_of(row: str) -> Post:
    return from_attributes(attributes(row.strip().encode()))


def test_a_question_is_read_as_it_is() -> None:
    more = {"ContentLicense": "CC BY-SA 3.0", "AcceptedAnswerId": 3, "ClosedDate": "2014-01-02T03:04:05.6"}

    assert post_of(dumps.question(1, Title="Is $a<b$ & c?", **more)) == Post(
        id=1,
        html="<p>What is $x_1$?</p>\n",
        created="2013-06-25T03:05:29",
        score=5,
        license="CC-BY-SA-3.0",
        license_source="the post's ContentLicense",
        owner=7,
        title="Is $a<b$ & c?",
        tags=("linear-algebra", "python"),
        accepted=3,
        closed="2014-01-02T03:04:05",
    )


def test_what_a_row_does_not_say_is_not_known() -> None:
    post = post_of(dumps.row(Id=1, PostTypeId=2, CreationDate="2020-01-01T00:00:00"))

    assert (post.html, post.score, post.owner, post.owner_name, post.tags) == ("", None, None, None, ())


TAGS = {
    "": (),
    "<a><c++>": ("a", "c++"),
    "&lt;a&gt;&lt;b&gt;": ("a", "b"),
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


@pytest.mark.parametrize("bad", [{"CreationDate": "soon"}, {"Score": "many"}, {"OwnerUserId": "x"}], ids=str)
def test_a_value_that_is_none_makes_a_bad_row(bad: dict[str, str]) -> None:
    with pytest.raises(BadRow):
        post_of(dumps.question(1, **bad))
