"""Charts as SVG text: horizontal bars, columns and a waterfall, in a light and a dark palette.

Written by hand rather than by a plotting library: the same few lines of SVG stand in the card, in the report (where
they answer to the pointer and follow the reader's colours) and, drawn by resvg with the fonts beside this file, in PNG
files of the same bytes on every machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from xml.sax.saxutils import escape, quoteattr

NARROW = 480
"""Below this width, labels stand above their bars instead of beside them."""

FONT = "Inter, system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif"


class Look(NamedTuple):
    """Width of a chart, and its colours as SVG writes them."""

    width: int
    background: str
    ink: str
    muted: str
    line: str
    accent: str
    track: str
    lost: str

    @property
    def is_narrow(self) -> bool:
        """Whether it is for a phone."""
        return self.width < NARROW

    @property
    def margin(self) -> int:
        """Left and right."""
        return 18 if self.is_narrow else 32


LIGHT = Look(880, "#ffffff", "#16181d", "#646b7a", "#e4e7ec", "#3b5bdb", "#eef1f8", "#f08c6c")
DARK = Look(880, "#0d1117", "#eceff4", "#98a1b2", "#262c36", "#7b97ff", "#1a2130", "#d9714f")
PAGE = Look(620, *(f"var(--{name})" for name in Look._fields[1:]))
"""The colours of the page that the chart stands in, at about the width that it has there."""
PHONE = PAGE._replace(width=350)


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
    look: Look


def document(chart: Chart, role: str = "img") -> str:
    """Return a chart as a whole SVG file; its role is `group` where its parts answer to readers."""
    width, height = chart.look.width, chart.height
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" role="{role}" aria-label={quoteattr(chart.title)} '
        f'font-family="{FONT}" font-size="14">'
        f'<rect width="{width}" height="{height}" rx="10" fill="{chart.look.background}"/>'
        f"{chart.body}</svg>\n"
    )


def bars(name: str, title: str, subtitle: str, rows: Sequence[Bar], look: Look) -> Chart:
    """Draw horizontal bars, in the order given."""
    margin, head, top = look.margin, *_head(title, subtitle, look)
    value_width = 16 + max(text_width(row.text) for row in rows)
    longest = 12 + max(text_width(row.label) for row in rows)
    label_width = 0 if look.is_narrow else min(round(look.width * 0.36), max(90, longest))
    left = margin + label_width
    room = look.width - margin - value_width - left
    largest = max((row.value for row in rows), default=0) or 1
    drawn = [head]
    pitch, below = (40, 20) if look.is_narrow else (30, 0)
    for number, row in enumerate(rows):
        y = top + number * pitch + below
        length = max(3.0, room * row.value / largest) if row.value else 0.0
        track, mark = _bar(left, y, room, look.track, look, ""), _bar(left, y, length, look.accent, look, "mark")
        drawn.append(f"{_group(row)}{_label_and_value(row, left, y, look)}{track}{mark}</g>")
    return Chart(name, title, top + len(rows) * pitch + 24, "".join(drawn), look)


def _label_and_value(row: Bar, left: float, y: float, look: Look) -> str:
    """Return what stands around a bar that begins at (left, y): the label before it, or above it on a phone."""
    right = look.width - look.margin
    if look.is_narrow:
        label = _text(left, y - 6, _fitted(row.label, right - left), look.ink, size=13)
        return label + _text(right, y + 12, row.text, look.muted, anchor="end", size=12.5)
    label = _text(left - 12, y + 15, _fitted(row.label, left - look.margin - 12), look.ink, anchor="end")
    return label + _text(right, y + 15, row.text, look.muted, anchor="end")


def _bar(x: float, y: float, width: float, fill: str, look: Look, named: str) -> str:
    height = 14 if look.is_narrow else 20
    return f'<rect class="{named}" x="{x}" y="{y}" width="{width:.1f}" height="{height}" rx="4" fill="{fill}"/>'


def columns(
    name: str, title: str, subtitle: str, rows: Sequence[Bar], look: Look, labelled: Sequence[str] | None = None
) -> Chart:
    """Draw columns side by side; `labelled` are the labels that are written, those that fit by default."""
    margin, head, top = look.margin, *_head(title, subtitle, look)
    drawn = [head]
    largest = max((row.value for row in rows), default=0) or 1
    highest, ticks = nice_ticks(largest)
    tick_width = round(max(text_width(human(tick)) for tick in ticks) * 12 / 14)
    top, left = top + 8, margin + tick_width + 12
    bottom = top + (180 if look.is_narrow else 226)
    end = look.width - margin
    pitch = (end - left) / max(len(rows), 1)
    shown = _fitting([row.label for row in rows], pitch, labelled)
    if rows and rows[-1].label in shown:
        # The last label is centred below its column and may be wider than that; it keeps clear of the edge.
        overhang = text_width(rows[-1].label) * 12 / 14 / 2 - pitch / 2
        end -= max(0, round(overhang - margin / 2))
        pitch = (end - left) / len(rows)
    for tick in ticks:
        y = bottom - (bottom - top) * tick / highest
        drawn.append(f'<line x1="{left}" x2="{end}" y1="{y:.1f}" y2="{y:.1f}" stroke="{look.line}"/>')
        drawn.append(_text(left - 12, y + 4, human(tick), look.muted, anchor="end", size=12))
    width = min(56.0, pitch * 0.78)
    for number, row in enumerate(rows):
        x = left + pitch * number + (pitch - width) / 2
        height = (bottom - top) * row.value / highest
        height = max(height, 2.0) if row.value else 0.0
        drawn.append(
            _group(row)
            + f'<rect x="{left + pitch * number:.1f}" y="{top}" width="{pitch:.1f}" height="{bottom - top}" '
            + 'fill="none" pointer-events="all"/>'
            + f'<path class="mark" d="{_rounded_column(x, bottom, width, height)}" fill="{look.accent}"/>'
        )
        if row.label in shown:
            drawn.append(_text(x + width / 2, bottom + 22, row.label, look.muted, anchor="middle", size=12))
        drawn.append("</g>")
    drawn.append(f'<line x1="{left}" x2="{end}" y1="{bottom}" y2="{bottom}" stroke="{look.muted}"/>')
    return Chart(name, title, bottom + 46, "".join(drawn), look)


def waterfall(name: str, title: str, subtitle: str, steps: Sequence[Step], look: Look) -> Chart:
    """Draw what each step lets pass and what it drops, with its commonest losses written below."""
    margin, head, y = look.margin, *_head(title, subtitle, look)
    label_width = 0 if look.is_narrow else 24 + max(text_width(step.label, bold=True) for step in steps)
    left = margin + label_width
    room = look.width - margin - left
    largest = max((step.before for step in steps), default=0) or 1
    drawn = [head]
    for step in steps:
        if look.is_narrow:
            drawn.append(_text(left, y + 14, step.label, look.ink, bold=True))
            y += 22
        else:
            drawn.append(_text(left - 16, y + 18, step.label, look.ink, anchor="end", bold=True))
        drawn += _kept_and_lost(step, left, y, room, largest, look)
        lines = _wrapped(_in_words(step), room, 12.5)
        drawn += [_text(left, y + 46 + 17 * row, line, look.muted, size=12.5) for row, line in enumerate(lines)]
        y += 53 + 17 * len(lines)
    return Chart(name, title, y + 8, "".join(drawn), look)


def _kept_and_lost(step: Step, left: float, y: float, room: float, largest: int, look: Look) -> list[str]:
    lost = sum(count for _, count in step.losses)
    kept = step.before - lost
    kept_width = max(room * kept / largest, 2)
    goes_on = (
        f'<g class="bar" data-tip={quoteattr(f"{step.label}: {kept:,} go on")}>'
        f'<rect class="mark" x="{left:.1f}" y="{y}" width="{kept_width:.1f}" height="26" rx="4" '
        f'fill="{look.accent}"/></g>'
    )
    drawn = [goes_on]
    x = left + kept_width + 2
    for loss, count in step.losses:
        width = room * count / largest
        drawn.append(
            f'<g class="bar" data-key={quoteattr(f"{step.label}/{loss}")} '
            f"data-tip={quoteattr(f'{step.label}: {loss}: {count:,}')}>"
            f'<rect class="mark" x="{x:.1f}" y="{y}" width="{max(width - 1.5, 0.8):.1f}" height="26" '
            f'rx="{min(3.0, max(width - 1.5, 0.8) / 2):.1f}" fill="{look.lost}"/></g>'
        )
        x += width
    return drawn


def _in_words(step: Step) -> str:
    lost = sum(count for _, count in step.losses)
    kept = step.before - lost
    if not lost:
        return f"{kept:,} kept, none dropped"
    named = ", ".join(f"{loss} {count:,}" for loss, count in step.losses[:3])
    rest = len(step.losses) - 3
    more = f", {rest} more {'rule' if rest == 1 else 'rules'}" if rest > 0 else ""
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
    return round((len(text) * 8.3 - narrow * 3.4 + wide * 3.4 + large * 1.3) * (1.06 if bold else 1.0))


def _fitted(text: str, room: float) -> str:
    if text_width(text) <= room:
        return text
    while text and text_width(text + "…") > room:
        text = text[:-1]
    return text + "…"


def _wrapped(text: str, room: float, size: float) -> list[str]:
    """Cut a text between words into lines that fit into a room."""
    lines = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if lines[-1] and text_width(longer) * size / 14 > room:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _fitting(labels: Sequence[str], pitch: float, wanted: Sequence[str] | None) -> set[str]:
    """Return the labels that fit under columns of a pitch without touching: every first, second, … of the wanted."""
    wanted = labels if wanted is None else [label for label in labels if label in wanted]
    widest = 10 + max((text_width(label) for label in wanted), default=0) * 12 / 14
    apart = pitch * (labels.index(wanted[1]) - labels.index(wanted[0])) if len(wanted) > 1 else widest
    step = max(1, int(-(-widest // apart)))
    return set(wanted[::step])


def _head(title: str, subtitle: str, look: Look) -> tuple[str, int]:
    """Return title and subtitle, and the y below them."""
    lines = _wrapped(subtitle, look.width - 2 * look.margin, 13.5)
    drawn = [_text(look.margin, 44, title, look.ink, size=19, bold=True)]
    drawn += [_text(look.margin, 68 + 18 * row, line, look.muted, size=13.5) for row, line in enumerate(lines)]
    return "".join(drawn), 78 + 18 * len(lines)


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
