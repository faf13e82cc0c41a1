"""GitHub's published API descriptions (trimmed, `tests/data/github/`): what the stand-in and the requests must fit."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from graphql import GraphQLSchema, build_schema
from jsonschema import Draft202012Validator

DATA = Path(__file__).parents[2] / "data" / "github"


@cache
def schema() -> GraphQLSchema:
    """The GraphQL schema. Resolvers may be set in it."""
    return build_schema((DATA / "schema.graphql").read_text(encoding="utf-8"))


@cache
def openapi() -> dict[str, Any]:
    """The REST description."""
    description: dict[str, Any] = json.loads((DATA / "openapi.json").read_text(encoding="utf-8"))
    return description


def look_up(value: dict[str, Any]) -> dict[str, Any]:
    """Follow a `$ref`."""
    while "$ref" in value:
        found: Any = openapi()
        for step in value["$ref"].split("/")[1:]:
            found = found[step]
        value = found
    return value


def operation(path: str) -> dict[str, Any] | None:
    """The description of GET on a path, or None: `/repositories/ID`, where renames lead, is not described."""
    steps = path.split("/")
    for template, methods in openapi()["paths"].items():
        wanted = template.split("/")
        if len(wanted) == len(steps) and all(a == b or a.startswith("{") for a, b in zip(wanted, steps, strict=True)):
            described: dict[str, Any] = methods["get"]
            return described
    return None


def request_problems(url: str) -> list[str]:
    """What is wrong with a GET by the description: unknown or missing parameters, values that do not fit."""
    parts = urlsplit(url)
    described = operation(parts.path)
    if described is None:
        return [] if parts.path.startswith("/repositories/") else [f"{parts.path}: no such path"]
    known = {one["name"]: one for one in map(look_up, described["parameters"]) if one["in"] == "query"}
    given = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
    problems = [f"{name}: no such parameter" for name in given if name not in known]
    problems += [f"{name}: missing" for name, one in known.items() if one.get("required") and name not in given]
    for name, value in given.items():
        kind = look_up(known[name]["schema"]) if name in known else {}
        typed = int(value) if kind.get("type") == "integer" and value.isdigit() else value
        problems += [f"{name}: {error.message}" for error in _validator(json.dumps(kind)).iter_errors(typed)]
    return problems


def answer_problems(path: str, status: int, body: Any) -> list[str]:
    """What is wrong with a JSON answer by the description."""
    described = operation(path)
    if described is None:
        return []
    answers = described["responses"]
    if str(status) not in answers:
        return [f"{path}: {status} is not described"]
    content = look_up(answers[str(status)]).get("content", {})
    if "application/json" not in content:
        return []
    kind = content["application/json"]["schema"]
    return [f"{path}: {error.json_path}: {error.message}" for error in _validator(json.dumps(kind)).iter_errors(body)]


@cache
def _validator(kind: str) -> Draft202012Validator:
    return Draft202012Validator({**json.loads(kind), "components": openapi()["components"]})


def filled(kind: dict[str, Any], known: dict[str, Any]) -> Any:
    """A value of a described type: what is known of it, and something of the right type for what else is required."""
    kind = look_up(kind)
    if "anyOf" in kind or "oneOf" in kind:
        options = kind.get("anyOf") or kind.get("oneOf") or []
        return None if {"type": "null"} in options else filled(options[0], known)
    if "allOf" in kind:
        return filled(kind["allOf"][0], known)
    if kind.get("type") == "object" or "properties" in kind:
        properties = kind.get("properties", {})
        needed = {name: filled(properties[name], {}) for name in kind.get("required", []) if name not in known}
        return {**needed, **known}
    if "enum" in kind:
        return kind["enum"][0]
    if kind.get("format") == "date-time":
        return "2020-01-01T00:00:00Z"
    return {"integer": 0, "number": 0, "boolean": False, "array": []}.get(kind.get("type", ""), "http://localhost/x")
