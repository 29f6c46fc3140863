"""The networks of Lodge (Li et al. 2024, arXiv:2403.10518), both of EDGE's form (:mod:`baselines.dance_decoder`).

**Global**: 1024 frames of music -> 13 dance primitives of 8 frames, one after the other.

**Local**: 256 frames of music, a genre and hints -> 256 frames. A style drawn from noise by the genre's own layers is
one more token to attend to. The foot refinement adds to the motion what two linear layers read from it.

An upstream slip that the weights depend on: the layer of the refinement was appended to the wrong list. It is the ninth
of the decoder, the refinement has none, and nothing comes of the foot condition (:func:`foot_condition`), whose
projection and norm stay without use.

Motion vectors are ``lodge-139``, normalised, 30 frames per second, y up; music is the 35 features of
:func:`madata.music.music_features`.

Legend: B batch or windows, T frames, F motion features, M width.
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor, nn

from baselines.dance_decoder import DanceDecoder, DecoderConfig, MusicMemory
from baselines.genre_transformer import NOISE_WIDTH, GenreDiscriminator, GenreMapping
from madata.motion import FEET
from madata.rotations import forward_kinematics, global_rotations, rot6d_to_matrix
from madata.skeletons import skeleton

__all__ = [
    "FEATURES",
    "GENRES",
    "GlobalConfig",
    "LocalConfig",
    "LocalDecoder",
    "foot_condition",
    "lodge_discriminator",
    "lodge_joints",
]

FEATURES = 139
CONTACTS, ROOT, ROTATIONS = slice(0, 4), slice(4, 7), slice(7, FEATURES)
_BODY_JOINTS = 22

GENRES = (
    "Breaking",
    "Popping",
    "Locking",
    "Hiphop",
    "Urban",
    "Jazz",
    "Dai",
    "Wei",
    "Miao",
    "HanTang",
    "ShenYun",
    "Kun",
    "DunHuang",
    "Korean",
    "Choreography",
    "Chinese",
)
"""Names of the labels, the second-level styles of FineDance in Lodge's own order."""


class GlobalConfig(DecoderConfig):
    """Size of the global network; the defaults are the published ones, 47,459,979 parameters."""

    features: int = Field(default=FEATURES, ge=1)
    frames: int = Field(default=1024, ge=1)
    motion_frames: int | None = Field(default=104, ge=1)


class LocalConfig(DecoderConfig):
    """Size of the local network; the defaults are the published ones.

    Attributes:
        layers: of the decoder, that of the refinement included.
        genres: labels.
    """

    features: int = Field(default=FEATURES, ge=1)
    frames: int = Field(default=256, ge=1)
    layers: int = Field(default=9, ge=1)
    genres: int = Field(default=len(GENRES), ge=1)


class LocalDecoder(DanceDecoder):
    """See the module."""

    def __init__(self, config: LocalConfig) -> None:
        super().__init__(config)
        width = config.latent
        self.mapping = GenreMapping(NOISE_WIDTH, width, config.genres)
        self.refine_norm_cond1 = nn.LayerNorm(width)
        self.refine_cond_projection1 = nn.Linear(12 * len(FEET), width)
        self.refine_input_projection1 = nn.Linear(config.features, width)
        self.refine_final_layer1 = nn.Linear(width, config.features)

    def denoise(self, x: Tensor, memory: MusicMemory, times: Tensor, style: Tensor | None = None) -> Tensor:
        """(B, T, F) noisy motion -> (B, T, F) clean motion; ``style`` (B, M) is one of :attr:`mapping`.

        Raises:
            ConfigError: the motion has another length or width.
        """
        rough = super().denoise(x, memory, times, style)
        out: Tensor = rough + self.refine_final_layer1(self.refine_input_projection1(rough))
        return out


def lodge_discriminator(config: LocalConfig, layers: int = 4) -> GenreDiscriminator:
    """The critic of the local network's training."""
    return GenreDiscriminator(
        features=config.features,
        music_features=config.music_features,
        width=config.latent,
        layers=layers,
        heads=config.heads,
        feed_forward=config.feed_forward,
        places=2 * config.frames,
        genres=config.genres,
        names=("mlp_motion", "mlp_cond"),
    )


def lodge_joints(vectors: Tensor) -> Tensor:
    """(B, T, 55, 3) joints of SMPL-X, metres, of (B, T, 139) unnormalised motion vectors; jaw and hands are at rest."""
    body = skeleton("smplx-55")
    offsets, parents = torch.tensor(body.offsets).to(vectors), body.parents[:_BODY_JOINTS]
    turned = rot6d_to_matrix(vectors[..., ROTATIONS].reshape(*vectors.shape[:-1], _BODY_JOINTS, 6))
    moving = forward_kinematics(turned, vectors[..., ROOT], offsets[:_BODY_JOINTS], parents)
    # What is at rest hangs on a joint of the body by a stiff arm: no rotation of its own to go through.
    carriers, arms = [*range(_BODY_JOINTS)], [*torch.zeros_like(offsets[:_BODY_JOINTS])]
    for offset, parent in zip(offsets[_BODY_JOINTS:], body.parents[_BODY_JOINTS:], strict=True):
        carriers.append(carriers[parent])
        arms.append(arms[parent] + offset)
    carrier, arm = carriers[_BODY_JOINTS:], torch.stack(arms[_BODY_JOINTS:])
    facing = global_rotations(turned, parents)[:, :, carrier]
    still = moving[:, :, carrier] + (facing @ arm[..., None])[..., 0]
    return torch.cat([moving, still], dim=2)


_FLOOR_M = -1.2
_ANKLE_M, _TOE_M = _FLOOR_M + 0.012, _FLOOR_M + 0.05
_SCORED_TOE_M, _SLOW_M = _FLOOR_M + 0.015, 0.3 / 30


def foot_condition(vectors: Tensor) -> Tensor:
    """(B, T, 48) what the refinement was to know of the feet: contacts, their scores, positions, steps.

    Twelve numbers a foot, in the order of :data:`madata.motion.FEET`, each a vector of three. As published: the floor
    is expected at -1.2 m, where the training data does not have it; scores are those of the toes for ankles, too.

    Args:
        vectors: (B, T, 139), unnormalised.
    """
    feet = lodge_joints(vectors)[:, :, list(FEET)]
    steps = torch.zeros_like(feet)
    steps[:, :-1] = feet[:, 1:] - feet[:, :-1]
    limits = torch.tensor([_ANKLE_M, _ANKLE_M, _TOE_M, _TOE_M]).to(feet)
    contacts = (feet[..., 1] <= limits).to(feet)[..., None].expand_as(feet)
    toes, moves = feet[:, :, 2:], steps[:, :, 2:, [0, 2]].norm(dim=-1)
    low = torch.sigmoid((_SCORED_TOE_M - toes[..., 1]) / _SCORED_TOE_M * 5)
    slow = torch.sigmoid((_SLOW_M - moves) / _SLOW_M * 5)
    scores = (low * slow)[..., None].expand_as(toes).repeat(1, 1, 2, 1)
    return torch.cat([part.flatten(2) for part in (contacts, scores, feet, steps)], dim=-1)
