"""One file's bytes to one document, or to a decision that says why not. All sources of files end here."""

from __future__ import annotations

import json
import string
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple, Protocol, cast
from urllib.parse import quote

import pyarrow as pa
import pyarrow.compute as pc

from algstack.crawl.decoding import Texts, decode_all, string_array
from algstack.crawl.refusals import REASONS, Refusal, valid_text
from algstack.documents import DECISIONS, DOCUMENTS, batch_of, swhid
from algstack.manifest import CrawlConfig

BATCH_BYTES = 8 * 2**20
BATCH_FILES = 20_000
"""Text that a batch holds, and files that it accounts for, before it is handed on."""

LFS_POINTER = b"version https://git-lfs.github.com/spec/"
"""How the files begin that git LFS leaves in a repository (github.com/git-lfs/git-lfs, docs/spec.md)."""


_UNQUOTED = f"/_.-~{string.ascii_letters}{string.digits}".encode()
"""What `quote` leaves as it is: most paths hold nothing else."""


class Languages(Protocol):
    """What the crawl asks of the filters."""

    def for_path(self, path: str) -> str | None:
        """Return the language that a path's extension names, or None."""
        ...

    def by_label(self, label: str) -> str | None:
        """Return the language that one of its names means, or None."""
        ...


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

    def ids(self, paths: Sequence[str]) -> list[str]:
        """Return the ids of files, e.g. `git:repo@commit:src/a.lean`."""
        at = f"@{self.revision}" if self.revision else ""
        prefix = f"{self.scheme}:{self.repo}{at}:"
        return [prefix + path for path in paths]

    def permalinks(self, paths: Sequence[str]) -> list[str] | None:
        """Return the files' addresses, or None where the source has none."""
        if self.url is None:
            return None
        pieces = self.url.replace("{revision}", self.revision or "").split("{path}")
        if not "".join(paths).encode().translate(None, _UNQUOTED):
            return [path.join(pieces) for path in paths]
        return [quote(path).join(pieces) for path in paths]


@dataclass(frozen=True)
class FileReader:
    """Turns raw files into batches of documents and of decisions about what is not one.

    `scratch` is a folder for what a source puts aside between its tasks; it is removed when they are done.
    """

    limits: CrawlConfig
    languages: Languages
    scratch: Path = Path("scratch")

    def refusal(self, path: str, size: int) -> Refusal | None:
        """Return why a plain file need not be read at all, by name and size alone."""
        return self.refusals()(path, size)

    def refusals(self) -> Callable[[str, int], Refusal | None]:
        """Return `refusal` for many files: each extension is asked for once."""
        for_path, most = self.languages.for_path, self.limits.max_file_bytes
        known: dict[str, Refusal | None] = {}

        def refusal(path: str, size: int) -> Refusal | None:
            ending = ending_of(path)
            if ending not in known:
                known[ending] = None if for_path(ending) else Refusal("no-language")
            if size <= most:
                return known[ending]
            return known[ending] or Refusal("too-large", f"{size} bytes")

        return refusal

    def batches(self, repository: Repository, files: Iterable[RawFile]) -> Iterator[pa.RecordBatch]:
        """Yield batches of the schemas DOCUMENTS and DECISIONS (the drops), in the order of the files."""
        gathered: list[RawFile] = []
        size = 0
        for file in files:
            gathered.append(file)
            if isinstance(file.content, bytes):
                size += len(file.content)
            if size >= BATCH_BYTES or len(gathered) >= BATCH_FILES:
                yield from self._batches(repository, gathered)
                gathered, size = [], 0
        yield from self._batches(repository, gathered)

    def _batches(self, repository: Repository, files: list[RawFile]) -> Iterator[pa.RecordBatch]:
        """Column by column: most of what a row alone would cost is spent on a batch once."""
        files = list(map(_without_pointer, files))
        places = [place for place, file in enumerate(files) if isinstance(file.content, bytes)]
        texts = decode_all([cast(bytes, files[place].content) for place in places])
        for number, refusal in texts.refusals.items():
            files[places[number]] = files[places[number]]._replace(content=refusal)
        kept = [file for file in files if isinstance(file.content, bytes)]
        if kept:
            yield self._documents(repository, kept, texts)
        if len(kept) < len(files):
            yield self._drops(repository, [file for file in files if isinstance(file.content, Refusal)])

    def _documents(self, repository: Repository, files: Sequence[RawFile], texts: Texts) -> pa.RecordBatch:
        paths = [valid_text(file.path) for file in files]
        columns = {
            "id": repository.ids(paths),
            "text": texts.column,
            "lang": self._langs(paths),
            "source": repository.source,
            "repo": repository.repo,
            "path": paths,
            "revision": repository.revision,
            "url": repository.permalinks(paths),
            "license": repository.license,
            "license_source": repository.license_source,
            "attribution": repository.attribution,
            "created_at": repository.created_at,
            "stars": repository.stars,
            "size": pc.binary_length(texts.column).cast(pa.int64()),
            "swhid": [swhid(cast(bytes, file.content)) for file in files],
            "meta": [_meta(encoding) for encoding in texts.encodings if encoding],
        }
        return batch_of(DOCUMENTS, len(files), columns)

    def _langs(self, paths: Sequence[str]) -> list[str | None]:
        endings = list(map(ending_of, paths))
        known = {ending: self.languages.for_path(ending) for ending in set(endings)}
        return [known[ending] for ending in endings]

    def _drops(self, repository: Repository, files: Sequence[RawFile]) -> pa.RecordBatch:
        refusals = [cast(Refusal, file.content) for file in files]
        columns = {
            "id": repository.ids([valid_text(file.path) for file in files]),
            "stage": "crawl",
            "lang": self._langs([file.path for file in files]),
            "keep": False,
            "rule": [refusal.rule for refusal in refusals],
            "reason": [REASONS[refusal.rule] for refusal in refusals],
            "evidence": [refusal.seen for refusal in refusals],
        }
        return batch_of(DECISIONS, len(files), columns)


def ending_of(path: str) -> str:
    """Return a file's name from its first full stop on: all of a path that can name a language."""
    stop = path.find(".", path.rfind("/") + 1)
    return path[stop:] if stop >= 0 else ""


def _without_pointer(file: RawFile) -> RawFile:
    content = file.content
    if isinstance(content, bytes) and content.startswith(LFS_POINTER):
        return file._replace(content=Refusal("lfs-pointer", content[-40:].decode("utf-8", "replace").strip()))
    return file


def _meta(encoding: str) -> str | None:
    return None if encoding == "utf-8" else json.dumps({"encoding": encoding})


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
        others = pa.RecordBatch.from_pylist(self._documents, _WITHOUT_TEXT)
        columns = others.columns
        columns.insert(_TEXT, string_array(self._texts))
        return pa.RecordBatch.from_arrays(columns, schema=DOCUMENTS)
