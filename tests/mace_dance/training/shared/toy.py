"""A task small enough to train in milliseconds, and a command that trains it: ``python toy.py OUT [key=value ...]``."""

import json
import os
import signal
import sys
import time
from pathlib import Path

import torch
from torch import nn

from mace_dance.training.shared.draws import shuffled_batches
from mace_dance.training.shared.loop import run_training
from mace_dance.training.shared.settings import LoopSettings


class Toy:
    """Fits a line through noise, with dropout, batch statistics and a frozen layer."""

    name = "toy"

    def __init__(self, samples=12, bad=None, step_s=0.0, facts=None):
        torch.manual_seed(0)
        self.network = nn.Sequential(
            nn.Linear(3, 8), nn.BatchNorm1d(8), nn.Dropout(0.3), nn.Linear(8, 8), nn.Linear(8, 1)
        )
        self.network[3].requires_grad_(False)
        self.samples, self.bad, self.step_s = samples, bad, step_s
        self.extra = facts or {}
        self.sampled, self.exported = [], []

    def turns(self):
        return {"network": self.network}

    def epoch_batches(self, epoch, batch_size, seed):
        return shuffled_batches(self.samples, batch_size, epoch, seed)

    def sample_name(self, index):
        return f"sample-{index}"

    def facts(self):
        return {"width": 8, **self.extra}

    def prepare(self, device):
        pass

    def batch(self, indices, rng):
        x = torch.tensor([[i, i**2 / 10, 1.0] for i in indices]) / 10
        x = x + torch.from_numpy(rng.normal(size=x.shape)).float() / 100
        if self.bad in indices:
            x[0, 0] = float("nan")
        return {"x": x, "y": x.sum(1, keepdim=True)}

    def loss(self, batch, generator, turn=0):
        time.sleep(self.step_s)
        noise = torch.randn(batch["x"].shape, generator=generator) / 100
        error = (self.network(batch["x"] + noise) - batch["y"]).square().mean()
        return error, {"error": error, "twice": 2 * error}

    def sample(self, step, out):
        self.sampled.append(step)
        return {"bias": self.network[4].bias.item(), "unknown": None}

    def export(self, folder, step):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "bias.json").write_text(json.dumps(self.network[4].bias.item()))
        self.exported.append(step)


class Rivals(Toy):
    """Its first layer against its last."""

    def turns(self):
        return {"first": self.network[0], "last": self.network[4]}

    def loss(self, batch, generator, turn=0):
        loss, parts = super().loss(batch, generator)
        return (1 - 2 * turn) * loss, parts


def settings(**changes):
    base = {
        "steps": 12,
        "batch_size": 4,
        "learning_rate": 1e-2,
        "average_decay": 0.9,
        "checkpoint_every": 3,
        "log_every": 2,
        "sample_every": 2,
        "clip_norm": 1.0,
    }
    return LoopSettings.model_validate({**base, **changes})


def train(out, changes):
    """Train to the end in the folder ``out`` with changed settings."""
    step_s = changes.pop("step_s", 0.0)
    task = Rivals if changes.pop("rivals", False) else Toy
    run_training(task(step_s=step_s), settings(**changes), Path(out), "cpu")


def train_until_killed(out, changes, touches):
    """Train, and die without a word at the ``touches``-th time that something in ``out`` is written or moved."""
    left = touches

    def watch(event, arguments):
        nonlocal left
        moves = event in ("os.rename", "os.mkdir", "os.remove", "os.rmdir")
        if (moves or (event == "open" and "w" in (arguments[1] or ""))) and str(out) in str(arguments[0]):
            left -= 1
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)
    train(out, changes)


if __name__ == "__main__":
    train(sys.argv[1], {key: json.loads(value) for key, value in (each.split("=") for each in sys.argv[2:])})
