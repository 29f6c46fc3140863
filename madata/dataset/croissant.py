"""Croissant 1.1: which files a data set has, and what the columns of its tables mean.

The columns and their meanings are read from the Parquet files themselves.
Source: github.com/mlcommons/croissant, docs/croissant-spec-1.1.md; the context is the one its examples share.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from madata.cache import remembered_sha256
from madata.files import open_table
from madata.manifest import SPLITS

__all__ = ["croissant"]

_TERMS = (
    "arrayShape", "citeAs", "column", "containedIn", "equivalentProperty", "extract", "field", "fileProperty",
    "fileObject", "fileSet", "format", "includes", "isArray", "isLiveDataset", "jsonPath", "key", "md5", "parentField",
    "path", "recordSet", "references", "regex", "repeated", "replace", "samplingRate", "separator", "source",
    "subField", "transform",
)  # fmt: skip
_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "sc": "https://schema.org/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "name": {"@container": "@language"},
    "description": {"@container": "@language"},
    **{term: f"cr:{term}" for term in _TERMS},
}
_TABLES = ("clips", "sources", "dropped")
_FILES = {
    "videos": ("clips/*.mp4", "video/mp4", "the clips"),
    "keypoints": ("keypoints/*.npz", "application/octet-stream", "2D keypoints of the dancer of each clip"),
    "music": ("features/music/*.npz", "application/octet-stream", "music features and beats of each clip"),
}


def croissant(folder: Path, about: Mapping[str, Any], rai: Mapping[str, Any]) -> dict[str, Any]:
    """The description of a data set folder as JSON-LD.

    Args:
        about: its name, description, licence, ...
        rai: fields of the RAI vocabulary.
    """
    tables = [name for name in _TABLES if (folder / f"{name}.parquet").is_file()]
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": ["http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0"],
        **about,
        **rai,
        "distribution": [
            *(_table_file(folder / f"{name}.parquet") for name in tables),
            *_media(folder),
        ],
        "recordSet": [_splits(), *(_records(folder / f"{name}.parquet") for name in tables)],
    }


def _table_file(path: Path) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": path.name,
        "name": path.name,
        "contentUrl": path.name,
        "contentSize": f"{path.stat().st_size} B",
        "encodingFormat": "application/x-parquet",
        "sha256": remembered_sha256(path),
    }


def _media(folder: Path) -> list[dict[str, Any]]:
    found = []
    for name, (pattern, kind, what) in _FILES.items():
        if next(folder.glob(pattern), None) is None:
            continue
        found.append(
            {
                "@type": "cr:FileSet",
                "@id": name,
                "name": name,
                "description": what,
                "encodingFormat": kind,
                "includes": pattern,
            }
        )
    return found


def _splits() -> dict[str, Any]:
    field = {"@type": "cr:Field", "@id": "splits/name", "name": "name", "dataType": ["sc:Text", "cr:Split"]}
    return {
        "@type": "cr:RecordSet",
        "@id": "splits",
        "name": "splits",
        "dataType": "cr:Split",
        "key": {"@id": "splits/name"},
        "field": [field],
        "data": [{"splits/name": name} for name in SPLITS],
    }


def _records(path: Path) -> dict[str, Any]:
    name = path.stem
    fields = []
    for column in open_table(path).schema_arrow:
        if str(column.type) not in _TYPES:
            continue
        field: dict[str, Any] = {
            "@type": "cr:Field",
            "@id": f"{name}/{column.name}",
            "name": column.name,
            "description": (column.metadata or {}).get(b"meaning", b"").decode() or column.name,
            "dataType": _TYPES[str(column.type)],
            "source": {"fileObject": {"@id": path.name}, "extract": {"column": column.name}},
        }
        if (name, column.name) == ("clips", "split"):
            field["references"] = {"field": {"@id": "splits/name"}}
        fields.append(field)
    keys = {"clips": "clips/clip_id"}
    records: dict[str, Any] = {"@type": "cr:RecordSet", "@id": name, "name": name, "field": fields}
    return records | ({"key": {"@id": keys[name]}} if name in keys else {})


_TYPES = {
    "string": "sc:Text",
    "int16": "sc:Integer",
    "int32": "sc:Integer",
    "int64": "sc:Integer",
    "float": "sc:Float",
    "double": "sc:Float",
    "bool": "sc:Boolean",
}
