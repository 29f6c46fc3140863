"""Settings of the curation as closed models: an unknown key is an error that suggests the nearest name.

The defaults are ``configs/ma-data.toml``; a user's TOML and ``--set section.key=value`` override single keys. The
resolved settings are written beside every output, and their hash decides whether finished work can be reused.
"""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from madata.errors import ConfigError
from madata.files import sha256_bytes

__all__ = [
    "ClipConfig",
    "CurationConfig",
    "MotionConfig",
    "OutputConfig",
    "PeopleConfig",
    "ShotsConfig",
    "WindowsConfig",
    "load_config",
    "parse_override",
    "read_toml",
    "to_toml",
]


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ShotsConfig(_Closed):
    cut_threshold: float = Field(gt=0, lt=1)
    transition_threshold: float = Field(gt=0, lt=1)
    min_s: float = Field(gt=0)
    max_s: float = Field(gt=0)


class MotionConfig(_Closed):
    pairs_per_s: float = Field(gt=0)
    long_side: int = Field(ge=64, le=2048)
    static_below: float = Field(ge=0)


class PeopleConfig(_Closed):
    backend: str
    samples_per_s: float = Field(gt=0)
    long_side: int = Field(ge=128)
    multi_share: float = Field(gt=0, le=1)
    none_share: float = Field(gt=0, le=1)
    min_hips: float = Field(ge=0, le=1)
    options: dict[str, str | int | float | bool] = Field(default_factory=dict)


class WindowsConfig(_Closed):
    min_s: float = Field(gt=0)
    max_s: float = Field(gt=0)
    law: Literal["mean", "uniform", "fixed"]
    mean_s: float = Field(gt=0)
    overlap: float = Field(ge=0, lt=1)

    @model_validator(mode="after")
    def _ordered(self) -> WindowsConfig:
        if self.min_s > self.max_s:
            raise ValueError(f"min_s ({self.min_s}) is above max_s ({self.max_s})")
        if self.law == "mean" and not self.min_s < self.mean_s < self.max_s:
            raise ValueError(f"mean_s ({self.mean_s}) is not between {self.min_s} and {self.max_s}")
        return self


class ClipConfig(_Closed):
    fps: Literal["source"] | float
    long_side: int = Field(ge=0)
    size: tuple[int, int] | tuple[()]
    fit: Literal["pad", "crop"]
    codec: Literal["h264"]
    crf: int = Field(ge=0, le=51)
    preset: str
    audio_rate_hz: int = Field(ge=8000)
    audio_kbps: int = Field(ge=32)

    @model_validator(mode="after")
    def _positive(self) -> ClipConfig:
        if self.fps != "source" and not 0 < self.fps <= 240:
            raise ValueError(f"fps must be 'source' or between 0 and 240, not {self.fps}")
        if any(side < 16 or side % 2 for side in self.size):
            raise ValueError(f"size must be two even numbers of at least 16, not {self.size}")
        return self


class OutputConfig(_Closed):
    subset: str
    val_share: float = Field(ge=0, le=1)
    test_share: float = Field(ge=0, le=1)


class CurationConfig(_Closed):
    """Everything that decides which clips come out of a source, and how they look."""

    seed: int
    shots: ShotsConfig
    motion: MotionConfig
    people: PeopleConfig
    windows: WindowsConfig
    clip: ClipConfig
    output: OutputConfig

    @model_validator(mode="after")
    def _consistent(self) -> CurationConfig:
        if self.shots.max_s < self.windows.max_s:
            raise ValueError("shots.max_s must be at least windows.max_s")
        return self

    @property
    def hash(self) -> str:
        """Hex SHA-256 of the settings in canonical JSON."""
        return sha256_bytes(json.dumps(self.model_dump(mode="json"), sort_keys=True).encode())


def to_toml(config: CurationConfig) -> str:
    """The settings as TOML that :func:`load_config` reads back to the same values."""
    lines: list[str] = []
    _emit(config.model_dump(mode="json"), "", lines)
    return "\n".join(lines).lstrip("\n") + "\n"


def _emit(section: Mapping[str, Any], prefix: str, lines: list[str]) -> None:
    values = {key: value for key, value in section.items() if not isinstance(value, Mapping)}
    lines += [
        f"{json.dumps(key) if prefix == 'people.options' else key} = {json.dumps(value)}"
        for key, value in values.items()
    ]
    for key, value in section.items():
        if isinstance(value, Mapping):
            lines += ["", f"[{prefix}{'.' if prefix else ''}{key}]"]
            _emit(value, f"{prefix}{'.' if prefix else ''}{key}", lines)


def load_config(path: Path | None = None, overrides: Sequence[str] = ()) -> CurationConfig:
    """Defaults, overridden by the TOML file ``path``, overridden by ``section.key=value`` strings.

    Raises:
        ConfigError: a key is unknown (the nearest one is named) or a value is out of range.
    """
    settings = tomllib.loads(resources.files("madata").joinpath("configs/ma-data.toml").read_text("utf-8"))
    if path is not None:
        _merge(settings, read_toml(path), where=str(path))
    for override in overrides:
        _merge(settings, parse_override(override), where=f"--set {override}")
    try:
        return CurationConfig.model_validate(settings)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise ConfigError(
            f"setting {key or 'values'}: {first['msg']} (got {first.get('input')!r})"
        ) from error


def read_toml(path: Path) -> dict[str, Any]:
    """A TOML file.

    Raises:
        ConfigError: it is absent, unreadable or not TOML.
    """
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML ({error})") from error


def parse_override(text: str) -> dict[str, Any]:
    """``section.key=value`` as nested dictionaries; a value that is not TOML is text.

    Raises:
        ConfigError: there is no ``=``.
    """
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"--set takes section.key=value, not {text!r}")
    try:
        parsed = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        parsed = value
    for part in reversed(key.strip().split(".")):
        parsed = {part: parsed}
    nested: dict[str, Any] = parsed
    return nested


def _merge(base: dict[str, Any], extra: Mapping[str, Any], *, where: str, prefix: str = "") -> None:
    for key, value in extra.items():
        if key not in base and prefix != "people.options.":
            near = difflib.get_close_matches(key, base, n=1, cutoff=0.4)
            hint = f"; did you mean {prefix}{near[0]}?" if near else ""
            raise ConfigError(f"{where}: there is no setting {prefix}{key}{hint}")
        if isinstance(base.get(key), dict):
            if not isinstance(value, Mapping):
                raise ConfigError(f"{where}: {prefix}{key} is a section, not a value")
            _merge(base[key], value, where=where, prefix=f"{prefix}{key}.")
        else:
            base[key] = value
