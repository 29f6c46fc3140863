"""FACT and Bailando: the published loop, written plainly, against ours at equal outputs, full size, random weights.

    python benchmarks/autoregression.py [--codes 40] [--frames 3]

One thread, CPU seconds. Beside each ratio stands the arithmetic limit: the multiplications of the published loop over
those that cannot be spared, because a window that slides under absolute positions changes all of its keys and values.
"""

import argparse
import json
import time

import torch

from baselines.bailando.network import MotionGpt, MotionGptConfig, choreograph
from baselines.fact.network import FACT, Fact, continue_dance


def timed(run):
    begin = time.process_time()
    with torch.no_grad():
        found = run()
    return time.process_time() - begin, found


def published_gpt(network, upper, lower, music):
    """The whole window through every layer for each code."""
    longest = network.config.context - 1
    for step in range(music.shape[1]):
        window = slice(max(0, step + 1 - longest), step + 1)
        logits = network(upper[:, -longest:], lower[:, -longest:], music[:, window])
        next_up, next_down = (each[:, -1].argmax(-1, keepdim=True) for each in logits)
        upper, lower = torch.cat([upper, next_up], 1), torch.cat([lower, next_down], 1)
    return upper, lower


def published_fact(network, seed, music, steps):
    """Both windows through every layer for each frame, of which the first output is kept."""
    danced = []
    for step in range(steps):
        danced.append(network(seed, music[:, step : step + network.config.music_frames])[:, :1])
        seed = torch.cat([seed[:, 1:], danced[-1]], 1)
    return torch.cat(danced, 1)


def bailando(codes):
    """Positions through layers: all of the window, or the new ones while it fills and all but the last layer then."""
    torch.manual_seed(0)
    config = MotionGptConfig()
    network = MotionGpt(config).eval()
    for value in network.parameters():
        torch.nn.init.normal_(value, std=0.05)
    begin, music = torch.zeros(1, 1, dtype=torch.long), torch.randn(1, codes, config.music_features)
    plain_s, plain = timed(lambda: published_gpt(network, begin, begin, music))
    ours_s, ours = timed(lambda: choreograph(network, begin, begin, music))
    layers, longest = config.base_layers + config.head_layers, config.context - 1
    published = sum(min(step + 1, longest) * layers for step in range(codes))
    needed = sum(layers if step < longest else longest * (layers - 1) + 1 for step in range(codes))
    same = all(torch.equal(*pair) for pair in zip(plain, ours, strict=True))
    return {"codes": codes, "published_s": plain_s, "ours_s": ours_s, "ratio": plain_s / ours_s,
            "limit": published / needed, "same_codes": same}  # fmt: skip


def fact(frames):
    """Positions through layers; music has to be read window by window in both."""
    torch.manual_seed(0)
    network = Fact(FACT).eval()
    seed, music = torch.randn(1, FACT.seed_frames, FACT.features), torch.randn(1, 240 + frames, 35)
    plain_s, plain = timed(lambda: published_fact(network, seed, music, frames))
    ours_s, ours = timed(lambda: continue_dance(network, seed, music, frames))
    reading = FACT.seed_frames * FACT.motion_layers + FACT.music_frames * FACT.music_layers
    both = FACT.seed_frames + FACT.music_frames
    limit = (reading + both * FACT.cross_layers) / (reading + both * (FACT.cross_layers - 1) + 1)
    return {"frames": frames, "published_s": plain_s, "ours_s": ours_s, "ratio": plain_s / ours_s,
            "limit": limit, "largest_difference": float((plain - ours).abs().max())}  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--codes", type=int, default=40)
    parser.add_argument("--frames", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(json.dumps({"bailando": bailando(options.codes), "fact": fact(options.frames)}, indent=1))
