"""Targets that are files and objects: a folder, or S3 and whatever speaks its language."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeVar

from algstack.dataset import explained_os_errors, sha256_file, written_atomically
from algstack.errors import AlgstackError
from algstack.publish.place import File, Remote, checksums, plan
from algstack.release.stage import CHECKSUMS

Result = TypeVar("Result")

TRIES = 4
"""Besides those that botocore makes itself."""

_HASH = "sha256"
"""Under which an object carries its content's hash."""


def refuse_strangers(files: Sequence[File], there: dict[str, Remote], ours: dict[str, str], where: str) -> None:
    """Raise where a file of the release would replace one that algstack did not write."""
    for file in plan(files, there, ours).send:
        known = file.name in ours or (file.name == CHECKSUMS and ours)
        if file.name in there and not known:
            raise AlgstackError(
                f"{where}: `{file.name}` is there already and is not of a release that algstack published. "
                "Choose an empty place, or remove it."
            )


def _checksums_last(file: File) -> tuple[bool, str]:
    """The checksums say what is ours to remove, so they change last."""
    return file.name == CHECKSUMS, file.name


@dataclass(frozen=True)
class FolderPlace:
    """A folder on this machine."""

    path: Path

    def prepare(self) -> None:
        """Make the folder."""
        with explained_os_errors(self.path / "x"):
            self.path.mkdir(parents=True, exist_ok=True)

    def listing(self) -> dict[str, Remote]:
        """All files below the folder; hidden ones are none of ours."""
        return {
            path.relative_to(self.path).as_posix(): Remote(path.stat().st_size, f"sha256:{sha256_file(path)}")
            for path in sorted(self.path.rglob("*"))
            if path.is_file() and not path.name.startswith(".")
        }

    def read(self, name: str) -> bytes | None:
        """A file's content; None where there is none."""
        path = self.path / name
        return path.read_bytes() if path.is_file() else None

    def send(self, files: Sequence[File], remove: Sequence[str]) -> None:
        """Copy each file whole or not at all."""
        for file in sorted(files, key=_checksums_last):
            if file.name == CHECKSUMS:
                self._remove(remove)
            with written_atomically(self.path / file.name) as temporary:
                shutil.copyfile(file.path, temporary)
        self._remove(remove)

    def _remove(self, names: Sequence[str]) -> None:
        for name in names:
            (self.path / name).unlink(missing_ok=True)

    def check_version(self, version: str, files: Sequence[File]) -> bool:
        """A folder holds one version; what is in the way is never overwritten."""
        refuse_strangers(files, self.listing(), checksums((self.read(CHECKSUMS) or b"").decode()), str(self.path))
        return False

    def mark_version(self, version: str) -> None:
        """A folder has no names of versions: `stage.json` says it."""


@dataclass(frozen=True)
class S3Place:
    """Objects below a prefix. Every object carries its sha256, and the server checks it as it arrives."""

    bucket: str
    prefix: str
    sleep: Callable[[float], None] = time.sleep

    @cached_property
    def _client(self) -> Any:
        try:
            import boto3
            from botocore.config import Config
        except ImportError:
            raise AlgstackError("s3:// needs one more package: pip install 'algstack[s3]'.") from None
        return boto3.client("s3", config=Config(retries={"mode": "standard", "total_max_attempts": 10}))

    def prepare(self) -> None:
        """Ask for the bucket; it is never made here, since its region and rights are its owner's choice."""
        self._call(lambda: self._client.list_objects_v2(Bucket=self.bucket, Prefix=self._key(""), MaxKeys=1))

    def listing(self) -> dict[str, Remote]:
        """All objects below the prefix."""
        return self._call(self._listing)

    def _listing(self) -> dict[str, Remote]:
        found = {}
        for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=self._key("")):
            for entry in page.get("Contents", ()):
                head = self._client.head_object(Bucket=self.bucket, Key=entry["Key"])
                digest = head["Metadata"].get(_HASH, "")
                name = entry["Key"].removeprefix(self._key(""))
                found[name] = Remote(entry["Size"], f"sha256:{digest}" if digest else "")
        return found

    def read(self, name: str) -> bytes | None:
        """An object's content; None where there is none."""

        def read() -> bytes | None:
            try:
                content: bytes = self._client.get_object(Bucket=self.bucket, Key=self._key(name))["Body"].read()
            except self._client.exceptions.NoSuchKey:
                return None
            return content

        return self._call(read)

    def fetch(self, name: str, path: Path) -> None:
        """Bring an object into a file."""
        self._call(partial(self._client.download_file, self.bucket, self._key(name), str(path)))

    def send(self, files: Sequence[File], remove: Sequence[str]) -> None:
        """Send each object whole or not at all."""
        for file in sorted(files, key=_checksums_last):
            if file.name == CHECKSUMS:
                self._remove(remove)
            self._call(partial(self._send, file))
        self._remove(remove)

    def _remove(self, names: Sequence[str]) -> None:
        for name in names:
            self._call(partial(self._client.delete_object, Bucket=self.bucket, Key=self._key(name)))

    def _send(self, file: File) -> None:
        extra = {"ChecksumAlgorithm": "SHA256", "Metadata": {_HASH: file.sha256}}
        self._client.upload_file(str(file.path), self.bucket, self._key(file.name), ExtraArgs=extra)

    def check_version(self, version: str, files: Sequence[File]) -> bool:
        """A prefix holds one version; what is in the way is never overwritten."""
        where = f"s3://{self.bucket}/{self.prefix}"
        refuse_strangers(files, self.listing(), checksums((self.read(CHECKSUMS) or b"").decode()), where)
        return False

    def mark_version(self, version: str) -> None:
        """A prefix has no names of versions: `stage.json` says it."""

    def _key(self, name: str) -> str:
        return f"{self.prefix}/{name}" if self.prefix else name

    def _call(self, call: Callable[[], Result]) -> Result:
        """Run a call, again where another try can help; what the service answers becomes one clear line."""
        assert self._client  # says what to install, before the names below are needed
        from boto3.exceptions import Boto3Error
        from botocore.exceptions import BotoCoreError, ClientError
        from urllib3.exceptions import HTTPError

        for number in range(TRIES):
            try:
                return call()
            except (BotoCoreError, ClientError, Boto3Error, HTTPError) as error:
                if not _passing(error) or number == TRIES - 1:
                    raise self._explained(error) from error
                self.sleep(2.0**number)
        raise AssertionError

    def _explained(self, error: Exception) -> AlgstackError:
        return AlgstackError(
            f"s3://{self.bucket}/{self.prefix}: {str(error).rstrip('.')}. "
            "Check the bucket's name and the AWS_… variables, then run the same command again: what was sent stays."
        )


def _passing(error: BaseException | None) -> bool:
    """Whether another try can help: botocore makes ten of a request, but none of a body that breaks off."""
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import ClientError, HTTPClientError, IncompleteReadError
    from urllib3.exceptions import HTTPError

    if isinstance(error, ClientError):
        status: int = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return status >= 500 or status == 429
    if isinstance(error, Boto3Error) and isinstance(error.__context__, ClientError):
        return _passing(error.__context__)
    return isinstance(error, Boto3Error | HTTPClientError | IncompleteReadError | HTTPError)
