"""Codes of poses in MEGADance (Yang et al. 2025, arXiv:2505.17543): finite scalar quantisation, one for each half.

Finite scalar quantisation (Mentzer et al. 2023, arXiv:2309.15505): five numbers, each bounded and rounded to one of 7
or 5 levels, are one of 4375 codes.

A pose is 147 numbers: root velocity a frame, then 24 6D rotations, each less its mean over its deviation. Upper body
90, lower body 57 with the velocity; 8 frames at 30 per second become one code.

An upstream slip that the weights depend on (:func:`pose_vectors`): the axis-angles of SMPL are read as angles about x,
y and z. Decoded 6D rotations are turned into true axis-angles all the same, so that poses come back as others; the
authors' numbers are of those.

Modules bear upstream's names.

Legend: B batch, T frames, N = T / 8 codes, C numbers of a half, D numbers of a code.
"""

from __future__ import annotations

import math

import torch
from pydantic import Field
from torch import Tensor, nn

from baselines.conv_stack import MotionDecoder, MotionEncoder
from baselines.three_streams import LOWER, UPPER
from madata.config import ClosedModel
from madata.errors import ConfigError
from madata.rotations import euler_to_matrix, matrix_to_rot6d

__all__ = [
    "FRAMES_PER_CODE",
    "POSE_WIDTH",
    "PoseCodes",
    "PoseCodesConfig",
    "ScalarQuantiser",
    "halves_of",
    "pose_vectors",
]

_LEVELS_OF_RATE = 3
FRAMES_PER_CODE = 2**_LEVELS_OF_RATE
_ROOT = 3
POSE_WIDTH = _ROOT + 6 * (len(UPPER) + len(LOWER))
_EPSILON = 1e-3
"""By how much the bounds lie beyond the outer levels."""


class PoseCodesConfig(ClosedModel):
    """Size of both halves.

    Attributes:
        levels: of the D numbers of a code, odd each.
        growth: of the dilation from one residual block to the next.
    """

    levels: tuple[int, ...] = (7, 5, 5, 5, 5)
    code_width: int = Field(default=512, ge=1)
    width: int = Field(default=512, ge=1)
    depth: int = Field(default=2, ge=1)
    growth: int = Field(default=2, ge=1)

    @property
    def codes(self) -> int:
        """How many there are."""
        return math.prod(self.levels)


class ScalarQuantiser(nn.Module):
    """(B, W, N) vectors <-> codes.

    Args:
        levels: of the numbers of a code, odd each.
        width: W.

    Raises:
        ConfigError: a number of levels is even.
    """

    def __init__(self, levels: tuple[int, ...], width: int) -> None:
        super().__init__()
        if not levels or any(each < 3 or each % 2 == 0 for each in levels):
            raise ConfigError(f"levels are odd and 3 at least, got {levels}")
        self.levels = levels
        self.project_in = nn.Linear(width, len(levels))
        self.project_out = nn.Linear(len(levels), width)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Codes (B, N) and what stands for the vectors (B, W, N); gradients pass as if nothing had been rounded."""
        half = self._half(x)
        bound = half * (1 + _EPSILON)
        inside = torch.tanh(self.project_in(x.transpose(1, 2))) * bound
        rounded = inside + (inside.round() - inside).detach()
        out: Tensor = self.project_out(rounded / half).transpose(1, 2)
        return ((rounded.detach() + half) * self._places(x)).sum(-1).round().long(), out

    def decode(self, codes: Tensor) -> Tensor:
        """(B, N) codes -> (B, W, N)."""
        half = self._half(self.project_out.weight)
        levels, places = torch.tensor(self.levels).to(codes), self._places(codes)
        steps = codes[..., None] // places % levels - half
        out: Tensor = self.project_out(steps / half).transpose(1, 2)
        return out

    def _half(self, like: Tensor) -> Tensor:
        """(D,) levels on each side of the middle one."""
        return torch.tensor([each // 2 for each in self.levels]).to(like)

    def _places(self, like: Tensor) -> Tensor:
        """(D,) what a level of each number counts in a code."""
        return torch.tensor([math.prod(self.levels[:place]) for place in range(len(self.levels))]).to(like)


class _Encoder(nn.Module):
    def __init__(self, encoder: MotionEncoder) -> None:
        super().__init__()
        self.encoders = nn.ModuleList([encoder])

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, C) -> (B, W, N)."""
        out: Tensor = self.encoders[0](x.transpose(1, 2))
        return out


class _Decoder(nn.Module):
    def __init__(self, decoder: MotionDecoder) -> None:
        super().__init__()
        self.decoders = nn.ModuleList([decoder])

    def forward(self, x: Tensor) -> Tensor:
        """(B, W, N) -> (B, T, C)."""
        out: Tensor = self.decoders[0](x).transpose(1, 2)
        return out


class _Quantiser(nn.Module):
    def __init__(self, config: PoseCodesConfig) -> None:
        super().__init__()
        self.bottleneck = ScalarQuantiser(config.levels, config.code_width)


class PoseCodes(nn.Module):
    """Both halves; poses are (B, T, 147), normalised."""

    def __init__(self, config: PoseCodesConfig) -> None:
        super().__init__()
        self.config = config
        sizes = (config.code_width, config.width, _LEVELS_OF_RATE, config.depth, config.growth)
        upper, lower = 6 * len(UPPER), 6 * len(LOWER) + _ROOT
        self.Pose_UP_Encoder = _Encoder(MotionEncoder(upper, *sizes))
        self.Pose_UP_Quantizer = _Quantiser(config)
        self.Pose_UP_Decoder = _Decoder(MotionDecoder(upper, *sizes))
        self.Pose_DOWN_Encoder = _Encoder(MotionEncoder(lower, *sizes))
        self.Pose_DOWN_Quantizer = _Quantiser(config)
        self.Pose_DOWN_Decoder = _Decoder(MotionDecoder(lower, *sizes))

    def encode(self, poses: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, 147) -> (B, N) codes of the upper and of the lower body.

        Raises:
            ConfigError: T is no multiple of 8.
        """
        upper, lower = halves_of(poses)
        return (
            self.Pose_UP_Quantizer.bottleneck(self.Pose_UP_Encoder(upper))[0],
            self.Pose_DOWN_Quantizer.bottleneck(self.Pose_DOWN_Encoder(lower))[0],
        )

    def decode(self, upper: Tensor, lower: Tensor) -> Tensor:
        """(B, N) codes of each half -> (B, T, 147)."""
        return _whole(
            self.Pose_UP_Decoder(self.Pose_UP_Quantizer.bottleneck.decode(upper)),
            self.Pose_DOWN_Decoder(self.Pose_DOWN_Quantizer.bottleneck.decode(lower)),
        )

    def forward(self, poses: Tensor) -> Tensor:
        """(B, T, 147) -> what comes back of it."""
        upper, lower = halves_of(poses)
        return _whole(
            self.Pose_UP_Decoder(self.Pose_UP_Quantizer.bottleneck(self.Pose_UP_Encoder(upper))[1]),
            self.Pose_DOWN_Decoder(self.Pose_DOWN_Quantizer.bottleneck(self.Pose_DOWN_Encoder(lower))[1]),
        )


def halves_of(poses: Tensor) -> tuple[Tensor, Tensor]:
    """Numbers of the upper and of the lower body, (B, T, 90) and (B, T, 57), of (B, T, 147) poses.

    Raises:
        ConfigError: the shape is another, or T no multiple of 8.
    """
    if poses.ndim != 3 or poses.shape[2] != POSE_WIDTH or poses.shape[1] % FRAMES_PER_CODE:
        raise ConfigError(
            f"poses are (B, T, {POSE_WIDTH}), T a multiple of {FRAMES_PER_CODE}, got {tuple(poses.shape)}"
        )
    joints = poses[..., _ROOT:].reshape(*poses.shape[:2], -1, 6)
    lower = torch.cat([poses[..., :_ROOT], joints[:, :, LOWER].flatten(2)], dim=-1)
    return joints[:, :, UPPER].flatten(2), lower


def _whole(upper: Tensor, lower: Tensor) -> Tensor:
    joints = upper.new_empty(*upper.shape[:2], len(UPPER) + len(LOWER), 6)
    joints[:, :, UPPER] = upper.reshape(*upper.shape[:2], -1, 6)
    joints[:, :, LOWER] = lower[..., _ROOT:].reshape(*lower.shape[:2], -1, 6)
    return torch.cat([lower[..., :_ROOT], joints.flatten(2)], dim=-1)


def pose_vectors(rotation: Tensor, translation: Tensor) -> Tensor:
    """(T, 147) poses of an SMPL motion, not normalised, read as upstream reads them (see the module).

    Args:
        rotation: (T, 24, 3) axis-angles, radians.
        translation: (T, 3) metres, y up; the last frame stands still.
    """
    steps = torch.zeros_like(translation)
    steps[:-1] = translation[1:] - translation[:-1]
    rot6d = matrix_to_rot6d(euler_to_matrix(rotation.flip(-1), "ZYX"))
    return torch.cat([steps, rot6d.flatten(1)], dim=-1)
