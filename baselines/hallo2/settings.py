"""What can be chosen about a clip of Hallo2."""

from __future__ import annotations

from pydantic import Field

from baselines.sd15.settings import DenoisingSettings

__all__ = ["BEFORE", "Hallo2Settings"]

BEFORE = 2
"""Frames of the segment before that a segment sees."""


class Hallo2Settings(DenoisingSettings):
    """Settings of one clip.

    Attributes:
        background, body, lips: scales of what the sound moves, upstream's ``pose_weight``, ``face_weight`` (of the
            face, where that is the region) and ``lip_weight``.
        mask_rate: share of the pixels outside the body that are dropped from the frames before.
    """

    background: float = Field(default=1.0, ge=0, le=10)
    body: float = Field(default=1.0, ge=0, le=10)
    lips: float = Field(default=1.0, ge=0, le=10)
    mask_rate: float = Field(default=0.25, ge=0, le=1)
