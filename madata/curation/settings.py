"""The settings of a curation: what is measured, which filters judge it, how windows are drawn, how clips look.

The defaults are ``configs/ma-data.toml``; a user's TOML and ``--set section.key=value`` override single keys. Each
filter named in ``filters`` brings its own thresholds into the section it names, so that a new filter's settings are
checked, written and hashed like all others. The resolved settings are written beside every output, and their hash
decides whether finished work can be reused.
"""

from __future__ import annotations

import functools
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

from pydantic import BaseModel, Field, create_model, field_validator, model_validator

from madata.config import ClosedModel, merged, parse_override, validated
from madata.curation.filter import Filter
from madata.curation.filters import FILTERS
from madata.errors import ConfigError, did_you_mean
from madata.files import parse_toml, read_toml, sha256_bytes
from madata.pose import BACKENDS, check_options
from madata.video import EncodeSettings

__all__ = [
    "PRESETS",
    "ClipConfig",
    "CurationConfig",
    "MotionConfig",
    "OutputConfig",
    "PeopleConfig",
    "ShotsConfig",
    "WindowsConfig",
    "load_config",
    "override",
]

PRESETS = ("ma-data", "any")
"""Settings that come with the toolkit: whole dancers with music, or one person whatever of him is seen."""

Settings = TypeVar("Settings", bound=BaseModel)


class ShotsConfig(ClosedModel):
    """How a source is divided into shots, see :mod:`madata.shots`."""

    cut_threshold: float = Field(gt=0, lt=1)
    transition_threshold: float = Field(gt=0, lt=1)
    jump_above: float = Field(gt=1)
    sweep_below: float = Field(ge=0, le=0.3)
    whip_above: float = Field(gt=1)
    max_s: float = Field(gt=0)


class MotionConfig(ClosedModel):
    """How motion is measured, see :mod:`madata.flow`."""

    pairs_per_s: float = Field(gt=0)
    long_side: int = Field(ge=64, le=2048)


class PeopleConfig(ClosedModel):
    """How people are looked for, see :mod:`madata.people`."""

    backend: str
    samples_per_s: float = Field(gt=0)
    long_side: int = Field(ge=128)
    min_hips: float = Field(ge=0, le=1)
    options: dict[str, str | int | float | bool] = Field(default_factory=dict)

    @field_validator("backend")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in BACKENDS.names():
            raise ValueError(f"there is no pose backend {name!r}{did_you_mean(name, BACKENDS.names())}")
        return name

    @model_validator(mode="after")
    def _taken(self) -> PeopleConfig:
        if self.options:
            try:
                check_options(self.backend, self.options)
            except ConfigError as error:
                raise ValueError(f"options: {error}") from None
        return self


class WindowsConfig(ClosedModel):
    """How windows are drawn, see :mod:`madata.windows`."""

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


class ClipConfig(ClosedModel):
    """How clips are encoded, see :mod:`madata.video`."""

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
    def _encodable(self) -> ClipConfig:
        """What the encoder would refuse is refused before anything is written."""
        try:
            _ = self.encoding
        except ConfigError as error:
            raise ValueError(str(error).removeprefix("encoding: ")) from None
        return self

    @property
    def encoding(self) -> EncodeSettings:
        """The section as the encoder takes it."""
        return EncodeSettings(
            fps=None if self.fps == "source" else float(self.fps),
            long_side=None if self.size else self.long_side or None,
            size=self.size or None,
            fit=self.fit,
            crf=self.crf,
            preset=self.preset,
            audio_rate_hz=self.audio_rate_hz,
            audio_bit_rate=self.audio_kbps * 1000,
        )


class OutputConfig(ClosedModel):
    """What comes with the clips besides what was measured."""

    keypoints: Literal["sampled", "full"]
    subset: str
    val_share: float = Field(ge=0, le=1)
    test_share: float = Field(ge=0, le=1)


class CurationConfig(ClosedModel):
    """Everything that decides which clips come out of a source, and how they look.

    The sections hold the thresholds of the filters too; :meth:`of` gives those of one filter.
    """

    seed: int
    filters: tuple[str, ...]
    shots: ShotsConfig
    motion: MotionConfig
    people: PeopleConfig
    windows: WindowsConfig
    clip: ClipConfig
    output: OutputConfig

    @field_validator("filters")
    @classmethod
    def _named_once(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(names)) < len(names):
            raise ValueError("a filter is named twice")
        return names

    @model_validator(mode="after")
    def _consistent(self) -> CurationConfig:
        if self.shots.max_s < self.windows.max_s:
            raise ValueError("shots.max_s must be at least windows.max_s")
        return self

    def of(self, one: Filter[Settings]) -> Settings:
        """The settings of a filter."""
        return cast(Settings, getattr(self, one.section))

    @property
    def hash(self) -> str:
        """Hex SHA-256 of the settings in canonical JSON."""
        return sha256_bytes(json.dumps(self.model_dump(mode="json"), sort_keys=True).encode())

    def __reduce__(self) -> tuple[Any, ...]:
        # the class is made for the filters named and has no place in a module: workers make it anew
        return _resolve, (self.model_dump(mode="json"), "")


@functools.cache
def _model(filters: tuple[str, ...]) -> type[CurationConfig]:
    """The settings with the thresholds of these filters in their sections.

    What ships with the settings file keeps its section although it is not named, so that any settings file can set
    any of it; a filter from outside has one only while it is used.
    """
    bases: dict[str, list[type[BaseModel]]] = defaultdict(list)
    for name in dict.fromkeys((*_defaults()["filters"], *filters)):
        one: Filter[Any] = FILTERS.load(name)
        bases[one.section].append(one.settings)
    fields: dict[str, Any] = {}
    for section, models in bases.items():
        known = CurationConfig.model_fields.get(section)
        own: list[Any] = [known.annotation] if known is not None else []
        model: Any = create_model(section, __base__=(*models, *own), __doc__=f"The section [{section}].")
        fields[section] = (model, ... if known is not None else Field(default_factory=model))
    return create_model("CurationConfig", __base__=CurationConfig, __doc__=CurationConfig.__doc__, **fields)


def _resolve(values: Mapping[str, Any], where: str) -> CurationConfig:
    names = values.get("filters")
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise ConfigError(f"setting filters: a list of names is expected, got {names!r}")
    return validated(_model(tuple(names)), values, where=where)


@functools.cache
def _preset(name: str) -> dict[str, Any]:
    return parse_toml(resources.files("madata").joinpath(f"configs/{name}.toml").read_bytes(), name)


def _defaults() -> dict[str, Any]:
    return _preset("ma-data")


def load_config(
    path: Path | None = None, overrides: Sequence[str] = (), *, preset: str = "ma-data"
) -> CurationConfig:
    """Defaults, overridden by a preset, by the TOML file ``path``, and by ``section.key=value`` strings.

    Args:
        path: a settings file.
        overrides: single settings.
        preset: one of :data:`PRESETS`.

    Raises:
        ConfigError: a key or a filter is unknown (the nearest one is named) or a value is out of range.
    """
    layers = [_defaults(), _preset(preset), read_toml(path) if path else {}, *map(parse_override, overrides)]
    return _resolve(merged(layers), str(path) if path and not overrides else "")


def override(config: CurationConfig, overrides: Sequence[str]) -> CurationConfig:
    """Settings with single ones changed by ``section.key=value`` strings.

    Raises:
        ConfigError: as :func:`load_config`.
    """
    return _resolve(merged([config.model_dump(mode="json"), *map(parse_override, overrides)]), "")
