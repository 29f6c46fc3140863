"""What is in an archive: names, manifest, card."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from madata.config import ClosedModel, validated
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


class SystemCard(ClosedModel):
    """What is known of a system."""

    paper: str | None = Field(default=None, max_length=500)
    url: str | None = Field(default=None, max_length=500)
    licence: str | None = Field(default=None, max_length=200)
    n_parameters: int | None = Field(default=None, ge=0)
    training_data: tuple[str, ...] = ()
    notes: str | None = Field(default=None, max_length=5000)


class FileHash(ClosedModel):
    """One file."""

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    bytes: int = Field(ge=0)


class Manifest(ClosedModel):
    """The hash of every file of an archive."""

    schema_name: str = Field(alias="schema", pattern=f"^{SCHEMA}$")
    result: str = Field(pattern=r"^[0-9a-f]{64}$")
    files: dict[str, FileHash]


def read_card(values: Mapping[str, Any]) -> SystemCard:
    """A card from plain values.

    Raises:
        MadanceError: a field is unknown or out of range.
    """
    return validated(SystemCard, dict(values), where="card", noun="field", error=MadanceError)


def few(names: list[str]) -> str:
    """The first three names, and how many more."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
