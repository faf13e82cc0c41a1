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

from algstack import documents, toml
from algstack.errors import AlgstackError
from algstack.release import figures
from algstack.release.accounts import Share
from algstack.release.facts import Facts, dropped_by, waterfall
from algstack.release.statistics import Group, SplitStatistics, Statistics
from algstack.release.svg import LIGHT

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
        asked, known = str(error.args[0]), fields(facts, statistics)
        raise AlgstackError(
            f"The card's template asks for `{asked}`, which there is not{toml.nearest(asked, known)}"
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
        "dataset_info": [_dataset_info(facts, name, splits) for name, splits in configs],
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


def _dataset_info(facts: Facts, name: str, splits: Sequence[SplitStatistics]) -> dict[str, Any]:
    return {
        "config_name": name,
        "features": [
            {"name": field.name, "dtype": _dtype(field.type)} for field in documents.release_schema(facts.signals)
        ],
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
    return "float64" if pa.types.is_float64(arrow) else str(arrow)


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
        "summary": _summary(facts, statistics),
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
        "contact": _contact(facts),
        **_pictures(facts, statistics),
        "language_table": language_table(facts, statistics),
        "split_table": split_table(statistics),
        "split_shares": ", ".join(f"{100 * share:.3g} % {split}" for split, share in facts.splits),
        "missing_splits": _missing_splits(statistics),
        "column_table": _table(
            ["Column", "Type", "What it holds"],
            [[f"`{c.name}`", f"`{c.type}`", c.doc] for c in documents.release_columns(facts.signals)],
        ),
        "source_table": source_table(facts, statistics),
        "license_table": _group_table("Licence", statistics.licenses),
        "waterfall_table": waterfall_table(facts, statistics),
        "rule_table": rule_table(facts, statistics),
        "deduplication": _deduplication(facts, statistics),
        "decontamination": _decontamination(facts, statistics),
        "benchmark_table": benchmark_table(facts),
        "private_data": _private_data(facts),
    }


TABLES = (
    *("language_table", "split_table", "license_table", "source_table", "waterfall_table", "rule_table"),
    "benchmark_table",
)
"""Fields that are tables of counts."""


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: 1 language, 2 languages, 2 repositories."""
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{number:,} {noun if number == 1 else plural}"


def _were(number: int, noun: str) -> str:
    return f"{counted(number, noun)} {'was' if number == 1 else 'were'}"


def _summary(facts: Facts, statistics: Statistics) -> str:
    total = statistics.total
    documents, tokens = counted(total.documents, "document"), counted(total.tokens, "token")
    places = f"{counted(len(statistics.languages), 'language')} from {counted(total.repos, 'repository')}"
    return f"{documents}, {_megabytes(total.bytes)} MB of text, {tokens} (`{facts.tokenizer}`) in {places}"


def _contact(facts: Facts) -> str:
    """Whom to tell, as a sentence's beginning."""
    if not facts.contact:
        return "tell whoever published this dataset"
    return f"{'say so at' if facts.contact.startswith('http') else 'write to'} {facts.contact}"


def _pictures(facts: Facts, statistics: Statistics) -> dict[str, str]:
    """Return each figure's place in the text; empty where there is nothing to draw."""
    drawn = {chart.name: chart.title for chart in figures.charts(facts, statistics, LIGHT)}
    return {f"figure_{name}": _picture(name, drawn[name]) if name in drawn else "" for name in figures.NAMES}


def _picture(name: str, title: str) -> str:
    """A figure that follows the reader's light or dark page."""
    place = f"{figures.FOLDER}/{name}"
    return (
        f'<picture><source media="(prefers-color-scheme: dark)" srcset="{place}-dark.png">'
        f'<img src="{place}-light.png" alt="{title}" width="{LIGHT.width}"></picture>'
    )


def citation(facts: Facts, statistics: Statistics) -> str:
    """Return a BibTeX entry."""
    key = re.sub(r"[^A-Za-z0-9]+", "-", facts.name).lower()
    year = f"  year  = {{{facts.date[:4]}}},\n" if facts.date else ""
    where = f"  url   = {{{facts.contact}}},\n" if (facts.contact or "").startswith("http") else ""
    return (
        f"@misc{{{key},\n  title = {{{facts.title or facts.name}, version {facts.version}}},\n{year}{where}"
        f"  note  = {{{counted(statistics.total.documents, 'document')}, made by {facts.tool}}}\n}}"
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


def _missing_splits(statistics: Statistics) -> str:
    """Name the languages that are not in every split, and where they are."""
    names = _names(statistics.splits)
    found: dict[str, list[str]] = {}
    for lang in sorted({split.lang for split in statistics.splits}):
        inside = [name for name in names if any((one.lang, one.split) == (lang, name) for one in statistics.splits)]
        if inside != names:
            found.setdefault(" and ".join(inside), []).append(lang)
    listed = "; ".join(f"{', '.join(langs)} in {inside} only" for inside, langs in sorted(found.items()))
    return f"Here: {listed}." if listed else ""


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


def source_table(facts: Facts, statistics: Statistics) -> str:
    """Markdown table of the sources: what each is, as of when, and what is of it; those that brought nothing, too."""
    counts = {group.value: _group_cells(group) for group in statistics.sources}
    known = {source.name: source for source in facts.sources}
    rows = []
    for name in [*counts, *sorted(known.keys() - counts.keys())]:
        source = known.get(name)
        kind, as_of = (source.kind, source.as_of or "–") if source else ("–", "–")
        rows.append([_cell(name), kind, _cell(as_of), *counts.get(name, ["0", "0.0", "0", "0"])])
    return _table(["Source", "Kind", "As of", "Documents", "MB", "Tokens", "Repositories"], rows, right=4)


def _deduplication(facts: Facts, statistics: Statistics) -> str:
    if "dedup" not in facts.stages:
        return "This release was not deduplicated."
    text = (
        "Exact duplicates first (line ends made equal), then near-duplicates: a document was dropped where a kept "
        f"document has at least {facts.dedup_threshold:g} of its 5-token shingles in common with it (exact Jaccard "
        f"similarity; candidates by MinHash, in bands that find at least {100 * facts.dedup_recall:g} % of the pairs "
        "at that threshold). A shingle's token is a run of letters, digits, `_` or characters beyond ASCII. "
        f"{_were(dropped_by(statistics, 'dedup'), 'document')} dropped; `dropped/` names the keeper and the similarity "
        "of each."
    )
    audit = facts.accounts.audit
    if audit is None:
        return text
    return (
        f"{text}\n\nAudit: {_were(audit.sampled, 'document')} drawn at random of {audit.documents:,} and compared with "
        f"all others exactly. Of the pairs at or above the threshold {_share(audit.recall)} are resolved (recall); of "
        f"the sampled drops {_share(audit.precision)} have a keeper that is as similar as stated (precision)."
    )


def _share(share: Share) -> str:
    low, high = share.interval
    return f"{share.found:,} of {share.of:,} ({share.value:.4f}, 95 % interval {low:.4f}–{high:.4f})"


def _decontamination(facts: Facts, statistics: Statistics) -> str:
    found = facts.accounts.decontamination
    missing = _listed(found.not_applied) if found else ""
    not_applied = [f"Wanted, but without a copy at hand and so not compared: {missing}."] if missing else []
    if "decontaminate" not in facts.stages or found is None or not found.benchmarks:
        nothing = "This release was **not** compared with benchmarks. Do so before you evaluate on one."
        return " ".join([nothing, *not_applied])
    dropped = dropped_by(statistics, "decontaminate")
    rules = ", ".join(f"`{rule}` {count:,}" for rule, count in sorted(found.dropped.items()))
    how = f"runs of {facts.ngram} words, and formal statements by what they say, whatever they are called"
    sentences = [
        f"Compared with {counted(len(found.benchmarks), 'benchmark')}: {how}.",
        f"{_were(dropped, 'document')} dropped for that{f' ({rules})' if rules else ''}; from others it was cut out.",
        *not_applied,
    ]
    if found.repositories:
        named = (f"`{name}` ({why})" for name, why in sorted(found.repositories.items()))
        sentences.append(f"Taken for benchmarks by their content, and dropped whole: {', '.join(named)}.")
    return " ".join(sentences)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def benchmark_table(facts: Facts) -> str:
    """Markdown table of benchmark_table_rows; empty where nothing was compared."""
    head, rows = benchmark_table_rows(facts)
    return _table(head, [[_cell(cell) for cell in row] for row in rows], right=len(head) - 2) if rows else ""


def benchmark_table_rows(facts: Facts) -> tuple[list[str], list[list[str]]]:
    """Return head and rows: of each benchmark its problems, those that were found, and in how many documents."""
    found = facts.accounts.decontamination
    benchmarks = found.benchmarks if found else ()
    head = ["Benchmark", "Version", "Problems", "Too short", "Found", "Places", "Documents"]
    # Counted by benchmark since the report has them.
    more = [name for name in ("dropped", "cut") if any(getattr(one, name) is not None for one in benchmarks)]
    rows = []
    for one in benchmarks:
        counts = [one.problems, one.too_short, one.problems_hit, one.hits, one.documents]
        counts += [getattr(one, name) or 0 for name in more]
        rows.append([one.title or one.name, one.version or "–", *(f"{count:,}" for count in counts)])
    return [*head, *(name.capitalize() for name in more)], rows


def _private_data(facts: Facts) -> str:
    """Say what was redacted."""
    found = facts.accounts.decontamination
    if not facts.redacts or found is None:
        return "Secrets and personal data in public files were not looked for."
    redacted = ", ".join(f"{count:,} × {kind}" for kind, count in sorted(found.redacted.items()))
    return (
        "Secrets and addresses were replaced by placeholders where patterns recognise them "
        f"({redacted or 'none were found'}); what has no telling form stays. Names of authors stay as they are."
    )


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
    return f"{size / MB:,.1f}" if size >= MB or not size else f"{size / MB:,.3f}"


def _cell(text: str) -> str:
    return text.replace("\n", " ").replace("|", "\\|")


def _table(head: list[str], rows: Iterable[Sequence[str]], right: int = 0) -> str:
    """Markdown table; the last `right` columns are aligned to the right."""
    line = ["---:" if column >= len(head) - right else "---" for column in range(len(head))]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, line, *rows))
