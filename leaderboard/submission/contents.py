"""What is in an archive: names, manifest, card."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from madata.errors import MadanceError

__all__ = [
    "CARD",
    "FEATURES",
    "MANIFEST",
    "NEEDED",
    "PREDICTIONS",
    "RESULT",
    "SAMPLES",
    "SCHEMA",
    "FileHash",
    "Manifest",
    "SystemCard",
    "few",
    "read_card",
]

SCHEMA = "madance.submission/1"

MANIFEST, RESULT, CARD = "submission.json", "result.json", "card.json"
FEATURES, SAMPLES, PREDICTIONS = "features.npz", "samples.parquet", "predictions"
NEEDED = (RESULT, CARD, FEATURES, SAMPLES)


class SystemCard(BaseModel):
    """What is known of a system."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    paper: str | None = Field(default=None, max_length=500)
    url: str | None = Field(default=None, max_length=500)
    licence: str | None = Field(default=None, max_length=200)
    n_parameters: int | None = Field(default=None, ge=0)
    training_data: tuple[str, ...] = ()
    notes: str | None = Field(default=None, max_length=5000)


class FileHash(BaseModel):
    """One file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    bytes: int = Field(ge=0)


class Manifest(BaseModel):
    """The hash of every file of an archive."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    schema_name: str = Field(alias="schema", pattern=f"^{SCHEMA}$")
    result: str = Field(pattern=r"^[0-9a-f]{64}$")
    files: dict[str, FileHash]


def read_card(values: Mapping[str, Any]) -> SystemCard:
    """A card from plain values.

    Raises:
        MadanceError: a field is unknown or out of range.
    """
    try:
        return SystemCard.model_validate(dict(values))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        known = ", ".join(SystemCard.model_fields)
        raise MadanceError(f"card: {key}: {first['msg']} (a card has {known})") from error


def few(names: list[str]) -> str:
    """The first three names, and how many more."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
