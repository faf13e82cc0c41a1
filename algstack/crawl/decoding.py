"""Bytes to text: UTF-8 where they are that, else what can be detected with confidence.

Nearly every file is UTF-8, so files are checked many at a time, in native code; only what is not goes one by one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import cchardet
import numpy as np
import pyarrow as pa

from algstack.crawl.refusals import Refusal

DETECTION_CONFIDENCE = 0.5
"""Below this, the detected encoding is a guess and the file is dropped."""

CONTROL_SHARE = 0.01
"""More control characters than this, and what was detected as text in some old encoding is not text."""


class Texts(NamedTuple):
    """What the contents of files are as text.

    `column` holds the texts, one a content that is text; `encodings` has each content's, None where it is no text;
    `refusals` says why, by the content's position.
    """

    column: pa.StringArray
    encodings: list[str | None]
    refusals: dict[int, Refusal]


def decode_all(contents: Sequence[bytes]) -> Texts:
    """Return what `decode` returns for each of many contents; those that are plain UTF-8 are not looked at singly."""
    if (column := _plain(contents)) is not None:
        return Texts(column, ["utf-8"] * len(contents), {})
    texts: list[bytes] = list(contents)
    encodings: list[str | None] = ["utf-8"] * len(contents)
    refusals: dict[int, Refusal] = {}
    for number in _doubtful(contents, 0):
        decoded = decode(contents[number])
        if isinstance(decoded, Refusal):
            encodings[number] = None
            refusals[number] = decoded
        else:
            texts[number], encodings[number] = decoded[0].encode(), decoded[1]
    return Texts(string_array([text for n, text in enumerate(texts) if n not in refusals]), encodings, refusals)


def string_array(texts: Sequence[bytes]) -> pa.StringArray:
    """Return texts, which must be valid UTF-8, as one column: copied once, into one buffer."""
    return _strings(texts, b"".join(texts))


def _strings(texts: Sequence[bytes], joined: bytes) -> pa.StringArray:
    offsets = np.zeros(len(texts) + 1, np.int32)
    np.cumsum(np.fromiter(map(len, texts), np.int32, len(texts)), out=offsets[1:])
    return pa.StringArray.from_buffers(len(texts), pa.py_buffer(offsets), pa.py_buffer(joined))


def _plain(contents: Sequence[bytes]) -> pa.StringArray | None:
    """Return contents as a column if all are valid UTF-8 without NULs."""
    joined = b"".join(contents)
    if b"\0" in joined:
        return None
    column = _strings(contents, joined)
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        return None
    return column


def _doubtful(contents: Sequence[bytes], first: int) -> Iterator[int]:
    """Yield the positions, counted from `first`, of the contents that are not plain; at least one of them is not."""
    if len(contents) == 1:
        yield first
        return
    half = len(contents) // 2
    for at, part in ((0, contents[:half]), (half, contents[half:])):
        if _plain(part) is None:
            yield from _doubtful(part, first + at)


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
