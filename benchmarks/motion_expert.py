"""How fast the Motion Expert dances, beside EDGE and beside its own variants, in one run on this CPU.

    madance doctor --build-kernels
    python benchmarks/motion_expert.py

1200 frames (40 s) at full size with random weights, one thread; CPU seconds (user + system) of one of the 50
denoising steps, median of 3, with each implementation of the scan that is there. EDGE in its official settings: 15
windows of 150 frames, two passes a step, the music encoded in both. The Motion Expert encodes the music once; its
share (a fiftieth) is in the figure. The arithmetic limit is the ratio of the multiplications in linear layers and
convolutions alone. Training is one step of guidance-free training with its losses and Adan on 4 windows of 150
frames, full size.
"""

from __future__ import annotations

import torch
from selective_scan import by_path, seconds
from torch.utils.flop_counter import FlopCounterMode

from baselines.dance_decoder import guided
from baselines.edge.network import EDGE, Edge
from mace_dance.motion.config import ABLATIONS, OFFICIAL, MotionExpertConfig
from mace_dance.motion.diffusion import cosine_schedule
from mace_dance.motion.guidance import conditioned, draw_training, training_prediction
from mace_dance.motion.losses import motion_losses
from mace_dance.motion.model import MotionExpert
from mace_dance.training.shared.adan import Adan

FRAMES, STEPS, WINDOW = 1200, 50, 150
BARS = {"compiled": 1.7, "torch": 1.25}
CFG_BAR = 1.9


def expert_parts(config: MotionExpertConfig, recall: bool = True):
    """What is done once for a song, and what is done at each step."""
    network = MotionExpert(config).eval()
    music = torch.randn(1, FRAMES, config.music_features)
    genre = torch.zeros(1, dtype=torch.long)
    noisy, times = torch.randn(1, FRAMES, config.features), torch.tensor([500])

    def once():
        return conditioned(network, music, genre, recall=recall)

    predict = once()
    return once, lambda: predict(noisy, times)


def expert_seconds(config: MotionExpertConfig, recall: bool = True) -> float:
    once, step = expert_parts(config, recall)
    with torch.no_grad():
        return seconds(step)[0] + seconds(once)[0] / STEPS


def edge_parts():
    """One step as published, and with the music encoded once."""
    network = Edge(EDGE).eval()
    windows = 2 * FRAMES // WINDOW - 1  # one every 2.5 s
    noisy = torch.randn(windows, WINDOW, EDGE.features)
    music = torch.randn(windows, WINDOW, EDGE.music_features)
    times, none = torch.full((windows,), 500), torch.zeros(windows, dtype=torch.bool)
    with torch.no_grad():
        memory = network.without_music(windows).followed_by(network.encode_music(music))

    def published():
        without = network(noisy, music, times, none)
        return without + (network(noisy, music, times) - without) * 2.0

    return published, lambda: guided(network, noisy, memory, times)


def multiplications(work) -> float:
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # its fused kernels are not counted
    try:
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            work()
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
    return counter.get_total_flops()


def training_seconds() -> float:
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

    return seconds(step)[0]


def row(name, taken, edge):
    rate = FRAMES / (STEPS * taken)
    print(f"{name:44s} {taken:7.3f} s/step  {rate:7.2f} frames/s  {edge / taken:5.2f} x EDGE", flush=True)


def main():
    torch.set_num_threads(1)
    torch.manual_seed(0)
    published, cached = edge_parts()
    with torch.no_grad():
        edge = seconds(published)[0]
        row("edge, as published", edge, edge)
        row("edge, music encoded once", seconds(cached)[0], edge)
    variants = {
        "motion expert": lambda: expert_seconds(OFFICIAL),
        "motion expert, keys and values at every step": lambda: expert_seconds(OFFICIAL, recall=False),
        **{name: lambda config=config: expert_seconds(config) for name, config in ABLATIONS.items()},
    }
    tables = by_path(lambda: {name: measure() for name, measure in variants.items()})
    once, step = expert_parts(OFFICIAL)
    limit = multiplications(published) / (multiplications(step) + multiplications(once) / STEPS)
    for path, table in tables.items():
        print(f"scan: {path}")
        for name, taken in table.items():
            row(f"  {name}", taken, edge)
        ours = table["motion expert"]
        print(f"  {edge / ours:.2f} x EDGE (required {BARS[path]}; arithmetic limit {limit:.2f})")
        print(f"  guidance-free {table['gft-to-cfg'] / ours:.2f} x classifier-free (required {CFG_BAR})")
    for path, taken in by_path(training_seconds).items():
        print(f"training, 4 x 150 frames, scan: {path:10s} {taken:7.3f} s/step  {1 / taken:7.2f} steps/s")


if __name__ == "__main__":
    main()
