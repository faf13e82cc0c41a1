"""Notebooks to Markdown: ours, the published conversion, and broken ones."""

from __future__ import annotations

import json
from typing import Any

import polars as pl
import pytest

from algstack.filter import notebook

PNG = {"output_type": "display_data", "metadata": {}, "data": {"image/png": "aGVsbG8=", "text/plain": "<Figure>"}}
ERROR = {"output_type": "error", "ename": "E", "evalue": "v", "traceback": ["\x1b[31mboom"]}
STREAM = {"output_type": "stream", "name": "stdout", "text": ["hello\n", "world\n"]}
LATEX = {
    "output_type": "execute_result",
    "metadata": {},
    "execution_count": 1,
    "data": {"text/latex": "$x^2$", "text/plain": "x**2"},
}


def make(*cells: dict[str, Any], language: str = "python") -> str:
    metadata = {"language_info": {"name": language}} if language else {}
    return json.dumps({"nbformat": 4, "nbformat_minor": 2, "metadata": metadata, "cells": list(cells)})


def markdown(source: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "metadata": {}, "source": source}


def code(source: str, *outputs: dict[str, Any]) -> dict[str, Any]:
    return {"cell_type": "code", "metadata": {}, "execution_count": None, "source": source, "outputs": list(outputs)}


def test_prose_code_and_outputs() -> None:
    text = make(markdown("# Title\n$x$ ![p](attachment:p.png)"), code("x = 1", STREAM, LATEX), language="Julia")
    assert notebook.to_markdown(text) == (
        "# Title\n$x$ \n\n```julia\nx = 1\n```\n\n```text\nhello\nworld\n```\n\n$x^2$\n"
    )


def test_images_and_tracebacks_go_one_by_one() -> None:  # defect 2.18
    found = notebook.to_markdown(make(code("plot(x)", PNG, ERROR, STREAM)))
    assert found == "```python\nplot(x)\n```\n\n```text\nhello\nworld\n```\n"
    assert notebook.to_markdown_as_published(make(code("plot(x)", PNG, STREAM))) == "```python\nplot(x)\n```\n"


def test_outputs_are_kept_within_a_size() -> None:
    long = STREAM | {"text": "x" * 100_000}
    assert len(notebook.to_markdown(make(*[code("f()", long)] * 30))) < 2 * notebook.MAX_OUTPUTS + 30 * 30


def test_code_that_holds_a_fence() -> None:
    assert notebook.to_markdown(make(code("s = '```'"))) == "````python\ns = '```'\n````\n"


def test_format_3() -> None:
    cells = [
        {"cell_type": "heading", "level": 2, "source": "Title", "metadata": {}},
        {"cell_type": "code", "language": "python", "input": "import sympy", "outputs": [], "collapsed": False},
    ]
    old = json.dumps(
        {"nbformat": 3, "nbformat_minor": 0, "metadata": {}, "worksheets": [{"cells": cells, "metadata": {}}]}
    )
    assert notebook.to_markdown(old) == "## Title\n\n```python\nimport sympy\n```\n"
    assert "import sympy" in notebook.to_markdown_as_published(old)


# The expected texts are what nbconvert 7.17 writes, with its images and HTML removed as the published code does.
@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        pytest.param([markdown("a\n\n"), markdown("b")], "a\n\n\n\nb\n", id="markdown"),
        pytest.param([code("x=1\n\n"), code("")], "```\nx=1\n\n\n```\n\n\n```\n\n```\n", id="code"),
        pytest.param([code("%%bash\nls")], "```bash\n%%bash\nls\n```\n", id="magic"),
        pytest.param([code("x", STREAM)], "```\nx\n```\n\n    hello\n    world\n\n", id="stream"),
        pytest.param([code("x", LATEX), markdown("z")], "```\nx\n```\n\n\n\n\n$x^2$\n\n\n\nz\n", id="latex"),
        pytest.param([code("x", ERROR)], "```\nx\n```\n", id="error"),
        pytest.param(
            [code("x", {**PNG, "data": {"image/svg+xml": "<svg/>"}}), markdown("z")],
            "```\nx\n```\n\n\n    \n\n    \n\n\nz\n",
            id="svg",
        ),
        pytest.param([markdown('<img src="a"><script>x</script>b')], "b\n", id="html"),
    ],
)
def test_as_published(cells: list[dict[str, Any]], expected: str) -> None:
    assert notebook.to_markdown_as_published(make(*cells, language="")) == expected


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("not JSON", id="text"),
        pytest.param("[]", id="array"),
        pytest.param('{"a": 1}', id="object"),
        pytest.param('{"nbformat": 99}', id="format"),
        pytest.param(make(markdown("x"))[:-9], id="cut"),
        pytest.param("[" * 100_000, id="deep"),
        pytest.param('{"nbformat": 4, "metadata": {}, "cells": [1]}', id="cells"),
    ],
)
@pytest.mark.parametrize("convert", [notebook.to_markdown, notebook.to_markdown_as_published])
def test_broken_notebooks_are_failures_with_a_cause(text: str, convert: Any) -> None:
    texts, failures = notebook.converted(pl.Series([text, make(markdown("fine"))]), convert)
    assert texts.to_list() == [text, "fine\n"]
    assert failures[0]
    assert failures[1] is None


def test_lone_surrogates() -> None:
    texts, failures = notebook.converted(pl.Series([make(markdown("a \ud800 b"))]), notebook.to_markdown)
    assert (texts.to_list(), failures.to_list()) == (["a ? b\n"], [None])
