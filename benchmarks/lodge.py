"""Lodge: a step of sampling as published, written plainly, against ours at equal outputs, full size, random weights.

    python benchmarks/lodge.py [--windows 1] [--slices 2]

One thread, CPU seconds. Published code reads the music in both passes of every step, keys and values of each layer with
it; ours reads it once for 50 steps. Beside each ratio stands the arithmetic limit, counted multiplications over counted
multiplications.
"""

import argparse
import json
import time

import torch
from motion_expert import multiplications

from baselines.dance_decoder import DanceDecoder, guided
from baselines.lodge.network import GlobalConfig, LocalConfig, LocalDecoder

STEPS = 50


def timed(run, repeats=3):
    """Least CPU seconds of a few runs, and what came of it."""
    taken = []
    for _ in range(repeats):
        begin = time.process_time()
        with torch.no_grad():
            found = run()
        taken.append(time.process_time() - begin)
    return min(taken), found


def step(network, batch, style):
    config = network.config
    noisy = torch.randn(batch, config.motion_frames or config.frames, config.features)
    music = torch.randn(batch, config.frames, config.music_features)
    times, none = torch.full((batch,), 500), torch.zeros(batch, dtype=torch.bool)

    def published():
        without = network(noisy, music, times, none, style)
        return without + (network(noisy, music, times, style=style) - without) * 2.0

    def read():
        return network.without_music(batch).followed_by(network.encode_music(music))

    with torch.no_grad():
        memory = read()

    def ours():
        return guided(network, noisy, memory, times, styles=None if style is None else (style, style))

    once_s, _ = timed(read)
    (plain_s, plain), (ours_s, found) = timed(published), timed(ours)
    ours_s += once_s / STEPS
    limit = multiplications(published) / (multiplications(ours) + multiplications(read) / STEPS)
    return {"batch": batch, "published_s": plain_s, "ours_s": ours_s, "ratio": plain_s / ours_s, "limit": limit,
            "largest_difference": float((plain - found).abs().max())}  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--windows", type=int, default=1)
    parser.add_argument("--slices", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    local = LocalDecoder(LocalConfig()).eval()
    style = torch.randn(options.slices, local.config.latent)
    found = {
        "global": step(DanceDecoder(GlobalConfig()).eval(), options.windows, None),
        "local": step(local, options.slices, style),
    }
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
