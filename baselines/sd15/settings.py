"""What can be chosen about a clip denoised in windows."""

from __future__ import annotations

from pydantic import Field, model_validator

from baselines.sd15.windows import context_windows
from madata.config import ClosedModel
from madata.errors import ConfigError

__all__ = ["DenoisingSettings", "PaintingSettings"]


class DenoisingSettings(ClosedModel):
    """Settings of one clip; closed, frozen, compared key by key when a run is resumed.

    Attributes:
        steps: of DDIM.
        guidance: weight of classifier-free guidance; 1 is none and costs half.
        window: frames the network sees at a time.
    """

    steps: int = Field(default=30, ge=1, le=1000)
    guidance: float = Field(default=3.5, ge=1)
    window: int = Field(default=24, ge=1)

    @property
    def guided(self) -> bool:
        """Whether every step takes a second, unconditional pass."""
        return self.guidance > 1

    def windows(self, num_frames: int) -> list[list[int]]:
        """The windows of a clip, one after the other."""
        starts = range(0, num_frames, self.window)
        return [list(range(start, min(start + self.window, num_frames))) for start in starts]


class PaintingSettings(DenoisingSettings):
    """Settings of a clip whose windows overlap.

    Attributes:
        window, overlap, stride, closed_loop: see :mod:`baselines.sd15.windows`.
    """

    overlap: int = Field(default=4, ge=0)
    stride: int = Field(default=1, ge=1, le=8)
    closed_loop: bool = False

    @model_validator(mode="after")
    def _windows_move_on(self) -> PaintingSettings:
        try:
            self.windows(1)
        except ConfigError as error:
            raise ValueError(str(error)) from error
        return self

    def windows(self, num_frames: int) -> list[list[int]]:
        """The windows of a clip."""
        return context_windows(
            num_frames, self.window, self.overlap, stride=self.stride, closed_loop=self.closed_loop
        )
