"""Charts as SVG text: horizontal bars, columns and a waterfall, in a light and a dark palette.

Written by hand rather than by a plotting library: the same few lines of SVG stand in the card, in the report (where
they answer to the pointer and follow the reader's colours) and, drawn by resvg with the fonts beside this file, in PNG
files of the same bytes on every machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from xml.sax.saxutils import escape, quoteattr

WIDTH = 880
MARGIN = 32
FONT = "Inter, system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif"


class Palette(NamedTuple):
    """Colours of a chart, as SVG writes them."""

    background: str
    ink: str
    muted: str
    line: str
    accent: str
    track: str
    lost: str


LIGHT = Palette("#ffffff", "#16181d", "#646b7a", "#e4e7ec", "#3b5bdb", "#eef1f8", "#f08c6c")
DARK = Palette("#0d1117", "#eceff4", "#98a1b2", "#262c36", "#7b97ff", "#1a2130", "#d9714f")
FROM_PAGE = Palette(*(f"var(--{name})" for name in Palette._fields))
"""The colours of the page that the chart stands in."""


class Bar(NamedTuple):
    """One bar: its label, its length, what stands at its end, and what is told when it is pointed at."""

    label: str
    value: float
    text: str
    tip: str = ""
    key: str = ""


class Step(NamedTuple):
    """One step of a waterfall: what came in, and the losses in order, the largest first."""

    label: str
    before: int
    losses: tuple[tuple[str, int], ...]


class Chart(NamedTuple):
    """A drawn chart: its name as a file, its title, and its inner SVG of a height."""

    name: str
    title: str
    height: int
    body: str
    palette: Palette


def document(chart: Chart) -> str:
    """Return a chart as a whole SVG file."""
    palette = chart.palette
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{chart.height}" '
        f'viewBox="0 0 {WIDTH} {chart.height}" role="img" aria-label={quoteattr(chart.title)} '
        f'font-family="{FONT}" font-size="14">'
        f'<rect width="{WIDTH}" height="{chart.height}" rx="10" fill="{palette.background}"/>'
        f"{chart.body}</svg>\n"
    )


def bars(name: str, title: str, subtitle: str, rows: Sequence[Bar], palette: Palette) -> Chart:
    """Draw horizontal bars, in the order given."""
    label_width = min(260, max(90, 12 + max(text_width(row.label) for row in rows)))
    value_width = 16 + max(text_width(row.text) for row in rows)
    left = MARGIN + label_width
    room = WIDTH - MARGIN - value_width - left
    largest = max((row.value for row in rows), default=0) or 1
    drawn = [_head(title, subtitle, palette)]
    top, pitch = 96, 30
    for number, row in enumerate(rows):
        y = top + number * pitch
        length = max(3.0, room * row.value / largest) if row.value else 0.0
        drawn.append(
            _group(row)
            + _text(left - 12, y + 15, _fitted(row.label, label_width - 12), palette.ink, anchor="end")
            + f'<rect x="{left}" y="{y}" width="{room:.1f}" height="20" rx="4" fill="{palette.track}"/>'
            + f'<rect class="mark" x="{left}" y="{y}" width="{length:.1f}" height="20" rx="4" fill="{palette.accent}"/>'
            + _text(WIDTH - MARGIN, y + 15, row.text, palette.muted, anchor="end")
            + "</g>"
        )
    return Chart(name, title, top + len(rows) * pitch + MARGIN - 8, "".join(drawn), palette)


def columns(
    name: str, title: str, subtitle: str, rows: Sequence[Bar], palette: Palette, labelled: Sequence[str] | None = None
) -> Chart:
    """Draw columns side by side; `labelled` are the labels that are written, all by default."""
    drawn = [_head(title, subtitle, palette)]
    top, bottom, left = 104, 330, MARGIN + 56
    room = WIDTH - MARGIN - left
    largest = max((row.value for row in rows), default=0) or 1
    highest, ticks = nice_ticks(largest)
    for tick in ticks:
        y = bottom - (bottom - top) * tick / highest
        drawn.append(f'<line x1="{left}" x2="{WIDTH - MARGIN}" y1="{y:.1f}" y2="{y:.1f}" stroke="{palette.line}"/>')
        drawn.append(_text(left - 12, y + 5, human(tick), palette.muted, anchor="end", size=12))
    pitch = room / max(len(rows), 1)
    width = min(56.0, pitch * 0.78)
    shown = _every_nth([row.label for row in rows], pitch) if labelled is None else set(labelled)
    for number, row in enumerate(rows):
        x = left + pitch * number + (pitch - width) / 2
        height = (bottom - top) * row.value / highest
        height = max(height, 2.0) if row.value else 0.0
        drawn.append(
            _group(row)
            + f'<rect x="{left + pitch * number:.1f}" y="{top}" width="{pitch:.1f}" height="{bottom - top}" '
            + 'fill="none" pointer-events="all"/>'
            + f'<path class="mark" d="{_rounded_column(x, bottom, width, height)}" fill="{palette.accent}"/>'
        )
        if row.label in shown:
            drawn.append(_text(x + width / 2, bottom + 22, row.label, palette.muted, anchor="middle", size=12))
        drawn.append("</g>")
    drawn.append(f'<line x1="{left}" x2="{WIDTH - MARGIN}" y1="{bottom}" y2="{bottom}" stroke="{palette.muted}"/>')
    return Chart(name, title, bottom + 48, "".join(drawn), palette)


def waterfall(name: str, title: str, subtitle: str, steps: Sequence[Step], palette: Palette) -> Chart:
    """Draw what each step lets pass and what it drops, with its commonest losses written below."""
    label_width = 24 + max(text_width(step.label, bold=True) for step in steps)
    left = MARGIN + label_width
    room = WIDTH - MARGIN - left
    largest = max((step.before for step in steps), default=0) or 1
    drawn = [_head(title, subtitle, palette)]
    y = 96
    for step in steps:
        lost = sum(count for _, count in step.losses)
        kept = step.before - lost
        kept_width = room * kept / largest
        lost_width = room * lost / largest
        drawn.append(_text(left - 16, y + 18, step.label, palette.ink, anchor="end", bold=True))
        drawn.append(
            f'<g class="bar" data-tip={quoteattr(f"{step.label}: {kept:,} go on")}>'
            f'<rect class="mark" x="{left:.1f}" y="{y}" width="{max(kept_width, 2):.1f}" height="26" rx="4" '
            f'fill="{palette.accent}"/></g>'
        )
        x = left + max(kept_width, 2) + 2
        for loss, count in step.losses:
            width = lost_width * count / lost if lost else 0
            drawn.append(
                f'<g class="bar" data-key={quoteattr(loss)} data-tip={quoteattr(f"{step.label}: {loss}: {count:,}")}>'
                f'<rect class="mark" x="{x:.1f}" y="{y}" width="{max(width - 1.5, 0.8):.1f}" height="26" rx="3" '
                f'fill="{palette.lost}"/></g>'
            )
            x += width
        drawn.append(_text(left, y + 46, _in_words(step, kept), palette.muted, size=12.5))
        y += 70
    return Chart(name, title, y + 8, "".join(drawn), palette)


def _in_words(step: Step, kept: int) -> str:
    lost = step.before - kept
    if not lost:
        return f"{kept:,} kept, none dropped"
    named = ", ".join(f"{loss} {count:,}" for loss, count in step.losses[:3])
    more = f", {len(step.losses) - 3} more rules" if len(step.losses) > 3 else ""
    return f"{kept:,} kept, {lost:,} dropped: {named}{more}"


def nice_ticks(largest: float) -> tuple[float, list[float]]:
    """Return the top of an axis and its ticks: a handful of round numbers from 0 to beyond `largest`."""
    step = 1.0
    while largest / step > 5:
        step *= 2.5 if str(step)[0] == "2" else 2
    count = int(-(-largest // step))
    return step * count, [step * number for number in range(count + 1)]


def human(value: float) -> str:
    """Return a number in at most four characters and a unit: 1.2 M, 34 k."""
    for unit, size in ((" T", 1e12), (" B", 1e9), (" M", 1e6), (" k", 1e3)):
        if value >= size:
            short = value / size
            return (f"{short:.0f}" if short >= 100 else f"{short:.3g}") + unit
    return f"{value:.0f}"


def text_width(text: str, bold: bool = False) -> int:
    """Return about how many pixels a text takes at 14 px; fonts differ, so a little more than most need."""
    narrow = sum(1 for character in text if character in "iljtf.,:;|'!()[] ")
    wide = sum(1 for character in text if character in "mwMW%@")
    large = sum(1 for character in text if character.isupper() or character.isdigit())
    return round((len(text) * 8.0 - narrow * 3.4 + wide * 3.4 + large * 1.3) * (1.06 if bold else 1.0))


def _fitted(text: str, room: int) -> str:
    if text_width(text) <= room:
        return text
    while text and text_width(text + "…") > room:
        text = text[:-1]
    return text + "…"


def _every_nth(labels: Sequence[str], pitch: float) -> set[str]:
    """Return the labels that fit under columns of a pitch without touching."""
    widest = 10 + max((text_width(label) for label in labels), default=0) * 12 / 14
    step = max(1, int(-(-widest // pitch)))
    return set(labels[::step])


def _head(title: str, subtitle: str, palette: Palette) -> str:
    return _text(MARGIN, 44, title, palette.ink, size=19, bold=True) + _text(
        MARGIN, 68, subtitle, palette.muted, size=13.5
    )


def _text(x: float, y: float, text: str, fill: str, anchor: str = "start", size: float = 14, bold: bool = False) -> str:
    weight = ' font-weight="600"' if bold else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" fill="{fill}" font-size="{size}" text-anchor="{anchor}"{weight}>'
        f"{escape(text)}</text>"
    )


def _group(row: Bar) -> str:
    tip = row.tip or f"{row.label}: {row.text}"
    return f'<g class="bar" data-key={quoteattr(row.key or row.label)} data-tip={quoteattr(tip)}>'


def _rounded_column(x: float, bottom: float, width: float, height: float) -> str:
    """Path of a column whose upper corners are round."""
    radius = min(4.0, width / 2, height)
    top = bottom - height
    return (
        f"M{x:.1f} {bottom:.1f}V{top + radius:.1f}Q{x:.1f} {top:.1f} {x + radius:.1f} {top:.1f}"
        f"H{x + width - radius:.1f}Q{x + width:.1f} {top:.1f} {x + width:.1f} {top + radius:.1f}V{bottom:.1f}Z"
    )
