"""The settings of a rendering: defaults, a user's TOML, ``--set key=value``, flags; later ones win."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_serializer, field_validator

from madata.cache import remembered_sha256
from madata.config import ClosedModel, merged, parse_override, validated
from madata.curation.filters.still import StillSettings
from madata.curation.settings import WindowsConfig, load_config
from madata.errors import did_you_mean
from madata.files import read_toml, sha256_bytes
from madata.render.backdrop import BACKDROPS

__all__ = ["MIXED", "RENDERERS", "RenderSettings", "render_settings"]

RENDERERS = ("capsules", "smpl")
MIXED = "mixed"

_SMALLEST_SIDE_PX = 64
_MEAN_S = 5.04
"""Mean length of a window: the paper's rendered subset, 28 h / 20k clips."""


class RenderSettings(ClosedModel):
    """Everything that decides which clips come out of a motion, and how they look.

    Attributes:
        renderer: ``"capsules"`` or ``"smpl"``.
        model: SMPL model file, for the renderer ``smpl``.
        size: (width, height) px.
        fps: frames per second of the clips.
        seed: of window offsets, outfits and places.
        whole: render each motion whole, not in windows.
        windows: length law and overlap.
        framing: what must stay in view: the whole ``"motion"``, or each ``"clip"`` by itself.
        follow_below: share of the picture's height; a dancer who would be smaller is followed. 0 never follows.
        motion: change of the pose below which a clip is ``static``, as in curation.
        backdrop: name of a place, or ``"mixed"`` for one that differs from motion to motion.
        look: outfit number; ``None`` differs from motion to motion.
        music: folder of sound files named like the motions.

    What is written of them names ``model`` and ``music`` without their folders.
    """

    renderer: str = "capsules"
    model: Path | None = None
    size: tuple[int, int] = (512, 512)
    fps: float = Field(default=30.0, ge=1, le=240)
    seed: int = 0
    whole: bool = False
    windows: WindowsConfig
    framing: Literal["motion", "clip"] = "motion"
    follow_below: float = Field(default=0.3, ge=0, le=1)
    motion: StillSettings = StillSettings()
    backdrop: str = "studio"
    look: int | None = Field(default=None, ge=0)
    music: Path | None = None

    @field_validator("renderer")
    @classmethod
    def _known_renderer(cls, name: str) -> str:
        if name not in RENDERERS:
            raise ValueError(f"unknown renderer {name!r}{did_you_mean(name, RENDERERS)}")
        return name

    @field_validator("backdrop")
    @classmethod
    def _known_backdrop(cls, name: str) -> str:
        if name not in (*BACKDROPS, MIXED):
            raise ValueError(f"unknown backdrop {name!r}{did_you_mean(name, (*BACKDROPS, MIXED))}")
        return name

    @field_validator("size")
    @classmethod
    def _even(cls, size: tuple[int, int]) -> tuple[int, int]:
        if any(side < _SMALLEST_SIDE_PX or side % 2 for side in size):
            raise ValueError(
                f"must be even sides of at least {_SMALLEST_SIDE_PX} px, not {size[0]}x{size[1]}"
            )
        return size

    @field_serializer("model", "music", when_used="json")
    def _by_name(self, path: Path | None) -> str | None:
        """Settings go out with the data set; where its maker keeps his files does not."""
        return None if path is None else path.name

    @property
    def hash(self) -> str:
        """Hex SHA-256 of :meth:`to_json`."""
        return sha256_bytes(json.dumps(self.to_json(), sort_keys=True).encode())

    def to_json(self) -> dict[str, Any]:
        """The settings as plain values: the model by its content, the music by whether there is any."""
        model = None if self.model is None else remembered_sha256(self.model)
        return {**self.model_dump(mode="json"), "model": model, "music": self.music is not None}


def render_settings(
    path: Path | None = None, overrides: Sequence[str] = (), flags: Mapping[str, Any] | None = None
) -> RenderSettings:
    """Defaults, overridden by the TOML file ``path``, by ``key=value`` strings, and by ``flags``.

    Raises:
        ConfigError: a key is unknown (the nearest one is named) or a value is out of range.
    """
    windows = {**load_config().windows.model_dump(), "mean_s": _MEAN_S}
    given = read_toml(path) if path else {}
    layers = [{"windows": windows}, given, *map(parse_override, overrides), flags or {}]
    return validated(RenderSettings, merged(layers), where=str(path) if path and not overrides else "")
