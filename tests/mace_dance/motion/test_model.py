import json

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from mace_dance.motion.config import ABLATIONS, OFFICIAL, PAPER, MotionExpertConfig
from mace_dance.motion.layers import turned_by_time
from mace_dance.motion.model import MotionExpert
from madata.errors import ConfigError
from tests.mace_dance.motion.golden import deviation, motion_expert, tensors, tiny


def inputs(batch=2, frames=7, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return {
        "x": torch.randn(batch, frames, 9, generator=generator),
        "music": torch.randn(batch, frames, 5, generator=generator),
        "genre": torch.arange(batch) % 3,
        "times": torch.arange(batch) * 300,
        "beta": torch.linspace(0.2, 0.9, batch),
    }


@pytest.mark.parametrize(
    ("name", "millions"),
    [("gft-to-cfg", 64.58), ("bimamba-to-mamba", 49.73), ("bimamba-to-transformer", 43.29)],
)
def test_sizes_of_the_ablations(name, millions):
    with torch.device("meta"):
        network = MotionExpert(ABLATIONS[name])
    assert sum(weight.numel() for weight in network.parameters()) / 1e6 == pytest.approx(millions, abs=0.005)


@pytest.mark.parametrize("settings", [{}, {"mixer": "mamba"}, {"mixer": "attention"}, {"guidance": "cfg"}])
@pytest.mark.parametrize("frames", [1, 40])
def test_every_variant_takes_every_length_and_a_batch_of_one(settings, frames):
    network = tiny(**settings)
    given = inputs(batch=1, frames=frames)
    if settings.get("guidance") == "cfg":
        del given["beta"]
    out = network(**given)
    assert out.shape == given["x"].shape
    out.sum().backward()
    assert all(weight.grad is not None for weight in network.parameters())


def test_samples_of_a_batch_do_not_meet():
    network, given = tiny(), inputs(batch=3)
    with torch.no_grad():
        together = network(**given)
        for index in range(3):
            alone = network(**{name: value[index : index + 1] for name, value in given.items()})
            torch.testing.assert_close(alone[0], together[index], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("null", ["add", "replace"])
def test_a_condition_left_out_is_no_condition(null):
    network, given = tiny(choices={"null": null}), inputs()
    with torch.no_grad():
        dropped = network.encode_music(given["music"], given["genre"], keep=torch.tensor([True, False]))
        kept = network.encode_music(given["music"], given["genre"])
        empty = network.without_music(2, 7)
    torch.testing.assert_close(dropped[0], kept[0])
    torch.testing.assert_close(dropped[1], empty[1])


def test_the_two_readings_of_the_null_condition_differ_by_the_learnt_vector():
    added, replaced = tiny(), tiny(choices={"null": "replace"})
    given = inputs()
    with torch.no_grad():
        difference = added.encode_music(given["music"], given["genre"]) - replaced.encode_music(
            given["music"], given["genre"]
        )
    torch.testing.assert_close(difference, added.null_cond_embed.expand_as(difference))


def test_without_genre_there_is_no_genre():
    network, given = tiny(choices={"genre": "off"}), inputs()
    assert not [name for name in network.state_dict() if "genre" in name]
    with pytest.raises(ConfigError, match="takes no genre"):
        network(**given)
    given["genre"] = None
    assert network(**given).shape == given["x"].shape
    with pytest.raises(ConfigError, match="needs genre"):
        tiny()(**given)


def test_inputs_of_another_network_are_refused():
    network, given = tiny(), inputs()
    with pytest.raises(ConfigError, match=r"music must be \(B, T, 5\), got \(2, 7, 9\)"):
        network(**{**given, "music": given["x"]})
    with pytest.raises(ConfigError, match=r"motion must be \(B, T, 9\), got \(2, 7, 5\)"):
        network(**{**given, "x": given["music"]})
    with pytest.raises(ConfigError, match="needs beta"):
        network(**{**given, "beta": None})
    with pytest.raises(ConfigError, match="takes no beta"):
        tiny(guidance="cfg")(**given)


def test_settings_are_closed():
    with pytest.raises(ValidationError, match="mixxer"):
        MotionExpertConfig(mixxer="mamba")
    with pytest.raises(ValidationError, match="multiple of heads"):
        MotionExpertConfig(latent=36, heads=8)
    assert all(value != getattr(OFFICIAL.choices, name) for name, value in PAPER.choices)


@pytest.mark.golden
@pytest.mark.golden_files("models_motion/motion_expert_weights*.npz")
def test_golden_weights_load_strictly(golden_file):
    stored = tensors(np.load(golden_file), "sd/")
    ours = motion_expert(golden_file).state_dict()
    assert ours.keys() == stored.keys()
    assert all(torch.equal(ours[name], stored[name]) for name in stored)


@pytest.mark.golden
@pytest.mark.golden_files("models_motion/motion_expert_net*.npz")
def test_golden_network(golden_file, golden_deviations):
    stored = np.load(golden_file)
    network = motion_expert(golden_file)
    for case in sorted({name.split("/")[0] for name in stored.files if "/in/" in name}):
        given = tensors(stored, f"{case}/in/")
        x, music, genre, times = (given[name] for name in ("x", "cond", "genre", "t"))
        none = torch.zeros(len(x), dtype=torch.bool)
        ones = torch.ones(len(x))
        runs = {
            "cond": (given["beta"], None),
            "uncond_same_beta": (given["beta"], none),
            "uncond_beta1": (ones, none),
        }
        for name, theirs in tensors(stored, f"{case}/out/").items():
            if name.startswith("infer_beta"):
                runs[name] = (float(name.removeprefix("infer_beta")) * ones, None)
            beta, keep = runs[name]
            with torch.no_grad():
                ours = network(x, music, genre, times, beta, keep)
            golden_deviations("motion_expert_net", deviation(ours, theirs))


@pytest.mark.golden
@pytest.mark.golden_files("models_motion/motion_expert*.layout.json")
def test_golden_layout(golden_file):
    layout = json.loads(golden_file.read_text())
    with torch.device("meta"):
        network = MotionExpert(OFFICIAL)
    ours = {
        name: {"shape": list(value.shape), "dtype": str(value.dtype).removeprefix("torch.")}
        for name, value in network.state_dict().items()
    }
    assert ours == layout["state_dict"]
    assert len(ours) == layout["entries"] == 373
    assert sum(weight.numel() for weight in network.parameters()) == layout["parameters"] == 66_680_983


def test_attention_that_knows_time_tells_near_music_from_far():
    """With music and dance moved together the attention sees no difference; with one of them moved it does."""
    x, y = torch.randn(2, 1, 1, 1, 8, generator=torch.Generator().manual_seed(0))
    still = turned_by_time(x.expand(1, 1, 30, 8)) @ turned_by_time(y.expand(1, 1, 30, 8)).transpose(-1, -2)
    for distance in (-20, 0, 7):
        band = torch.diagonal(still[0, 0], distance)
        torch.testing.assert_close(band, band[:1].expand_as(band), rtol=1e-5, atol=1e-5)
    assert still[0, 0, 0].std() > 0.1


def test_only_attention_that_knows_time_hears_in_which_order_music_comes():
    """Without Mamba before it, published attention takes music in any order for the same."""
    given = inputs(batch=1, frames=20)
    memory = torch.randn(1, 20, tiny().config.latent, generator=torch.Generator().manual_seed(3))
    for settings, alike in (({}, True), ({"attention_time": "relative"}, False)):
        network = tiny(**settings)
        with torch.no_grad():
            one, other = (
                network.denoise(given["x"], order, given["times"], given["beta"])
                for order in (memory, memory.flip(1))
            )
        assert torch.allclose(one, other, atol=1e-5) is alike


def test_relative_time_needs_pairs_of_features():
    with pytest.raises(ValidationError, match="even width of heads"):
        MotionExpertConfig(latent=12, heads=4, attention_time="relative")
