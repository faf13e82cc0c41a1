"""Pictures cut out of JSON: what is JSON stays so, what is none stays none, and nothing but pictures is lost."""

from __future__ import annotations

import json
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algstack.filter.pictures import without_pictures

KEYS = ("image/png", "image/jpeg", "image/svg+xml", 'a"image/png', "text/plain")


def cut(text: str) -> str:
    return str(without_pictures(pl.Series([text]))[0])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param('{"image/png": "iVBO/+=="}', '{"image/png": ""}', id="png"),
        pytest.param('{"image/jpeg":"aa\\nbb\\n", "b": 1}', '{"image/jpeg":"", "b": 1}', id="line-ends"),
        pytest.param('{"image/png": ["aa"]}', None, id="list"),
        pytest.param('{"image/png": "a\\"b"}', None, id="another-escape"),
        pytest.param('{"image/png": "a\nb"}', None, id="no-json"),
        pytest.param('{"image/png": "ab', None, id="no-end"),
        pytest.param('{"text": "\\"image/png\\": \\"ab\\""}', None, id="in-a-string"),
        pytest.param('["image/png", "ab"]', None, id="no-key"),
        pytest.param('{"image/pngx": "ab"}', None, id="another-key"),
    ],
)
def test_cut(text: str, expected: str | None) -> None:
    padded = text + " " * 100
    assert cut(padded) == (padded if expected is None else expected + " " * 100)


VALUES = st.recursive(
    st.text('ab"\\\n/:{ \x01λ', max_size=90) | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
)


def emptied(value: Any) -> Any:
    """A value in which the strings under the keys of pictures, and of those that end like them, are empty."""
    if isinstance(value, dict):
        return {
            key: "" if isinstance(inner, str) and key.endswith(("image/png", "image/jpeg")) else emptied(inner)
            for key, inner in value.items()
        }
    return [emptied(inner) for inner in value] if isinstance(value, list) else value


@given(values=st.lists(VALUES, max_size=4), indent=st.sampled_from([None, 1]))
def test_nothing_else_is_lost(values: list[Any], indent: int | None) -> None:
    texts = pl.Series(
        [json.dumps(value, indent=indent, ensure_ascii=False) + " " * 70 for value in values], dtype=pl.String
    )
    for value, text in zip(values, without_pictures(texts), strict=True):
        assert emptied(json.loads(text)) == emptied(value)


@given(texts=st.lists(st.text('"image/png:\\\n a', max_size=200) | st.just('"image/png": "a" '), max_size=5))
def test_what_is_no_json_stays_none(texts: list[str]) -> None:
    for text in texts:
        found = cut(text + " " * 70)
        assert len(found) <= len(text) + 70
        assert is_json(found) == is_json(text)


def is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
