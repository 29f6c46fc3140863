"""Settings of ``madance train motion``, and its presets.

A preset (``mace_dance/configs/motion-NAME.toml``) names what differs from the defaults of the models below; a TOML
file of the user, ``--set section.key=value`` and the flags of the command follow in this order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, Field

from mace_dance.training.motion.data.settings import DataSettings
from mace_dance.training.shared.settings import LoopSettings
from madata.config import ClosedModel, merged, parse_override
from madata.errors import ConfigError, did_you_mean
from madata.files import parse_toml, read_toml

__all__ = [
    "DanceSampleSettings",
    "LossSettings",
    "MotionTraining",
    "preset_names",
    "settings_layers",
]

Config = TypeVar("Config", bound=BaseModel)

_PRESET, _SUFFIX = "motion-", ".toml"


class LossSettings(ClosedModel):
    """The lambdas of equation 5, see :class:`mace_dance.motion.losses.LossWeights`; of networks trained on them."""

    reconstruction: float = Field(default=0.636, ge=0)
    velocity: float = Field(default=2.964, ge=0)
    joints: float = Field(default=0.646, ge=0)
    foot: float = Field(default=10.942, ge=0)


class DanceSampleSettings(ClosedModel):
    """The samples that judge a network while it trains.

    Attributes:
        clips: windows of the held-out side that are danced to, spread evenly over it.
        batch_frames: frames that are sampled together.
        beta: see :func:`mace_dance.motion.guidance.sample_motion`; of no meaning to a network without it.
        steps: of DDIM, eta 1.
        seed: of the noise.
        keep: motions that are kept below ``samples/``, to look at.
    """

    clips: int = Field(default=64, ge=2)
    batch_frames: int = Field(default=19200, ge=1)
    beta: float = Field(default=0.75, ge=0, le=1)
    steps: int = Field(default=50, ge=1, le=1000)
    seed: int = Field(default=0, ge=0)
    keep: int = Field(default=4, ge=0)


class MotionTraining(ClosedModel, Generic[Config]):
    """Everything about a run, data folder and device aside.

    Attributes:
        family: of the network, see :mod:`mace_dance.training.motion.family`.
        label: what every result of the trained model is marked with; empty for a model that stands for its method.
        model: settings of the network.
        loop: length, rates, checkpoints.
        start: model folder that the network begins with.
        data: how the folder is read; a made-up data set brings its own.
        losses: weights.
        samples: how the network is judged on the way.
    """

    family: str = "motion-expert"
    label: str = ""
    model: Config
    start: Path | None = None
    loop: LoopSettings = LoopSettings()
    data: DataSettings = DataSettings(window_frames=1200)
    losses: LossSettings = LossSettings()
    samples: DanceSampleSettings = DanceSampleSettings()


def preset_names() -> list[str]:
    """Names of the presets."""
    folder = resources.files("mace_dance").joinpath("configs")
    names = [entry.name for entry in folder.iterdir()]
    return sorted(
        name.removeprefix(_PRESET).removesuffix(_SUFFIX)
        for name in names
        if name.startswith(_PRESET) and name.endswith(_SUFFIX)
    )


def _preset(name: str) -> dict[str, Any]:
    known = preset_names()
    if name not in known:
        raise ConfigError(f"there is no preset {name!r}{did_you_mean(name, known)}")
    path = resources.files("mace_dance").joinpath(f"configs/{_PRESET}{name}{_SUFFIX}")
    return parse_toml(path.read_bytes(), name)


def settings_layers(
    preset: str,
    config: Path | None = None,
    overrides: Sequence[str] = (),
    flags: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The layers merged, not yet validated: the family among them decides against which model.

    Args:
        preset: name of a preset.
        config: TOML file of the user.
        overrides: ``section.key=value``.
        flags: nested values of the command's own flags.

    Raises:
        ConfigError: the preset does not exist, the file is not TOML, an override is malformed.
    """
    layers = [
        _preset(preset),
        read_toml(config) if config else {},
        *map(parse_override, overrides),
        flags or {},
    ]
    return merged([{"model": {}}, *map(_one_length, layers)])


def _one_length(layer: Mapping[str, Any]) -> Mapping[str, Any]:
    """A layer that counts epochs takes the steps of an earlier one back."""
    loop = layer.get("loop")
    if isinstance(loop, Mapping) and "epochs" in loop and "steps" not in loop:
        return {**layer, "loop": {**loop, "steps": None}}
    return layer
