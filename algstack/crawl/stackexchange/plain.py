"""Threads about which nothing is to be decided, as documents, column by column.

Nearly all threads of a dump are plain: one question, its answers, all of them readable and wanted. `threads` says what
becomes of any thread; this makes the same documents of plain ones, many at a time, in a tenth of the time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from algstack.crawl.stackexchange import spill
from algstack.crawl.stackexchange.posts import tags_of
from algstack.crawl.stackexchange.seek import WIDTH, Bytes, Numbers, compiled, copy, room_for, seek
from algstack.crawl.stackexchange.sites import code_language
from algstack.crawl.stackexchange.threads import LANG, Policy, Site, json_tags
from algstack.crawl.stackexchange.writer import NO_LANGUAGE
from algstack.documents import DOCUMENTS, batch_of

_SPACE, _WORD = r"[\s\x1c-\x1f]+", r"[^\s\x1c-\x1f]"
"""What Python's `str.split` parts words at, and what not."""

_IS_QUESTION = pl.col("kind") == spill.QUESTION


def documents(site: Site, table: pa.Table) -> tuple[pa.RecordBatch | None, pa.Table]:
    """Return (the documents of the plain threads of a partition by question, the rows of all others).

    Args:
        site: where they come from, and the policy.
        table: rows of SPILL; those of one question are all there.
    """
    if not table.num_rows:
        return None, table
    lengths = pc.binary_length(table.column("body"))
    rows = pl.DataFrame(table.drop_columns("body").append_column("length", lengths)).with_row_index("row")
    plain = _are_plain(site.policy, rows)
    others = table.filter(pa.array(~plain))
    if not plain.any():
        return None, others
    return _documents(site, _in_order(site, rows.filter(plain)), table.column("body")), others


def _are_plain(policy: Policy, rows: pl.DataFrame) -> npt.NDArray[np.bool_]:
    """Return of each row whether its thread is plain."""
    question, kind, post = (rows[name].to_numpy() for name in ("question", "kind", "post"))
    key = 4 * post + kind
    order = np.lexsort((key, question))
    question, key, kind = question[order], key[order], kind[order]
    starts = _starts(question)
    alone = np.append(True, (np.diff(key) != 0) | (np.diff(question) != 0))
    fit = rows.select(_is_fit(policy).fill_null(False)).to_series().to_numpy()[order] & alone
    plain = np.logical_and.reduceat(fit, starts) & (np.add.reduceat(kind == spill.QUESTION, starts, dtype=int) == 1)
    if rows["license_source"].n_unique() > 2:
        sources = rows["license_source"].rank("dense").to_numpy()[order]
        plain &= np.minimum.reduceat(sources, starts) == np.maximum.reduceat(sources, starts)
    found = np.empty(len(order), np.bool_)
    found[order] = np.repeat(plain, np.diff(starts, append=len(order)))
    return found


def _starts(question: Numbers) -> Numbers:
    """Return where each thread starts among rows by question."""
    return np.flatnonzero(np.diff(question, prepend=question[0] - 1))


def _is_fit(policy: Policy) -> pl.Expr:
    """Whether a row can be part of a plain thread."""
    is_answer = pl.col("kind") == spill.ANSWER
    title = pl.col("title").str.contains(_WORD) & (pl.col("tags") != "")
    fit = (is_answer | (_IS_QUESTION & title)) & pl.col("error").is_null() & (pl.col("length") > 0)
    if policy.answers != "all":
        fit &= ~is_answer
    if policy.min_score is not None:
        fit &= pl.col("score").fill_null(0) >= policy.min_score
    if policy.tags:
        fit &= is_answer | _by_value("tags", pl.Boolean, lambda tags: not policy.tags.isdisjoint(tags_of(tags)))
    if not (policy.closed and policy.duplicates):
        fit &= pl.col("closed").is_null() & ~pl.col("duplicate") & ~pl.col("title").str.ends_with("[duplicate]")
    return fit


def _by_value(name: str, kind: Any, function: Callable[[str], Any]) -> pl.Expr:
    """A column of text mapped by a function that is called once for each value."""

    def mapped(values: pl.Series) -> pl.Series:
        unique = values.unique()
        return values.replace_strict(unique, pl.Series(map(function, unique), dtype=kind), return_dtype=kind)

    return pl.col(name).map_batches(mapped, return_dtype=kind)


def _in_order(site: Site, rows: pl.DataFrame) -> pl.DataFrame:
    """Return posts as they stand in their documents, with what each of them contributes to these."""
    accepted = rows.filter(_IS_QUESTION).select("question", "accepted", asked=pl.col("tags"))
    rows = rows.drop("accepted").join(accepted, on="question", maintain_order="left")
    rows = rows.with_columns(best=~_IS_QUESTION & pl.col("post").eq_missing(pl.col("accepted")))
    rows = rows.sort("question", "kind", ~pl.col("best"), -pl.col("score").fill_null(0), "post")
    title = pl.col("title").str.replace_all(_SPACE, " ").str.strip_chars(" ")
    tags = _by_value("tags", pl.String, lambda tags: ", ".join(tags_of(tags)))
    question = pl.format("# {}\n\nTags: {}\n\n## Question\n\n", title, tags)
    answer = pl.when("best").then(pl.lit("\n\n## Accepted answer\n\n")).otherwise(pl.lit("\n\n## Answer\n\n"))
    comma = pl.when(pl.col("kind").shift(1) == spill.QUESTION).then(pl.lit("")).otherwise(pl.lit(", "))
    listed = pl.format('{}{{"id": {}, "score": {}, "created": "{}"}}', comma, "post", _json("score"), "created")
    return rows.with_columns(
        heading=pl.when(_IS_QUESTION).then(question).otherwise(answer),
        language=_by_value("asked", pl.String, lambda tags: code_language(site.host, tags_of(tags)) or ""),
        attribution=_attribution(site),
        listed=pl.when(_IS_QUESTION).then(pl.lit("")).otherwise(listed),
    )


def _json(number: str) -> pl.Expr:
    return pl.col(number).cast(pl.String).fill_null("null")


def _attribution(site: Site) -> pl.Expr:
    """A post's line, after a line end if it is not the first."""
    what = pl.when(_IS_QUESTION).then(pl.lit("Question")).otherwise(pl.lit("\nAnswer"))
    letter = pl.when(_IS_QUESTION).then(pl.lit("q")).otherwise(pl.lit("a"))
    user = pl.format("user {} ({}{})", "owner", pl.lit(site.url("users/")), "owner")
    owner = pl.coalesce(user, "owner_name", pl.lit("a user who left"))
    license_ = pl.col("license").str.replace("CC-BY-SA-", "CC BY-SA ", literal=True).fill_null("unknown licence")
    return pl.format("{} by {}, {}{}/{}, {}", what, owner, pl.lit(site.url("")), letter, "post", license_)


def _documents(site: Site, rows: pl.DataFrame, bodies: pa.ChunkedArray) -> pa.RecordBatch:
    starts = _starts(rows["question"].to_numpy())
    threads = rows[starts].with_columns(
        listed=pl.Series(_joined(rows["listed"], starts)),
        license=_strictest(rows["license"], starts),
        license_source=_sources(rows["license_source"], starts),
    )
    text = _text(rows, starts, bodies)
    columns = threads.select(
        "license",
        "license_source",
        id=pl.format("{}{}", pl.lit(site.document_id("q/")), "question"),
        path=pl.format("q/{}", "question"),
        url=pl.format("{}{}", pl.lit(site.url("q/")), "question"),
        created_at=pl.col("created").str.to_datetime("%Y-%m-%dT%H:%M:%S", time_unit="us", time_zone="UTC"),
        meta=pl.format(
            '{{"accepted": {}, "answers": [{}], "created": "{}", "id": {}, "score": {}, "tags": {}{}}}',
            *(_json("accepted"), "listed", "created", "question", _json("score")),
            _by_value("tags", pl.String, json_tags),
            pl.format(', "closed": "{}"', "closed").fill_null(""),
        ),
    )
    known = {
        "text": text,
        "lang": LANG,
        "source": site.source,
        "repo": site.host,
        "revision": site.revision,
        "size": pc.binary_length(text).cast(pa.int64()),
        "attribution": _joined(rows["attribution"], starts),
    }
    arrays = {name: columns[name].to_arrow().cast(DOCUMENTS.field(name).type) for name in columns.columns}
    return batch_of(DOCUMENTS, threads.height, {**known, **arrays})


def _joined(column: pl.Series, starts: Numbers) -> pa.StringArray:
    """Return the texts of threads' rows joined: they stand one behind the other already."""
    data, ends = _bytes_of(column.to_arrow())
    offsets = np.append(ends[starts], ends[-1]).astype(np.int32)
    return pa.StringArray.from_buffers(len(starts), pa.py_buffer(offsets), pa.py_buffer(data))


def _strictest(licenses: pl.Series, starts: Numbers) -> pl.Series:
    """Return the strictest licence of each thread, the last by name; null if one is not known."""
    names = licenses.unique().sort(nulls_last=True)
    return names[np.maximum.reduceat(_places(licenses, names), starts)]


def _sources(sources: pl.Series, starts: Numbers) -> pl.Series:
    """Return how each thread's licence is known, in one or two ways."""
    names = sources.unique().sort()
    places = _places(sources, names)
    least, most = np.minimum.reduceat(places, starts), np.maximum.reduceat(places, starts)
    both = pl.DataFrame({"least": names[least], "most": names[most]})
    same = pl.col("least") == pl.col("most")
    return both.select(pl.when(same).then("least").otherwise(pl.format("{} and {}", "least", "most"))).to_series()


def _places(values: pl.Series, among: pl.Series) -> Numbers:
    """Return the place of each value."""
    return values.replace_strict(among, range(len(among)), return_dtype=pl.Int64).to_numpy()


# -- texts ------------------------------------------------------------------------------------------------------------


def _text(rows: pl.DataFrame, starts: Numbers, bodies: pa.ChunkedArray) -> pa.StringArray:
    """Return the texts of threads: what their posts' headings and bodies are, one behind the other, and a line end.

    Args:
        rows: the posts in their order.
        starts: where each thread's begin.
        bodies: the Markdown of all posts that a `row` may name.
    """
    source, offsets = _bytes_of(bodies)
    headings, heading_ends = _bytes_of(rows["heading"].to_arrow())
    names = rows["language"].unique()
    languages, language_ends = _bytes_of(names.to_arrow())
    language = _places(rows["language"], names)
    places = rows["row"].to_numpy().astype(np.int64)
    begins, ends = offsets[places], offsets[places + 1]
    fences = np.count_nonzero(source[:-WIDTH] == NO_LANGUAGE) * int(np.diff(language_ends).max())
    out = room_for(int((ends - begins).sum() + heading_ends[-1] + fences + len(starts)))
    found, lasts = np.zeros(len(starts) + 1, np.int32), np.append(starts[1:], rows.height)
    _join(source, begins, ends, headings, heading_ends, languages, language_ends, language, lasts, out, found)
    return pa.StringArray.from_buffers(len(starts), pa.py_buffer(found), pa.py_buffer(out))


def _bytes_of(column: Any) -> tuple[Bytes, Numbers]:
    """Return (the bytes of a column's values, WIDTH more behind them; where each value begins, and the last ends)."""
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    pieces: list[Bytes] = []
    offsets = [np.zeros(1, np.int64)]
    end = 0
    for chunk in filter(len, chunks):
        _, buffer, data = chunk.buffers()
        kind = np.int32 if pa.types.is_string(chunk.type) else np.int64
        starts = np.frombuffer(buffer, kind)[chunk.offset : chunk.offset + len(chunk) + 1].astype(np.int64)
        pieces.append(np.frombuffer(data or b"", np.uint8)[starts[0] : starts[-1]])
        offsets.append(starts[1:] - starts[0] + end)
        end = int(offsets[-1][-1])
    array = room_for(end + WIDTH)
    np.concatenate([*pieces, np.zeros(WIDTH, np.uint8)], out=array)
    array.flags.writeable = False
    return array, np.concatenate(offsets)


_NUL = np.int64(NO_LANGUAGE)


@compiled
def _join(
    source: Any,
    begins: Any,
    ends: Any,
    headings: Any,
    heading_ends: Any,
    languages: Any,
    language_ends: Any,
    language: Any,
    lasts: Any,
    out: Any,
    offsets: Any,
) -> Any:
    """Write the threads' texts, with the language where a fence has none."""
    size, row = 0, 0
    for thread in range(lasts.size):
        while row < lasts[thread]:
            begin, length = heading_ends[row], heading_ends[row + 1] - heading_ends[row]
            copy(headings, begin, length, out, size)
            size += length
            at, end = begins[row], ends[row]
            name = language_ends[language[row]]
            name_length = language_ends[language[row] + 1] - name
            while True:
                stop = seek(source, at, end, _NUL, _NUL)
                copy(source, at, stop - at, out, size)
                size += stop - at
                if stop == end:
                    break
                copy(languages, name, name_length, out, size)
                size += name_length
                at = stop + 1
            row += 1
        out[size] = 10
        size += 1
        offsets[thread + 1] = size
