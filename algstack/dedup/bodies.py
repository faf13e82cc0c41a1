"""A document's body: its text without the licence header and without white space.

Two files that differ only there are one file, however small it is and however long the header: a rule of its own,
since their shingles may differ in most.
"""

from __future__ import annotations

import re

HEADER_LIMIT = 16_384
"""Bytes from a document's start in which a licence header is looked for."""

LINE_COMMENTS = (b"//", b"--", b"#", b"%", b";", b"!", b'"""')
BLOCK_COMMENTS = ((b"/*", b"*/"), (b"(*", b"*)"), (b"{-", b"-}"), (b"/-", b"-/"), (b"<!--", b"-->"))
LICENCE_WORDS = (b"licen", b"copyright", b"spdx-")

_LINE_BLOCK = b"(?:[ \\t]*(?:%s)[^\\n]*\\n?)+" % b"|".join(map(re.escape, LINE_COMMENTS))
_BLOCK = b"|".join(b"%s.*?%s" % (re.escape(start), re.escape(end)) for start, end in BLOCK_COMMENTS)
_COMMENT = re.compile(b"\\s*(?:%s|%s)" % (_BLOCK, _LINE_BLOCK), re.DOTALL)
_LICENCE = re.compile(b"|".join(LICENCE_WORDS), re.IGNORECASE)
_WHITE_SPACE = b" \t\n\r\v\f"
_BETWEEN_TOKENS = re.compile(rb"(?<=[0-9A-Za-z_\x80-\xff])[ \t\n\r\v\f]+(?=[0-9A-Za-z_\x80-\xff])")


def header_end(text: bytes) -> int:
    """Return where a text's licence header ends, 0 if it has none.

    Of the comments that a text begins with, a run of comment lines being one, the header ends after the last that
    speaks of a licence.
    """
    head = text[:HEADER_LIMIT]
    end = position = 0
    while comment := _COMMENT.match(head, position):
        position = comment.end()
        if _LICENCE.search(comment.group()):
            end = position
    return end


def body(text: bytes) -> bytes:
    """Return a text without its licence header and white space; NUL stands where space alone parts two tokens."""
    return _BETWEEN_TOKENS.sub(b"\0", text[header_end(text) :]).translate(None, _WHITE_SPACE)
