"""How fast the Motion Expert dances, beside EDGE and beside its own variants, in one run on this CPU.

    python benchmarks/motion_expert.py

1200 frames (40 s) at full size with random weights, one thread; CPU seconds (user + system) of one of the 50
denoising steps, median of 3. EDGE in its official settings: 15 windows of 150 frames, two passes a step, the music
encoded in both. The Motion Expert encodes the music once; its share (a fiftieth) is in the figure. Training is one
step of guidance-free training with its losses and Adan on 4 windows of 150 frames, full size.
"""

from __future__ import annotations

import statistics
import time

import torch

from baselines.edge import EDGE, Edge, guided
from mace_dance.motion.config import ABLATIONS, OFFICIAL, MotionExpertConfig
from mace_dance.motion.diffusion import cosine_schedule
from mace_dance.motion.guidance import draw_training, training_prediction
from mace_dance.motion.losses import motion_losses
from mace_dance.motion.model import MotionExpert
from mace_dance.motion.optim import Adan

FRAMES, STEPS, WINDOW = 1200, 50, 150


def seconds(work):
    """Median CPU seconds of ``work()``."""
    work()
    taken = []
    for _ in range(3):
        start = time.process_time()
        work()
        taken.append(time.process_time() - start)
    return statistics.median(taken)


def motion_expert_step(config: MotionExpertConfig) -> float:
    network = MotionExpert(config).eval()
    music, genre = torch.randn(1, FRAMES, config.music_features), torch.zeros(1, dtype=torch.long)
    noisy, times, beta = torch.randn(1, FRAMES, config.features), torch.tensor([500]), torch.tensor([0.75])
    with torch.no_grad():
        memory = network.encode_music(music, genre)
        empty = network.without_music(1, FRAMES)

        def step():
            if config.guidance == "gft":
                return network.denoise(noisy, memory, times, beta)
            without = network.denoise(noisy, empty, times)
            return without + config.guidance_weight * (network.denoise(noisy, memory, times) - without)

        return seconds(step) + seconds(lambda: network.encode_music(music, genre)) / STEPS


def edge_steps() -> tuple[float, float]:
    """One step as published, and with the music encoded once."""
    network = Edge(EDGE).eval()
    windows = 2 * FRAMES // WINDOW - 1  # one every 2.5 s
    noisy = torch.randn(windows, WINDOW, EDGE.features)
    music = torch.randn(windows, WINDOW, EDGE.music_features)
    times, none = torch.full((windows,), 500), torch.zeros(windows, dtype=torch.bool)
    with torch.no_grad():
        condition = network.encode_music(music)

        def published():
            without = network(noisy, music, times, none)
            return without + (network(noisy, music, times) - without) * 2.0

        return seconds(published), seconds(lambda: guided(network, noisy, condition, times))


def training_step() -> float:
    network, schedule = MotionExpert(OFFICIAL), cosine_schedule()
    optimiser = Adan(network.parameters())
    generator = torch.Generator().manual_seed(0)
    clean = torch.randn(4, WINDOW, OFFICIAL.features).clamp(-1, 1)
    music, genre = torch.randn(4, WINDOW, OFFICIAL.music_features), torch.zeros(4, dtype=torch.long)

    def step():
        optimiser.zero_grad()
        draws = draw_training(OFFICIAL, schedule, clean, generator)
        predicted = training_prediction(network, schedule, clean, music, genre, draws)
        motion_losses(predicted, clean).total.backward()
        optimiser.step()

    return seconds(step)


def main():
    torch.set_num_threads(1)
    torch.manual_seed(0)
    ours = motion_expert_step(OFFICIAL)
    rows = {"motion expert": ours}
    rows["edge, as published"], rows["edge, music encoded once"] = edge_steps()
    rows |= {name: motion_expert_step(config) for name, config in ABLATIONS.items()}
    for name, taken in rows.items():
        print(
            f"{name:28s} {taken:7.3f} s/step  {FRAMES / (STEPS * taken):7.2f} frames/s  "
            f"{taken / ours:5.2f} x the motion expert's time"
        )
    taken = training_step()
    print(f"{'training, 4 x 150 frames':28s} {taken:7.3f} s/step  {1 / taken:7.2f} steps/s")


if __name__ == "__main__":
    main()
