"""Training losses on motion vectors: equations 4 and 5 of the paper.

Reconstruction, velocity, joint positions by forward kinematics, and feet that should stand still where the model
itself says they do; each a mean square, weighted and summed. What "velocity", "joints" and "say" mean is where
paper and code part: see :mod:`mace_dance.motion.config`.

Legend: B batch, T frames, F features, J joints.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mace_dance.motion.config import Choices
from mace_dance.motion.normaliser import Normaliser
from madata.errors import ConfigError
from madata.motion import FEET
from madata.motion.vectors import layout
from madata.rotations import (
    axis_angle_to_matrix,
    forward_kinematics,
    matrix_to_quaternion,
    quaternion_to_axis_angle,
    rot6d_to_matrix,
)
from madata.skeletons import skeleton

__all__ = ["LossWeights", "MotionLosses", "motion_losses"]

_CONTACT = 0.95
_FLAT = 1 - 1e-6
"""Squared length of the third row below which Gram-Schmidt has made no rotation, beyond rounding."""


@dataclass(frozen=True)
class LossWeights:
    """The lambdas of equation 5; the defaults are those of EDGE and of the official Motion Expert."""

    reconstruction: float = 0.636
    velocity: float = 2.964
    joints: float = 0.646
    foot: float = 10.942


@dataclass(frozen=True, eq=False)
class MotionLosses:
    """Weighted parts of equation 5, scalars."""

    reconstruction: Tensor
    velocity: Tensor
    joints: Tensor
    foot: Tensor

    @property
    def total(self) -> Tensor:
        """Their sum."""
        return self.reconstruction + self.velocity + self.joints + self.foot


def motion_losses(
    predicted: Tensor,
    target: Tensor,
    layout_name: str = "edge-151",
    weights: LossWeights | None = None,
    choices: Choices | None = None,
    normaliser: Normaliser | None = None,
) -> MotionLosses:
    """Losses between two batches of normalised motion vectors.

    Args:
        predicted: (B, T, F), with gradient.
        target: (B, T, F).
        layout_name: a layout of :mod:`madata.motion.vectors` with contacts, root and 6D rotations.
        weights: default those of the official code.
        choices: which reading; default that of the official code.
        normaliser: needed for ``joints="metres"``.

    Raises:
        ConfigError: shapes or layout do not fit, or the windows have fewer than 2 frames.
    """
    weights, choices = weights or LossWeights(), choices or Choices()
    columns = layout(layout_name).columns
    width = layout(layout_name).width
    if not {"contacts", "root", "rot6d"} <= columns.keys():
        raise ConfigError(f"layout {layout_name} has no contacts, root and 6D rotations to train on")
    if predicted.shape != target.shape or predicted.ndim != 3 or predicted.shape[-1] != width:
        raise ConfigError(
            f"losses compare (B, T, {width}) motions of {layout_name}, "
            f"got {tuple(predicted.shape)} and {tuple(target.shape)}"
        )
    if predicted.shape[1] < 2:
        raise ConfigError("a training window needs at least 2 frames: one has no velocity")
    ours, theirs = (_positions(values, layout_name, choices, normaliser) for values in (predicted, target))
    if choices.velocity == "joints":
        velocity = _mean_square(_step(ours) - _step(theirs))
    else:
        moving = slice(columns["contacts"].stop, None)
        velocity = _mean_square(_step(predicted[..., moving]) - _step(target[..., moving]))
    return MotionLosses(
        reconstruction=weights.reconstruction * _mean_square(predicted - target),
        velocity=weights.velocity * velocity,
        joints=weights.joints * _mean_square(ours - theirs),
        foot=weights.foot * _sliding(ours[..., FEET, :], predicted[..., columns["contacts"]], choices),
    )


def _mean_square(difference: Tensor) -> Tensor:
    return difference.square().mean()


def _step(values: Tensor) -> Tensor:
    """Change from every frame to the next."""
    return values[:, 1:] - values[:, :-1]


def _positions(values: Tensor, layout_name: str, choices: Choices, normaliser: Normaliser | None) -> Tensor:
    """(B, T, J, 3) joint positions of (B, T, F) motion vectors."""
    form = layout(layout_name)
    if choices.joints == "metres":
        if normaliser is None:
            raise ConfigError('choices.joints = "metres" needs the normaliser of the training set')
        values = normaliser.unnormalise(values, clip=False)
    body = skeleton(form.skeleton)
    offsets = torch.tensor(body.offsets, dtype=values.dtype, device=values.device)
    rot6d = values[..., form.columns["rot6d"]].reshape(*values.shape[:-1], body.num_joints, 6)
    positions: Tensor = forward_kinematics(
        _rotations(rot6d), values[..., form.columns["root"]], offsets, body.parents
    )
    return positions


def _rotations(rot6d: Tensor) -> Tensor:
    """(..., 6) -> (..., 3, 3) rotation matrices, where the two rows of the 6D are parallel, too.

    Such rows are no rotation, but common in normalised data: all six values lie at an end of -1..1, always so for
    a joint that never moves. The official code goes by quaternion and axis-angle, which makes some rotation of
    them; its angle bears the length of the quaternion.
    """
    matrix = rot6d_to_matrix(rot6d)
    flat = matrix[..., 2, :].square().sum(-1) < _FLAT
    if not flat.any():
        return matrix
    quaternion = matrix_to_quaternion(matrix[flat])
    axis_angle = quaternion_to_axis_angle(quaternion) * quaternion.norm(dim=-1, keepdim=True)
    return matrix.index_put((flat,), axis_angle_to_matrix(axis_angle))


def _sliding(feet: Tensor, contact: Tensor, choices: Choices) -> Tensor:
    """Mean square speed of (B, T, 4, 3) feet in contact (B, T, 4); the last frame counts as standing still."""
    speed = _step(feet)
    said = contact[:, :-1, :, None]
    standing = said if choices.foot == "product" else (said > _CONTACT).to(speed.dtype)
    return (speed * standing).square().sum() / feet.numel()
