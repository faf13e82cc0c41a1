"""The few kinds of error that algstack raises, and the exit code of each."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What the process answers; users and schedulers rely on these numbers."""

    DONE = 0
    EXPECTED = 1  # bad input, a full disk, a server that refuses: said in one or two lines
    USAGE = 2  # the command line itself
    BUG = 3  # a traceback follows; please report it
    INTERRUPTED = 130  # Ctrl-C


class AlgstackError(Exception):
    """An expected error. Its text says what, where and what to do, in one or two lines."""


class ManifestError(AlgstackError):
    """The manifest or a filter file is not as it must be."""


class SourceError(AlgstackError):
    """A source cannot be read: a missing folder, a broken archive, a server that refuses."""


class DatasetError(AlgstackError):
    """Stored parts or stages are missing, broken, or do not add up."""
