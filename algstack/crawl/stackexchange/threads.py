"""A question with its answers: one document, and a drop with its reason for every post that is not in it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from algstack.crawl.stackexchange.html import with_language
from algstack.crawl.stackexchange.posts import Post, tags_of
from algstack.crawl.stackexchange.sites import code_language
from algstack.documents import clip

LANG = "stackexchange"

# What a rule of this source means; the reasons are shown to people as they stand.
REASONS = {
    "answer-not-wanted": "the source's `answers` takes only some answers of a question",
    "bad-row": "the row of the dump cannot be read",
    "broken-dump": "the dump ends early or is damaged; what came before is kept",
    "closed": "the question was closed, and the source's `closed` leaves such out",
    "duplicate": "the question was closed as a duplicate, and the source's `duplicates` leaves such out",
    "empty-post": "the post has neither text nor picture",
    "low-score": "the post's score is below the source's `min_score`",
    "no-question": "the dump does not hold the question that this answers",
    "other-post": "neither a question nor an answer",
    "question-dropped": "the question that this answers was dropped",
    "repeated-id": "the dump holds a post of this id more than once; the first one is kept",
    "tag-wiki": "describes a tag, and the source's `tag_wikis` leaves such out",
    "tags": "the question has none of the source's `tags`",
}


@dataclass(frozen=True)
class Policy:
    """Which posts become documents. Each of the fields is a key of the manifest's source."""

    min_score: int | None = None
    answers: Literal["all", "accepted", "top"] = "all"
    tags: frozenset[str] = frozenset()
    closed: bool = True
    duplicates: bool = True
    tag_wikis: bool = False


class Drop(NamedTuple):
    """A post that is in no document: the last part of its id, a key of REASONS, and what was seen."""

    path: str
    rule: str
    evidence: str = ""


@dataclass(frozen=True)
class Site:
    """Where posts come from, and what is said about all of them."""

    host: str
    source: str
    revision: str | None = None
    policy: Policy = field(default_factory=Policy)

    def document_id(self, path: str) -> str:
        """Return the id of a post, e.g. `stackexchange:math.stackexchange.com/q/123`."""
        return f"stackexchange:{self.host}/{path}"

    def url(self, path: str) -> str:
        """Return a post's permalink."""
        return f"https://{self.host}/{path}"

    def decision(self, drop: Drop) -> dict[str, Any]:
        """Return the crawl's decision about a post that is in no document; a row of DECISIONS."""
        return {
            "id": self.document_id(drop.path),
            "stage": "crawl",
            "lang": LANG,
            "keep": False,
            "rule": drop.rule,
            "reason": REASONS[drop.rule],
            "evidence": clip(drop.evidence) or None,
        }


class Extras(NamedTuple):
    """What other tables say about the posts of one question."""

    duplicates: Sequence[int] = ()  # ids of the questions that it duplicates
    comments: Mapping[int, Sequence[Post]] = {}  # by post
    names: Mapping[int, str] = {}  # display names by user


NOTHING = Extras()


def thread(
    site: Site, question: Post, answers: Sequence[Post], extras: Extras = NOTHING
) -> tuple[dict[str, Any] | None, list[Drop]]:
    """Return (the question's document or None, the posts that are not in it).

    Args:
        site: where they come from, and the policy.
        question: the question.
        answers: all its answers, in any order.
        extras: comments, duplicates and names, as far as they are wanted.

    Returns:
        A row of DOCUMENTS. Answers stand in it accepted first, then by score, then by id.
    """
    dropped = _refuse_question(site.policy, question, extras)
    if dropped is not None:
        because = f"{dropped.rule}: {dropped.path}"
        return None, [dropped, *(Drop(f"a/{answer.id}", "question-dropped", because) for answer in answers)]
    ordered = sorted(answers, key=lambda answer: _rank(question, answer))
    kept, drops = _choose_answers(site.policy, question, ordered)
    language = code_language(site.host, tags_of(question.tags))
    bodies = [(answer, with_language(answer.body, language)) for answer in kept]
    drops += [Drop(f"a/{answer.id}", "empty-post") for answer, body in bodies if not body]
    body = with_language(question.body, language)
    if not body and not question.title:
        because = f"empty-post: q/{question.id}"
        written = [Drop(f"a/{answer.id}", "question-dropped", because) for answer, body in bodies if body]
        return None, [Drop(f"q/{question.id}", "empty-post"), *drops, *written]
    return _document(site, question, body, [pair for pair in bodies if pair[1]], extras), drops


def tag_wiki(site: Site, post: Post, tag: str | None) -> dict[str, Any] | None:
    """Return the document of a post that describes a tag, or None if it is empty; a row of DOCUMENTS."""
    body = with_language(post.body, code_language(site.host, (tag,) if tag else ()))
    if not body:
        return None
    path = f"p/{post.id}"
    text = f"# {tag} (tag)\n\n{body}\n" if tag else f"{body}\n"
    return {
        "id": site.document_id(path),
        "text": text,
        "lang": LANG,
        "source": site.source,
        "repo": site.host,
        "path": path,
        "revision": site.revision,
        "url": site.url(f"posts/{post.id}"),
        "license": post.license,
        "license_source": post.license_source,
        "attribution": f"Tag description {_attribution(site, post, f'posts/{post.id}', NOTHING)}",
        "created_at": datetime.fromisoformat(f"{post.created}+00:00"),
        "stars": None,
        "size": len(text.encode()),
        "swhid": None,
        "meta": json.dumps({"created": post.created, "id": post.id, "tag": tag}, ensure_ascii=False),
    }


def _refuse_question(policy: Policy, question: Post, extras: Extras) -> Drop | None:
    path = f"q/{question.id}"
    if policy.tags and policy.tags.isdisjoint(tags_of(question.tags)):
        return Drop(path, "tags", f"tags: {', '.join(tags_of(question.tags))}")
    if policy.min_score is not None and (question.score or 0) < policy.min_score:
        return Drop(path, "low-score", f"score {question.score}")
    if not policy.duplicates and _is_duplicate(question, extras):
        return Drop(path, "duplicate", f"of {', '.join(map(str, extras.duplicates))}" if extras.duplicates else "")
    if not policy.closed and question.closed:
        return Drop(path, "closed", f"closed on {question.closed}")
    return None


def _is_duplicate(question: Post, extras: Extras) -> bool:
    # Dumps of some years say it in the title only.
    return question.duplicate or bool(question.closed and extras.duplicates) or question.title.endswith("[duplicate]")


def _rank(question: Post, answer: Post) -> tuple[bool, int, int]:
    return answer.id != question.accepted, -(answer.score or 0), answer.id


def _choose_answers(policy: Policy, question: Post, ordered: Sequence[Post]) -> tuple[list[Post], list[Drop]]:
    kept, drops = [], []
    for place, answer in enumerate(ordered):
        path = f"a/{answer.id}"
        if policy.min_score is not None and (answer.score or 0) < policy.min_score:
            drops.append(Drop(path, "low-score", f"score {answer.score}"))
        elif policy.answers == "accepted" and answer.id != question.accepted:
            drops.append(Drop(path, "answer-not-wanted", "not the accepted one"))
        elif policy.answers == "top" and place:
            drops.append(Drop(path, "answer-not-wanted", f"number {place + 1} by acceptance and score"))
        else:
            kept.append(answer)
    return kept, drops


def _document(
    site: Site, question: Post, body: str, answers: Sequence[tuple[Post, str]], extras: Extras
) -> dict[str, Any]:
    text = _text(question, body, answers, extras)
    posts = [question, *(answer for answer, _ in answers)]
    license_, license_source = strictest([*posts, *(c for post in posts for c in extras.comments.get(post.id, ()))])
    path = f"q/{question.id}"
    return {
        "id": site.document_id(path),
        "text": text,
        "lang": LANG,
        "source": site.source,
        "repo": site.host,
        "path": path,
        "revision": site.revision,
        "url": site.url(path),
        "license": license_,
        "license_source": license_source,
        "attribution": "\n".join(_attributions(site, posts, extras)),
        "created_at": datetime.fromisoformat(f"{question.created}+00:00"),
        "stars": None,
        "size": len(text.encode()),
        # A SWHID names a file's bytes, and a post never was a file.
        "swhid": None,
        "meta": _meta(question, [answer for answer, _ in answers], extras),
    }


def _text(question: Post, body: str, answers: Sequence[tuple[Post, str]], extras: Extras) -> str:
    """Lay a thread out: title, tags, the question, then each answer under its own heading."""
    parts = [f"# {' '.join(question.title.split())}"] if question.title else []
    if question.tags:
        parts.append(f"Tags: {', '.join(tags_of(question.tags))}")
    parts += ["## Question", body, *_comments(question, extras)]
    for answer, answer_body in answers:
        parts.append("## Accepted answer" if answer.id == question.accepted else "## Answer")
        parts += [answer_body, *_comments(answer, extras)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _comments(post: Post, extras: Extras) -> Iterator[str]:
    comments = extras.comments.get(post.id)
    if comments:
        yield "### Comments"
        yield "\n".join(f"- {' '.join(comment.body.split())}" for comment in comments)


def strictest(posts: Sequence[Post]) -> tuple[str | None, str]:
    """Return (SPDX id, how it is known) under which posts can be used together.

    A later version of CC BY-SA may replace an earlier one in an adaptation, never the reverse: the latest is the
    strictest. If one post's licence is not known, the whole one's is not.
    """
    licenses = {post.license for post in posts}
    sources = " and ".join(sorted({post.license_source for post in posts}))
    return (None if None in licenses else max(map(str, licenses))), sources


def _attributions(site: Site, posts: Sequence[Post], extras: Extras) -> Iterator[str]:
    """Yield one line a post: who wrote what, where, under which licence (CC BY-SA, section 3a or 4c)."""
    for number, post in enumerate(posts):
        what, letter = ("Answer", "a") if number else ("Question", "q")
        yield f"{what} {_attribution(site, post, f'{letter}/{post.id}', extras)}"
        for comment in extras.comments.get(post.id, ()):
            yield f"Comment {_attribution(site, comment, f'posts/comments/{comment.id}', extras)}"


def _attribution(site: Site, post: Post, path: str, extras: Extras) -> str:
    license_ = (post.license or "unknown licence").replace("CC-BY-SA-", "CC BY-SA ")
    if post.owner is None:
        owner = post.owner_name or "a user who left"
    else:
        name = extras.names.get(post.owner) or f"user {post.owner}"
        owner = f"{name} ({site.url(f'users/{post.owner}')})"
    return f"by {owner}, {site.url(path)}, {license_}"


def _meta(question: Post, answers: Sequence[Post], extras: Extras) -> str:
    """Return the JSON of what only this source knows; written by hand, since an encoder takes longer than all else."""
    listed = ", ".join(
        f'{{"id": {answer.id}, "score": {_json(answer.score)}, "created": "{answer.created}"}}' for answer in answers
    )
    closed = f', "closed": "{question.closed}"' if question.closed else ""
    duplicates = f', "duplicates": {list(extras.duplicates)}' if extras.duplicates else ""
    return (
        f'{{"accepted": {_json(question.accepted)}, "answers": [{listed}], "created": "{question.created}", '
        f'"id": {question.id}, "score": {_json(question.score)}, "tags": {json_tags(question.tags)}'
        f"{closed}{duplicates}}}"
    )


def _json(number: int | None) -> str:
    return "null" if number is None else str(number)


@lru_cache(maxsize=1 << 14)
def json_tags(tags: str) -> str:
    """Return the JSON of a post's tags, which come as the dump has them."""
    return json.dumps(tags_of(tags), ensure_ascii=False)
