"""Trim GitHub's published API descriptions to what the tests need; run by hand when they change.

    python -m tests.crawl.github.trim_descriptions SCHEMA.graphql API.json

takes `schema.graphql` of the npm package `@octokit/graphql-schema` and `generated/api.github.com.json` of
`@octokit/openapi` (both MIT), and writes `tests/data/github/`.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from graphql import (
    EnumTypeDefinitionNode,
    FieldDefinitionNode,
    InputObjectTypeDefinitionNode,
    InterfaceTypeDefinitionNode,
    NamedTypeNode,
    Node,
    ObjectTypeDefinitionNode,
    ScalarTypeDefinitionNode,
    UnionTypeDefinitionNode,
    parse,
    print_ast,
)

DATA = Path(__file__).parents[2] / "data" / "github"

OBJECTS = (
    "Blob",
    "Commit",
    "CommitHistoryConnection",
    "License",
    "Organization",
    "PageInfo",
    "Query",
    "RateLimit",
    "Ref",
    "Repository",
    "RepositoryTopic",
    "RepositoryTopicConnection",
    "SearchResultItemConnection",
    "Topic",
    "User",
)
"""Types of which every field is kept that leads to a scalar, an enum, or another of these."""

PATHS = (
    "/repos/{owner}/{repo}",
    "/repos/{owner}/{repo}/commits",
    "/repos/{owner}/{repo}/tarball/{ref}",
    "/search/repositories",
)

PROSE = {"description", "example", "examples", "externalDocs", "summary", "tags", "title", "x-github", "x-octokit"}


def trim_schema(text: str) -> str:
    """Return the part of a GraphQL schema that `OBJECTS` names, without its prose."""
    document = parse(text, no_location=True)
    types: dict[str, Any] = {node.name.value: node for node in document.definitions if hasattr(node, "name")}
    interfaces = {name.name.value for kept in OBJECTS for name in (getattr(types[kept], "interfaces", None) or ())}
    interfaces &= {"Node", "RepositoryOwner", "GitObject", "Actor"}
    unions = {"SearchResultItem"}
    reachable = set(OBJECTS) | interfaces | unions
    leaves = {
        name for name, node in types.items() if isinstance(node, ScalarTypeDefinitionNode | EnumTypeDefinitionNode)
    }
    leaves |= {"Boolean", "Float", "ID", "Int", "String"}
    kept = [_trim_type(types[name], reachable, leaves) for name in sorted(reachable)]
    used = _named_types(kept)
    while more := {name for name in used if isinstance(types.get(name), InputObjectTypeDefinitionNode)} - reachable:
        reachable |= more
        kept += [_without_prose(types[name]) for name in sorted(more)]
        used = _named_types(kept)
    kept += [_without_prose(types[name]) for name in sorted(used & leaves) if name in types]
    return "\n\n".join(print_ast(node) for node in kept) + "\n"


def _trim_type(node: Any, reachable: set[str], leaves: set[str]) -> Any:
    node = _without_prose(node)
    if isinstance(node, UnionTypeDefinitionNode):
        return replace(node, types=tuple(name for name in node.types or () if name.name.value in reachable))
    assert isinstance(node, ObjectTypeDefinitionNode | InterfaceTypeDefinitionNode)
    return replace(
        node,
        interfaces=tuple(name for name in node.interfaces or () if name.name.value in reachable),
        fields=tuple(field for field in node.fields or () if _base(field).name.value in reachable | leaves),
    )


def _base(field: FieldDefinitionNode) -> NamedTypeNode:
    kind: Any = field.type
    while not isinstance(kind, NamedTypeNode):
        kind = kind.type
    return kind


def _named_types(nodes: list[Any]) -> set[str]:
    found: set[str] = set()

    def visit(value: Any) -> None:
        if isinstance(value, NamedTypeNode):
            found.add(value.name.value)
        elif isinstance(value, Node):
            for key in value.keys:
                visit(getattr(value, key))
        elif isinstance(value, list | tuple):
            for item in value:
                visit(item)

    for node in nodes:
        visit(node)
    return found


def _without_prose(node: Any) -> Any:
    if isinstance(node, Node):
        changed = {key: _without_prose(getattr(node, key)) for key in node.keys if key != "loc"}
        return replace(node, **(changed | {key: None for key in ("description", "directives") if key in changed}))
    return tuple(_without_prose(item) for item in node) if isinstance(node, list | tuple) else node


def trim_openapi(api: dict[str, Any]) -> dict[str, Any]:
    """Return the description of `PATHS` alone as JSON Schema can read it (`nullable` spelt out)."""
    paths = {path: {"get": _plain(api["paths"][path]["get"])} for path in PATHS}
    components: dict[str, dict[str, Any]] = {}
    waiting = sorted(_references(paths))
    while waiting:
        _, _, kind, name = waiting.pop().split("/")
        if name not in components.setdefault(kind, {}):
            components[kind][name] = _plain(api["components"][kind][name])
            waiting += sorted(_references(components[kind][name]))
    return {"openapi": api["openapi"], "info": api["info"], "paths": paths, "components": components}


def _plain(value: Any, names: bool = False) -> Any:
    """Remove prose; `names` says that the keys of `value` are properties' names, which all stay."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if not isinstance(value, dict):
        return value
    plain = {key: _plain(item, names=key == "properties") for key, item in value.items() if names or key not in PROSE}
    if not names and plain.pop("nullable", False):
        return {"anyOf": [plain, {"type": "null"}]}
    return plain


def _references(value: Any) -> set[str]:
    if isinstance(value, dict):
        own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return own.union(*(_references(item) for item in value.values()))
    return set().union(*(_references(item) for item in value)) if isinstance(value, list) else set()


def main(schema: str, api: str) -> None:
    """Write both descriptions."""
    DATA.mkdir(parents=True, exist_ok=True)
    (DATA / "schema.graphql").write_text(trim_schema(Path(schema).read_text(encoding="utf-8")), encoding="utf-8")
    trimmed = json.dumps(trim_openapi(json.loads(Path(api).read_text(encoding="utf-8"))), separators=(",", ":"))
    (DATA / "openapi.json").write_text(trimmed + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
