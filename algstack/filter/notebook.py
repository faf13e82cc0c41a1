"""Jupyter notebooks to Markdown: ours, and AlgebraicStack's as nbconvert's Markdown exporter made it.

Notebooks of the formats 1 to 3 are brought to format 4 by nbformat first.
"""

from __future__ import annotations

import json
import logging
import re
import warnings
from base64 import b64decode
from binascii import a2b_base64
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from posixpath import basename
from textwrap import dedent
from typing import Any

import nbformat
import polars as pl
from nbformat import reader, validator

MAX_OUTPUT = 2_000
"""Characters of one output that are kept."""

MAX_OUTPUTS = 20_000
"""Characters of all outputs of a notebook that are kept."""


class UnreadableNotebookError(ValueError):
    """The text is not a notebook; says what is wrong with it."""


def converted(texts: pl.Series, convert: Callable[[str], str]) -> tuple[pl.Series, pl.Series]:
    """Convert each text; what cannot be converted stays, with the cause in the second series."""
    rows = [_attempt(text, convert) for text in texts]
    return pl.Series("text", [row[0] for row in rows], pl.String), pl.Series(
        "failed", [row[1] for row in rows], pl.String
    )


def _attempt(text: str, convert: Callable[[str], str]) -> tuple[str, str | None]:
    try:
        with _silenced():
            # A lone surrogate (\\ud800 in JSON) is no character: it cannot be written as UTF-8.
            return convert(text).encode(errors="replace").decode(), None
    # A broken notebook can break any step of nbformat; each break is the same fact.
    except (Exception, RecursionError) as error:
        return text, f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no message'}"[:200]


@contextmanager
def _silenced() -> Iterator[None]:
    """Keep nbformat from printing about notebooks that do not keep to the letter of the format."""
    logger = logging.getLogger("traitlets")
    before, logger.disabled = logger.disabled, True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.disabled = before


def _read(text: str) -> Any:
    return nbformat.convert(reader.reads(text), 4)  # type: ignore[no-untyped-call]


# --- ours -------------------------------------------------------------------------------------------------------------


def _read_fast(text: str) -> Any:
    """Read a notebook; one of format 4 with nothing unusual in it as plain JSON, ten times as fast as nbformat does.

    What nbformat would do to such a notebook (to join lines, to remove marks of trust) is not seen in its Markdown.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return _read(text)
    return value if _is_usual(value) else _read(text)


def _is_usual(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and value.get("nbformat") == 4
        and isinstance(value.get("metadata"), dict)
        and isinstance(value.get("cells"), list)
        and all(map(_is_usual_cell, value["cells"]))
    )


def _is_usual_cell(cell: Any) -> bool:
    return (
        isinstance(cell, dict)
        and isinstance(cell.get("metadata"), dict)
        and isinstance(cell.get("cell_type"), str)
        and "attachments" not in cell
        and _is_text(cell.get("source"))
        and (cell["cell_type"] != "code" or all(map(_is_usual_output, cell.get("outputs", ()))))
    )


def _is_usual_output(output: Any) -> bool:
    match isinstance(output, dict) and output.get("output_type"):
        case "stream":
            return _is_text(output.get("text"))
        case "execute_result" | "display_data":
            return isinstance(output.get("data"), dict)
        case kind:
            return kind == "error"


def _is_text(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, list) and all(isinstance(line, str) for line in value))


_EMBEDDED = re.compile(r"!\[[^\]\n]*\]\((?:data|attachment):[^)\n]*\)|<img\b[^>]*\bsrc\s*=\s*[\"']data:[^>]*>")
_ANSI = re.compile("\x1b\\[[0-9;]*[A-Za-z]")
_KEPT_OUTPUTS = ("text/latex", "text/markdown", "text/plain")


def to_markdown(text: str) -> str:
    """Return a notebook as Markdown: prose as it stands, code in fences, text and LaTeX outputs within a size.

    Images and tracebacks are left out one by one; the other outputs of their cell stay.

    Raises:
        UnreadableNotebookError: the text is JSON, but not a notebook.
        ValueError: the text is not JSON.
    """
    notebook = _read_fast(text)
    if not isinstance(notebook.get("cells"), list):
        raise UnreadableNotebookError("it has no list of cells")
    language = _language(notebook.get("metadata", {}))
    budget = MAX_OUTPUTS
    blocks: list[str] = []
    for cell in notebook["cells"]:
        source = _text(cell.get("source", ""))
        if cell.get("cell_type") != "code":
            blocks.append(_without_pictures(source).strip("\n"))
            continue
        if source.strip():
            blocks.append(_fenced(source, language))
        for output in cell.get("outputs", []):
            shown = _shown(output)[: min(MAX_OUTPUT, budget)]
            budget -= len(shown)
            blocks.append(shown)
    return "\n\n".join(block for block in blocks if block.strip()) + "\n"


def _without_pictures(source: str) -> str:
    return _EMBEDDED.sub("", source) if "data:" in source or "attachment:" in source else source


def _language(metadata: Any) -> str:
    for holder, key in (("language_info", "name"), ("kernelspec", "language")):
        found = metadata.get(holder, {})
        if isinstance(found, dict) and isinstance(found.get(key), str):
            return re.sub(r"\s+", "-", found[key].strip().lower())
    return "python"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "".join(map(str, value)) if isinstance(value, list) else ""


def _fenced(code: str, language: str) -> str:
    longest = max((len(run) for run in re.findall(r"`{3,}", code)), default=2) if "```" in code else 2
    fence = "`" * (longest + 1)
    return f"{fence}{language}\n{code.strip(chr(10))}\n{fence}"


def _shown(output: Any) -> str:
    """The Markdown of one output; empty for images, tracebacks, and warnings on the error stream."""
    if output.get("output_type") == "stream":
        text = _ANSI.sub("", _text(output.get("text", ""))) if output.get("name") != "stderr" else ""
        return _fenced(text[:MAX_OUTPUT], "text") if text.strip() else ""
    data = output.get("data", {})
    kind = next((kind for kind in _KEPT_OUTPUTS if kind in data), None)
    # The plain text beside an image only names it: <Figure size 432x288 with 1 Axes>.
    if kind is None or (kind == "text/plain" and any(name.startswith("image/") for name in data)):
        return ""
    text = _ANSI.sub("", _text(data[kind])).strip("\n")
    if kind == "text/plain":
        return _fenced(text[:MAX_OUTPUT], "text") if text.strip() else ""
    return text


# --- as published -----------------------------------------------------------------------------------------------------

_MARKDOWN_IMAGE = re.compile(r"!\[[^\]]*\]\(.*?(?=\"|\))(?:\".*\")?\)")
_HTML_IMAGE = re.compile(r"<img[^>]*>")
_HTML_OTHER = re.compile(r"<video.*?</video>|<script.*?</script>|<iframe.*?</iframe>", re.DOTALL)
_MAGIC = re.compile(r"^\s*%%(R|bash|cython|javascript|julia|latex|octave|perl|ruby|sh|sql)\s+")
_ANSI_AS_NBCONVERT = re.compile("\x1b\\[(.*?)([@-~])")
_PRIORITY = ("text/html", "text/markdown", "image/svg+xml", "text/latex", "image/png", "image/jpeg", "text/plain")
_IMAGES = {"image/svg+xml": "svg", "image/png": "png", "image/jpeg": "jpeg"}
_EXTRACTED = {"image/png": ".png", "image/jpeg": ".jpg", "image/svg+xml": ".svg", "application/pdf": ".pdf"}


def to_markdown_as_published(text: str) -> str:
    """Return a notebook as AlgebraicStack converted it, its mistakes included.

    Mistakes: one PNG or one error clears all outputs of its cell; SVG and JPEG leave an empty place.

    Raises:
        Exception: whatever nbformat or the conversion raises; there the published code drops the notebook.
    """
    notebook = _read(text)
    for cell in notebook.cells:
        if any(_clears(output) for output in cell.get("outputs", [])):
            cell["outputs"] = []
    _, notebook = validator.normalize(notebook)
    nbformat.validate(notebook, relax_add_props=True)
    _extract_images(notebook)
    body = "".join(_published_cell(cell, notebook.metadata) for cell in notebook.cells).lstrip("\r\n")
    body = _HTML_IMAGE.sub("", _MARKDOWN_IMAGE.sub("", body))
    return _HTML_OTHER.sub("", body)


def _clears(output: Any) -> bool:
    has_png = "output_type" in output and "data" in output and "image/png" in output["data"]
    if has_png and len(output["data"]["image/png"]) > 0:
        return True
    return "ename" in output and "traceback" in output


def _extract_images(notebook: Any) -> None:
    """Do what nbconvert does before it renders, as far as it can fail or be seen: images go to files of their own."""
    if "language" in notebook.metadata:
        notebook.metadata["language"].lower()  # nbconvert does so, and fails where it is no text
    names: set[str] = set()
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type == "code":
            magic = _MAGIC.match(cell.source)
            if magic:
                cell.metadata["magics_language"] = magic.group(1).lower()
        for index, output in enumerate(cell.get("outputs", [])):
            if output.output_type in ("display_data", "execute_result"):
                _extract_image(output, f"output_{number}_{index}", names)
        _extract_attachments(cell)


def _extract_attachments(cell: Any) -> None:
    has_decoded = False
    for name, bundle in cell.get("attachments", {}).items():
        if base := name.rsplit("/", 1)[-1]:
            for data in bundle.values():
                b64decode(data.encode())
                has_decoded = True
                break
            if not has_decoded:
                raise UnboundLocalError(f"attachment {name} is empty")  # a variable of nbconvert's has no value then
            cell.source = cell.source.replace(f"attachment:{name}", base)


def _extract_image(output: Any, default: str, names: set[str]) -> None:
    if "text/html" in output.data:
        output["data"]["text/html"] = dedent(output["data"]["text/html"])
    for kind, extension in _EXTRACTED.items():
        if kind not in output.data:
            continue
        if kind != "image/svg+xml":
            a2b_base64(output.data[kind])
        elif isinstance(output.data[kind], str):
            output.data[kind].encode()  # fails on a lone surrogate
        name = default + extension
        if given := output.metadata.get("filename", ""):
            name = basename(given)
            if not name:
                continue
            name = name if name.endswith(extension) else name + extension
        if name in names:
            raise ValueError(f"two outputs are called {name}")
        names.add(name)


def _published_cell(cell: Any, metadata: Any) -> str:
    is_hidden = cell.metadata.get("transient", {}).get("remove_source", False)
    if cell.cell_type == "code":
        source = "" if is_hidden else _published_source(cell, metadata)
        return source + "".join(map(_published_output, cell.outputs))
    if is_hidden:
        return ""
    if cell.cell_type == "markdown":
        return f"\n{cell.source}\n"
    is_text = cell.metadata.get("raw_mimetype", "").lower() in ("text/markdown", "text/html", "")
    return str(cell.source) if is_text else ""


def _published_source(cell: Any, metadata: Any) -> str:
    language = metadata.get("language_info", {}).get("name", "")
    return f"\n\n```{cell.metadata.get('magics_language', language)}\n{cell.source}\n```\n"


def _published_output(output: Any) -> str:
    match output.output_type:
        case "stream":
            return f"\n{_indented(output.text)}\n"
        case "error":
            lines = (f"\n{_ANSI_AS_NBCONVERT.sub('', _indented(line))}\n" for line in output.traceback)
            return "\n" + "".join(lines) + "\n"
        case "execute_result":
            return f"\n\n\n{_published_data(output.data)}\n\n"
        case "display_data":
            return f"\n{_published_data(output.data)}\n"
        case _:
            return ""


def _published_data(data: Any) -> str:
    kind = next((kind for kind in _PRIORITY if kind in data), None)
    if kind is None:
        return ""
    if kind in _IMAGES:
        return f"\n    \n![{_IMAGES[kind]}](image)\n    \n"
    return f"\n{_indented(data[kind]) if kind == 'text/plain' else data[kind]}\n"


def _indented(text: str | None) -> str:
    if text is None:
        return "None"  # as nbconvert's template writes it
    spaces = " " * 4
    indented = re.sub("^", spaces, text, flags=re.MULTILINE)
    return indented[: -len(spaces)] if indented.endswith("\n" + spaces) else indented
