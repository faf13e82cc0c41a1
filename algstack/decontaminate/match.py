"""What a document shares with benchmarks: the pure core of the stage's first pass."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import NamedTuple

import polars as pl
import pyarrow as pa

from algstack.decontaminate.formal import Match
from algstack.decontaminate.index import Index
from algstack.decontaminate.ngrams import Hit
from algstack.decontaminate.provers import EXTENSIONS, PARSERS, Declaration
from algstack.documents import clip
from algstack.texts import Texts, as_texts

COLUMNS = ("id", "text", "lang", "repo", "path")
"""The columns of DOCUMENTS that are looked at."""

FINDINGS = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("benchmark", pa.string(), nullable=False),
        pa.field("problem", pa.string(), nullable=False),
        pa.field("how", pa.string(), nullable=False),
        pa.field("start", pa.int64(), nullable=False),
        pa.field("end", pa.int64(), nullable=False),
        pa.field("words", pa.int64(), nullable=False),
        pa.field("of", pa.int64(), nullable=False),
        pa.field("similarity", pa.float64(), nullable=False),
        pa.field("evidence", pa.string(), nullable=False),
    ]
)
"""One row for each place of a document that is a benchmark's. `how`: `ngram`, `statement`, `name`, `similar`, or
`unparsable` for a declaration of a benchmark whose end cannot be told; `start` and `end` are characters of the text."""

TALLIES = pl.Schema(
    {
        "repo": pl.String,
        "theorems": pl.Int64,
        "theorems_hit": pl.Int64,
        "characters": pl.Int64,
        "characters_hit": pl.Int64,
        "problems": pl.Int64,
    }
)
"""How much of a repository is a benchmark's: of its theorems, of its text, and how many problems are in it."""


class Finding(NamedTuple):
    """One row of FINDINGS, without the document's id."""

    benchmark: str
    problem: str
    how: str
    start: int
    end: int
    words: int
    of: int
    similarity: float
    evidence: str


class Looked(NamedTuple):
    """What one document holds."""

    findings: list[Finding]
    theorems: int
    theorems_hit: int


def formal_language(lang: str | None, path: str | None) -> str | None:
    """Return the formal language of a document, or None."""
    if lang in PARSERS:
        return lang
    return EXTENSIONS.get(PurePosixPath(path).suffix.lower()) if path else None


def look(documents: pl.DataFrame, index: Index, texts: Texts | None = None) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Find what documents share with the benchmarks.

    Args:
        documents: at least COLUMNS.
        index: the benchmarks.
        texts: the documents' texts, where they are at hand already.

    Returns:
        Rows of FINDINGS in the order of the documents, and one row of TALLIES for each repository.
    """
    wanted = documents.select(COLUMNS).with_columns(
        has_run=index.ngrams.candidates(*(texts or as_texts(documents["text"]))), is_formal=_formal(documents, index)
    )
    rows: list[tuple[str | int | float, ...]] = []
    hits: list[tuple[str, int, int, int, int]] = []
    # Most documents have neither a run of words nor a formal language: they are not made Python's strings.
    for name, text, lang, _, path, has_run, _ in wanted.filter(pl.col("has_run") | pl.col("is_formal")).iter_rows():
        looked = look_at(text, lang, path, index, has_run=has_run)
        rows += [(name, *finding) for finding in looked.findings]
        hit = sum(end - start for start, end in _merged(looked.findings))
        problems = len({(finding.benchmark, finding.problem) for finding in looked.findings})
        hits.append((name, looked.theorems, looked.theorems_hit, hit, problems))
    return pl.DataFrame(rows, schema=_POLARS, orient="row"), _tallies(documents, hits)


def _formal(documents: pl.DataFrame, index: Index) -> pl.Series:
    """Mark the documents in a formal language that a benchmark is in."""
    pairs = documents.select("lang", ending=pl.col("path").str.extract(r"(\.[^./]*)\z"))
    languages = index.formal.languages
    known = {pair: formal_language(*pair) in languages for pair in pairs.unique().iter_rows()} if languages else {}
    return pl.Series("is_formal", [known.get(pair, False) for pair in pairs.iter_rows()], pl.Boolean)


def _tallies(documents: pl.DataFrame, hits: list[tuple[str, int, int, int, int]]) -> pl.DataFrame:
    """Sum up each repository."""
    schema = {"id": pl.String, **dict.fromkeys(("theorems", "theorems_hit", "characters_hit", "problems"), pl.Int64)}
    found = pl.DataFrame(hits, schema=schema, orient="row")
    return (
        documents.select("id", "repo", characters=pl.col("text").str.len_chars().cast(pl.Int64))
        .join(found, on="id", how="left", maintain_order="left")
        .group_by("repo", maintain_order=True)
        .agg(pl.col([name for name in TALLIES if name != "repo"]).sum())
    )


_POLARS = {
    "id": pl.String,
    "benchmark": pl.String,
    "problem": pl.String,
    "how": pl.String,
    "start": pl.Int64,
    "end": pl.Int64,
    "words": pl.Int64,
    "of": pl.Int64,
    "similarity": pl.Float64,
    "evidence": pl.String,
}


def look_at(text: str, lang: str | None, path: str | None, index: Index, *, has_run: bool = True) -> Looked:
    """Find what one document shares with the benchmarks.

    Args:
        text: the document.
        lang: its language, or None.
        path: its path, or None.
        index: the benchmarks.
        has_run: whether it may share a run of words.
    """
    formal = formal_language(lang, path)
    declarations: list[Declaration] = []
    matches: list[Match] = []
    if formal and formal in index.formal.languages:
        declarations = PARSERS[formal](text)
        matches = index.formal.matches(declarations, formal, path)
    findings = [_of_match(match, text, index) for match in matches]
    if has_run:
        spans = [(finding.start, finding.end) for finding in findings if finding.how != "unparsable"]
        findings += _runs(text, index, is_formal=formal is not None, known=spans)
    theorems = sum(declaration.is_theorem for declaration in declarations)
    return Looked(findings, theorems, sum(match.declaration.is_theorem for match in matches))


def _of_match(match: Match, text: str, index: Index) -> Finding:
    declaration, target = match.declaration, match.target
    benchmark = index.applied[target.benchmark].name
    name = declaration.names[0] if declaration.names else declaration.kind
    how = match.how if declaration.is_whole else "unparsable"
    says = f"{benchmark} {target.problem}: {name}: {' '.join(declaration.statement.split())}"
    length = len(target.words)
    return Finding(
        benchmark, target.problem, how, declaration.start, declaration.end, length, length, match.similarity, clip(says)
    )


def _runs(text: str, index: Index, *, is_formal: bool, known: list[tuple[int, int]]) -> Iterator[Finding]:
    """Yield the shared runs of words outside the declarations that are known already.

    A formal statement is compared as such in its own language, where its words alone prove nothing.
    """
    encoded = text.encode()
    for hit in index.ngrams.hits(encoded):
        if is_formal and index.unit_is_formal[hit.unit]:
            continue
        start = len(encoded[: hit.start].decode())
        end = start + len(encoded[hit.start : hit.end].decode())
        if not any(first <= start and end <= last for first, last in known):
            yield _of_hit(hit, text, start, end, index)


def _of_hit(hit: Hit, text: str, start: int, end: int, index: Index) -> Finding:
    benchmark, problem = index.applied[index.unit_benchmark[hit.unit]].name, index.unit_problem[hit.unit]
    says = f"{benchmark} {problem}: {hit.words} of {hit.of} words: {' '.join(text[start:end].split())}"
    return Finding(benchmark, problem, "ngram", start, end, hit.words, hit.of, hit.words / hit.of, clip(says))


def _merged(findings: list[Finding]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted((finding.start, finding.end) for finding in findings):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged
