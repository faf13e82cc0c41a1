"""What every rule says of a file on this machine, in words: `algstack explain FILE`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from algstack.errors import SourceError
from algstack.filter.decide import Verdict, explain
from algstack.filter.language import Languages, load_languages

PROFILES = ("default", "llemma")


def of_file(path: Path, languages: Languages) -> list[Verdict]:
    """Return the verdict of every rule on a file; empty if no filter names its extension.

    Raises:
        SourceError: the file is not UTF-8 text.
    """
    try:
        # Without translation of line ends: as the crawl reads it.
        text = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise SourceError(
            f"{path}: not UTF-8 text (byte {error.start}); the crawl would detect its encoding."
        ) from None
    return explain({"id": str(path), "text": text, "path": path.as_posix()}, languages)


def in_words(path: Path, folder: Path | None = None) -> Iterator[str]:
    """Yield lines that say what the rules of both profiles say of a file."""
    for profile in PROFILES:
        languages = load_languages(profile, folder if profile == "default" else None)
        yield from _profile_in_words(profile, of_file(path, languages))


def as_json(path: Path, folder: Path | None = None) -> dict[str, Any]:
    """The same as JSON values: profile -> verdicts."""
    return {
        profile: [
            vars(verdict)
            for verdict in of_file(path, load_languages(profile, folder if profile == "default" else None))
        ]
        for profile in PROFILES
    }


def _profile_in_words(profile: str, verdicts: list[Verdict]) -> Iterator[str]:
    if not verdicts:
        yield f"profile {profile}: no filter names its extension"
        return
    against = next((verdict for verdict in verdicts if verdict.drops), None)
    outcome = f"dropped by rule `{against.rule}`" if against else "kept: no rule speaks against it"
    yield f"profile {profile}, {verdicts[0].lang}: {outcome}"
    for verdict in verdicts:
        if verdict.drops:
            seen = f"\n      seen: {verdict.evidence}" if verdict.evidence else ""
            yield f"  drops  {verdict.rule}: {verdict.reason}{seen}"
        else:
            yield f"  passes {verdict.rule}" + (f" ({verdict.evidence})" if verdict.evidence else "")
