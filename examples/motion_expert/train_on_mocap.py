"""Train a small Motion Expert on a folder of motion capture, and judge it beside an untrained one and the mean pose.

    python examples/motion_expert/train_on_mocap.py FOLDER RUN [--takes TABLE.csv]    # goes on after an interruption

FOLDER holds motions that ``madance`` reads (BVH and others). Recordings without music get the beats of their own motion
as a stand-in, which leaks the answer: no beat alignment is reported. TABLE has columns ``take,group``: takes of one
group (partners of a couple) stay on one side of the split. Writes RUN/report.json and RUN/curve.png (with matplotlib).
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path

import numpy as np
import torch

from mace_dance.motion.diffusion import cosine_schedule, ddim_times, seeded_noise
from mace_dance.motion.guidance import sample_motion
from mace_dance.motion.model import MotionExpert
from mace_dance.motion.pretrained import load_model
from mace_dance.training.motion.data import MotionWindows, PreparedDances, prepare
from mace_dance.training.motion.judge import judge_dances
from mace_dance.training.motion.settings import settings_layers
from mace_dance.training.motion.task import MotionTask, resolve_training, train_motion
from mace_dance.training.shared.progress import ProgressLine
from madata.files import write_json

MODEL = {
    "latent": 128,
    "feed_forward": 256,
    "d_state": 8,
    "attention_time": "relative",
}
LOOP = {
    "steps": 2200,
    "optimizer": "adamw",
    "weight_decay": 0.0,
    "learning_rate": 2e-3,
    "schedule": "cosine",
    "final_share": 0.02,
    "warmup_steps": 50,
    "average_decay": 0.995,
    "sample_every": 25,
}
SAMPLERS = {"50 steps, eta 1": (50, 1.0), "10 steps, eta 0": (10, 0.0)}
CLIPS = 64


def settings_of(takes: Path | None) -> dict:
    data = {"music": "motion-beats", "held_out_share": 0.2, **({"takes": str(takes)} if takes else {})}
    return settings_layers("tiny", flags={"model": MODEL, "loop": LOOP, "data": data})


def chosen(windows: MotionWindows) -> list[int]:
    return np.linspace(0, len(windows) - 1, min(CLIPS, len(windows))).round().astype(int).tolist()


def judged(motions: list, windows: MotionWindows, indices: list[int], vector: str) -> dict:
    numbers = judge_dances(
        motions, [windows.raw(i) for i in indices], [windows.heard(i) for i in indices], vector
    )
    return {name: numbers[name] for name in ("fid_k", "fid_g", "div_k", "div_g", "unusable")}


def danced(network: MotionExpert, prepared: PreparedDances, indices: list[int], sampler: str) -> list:
    steps, eta = SAMPLERS[sampler]
    batch = prepared.held_out.batch(indices)
    draw = seeded_noise(indices, batch.motion.shape[1], batch.motion.shape[2])
    motions = sample_motion(
        network.eval(), batch.music, batch.genre, draw, cosine_schedule(), times=ddim_times(steps), eta=eta
    )
    return list(prepared.normaliser.unnormalise(motions.numpy()))


def report(task: MotionTask, prepared: PreparedDances, untrained: MotionExpert, model: Path) -> dict:
    held_out, indices = prepared.held_out, chosen(prepared.held_out)
    trained = load_model(model).network
    rows = {}
    for sampler in SAMPLERS:
        for name, network in (("untrained", untrained), ("trained", trained)):
            motions = danced(network, prepared, indices, sampler)
            rows[f"{name}, {sampler}"] = judged(motions, held_out, indices, prepared.vector)
    train = prepared.train
    mean = np.mean([train.raw(i).mean(axis=0) for i in range(len(train))], axis=0)
    still = [np.repeat(mean[None], len(held_out.raw(i)), axis=0).astype(np.float32) for i in indices]
    rows["mean pose"] = judged(still, held_out, indices, prepared.vector)
    others = [train.raw(i) for i in chosen(train)][: len(indices)]
    rows["training windows"] = judged(others, held_out, indices, prepared.vector)
    return {"windows": task.windows(), "rows": rows}


def draw_curve(run: Path) -> None:
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    with (run / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    steps = [int(row["step"]) for row in rows]
    figure, axes = pyplot.subplots(figsize=(6.4, 3.2), layout="constrained")
    for name in ("loss", "reconstruction", "velocity", "joints", "foot"):
        axes.plot(
            steps, [float(row[name]) for row in rows], label=name, linewidth=1.6 if name == "loss" else 0.9
        )
    axes.set(yscale="log", xlabel="step", ylabel="training loss")
    axes.legend(frameon=False, ncols=3, fontsize=8)
    figure.savefig(run / "curve.png", dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("run", type=Path)
    parser.add_argument("--takes", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    settings, family = resolve_training(settings_of(given.takes))
    prepared = prepare(given.folder, given.run / "data", settings.data)
    task = MotionTask(settings, family, prepared, given.folder.name)
    untrained = MotionExpert(settings.model)
    untrained.load_state_dict(task.network.state_dict())
    line = ProgressLine(quiet=False)
    try:
        trained = train_motion(task, given.run, "cpu", line.show)
    finally:
        line.close()
    found = report(task, prepared, untrained, trained.model or given.run / "model")
    write_json(given.run / "report.json", found)
    print(json.dumps(found["rows"], indent=1))
    draw_curve(given.run)


if __name__ == "__main__":
    main()
