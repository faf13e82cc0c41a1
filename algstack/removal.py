"""Opt-outs: owners, repositories, contents and paths that are not to be in the dataset, and who is meant by them.

One request a line, `KIND NAME`, with `#` before a comment:

    owner github:someone                 every repository of an account
    repo github:someone/project          one repository, or a package or site by the name that its documents have
    swhid swh:1:cnt:<40 hex digits>      one content, wherever it lies
    path github:someone/project thesis/* files of a repository, by a pattern

The prefix `github:` may be left out. Names are compared without regard to case, as GitHub does.
"""

from __future__ import annotations

import fnmatch
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from algstack.dataset import fingerprint
from algstack.errors import ManifestError
from algstack.toml import nearest

RULE = "removal-request"
REASON = "Its owner asked that it not be in the dataset."

UNNAMED = "removed:"
"""What the ids of removed documents begin with in a release: a hash follows, and nothing that names them."""

KINDS = ("owner", "path", "repo", "swhid")

_SWHID = re.compile(r"swh:1:cnt:[0-9a-f]{40}")
_OWNER = re.compile(r"(?:[a-z]+:)?[\w.-]+")
_REPO = re.compile(r"(?:[a-z]+:)?[\w.@-]+(?:/[\w.~@-]+)*")


@dataclass(frozen=True)
class Removals:
    """All requests, in lower case and without `github:`."""

    owners: frozenset[str] = frozenset()
    repos: frozenset[str] = frozenset()
    swhids: frozenset[str] = frozenset()
    paths: tuple[tuple[str, str], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.owners or self.repos or self.swhids or self.paths)

    @property
    def fingerprint(self) -> str:
        """What depends on the requests depends on this."""
        return fingerprint([sorted(self.owners), sorted(self.repos), sorted(self.swhids), sorted(self.paths)])

    def wants_repo(self, repo: str | None) -> bool:
        """Whether a whole repository is to go: the crawl need not fetch it."""
        if repo is None:
            return False
        name = _plain(repo)
        return name in self.repos or ("/" in name and name.split("/", 1)[0] in self.owners)

    def wants(self, repo: str | None, path: str | None, swhid: str | None) -> bool:
        """Whether a document is to go."""
        if self.wants_repo(repo) or (swhid is not None and swhid.lower() in self.swhids):
            return True
        if repo is None or path is None:
            return False
        name = _plain(repo)
        return any(name == wanted and fnmatch.fnmatchcase(path, pattern) for wanted, pattern in self.paths)

    def mask(self, documents: pl.DataFrame) -> pl.Series:
        """Mark the documents that are to go.

        Args:
            documents: columns `repo`, `path`, `swhid`.
        """
        if not self:
            return pl.repeat(value=False, n=documents.height, dtype=pl.Boolean, eager=True).rename("removed")
        repos = {repo: self.wants_repo(repo) for repo in documents["repo"].unique().to_list()}
        rows = documents.select("repo", "path", "swhid").iter_rows()
        removed = [repos[repo] or self.wants(repo, path, swhid) for repo, path, swhid in rows]
        return pl.Series("removed", removed, pl.Boolean)


def unnamed(column: str) -> pl.Expr:
    """The id that a removed document has in a release: only who knows its name can find it."""
    digest = pl.col(column).map_elements(_digest, return_dtype=pl.String)
    return pl.lit(UNNAMED) + digest


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:32]


def read(paths: Iterable[Path]) -> Removals:
    """Read opt-out files.

    Raises:
        ManifestError: a file cannot be read, or a line is no request; the error names the line.
    """
    requests = [request for path in paths for request in _requests(path)]
    return Removals(
        owners=frozenset(name for kind, name, _ in requests if kind == "owner"),
        repos=frozenset(name for kind, name, _ in requests if kind == "repo"),
        swhids=frozenset(name for kind, name, _ in requests if kind == "swhid"),
        paths=tuple(sorted({(name, pattern) for kind, name, pattern in requests if kind == "path"})),
    )


def _requests(path: Path) -> list[tuple[str, str, str]]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise ManifestError(f"{path}: the opt-out file cannot be read ({error.strerror}).") from None
    except UnicodeDecodeError as error:
        raise ManifestError(f"{path}: not UTF-8 text (byte {error.start}).") from None
    found = []
    for number, line in enumerate(lines, 1):
        words = re.sub(r"(?:^|\s)#.*", "", line).split(maxsplit=2)
        if words:
            found.append(_request(words, f"{path}:{number}"))
    return found


def _request(words: list[str], where: str) -> tuple[str, str, str]:
    kind, name = words[0].lower(), words[1] if len(words) > 1 else ""
    pattern = words[2].strip() if len(words) > 2 else ""
    if kind not in KINDS:
        raise ManifestError(f"{where}: `{words[0]}` is no kind of request{nearest(kind, KINDS)}")
    shape = {"owner": _OWNER, "path": _REPO, "repo": _REPO, "swhid": _SWHID}[kind]
    if not shape.fullmatch(name.lower()):
        raise ManifestError(f"{where}: `{name}` is not {_SHAPES[kind]}")
    if bool(pattern) != (kind == "path"):
        expected = "a repository and a pattern" if kind == "path" else "one name"
        raise ManifestError(f"{where}: `{kind}` takes {expected}. A comment begins with `#`.")
    return kind, name.lower() if kind == "swhid" else _plain(name), pattern


_SHAPES = {
    "owner": "the name of an account, such as `github:someone`.",
    "path": "the name of a repository, such as `github:someone/project`.",
    "repo": "the name of a repository, such as `github:someone/project`.",
    "swhid": "the SWHID of a content, `swh:1:cnt:` and 40 hex digits.",
}


def _plain(name: str) -> str:
    return name.lower().removeprefix("github:").removeprefix("https://github.com/").removesuffix(".git")
