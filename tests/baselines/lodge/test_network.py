"""Lodge's networks, losses and primitives against upstream's numbers and names, and what they promise."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from baselines.dance_decoder import DanceDecoder
from baselines.lodge.losses import FINE_TUNING, GLOBAL, LOCAL, lodge_losses
from baselines.lodge.model import sample_held
from baselines.lodge.network import (
    CONTACTS,
    ROOT,
    ROTATIONS,
    GlobalConfig,
    LocalConfig,
    LocalDecoder,
    foot_condition,
    lodge_discriminator,
    lodge_joints,
)
from baselines.lodge.primitives import Hints, key_frames, mirrored_rotations
from mace_dance.motion.diffusion import cosine_schedule
from mace_dance.motion.normaliser import Normaliser
from madata.errors import ConfigError
from madata.motion import FEET
from madata.rotations import forward_kinematics, rot6d_to_matrix
from madata.skeletons import skeleton
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
    layers = len({name.split(".")[2] for name in state if name.startswith("tr_block.layers.")})
    critic = lodge_discriminator(LocalConfig(frames=places // 2, latent=width), layers).eval()
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


def test_jaw_and_hands_are_carried_at_rest():
    torch.manual_seed(0)
    vectors, body = torch.randn(2, 3, 139), skeleton("smplx-55")
    turned = torch.eye(3).repeat(2, 3, 55, 1, 1)
    turned[:, :, :22] = rot6d_to_matrix(vectors[..., ROTATIONS].reshape(2, 3, 22, 6))
    whole = forward_kinematics(turned, vectors[..., ROOT], torch.tensor(body.offsets), body.parents)
    torch.testing.assert_close(lodge_joints(vectors), whole)


def test_feet_are_scored_by_the_published_bounds():
    """Half for a toe 1.5 cm above a floor at -1.2 m, and half for one that goes at 0.3 m/s."""
    vectors = torch.zeros(1, 3, 139)
    vectors[..., ROTATIONS] = torch.tensor([1.0, 0, 0, 0, 1, 0]).repeat(22)
    rest = lodge_joints(vectors)[0, 0, list(FEET), 1]
    for foot, bound in enumerate([-1.188, -1.188, -1.15, -1.15]):
        for above, touches in ((-1e-4, 1.0), (1e-4, 0.0)):
            vectors[..., ROOT] = torch.tensor([0.0, bound + above - rest[foot], 0.0])
            assert (foot_condition(vectors)[..., 3 * foot : 3 * foot + 3] == touches).all()
    for foot in (2, 3):
        vectors[..., ROOT] = torch.tensor([0.0, -1.185 - rest[foot], 0.0])
        vectors[0, :, ROOT.start] = torch.tensor([0.0, 0.01, 0.02])
        scores = foot_condition(vectors)[0, 0, 12:24].reshape(4, 3)
        assert scores[foot].tolist() == pytest.approx([0.25] * 3, abs=1e-3)
        torch.testing.assert_close(scores[:2], scores[2:])


@pytest.mark.parametrize(
    ("weights", "published"),
    [
        (GLOBAL, (0.636, 2.964, 0.636, 10.942)),
        (LOCAL, (0.636, 2.964, 1.0, 20.0)),
        (FINE_TUNING, (0.636, 2.964, 1.0, 10.0)),
    ],
)
def test_lodge_losses_weigh_as_published(weights, published):
    """Feet count where the model says that they stand; the root's velocity counts twice, by its upstream slip."""
    predicted, target = 0.3 * torch.randn(2, 1, 6, 139, generator=torch.Generator().manual_seed(0))
    predicted[..., CONTACTS] = 0.96
    same = Normaliser(np.ones(139, np.float32), np.zeros(139, np.float32))
    names = ("reconstruction", "velocity", "joints", "foot")
    plain = lodge_losses(predicted, target, same, replace(weights, **dict.fromkeys(names, 1.0)))
    found = lodge_losses(predicted, target, same, weights)
    for name, weight in zip(names, published, strict=True):
        assert found[name] == pytest.approx(weight * plain[name]) and found[name] > 0
    steps = (predicted - target)[..., ROOT].diff(dim=1).square().mean()
    assert found.get("root", 0.0) == pytest.approx(0.45 * steps if weights is FINE_TUNING else 0.0)
    predicted[..., CONTACTS] = 0.95
    assert lodge_losses(predicted, target, same, weights)["foot"] == 0


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
