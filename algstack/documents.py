"""The Arrow schemas of documents and decisions: one of each, from the crawl to the release."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

import polars as pl
import pyarrow as pa

from algstack.errors import AlgstackError
from algstack.texts import replaced
from algstack.toml import nearest

EVIDENCE_LENGTH = 200
"""The most characters that a decision's evidence may have."""


class Column(NamedTuple):
    """One column: its name, its Arrow type, and what it holds."""

    name: str
    type: pa.DataType
    doc: str
    required: bool = False


DOCUMENT_COLUMNS = (
    Column("id", pa.string(), "Unique name: `github:owner/repo@sha:path`, `stackexchange:site/q/123`.", True),
    Column("text", pa.string(), "The whole text, valid UTF-8.", True),
    Column("lang", pa.string(), "Name of the filter file; by extension at the crawl, decided by the filter."),
    Column("source", pa.string(), "Name of the manifest's source that brought it.", True),
    Column("repo", pa.string(), "The repository, package, folder or site that it belongs to."),
    Column("path", pa.string(), "Path inside the repository, with `/`."),
    Column("revision", pa.string(), "Commit, version or dump date."),
    Column("url", pa.string(), "Permanent link to exactly this content."),
    Column("license", pa.string(), "SPDX licence expression, null where unknown."),
    Column("license_source", pa.string(), "How the licence is known: a file, a field, package metadata."),
    Column("attribution", pa.string(), "Whom the licence asks to name."),
    Column("created_at", pa.timestamp("us", tz="UTC"), "The revision's date."),
    Column("stars", pa.int64(), "Stars of the repository when it was crawled."),
    Column("size", pa.int64(), "Length of `text` in UTF-8 bytes.", True),
    Column("swhid", pa.string(), "`swh:1:cnt:` + git blob sha1 of the original bytes."),
    Column("meta", pa.string(), "JSON text: what only this source knows."),
)

DECISION_COLUMNS = (
    Column("id", pa.string(), "The document decided on.", True),
    Column("stage", pa.string(), "`crawl`, `filter`, `dedup` or `decontaminate`.", True),
    Column("lang", pa.string(), "The language that the document has after this stage."),
    Column("keep", pa.bool_(), "Whether the document goes on to the next stage.", True),
    Column("rule", pa.string(), "The rule that decided; null where every rule let it pass."),
    Column("reason", pa.string(), "That rule's reason, in words."),
    Column("evidence", pa.string(), f"What the rule saw, at most {EVIDENCE_LENGTH} characters."),
    Column("keeper", pa.string(), "The kept document that this one duplicates."),
    Column("similarity", pa.float64(), "Exact Jaccard similarity of the two, 0 to 1."),
    Column("text", pa.string(), "The new text, null unless the stage changed it."),
)

RELEASE_COLUMNS = (*DOCUMENT_COLUMNS, Column("tokens", pa.int64(), "Length in the card's tokenizer.", True))

SIGNAL_COLUMNS = (
    Column("alphanum_fraction", pa.float64(), "Share of the characters that are letters or digits, of any script."),
    Column("avg_line_length", pa.float64(), "Mean length of the lines, in characters."),
    Column("max_line_length", pa.int64(), "Length of the longest line, in characters."),
    Column("digit_density", pa.float64(), "ASCII digits in proportion to the characters that are no white space."),
    Column(
        "english_share",
        pa.float64(),
        "Share of its words that stand in stretches of 1,000 bytes whose natural language is English, as langid says; "
        "null where there are fewer than 40 letters.",
    ),
    Column(
        "comment_ratio",
        pa.float64(),
        "Share of comments and documentation strings, of the characters that are no white space, as Pygments reads the "
        "first million characters; null where it has no lexer.",
    ),
    Column(
        "parse_errors",
        pa.int64(),
        "Places in the first million characters that Pygments cannot read; null where it has no lexer.",
    ),
)
"""Signals of quality: columns that a release has on request. The first three are The Stack's, by its definitions."""


def _schema(columns: tuple[Column, ...]) -> pa.Schema:
    return pa.schema([pa.field(c.name, c.type, nullable=not c.required) for c in columns])


DOCUMENTS = _schema(DOCUMENT_COLUMNS)
DECISIONS = _schema(DECISION_COLUMNS)
RELEASE = _schema(RELEASE_COLUMNS)


def signal_columns(names: Iterable[str]) -> tuple[Column, ...]:
    """Return the named columns of SIGNAL_COLUMNS, in the order in which they stand there.

    Raises:
        AlgstackError: there is no such signal.
    """
    known = {column.name: column for column in SIGNAL_COLUMNS}
    wanted = set(names)
    if unknown := sorted(wanted - known.keys()):
        raise AlgstackError(f"there is no signal `{unknown[0]}`{nearest(unknown[0], known)}")
    return tuple(column for name, column in known.items() if name in wanted)


def release_columns(signals: Iterable[str] = ()) -> tuple[Column, ...]:
    """Return the columns of a release that has these signals."""
    return (*RELEASE_COLUMNS, *signal_columns(signals))


def release_schema(signals: Iterable[str] = ()) -> pa.Schema:
    """Return the schema of the shards of a release that has these signals."""
    return with_signals(RELEASE, signals)


def with_signals(schema: pa.Schema, signals: Iterable[str]) -> pa.Schema:
    """Return a schema of documents with the columns of these signals behind its own."""
    return pa.schema([*schema, *_schema(signal_columns(signals))])


def with_measured(frame: pl.DataFrame, signals: Collection[str]) -> pl.DataFrame:
    """Return documents with these signals measured; see `signals.measured`."""
    if not signals:
        return frame
    from algstack.signals import measured  # with numba and Pygments, which few releases need

    return frame.with_columns(measured(frame, signals))


def batch_of(schema: pa.Schema, rows: int, columns: Mapping[str, Any]) -> pa.RecordBatch:
    """Return a batch from columns by name: arrays or lists, or one value for all rows; what is not named is null."""
    arrays = [_column(columns.get(field.name), field.type, rows) for field in schema]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _column(values: Any, kind: pa.DataType, rows: int) -> pa.Array:
    if isinstance(values, pa.Array):
        return values
    if isinstance(values, list):
        return pa.array(values, kind)
    return pa.repeat(pa.scalar(values, kind), rows)


def swhid(content: bytes) -> str:
    """Return the SWHID of a file's original bytes (ISO/IEC 18670): `swh:1:cnt:` + git blob sha1."""
    # sha1 names content here, as in git; it protects nothing.
    digest = hashlib.sha1(b"blob %d\0" % len(content), usedforsecurity=False)
    digest.update(content)
    return f"swh:1:cnt:{digest.hexdigest()}"


def clip(evidence: str) -> str:
    """Shorten evidence to what a decision may hold."""
    if len(evidence) <= EVIDENCE_LENGTH:
        return evidence
    return evidence[: EVIDENCE_LENGTH - 1] + "…"


def apply(documents: pl.DataFrame, decisions: pl.DataFrame) -> pl.DataFrame:
    """Return the documents that a stage kept, in their order, with the language and text it gave them.

    Args:
        documents: columns of DOCUMENTS, at least `id`; `lang`, `text` and `size` are brought up to date where present.
        decisions: one stage's decisions, at least `id`, `keep`, `lang`, `text`.
    """
    columns = ("keep", pl.col("lang").alias("_lang"), pl.col("text").alias("_text"))
    if documents["id"].equals(decisions["id"]):
        joined = documents.hstack(decisions.select(columns)).filter("keep")
    else:
        kept = decisions.filter("keep").select("id", *columns)
        joined = documents.join(kept, on="id", how="inner", maintain_order="left")
    updates = {"lang": pl.coalesce("_lang", "lang")} if "lang" in documents.columns else {}
    changed = joined["_text"].is_not_null().arg_true()
    if len(changed):
        texts = joined["_text"].gather(changed)
        if "size" in documents.columns:
            sizes = joined["size"].scatter(changed, texts.str.len_bytes().cast(pl.Int64))
            joined = joined.with_columns(sizes)
        if "text" in documents.columns:
            joined = joined.with_columns(replaced(joined["text"], changed, texts))
    return joined.with_columns(**updates).select(documents.columns)
