"""The data card: YAML front matter for the hub, then Markdown for people; every number is of this release."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from string import Template
from typing import Any

import pyarrow as pa
import yaml

from algstack import documents
from algstack.dataset import Counts, Record
from algstack.errors import AlgstackError
from algstack.release.statistics import Group, SplitStatistics, Statistics

DEFAULT_CONFIG = "default"
"""The hub's configuration that holds all languages."""

MB = 10**6

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


class CardFacts(Record):
    """What the card says besides the statistics. `upstream` are the counts of each stage's folder."""

    name: str
    title: str | None
    description: str | None
    version: str
    date: str | None
    contact: str | None
    tokenizer: str
    tool: str
    dedup_threshold: float
    upstream: dict[str, Counts]


def render(facts: CardFacts, statistics: Statistics, template: str | None = None) -> str:
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
        text = Template(body).substitute(fields(facts, statistics))
    except KeyError as error:
        known = ", ".join(sorted(fields(facts, statistics)))
        raise AlgstackError(
            f"The card's template asks for `{error.args[0]}`, which there is not. Known: {known}."
        ) from None
    except ValueError as error:
        raise AlgstackError(f"The card's template: {error}. Write a dollar sign as `$$`.") from None
    return f"---\n{front_matter(facts, statistics)}---\n\n{text}"


def front_matter(facts: CardFacts, statistics: Statistics) -> str:
    """Return the YAML that the hub reads, without its `---` lines."""
    return yaml.safe_dump(card_data(facts, statistics), sort_keys=False, allow_unicode=True, width=1000)


def card_data(facts: CardFacts, statistics: Statistics) -> dict[str, Any]:
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


def fields(facts: CardFacts, statistics: Statistics) -> dict[str, str]:
    """Return what a template can ask for."""
    total = statistics.total
    first = max(statistics.splits, key=lambda split: split.documents, default=None)
    return {
        "title": facts.title or facts.name,
        "key": re.sub(r"[^A-Za-z0-9]+", "-", facts.name).lower(),
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
        "language_table": language_table(facts, statistics),
        "split_table": split_table(statistics),
        "column_table": _table(
            ["Column", "Type", "What it holds"],
            [[f"`{c.name}`", f"`{c.type}`", c.doc] for c in documents.RELEASE_COLUMNS],
        ),
        "source_table": _group_table("Source", statistics.sources),
        "license_table": _group_table("Licence", statistics.licenses),
        "waterfall_table": waterfall_table(facts, statistics),
        "rule_table": rule_table(facts),
        "deduplication": _deduplication(facts),
        "decontamination": _decontamination(facts),
    }


def language_table(facts: CardFacts, statistics: Statistics) -> str:
    """Markdown table, one line per language and one for all."""
    rows = []
    for group in (*statistics.languages, statistics.total):
        reached = facts.upstream.get(f"filter/{group.value}", Counts()).documents
        if group is statistics.total:
            reached = stage_counts(facts.upstream, "filter").documents
        kept = f"{100 * group.documents / reached:.1f} %" if reached else "–"
        rows.append([_cell(group.value), *_group_cells(group), kept])
    return _table(["Language", "Documents", "MB", "Tokens", "Repositories", "Kept"], rows, right=5)


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


def stage_counts(upstream: Mapping[str, Counts], stage: str) -> Counts:
    """Counts of a stage over all its folders."""
    return sum((counts for folder, counts in upstream.items() if folder.split("/")[0] == stage), Counts())


def waterfall(facts: CardFacts, statistics: Statistics) -> list[tuple[str, int, int, int]]:
    """Return (stage, documents in, dropped, documents out) for each stage; the last line is the release."""
    rows = []
    reached = 0
    for stage in ("crawl", "filter", "dedup", "decontaminate"):
        counts = stage_counts(facts.upstream, stage)
        if not counts.documents:
            continue
        undecided = reached - counts.documents if stage != "crawl" else 0
        if undecided > 0:
            rows.append(("no filter for the language", reached, undecided, counts.documents))
        rows.append((stage, counts.documents, counts.documents - counts.kept, counts.kept))
        reached = counts.kept
    rows.append(("release", reached, reached - statistics.total.documents, statistics.total.documents))
    return rows


def waterfall_table(facts: CardFacts, statistics: Statistics) -> str:
    """Markdown table of how many documents each stage dropped."""
    rows = [
        [_cell(stage), f"{before:,}", f"{dropped:,}", f"{after:,}"]
        for stage, before, dropped, after in waterfall(facts, statistics)
    ]
    return _table(["Stage", "Documents in", "Dropped", "Documents out"], rows, right=3)


def rule_table(facts: CardFacts) -> str:
    """Markdown table of the drops per stage and rule, the commonest first."""
    rows = []
    for stage in ("crawl", "filter", "dedup", "decontaminate"):
        dropped = stage_counts(facts.upstream, stage).dropped
        for rule, count in sorted(dropped.items(), key=lambda item: (-item[1], item[0])):
            rows.append([stage, f"`{_cell(rule)}`", f"{count:,}"])
    return _table(["Stage", "Rule", "Dropped"], rows, right=1) if rows else "Nothing was dropped."


def _deduplication(facts: CardFacts) -> str:
    counts = stage_counts(facts.upstream, "dedup")
    if not counts.documents:
        return "This release was not deduplicated."
    return (
        "Exact duplicates first (line ends made equal), then near-duplicates: a document was dropped where a kept "
        f"document has at least {facts.dedup_threshold:g} of its 5-token shingles in common with it (exact Jaccard "
        "similarity, candidates by MinHash). A shingle's token is a run of letters, digits, `_` or characters beyond "
        f"ASCII. {counts.documents - counts.kept:,} of {counts.documents:,} documents were dropped."
    )


def _decontamination(facts: CardFacts) -> str:
    counts = stage_counts(facts.upstream, "decontaminate")
    if not counts.documents:
        return "This release was **not** compared with benchmarks. Do so before you evaluate on one."
    dropped = counts.documents - counts.kept
    return f"{dropped:,} of {counts.documents:,} documents were dropped for what they share with benchmarks."


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
