"""Settings of a trainer from layers: a preset, the user's TOML, ``--set section.key=value``; later ones win.

The models are closed: a key that does not exist is an error that suggests the nearest.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from madata.errors import ConfigError

__all__ = ["merge", "resolve", "to_toml"]

Model = TypeVar("Model", bound=BaseModel)


def merge(layers: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Layers into one, section by section."""
    merged: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
            merged[key] = merge([merged[key], value]) if both else value
    return merged


def resolve(model: type[Model], values: Mapping[str, Any]) -> Model:
    """Values as a closed model.

    Raises:
        ConfigError: a key is unknown (the nearest is named), or a value out of range; one line.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        place = [str(part) for part in first["loc"]]
        key = ".".join(place)
        if first["type"] == "extra_forbidden":
            near = difflib.get_close_matches(place[-1], _fields(model, place[:-1]), n=1, cutoff=0.4)
            hint = f"; did you mean {'.'.join([*place[:-1], near[0]])}?" if near else ""
            raise ConfigError(f"there is no setting {key}{hint}") from error
        message = first["msg"].removeprefix("Value error, ")
        got = "" if isinstance(first.get("input"), Mapping) else f" (got {first.get('input')!r})"
        raise ConfigError(f"setting {key or 'values'}: {message}{got}") from error


def _fields(model: type[BaseModel], place: Sequence[str]) -> list[str]:
    for part in place:
        inner = model.model_fields[part].annotation
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return []
        model = inner
    return list(model.model_fields)


def to_toml(settings: BaseModel) -> str:
    """Settings as TOML; what is ``None`` is left out."""
    lines: list[str] = []
    _emit(settings.model_dump(mode="json", exclude_none=True), "", lines)
    return "\n".join(lines).lstrip("\n") + "\n"


def _emit(section: Mapping[str, Any], name: str, lines: list[str]) -> None:
    plain = {key: value for key, value in section.items() if not isinstance(value, Mapping)}
    lines += [f"{key} = {json.dumps(value)}" for key, value in plain.items()]
    for key, value in section.items():
        if isinstance(value, Mapping):
            inner = f"{name}.{key}" if name else key
            lines += ["", f"[{inner}]"]
            _emit(value, inner, lines)
