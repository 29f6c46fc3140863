import json
import re

import numpy as np
import pytest
import torch

from baselines.dance_decoder import guided, rising_weights
from baselines.edge.network import (
    EDGE,
    EDGE_JUKEBOX,
    Edge,
    EdgeConfig,
    ancestral_step,
    sample_edge,
    sample_edge_long,
    stitch,
)
from mace_dance.motion.diffusion import cosine_schedule, seeded_noise
from mace_dance.motion.losses import motion_losses
from mace_dance.motion.normaliser import Normaliser
from madata.errors import ConfigError
from madata.motion import encode, joint_positions
from madata.types import Motion3D
from tests.mace_dance.motion.golden import deviation, tensor, tensors, weights_of

SCHEDULE = cosine_schedule()


def golden_network(golden_file):
    stored = np.load(weights_of(golden_file, "edge_net.npz"))
    state = tensors(stored, "sd/")
    # One file of two stores its sizes; the number of heads is the same in both.
    width = state["final_layer.weight"].shape[1]
    network = Edge(
        EdgeConfig(
            features=len(state["final_layer.bias"]),
            music_features=state["cond_projection.weight"].shape[1],
            frames=state["null_cond_embed"].shape[1],
            latent=width,
            feed_forward=len(state["cond_encoder.0.linear1.bias"]),
            layers=len({name.split(".")[2] for name in state if name.startswith("seqTransDecoder")}),
            heads=int(stored["cfg"][5]) if "cfg" in stored.files else 4,
            positions="rotary" if "rotary.freqs" in state else "absolute",
        )
    )
    network.load_state_dict(state)
    return network.eval()


def tiny(**settings):
    torch.manual_seed(0)
    sizes = {"features": 9, "music_features": 5, "frames": 6, "latent": 8, "feed_forward": 12, "layers": 2}
    return Edge(EdgeConfig(**{**sizes, "heads": 2, **settings})).eval()


@pytest.mark.parametrize("positions", ["rotary", "absolute"])
def test_order_matters(positions):
    network = tiny(positions=positions)
    x, music = (torch.randn(1, 6, width, generator=torch.Generator().manual_seed(width)) for width in (9, 5))
    times = torch.tensor([400])
    with torch.no_grad():
        straight = network(x, music, times)
        turned = network(x.flip(1), music.flip(1), times).flip(1)
    assert (straight - turned).abs().max() > 1e-4


def test_weight_one_is_the_condition_and_zero_is_none():
    network = tiny()
    x, music = torch.randn(2, 6, 9), torch.randn(2, 6, 5)
    times = torch.tensor([3, 900])
    with torch.no_grad():
        condition = network.encode_music(music)
        torch.testing.assert_close(guided(network, x, condition, times, 1.0), network(x, music, times))
        none = network(x, music, times, keep=torch.zeros(2, dtype=torch.bool))
        torch.testing.assert_close(guided(network, x, condition, times, 0.0), none)


def test_windows_of_a_long_dance_agree():
    network = tiny()
    music = torch.randn(3, 6, 5, generator=torch.Generator().manual_seed(0))
    seen = []
    network.input_projection.register_forward_pre_hook(
        lambda _, given: seen.append(given[0].clone().chunk(2))
    )
    sample_edge_long(network, music, seeded_noise([1, 2, 3], 6, 9), SCHEDULE)
    assert len(seen) == 50 and all(torch.equal(*pair) for pair in seen)  # without music and with it
    assert not torch.equal(seen[0][0][1:, :3], seen[0][0][:-1, 3:])
    assert all(torch.equal(noisy[1:, :3], noisy[:-1, 3:]) for noisy, _ in seen[1:])
    single = sample_edge_long(network, music[:1], seeded_noise([1], 6, 9), SCHEDULE)
    torch.testing.assert_close(single, sample_edge(network, music[:1], seeded_noise([1], 6, 9), SCHEDULE))


def test_a_window_is_sampled_in_the_steps_asked_for():
    network, music = tiny(), torch.randn(1, 6, 5)
    times = []
    network.time_mlp.register_forward_pre_hook(lambda _, given: times.append(int(given[0][0])))
    sample_edge(network, music, seeded_noise([1], 6, 9), SCHEDULE, steps=4)
    assert times == [999, 749, 499, 249]


def test_a_song_too_long_to_be_remembered_gives_the_same(monkeypatch):
    network, music = tiny(), torch.randn(5, 6, 5, generator=torch.Generator().manual_seed(0))

    def dance(at_once):
        seeds = [1, 2, 3, 4, 5]
        return sample_edge_long(network, music, seeded_noise(seeds, 6, 9), SCHEDULE, windows_at_once=at_once)

    whole = dance(32)
    torch.testing.assert_close(dance(2), whole, rtol=0, atol=1e-4)
    monkeypatch.setattr("baselines.dance_decoder._REMEMBERED_FRAMES", 29)
    torch.testing.assert_close(dance(2), whole, rtol=0, atol=1e-4)


def test_windows_cut_from_one_motion_are_stitched_to_it():
    rng = np.random.default_rng(0)
    frames = 40
    swing = np.sin(np.arange(frames)[:, None, None] / 6 + rng.uniform(0, 6, (24, 3)))
    motion = Motion3D(
        (0.4 * swing).astype(np.float32),
        rng.normal(size=(frames, 3)).astype(np.float32),
        30.0,
        "z",
        "smpl-24",
    )
    values = encode(motion, "edge-151")
    for size in (40, 20, 10, 2):
        starts = range(0, frames - size + 1, size // 2)
        found = stitch(np.stack([values[start : start + size] for start in starts]))
        np.testing.assert_allclose(found.rotation, motion.rotation, atol=1e-5)
        np.testing.assert_allclose(found.translation, motion.translation, atol=1e-5)
    with pytest.raises(ConfigError, match="even length, got 5"):
        stitch(values[None, :5])


def test_windows_of_another_length_are_refused():
    network = tiny()
    with pytest.raises(ConfigError, match=r"music windows are \(B, 6, 5\), got \(1, 7, 5\)"):
        network(torch.zeros(1, 6, 9), torch.zeros(1, 7, 5), torch.tensor([1]))
    with pytest.raises(ConfigError, match=r"motion windows are \(B, 6, 9\), got \(1, 7, 9\)"):
        network(torch.zeros(1, 7, 9), torch.zeros(1, 6, 5), torch.tensor([1]))


@pytest.mark.golden
@pytest.mark.golden_files("models_motion/edge_net*.npz")
def test_golden_network(golden_file, golden_deviations):
    stored = np.load(golden_file)
    network = golden_network(golden_file)
    x, music, times = (tensor(stored[f"in/{name}"]) for name in ("x", "cond", "t"))
    with torch.no_grad():
        runs = {
            "cond": network(x, music, times),
            "uncond": network(x, music, times, keep=torch.zeros(len(x), dtype=torch.bool)),
        }
        for name, theirs in tensors(stored, "out/").items():
            if name.startswith("guided_w"):
                weight = float(name.removeprefix("guided_w"))
                runs[name] = guided(network, x, network.encode_music(music), times, weight)
            golden_deviations("edge_net", deviation(runs[name], theirs))


@pytest.mark.golden
@pytest.mark.golden_files("models_motion/edge_diffusion*.npz")
def test_golden_diffusion(golden_file, golden_deviations):
    stored = np.load(golden_file)
    given, out = tensors(stored, "in/"), tensors(stored, "out/")
    network = golden_network(golden_file)
    times = given["t"]
    unread = set(out)

    def check(ours, name, **tolerance):
        unread.discard(name)
        if name in out:
            golden_deviations("edge_diffusion", deviation(ours, out[name], **tolerance))

    np.testing.assert_array_equal(stored["sched/long_weights"], rising_weights(50))
    check(SCHEDULE.add_noise(given["x0"], times, given["noise"]), "q_sample")
    with torch.no_grad():
        condition = network.encode_music(given["cond"])
        clean = guided(network, given["x"], condition, times).clamp(-1, 1)
    check(clean, "x_start")
    # of upstream's clean sample: early on, a rounding of ours within the tolerance above is divided by almost nothing
    check(SCHEDULE.noise_in(given["x"], times, out.get("x_start", clean)), "pred_noise")
    mean, log_variance = SCHEDULE.posterior(given["x0"], given["x"], times)
    check(mean, "q_post_mean")
    check(log_variance, "q_post_logvar")
    for time in sorted({int(found[1]) for name in out if (found := re.match(r"pmv_\w+_t(\d+)$", name))}):
        check(ancestral_step(network, given["x"], condition, time, SCHEDULE)[0], f"pmv_mean_t{time}")
        now = torch.full((len(given["x"]),), time)
        with torch.no_grad():
            clean = guided(network, given["x"], condition, now, 1.0 if time < 100 else 2.0).clamp(-1, 1)
        check(clean, f"pmv_xrecon_t{time}")

    noisy = SCHEDULE.add_noise(given["x0"], times, given["noise"])
    losses = motion_losses(network(noisy, given["cond"], times), given["x0"])
    parts = torch.stack([losses.reconstruction, losses.velocity, losses.joints, losses.foot])
    check(parts, "loss_parts", atol=0)
    check(losses.total, "loss_total", atol=0)
    assert unread <= {"const_loss_total", "const_loss_parts"}  # tests/mace_dance/motion/test_losses.py
    losses.total.backward()
    parameters = dict(network.named_parameters())
    for name, gradient in tensors(stored, "grad/").items():
        golden_deviations("edge_diffusion gradients", deviation(parameters[name].grad, gradient))


@pytest.mark.golden
@pytest.mark.golden_files("models_motion/edge_sample*.npz")
@pytest.mark.parametrize(("prefix", "sampler"), [("", sample_edge), ("long/", sample_edge_long)])
def test_golden_samplers(golden_file, golden_deviations, prefix, sampler):
    stored = np.load(golden_file)
    if f"{prefix}noise" not in stored.files:
        pytest.skip("this file holds the other sampler")
    noise = iter(tensor(stored[f"{prefix}noise"]))
    network = golden_network(golden_file)
    ours = sampler(network, tensor(stored[f"{prefix}in/cond"]), lambda: next(noise), SCHEDULE)
    golden_deviations("edge_sample", deviation(ours, tensor(stored[f"{prefix}out/sample"]), atol=2e-4))
    assert next(noise, None) is None


@pytest.mark.golden
@pytest.mark.golden_files("models_motion/edge_stitch*.npz")
def test_golden_stitching(golden_file, golden_deviations):
    stored = np.load(golden_file)
    normaliser = Normaliser(stored["scaler/scale"], stored["scaler/min"])
    motion = stitch(normaliser.unnormalise(stored["in/samples"].astype(np.float32)))
    for ours, name in (
        (motion.rotation.reshape(-1, 72), "smpl_poses"),
        (motion.translation, "smpl_trans"),
        (joint_positions(motion), "full_pose"),
    ):
        golden_deviations("edge_stitch", deviation(ours, tensor(stored[f"out/{name}"])))


@pytest.mark.golden
@pytest.mark.golden_files("models_motion/edge_*.layout.json")
def test_golden_layouts(golden_file):
    layout = json.loads(golden_file.read_text())
    shapes = {name: entry["shape"] for name, entry in layout["state_dict"].items()}
    config = EDGE_JUKEBOX if shapes["cond_projection.weight"][1] == EDGE_JUKEBOX.music_features else EDGE
    with torch.device("meta"):
        network = Edge(config)
    assert {name: list(value.shape) for name, value in network.state_dict().items()} == shapes
    assert sum(weight.numel() for weight in network.parameters()) == layout["parameters"]
