"""One file's bytes to one document, or to a decision that says why not. All sources of files end here."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple, Protocol
from urllib.parse import quote

import cchardet
import numpy as np
import pyarrow as pa

from algstack.documents import DECISIONS, DOCUMENTS, clip, swhid
from algstack.manifest import CrawlConfig

BATCH_BYTES = 8 * 2**20
"""Text a batch holds before it is handed on."""

DETECTION_CONFIDENCE = 0.5
"""Below this, the detected encoding is a guess and the file is dropped."""

CONTROL_SHARE = 0.01
"""More control characters than this, and what was detected as text in some old encoding is not text."""

LFS_POINTER = b"version https://git-lfs.github.com/spec/"
"""How the files begin that git LFS leaves in a repository (github.com/git-lfs/git-lfs, docs/spec.md)."""

# What an extension says before anything is read; the reasons are shown to people as they stand.
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


class Languages(Protocol):
    """What the crawl asks of the filters."""

    def for_path(self, path: str) -> str | None:
        """Return the language that a path's extension names, or None."""
        ...

    def by_label(self, label: str) -> str | None:
        """Return the language that one of its names means, or None."""
        ...


class Refusal(NamedTuple):
    """Why a file was not read: a key of REASONS, and what was seen."""

    rule: str
    evidence: str = ""


class RawFile(NamedTuple):
    """A file as its source gives it: its bytes, or why there are none. `size` is in bytes."""

    path: str
    size: int
    content: bytes | Refusal


@dataclass(frozen=True)
class Repository:
    """What all files of one repository, package or folder share.

    `scheme` opens the ids (`git`, `pypi`, …). In `url`, `{path}` and `{revision}` become the file's.
    """

    scheme: str
    source: str
    repo: str
    revision: str | None = None
    url: str | None = None
    license: str | None = None
    license_source: str | None = None
    attribution: str | None = None
    created_at: datetime | None = None
    stars: int | None = None

    def document_id(self, path: str) -> str:
        """Return the id of the file at `path`, e.g. `git:repo@commit:src/a.lean`."""
        at = f"@{self.revision}" if self.revision else ""
        return f"{self.scheme}:{self.repo}{at}:{path}"

    def permalink(self, path: str) -> str | None:
        """Return the file's address, or None where the source has none."""
        if self.url is None:
            return None
        return self.url.replace("{revision}", self.revision or "").replace("{path}", quote(path))


@dataclass(frozen=True)
class FileReader:
    """Turns raw files into batches of documents and of decisions about what is not one.

    `scratch` is a folder for what a source puts aside between its tasks; it is removed when they are done.
    """

    limits: CrawlConfig
    languages: Languages
    scratch: Path = Path("scratch")

    def wants(self, path: str) -> bool:
        """Whether some filter names this file's extension."""
        return self.languages.for_path(path) is not None

    def refusal(self, path: str, size: int) -> Refusal | None:
        """Return why a plain file need not be read at all, by name and size alone."""
        if not self.wants(path):
            return Refusal("no-language")
        if size > self.limits.max_file_bytes:
            return Refusal("too-large", f"{size} bytes")
        return None

    def batches(self, repository: Repository, files: Iterable[RawFile]) -> Iterator[pa.RecordBatch]:
        """Yield batches of the schemas DOCUMENTS and DECISIONS (the drops), in the order of the files."""
        rows = RowBuffer()
        for file in files:
            found = read(repository, file, self.languages)
            if isinstance(found, Refusal):
                rows.drop(self._drop(repository, file, found))
            else:
                rows.keep(found)
            if rows.full:
                yield from rows.flush()
        yield from rows.flush()

    def _drop(self, repository: Repository, file: RawFile, refusal: Refusal) -> dict[str, Any]:
        return drop(repository.document_id(valid_text(file.path)), refusal, self.languages.for_path(file.path))


def drop(document_id: str, refusal: Refusal, lang: str | None = None) -> dict[str, Any]:
    """Return the crawl's decision about something that became no document."""
    return {
        "id": document_id,
        "stage": "crawl",
        "lang": lang,
        "keep": False,
        "rule": refusal.rule,
        "reason": REASONS[refusal.rule],
        "evidence": clip(valid_text(refusal.evidence)) or None,
    }


_TEXT = DOCUMENTS.get_field_index("text")
_WITHOUT_TEXT = DOCUMENTS.remove(_TEXT)


class RowBuffer:
    """Gathers rows until they are worth a batch."""

    def __init__(self) -> None:
        self._documents: list[dict[str, Any]] = []
        self._texts: list[bytes] = []
        self._drops: list[dict[str, Any]] = []
        self._bytes = 0

    def keep(self, document: dict[str, Any]) -> None:
        """Add a row of DOCUMENTS. Its text may be given as bytes that are known to be valid UTF-8."""
        text = document.pop("text")
        self._texts.append(text if isinstance(text, bytes) else text.encode())
        self._documents.append(document)
        self._bytes += document["size"]

    def drop(self, decision: dict[str, Any]) -> None:
        """Add a row of DECISIONS."""
        self._drops.append(decision)

    @property
    def full(self) -> bool:
        """Whether it is time to flush."""
        return self._bytes >= BATCH_BYTES or len(self._drops) >= 50_000

    def flush(self) -> Iterator[pa.RecordBatch]:
        """Yield what was gathered, and forget it."""
        if self._documents:
            yield self._batch()
        if self._drops:
            yield pa.RecordBatch.from_pylist(self._drops, DECISIONS)
        self._documents, self._texts, self._drops, self._bytes = [], [], [], 0

    def _batch(self) -> pa.RecordBatch:
        """The documents; their texts are copied once, into one buffer, and not row by row into one that grows."""
        offsets = np.zeros(len(self._texts) + 1, np.int32)
        np.cumsum([len(text) for text in self._texts], out=offsets[1:])
        buffers = (pa.py_buffer(offsets), pa.py_buffer(b"".join(self._texts)))
        others = pa.RecordBatch.from_pylist(self._documents, _WITHOUT_TEXT)
        columns = others.columns
        columns.insert(_TEXT, pa.StringArray.from_buffers(len(self._texts), *buffers))
        return pa.RecordBatch.from_arrays(columns, schema=DOCUMENTS)


def read(repository: Repository, file: RawFile, languages: Languages) -> dict[str, Any] | Refusal:
    """Return a row of DOCUMENTS, or why the file cannot be one."""
    if isinstance(file.content, Refusal):
        return file.content
    if file.content.startswith(LFS_POINTER):
        return Refusal("lfs-pointer", file.content[-40:].decode("utf-8", "replace").strip())
    decoded = decode(file.content)
    if isinstance(decoded, Refusal):
        return decoded
    text, encoding = decoded
    path = valid_text(file.path)
    meta = {} if encoding == "utf-8" else {"encoding": encoding}
    return {
        "id": repository.document_id(path),
        "text": file.content if encoding == "utf-8" else text,
        "lang": languages.for_path(path),
        "source": repository.source,
        "repo": repository.repo,
        "path": path,
        "revision": repository.revision,
        "url": repository.permalink(path),
        "license": repository.license,
        "license_source": repository.license_source,
        "attribution": repository.attribution,
        "created_at": repository.created_at,
        "stars": repository.stars,
        "size": len(file.content) if encoding == "utf-8" else len(text.encode()),
        "swhid": swhid(file.content),
        "meta": json.dumps(meta, sort_keys=True) if meta else None,
    }


def decode(content: bytes) -> tuple[str, str] | Refusal:
    """Return (text, encoding): UTF-8 where it is that, else what can be detected with confidence."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return _decode_as(content, "utf-16")
    if b"\0" in content:
        return Refusal("binary", f"first NUL at byte {content.index(0)}")
    try:
        return content.decode(), "utf-8"
    except UnicodeDecodeError as error:
        bad = f"byte {error.start} is {content[error.start]:#04x}"
    found = cchardet.detect(content)
    encoding, confidence = found["encoding"], found["confidence"] or 0.0
    if encoding is None or confidence < DETECTION_CONFIDENCE:
        return Refusal("undecodable", f"{bad}; best guess: {encoding or 'none'}, confidence {confidence:.2f}")
    return _decode_as(content, encoding.lower())


def _decode_as(content: bytes, encoding: str) -> tuple[str, str] | Refusal:
    try:
        text = content.decode(encoding)
    except (UnicodeDecodeError, LookupError) as error:
        return Refusal("undecodable", f"detected as {encoding}, but {error}")
    controls = sum(text.count(chr(code)) for code in _CONTROLS)
    if controls > CONTROL_SHARE * len(text):
        return Refusal("binary", f"detected as {encoding}, but {controls} of {len(text)} characters are control codes")
    return text, encoding


_CONTROLS = (*(code for code in range(32) if chr(code) not in "\t\n\f\r\x1b"), *range(0x7F, 0xA0))


def valid_text(name: str) -> str:
    """Return a name as valid Unicode: bytes of a file name that are not UTF-8 become `\\xNN`."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
