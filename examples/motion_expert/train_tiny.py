"""Train the small Motion Expert that comes with the package, on dances and music made up on the spot.

    python examples/motion_expert/train_tiny.py RUN    # half an hour on one core; goes on after an interruption
    cp RUN/model/* mace_dance/motion/tiny/

Every dance rests on every beat of its music (`madata.synthetic`), so what there is to learn is to find the beat in
the 35 music features and to dance on it. The network hears onset strength, onset peaks and beats only: timbre and
harmony of made-up music say nothing about those of real music. It never sees a person, and every result made with
it says `tiny-synthetic`.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from mace_dance.training.motion.data import MotionWindows, PreparedDances, prepare_synthetic
from mace_dance.training.motion.data.settings import SyntheticSettings
from mace_dance.training.motion.task import MotionTask, resolve_training, train_motion
from mace_dance.training.shared.progress import ProgressLine
from madata.synthetic.dance import STYLES

CLIPS, SECONDS, SEED = 150, 24.0, 20
UNHEARD = slice(1, 33)
"""20 MFCC and 12 chroma among the 35 music features."""

DATA = SyntheticSettings(window_frames=120, stride_frames=30, choreographies=2)
SETTINGS = {
    "label": "tiny-synthetic",
    "model": {
        "latent": 128,
        "feed_forward": 256,
        "heads": 4,
        "dance_layers": 3,
        "music_layers": 1,
        "expand": 1,
        "d_state": 8,
        "attention_time": "relative",
        "choices": {"joints": "metres"},
        "genres": len(STYLES),
        "dropout": 0.0,
    },
    "loop": {
        "steps": 2200,
        "batch_size": 12,
        "optimizer": "adamw",
        "weight_decay": 0.0,
        "learning_rate": 2.5e-3,
        "schedule": "cosine",
        "final_share": 0.02,
        "warmup_steps": 100,
        "average_decay": 0.995,
        "checkpoint_every": 200,
        "sample_every": 3,
        "seed": SEED,
    },
    "samples": {"clips": 48},
}


def rhythm_only(windows: MotionWindows) -> MotionWindows:
    """The same windows without timbre and harmony."""
    music = np.array(windows.music)
    music[:, UNHEARD] = 0.0
    return replace(windows, music=music)


def made_up(cache: Path) -> PreparedDances:
    """The data."""
    prepared = prepare_synthetic(cache, CLIPS, SECONDS, SEED, DATA)
    return replace(prepared, train=rhythm_only(prepared.train), held_out=rhythm_only(prepared.held_out))


def deafen(task: MotionTask) -> None:
    """Weights of what is not heard start at zero; without input they get no gradient and stay there."""
    with torch.no_grad():
        task.network.cond_projection.weight[:, UNHEARD] = 0.0


def main(out: Path) -> None:
    torch.set_num_threads(1)
    settings, family = resolve_training(SETTINGS)
    task = MotionTask(settings, family, made_up(out / "data"), "madata.synthetic")
    deafen(task)
    line = ProgressLine(quiet=False)
    try:
        train_motion(task, out, "cpu", line.show)
    finally:
        line.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
