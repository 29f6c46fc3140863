"""Settings and documents as closed models: an unknown key is an error that suggests the nearest name.

Values come in layers (defaults, a user's TOML, ``--set section.key=value``, flags), later ones win
(:func:`merged`), and a model takes the outcome (:func:`validated`). What was resolved is written beside every
output (:func:`to_toml`); a folder goes on only under the settings it was begun with (:func:`settle`).

Which settings there are stands with whatever they decide about, e.g. :mod:`madata.curation.settings`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, SerializerFunctionWrapHandler, ValidationError, model_serializer

from madata.errors import ConfigError, MadanceError, did_you_mean, nearest
from madata.files import as_json, parse_toml, read_json, write_json

__all__ = [
    "ClosedModel",
    "GrownModel",
    "differences",
    "merged",
    "parse_override",
    "parse_value",
    "refuse_differences",
    "settle",
    "to_toml",
    "validated",
]

_LONGEST_VALUE = 40
_MOST_DIFFERENCES = 8


class ClosedModel(BaseModel):
    """Base of everything read from a file or the command line: no unknown key, no NaN, no change afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, populate_by_name=True)


class GrownModel(ClosedModel):
    """A part of a document with fields that it had not from the first; ``_later`` names them.

    They are written where they say something, so that documents from before keep their content, and its hash.
    """

    _later: ClassVar[tuple[str, ...]] = ()

    @model_serializer(mode="wrap")
    def _as_written(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        content: dict[str, Any] = handler(self)
        for name in self._later:
            if getattr(self, name) == type(self).model_fields[name].get_default(call_default_factory=True):
                content.pop(name, None)
        return content


Model = TypeVar("Model", bound=BaseModel)


def validated(
    model: type[Model],
    values: Any,
    *,
    where: str = "",
    noun: str = "setting",
    error: type[MadanceError] = ConfigError,
) -> Model:
    """Plain values as a closed model.

    Args:
        where: the file or flag they come from, named by the error.
        noun: what one of them is called.
        error: type of the error.

    Raises:
        MadanceError: of the type ``error``, one line: a key is unknown (the nearest is named) or a value is out of
            range.

    Example:
        >>> class Shares(ClosedModel):
        ...     val_share: float
        ...     test_share: float
        >>> validated(Shares, {"val_share": 0.1, "tset_share": 0})
        Traceback (most recent call last):
        ...
        madata.errors.ConfigError: there is no setting tset_share; did you mean 'test_share'?
    """
    try:
        return model.model_validate(values)
    except ValidationError as failure:
        text = _first_problem(failure, model, noun)
        raise error(f"{where}: {text}" if where else text) from failure


def _first_problem(failure: ValidationError, model: type[BaseModel], noun: str) -> str:
    # What does not belong comes first: it is most often why something else is missing.
    found = sorted(failure.errors(), key=lambda one: one["type"] != "extra_forbidden")[0]
    place = [str(part) for part in found["loc"]]
    key = ".".join(place)
    if found["type"] == "extra_forbidden":
        return f"there is no {noun} {key}{_elsewhere(model, place) or did_you_mean(key, _siblings(model, place[:-1]))}"
    reason = found["msg"].removeprefix("Value error, ")
    if found["type"] == "model_type":
        reason = "is a section, not a value"
    if found["type"] in ("tuple_type", "list_type"):
        reason = "is a list, in brackets"
    got = "" if isinstance(found["input"], Mapping) else f" (got {_short(found['input'])})"
    return f"{noun} {key}: {reason}{got}" if key else reason


def _elsewhere(model: type[BaseModel], place: Sequence[str]) -> str:
    """The end of the message where a setting of that name, or one letter away, stands in another section."""
    named = dict.fromkeys(_siblings(model, place[:-1]))
    settings = [key for key in _settings_of(model) if key not in named]
    homes = [key for key in settings if key.rpartition(".")[2] == place[-1]]
    if not homes and nearest(".".join(place), named) is None:
        leaf = nearest(place[-1], (key.rpartition(".")[2] for key in settings))
        homes = [key for key in settings if key.rpartition(".")[2] == leaf]
    return f"; did you mean {' or '.join(map(repr, homes))}?" if homes else ""


def _settings_of(model: type[BaseModel], section: str = "") -> Iterator[str]:
    """Full names of the settings of a model and of its sections."""
    for name, field in model.model_fields.items():
        inner = _as_section(field.annotation)
        if inner is None:
            yield section + name
        else:
            yield from _settings_of(inner, f"{section}{name}.")


def _siblings(model: type[BaseModel], place: Sequence[str]) -> list[str]:
    for part in place:
        field = model.model_fields.get(part)
        inner = _as_section(field.annotation) if field else None
        if inner is None:
            return []
        model = inner
    return [".".join([*place, name]) for name in model.model_fields]


def _as_section(kind: Any) -> type[BaseModel] | None:
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:12]}...{text[-4:]}"


def merged(layers: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Layers into one, section by section; later ones win.

    Example:
        >>> merged([{"a": {"x": 1, "y": 2}}, {"a": {"x": 3}}])
        {'a': {'x': 3, 'y': 2}}
    """
    result: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            before = result.get(key)
            both = isinstance(before, Mapping) and isinstance(value, Mapping)
            result[key] = merged([result[key], value]) if both else value
    return result


def differences(before: Any, now: Any, name: str = "") -> list[str]:
    """``"loop.steps was 20, is 4"`` for every value in which two JSON documents differ.

    Example:
        >>> differences({"loop": {"steps": 20, "seed": 0}}, {"loop": {"steps": 4, "seed": 0}})
        ['loop.steps was 20, is 4']
    """
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        keys = sorted({*before, *now})
        prefix = f"{name}." if name else ""
        return [text for key in keys for text in differences(before.get(key), now.get(key), f"{prefix}{key}")]
    return [] if before == now else [f"{name} was {_short(before)}, is {_short(now)}"]


def settle(path: Path, values: Mapping[str, Any]) -> None:
    """Write what decides a run into the JSON file ``path``, or compare with what is there.

    Raises:
        ConfigError: the folder of ``path`` was begun with other values; the differences are named.
    """
    now = as_json(values)
    if not path.exists():
        write_json(path, now)
    else:
        refuse_differences(path.parent, read_json(path), now)


def refuse_differences(folder: Path, before: Any, now: Any) -> None:
    """Refuse to go on in a folder with other values than it was begun with.

    Raises:
        ConfigError: ``before`` and ``now`` differ; the message names the first differences.
    """
    changed = differences(before, now)
    if changed:
        more = f"; and {len(changed) - _MOST_DIFFERENCES} more" if len(changed) > _MOST_DIFFERENCES else ""
        raise ConfigError(
            f"{folder} was begun with other settings ({'; '.join(changed[:_MOST_DIFFERENCES])}{more}): "
            "go on with those, or choose another folder"
        )


def to_toml(settings: BaseModel) -> str:
    """Settings as TOML that reads back to the same values; what is ``None`` is left out."""
    import tomli_w

    return tomli_w.dumps(settings.model_dump(mode="json", exclude_none=True))


def parse_value(text: str) -> Any:
    """A value of ``--set KEY=VALUE``: TOML where it can be read as such, else text.

    Example:
        >>> parse_value("0.5"), parse_value("[1, 2]"), parse_value("fast")
        (0.5, [1, 2], 'fast')
    """
    try:
        return parse_toml(f"value = {text}", text)["value"]
    except ConfigError:
        return text


def parse_override(text: str) -> dict[str, Any]:
    """``section.key=value`` as nested dictionaries; the value as by :func:`parse_value`.

    Raises:
        ConfigError: there is no ``=``.

    Example:
        >>> parse_override("loop.steps=4")
        {'loop': {'steps': 4}}
    """
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"--set takes section.key=value, not {text!r}")
    parsed = parse_value(value)
    for part in reversed(key.strip().split(".")):
        parsed = {part: parsed}
    nested: dict[str, Any] = parsed
    return nested
