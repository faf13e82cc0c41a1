"""The figures of a release: what is drawn of its statistics, as SVG and PNG, light and dark."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from importlib.resources import as_file, files
from pathlib import Path

import resvg_py

from algstack import dataset
from algstack.release.facts import Facts, waterfall
from algstack.release.statistics import Bin, Group, Statistics
from algstack.release.svg import DARK, LIGHT, Bar, Chart, Look, Step, bars, columns, document, human
from algstack.release.svg import waterfall as draw_waterfall

FOLDER = "figures"
MOST_BARS = 16
"""Bars of one chart; the rest is one more bar."""

ZOOM = 2.0
"""Pixels of a PNG per unit of the SVG: sharp on today's screens."""

Draw = Callable[[Facts, Statistics, Look], Chart | None]


def charts(facts: Facts, statistics: Statistics, look: Look) -> list[Chart]:
    """Draw all figures; one of which nothing is known is left out."""
    drawn = (draw(facts, statistics, look) for draw in FIGURES)
    return [chart for chart in drawn if chart is not None]


def write(release: Path, facts: Facts, statistics: Statistics) -> list[Chart]:
    """Write `figures/<name>-<light|dark>.<svg|png>` and return the charts."""
    drawn: list[Chart] = []
    for theme, look in (("light", LIGHT), ("dark", DARK)):
        drawn = charts(facts, statistics, look)
        for chart in drawn:
            text = document(chart)
            path = release / FOLDER / f"{chart.name}-{theme}.svg"
            dataset.write_text(path, text)
            with dataset.written_atomically(path.with_suffix(".png")) as temporary:
                temporary.write_bytes(png(text))
    return drawn


def png(svg: str) -> bytes:
    """Draw an SVG with the fonts of this package only, so that every machine draws the same."""
    with as_file(files("algstack.release").joinpath("fonts")) as fonts:
        drawn: bytes = resvg_py.svg_to_bytes(
            svg_string=svg,
            zoom=ZOOM,
            skip_system_fonts=True,
            font_files=sorted(str(font) for font in fonts.glob("*.otf")),
            font_family="Inter",
            sans_serif_family="Inter",
        )
    return bytes(drawn)


def tokens_per_language(facts: Facts, statistics: Statistics, look: Look) -> Chart | None:
    """Bars: tokens of each language."""
    rows = [
        Bar(
            group.value,
            group.tokens,
            human(group.tokens),
            f"{group.value}: {group.tokens:,} tokens in {group.documents:,} documents",
        )
        for group in _largest(statistics.languages, "tokens")
    ]
    subtitle = (
        f"{human(statistics.total.tokens)} tokens ({facts.tokenizer}) in {statistics.total.documents:,} documents"
    )
    return bars("tokens", "Tokens per language", subtitle, rows, look) if rows else None


def documents_left(facts: Facts, statistics: Statistics, look: Look) -> Chart | None:
    """Waterfall: what each stage kept and dropped."""
    steps = []
    for stage, before, _, _ in waterfall(facts, statistics):
        losses: Counter[str] = Counter()
        for drops in statistics.dropped:
            if drops.stage == stage:
                losses[drops.rule] += drops.documents
        ordered = sorted(losses.items(), key=lambda item: (-item[1], item[0]))
        steps.append(Step(stage, before, tuple(ordered)))
    subtitle = "Documents that each stage kept and dropped, by the rule that decided"
    return draw_waterfall("waterfall", "From crawl to release", subtitle, steps, look)


def licences(facts: Facts, statistics: Statistics, look: Look) -> Chart | None:
    """Bars: documents under each licence."""
    rows = [
        Bar(group.value, group.documents, f"{group.documents:,}", f"{group.value}: {group.documents:,} documents")
        for group in _largest(statistics.licenses, "documents")
    ]
    return bars("licences", "Licences", "Documents per SPDX expression", rows, look) if rows else None


def lengths(facts: Facts, statistics: Statistics, look: Look) -> Chart | None:
    """Columns: documents by their bytes, each column twice as long as the one before."""
    rows = [
        Bar(
            _bytes(2**one.start),
            one.documents,
            f"{one.documents:,}",
            f"{_bytes(2**one.start)} to {_bytes(2 ** (one.start + 1))}: {one.documents:,} documents",
        )
        for one in _without_gaps(statistics.lengths)
    ]
    title, subtitle = (
        "Length of documents",
        "Documents by UTF-8 bytes of text; each column holds texts up to twice as long",
    )
    return columns("lengths", title, subtitle, rows, look) if rows else None


def years(facts: Facts, statistics: Statistics, look: Look) -> Chart | None:
    """Columns: documents by the year of their revision."""
    known = sum(one.documents for one in statistics.years)
    rows = [
        Bar(str(one.start), one.documents, f"{one.documents:,}", f"{one.start}: {one.documents:,} documents")
        for one in _without_gaps(statistics.years)
    ]
    share = 100 * known / max(statistics.total.documents, 1)
    of_all = f"{share:.0f} % of them" if share >= 1 else f"{known:,} of {statistics.total.documents:,}"
    subtitle = f"Documents by the year of their revision, known for {of_all}"
    return columns("years", "Years", subtitle, rows, look) if rows else None


def similarities(facts: Facts, statistics: Statistics, look: Look) -> Chart | None:
    """Columns: dropped duplicates by their similarity to the document that was kept."""
    if not statistics.similarities:
        return None
    found = {one.start: one.documents for one in statistics.similarities}
    first = min(*found, round(100 * facts.dedup_threshold), 95)
    rows = [
        Bar(f"{percent} %", found.get(percent, 0), "", f"{percent} %: {found.get(percent, 0):,} documents")
        for percent in range(first, 101)
    ]
    labelled = [f"{percent} %" for percent in range(first, 101) if percent % 5 == 0]
    title, subtitle = "Likeness of duplicates", "Dropped documents by exact Jaccard similarity to the one that was kept"
    return columns("similarities", title, subtitle, rows, look, labelled)


FIGURES: tuple[Draw, ...] = (tokens_per_language, licences, documents_left, lengths, years, similarities)
"""All figures, in the order in which they are shown: two beside each other are about as high."""

NAMES = ("tokens", "licences", "waterfall", "lengths", "years", "similarities")
"""Their names as files."""


def _largest(groups: Sequence[Group], by: str) -> Iterator[Group]:
    ordered = sorted(groups, key=lambda group: (-getattr(group, by), group.value))
    shown, rest = ordered, ordered[MOST_BARS:]
    if len(rest) > 1:
        shown = ordered[:MOST_BARS]
    yield from shown
    if len(rest) > 1:
        sums = {name: sum(getattr(group, name) for group in rest) for name in ("documents", "bytes", "tokens", "repos")}
        yield Group(value=f"{len(rest)} others", **sums)


def _without_gaps(bins: Sequence[Bin]) -> list[Bin]:
    found = {one.start: one for one in bins}
    if not found:
        return []
    return [found.get(start, Bin(start=start, documents=0)) for start in range(min(found), max(found) + 1)]


def _bytes(size: int) -> str:
    for unit, divisor in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if size >= divisor:
            return f"{size // divisor} {unit}"
    return f"{size} B"
