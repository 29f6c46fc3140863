"""FACT, Bailando, MEGADance, MNET: the published loop, written plainly, against ours at equal outputs, full size.

    python benchmarks/autoregression.py [--codes 40] [--songs 1] [--frames 3] [--windows 2] [--only NAME]

Random weights, one thread, CPU seconds. MEGADance has two experts of sixteen: a song passes one. Several songs (of
Bailando and MEGADance) are danced one after the other by the published loop, as a batch by ours; ``one_by_one_s`` is
ours without the batch. Beside each ratio stands the arithmetic limit: the multiplications of the published loop over
those that cannot be spared, because a window that slides under absolute positions, or in which a scan begins anew,
changes all of its keys and values. Where a step is one position, it waits for the weights rather than for
multiplications: ``weights_s`` is what it takes to multiply one vector a stream by each matrix of the network, step by
step, and nothing else.
"""

import argparse
import json
import time
from functools import partial

import torch

from baselines.bailando.network import MotionGpt, MotionGptConfig, choreograph
from baselines.fact.network import FACT, Fact, continue_dance
from baselines.megadance.network import GenreGpt, GenreGptConfig, choose_codes
from baselines.mnet.network import MNET, Mnet, dance_in_steps, from_rot6d, to_rot6d


def timed(run):
    begin = time.process_time()
    with torch.no_grad():
        found = run()
    return time.process_time() - begin, found


def reading_weights(matrices, steps):
    """Every matrix of the network by as many vectors as there are streams, at every step."""
    vectors = [torch.randn(3, each.in_features) for each in matrices]

    def run():
        for _ in range(steps):
            for each, given in zip(matrices, vectors, strict=True):
                torch.nn.functional.linear(given, each.weight)

    return timed(run)[0]


def song_after_song(dance, *songs):
    """What ``dance`` makes of each song alone, of arguments with one row for each."""
    danced = [dance(*alone) for alone in zip(*(each.split(1) for each in songs), strict=True)]
    return [torch.cat(part) for part in zip(*danced, strict=True)]


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


def bailando(codes, songs):
    """Positions through layers: all of the window, or the new ones while it fills and all but the last layer then."""
    torch.manual_seed(0)
    config = MotionGptConfig()
    network = MotionGpt(config).eval()
    for value in network.parameters():
        torch.nn.init.normal_(value, std=0.05)
    begin, music = torch.zeros(songs, 1, dtype=torch.long), torch.randn(songs, codes, config.music_features)
    alone = partial(published_gpt, network)
    plain_s, plain = timed(lambda: song_after_song(alone, begin, begin, music))
    ours_s, ours = timed(lambda: choreograph(network, begin, begin, music))
    alone = partial(choreograph, network)
    one_by_one_s = timed(lambda: song_after_song(alone, begin, begin, music))[0] if songs > 1 else ours_s
    layers, longest = config.base_layers + config.head_layers, config.context - 1
    published = sum(min(step + 1, longest) * layers for step in range(codes))
    needed = sum(layers if step < longest else longest * (layers - 1) + 1 for step in range(codes))
    same = all(torch.equal(*pair) for pair in zip(plain, ours, strict=True))
    matrices = [each for each in network.modules() if isinstance(each, torch.nn.Linear)]
    return {"codes": codes, "songs": songs, "published_s": plain_s, "ours_s": ours_s, "one_by_one_s": one_by_one_s,
            "ratio": plain_s / ours_s, "limit": published / needed,
            "weights_s": reading_weights(matrices, min(codes, longest)), "same_codes": same}  # fmt: skip


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


def published_genre_gpt(network, upper, lower, music, genre):
    """The whole window through every block for each code."""
    longest = network.config.window
    for step in range(music.shape[1] - 1):
        window = slice(max(0, step + 1 - longest), step + 1)
        logits = network(upper[:, window], lower[:, window], music[:, window], genre)
        next_up, next_down = (each[:, -1].argmax(-1, keepdim=True) for each in logits)
        upper, lower = torch.cat([upper, next_up], 1), torch.cat([lower, next_down], 1)
    return upper, lower


def megadance(codes, songs):
    """Multiplications a position of a block, in squares of the width: Mamba, attention, feed-forward, output."""
    torch.manual_seed(0)
    config = GenreGptConfig(genres=2)
    network = GenreGpt(config).eval()
    begin, genre = torch.zeros(songs, 1, dtype=torch.long), torch.ones(songs, dtype=torch.long)
    music = torch.randn(songs, codes, config.music_features)
    alone = partial(published_genre_gpt, network)
    plain_s, plain = timed(lambda: song_after_song(alone, begin, begin, music, genre))
    ours_s, ours = timed(lambda: choose_codes(network, begin, begin, music, genre)[:2])
    alone = partial(choose_codes, network)
    one_by_one_s = (
        timed(lambda: song_after_song(alone, begin, begin, music, genre))[0] if songs > 1 else ours_s
    )
    mamba, rest, keys = 4 + 2 + 0.25, 4 + 8, 2
    blocks, output = 2 * config.layers, config.output * (config.width + config.codes) / config.width**2
    published = needed = 0.0
    for step in range(codes - 1):
        seen = min(step + 1, config.window)
        published += 3 * seen * blocks * (mamba + rest) + 2 * seen * output
        positions = 1 if step < config.window else seen
        last = positions * (mamba + keys) + rest - keys
        needed += 3 * (positions * (blocks - 1) * (mamba + rest) + last) + 2 * output
    same = all(torch.equal(*pair) for pair in zip(plain, ours, strict=True))
    expert = "genre_swab.0."  # a song passes one of the two
    matrices = [each for name, each in network.named_modules() if isinstance(each, torch.nn.Linear)
                and expert not in name]  # fmt: skip
    return {"codes": codes, "songs": songs, "published_s": plain_s, "ours_s": ours_s, "one_by_one_s": one_by_one_s,
            "ratio": plain_s / ours_s, "limit": published / needed,
            "weights_s": reading_weights(matrices, min(codes - 1, config.window)), "same_codes": same}  # fmt: skip


def published_mnet(network, seed, music, noise, genre):
    """Every output of every layer, the style attended to by every token, music embedded window by window."""
    config, danced = network.config, []
    for first in range(0, music.shape[1] - config.music_frames + 1, config.step_frames):
        style = network.mapping(noise, genre)[:, None]
        window = network.mlp_a(music[:, first : first + config.music_frames])
        x = torch.cat([network.mlp_m(to_rot6d(seed)), window], 1)
        for norm, attention, style_norm, to_style, last_norm, feed_forward in network.tr_block.layers:
            x = x + attention(norm(x))
            query, key, value = (
                part.unflatten(-1, (config.heads, -1)).transpose(1, 2)
                for part in (to_style.to_q(style_norm(x)), to_style.to_k(style), to_style.to_v(style))
            )
            bias = to_style.pe[: x.shape[1], :1]
            found = torch.nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=bias)
            x = x + to_style.to_out(found.transpose(1, 2).flatten(2))
            x = x + feed_forward(last_norm(x))
        danced.append(from_rot6d(network.mlp_l(x)[:, : config.step_frames]))
        seed = torch.cat([seed, danced[-1]], 1)[:, -config.seed_frames :]
    return torch.cat(danced, 1)


def mnet(windows):
    """Multiplications a token of a layer, in squares of the width: projections, style, feed-forward."""
    torch.manual_seed(0)
    network = Mnet(MNET).eval()
    seed, noise, genre = 0.1 * torch.randn(1, MNET.seed_frames, 75), torch.randn(1, 256), torch.tensor([3])
    music = torch.randn(1, MNET.music_frames + (windows - 1) * MNET.step_frames, MNET.music_features)
    plain_s, plain = timed(lambda: published_mnet(network, seed, music, noise, genre))
    ours_s, ours = timed(lambda: dance_in_steps(network, seed, music, noise, genre))
    tokens, kept = MNET.seed_frames + MNET.music_frames, MNET.step_frames
    feed_forward = 2 * MNET.feed_forward / MNET.width
    published = MNET.layers * tokens * (4 + 2 + feed_forward)
    needed = (MNET.layers - 1) * tokens * (4 + feed_forward) + 2 * tokens + kept * (2 + feed_forward)
    return {"windows": windows, "published_s": plain_s, "ours_s": ours_s, "ratio": plain_s / ours_s,
            "limit": published / needed, "largest_difference": float((plain - ours).abs().max())}  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--codes", type=int, default=40)
    parser.add_argument("--songs", type=int, default=1)
    parser.add_argument("--frames", type=int, default=3)
    parser.add_argument("--windows", type=int, default=2)
    parser.add_argument("--only", choices=["bailando", "fact", "megadance", "mnet"])
    options = parser.parse_args()
    torch.set_num_threads(1)
    runs = {
        "bailando": lambda: bailando(options.codes, options.songs),
        "fact": lambda: fact(options.frames),
        "megadance": lambda: megadance(options.codes, options.songs),
        "mnet": lambda: mnet(options.windows),
    }
    chosen = [options.only] if options.only else list(runs)
    print(json.dumps({name: runs[name]() for name in chosen}, indent=1))


if __name__ == "__main__":
    main()
