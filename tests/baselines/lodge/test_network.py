"""Lodge's networks, losses and primitives against upstream's numbers and names, and what they promise."""

import json

import numpy as np
import pytest
import torch

from baselines.dance_decoder import DanceDecoder
from baselines.lodge.losses import FINE_TUNING, GLOBAL, LOCAL, lodge_losses
from baselines.lodge.model import sample_held
from baselines.lodge.network import (
    GlobalConfig,
    LocalConfig,
    LocalDecoder,
    foot_condition,
    lodge_discriminator,
)
from baselines.lodge.primitives import Hints, key_frames, mirrored_rotations
from mace_dance.motion.diffusion import cosine_schedule
from mace_dance.motion.normaliser import Normaliser
from madata.errors import ConfigError
from tests.mace_dance.motion.golden import deviation, tensor, tensors, weights_of


def sizes(state):
    width = state["final_layer.weight"].shape[1]
    return {
        "frames": state["null_cond_embed"].shape[1],
        "latent": width,
        "feed_forward": len(state["cond_encoder.0.linear1.bias"]),
        "layers": len({name.split(".")[2] for name in state if name.startswith("seqTransDecoder")}),
        "heads": 4,
    }


def global_network(golden_file):
    state = tensors(np.load(weights_of(golden_file, "lodge_global_net.npz")), "sd/")
    network = DanceDecoder(GlobalConfig(**sizes(state), motion_frames=None))
    network.load_state_dict(state)
    return network.eval()


@pytest.mark.golden
@pytest.mark.golden_files("models_motion/lodge_global_net*.npz")
def test_golden_lodge_global_network(golden_file, golden_deviations):
    stored = np.load(golden_file)
    network = global_network(golden_file)
    x, music, times = (tensor(stored[f"in/{name}"]) for name in ("x", "cond", "t"))
    none = torch.zeros(len(x), dtype=torch.bool)
    with torch.no_grad():
        for name, keep in (("cond", ~none), ("uncond", none)):
            ours = network(x, music, times, keep)
            golden_deviations("lodge global", deviation(ours, stored[f"out/{name}"]))


@pytest.mark.golden
@pytest.mark.golden_files("models_motion/lodge_local_net*.npz")
def test_golden_lodge_local_network(golden_file, golden_deviations):
    stored, made = np.load(golden_file), np.load(weights_of(golden_file, "lodge_local_net.npz"))
    state = tensors(made, "sd/")
    network = LocalDecoder(LocalConfig(**sizes(state)))
    network.load_state_dict(state)
    network.eval()
    x, music, times, genre = (tensor(stored[f"in/{name}"]) for name in ("x", "cond", "t", "genre"))
    none = torch.zeros(len(x), dtype=torch.bool)
    with torch.no_grad():
        for name, keep in (("cond", ~none), ("uncond", none)):
            style = network.mapping(tensor(stored[f"in/style_noise_{name}"]), genre)
            ours = network(x, music, times, keep, style)
            golden_deviations("lodge local", deviation(ours, stored[f"out/{name}"]))
        ours = network(x, music, times)
        golden_deviations("lodge local", deviation(ours, stored["out/no_genre"]))
        scaler = stored if "scaler/scale" in stored.files else made
        normaliser = Normaliser(scaler["scaler/scale"], scaler["scaler/min"])
        ours = foot_condition(normaliser.unnormalise(x))
    golden_deviations("lodge foot condition", deviation(ours, stored["out/rcond"]))


@pytest.mark.golden
@pytest.mark.golden_files("models_motion/lodge_discriminator*.npz")
def test_golden_lodge_discriminator(golden_file, golden_deviations):
    stored = np.load(golden_file)
    state = tensors(np.load(weights_of(golden_file)), "sd/")
    width, places = len(state["mlp_cond.bias"]), len(state["tr_block.layers.0.1.pe"])
    critic = lodge_discriminator(LocalConfig(frames=places // 2, latent=width)).eval()
    critic.load_state_dict(state)
    motion, music, *genres = (tensor(stored[f"in/{name}"]) for name in ("motion", "cond", "genre", "genre2"))
    with torch.no_grad():
        for ours, name in zip(critic(motion, music, *genres), ("logit", "logit2"), strict=True):
            golden_deviations("lodge discriminator", deviation(ours, stored[f"out/{name}"]))


@pytest.mark.golden
@pytest.mark.golden_files("models_motion/lodge_inpaint_soft*.npz")
def test_golden_lodge_soft_inpainting(golden_file, golden_deviations):
    stored = np.load(golden_file)
    noise = iter(tensor(stored["noise"]))
    hints = Hints(tensor(stored["in/value"]), tensor(stored["in/mask"]).bool())
    ours = sample_held(
        global_network(golden_file),
        tensor(stored["in/cond"]),
        hints,
        lambda: next(noise),
        cosine_schedule(),
        soft=float(stored["soft"]),
    )
    golden_deviations("lodge inpainting", deviation(ours, stored["out/sample"], atol=2e-4))


@pytest.mark.golden
@pytest.mark.golden_files("models_motion/lodge_losses*.npz")
def test_golden_lodge_losses(golden_file, golden_deviations):
    stored = np.load(golden_file)
    normaliser = Normaliser(stored["scaler/scale"], stored["scaler/min"])
    names = {"reconstruction": "mseloss", "velocity": "Vloss", "joints": "fk_loss", "foot": "foot_loss"}
    names["root"] = "trans_loss"
    predicted, target = tensor(stored["in/pred"]), tensor(stored["in/target"])
    for stage, weights in (("global", GLOBAL), ("local", LOCAL), ("local_finetune", FINE_TUNING)):
        found = lodge_losses(predicted, target, normaliser, weights)
        for name, value in found.items():
            golden_deviations("lodge losses", deviation(value, stored[f"out/{stage}/{names[name]}"], atol=0))
        total = sum(found.values())
        golden_deviations("lodge losses", deviation(total, stored[f"out/{stage}/loss"], atol=0))
    assert "root" in found
    with pytest.raises(ConfigError, match="2 frames at least"):
        lodge_losses(predicted[:, :1], target[:, :1], normaliser, LOCAL)


@pytest.mark.golden
@pytest.mark.golden_files("models_motion/lodge_normalizer*.npz")
def test_golden_lodge_normaliser(golden_file, golden_deviations):
    stored = np.load(golden_file)
    ours = Normaliser.fit(np.stack([stored["data_min"], stored["data_max"]]))
    golden_deviations("lodge normaliser", deviation(ours.scale, stored["scale"], rtol=1e-6, atol=0))
    golden_deviations("lodge normaliser", deviation(ours.shift, stored["min"], rtol=1e-6, atol=1e-6))


@pytest.mark.golden
@pytest.mark.golden_files("models_motion/lodge_keyframes*.json")
def test_golden_lodge_key_frames(golden_file):
    for case in json.loads(golden_file.read_text()):
        assert key_frames(case["beats"], case["keynum"], case["full_seq_len"]) == case["out"]


@pytest.mark.golden
@pytest.mark.golden_files("models_motion/lodge_mirror*.npz")
def test_golden_lodge_mirror(golden_file, golden_deviations):
    stored = np.load(golden_file)
    ours = mirrored_rotations(tensor(stored["in/rot6d"]))
    golden_deviations("lodge mirror", deviation(ours, stored["out/rot6d"], rtol=0, atol=2e-6))
    again = mirrored_rotations(mirrored_rotations(ours))
    torch.testing.assert_close(again, ours, rtol=0, atol=2e-6)


@pytest.mark.golden
@pytest.mark.golden_files("models_motion/lodge_*.layout.json")
def test_golden_lodge_has_the_published_tensors(golden_file):
    layout = json.loads(golden_file.read_text())
    expected = {name: each["shape"] for name, each in layout["state_dict"].items()}
    with torch.device("meta"):
        made = {
            "lodge_global": lambda: DanceDecoder(GlobalConfig()),
            "lodge_local": lambda: LocalDecoder(LocalConfig(frames=expected["null_cond_embed"][1])),
            "lodge_discriminator": lambda: lodge_discriminator(LocalConfig()),
        }[golden_file.name.split(".")[0]]()
    assert {name: list(value.shape) for name, value in made.state_dict().items()} == expected
    assert sum(value.numel() for value in made.parameters()) == layout["parameters"]
