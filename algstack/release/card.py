"""The data card: YAML front matter for the hub, then Markdown for people; every number is of this release."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from importlib.resources import files
from string import Template
from typing import Any

import pyarrow as pa
import yaml

from algstack import documents
from algstack.errors import AlgstackError
from algstack.release import figures
from algstack.release.facts import Facts, dropped_by, waterfall
from algstack.release.statistics import Group, SplitStatistics, Statistics
from algstack.release.svg import LIGHT, WIDTH

DEFAULT_CONFIG = "default"
"""The hub's configuration that holds all languages."""

MB = 10**6

_BLANK_LINES = re.compile(r"\n{3,}")

SIZE_CATEGORIES = (
    (10**3, "n<1K"),
    (10**4, "1K<n<10K"),
    (10**5, "10K<n<100K"),
    (10**6, "100K<n<1M"),
    (10**7, "1M<n<10M"),
    (10**8, "10M<n<100M"),
    (10**9, "100M<n<1B"),
    (10**10, "1B<n<10B"),
)
"""The hub's names of sizes, by the documents that are fewer."""


def render(facts: Facts, statistics: Statistics, template: str | None = None) -> str:
    """Return the whole README.md.

    Args:
        facts: what the manifest and the stages before say.
        statistics: counted from the written shards.
        template: Markdown with `${field}` places; the package's own by default.

    Raises:
        AlgstackError: the template asks for a field that there is not.
    """
    body = files("algstack.release").joinpath("card.md").read_text(encoding="utf-8") if template is None else template
    try:
        text = _BLANK_LINES.sub("\n\n", Template(body).substitute(fields(facts, statistics)))
    except KeyError as error:
        known = ", ".join(sorted(fields(facts, statistics)))
        raise AlgstackError(
            f"The card's template asks for `{error.args[0]}`, which there is not. Known: {known}."
        ) from None
    except ValueError as error:
        raise AlgstackError(f"The card's template: {error}. Write a dollar sign as `$$`.") from None
    return f"---\n{front_matter(facts, statistics)}---\n\n{text}"


def front_matter(facts: Facts, statistics: Statistics) -> str:
    """Return the YAML that the hub reads, without its `---` lines."""
    return yaml.safe_dump(card_data(facts, statistics), sort_keys=False, allow_unicode=True, width=1000)


def card_data(facts: Facts, statistics: Statistics) -> dict[str, Any]:
    """Return the front matter as plain values; keys are those of the hub's dataset cards."""
    configs = [(DEFAULT_CONFIG, list(statistics.splits))]
    languages = sorted({split.lang for split in statistics.splits})
    configs += [(lang, [split for split in statistics.splits if split.lang == lang]) for lang in languages]
    return {
        "pretty_name": facts.title or facts.name,
        "language": ["code", "en"],
        "license": "other",
        "license_name": "per-document",
        "license_link": "LICENSE.md",
        "tags": ["math", "code", "formal-proofs", "algstack"],
        "task_categories": ["text-generation"],
        "size_categories": [size_category(statistics.total.documents)],
        "configs": [_config(name, splits) for name, splits in configs],
        "dataset_info": [_dataset_info(name, splits) for name, splits in configs],
    }


def size_category(documents: int) -> str:
    """Return the hub's name for a number of documents."""
    return next((name for limit, name in SIZE_CATEGORIES if documents < limit), "n>1T")


def _config(name: str, splits: Sequence[SplitStatistics]) -> dict[str, Any]:
    folder = "*" if name == DEFAULT_CONFIG else name
    config: dict[str, Any] = {
        "config_name": name,
        "data_files": [{"split": split, "path": f"data/{folder}/{split}-*.parquet"} for split in _names(splits)],
    }
    return config | ({"default": True} if name == DEFAULT_CONFIG else {})


def _dataset_info(name: str, splits: Sequence[SplitStatistics]) -> dict[str, Any]:
    return {
        "config_name": name,
        "features": [{"name": field.name, "dtype": _dtype(field.type)} for field in documents.RELEASE],
        "splits": [
            {
                "name": split,
                "num_bytes": sum(one.table_bytes for one in splits if one.split == split),
                "num_examples": sum(one.documents for one in splits if one.split == split),
            }
            for split in _names(splits)
        ],
        "download_size": sum(split.file_bytes for split in splits),
        "dataset_size": sum(split.table_bytes for split in splits),
    }


def _names(splits: Iterable[SplitStatistics]) -> list[str]:
    """Names of splits, `train` first as readers expect, then by name."""
    return sorted({split.split for split in splits}, key=lambda name: (name != "train", name))


def _dtype(arrow: pa.DataType) -> str:
    """The hub's name of a column's type."""
    if pa.types.is_timestamp(arrow):
        return f"timestamp[{arrow.unit}, tz={arrow.tz}]"
    return str(arrow)


def fields(facts: Facts, statistics: Statistics) -> dict[str, str]:
    """Return what a template can ask for."""
    total = statistics.total
    first = max(statistics.splits, key=lambda split: split.documents, default=None)
    return {
        "title": facts.title or facts.name,
        "citation": citation(facts, statistics),
        "description": (facts.description or "").strip(),
        "version": facts.version,
        "dated": f" of {facts.date}" if facts.date else "",
        "documents": f"{total.documents:,}",
        "megabytes": _megabytes(total.bytes),
        "tokens": f"{total.tokens:,}",
        "tokenizer": facts.tokenizer,
        "tool": facts.tool,
        "languages": str(len(statistics.languages)),
        "repositories": f"{total.repos:,}",
        "place": facts.name,
        "example_lang": first.lang if first else DEFAULT_CONFIG,
        "example_split": first.split if first else "train",
        "contact": f"write to {facts.contact}" if facts.contact else "tell whoever published this dataset",
        **_pictures(facts, statistics),
        "language_table": language_table(facts, statistics),
        "split_table": split_table(statistics),
        "column_table": _table(
            ["Column", "Type", "What it holds"],
            [[f"`{c.name}`", f"`{c.type}`", c.doc] for c in documents.RELEASE_COLUMNS],
        ),
        "source_table": _group_table("Source", statistics.sources),
        "license_table": _group_table("Licence", statistics.licenses),
        "waterfall_table": waterfall_table(facts, statistics),
        "rule_table": rule_table(facts, statistics),
        "deduplication": _deduplication(facts, statistics),
        "decontamination": _decontamination(facts, statistics),
    }


def _pictures(facts: Facts, statistics: Statistics) -> dict[str, str]:
    """Return each figure's place in the text; empty where there is nothing to draw."""
    drawn = {chart.name: chart.title for chart in figures.charts(facts, statistics, LIGHT)}
    return {f"figure_{name}": _picture(name, drawn[name]) if name in drawn else "" for name in figures.NAMES}


def _picture(name: str, title: str) -> str:
    """A figure that follows the reader's light or dark page."""
    place = f"{figures.FOLDER}/{name}"
    return (
        f'<picture><source media="(prefers-color-scheme: dark)" srcset="{place}-dark.png">'
        f'<img src="{place}-light.png" alt="{title}" width="{WIDTH}"></picture>'
    )


def citation(facts: Facts, statistics: Statistics) -> str:
    """Return a BibTeX entry."""
    key = re.sub(r"[^A-Za-z0-9]+", "-", facts.name).lower()
    return (
        f"@misc{{{key},\n  title = {{{facts.title or facts.name}, version {facts.version}}},\n"
        f"  note  = {{{statistics.total.documents:,} documents, made by {facts.tool}}}\n}}"
    )


def language_table(facts: Facts, statistics: Statistics) -> str:
    """Markdown table of language_table_rows."""
    rows = [[_cell(cell) for cell in row] for row in language_table_rows(facts, statistics)]
    return _table(["Language", "Documents", "MB", "Tokens", "Repositories", "Kept"], rows, right=5)


def language_table_rows(facts: Facts, statistics: Statistics) -> list[list[str]]:
    """Return name, documents, MB, tokens, repositories and share kept of each language; the last row is for all."""
    rows = []
    for group in (*statistics.languages, statistics.total):
        lang = None if group is statistics.total else group.value
        dropped = sum(dropped_by(statistics, stage, lang) for stage in (*facts.stages, "release"))
        kept = f"{100 * group.documents / (group.documents + dropped):.1f} %" if group.documents else "–"
        rows.append([group.value, *_group_cells(group), kept])
    return rows


def split_table(statistics: Statistics) -> str:
    """Markdown table of the splits over all languages."""
    rows = []
    for name in _names(statistics.splits):
        splits = [split for split in statistics.splits if split.split == name]
        rows.append(
            [
                _cell(name),
                f"{sum(split.documents for split in splits):,}",
                _megabytes(sum(split.bytes for split in splits)),
                f"{sum(split.tokens for split in splits):,}",
                f"{sum(split.shards for split in splits):,}",
            ]
        )
    return _table(["Split", "Documents", "MB", "Tokens", "Shards"], rows, right=4)


def waterfall_table(facts: Facts, statistics: Statistics) -> str:
    """Markdown table of how many documents each stage dropped."""
    rows = [
        [_cell(stage), f"{before:,}", f"{dropped:,}", f"{after:,}"]
        for stage, before, dropped, after in waterfall(facts, statistics)
    ]
    return _table(["Stage", "Documents in", "Dropped", "Documents out"], rows, right=3)


def rule_table(facts: Facts, statistics: Statistics) -> str:
    """Markdown table of rule_table_rows."""
    rows = rule_table_rows(facts, statistics)
    cells = [[stage, f"`{_cell(rule)}`", _cell(reason), count] for stage, rule, reason, count in rows]
    return _table(["Stage", "Rule", "Reason", "Dropped"], cells, right=1) if rows else "Nothing was dropped."


def rule_table_rows(facts: Facts, statistics: Statistics) -> list[list[str]]:
    """Return stage, rule, reason and number of the drops, by stage, the commonest first."""
    counts: Counter[tuple[int, str, str, str]] = Counter()
    order = ["crawl", *facts.stages, "release"]
    for drops in statistics.dropped:
        counts[order.index(drops.stage), drops.stage, drops.rule, drops.reason] += drops.documents
    return [
        [stage, rule, reason, f"{count:,}"]
        for (_, stage, rule, reason), count in sorted(counts.items(), key=lambda item: (item[0][0], -item[1], item[0]))
    ]


def _deduplication(facts: Facts, statistics: Statistics) -> str:
    if "dedup" not in facts.stages:
        return "This release was not deduplicated."
    return (
        "Exact duplicates first (line ends made equal), then near-duplicates: a document was dropped where a kept "
        f"document has at least {facts.dedup_threshold:g} of its 5-token shingles in common with it (exact Jaccard "
        "similarity, candidates by MinHash). A shingle's token is a run of letters, digits, `_` or characters beyond "
        f"ASCII. {dropped_by(statistics, 'dedup'):,} documents were dropped; `dropped/` names the keeper and the "
        "similarity of each."
    )


def _decontamination(facts: Facts, statistics: Statistics) -> str:
    if "decontaminate" not in facts.stages:
        return "This release was **not** compared with benchmarks. Do so before you evaluate on one."
    dropped = dropped_by(statistics, "decontaminate")
    return f"{dropped:,} documents were dropped for what they share with benchmarks."


def license_text(statistics: Statistics) -> str:
    """Return LICENSE.md, to which the front matter points."""
    return (
        "# Licences\n\nThis dataset has no single licence. Each document keeps its own, in the column `license` "
        "(an SPDX expression; empty where unknown), with `attribution` and `url` for whom and what to name.\n\n"
        f"{_group_table('Licence', statistics.licenses)}\n"
    )


def _group_table(title: str, groups: Iterable[Group]) -> str:
    rows = [[_cell(group.value), *_group_cells(group)] for group in groups]
    return _table([title, "Documents", "MB", "Tokens", "Repositories"], rows, right=4)


def _group_cells(group: Group) -> list[str]:
    return [f"{group.documents:,}", _megabytes(group.bytes), f"{group.tokens:,}", f"{group.repos:,}"]


def _megabytes(size: int) -> str:
    return f"{size / MB:,.1f}" if size >= MB / 10 or not size else f"{size / MB:,.3f}"


def _cell(text: str) -> str:
    return text.replace("\n", " ").replace("|", "\\|")


def _table(head: list[str], rows: Iterable[Sequence[str]], right: int = 0) -> str:
    """Markdown table; the last `right` columns are aligned to the right."""
    line = ["---:" if column >= len(head) - right else "---" for column in range(len(head))]
    if right and right < len(head) - 1:
        line = ["---" if column < 1 or column > right else "---:" for column in range(len(head))]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, line, *rows))
