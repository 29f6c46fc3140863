"""What Bailando's reinforcement learning rewards: a beat of the dance where the music has one.

A code is worth 5 where both beat within its 8 frames and -5 elsewhere (upstream's revision of the paper's formula).
On top of it, at a weight that the authors set to 0, comes whether both halves of the body face one way.

That the lower half is turned by the sign of the upper one is an upstream slip that the numbers have.

Legend: B batch, N codes, T = 8 N frames.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from baselines.bailando.network import FRAMES_PER_CODE
from baselines.dance_beats import dance_beats
from madata.skeletons import skeleton

__all__ = ["dance_reward"]

_WORTH = 10.0
_TINY = 1e-5
_LEFT_HIP, _RIGHT_HIP, _LEFT_KNEE, _RIGHT_KNEE, _LEFT_ANKLE, _RIGHT_ANKLE = (
    skeleton("smpl-24").index(f"{side}_{joint}")
    for joint in ("hip", "knee", "ankle")
    for side in ("left", "right")
)
_NECK, _HEAD, _LEFT_COLLAR, _RIGHT_COLLAR = (
    skeleton("smpl-24").index(joint) for joint in ("neck", "head", "left_collar", "right_collar")
)


@torch.no_grad()
def dance_reward(poses: Tensor, music_beats: Tensor, facing: float = 0.0) -> Tensor:
    """(B, N) reward of every code.

    Args:
        poses: (B, T, 72) of the codes, as the codebooks decode them.
        music_beats: (B, N) 1 where the music beats within a code, else 0.
        facing: weight of both halves facing one way.
    """
    both = music_beats * _dance_beats(poses).to(music_beats)
    reward = _WORTH * (both - 0.5)
    return reward + facing * _facing(poses) if facing else reward


def _dance_beats(poses: Tensor) -> Tensor:
    """(B, N) 1 where a code holds a beat of the dance."""
    beats = dance_beats(poses.reshape(*poses.shape[:2], -1, 3)).astype(np.float32)
    return torch.from_numpy(beats.reshape(len(beats), -1, FRAMES_PER_CODE).max(2))


def _facing(poses: Tensor) -> Tensor:
    """(B, N) 1 where both halves face one way all through a code, else the cosine between them where it is worst."""
    joints = poses.reshape(len(poses), -1, FRAMES_PER_CODE, poses.shape[2] // 3, 3)
    at = joints.unbind(3)
    upper = torch.linalg.cross(at[_RIGHT_COLLAR], at[_LEFT_COLLAR])
    upper = upper / upper.norm(dim=-1, keepdim=True)
    along = (upper * (at[_HEAD] - at[_NECK])).sum(-1, keepdim=True)
    sign = along / (along.abs() + _TINY)
    lower = torch.linalg.cross(at[_LEFT_KNEE], at[_RIGHT_KNEE])
    lower = lower / lower.norm(dim=-1, keepdim=True)
    floor = torch.tensor([1.0, 0.0, 1.0], device=poses.device)
    cosine = (upper * sign * floor * (lower * sign * floor)).sum(-1).amin(-1)
    return torch.where(cosine >= 0, 1.0, cosine)
