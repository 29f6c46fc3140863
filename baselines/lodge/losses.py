"""Training losses of Lodge's networks, on unnormalised joints (LODGE ``smpl_loss``, ``smpl_loss_relative``).

Reconstruction and velocity of the normalised vector, joints of SMPL-X in metres, and feet that should stand still where
the model itself says they do. The local network compares joints relative to the root; its fine-tuning adds how the root
moves.

Legend: B batch, T frames, F motion features.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from baselines.lodge.network import CONTACTS, ROOT, lodge_joints
from mace_dance.motion.normaliser import Normaliser
from madata.errors import ConfigError
from madata.motion import FEET

__all__ = ["FINE_TUNING", "GLOBAL", "LOCAL", "LodgeLosses", "lodge_losses"]

_CONTACT = 0.95
_STEPS, _CHANGES = 0.3, 0.6
"""Weights of the root's velocity and, by name, of its acceleration."""


@dataclass(frozen=True)
class LodgeLosses:
    """Weights of a network's losses.

    Attributes:
        relative: joints are compared relative to the root.
        root: of how the root moves.
    """

    reconstruction: float = 0.636
    velocity: float = 2.964
    joints: float = 0.636
    foot: float = 10.942
    root: float = 0.0
    relative: bool = False


GLOBAL = LodgeLosses()
LOCAL = LodgeLosses(joints=1.0, foot=20.0, relative=True)
FINE_TUNING = LodgeLosses(joints=1.0, foot=10.0, root=0.5, relative=True)


def lodge_losses(
    predicted: Tensor, target: Tensor, normaliser: Normaliser, weights: LodgeLosses
) -> dict[str, Tensor]:
    """Weighted losses by name, scalars; their sum is the loss.

    An upstream slip: what is called acceleration of the root is its velocity once more.

    Args:
        predicted: (B, T, 139), normalised, with gradient.
        target: (B, T, 139).
        normaliser: of the training set.
        weights: :data:`GLOBAL`, :data:`LOCAL` or :data:`FINE_TUNING`.

    Raises:
        ConfigError: the shapes differ, or there are fewer than 2 frames.
    """
    if predicted.shape != target.shape or predicted.ndim != 3 or predicted.shape[1] < 2:
        raise ConfigError(
            f"losses compare (B, T, F) motions of 2 frames at least, got {tuple(predicted.shape)} and "
            f"{tuple(target.shape)}"
        )
    moving = slice(CONTACTS.stop, None)
    ours, theirs = (normaliser.unnormalise(each) for each in (predicted, target))
    found, wanted = lodge_joints(ours), lodge_joints(theirs)
    steps = F.pad(found[:, :, list(FEET)].diff(dim=1), (0, 0, 0, 0, 0, 1))
    standing = (ours[..., CONTACTS] > _CONTACT)[..., None]
    if weights.relative:
        found, wanted = found - found[:, :, :1], wanted - wanted[:, :, :1]
    losses = {
        "reconstruction": weights.reconstruction * F.mse_loss(predicted, target),
        "velocity": weights.velocity
        * F.mse_loss(predicted[..., moving].diff(dim=1), target[..., moving].diff(dim=1)),
        "joints": weights.joints * F.mse_loss(found, wanted),
        "foot": weights.foot * torch.where(standing, steps, 0.0).square().mean(),
    }
    if weights.root:
        root = F.mse_loss(ours[..., ROOT].diff(dim=1), theirs[..., ROOT].diff(dim=1))
        losses["root"] = weights.root * (_STEPS + _CHANGES) * root
    return losses
