from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from algstack.dedup import oracle
from algstack.dedup.fast import Deduplication
from algstack.dedup.keepers import in_keeper_order
from algstack.dedup.parts import Part, TablePart
from algstack.dedup.shingles import jaccard, shingle_set
from algstack.dedup.state import RULES, Settings
from algstack.errors import AlgstackError
from tests.dedup.corpus import documents

SCHEMA = {"id": pl.String, "rule": pl.String, "keeper": pl.String, "similarity": pl.Float64}


def deduplicate(frame: pl.DataFrame, folder: Path, rows: int = 50, **wanted: object) -> pl.DataFrame:
    """Run the fast engine over a frame in parts of so many rows; return its drops as DROPS."""
    table = frame.to_arrow()
    slices = [table.slice(first, rows) for first in range(0, frame.height, rows)]
    parts: list[Part] = [TablePart(part) for part in slices]
    run = Deduplication(parts, Settings(**wanted), folder)  # type: ignore[arg-type]
    run.run()
    drops = [
        run.drops_of(number).with_columns(id=pl.Series(part["id"]).gather(run.drops_of(number)["row"]))
        for number, part in enumerate(slices)
    ]
    found = (
        pl.concat([drop.select(*SCHEMA) for drop in drops])
        if drops
        else pl.DataFrame(schema=SCHEMA | {"rule": pl.UInt8})
    )
    return found.with_columns(pl.col("rule").replace_strict(dict(enumerate(RULES)), return_dtype=pl.String)).sort("id")


@pytest.mark.parametrize("threshold", [0.5, 0.7, 0.9, 1.0])
def test_both_engines_agree(threshold: float, tmp_path: Path) -> None:
    frame = documents(120)
    expected = pl.DataFrame(oracle.deduplicate(frame, threshold))
    found = deduplicate(frame, tmp_path, threshold=threshold)
    assert set(expected["rule"]) == ({"exact-duplicate", "near-duplicate", "same-body"})
    assert found.equals(expected)


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"workers": 2}, id="workers"),
        pytest.param({"rows": 7}, id="small-parts"),
        pytest.param({"rows": 10_000, "workers": 2}, id="one-part"),
        pytest.param({"memory": 30_000, "rows": 20}, id="all-spilled-in-many-buckets"),
        pytest.param({"memory": 300_000, "workers": 2}, id="some-spilled"),
        pytest.param({"components": True}, id="components"),
    ],
)
def test_the_way_there_does_not_matter(options: dict[str, int], tmp_path: Path) -> None:
    frame = documents(150, seed=5)
    expected = deduplicate(frame, tmp_path)
    assert expected.height > 100
    assert deduplicate(frame, tmp_path, **options).equals(expected)
    assert deduplicate(frame.sample(fraction=1, shuffle=True, seed=9), tmp_path, **options).equals(expected)
    assert not list(tmp_path.iterdir())


def test_every_drop_is_proven(tmp_path: Path) -> None:
    frame = documents(100, seed=2)
    texts = dict(frame.select("id", "text").iter_rows())
    rank = {name: place for place, name in enumerate(in_keeper_order(frame)["id"])}
    drops = deduplicate(frame, tmp_path)
    dropped = set(drops["id"])
    for row in drops.to_dicts():
        one, other = (shingle_set(texts[name].encode()) for name in (row["id"], row["keeper"]))
        assert row["keeper"] not in dropped
        assert rank[row["keeper"]] < rank[row["id"]]
        if row["rule"] == "exact-duplicate":
            assert row["similarity"] == 1
        else:
            assert row["similarity"] == jaccard(one, other)
            assert row["similarity"] >= 0.7 or row["rule"] == "same-body"


def test_within_keeps_duplicates_in_other_languages(tmp_path: Path) -> None:
    frame = documents(100, seed=3)
    lang = dict(frame.select("id", "lang").iter_rows())
    drops = deduplicate(frame, tmp_path, within="lang")
    assert 0 < drops.height < deduplicate(frame, tmp_path).height
    assert all(lang[row["id"]] == lang[row["keeper"]] for row in drops.to_dicts())
    separately = pl.concat(deduplicate(part, tmp_path) for part in frame.partition_by("lang")).sort("id")
    assert drops.equals(separately)


def test_ten_thousand_documents_under_five_tokens_do_not_collapse(tmp_path: Path) -> None:
    frame = pl.DataFrame({"id": [str(n) for n in range(10_000)], "text": [f"x{n} = {n}" for n in range(10_000)]})
    assert deduplicate(frame, tmp_path, rows=3000).height == 0


def test_many_copies_of_one_document(tmp_path: Path) -> None:
    frame = pl.DataFrame({"id": [f"{n:06}" for n in range(50_000)], "text": ["the same five tokens and more"] * 50_000})
    drops = deduplicate(frame, tmp_path, rows=9000, workers=2)
    assert drops.height == 49_999
    assert set(drops["keeper"]) == {"000000"}


def test_many_near_copies_of_one_document(tmp_path: Path) -> None:
    body = " ".join(f"t{n}" for n in range(100))
    frame = pl.DataFrame({"id": [f"{n:05}" for n in range(3000)], "text": [f"{body} number{n}" for n in range(3000)]})
    drops = deduplicate(frame, tmp_path, rows=500)
    assert drops.height == 2999
    assert set(drops["keeper"]) == {"00000"}


@pytest.mark.parametrize(
    ("texts", "dropped"),
    [
        pytest.param([None, None], [], id="null"),
        pytest.param(["", ""], ["b"], id="empty"),
        pytest.param([" \n", "\t"], [], id="white-space-differs"),
        pytest.param([" \r\n", " \n"], ["b"], id="line-ends"),
        pytest.param([], [], id="nothing"),
    ],
)
def test_texts_without_tokens(texts: list[str | None], dropped: list[str], tmp_path: Path) -> None:
    frame = pl.DataFrame({"id": list("ab")[: len(texts)], "text": texts}, schema={"id": pl.String, "text": pl.String})
    assert list(deduplicate(frame, tmp_path)["id"]) == dropped


def test_bytes_that_are_no_utf8(tmp_path: Path) -> None:
    content = [b"\xff bad bytes but five tokens \xfe", b"\xff bad bytes but five tokens \xfe", b"\xff other"]
    frame = pl.DataFrame({"id": list("abc"), "text": content})
    assert list(deduplicate(frame, tmp_path)["id"]) == ["b"]


def test_repeated_ids_are_an_error_that_names_one(tmp_path: Path) -> None:
    frame = pl.DataFrame({"id": ["x", "y", "z", "y"], "text": list("abcd")})
    with pytest.raises(AlgstackError, match="The id y stands more than once"):
        deduplicate(frame, tmp_path, rows=2)


def test_a_missing_id_is_an_error(tmp_path: Path) -> None:
    frame = pl.DataFrame({"id": ["x", None], "text": list("ab")})
    with pytest.raises(AlgstackError, match="has no id"):
        deduplicate(frame, tmp_path)


@pytest.mark.parametrize("threshold", [0, -1, 1.5])
def test_a_threshold_out_of_range_is_an_error(threshold: float, tmp_path: Path) -> None:
    with pytest.raises(AlgstackError, match="threshold"):
        deduplicate(documents(2), tmp_path, threshold=threshold)


def test_operators_of_agda_and_lean_are_shingles(tmp_path: Path) -> None:
    one = "∀ ( n : ℕ ) → ( m : ℕ ) → n ≡ m ⊎ n ≢ m ; λ x → ⟨ x , ∃ y ∈ ℕ ∶ x ≤ y ⟩ " * 3
    frame = pl.DataFrame({"id": ["a", "b"], "text": [one, one + "∎ ∎"]})
    (row,) = deduplicate(frame, tmp_path).to_dicts()
    assert row["similarity"] == jaccard(shingle_set(one.encode()), shingle_set((one + "∎ ∎").encode()))
    assert len(shingle_set(one.encode())) > 20


def test_arrow_tables_of_any_string_type(tmp_path: Path) -> None:
    frame = documents(30)
    expected = deduplicate(frame, tmp_path)
    for kind in (pa.string(), pa.large_string()):
        table = frame.to_arrow()
        place = table.schema.get_field_index("text")
        parts: list[Part] = [TablePart(table.set_column(place, "text", table["text"].cast(kind)))]
        run = Deduplication(parts, Settings(), tmp_path)
        assert len(run.run().documents) == expected.height
