"""A question with its answers: layout, order, attribution, licences, policies."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from algstack.crawl.stackexchange.posts import Post
from algstack.crawl.stackexchange.threads import REASONS, Drop, Extras, Policy, Site, strictest, thread
from algstack.documents import DECISIONS, DOCUMENTS

SITE = Site("math.stackexchange.com", "math", "2024-04-02")


def post(number: int, **more: object) -> Post:
    values = {"body": f"post {number}", "created": "2012-01-02T03:04:05", "license": "CC-BY-SA-3.0"}
    return Post(id=number, **(values | {"owner": number * 10} | more))  # type: ignore[arg-type]


QUESTION = post(1, title="Why  so?", tags="|a|python|", accepted=3, score=4)
ANSWERS = [post(2, score=7), post(3, score=1), post(4, score=7), post(5)]


def test_answers_stand_accepted_first_then_by_score_then_by_id() -> None:
    document, drops = thread(SITE, QUESTION, ANSWERS)

    assert document is not None
    assert drops == []
    assert document["text"] == (
        "# Why so?\n\nTags: a, python\n\n## Question\n\npost 1\n\n## Accepted answer\n\npost 3\n\n"
        "## Answer\n\npost 2\n\n## Answer\n\npost 4\n\n## Answer\n\npost 5\n"
    )


def test_a_document_has_all_columns() -> None:
    document, _ = thread(SITE, QUESTION, ANSWERS[:1])

    assert document is not None
    assert list(document) == DOCUMENTS.names
    del document["text"], document["size"], document["meta"]
    assert document == {
        "id": "stackexchange:math.stackexchange.com/q/1",
        "lang": "stackexchange",
        "source": "math",
        "repo": "math.stackexchange.com",
        "path": "q/1",
        "revision": "2024-04-02",
        "url": "https://math.stackexchange.com/q/1",
        "license": "CC-BY-SA-3.0",
        "license_source": "the post's date (stackoverflow.com/help/licensing)",
        "attribution": (
            "Question by user 10 (https://math.stackexchange.com/users/10), https://math.stackexchange.com/q/1, "
            "CC BY-SA 3.0\n"
            "Answer by user 20 (https://math.stackexchange.com/users/20), https://math.stackexchange.com/a/2, "
            "CC BY-SA 3.0"
        ),
        "created_at": datetime(2012, 1, 2, 3, 4, 5, tzinfo=UTC),
        "stars": None,
        "swhid": None,
    }


def test_meta_has_ids_scores_dates_tags_and_duplicates() -> None:
    question = QUESTION._replace(closed="2013-01-01T00:00:00")
    document, _ = thread(SITE, question, ANSWERS[:1], Extras(duplicates=[99]))

    assert document is not None
    assert json.loads(document["meta"]) == {
        "accepted": 3,
        "answers": [{"id": 2, "score": 7, "created": "2012-01-02T03:04:05"}],
        "closed": "2013-01-01T00:00:00",
        "created": "2012-01-02T03:04:05",
        "duplicates": [99],
        "id": 1,
        "score": 4,
        "tags": ["a", "python"],
    }


OWNERS = {
    "by id": ({"owner": 7}, "by user 7 (https://math.stackexchange.com/users/7), "),
    "by name": ({"owner": 8}, "by Ada (https://math.stackexchange.com/users/8), "),
    "who left, with a name": ({"owner": None, "owner_name": "user123"}, "by user123, "),
    "who left": ({"owner": None}, "by a user who left, "),
}


@pytest.mark.parametrize(("values", "wanted"), OWNERS.values(), ids=OWNERS)
def test_owner(values: dict[str, object], wanted: str) -> None:
    document, _ = thread(SITE, QUESTION._replace(**values), [], Extras(names={8: "Ada"}))  # type: ignore[arg-type]

    assert document is not None
    assert wanted in document["attribution"]


def test_comments_stand_below_their_post_and_are_attributed() -> None:
    comment = post(50, body="what about $n = 0$?")
    document, _ = thread(SITE, QUESTION, ANSWERS[:1], Extras(comments={2: [comment]}))

    assert document is not None
    assert document["text"].endswith("## Answer\n\npost 2\n\n### Comments\n\n- what about $n = 0$?\n")
    assert document["attribution"].splitlines()[-1].startswith("Comment by user 500 (")


def test_the_latest_licence_is_the_strictest() -> None:
    assert strictest([post(1), post(2, license="CC-BY-SA-4.0"), post(3, license="CC-BY-SA-2.5")])[0] == "CC-BY-SA-4.0"
    assert strictest([post(1), post(2, license=None)])[0] is None


POLICIES = {
    "accepted": (Policy(answers="accepted"), ["q/1", "a/3"], {"answer-not-wanted": 3}),
    "top": (Policy(answers="top"), ["q/1", "a/3"], {"answer-not-wanted": 3}),
    "score": (Policy(min_score=2), ["q/1", "a/2", "a/4"], {"low-score": 2}),
    "score of the question": (Policy(min_score=5), [], {"low-score": 1, "question-dropped": 4}),
    "tag": (Policy(tags=frozenset({"python"})), ["q/1", "a/2", "a/3", "a/4", "a/5"], {}),
    "another tag": (Policy(tags=frozenset({"r"})), [], {"tags": 1, "question-dropped": 4}),
    "closed": (Policy(closed=False), [], {"closed": 1, "question-dropped": 4}),
    "duplicate": (Policy(duplicates=False), [], {"duplicate": 1, "question-dropped": 4}),
}


@pytest.mark.parametrize(("policy", "kept", "dropped"), POLICIES.values(), ids=POLICIES)
def test_policy(policy: Policy, kept: list[str], dropped: dict[str, int]) -> None:
    question = QUESTION._replace(closed="2013-01-01T00:00:00")
    document, drops = thread(replace(SITE, policy=policy), question, ANSWERS, Extras(duplicates=[99]))

    paths = [line.split(", ")[1].removeprefix("https://math.stackexchange.com/") for line in _attributions(document)]
    rules = [drop.rule for drop in drops]
    assert sorted(paths) == sorted(kept)
    assert {rule: rules.count(rule) for rule in rules} == dropped
    assert len(paths) + len(drops) == 1 + len(ANSWERS)


def _attributions(document: dict[str, object] | None) -> list[str]:
    return str(document["attribution"]).splitlines() if document else []


def test_posts_without_text_are_dropped() -> None:
    empty = post(1, body="")

    document, drops = thread(SITE, QUESTION, [post(2, body="")])
    assert document is not None
    assert drops == [Drop("a/2", "empty-post")]

    document, drops = thread(SITE, empty, ANSWERS[:1])
    assert document is None
    assert [drop.rule for drop in drops] == ["empty-post", "question-dropped"]


def test_code_blocks_have_the_language_of_the_tags() -> None:
    document, _ = thread(SITE, QUESTION, [post(2, body="```\0\nx = 1\n```")])

    assert document is not None
    assert "```python\nx = 1\n```" in document["text"]


@pytest.mark.parametrize("rule", REASONS)
def test_a_drop_is_a_decision(rule: str) -> None:
    decision = SITE.decision(Drop("a/1", rule, "x" * 1000))

    assert set(decision) <= set(DECISIONS.names)
    assert len(decision["evidence"]) == 200
