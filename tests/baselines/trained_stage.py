"""Training runs of baselines on a few made-up dances, and what every stage of every method has to show."""

import csv

import torch

from mace_dance.training.motion.settings import settings_layers
from mace_dance.training.motion.task import MotionTask, resolve_training, train_motion
from mace_dance.training.shared.checkpoints import read_newest

ALWAYS = (
    "loop.schedule='constant'",
    "loop.sample_every=0",
    "loop.log_every=1",
    "samples.keep=1",
)


def stage(data, preset, *overrides):
    """A task of the preset, with these settings."""
    settings, family = resolve_training(settings_layers(preset, None, [*ALWAYS, *overrides]))
    return MotionTask(settings, family, data, "made")


def learned(data, out, preset, *overrides, steps):
    """Train, stopped after one step and gone on with: the losses of all steps, both samples, the model's folder."""
    for length in (1, steps):
        done = train_motion(stage(data, preset, *overrides, f"loop.steps={length}"), out, "cpu")
    losses = [float(row["loss"]) for row in _rows(out / "metrics.csv")]
    first, last = _rows(out / "samples.csv")
    return losses, first, last, done.model


def assert_the_bits_of_a_whole_run(data, stopped, out, preset, *overrides, steps):
    """What was stopped and gone on with is what a run in one piece comes to."""
    train_motion(stage(data, preset, *overrides, f"loop.steps={steps}"), out, "cpu")
    ours, theirs = (read_newest(folder / "checkpoints").weights for folder in (stopped, out))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(value, theirs[name]) for name, value in ours.items())


def _rows(path):
    with path.open() as lines:
        return list(csv.DictReader(lines))
