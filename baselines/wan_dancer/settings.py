"""What can be chosen about a video of Wan-Dancer, and what its two stages will take."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from baselines.wan_dancer.conditions import GENRES, NEGATIVE_PROMPT
from baselines.wan_dancer.network import MUSIC_ROWS_PER_FRAME
from baselines.wan_dancer.plan import KeyframePlan, pictures_of
from baselines.wan_dancer.tiles import TILE
from mace_dance.appearance.memory import ClipEstimate, ModelSizes, count_clip
from madata.config import ClosedModel
from madata.errors import did_you_mean

__all__ = ["DancerSettings", "count_dance", "count_flop"]

_SIDE = 16
_LATENT_PX = 8
_MOST_WINDOWS = 64
_LOSSLESS_BYTES_PER_PX = 1.5


class DancerSettings(ClosedModel):
    """Settings of one video; closed, frozen, compared key by key when a run is resumed.

    Attributes:
        width, height: of the video in px, multiples of 16 whose patches are a multiple of 8.
        frames: of the video, 30 a second.
        stages: ``both``, or ``local``: no keyframes, each segment goes on from the last frame of the one before.
        slots: frames of a segment, and slots of the keyframes, 4 n + 1; the weights know 149.
        keyframe_plan: see :mod:`baselines.wan_dancer.plan`.
        music_windows: see :mod:`baselines.wan_dancer.music_encoder`; 8 is the release, 1 its ports to one device.
        genre: what the prompts say.
        global_steps, local_steps, shift, guidance: of the release; guidance 1 is none and costs half.
    """

    width: int = Field(default=720, ge=_SIDE, le=4096)
    height: int = Field(default=1280, ge=_SIDE, le=4096)
    frames: int = Field(default=1, ge=1)
    stages: Literal["both", "local"] = "both"
    slots: int = Field(default=149, ge=5)
    keyframe_plan: KeyframePlan = "time"
    music_windows: int = Field(default=8, ge=1, le=_MOST_WINDOWS)
    genre: str = "street"
    global_steps: int = Field(default=48, ge=1, le=1000)
    local_steps: int = Field(default=24, ge=1, le=1000)
    shift: float = Field(default=5.0, gt=0)
    guidance: float = Field(default=5.0, ge=1)
    negative_prompt: str = NEGATIVE_PROMPT

    @model_validator(mode="after")
    def _fit_the_network(self) -> DancerSettings:
        for name, side in (("width", self.width), ("height", self.height)):
            if side % _SIDE:
                lower = max(side // _SIDE * _SIDE, _SIDE)
                raise ValueError(
                    f"{name} must be a multiple of 16, not {side}; the nearest are {lower} and {lower + _SIDE}"
                )
        if self.patches % MUSIC_ROWS_PER_FRAME:
            raise ValueError(
                f"{self.width}x{self.height} has {self.patches} patches of 16 px, and music goes into 8 equal bands of "
                "them: take a size whose patches are a multiple of 8, such as 720x1280, 480x832, 576x1024"
            )
        if self.slots % 4 != 1:
            raise ValueError(f"slots are 4 n + 1, not {self.slots}")
        # a segment hears a row for each of its frames, and injects so many for each latent frame
        rows = MUSIC_ROWS_PER_FRAME * pictures_of(self.slots)
        fit = [count for count in range(1, min(_MOST_WINDOWS, self.slots) + 1) if not rows % count]
        if self.music_windows not in fit:
            raise ValueError(
                f"music_windows: the music of a segment of {self.slots} frames is heard in {_listed(fit)} windows, not "
                f"in {self.music_windows}"
            )
        if self.genre not in GENRES:
            raise ValueError(f"there is no genre {self.genre!r}{did_you_mean(self.genre, GENRES)}")
        return self

    @property
    def patches(self) -> int:
        """Tokens of a latent frame."""
        return (self.width // _SIDE) * (self.height // _SIDE)

    @property
    def tokens(self) -> int:
        """Tokens of a segment: 136,800 for 149 frames of 720 x 1280."""
        return pictures_of(self.slots) * self.patches

    @property
    def latent_shape(self) -> tuple[int, int, int, int, int]:
        """Shape of the latents of a segment."""
        return (1, 16, pictures_of(self.slots), self.height // _LATENT_PX, self.width // _LATENT_PX)


def _listed(counts: list[int]) -> str:
    return f"{', '.join(map(str, counts[:-1]))} or {counts[-1]}"


def count_dance(settings: DancerSettings, segments: int, sizes: ModelSizes) -> ClipEstimate:
    """What a video of ``segments`` local segments takes; of the two networks one is there at a time."""
    pixels = settings.width * settings.height
    # The VAE always works in the release's tiles, so that diffusers' own would save nothing.
    tile = min(pixels, TILE[0] * TILE[1] * _LATENT_PX**2)
    pictures = settings.frames + (pictures_of(settings.slots) if settings.stages == "both" else 0)
    return count_clip(
        sizes,
        segments=segments,
        steps=settings.local_steps,
        passes=2 if settings.guidance > 1 else 1,
        frames=settings.frames,
        tokens=settings.tokens,
        vae_px=tile,
        tile_px=tile,
        video=3 * settings.slots * tile,
        disk=int(pictures * pixels * _LOSSLESS_BYTES_PER_PX) + 16 * settings.tokens * 4 * 4,
        keyframe_steps=settings.global_steps if settings.stages == "both" else 0,
    )


def count_flop(counted: ClipEstimate) -> float:
    """Operations of all passes: two for each weight of a block and token, and attention of all tokens to all."""
    sizes, tokens = counted.sizes, counted.tokens
    dense = 2.0 * sizes.block * sizes.blocks * tokens
    attention = 4.0 * sizes.hidden * sizes.blocks * tokens**2
    return counted.network_calls * (dense + attention)
