"""FACT against upstream's numbers, its names, and what its autoregression promises."""

import json

import numpy as np
import pytest
import torch

from baselines.fact.network import (
    FACT,
    Fact,
    FactConfig,
    checkpoint_name,
    continue_dance,
    fact_loss,
)
from madata.errors import ConfigError
from tests.mace_dance.motion.golden import deviation, tensor, tensors, weights_of

SMALL = FactConfig(
    features=12, music_features=5, hidden=8, feed_forward=10, heads=2, motion_layers=1, music_layers=1,
    cross_layers=2, seed_frames=4, music_frames=6, target_frames=2,
)  # fmt: skip


def network(config=SMALL, seed=0):
    torch.manual_seed(seed)
    return Fact(config).eval()


@pytest.mark.golden
@pytest.mark.golden_files("models_motion/fact*.npz")
def test_golden_fact(golden_file, golden_deviations):
    stored, made_of = np.load(golden_file), np.load(weights_of(golden_file))
    hidden, motion, music, cross, heads, wide, music_frames, seed_frames = map(int, made_of["cfg"])
    made = Fact(
        FactConfig(
            hidden=hidden, motion_layers=motion, music_layers=music, cross_layers=cross, heads=heads,
            feed_forward=wide, music_frames=music_frames, seed_frames=seed_frames,
        )
    ).eval()  # fmt: skip
    made.load_state_dict(tensors(made_of, "sd/"))
    seed, target, song = (tensor(stored[f"in/{name}"]) for name in ("motion", "target", "long_audio"))
    out = made(seed, tensor(stored["in/audio"]))
    found = {"forward": out, "loss": fact_loss(out, target)}
    for name in (name.removeprefix("out/") for name in stored.files if name.startswith("out/generate")):
        steps = name.removeprefix("generate")
        found[name] = continue_dance(made, seed, song, steps=None if steps == "_all" else int(steps))
    for name, value in found.items():
        golden_deviations(f"fact {name}", deviation(value, stored[f"out/{name}"]))


@pytest.mark.golden
@pytest.mark.golden_files("models_motion/fact*.layout.json")
def test_golden_fact_has_the_published_tensors(golden_file):
    layout = json.loads(golden_file.read_text())
    with torch.device("meta"):
        made = Fact(FACT)
    expected = {name: each["shape"] for name, each in layout["state_dict"].items()}
    assert {name: list(value.shape) for name, value in made.state_dict().items()} == expected
    assert sum(value.numel() for value in made.parameters()) == layout["parameters"] == 120_406_977


@pytest.mark.golden
@pytest.mark.golden_files("models_motion/fact_tf_names*.json")
def test_golden_fact_names_of_the_checkpoint(golden_file):
    named = dict(map(tuple, json.loads(golden_file.read_text())["tf_checkpoint_names_reduced"]))
    config = FactConfig(
        hidden=40, motion_layers=1, music_layers=1, cross_layers=2, heads=5, feed_forward=64, music_frames=24,
        seed_frames=12,
    )  # fmt: skip
    for name, value in Fact(config).state_dict().items():
        assert named[checkpoint_name(name)] == list(value.shape), name


def test_windows_of_music_read_together_change_nothing():
    made = network()
    seed, music = torch.randn(2, 4, 12), torch.randn(2, 15, 5)
    together, alone = (continue_dance(made, seed, music, windows_at_once=count) for count in (64, 1))
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-6)
    assert together.shape == (2, 10, 12)


def test_one_frame_is_the_first_of_all_and_becomes_the_seed():
    made = network()
    seed, music = torch.randn(1, 4, 12), torch.randn(1, 8, 5)
    danced = continue_dance(made, seed, music)
    with torch.no_grad():
        first = made(seed, music[:, :6])[:, :1]
        second = made(torch.cat([seed[:, 1:], first], 1), music[:, 1:7])[:, :1]
    torch.testing.assert_close(danced[:, :2], torch.cat([first, second], 1), rtol=1e-5, atol=1e-6)


def test_wrong_windows_are_refused():
    made = network()
    with pytest.raises(ConfigError, match=r"music windows are \(B, 6, 5\)"):
        made(torch.zeros(1, 4, 12), torch.zeros(1, 5, 5))
    with pytest.raises(ConfigError, match=r"motion windows are \(B, 4, 12\)"):
        made(torch.zeros(1, 3, 12), torch.zeros(1, 6, 5))
    with pytest.raises(ConfigError, match="6 frames of music"):
        continue_dance(made, torch.zeros(1, 4, 12), torch.zeros(1, 5, 5))
    with pytest.raises(ValueError, match="multiple of heads"):
        FactConfig(hidden=10, heads=3)
