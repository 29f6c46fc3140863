"""What training a dance of codes has in common: Bailando and MEGADance.

Legend: B batch, T frames, N = T / (frames of a code) codes, D width of a motion vector.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from madata.types import FloatArray

__all__ = ["commonest_begin", "context_problem", "first_codes", "vectors_of_poses", "whole_codes_problem"]


def commonest_begin(upper: Tensor, lower: Tensor) -> tuple[int, int]:
    """The pair of codes that most takes begin with, of (B, N) codes of each half of the body."""
    pairs = Counter(zip(upper[:, 0].tolist(), lower[:, 0].tolist(), strict=True))
    return pairs.most_common(1)[0][0]


def first_codes(upper: Tensor, lower: Tensor) -> tuple[Tensor, Tensor]:
    """(B, 1) that dances begin with, of (B, N) codes of each half of whole dances.

    Frames of one code that are coded alone come to another one: convolutions see what follows, and the GPT has learnt
    from codes of whole dances.
    """
    return upper[:, :1], lower[:, :1]


def whole_codes_problem(frames: int, frames_per_code: int) -> str | None:
    """Why windows of so many frames cannot be coded, in words of the settings; ``None`` if they can."""
    if frames % frames_per_code == 0:
        return None
    return f"a code has {frames_per_code}: set data.window_frames to a multiple of it"


def context_problem(frames: int, frames_per_code: int, *, fewest_codes: int, context: int) -> str | None:
    """Why a GPT cannot learn from windows of so many frames; ``None`` if it can.

    Args:
        fewest_codes: that a window holds for there to be one to predict.
        context: codes that the GPT sees.
    """
    least, most = fewest_codes * frames_per_code, frames_per_code * (context + 1)
    if least <= frames <= most:
        return whole_codes_problem(frames, frames_per_code)
    return f"the GPT takes {least} to {most}: set data.window_frames"


def vectors_of_poses(
    poses: Tensor,
    to_vectors: Callable[[FloatArray], FloatArray],
    width: int,
    nobody: tuple[type[Exception], ...],
) -> Tensor:
    """(B, T, D) motion vectors of (B, T, K) poses, on the CPU.

    Args:
        to_vectors: (T, K) poses -> (T, D).
        width: D.
        nobody: what ``to_vectors`` raises for poses of nobody, as an untrained network gives them: they become NaN.
    """

    def vectors(each: FloatArray) -> FloatArray:
        try:
            return to_vectors(each)
        except nobody:
            return np.full((len(each), width), np.nan, np.float32)

    return torch.from_numpy(np.stack([vectors(each) for each in poses.cpu().numpy()]))
