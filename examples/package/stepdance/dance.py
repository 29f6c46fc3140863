"""A motion system: knees go up in turn, in a rhythm its weights know."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evaluation.systems import Card, Request

if TYPE_CHECKING:
    from madata.types import Motion3D

__all__ = ["StepDance"]


class StepDance:
    """Steps on the spot.

    It works at 20 frames per second; the harness brings its motions to the rate of the data set.
    """

    task = "motion"
    card = Card(
        paper="Steps on the Spot (an example)",
        licence="Apache-2.0",
        n_parameters=2,
        training_data=("made-up:train",),
    )
    fps = 20.0

    def __init__(self, height_m: float = 0.3) -> None:
        """Take the options of ``--set``; weights are not loaded here."""
        self.height_m = height_m

    def setup(self, device: str) -> None:
        """Load the weights; the only place where that happens."""
        import numpy as np

        self.weights = np.array([1.8, 0.9])

    def generate(self, request: Request) -> Motion3D:
        """One dance; the only randomness is that of the seed."""
        import numpy as np

        from madata.types import Motion3D

        steps_per_s, amount = self.weights
        start = np.random.default_rng(request.seed).uniform()
        phase = np.pi * (steps_per_s * np.arange(request.num_frames) / request.fps + start)
        rotation = np.zeros((request.num_frames, 24, 3), np.float32)
        for hip, knee, side in ((1, 4, 1.0), (2, 5, -1.0)):
            lift = np.clip(side * np.sin(phase), 0, None) * amount * self.height_m / 0.3
            rotation[:, hip, 0] = -lift
            rotation[:, knee, 0] = 1.6 * lift
        translation = np.tile(np.float32([0, 0.95, 0]), (request.num_frames, 1))
        return Motion3D(rotation, translation, request.fps, "y", "smpl-24")
