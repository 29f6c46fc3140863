"""Noise levels of flow matching: three samplers and the schedule of training.

A sample at noise level ``sigma`` is ``x = (1 - sigma) x0 + sigma noise``; the network predicts the velocity
``noise - x0`` and is told the time ``t = 1000 sigma``. A *shift* moves the levels towards noise:
``sigma' = shift sigma / (1 + (shift - 1) sigma)``.

Three samplers are in use for the same weights, and their levels differ:

| name | who | first level | step |
|---|---|---|---|
| ``euler`` | the MACE-Dance release (DiffSynth) | 1 | first order, real times |
| ``unipc`` | upstream Wan's command line | 0.99980 at shift 5 | UniPC of order 2, whole times |
| ``dpm++`` | upstream Wan's ``generate`` | 1 | DPM-Solver++ 2M, whole times |

``UniPCMultistepScheduler(flow_shift=5)`` and ``FlowMatchEulerDiscreteScheduler(shift=5)`` of diffusers are none of
them: their levels part from these by up to 0.0035 and 0.18. Each class here changes the levels and leaves the solver.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from diffusers.schedulers import (
    DPMSolverMultistepScheduler,
    FlowMatchEulerDiscreteScheduler,
    UniPCMultistepScheduler,
)
from torch import Tensor

from madata.errors import ConfigError, did_you_mean

__all__ = [
    "SAMPLERS",
    "DpmSampler",
    "EulerSampler",
    "Sampler",
    "TrainingSchedule",
    "UniPCSampler",
    "make_sampler",
    "shifted",
    "training_schedule",
]

Sampler = Literal["euler", "unipc", "dpm++"]
SAMPLERS: tuple[Sampler, ...] = ("euler", "unipc", "dpm++")

Levels = npt.NDArray[np.floating]

_TIMES = 1000
# Upstream keeps it in single precision: whole times at shift 1 depend on that.
_UNIPC_FIRST = float(np.float32(1 - 1 / _TIMES))


def shifted(sigma: Levels, shift: float) -> Levels:
    """Noise levels in 0..1 moved towards noise by ``shift`` (1 leaves them as they are)."""
    moved: Levels = shift * sigma / (1 + (shift - 1) * sigma)
    return moved


def _levels(steps: int, shift: float, *, first: float = 1.0) -> Levels:
    """(steps,) float64 levels from ``first`` down, evenly spaced before the shift; 0 comes after the last."""
    return shifted(np.linspace(first, 0.0, _positive(steps) + 1)[:-1], shift)


def _single_levels(steps: int, shift: float) -> Tensor:
    """(steps,) float32 levels from 1 down, computed in single precision as the release does."""
    levels = torch.linspace(1.0, 0.0, _positive(steps) + 1)[:-1]
    return shift * levels / (1 + (shift - 1) * levels)


def _positive(steps: int) -> int:
    if steps < 1:
        raise ConfigError(f"a schedule has at least one step, not {steps}")
    return steps


def _as_schedule(levels: Levels, device: Any) -> tuple[Tensor, Tensor]:
    """Levels with the final 0 appended (steps + 1,), float32 on the CPU, and whole times (steps,)."""
    sigmas = torch.from_numpy(np.append(levels, 0.0).astype(np.float32))
    times = torch.from_numpy((levels * _TIMES).astype(np.int64)).to(device)
    return sigmas, times


class EulerSampler(FlowMatchEulerDiscreteScheduler):  # type: ignore[misc]
    """First-order steps over the release's levels, ``shift s / (1 + (shift - 1) s)`` with s from 1 to 1 / steps."""

    def __init__(self, shift: float = 5.0) -> None:
        super().__init__(num_train_timesteps=_TIMES, shift=1.0)
        self.level_shift = shift

    def set_timesteps(self, num_inference_steps: int, device: Any = None) -> None:
        """Prepare ``num_inference_steps`` steps and forget earlier ones."""
        levels = _single_levels(num_inference_steps, self.level_shift)
        super().set_timesteps(sigmas=levels.tolist(), device=device)
        self.set_begin_index(0)


class UniPCSampler(UniPCMultistepScheduler):  # type: ignore[misc]
    """UniPC of order 2 over upstream's levels, which start one training level below pure noise."""

    def __init__(self, shift: float = 5.0) -> None:
        super().__init__(
            num_train_timesteps=_TIMES,
            prediction_type="flow_prediction",
            use_flow_sigmas=True,
            flow_shift=1.0,
            solver_order=2,
        )
        self.level_shift = shift

    def set_timesteps(self, num_inference_steps: int, device: Any = None) -> None:
        """Prepare ``num_inference_steps`` steps and forget earlier ones."""
        super().set_timesteps(num_inference_steps, device=device)
        levels = _levels(num_inference_steps, self.level_shift, first=_UNIPC_FIRST)
        self.sigmas, self.timesteps = _as_schedule(levels, device)
        self.set_begin_index(0)


class DpmSampler(DPMSolverMultistepScheduler):  # type: ignore[misc]
    """DPM-Solver++ (2M, midpoint) over upstream's levels; the last step is of first order."""

    def __init__(self, shift: float = 5.0) -> None:
        super().__init__(
            num_train_timesteps=_TIMES,
            prediction_type="flow_prediction",
            use_flow_sigmas=True,
            flow_shift=1.0,
            solver_order=2,
            algorithm_type="dpmsolver++",
        )
        self.level_shift = shift

    def set_timesteps(self, num_inference_steps: int, device: Any = None) -> None:
        """Prepare ``num_inference_steps`` steps and forget earlier ones."""
        super().set_timesteps(num_inference_steps, device=device)
        self.sigmas, self.timesteps = _as_schedule(_levels(num_inference_steps, self.level_shift), device)
        self.set_begin_index(0)


def make_sampler(name: Sampler, shift: float = 5.0) -> EulerSampler | UniPCSampler | DpmSampler:
    """The sampler called ``name``; it also serves as ``pipeline.scheduler`` of a stock diffusers pipeline.

    Raises:
        ConfigError: no sampler has this name, or the shift is not positive.
    """
    if not shift > 0:
        raise ConfigError(f"the shift of a sampler is above 0, not {shift}")
    match name:
        case "euler":
            return EulerSampler(shift)
        case "unipc":
            return UniPCSampler(shift)
        case "dpm++":
            return DpmSampler(shift)
    raise ConfigError(f"there is no sampler {name!r}{did_you_mean(name, SAMPLERS)}")


@dataclass(frozen=True, eq=False)
class TrainingSchedule:
    """What each of N training levels means; a training sample is drawn by its index 0..N-1.

    Attributes:
        timesteps: (N,) float32, the time the network is told.
        sigmas: (N,) float32 noise levels.
        weights: (N,) float32 factors of the loss; they sum to N.
    """

    timesteps: Tensor
    sigmas: Tensor
    weights: Tensor

    def __len__(self) -> int:
        return len(self.timesteps)

    def add_noise(self, clean: Tensor, noise: Tensor, index: Tensor | int) -> Tensor:
        """``(1 - sigma) clean + sigma noise`` for (B, ...) samples; ``index`` is one number or one per sample."""
        sigma = self.sigmas[index].to(clean)
        if sigma.ndim:
            sigma = sigma.reshape(-1, *[1] * (clean.ndim - 1))
        return (1 - sigma) * clean + sigma * noise

    @staticmethod
    def target(clean: Tensor, noise: Tensor) -> Tensor:
        """The velocity the network is to predict, ``noise - clean``."""
        return noise - clean


def training_schedule(
    levels: int = 1000, *, shift: float = 5.0, rounding: Literal["none", "bf16"] = "none"
) -> TrainingSchedule:
    """The schedule the released experts were trained with (DiffSynth), bell-shaped loss weights included.

    A weight is ``exp(-2 ((t - N/2) / N)^2)`` less its smallest value over all levels, scaled to the sum N: pure
    noise counts nothing, the middle counts 2.08.

    Args:
        levels: N, the number of levels.
        shift: moves the levels towards noise.
        rounding: ``"bf16"`` is what the release does: times are rounded to bfloat16 before anything else, and noise
            level and weight are those of the level nearest to the rounded time.
    """
    sigmas = _single_levels(levels, shift)
    timesteps = sigmas * _TIMES
    bell = torch.exp(-2 * ((timesteps.double() - levels / 2) / levels) ** 2)
    bell = bell - bell.min()
    weights = (bell * (levels / bell.sum())).float()
    if rounding == "none":
        return TrainingSchedule(timesteps, sigmas, weights)
    rounded = timesteps.to(torch.bfloat16).float()
    nearest = (timesteps[None] - rounded[:, None]).abs().argmin(dim=1)
    return TrainingSchedule(rounded, sigmas[nearest], weights[nearest])
