"""Profile `llemma` beside the published functions of AlgebraicStack: every verdict, and the text of kept notebooks.

    python benchmarks/published.py MATH-LM INPUT...

MATH-LM is a checkout of EleutherAI/math-lm, whose functions are read from its files and run as they are; they want
nbconvert 7 installed beside algstack. An INPUT is a folder of source files or a Parquet file of The Stack's layout.
Prints the files, the kept ones and the differences of each language.
"""

from __future__ import annotations

import argparse
import ast
import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import nbformat
import polars as pl
from langid.langid import LanguageIdentifier, model
from nbconvert.exporters import MarkdownExporter

sys.path.insert(0, str(Path(__file__).parents[1]))

from algstack.filter.decide import decide
from algstack.filter.language import Languages, load_languages

FOLDER = "proof_pile_2/algebraic_stack"
GITHUB = ("coq", "isabelle", "lean", "matlab")
BATCH = 500

Example = dict[str, Any]
Published = Callable[[Example], str | None]
"""The text that the published code keeps, or None."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("math_lm", type=Path, metavar="MATH-LM")
    parser.add_argument("inputs", nargs="+", type=Path, metavar="INPUT")
    options = parser.parse_args()
    languages = load_languages("llemma")
    published = {lang: _published(options.math_lm / FOLDER, lang) for lang in languages}
    files, kept, differ = Counter[str](), Counter[str](), Counter[str]()
    for batch in _batches(options.inputs, languages):
        for row, decision in zip(batch.iter_rows(named=True), _decided(batch, languages), strict=True):
            expected = published[decision["lang"]](row)
            files[decision["lang"]] += 1
            kept[decision["lang"]] += decision["keep"]
            if expected != ((decision["text"] or row["text"]) if decision["keep"] else None):
                differ[decision["lang"]] += 1
                print(f"differs: {row['id']}: keep {decision['keep']}, rule {decision['rule']}", file=sys.stderr)
    print(f"{'language':12}{'files':>10}{'kept':>10}{'differ':>10}")
    for lang in languages:
        print(f"{lang:12}{files[lang]:>10}{kept[lang]:>10}{differ[lang]:>10}")
    print(f"{'all':12}{files.total():>10}{kept.total():>10}{differ.total():>10}")


def _decided(batch: pl.DataFrame, languages: Languages) -> list[Example]:
    decisions = decide(batch, languages)
    return batch.select("id").join(decisions, on="id", how="left", maintain_order="left").to_dicts()


def _batches(inputs: Iterable[Path], languages: Languages) -> Iterator[pl.DataFrame]:
    for path in inputs:
        rows: list[Example] = []
        for name, repo, text in _table(path) if path.is_file() else _folder(path):
            if languages.for_path(name):
                rows.append({"id": f"{repo}:{name}", "text": text, "path": name, "repo": repo, "lang": None})
            if len(rows) == BATCH:
                yield pl.DataFrame(rows, schema_overrides={"lang": pl.String})
                rows = []
        if rows:
            yield pl.DataFrame(rows, schema_overrides={"lang": pl.String})


def _table(path: Path) -> Iterator[tuple[str, str, str]]:
    columns = ("max_stars_repo_path", "max_stars_repo_name", "content")
    yield from pl.scan_parquet(path).select(columns).collect().iter_rows()


def _folder(folder: Path) -> Iterator[tuple[str, str, str]]:
    for root, names, files in os.walk(folder):
        names.sort()
        for path in (Path(root) / name for name in sorted(files)):
            if path.is_file() and not path.is_symlink():
                # What is not UTF-8 still is a text to decide on.
                yield path.relative_to(folder).as_posix(), folder.name, _text(path.read_bytes())


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _published(folder: Path, lang: str) -> Published:
    if lang in GITHUB:
        return partial(_from_github, _functions(folder / "process_github.py")[f"filter_{lang}"])
    stack = _functions(folder / "process_stack.py")
    if lang == "jupyter":
        return partial(_notebook, stack)
    if lang == "python":
        return partial(_from_stack, lambda example: stack["python_filter"](stack["python_map"](example)))
    if lang == "tex":
        identifier = LanguageIdentifier.from_modelstring(model, norm_probs=True)
        return partial(_from_stack, partial(stack["tex_filter"], identifier=identifier))
    return partial(_from_stack, stack[f"{lang}_filter"])


def _functions(path: Path) -> dict[str, Any]:
    """The functions and constants of a published file; what stands at its top and needs other packages is left out."""
    names: dict[str, Any] = {"re": re, "nbformat": nbformat, "MarkdownExporter": MarkdownExporter}
    for node in ast.parse(path.read_text()).body:
        wanted = (isinstance(node, ast.FunctionDef) and not node.decorator_list) or isinstance(node, ast.Assign)
        if wanted and not re.search(r"os\.environ|Generator", ast.unparse(node)):
            exec(compile(ast.Module([node], []), str(path), "exec"), names)
    return names


def _from_github(keeps: Callable[[Example], object], row: Example) -> str | None:
    meta = {"repo": row["repo"].rpartition("/")[2], "path": row["path"]}
    return row["text"] if keeps({"text": row["text"], "meta": meta}) else None


def _stack_example(row: Example) -> Example:
    return {
        "content": row["text"],
        "size": len(row["text"].encode()),
        "ext": row["path"].rpartition(".")[2],
        "max_stars_repo_path": row["path"],
        "max_stars_repo_name": row["repo"],
    }


def _from_stack(keeps: Callable[[Example], object], row: Example) -> str | None:
    try:
        return row["text"] if keeps(_stack_example(row)) else None
    except (IndexError, ZeroDivisionError):  # an empty file: the published run ends there
        return None


def _notebook(stack: dict[str, Any], row: Example) -> str | None:
    example = _stack_example(row)
    if not stack["jupyter_notebook_filter"](example):
        return None
    example = stack["process_jupyter_notebook"](example)
    return str(example["content"]) if stack["filter_processed_jupyter_notebook"](example) else None


if __name__ == "__main__":
    main()
