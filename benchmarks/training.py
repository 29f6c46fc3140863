"""Every motion method on a folder of motion capture, reduced, minutes each: does training help?

    python -m benchmarks.training MOCAP OUT [--only NAME] [--set SECTION.KEY=VALUE]

Files of CMU, Bandai and Rokoko as they are published; partners of a couple stay on one side of the split. There is no
music: its beats are those of the motion itself, which leaks the answer. Said of every stage: the loss at the begin
(mean of five steps) and at the end, and FID_k and FID_g of held-out windows before and after it; of Lodge's global
stage the same of its primitives.
"""

import argparse
import csv
import json
import re
import time
from pathlib import Path

import numpy as np
import torch

from baselines.lodge.model import dance_primitives
from baselines.lodge.primitives import PRIMITIVE, primitives_of_windows
from mace_dance.motion.pretrained import ModelInfo, Pretrained
from mace_dance.training.motion.data import prepare
from mace_dance.training.motion.judge import judge_dances
from mace_dance.training.motion.settings import settings_layers
from mace_dance.training.motion.task import MotionTask, resolve_training, train_motion

DATA = ("data.music='motion-beats'", "data.held_out_share=0.25", "data.origin='window'")
LOOP = ("loop.batch_size=16", "loop.log_every=5", "loop.checkpoint_every=100000", "loop.sample_every=0")
FAST = ("loop.optimizer='adamw'", "loop.schedule='cosine'", "loop.warmup_steps=20", "loop.final_share=0.05")
DIFFUSION = ("loop.batch_size=8", "loop.learning_rate=5e-3", "loop.clip_norm=1", "samples.steps=10")
"""Networks that denoise. A minute of training keeps too little speed for the published fifty steps of fresh noise."""
DECODER = ("latent=64", "feed_forward=128", "heads=4", "layers=2", "dropout=0")

EDGE = (
    "data.window_frames=60",
    *(f"model.{each}" for each in (*DECODER, "frames=60")),
    "loop.average_decay=0.99",
    *DIFFUSION,
)
FACT = (
    "data.window_frames=180",
    "data.stride_frames=30",
    *(f"model.{part}_layers=1" for part in ("motion", "music")),
    "model.cross_layers=2",
    "model.hidden=64",
    "model.heads=4",
    "model.feed_forward=128",
    "model.seed_frames=40",
    "model.music_frames=80",
    "loop.learning_rate=1e-3",
)
MNET = (
    "data.window_frames=180",
    "data.stride_frames=30",
    "model.width=64",
    "model.layers=2",
    "model.heads=4",
    "model.feed_forward=128",
    "model.critic_layers=1",
    "model.places=180",
    "loop.learning_rate=1e-3",
)
BAILANDO = (
    "data.window_frames=160",
    "data.stride_frames=16",
    "model.memory.codes=256",
    "model.gpt.codes=256",
    "model.memory.code_width=64",
    "model.memory.width=128",
    "model.memory.depth=1",
    "model.gpt.width=48",
    "model.gpt.heads=4",
    "model.gpt.base_layers=2",
    "model.gpt.head_layers=2",
    "model.begin=[0,0]",
    "loop.betas=[0.9,0.999]",
)
MEGADANCE = (
    "data.window_frames=80",
    "data.stride_frames=8",
    "model.poses.code_width=64",
    "model.poses.width=128",
    "model.gpt.width=48",
    "model.gpt.heads=4",
    "model.gpt.layers=2",
    "model.gpt.genres=3",
    "model.gpt.output=64",
    # At twice this rate the quantiser saturates in its first steps: 4 of 4375 codes are left, and nothing moves.
    "loop.learning_rate=1e-3",
)
WIDE = ("latent=256", "feed_forward=512", "heads=4", "layers=1", "dropout=0")
"""Lodge's: a local network of width 64 makes dances far from real ones even of real primitives."""
LODGE = (
    *(f"model.{part}.{each}" for part in ("coarse", "fine") for each in WIDE),
    "model.fine.frames=64",
    "model.fine.genres=3",
    "model.coarse.frames=256",
    "model.critic_layers=1",
    "samples.clips=24",
    *DIFFUSION,
    "loop.learning_rate=2e-3",
)
BY_HEART = ("model.gpt.dropout=0", "loop.learning_rate=3e-3", "loop.clip_norm=1")
"""A GPT in a minute. With MEGADance's dropout of 0.4, one of this width knows a third of the codes by then."""

RUNS = {
    "motion-expert": (("tiny", 200, DIFFUSION),),
    "edge": (("edge", 500, EDGE),),
    "fact": (("fact", 300, FACT),),
    "mnet": (("mnet", 500, MNET),),
    "bailando": (
        ("bailando-codebook", 1200, (*BAILANDO, "loop.learning_rate=2e-3")),
        ("bailando-root", 400, (*BAILANDO, "loop.learning_rate=2e-3")),
        ("bailando-gpt", 1200, (*BAILANDO, *BY_HEART)),
        ("bailando-actor-critic", 10, (*BAILANDO, "model.gpt.critic_layers=1", "loop.learning_rate=1e-4")),
    ),
    "lodge": (
        ("lodge-local", 600, (*LODGE, "data.window_frames=64", "data.stride_frames=8")),
        (
            "lodge-fine-tuning",
            40,
            (*LODGE, "data.window_frames=64", "data.stride_frames=8", "loop.learning_rate=4e-4"),
        ),
        ("lodge-global", 500, (*LODGE, "data.window_frames=256", "data.stride_frames=16")),
    ),
    "megadance": (
        ("megadance-codes", 1100, MEGADANCE),
        ("megadance-gpt", 200, (*MEGADANCE, *BY_HEART)),
    ),
}
"""Method -> its stages: preset, steps, what is smaller or faster than published."""


def table_of_takes(mocap, out):
    """Partners share a group; the name says the genre."""
    rows = []
    for path in sorted(mocap.iterdir()):
        name = path.name.split(".")[0]
        found = re.fullmatch(r"cmu_(\w+)_(\d+)", name)
        if found:
            genre, number = found[1], int(found[2])
            group = f"pair {(number - 1) % 15}" if genre == "salsa" else name
            rows.append((name, group, genre))
        elif ".bvh" in path.name:
            rows.append((name, name, "other"))
    with out.open("w", newline="") as stream:
        csv.writer(stream).writerows([("take", "group", "genre"), *rows])
    return out


def judged_primitives(task, prepared):
    """FID_k and FID_g of what Lodge's global network dances to held-out music: each primitive a dance of 8 frames."""
    samples, normaliser, held_out = task.settings.samples, prepared.normaliser, prepared.held_out
    chosen = np.linspace(0, len(held_out) - 1, min(samples.clips, len(held_out))).round().astype(int).tolist()
    windows = held_out.batch(chosen)
    model = Pretrained(task.network.eval(), task.settings.model, normaliser, ModelInfo())
    danced = dance_primitives(model, windows.music, samples.seed, samples.steps)
    real = normaliser.unnormalise(primitives_of_windows(windows.motion, normaliser, [0] * len(chosen)))
    ours, theirs = (each.unflatten(1, (-1, PRIMITIVE)).flatten(0, 1).numpy() for each in (danced, real))
    music = np.zeros((len(theirs), PRIMITIVE, windows.music.shape[2]))
    judged = judge_dances(ours, theirs, music, prepared.vector)
    return {f"primitives_{name}": judged[name] for name in ("fid_k", "fid_g")}


def run_stage(preset, steps, changes, mocap, out, start):
    """Losses at both ends, what held-out windows say before and after, CPU seconds; and the model's folder."""
    takes = table_of_takes(mocap, out.parent / "takes.csv")
    known = (*LOOP, *FAST, *DATA, f"data.takes='{takes}'", *changes, f"loop.steps={steps}")
    settings, family = resolve_training(settings_layers(preset, None, [*known, *start]))
    data = settings.data
    kind = "-".join(map(str, (data.vector, data.window_frames, data.stride_frames, data.music_layout)))
    prepared = prepare(mocap, out.parent / "cache" / kind, data)
    task = MotionTask(settings, family, prepared, mocap.name)
    task.network.eval()
    beside = judged_primitives if preset == "lodge-global" else lambda task, prepared: {}
    primitives = beside(task, prepared)
    before = task.sample(0, out / "untrained") | primitives
    begin = time.process_time()
    done = train_motion(task, out, "cpu")
    cpu_s = time.process_time() - begin
    with (out / "metrics.csv").open() as lines:
        losses = [float(row["loss"]) for row in csv.DictReader(lines)]
    with (out / "samples.csv").open() as lines:
        after = {name: float(value or "nan") for name, value in list(csv.DictReader(lines))[-1].items()}
    after |= beside(task, prepared)
    names = ("fid_k", "fid_g", "div_k", *primitives)
    judged = {f"{name}_{when}": found[name] for name in names
              for when, found in (("before", before), ("after", after))}  # fmt: skip
    parameters = sum(value.numel() for value in task.network.parameters())
    said = {"parameters": parameters, "steps": steps, "loss_first": losses[0], "loss_last": np.mean(losses[-5:]),
            **judged, "div_k_real": after["div_k_real"], "cpu_s": cpu_s}  # fmt: skip
    return said, done.model


def run_method(name, mocap, out, changes=()):
    """Its stages, each on the model of the one before."""
    said, start = {}, ()
    for preset, steps, own in RUNS[name]:
        found, model = run_stage(preset, steps, (*own, *changes), mocap, out / preset, start)
        said[preset], start = found, (f"start='{model}'",)
    return said


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("mocap", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--only", choices=sorted(RUNS))
    parser.add_argument("--set", action="append", default=[], dest="changes")
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.out.mkdir(parents=True, exist_ok=True)
    for name in [options.only] if options.only else RUNS:
        said = run_method(name, options.mocap, options.out, options.changes)
        print(json.dumps(said, indent=1), flush=True)


if __name__ == "__main__":
    main()
