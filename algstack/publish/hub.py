"""The Hugging Face Hub as a target: `hf://datasets/org/name[@branch]`."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, TypeVar

from algstack.errors import AlgstackError
from algstack.publish.place import File, Remote, plan
from algstack.release.stage import CHECKSUMS

FILES_PER_COMMIT = 50
"""The hub asks for 50 to 100."""

TRIES = 8
"""In a row without any success, besides those that huggingface_hub makes itself."""

FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0
"""Seconds."""

PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Answers that another try can change."""

DEFAULT_BRANCH = "main"

REPO_TYPE: Literal["dataset"] = "dataset"

Gated = Literal["auto", "manual"]
Result = TypeVar("Result")
Item = TypeVar("Item")
Change = tuple[str, File | None]
"""A name and what is to be there; None to remove it."""


@dataclass(frozen=True)
class HubPlace:
    """A dataset repository on the hub."""

    repo: str
    branch: str = DEFAULT_BRANCH
    private: bool = False
    gated: Gated | None = None
    sleep: Callable[[float], None] = time.sleep

    @cached_property
    def _api(self) -> Any:
        try:
            from huggingface_hub import HfApi
        except ImportError:
            raise AlgstackError("hf:// needs one more package: pip install 'algstack[hub]'.") from None
        from huggingface_hub.utils import logging
        from huggingface_hub.utils.tqdm import disable_progress_bars

        # Its warnings name addresses that are signed, and so are secrets; what matters is said by _explained.
        logging.set_verbosity_error()  # type: ignore[no-untyped-call]
        if not sys.stderr.isatty():
            disable_progress_bars()
        return HfApi(library_name="algstack")

    def prepare(self) -> None:
        """Make the repository and the branch if they are not there."""
        self._persist(
            lambda: self._api.create_repo(self.repo, repo_type=REPO_TYPE, private=self.private, exist_ok=True)
        )
        if self.gated:
            self._persist(lambda: self._api.update_repo_settings(self.repo, repo_type=REPO_TYPE, gated=self.gated))
        if self.branch != DEFAULT_BRANCH:
            self._persist(
                lambda: self._api.create_branch(self.repo, repo_type=REPO_TYPE, branch=self.branch, exist_ok=True)
            )

    def listing(self) -> dict[str, Remote]:
        """All files of the branch."""
        return self._listing(self.branch)

    def _listing(self, revision: str) -> dict[str, Remote]:
        from huggingface_hub.errors import HfHubHTTPError
        from huggingface_hub.hf_api import RepoFile

        def read() -> dict[str, Remote]:
            try:
                tree = list(self._api.list_repo_tree(self.repo, repo_type=REPO_TYPE, revision=revision, recursive=True))
            except HfHubHTTPError as error:
                if not _is_missing(error):
                    raise
                return {}
            return {
                entry.path: Remote(entry.size, f"sha256:{entry.lfs.sha256}" if entry.lfs else f"git:{entry.blob_id}")
                for entry in tree
                if isinstance(entry, RepoFile)
            }

        return self._persist(read)

    def read(self, name: str) -> bytes | None:
        """A small file's content; None where there is none."""
        from huggingface_hub.errors import HfHubHTTPError

        def read() -> bytes | None:
            with TemporaryDirectory() as cache:
                try:
                    return self._downloaded(name, cache).read_bytes()
                except HfHubHTTPError as error:
                    if not _is_missing(error):
                        raise
                    return None

        return self._persist(read)

    def fetch(self, name: str, path: Path) -> None:
        """Bring a file of the branch, or of the tag of that name, to a path."""
        with TemporaryDirectory(dir=path.parent) as cache:
            self._persist(partial(self._downloaded, name, cache)).resolve().rename(path)

    def _downloaded(self, name: str, cache: str) -> Path:
        return Path(
            self._api.hf_hub_download(self.repo, name, repo_type=REPO_TYPE, revision=self.branch, cache_dir=cache)
        )

    def send(self, files: Sequence[File], remove: Sequence[str]) -> None:
        """Send large files first, which is what takes long and can go on after a break; then commit."""
        from huggingface_hub import CommitOperationAdd

        additions = {file.name: CommitOperationAdd(file.name, str(file.path)) for file in files}
        for uploads in _batches(list(additions.values())):
            upload = partial(
                self._api.preupload_lfs_files, self.repo, uploads, repo_type=REPO_TYPE, revision=self.branch
            )
            self._persist(partial(upload, free_memory=False))
        changes: list[Change] = [(file.name, file) for file in files if file.name != CHECKSUMS]
        changes += [(name, None) for name in remove]
        # The checksums say what is ours to remove, so they change last.
        changes += [(file.name, file) for file in files if file.name == CHECKSUMS]
        for batch in _batches(changes):
            self._persist(partial(self._commit, batch, additions))

    def _commit(self, changes: list[Change], additions: dict[str, Any]) -> None:
        """Commit what is not there yet: the answer to an earlier try can be lost after the commit was made."""
        from huggingface_hub import CommitOperationDelete

        there = self._listing(self.branch)
        left = [
            additions[name] if file else CommitOperationDelete(name)
            for name, file in changes
            if (not file.is_at(there.get(name)) if file else name in there)
        ]
        if left:
            self._api.create_commit(
                self.repo, left, commit_message="Release", repo_type=REPO_TYPE, revision=self.branch
            )

    def check_version(self, version: str, files: Sequence[File]) -> bool:
        """Whether the tag is there with this content, and the branch holds a release: this one, or another since.

        Raises:
            AlgstackError: it is there with another.
        """
        if version not in self._tags():
            return False
        if plan(files, self._listing(version), {}).send:
            raise AlgstackError(
                f"hf://datasets/{self.repo}: the tag {version} is there already and is of another content. "
                "A published version is never changed: make a release of another version."
            )
        return CHECKSUMS in self.listing()

    def _tags(self) -> set[str]:
        from huggingface_hub.errors import HfHubHTTPError

        def read() -> set[str]:
            try:
                return {tag.name for tag in self._api.list_repo_refs(self.repo, repo_type=REPO_TYPE).tags}
            except HfHubHTTPError as error:
                if not _is_missing(error):
                    raise
                return set()

        return self._persist(read)

    def mark_version(self, version: str) -> None:
        """Tag the branch's last commit."""
        self._persist(
            lambda: self._api.create_tag(
                self.repo, repo_type=REPO_TYPE, tag=version, revision=self.branch, exist_ok=True
            )
        )

    def _persist(self, call: Callable[[], Result]) -> Result:
        """Run a call until it succeeds, waiting longer each time; give up on what another try cannot change."""
        for number in range(TRIES):
            try:
                return call()
            except Exception as raised:
                error = _cause(raised)
                if not _passing(error) or number == TRIES - 1:
                    raise _explained(error, self.repo) from None
                self.sleep(_wait(error, number))
        raise AssertionError


def _batches(items: list[Item]) -> Iterator[list[Item]]:
    for start in range(0, len(items), FILES_PER_COMMIT):
        yield items[start : start + FILES_PER_COMMIT]


def _cause(error: BaseException) -> BaseException:
    """Return what an error of the library's came from: its upload threads wrap it, and so do its downloads."""
    from huggingface_hub.errors import LocalEntryNotFoundError

    while error.__cause__ is not None and (type(error) is RuntimeError or isinstance(error, LocalEntryNotFoundError)):
        error = error.__cause__
    return error


def _status(error: BaseException) -> int | None:
    status: int | None = getattr(getattr(error, "response", None), "status_code", None)
    return status


def _is_missing(error: BaseException) -> bool:
    """Whether there is no such repository, revision or file, or none that we may see: the hub does not tell which."""
    from huggingface_hub.errors import RepositoryNotFoundError

    return _status(error) == 404 or isinstance(error, RepositoryNotFoundError)


def _passing(error: BaseException) -> bool:
    """Whether another try can help: a busy or broken server, a broken line."""
    if _status(error) in PASSING:
        return True
    # huggingface_hub brings httpx or httpx2, whose errors of the line have no common name.
    of_the_line = type(error).__module__.split(".")[0] in ("httpx", "httpx2", "httpcore", "httpcore2")
    return (of_the_line and _status(error) is None) or isinstance(error, ConnectionError | TimeoutError)


def _wait(error: BaseException, number: int) -> float:
    """Seconds to wait: what the server asks for, else twice as long each time, a little at random."""
    headers = getattr(getattr(error, "response", None), "headers", {})
    try:
        asked = float(headers.get("retry-after", ""))
    except ValueError:
        asked = FIRST_WAIT * 2.0**number * (0.5 + random.random() / 2)  # noqa: S311 - spreads the load
    return min(LONGEST_WAIT, asked)


def _explained(error: BaseException, repo: str) -> AlgstackError:
    """One clear line for what a user can do something about."""
    from huggingface_hub.errors import HFValidationError, LocalTokenNotFoundError

    where = f"hf://datasets/{repo}"
    status = _status(error)
    if isinstance(error, AlgstackError):
        return error
    if isinstance(error, HFValidationError):
        return AlgstackError(f"{where}: the hub does not allow this name. Write `org/name`: letters, digits, `-_.`.")
    if status == 401 or isinstance(error, LocalTokenNotFoundError):
        return AlgstackError(f"{where}: the hub does not know the token. Set HF_TOKEN to one with the right to write.")
    if status == 403:
        return AlgstackError(f"{where}: the token may not write here. Set HF_TOKEN to one with the right to write.")
    if status is None:
        return AlgstackError(f"{where}: the hub cannot be reached ({type(error).__name__}). Try again later.")
    said = str(getattr(error, "server_message", None) or "").strip().splitlines()
    return AlgstackError(
        f"{where}: the hub answers {status}{f' ({said[0]})' if said else ''}. "
        "Run the same command again: what was sent stays."
    )
