"""Noise schedules: 1000 linear levels of variance from 0.00085 to 0.012, and DDIM steps through them.

| | learns | last level | levels taken | predicted picture |
|---|---|---|---|---|
| ``ZERO_SNR``: Animate-Anyone, Hallo2 | v | pure noise | from the end | as it is |
| ``EPSILON``: Magic-Animate | the noise | nearly noise | from the start, 0 is one | cut to -1..1, the default |
"""

from __future__ import annotations

from typing import Any

from diffusers.schedulers import DDIMScheduler

__all__ = ["EPSILON", "ZERO_SNR", "ddim_sampler"]

EPSILON: dict[str, Any] = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "linear"}

ZERO_SNR: dict[str, Any] = {
    **EPSILON,
    "clip_sample": False,
    "steps_offset": 1,
    "prediction_type": "v_prediction",
    "rescale_betas_zero_snr": True,
    "timestep_spacing": "trailing",
}


def ddim_sampler(settings: dict[str, Any], steps: int) -> DDIMScheduler:
    """A DDIM sampler with ``steps`` timesteps set."""
    scheduler = DDIMScheduler(**settings)
    scheduler.set_timesteps(steps)
    return scheduler
