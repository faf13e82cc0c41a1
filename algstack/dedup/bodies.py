"""A document's body: its tokens after the licence header.

Two files that differ only in the header, in white space or in punctuation are one file, however small it is and however
long the header: a rule of its own, since their shingles may differ in most.
"""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from algstack.dedup.shingles import TOKEN, shingle_hashes

HEADER_LIMIT = 16_384
"""Bytes from a document's start in which a licence header is looked for."""

LINE_COMMENTS = (b"//", b"--", b"#", b"%", b";", b"!", b'"""')
BLOCK_COMMENTS = ((b"/*", b"*/"), (b"(*", b"*)"), (b"{-", b"-}"), (b"/-", b"-/"), (b"<!--", b"-->"))
LICENCE_WORDS = (b"licen", b"copyright", b"spdx-")

_LINE_BLOCK = b"(?:[ \\t]*(?:%s)[^\\n]*\\n?)+" % b"|".join(map(re.escape, LINE_COMMENTS))
_BLOCK = b"|".join(b"%s.*?%s" % (re.escape(start), re.escape(end)) for start, end in BLOCK_COMMENTS)
_COMMENT = re.compile(b"\\s*(?:%s|%s)" % (_BLOCK, _LINE_BLOCK), re.DOTALL)
_LICENCE = re.compile(b"|".join(LICENCE_WORDS), re.IGNORECASE)


def header_end(text: bytes) -> int:
    """Return where a text's licence header ends, 0 if it has none.

    Of the comments that a text begins with, a run of comment lines being one, the header ends after the last that
    speaks of a licence. Where the limit cuts a header within a token, that token goes with it.
    """
    head = text[:HEADER_LIMIT]
    end = position = 0
    while comment := _COMMENT.match(head, position):
        position = comment.end()
        if _LICENCE.search(comment.group()):
            end = position
    cut = TOKEN.match(text, end) if end and TOKEN.match(text, end - 1) else None
    return cut.end() if cut else end


def body_shingles(text: bytes) -> NDArray[np.uint64]:
    """Return the shingle hashes of a text's body, in order, with repetitions."""
    return shingle_hashes(text[header_end(text) :])
