"""Motion vectors to -1..1 and back, feature by feature, by the range seen in the training set.

Legend: F features.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch

from madata.errors import ConfigError
from madata.types import FloatArray

__all__ = ["Normaliser"]

Array = TypeVar("Array", npt.NDArray[Any], torch.Tensor)


@dataclass(frozen=True, eq=False)
class Normaliser:
    """``normalised = clip(scale x + shift, -1, 1)``.

    Attributes:
        scale: (F,).
        shift: (F,).
    """

    scale: FloatArray
    shift: FloatArray

    def __post_init__(self) -> None:
        """Raises ConfigError: the two are not finite vectors of one length, or a scale is 0."""
        if self.scale.ndim != 1 or self.scale.shape != self.shift.shape:
            raise ConfigError(
                f"a normaliser has a scale and a shift per feature, got {self.scale.shape} and {self.shift.shape}"
            )
        if not (np.isfinite(self.scale).all() and np.isfinite(self.shift).all() and self.scale.all()):
            raise ConfigError("a normaliser's scales must be finite and not 0, and its shifts finite")

    @classmethod
    def fit(cls, motions: FloatArray) -> Normaliser:
        """From (..., F) training motions; a feature that never changes is only shifted, to -1.

        Raises:
            ConfigError: there is no motion, or it holds NaN or infinity.
        """
        flat = np.asarray(motions, np.float32).reshape(-1, motions.shape[-1])
        if not len(flat) or not np.isfinite(flat).all():
            raise ConfigError("a normaliser needs at least one frame, and no NaN or infinity among them")
        low = flat.min(0)
        spread = flat.max(0) - low
        constant = spread < 10 * np.finfo(np.float32).eps
        scale = (2 / np.where(constant, np.float32(1), spread)).astype(np.float32)
        return cls(scale, -1 - low * scale)

    @classmethod
    def unused(cls, features: int) -> Normaliser:
        """Of a network that takes motion vectors as they are: a model folder has one, and nothing asks it."""
        return cls(np.ones(features, np.float32), np.zeros(features, np.float32))

    def normalise(self, motion: Array) -> Array:
        """(..., F) -> (..., F) in -1..1; the argument is left as it is."""
        scale, shift = self._like(motion)
        normalised: Array = (motion * scale + shift).clip(-1, 1)
        return normalised

    def unnormalise(self, motion: Array, clip: bool = True) -> Array:
        """The way back; values beyond -1..1 are clipped first unless a gradient has to flow through them."""
        scale, shift = self._like(motion)
        within = motion.clip(-1, 1) if clip else motion
        original: Array = (within - shift) / scale
        return original

    def _like(self, motion: Any) -> tuple[Any, Any]:
        if motion.shape[-1] != len(self.scale):
            raise ConfigError(f"this normaliser is for {len(self.scale)} features, got {tuple(motion.shape)}")
        if isinstance(motion, np.ndarray):
            return self.scale, self.shift
        scale, shift = (torch.as_tensor(part, device=motion.device) for part in (self.scale, self.shift))
        return scale, shift
