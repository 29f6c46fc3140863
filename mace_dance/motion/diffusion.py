"""Gaussian diffusion on motion vectors: schedule, noising, DDIM.

Equation 1 of the paper: ``z_t = sqrt(abar_t) x + sqrt(1 - abar_t) noise``. Networks predict the clean ``x`` itself,
clipped to -1..1, which is where normalised motion lies. A DDIM step (Song et al. 2021, arXiv:2010.02502) from time
t to s::

    noise' = (z_t - sqrt(abar_t) x) / sqrt(1 - abar_t)
    sigma  = eta sqrt((1 - abar_t / abar_s) (1 - abar_s) / (1 - abar_t))
    z_s    = sqrt(abar_s) x + sqrt(1 - abar_s - sigma^2) noise' + sigma fresh noise

and the last step returns x. Time -1 is the clean sample. EDGE, LODGE, FineNet and the Motion Expert share all of
this: cosine schedule, 1000 times, 50 steps, eta 1.

Legend: B batch, T frames, F features, K diffusion times.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from madata.errors import ConfigError

__all__ = ["NoiseSource", "Predict", "Schedule", "cosine_schedule", "ddim", "ddim_times", "seeded_noise"]

Predict = Callable[[Tensor, Tensor], Tensor]
"""(B, T, F) noisy motion and (B,) times -> (B, T, F) clean motion."""

NoiseSource = Callable[[], Tensor]
"""Gives a fresh (B, T, F) of standard normal numbers at every call."""

_MAX_BETA = 0.999
_MIN_VARIANCE = 1e-20


@dataclass(frozen=True, eq=False)
class Schedule:
    """How much of the signal is left at each time.

    Attributes:
        betas: (K,) share of variance replaced by noise at each time, float32.
        alphas_cumprod: (K,) abar, the share of variance still signal.
    """

    betas: Tensor
    alphas_cumprod: Tensor

    @property
    def num_times(self) -> int:
        """K."""
        return len(self.betas)

    def to(self, device: torch.device | str) -> Schedule:
        """The same numbers on another device."""
        return Schedule(self.betas.to(device), self.alphas_cumprod.to(device))

    def signal(self, times: Tensor) -> Tensor:
        """(B,) times in -1..K-1 -> (B, 1, 1) abar; 1 at time -1."""
        left = self.alphas_cumprod[times.clamp(min=0)]
        return torch.where(times < 0, torch.ones_like(left), left)[:, None, None]

    def add_noise(self, clean: Tensor, times: Tensor, noise: Tensor) -> Tensor:
        """Equation 1: (B, T, F) at (B,) times."""
        left = self.signal(times)
        return left.sqrt() * clean + (1 - left).sqrt() * noise

    def noise_in(self, noisy: Tensor, times: Tensor, clean: Tensor) -> Tensor:
        """The noise that leads from ``clean`` to ``noisy``, the inverse of :meth:`add_noise`."""
        left = self.signal(times)
        return ((1 / left).sqrt() * noisy - clean) / (1 / left - 1).sqrt()

    @property
    def posterior_variance(self) -> Tensor:
        """(K,) variance of ``q(z_{t-1} | z_t, x)``."""
        return self.betas * (1 - self._before) / (1 - self.alphas_cumprod)

    def posterior(self, clean: Tensor, noisy: Tensor, times: Tensor) -> tuple[Tensor, Tensor]:
        """Mean (B, T, F) and log variance (B, 1, 1) of ``q(z_{t-1} | z_t, x)``, for ancestral sampling."""
        of_clean, of_noisy = (weight[times][:, None, None] for weight in self.posterior_weights)
        log_variance = self.posterior_variance.clamp(min=_MIN_VARIANCE).log()
        return of_clean * clean + of_noisy * noisy, log_variance[times][:, None, None]

    @property
    def posterior_weights(self) -> tuple[Tensor, Tensor]:
        """(K,) and (K,): what the posterior mean takes of x and of z_t."""
        noise = 1 - self.alphas_cumprod
        of_clean = self.betas * self._before.sqrt() / noise
        return of_clean, (1 - self._before) * (1 - self.betas).sqrt() / noise

    @property
    def _before(self) -> Tensor:
        return torch.cat([torch.ones_like(self.alphas_cumprod[:1]), self.alphas_cumprod[:-1]])


def cosine_schedule(num_times: int = 1000, offset: float = 0.008) -> Schedule:
    """``abar_t = cos^2((t / K + offset) / (1 + offset) pi / 2)``, each beta at most 0.999 (arXiv:2102.09672).

    The products are taken in float32, as the published models were trained.
    """
    position = torch.arange(num_times + 1, dtype=torch.float64) / num_times + offset
    curve = torch.cos(position / (1 + offset) * math.pi / 2) ** 2
    betas = (1 - curve[1:] / curve[:-1]).clamp(0, _MAX_BETA).float()
    return Schedule(betas, torch.cumprod(1 - betas, 0))


def ddim_times(steps: int = 50, num_times: int = 1000) -> list[int]:
    """``steps`` times, evenly spaced from ``num_times - 1`` down; the step after the last is the clean sample.

    Raises:
        ConfigError: more steps than times, or none.
    """
    if not 1 <= steps <= num_times:
        raise ConfigError(f"sampling steps must be 1 to {num_times}, got {steps}")
    times: list[int] = torch.linspace(-1, num_times - 1, steps + 1).int().tolist()
    return times[:0:-1]


def ddim(
    predict: Predict,
    draw: NoiseSource,
    schedule: Schedule,
    times: Sequence[int] | None = None,
    eta: float = 1.0,
    after_step: Callable[[Tensor, int], Tensor] | None = None,
) -> Tensor:
    """Sample.

    Args:
        predict: the network with its condition.
        draw: source of noise: the start, then one draw for every step but the last; with ``eta`` 0 the start
            alone.
        schedule: as in training.
        times: strictly falling times (default: :func:`ddim_times`).
        eta: 0 for the deterministic sampler, 1 for as much noise as ancestral sampling adds.
        after_step: changes the noisy motion after every step but the last; told the time the step began at.

    Returns:
        (B, T, F) in -1..1.

    Raises:
        ConfigError: ``times`` do not fall within the schedule, or ``eta`` is not in 0..1.
    """
    times = ddim_times(num_times=schedule.num_times) if times is None else list(times)
    falling = all(later < earlier for earlier, later in pairwise(times))
    if not times or not falling or times[0] >= schedule.num_times or times[-1] < 0:
        raise ConfigError(
            f"sampling times must fall strictly within {schedule.num_times - 1}..0, got {times}"
        )
    if not 0 <= eta <= 1:
        raise ConfigError(f"eta must be in 0..1, got {eta}")
    with torch.no_grad():
        noisy = draw()
        for time, following in zip(times, [*times[1:], -1], strict=True):
            now = torch.full((len(noisy),), time, device=noisy.device, dtype=torch.long)
            clean = predict(noisy, now).clamp(-1, 1)
            if following < 0:
                return clean
            left, left_next = schedule.alphas_cumprod[time], schedule.alphas_cumprod[following]
            sigma = eta * ((1 - left / left_next) * (1 - left_next) / (1 - left)).sqrt()
            # Never below 0 but by rounding, where almost nothing of the signal is left.
            kept = (1 - left_next - sigma**2).clamp(min=0).sqrt()
            direction = kept * schedule.noise_in(noisy, now, clean)
            noisy = clean * left_next.sqrt() + direction
            if eta > 0:
                noisy = noisy + sigma * draw()
            if after_step is not None:
                noisy = after_step(noisy, time)
    raise AssertionError("the last time leads to the clean sample")


def seeded_noise(
    seeds: Sequence[int], frames: int, features: int, device: torch.device | str = "cpu"
) -> NoiseSource:
    """Noise of a batch of songs, each from its own seed.

    A song gets the same noise alone, in any batch and on any device: every song has its own generator, on the
    CPU.
    """
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]

    def draw() -> Tensor:
        songs = [torch.randn(frames, features, generator=generator) for generator in generators]
        return torch.stack(songs).to(device)

    return draw
