"""Why something became no document: the crawl's rules, with their reasons."""

from __future__ import annotations

from typing import Any, NamedTuple

from algstack.documents import clip

# They are shown to people as they stand.
REASONS = {
    "archive-bomb": "the archive unpacks to more than the manifest's limits allow, and was left there",
    "binary": "holds NUL bytes: not a text file",
    "broken-archive": "the archive ends early or is damaged; what came before is kept",
    "lfs-pointer": "only points to a file that git LFS keeps elsewhere",
    "link": "a link: where it leads is not part of the source",
    "no-language": "no filter names this file's extension",
    "no-text": "the row has no text",
    "repeated-path": "the archive holds this path more than once; the first one is kept",
    "repository-archived": "an archived repository, which the manifest leaves out",
    "repository-blocked": "GitHub does not give the repository out",
    "repository-empty": "the repository has no commits",
    "repository-excluded": "the manifest leaves this repository out",
    "repository-failed": "the repository could not be fetched; `algstack crawl --retry failed` tries again",
    "repository-fork": "a fork, which the manifest leaves out",
    "repository-gone": "the repository is not there any more",
    "repository-mirror": "a mirror of a repository elsewhere, which the manifest leaves out",
    "repository-new": "no commit before the manifest's cutoff on the default branch",
    "repository-private": "a private repository, which only this token may read",
    "repository-too-large": "the archive unpacks to more than the manifest's limits allow",
    "special-file": "a device, a pipe or a socket, not a file",
    "submodule": "another repository's commit, not a file of this one",
    "too-large": "larger than the manifest's `crawl.max_file_bytes`",
    "undecodable": "neither UTF-8 nor any encoding that could be detected with confidence",
    "unreadable": "could not be read",
    "unsafe-path": "the path is absolute or leads out of the source with `..`",
}


class Refusal(NamedTuple):
    """Why a file was not read: a key of REASONS, and what was seen."""

    rule: str
    evidence: str = ""

    @property
    def seen(self) -> str | None:
        """The evidence as a decision holds it."""
        return clip(valid_text(self.evidence)) or None


def drop(document_id: str, refusal: Refusal, lang: str | None = None) -> dict[str, Any]:
    """Return the crawl's decision about something that became no document."""
    return {
        "id": document_id,
        "stage": "crawl",
        "lang": lang,
        "keep": False,
        "rule": refusal.rule,
        "reason": REASONS[refusal.rule],
        "evidence": refusal.seen,
    }


def valid_text(name: str) -> str:
    """Return a name as valid Unicode: bytes of a file name that are not UTF-8 become `\\xNN`."""
    if name.isascii():
        return name
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
