"""TOML files to frozen models, with errors that name the file, the line, the key and the nearest known name."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from algstack.errors import ManifestError


class Config(BaseModel):
    """A frozen piece of configuration; an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


Model = TypeVar("Model", bound=Config)
Location = tuple[str | int, ...]

_HEADER = re.compile(r"^\s*\[(\[)?\s*([^\[\]]+?)\s*\]?\]")
_KEY = re.compile(r"""^\s*(?:"([^"]+)"|'([^']+)'|([A-Za-z0-9_-]+))\s*=""")


def parse(text: str, model: type[Model], where: str) -> Model:
    """Parse TOML text into a model.

    Args:
        text: the TOML.
        model: the frozen model that it must fit.
        where: the file's name, for errors.

    Raises:
        ManifestError: the text is not TOML, or does not fit the model.
    """
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ManifestError(f"{where}: not valid TOML: {error}") from None
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise ManifestError(_explain(error.errors(), text, values, model, where)) from None


def nearest(name: str, known: Iterable[str]) -> str:
    """Return `; did you mean …?` for the known name nearest to `name`, or a list of all where none is near."""
    names = sorted(known)
    close = get_close_matches(name.lower(), names, n=1, cutoff=0.6)
    if close:
        return f"; did you mean `{close[0]}`?"
    return f"; known: {', '.join(names)}" if names else ""


def line_of(text: str, location: Sequence[str | int]) -> int:
    """Return the number of the line where a key stands, or of the nearest table around it; at least 1."""
    wanted = tuple(location)
    best, best_depth = 1, 0
    for number, path in _paths(text):
        depth = min(len(path), len(wanted))
        if depth > best_depth and wanted[:depth] == path[:depth]:
            best, best_depth = number, depth
    return best


def _paths(text: str) -> Iterator[tuple[int, Location]]:
    """Yield (line, path) of each table header and key; elements of arrays of tables are numbered."""
    table: Location = ()
    counts: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        header = _HEADER.match(line)
        if header:
            table = _table_path(header.group(2), bool(header.group(1)), counts)
            yield number, table
        elif key := _KEY.match(line):
            yield number, (*table, next(group for group in key.groups() if group))


def _table_path(dotted: str, is_element: bool, counts: dict[str, int]) -> Location:
    names = [name.strip().strip("\"'") for name in dotted.split(".")]
    if is_element:
        counts[dotted] = counts.get(dotted, -1) + 1
    path: list[str | int] = []
    for depth, name in enumerate(names, 1):
        path.append(name)
        if (element := counts.get(".".join(names[:depth]))) is not None:
            path.append(element)
    return tuple(path)


def _explain(errors: list[ErrorDetails], text: str, values: dict[str, Any], model: type[Config], where: str) -> str:
    # A misspelt key is also a missing one: the misspelling is what to show.
    first = min(errors, key=lambda error: error["type"] != "extra_forbidden")
    location = _in_file(first["loc"], values)
    key = ".".join(str(step) for step in location) or "(top level)"
    more = f" ({len(errors) - 1} more after this one)" if len(errors) > 1 else ""
    return f"{where}:{line_of(text, location)}: `{key}`: {_problem(first, model)}{more}"


def _in_file(location: Sequence[str | int], values: object) -> Location:
    """Drop the steps that pydantic adds for the kinds of a union: they are not in the file."""
    steps: list[str | int] = []
    for number, step in enumerate(location):
        last = number == len(location) - 1
        if isinstance(values, dict) and isinstance(step, str):
            if step not in values and not last:
                continue
            values = values.get(step)
        elif isinstance(values, list) and isinstance(step, int) and step < len(values):
            values = values[step]
        elif not last:
            continue
        steps.append(step)
    return tuple(steps)


def _problem(error: ErrorDetails, model: type[Config]) -> str:
    name = str(error["loc"][-1]) if error["loc"] else ""
    match error["type"]:
        case "extra_forbidden":
            return f"unknown key{nearest(name, _known_keys(model, error['loc'][:-1]))}"
        case "missing":
            return "is missing"
        case "union_tag_invalid":
            context = error["ctx"]
            known = [tag.strip(" '") for tag in context["expected_tags"].split(",")]
            return (
                f"unknown {context['discriminator'].strip(chr(39))} `{context['tag']}`{nearest(context['tag'], known)}"
            )
        case "union_tag_not_found":
            return f"says no {error['ctx']['discriminator']}"
        case "value_error":
            return str(error["ctx"]["error"])
        case _:
            return f"{error['msg']}, got {error['input']!r}"


def _known_keys(model: type[Config], location: Sequence[str | int]) -> set[str]:
    """Return the field names of the model that a location leads to."""
    known: list[type[BaseModel]] = [model]
    for step in location:
        if isinstance(step, int):
            continue
        below = [found for one in known for found in _models_at(one, step)]
        known = below or [one for one in known if _is_tag(one, step)] or known
    return {key for one in known for key in one.model_fields}


def _is_tag(model: type[BaseModel], step: str) -> bool:
    kind = model.model_fields.get("kind")
    return kind is not None and step in getattr(kind.annotation, "__args__", ())


def _models_at(model: type[BaseModel], step: str) -> list[type[BaseModel]]:
    field = model.model_fields.get(step)
    return list(_models_in(field.annotation)) if field else []


def _models_in(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in getattr(annotation, "__args__", ()):
        yield from _models_in(argument)
