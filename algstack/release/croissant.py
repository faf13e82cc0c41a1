"""`croissant.json`: the release described for machines (https://docs.mlcommons.org/croissant/docs/croissant-spec.html)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from algstack import documents
from algstack.dataset import Part
from algstack.release.card import citation
from algstack.release.facts import Facts
from algstack.release.statistics import UNKNOWN, Statistics

NAME = "croissant.json"

CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
"""The context of the specification, version 1.0, with `rai`."""

PARQUET = "application/x-parquet"


def describe(facts: Facts, statistics: Statistics, parts: Sequence[Part]) -> dict[str, Any]:
    """Return the JSON-LD.

    Args:
        facts: of the manifest.
        statistics: of the shards.
        parts: the shards, with their checksums.
    """
    described: dict[str, Any] = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": ["http://mlcommons.org/croissant/1.0", "http://mlcommons.org/croissant/RAI/1.0"],
        "name": re.sub(r"[^A-Za-z0-9_]+", "-", facts.name),
        "alternateName": facts.title or facts.name,
        "description": (facts.description or facts.name).strip(),
        "version": facts.version,
        "license": _licences(statistics),
        "keywords": ["mathematics", "source code", "formal proofs", "language modelling"],
        "creator": {"@type": "sc:Organization", "name": facts.contact or facts.name},
        "isLiveDataset": False,
        "citeAs": citation(facts, statistics),
        **_responsible(facts, statistics),
        "distribution": [*_file_sets(statistics), *(_file(part) for part in parts if part.name.startswith("data/"))],
        "recordSet": [_record_set(group.value, facts) for group in statistics.languages],
    }
    if facts.date:
        described["datePublished"] = facts.date
    if (facts.contact or "").startswith("http"):
        described["url"] = facts.contact
    return described


def _licences(statistics: Statistics) -> list[str]:
    """Pages of the licences that are one SPDX name; the expressions stand in each document."""
    names = sorted(
        group.value
        for group in statistics.licenses
        if group.value != UNKNOWN and re.fullmatch(r"[\w.+-]+", group.value)
    )
    return [f"https://spdx.org/licenses/{name}.html" for name in names] or ["https://spdx.org/licenses/"]


def _responsible(facts: Facts, statistics: Statistics) -> dict[str, Any]:
    """The fields of the vocabulary for responsible AI that a release can truly fill."""
    dropped = sum(drops.documents for drops in statistics.dropped)
    duplicates = "Exact duplicates and near-duplicates were removed" if "dedup" in facts.stages else "Not deduplicated"
    return {
        "rai:dataCollection": "Public source files and questions with answers, from the sources of the manifest.",
        "rai:dataCollectionType": ["Web Scraping", "Secondary Data Analysis"],
        "rai:dataPreprocessingProtocol": [
            f"{dropped} documents were dropped by rules that stand, with each document, in dropped/*.parquet.",
            f"{duplicates} (exact Jaccard similarity of 5-token shingles >= {facts.dedup_threshold:g}).",
        ],
        "rai:dataLimitations": [
            "Languages are told by extension and content; files in a foreign dialect can be missing.",
            "Licences are the sources' own statements.",
        ],
        "rai:personalSensitiveInformation": ["Names and addresses of authors as they stand in public files."],
        "rai:dataUseCases": ["Training and evaluating language models on mathematics and code."],
        "rai:dataReleaseMaintenancePlan": "A version is never changed; corrections and removals make the next version.",
    }


def _file_sets(statistics: Statistics) -> list[dict[str, Any]]:
    return [
        {
            "@type": "cr:FileSet",
            "@id": f"files-{group.value}",
            "description": f"Shards of {group.value}, all splits.",
            "encodingFormat": PARQUET,
            "includes": f"data/{group.value}/*.parquet",
        }
        for group in statistics.languages
    ]


def _file(part: Part) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": part.name,
        "name": part.name,
        "contentUrl": part.name,
        "contentSize": f"{part.bytes} B",
        "encodingFormat": PARQUET,
        "sha256": part.sha256,
    }


def _record_set(lang: str, facts: Facts) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": lang,
        "name": lang,
        "key": {"@id": f"{lang}/id"},
        "field": [
            {
                "@type": "cr:Field",
                "@id": f"{lang}/{column.name}",
                "name": column.name,
                "description": column.doc,
                "dataType": _data_type(column.type),
                "source": {"fileSet": {"@id": f"files-{lang}"}, "extract": {"column": column.name}},
            }
            for column in documents.release_columns(facts.signals)
        ],
    }


def _data_type(arrow: pa.DataType) -> str:
    if pa.types.is_timestamp(arrow):
        return "sc:DateTime"
    if pa.types.is_floating(arrow):
        return "sc:Float"
    return "sc:Integer" if pa.types.is_integer(arrow) else "sc:Text"
