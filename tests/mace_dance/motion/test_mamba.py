import json

import numpy as np
import pytest
import torch

from mace_dance.motion.mamba import BiMamba, Mamba
from tests.mace_dance.motion.golden import deviation, tensor, tensors, weights_of


def layer_for(shapes):
    """A layer of the sizes that these tensors have."""
    channels, width = shapes["A_log"][0], shapes["in_proj.weight"][1]
    return Mamba(
        d_model=width,
        d_state=shapes["A_log"][1],
        d_conv=shapes["conv1d.weight"][2],
        expand=channels // width,
        dt_rank=shapes["dt_proj.weight"][1],
        conv_bias="conv1d.bias" in shapes,
        bias="in_proj.bias" in shapes,
    )


def loaded(golden_file):
    state = tensors(np.load(weights_of(golden_file)), "sd/")
    layer = layer_for({name: value.shape for name, value in state.items()})
    layer.load_state_dict(state)
    return layer


def test_it_is_causal_and_the_pair_is_not():
    torch.manual_seed(0)
    x = torch.randn(2, 40, 16)
    changed = x.clone()
    changed[:, 25:] = torch.randn(2, 15, 16)
    one, both = Mamba(16), BiMamba(16).eval()
    with torch.no_grad():
        torch.testing.assert_close(one(x)[:, :25], one(changed)[:, :25], rtol=1e-5, atol=1e-6)
        assert (both(x)[:, 20] - both(changed)[:, 20]).abs().max() > 1e-6


def test_the_pair_treats_both_ends_of_time_alike():
    torch.manual_seed(0)
    pair = BiMamba(16).eval()
    mirrored = BiMamba(16).eval()
    mirrored.load_state_dict(pair.state_dict())
    mirrored.mamba_forward, mirrored.mamba_backward = mirrored.mamba_backward, mirrored.mamba_forward
    x = torch.randn(1, 30, 16)
    torch.testing.assert_close(mirrored(x.flip(1)), pair(x).flip(1))


def test_one_direction_has_no_backward_part():
    one = BiMamba(16, bidirectional=False)
    assert not [name for name in one.state_dict() if "backward" in name]
    with torch.no_grad():
        assert one(torch.randn(1, 3, 16)).shape == (1, 3, 16)


@pytest.mark.parametrize("length", [1, 3, 1500])
def test_every_length_trains(length, each_scan):
    layer = Mamba(8, d_state=4)
    y = layer(torch.randn(2, length, 8))
    y.square().mean().backward()
    assert y.shape == (2, length, 8)
    assert all(torch.isfinite(weight.grad).all() for weight in layer.parameters())


def test_biases_are_those_asked_for_and_the_rank_has_a_default():
    assert [Mamba(width).dt_rank for width in (16, 17, 512)] == [1, 2, 32]
    torch.manual_seed(0)
    plain, x = Mamba(8, d_state=4), torch.randn(2, 5, 8)
    torch.nn.init.zeros_(plain.conv1d.bias)
    state = plain.state_dict()
    del state["conv1d.bias"]
    other = Mamba(8, d_state=4, conv_bias=False, bias=True)
    other.load_state_dict({**state, "in_proj.bias": torch.zeros(32), "out_proj.bias": torch.arange(8.0)})
    with torch.no_grad():
        torch.testing.assert_close(other(x), plain(x) + torch.arange(8.0))
        other.in_proj.bias.copy_(torch.ones(32))
        assert (other(x) - plain(x) - torch.arange(8.0)).abs().max() > 1e-3


def test_first_steps_are_between_a_thousandth_and_a_tenth():
    steps = torch.nn.functional.softplus(Mamba(64).dt_proj.bias)
    assert 0.9e-3 < steps.min() < 0.01
    assert 0.03 < steps.max() < 0.11


@pytest.mark.golden
@pytest.mark.golden_files("models_motion/mamba_d*_s*_c*_e*.npz", "models_motion/mamba_stress_large_dt*.npz")
def test_golden_layers(golden_file, golden_deviations, each_scan):
    stored = np.load(golden_file)
    layer = loaded(golden_file)
    width, states, taps, expand, rank = map(int, stored["cfg"])
    assert layer.A_log.shape == (expand * width, states)
    assert (layer.conv1d.kernel_size, layer.dt_rank) == ((taps,), rank)
    kind = f"{'mamba_stress_large_dt' if 'stress' in golden_file.name else 'mamba'} ({each_scan})"
    for length, x in tensors(stored, "in/").items():
        with torch.no_grad():
            golden_deviations(kind, deviation(layer(x), tensor(stored[f"out/{length}"])))


@pytest.mark.golden
@pytest.mark.golden_files("models_motion/mamba_grad*.npz")
def test_golden_gradients(golden_file, golden_deviations, each_scan):
    stored = np.load(golden_file)
    layer = loaded(golden_file)
    x = tensor(stored["in/x"]).requires_grad_()
    y = layer(x)
    golden_deviations(f"mamba ({each_scan})", deviation(y, tensor(stored["out/y"])))
    (y * tensor(stored["in/w"])).sum().backward()
    ours = {"x": x.grad, **{name: weight.grad for name, weight in layer.named_parameters()}}
    theirs = tensors(stored, "grad/")
    assert ours.keys() == theirs.keys()
    for name, gradient in theirs.items():
        golden_deviations(f"mamba_grad ({each_scan})", deviation(ours[name], gradient))


@pytest.mark.golden
@pytest.mark.golden_files("models_motion/mamba_*.layout.json")
def test_golden_layout(golden_file):
    layout = json.loads(golden_file.read_text())
    shapes = {name: entry["shape"] for name, entry in layout["state_dict"].items()}
    with torch.device("meta"):
        layer = layer_for(shapes)
    assert {name: list(value.shape) for name, value in layer.state_dict().items()} == shapes
    assert sum(weight.numel() for weight in layer.parameters()) == layout["parameters"]


def test_step_by_step_is_the_whole():
    torch.manual_seed(0)
    layer = Mamba(6, d_state=4, d_conv=3)
    x = torch.randn(2, 7, 6)
    with torch.no_grad():
        whole = layer(x)
        steps, state = [], None
        for time in range(7):
            out, state = layer.step(x[:, time], state)
            steps.append(out)
    torch.testing.assert_close(torch.stack(steps, 1), whole, rtol=1e-5, atol=1e-6)
