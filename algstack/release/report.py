"""`report.html`: one file, no network, that shows a release to people."""

from __future__ import annotations

import difflib
import html
import json
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from algstack import dataset
from algstack.errors import DatasetError
from algstack.release import figures, highlight
from algstack.release.card import benchmark_table_rows, language_table_rows, rule_table_rows
from algstack.release.facts import Facts, facts_of
from algstack.release.samples import Pair, Sample, Samples, draw, find_evidence
from algstack.release.statistics import Statistics, measure
from algstack.release.svg import PAGE, PHONE, Look, document
from algstack.workspace import Workspace

MOST_DIFF_LINES = 400


def write(release: Path, workspace: Workspace | None, target: Path) -> None:
    """Write the report of a release to a file.

    Raises:
        DatasetError: there is no release.
    """
    record = dataset.load_stage(release)
    if record is None:
        raise DatasetError(f"{release}: no release here ({dataset.STAGE_FILE} is missing). Name its folder.")
    page = render(facts_of(record, release), measure(release), draw(release, workspace))
    dataset.write_text(target, page)


def render(facts: Facts, statistics: Statistics, samples: Samples) -> str:
    """Return the whole page: styles, script, figures and data are inside it."""
    page = files("algstack.release").joinpath("page")
    parts = {name: page.joinpath(f"report.{name}").read_text(encoding="utf-8") for name in ("html", "css", "js")}
    return Template(parts["html"]).substitute(
        title=html.escape(f"{facts.title or facts.name} {facts.version}"),
        css=parts["css"],
        js=parts["js"],
        figures=_figures(facts, statistics),
        data=as_script(data(facts, statistics, samples)),
    )


def _figures(facts: Facts, statistics: Statistics) -> str:
    """Return each figure twice, for a wide page and for a phone; the style sheet shows one of them."""

    def drawn(look: Look) -> list[str]:
        return [document(chart, role="group") for chart in figures.charts(facts, statistics, look)]

    names = [chart.name for chart in figures.charts(facts, statistics, PAGE)]
    return "".join(
        f'<figure id="figure-{name}"><div class="on-page">{wide}</div><div class="on-phone">{narrow}</div></figure>'
        for name, wide, narrow in zip(names, drawn(PAGE), drawn(PHONE), strict=True)
    )


def as_script(value: object) -> str:
    """Return JSON that can stand in a script element whatever the texts hold, `</script>` and lone surrogates too."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    text = (
        text.replace("&", "\\u0026").replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    )
    return "".join(f"\\u{ord(one):04x}" if "\ud800" <= one <= "\udfff" else one for one in text)


def data(facts: Facts, statistics: Statistics, samples: Samples) -> dict[str, Any]:
    """Return what the page's script reads."""
    return {
        "name": facts.name,
        "title": facts.title or facts.name,
        "version": facts.version,
        "date": facts.date,
        "tool": facts.tool,
        "tokenizer": facts.tokenizer,
        "description": (facts.description or "").strip(),
        "total": statistics.total.model_dump(),
        "dropped": sum(drops.documents for drops in statistics.dropped),
        "languages": language_table_rows(facts, statistics),
        "rules": rule_table_rows(facts, statistics),
        "samples": [_sample(sample) for sample in samples.samples],
        "benchmarks": _benchmarks(facts),
        "pairs": [_pair(pair) for pair in samples.pairs],
        "repositories": [list(repository.model_dump().values()) for repository in samples.repositories],
        "allRepositories": samples.all_repositories,
    }


def _benchmarks(facts: Facts) -> dict[str, Any] | None:
    """Return what the decontamination says, as a table and its nearest examples; None where nothing was compared."""
    found = facts.accounts.decontamination
    if found is None or not (found.benchmarks or found.not_applied or found.redacted):
        return None
    head, rows = benchmark_table_rows(facts)
    return {
        "head": head,
        "rows": rows,
        "nearest": [
            {"benchmark": one.title or one.name, **example.model_dump()}
            for one in found.benchmarks
            for example in one.nearest
        ],
        "dropped": found.dropped,
        "notApplied": found.not_applied,
        "repositories": found.repositories,
        "redacted": found.redacted,
    }


def _sample(sample: Sample) -> dict[str, Any]:
    shown = {name: value for name, value in sample.model_dump().items() if value is not None}
    if sample.text is None:
        return shown
    mark = find_evidence(sample.text, sample.evidence)
    if mark:
        shown["mark"] = [_units(sample.text[: mark[0]]), _units(sample.text[: mark[1]])]
    return shown | {"colours": highlight.runs(sample.text, sample.lang, sample.path)}


def _units(text: str) -> int:
    """Length as browsers count it, in UTF-16 units."""
    return len(text.encode("utf-16-le", errors="surrogatepass")) // 2


def _pair(pair: Pair) -> dict[str, Any]:
    return pair.model_dump(exclude={"text", "keeper_text"}) | {"rows": difference(pair.text, pair.keeper_text)}


def difference(text: str, keeper: str) -> list[list[Any]]:
    """Return the lines of two texts side by side: [kind, line of the dropped one, line of the keeper].

    Kinds are `=` the same, `~` changed, `-` only in the dropped one, `+` only in the keeper, `…` lines left out.
    """
    left, right = text.splitlines(), keeper.splitlines()
    rows: list[list[Any]] = []
    matcher = difflib.SequenceMatcher(None, left, right, autojunk=False)
    for number, group in enumerate(matcher.get_grouped_opcodes(3)):
        if number:
            rows.append(["…", "", ""])
        for kind, left_from, left_to, right_from, right_to in group:
            rows += _side_by_side(kind, left[left_from:left_to], right[right_from:right_to])
    if not rows:
        rows = [["=", line, line] for line in left[:40]]
    return rows[:MOST_DIFF_LINES]


def _side_by_side(kind: str, left: list[str], right: list[str]) -> list[list[Any]]:
    rows: list[list[Any]] = []
    for row in range(max(len(left), len(right))):
        one = left[row] if row < len(left) else None
        other = right[row] if row < len(right) else None
        sign = (
            "=" if kind == "equal" else "~" if one is not None and other is not None else "-" if other is None else "+"
        )
        rows.append([sign, one, other])
    return rows
