import json

import numpy as np
import pytest
import torch

from mace_dance.appearance.lora import ADAPTER_NAME
from mace_dance.appearance.names import ATTENTION, FEED_FORWARD, LAYER
from mace_dance.appearance.schedules import training_schedule
from mace_dance.appearance.tiny import tiny_pipeline
from mace_dance.training.appearance.loss import (
    ClipBatch,
    face_pixels,
    flow_loss,
    predict_velocity,
    velocity_error,
    without_controls,
)
from mace_dance.training.appearance.selection import select_aesthetic, select_kinematic
from mace_dance.training.appearance.settings import LoraSettings
from mace_dance.training.shared.rates import build_optimizer
from mace_dance.training.shared.settings import LoopSettings
from tests.mace_dance.appearance.golden_weights import lora_tensor, tiny_transformer

CONFIG = "models_appearance/wan_tiny_config.json"


def cases(path):
    with np.load(path) as archive:
        found = {}
        for key in archive.files:
            case, _, field = key.partition("/")
            found.setdefault(case, {})[field] = archive[key]
    return found


def ours(name):
    """Our name of a trained parameter: peft's on the original model -> peft's on the diffusers one."""
    if ".lora_" not in name:
        return name
    layer, factor = name.split(".lora_")
    block, kind, part = layer.rsplit(".", 2)
    inner = f"ffn.{FEED_FORWARD[part]}" if kind == "ffn" else f"{ATTENTION[kind]}.{LAYER[part]}"
    return f"{block}.{inner}.lora_{factor.replace('default', ADAPTER_NAME)}"


def step(network, case):
    """Loss of a case, and the optimiser after its backward pass."""
    tensor = {
        name: torch.from_numpy(np.atleast_1d(value))
        for name, value in case.items()
        if value.dtype.kind == "f"
    }
    text = torch.zeros(1, 512, tensor["text"].shape[1])
    text[0, : len(tensor["text"])] = tensor["text"]
    clean, noise, sigma = tensor["latents"][None], tensor["noise"][None], tensor["sigma"]
    batch = ClipBatch(
        clean, tensor["y"][None], tensor["pose_latents"], torch.empty(0), text, tensor["clip_fea"]
    )
    noisy = (1 - sigma) * clean + sigma * noise
    predicted = predict_velocity(network, noisy, 1000 * sigma, batch, tensor["face"])
    loss = velocity_error(predicted, clean, noise)
    loss.backward()
    return loss.item()


def check_step(network, case, golden_deviations, kind):
    before = {name: value.detach().clone() for name, value in network.named_parameters()}
    parameters = dict(network.named_parameters())
    trained = [name for name, value in parameters.items() if value.requires_grad]
    assert sorted(trained) == sorted(ours(str(name)) for name in case["trainable"])
    loss = step(network, case)
    golden_deviations(f"{kind} loss", abs(loss - float(case["loss"])))
    assert loss == pytest.approx(float(case["loss"]), abs=1e-5)
    worst = 0.0
    for field, expected in case.items():
        if field.startswith("grad::"):
            found = parameters[ours(field.removeprefix("grad::"))].grad.numpy()
            worst = max(worst, np.abs(found - expected).max() / np.abs(expected).max())
    golden_deviations(f"{kind} gradients, relative", worst)
    assert worst < 1e-4
    if "grad_norms" in case:
        norms = np.array([parameters[ours(str(name))].grad.norm().item() for name in case["trainable"]])
        worst = (np.abs(norms - case["grad_norms"]) / case["grad_norms"]).max()
        golden_deviations(f"{kind} gradient norms, relative", worst)
        assert worst < 1e-4
    settings = LoopSettings(optimizer="adamw", learning_rate=1e-3, weight_decay=1e-2)
    build_optimizer(settings, [parameters[name] for name in trained]).step()
    for field, expected in case.items():
        if field.startswith("after::"):
            found = parameters[ours(field.removeprefix("after::"))].detach().numpy()
            golden_deviations(f"{kind} after a step", np.abs(found - expected).max())
            np.testing.assert_allclose(found, expected, atol=1e-6, rtol=0)
    moved = {name for name, value in parameters.items() if not torch.equal(value, before[name])}
    assert moved == set(trained)


@pytest.mark.golden
@pytest.mark.golden_files("models_appearance/wan_tiny_train_kinematic*.npz")
def test_golden_kinematic_step(golden_file, golden_companion, golden_deviations):
    config = json.loads(golden_companion(CONFIG).read_text())
    for case in cases(golden_file).values():
        network = tiny_transformer(config)
        select_kinematic(network)
        check_step(network, case, golden_deviations, "kinematic")


@pytest.mark.golden
@pytest.mark.golden_files("models_appearance/wan_tiny_train_aesthetic*.npz")
def test_golden_aesthetic_step(golden_file, golden_companion, golden_deviations):
    config = json.loads(golden_companion(CONFIG).read_text())
    for case in cases(golden_file).values():
        network = tiny_transformer(config)
        rank = next(value.shape[0] for name, value in case.items() if "lora_A" in name)
        select_aesthetic(network, LoraSettings(rank=rank))
        parameters = dict(network.named_parameters())
        for name in map(str, case["trainable"]):
            place = parameters[ours(name)]
            place.data.copy_(lora_tensor(name, place.shape))
        check_step(network, case, golden_deviations, "aesthetic")


@pytest.fixture(scope="module")
def network():
    network = tiny_pipeline().transformer.requires_grad_(False)
    for adapter in network.face_adapter:
        torch.nn.init.normal_(adapter.to_out.bias)
    return network


@pytest.fixture(scope="module")
def batch():
    rng = torch.Generator().manual_seed(0)

    def normal(*shape):
        return torch.randn(*shape, generator=rng)

    face = torch.randint(0, 256, (2, 1, 16, 16, 3), generator=rng, dtype=torch.uint8)
    return ClipBatch(
        normal(2, 16, 3, 4, 4), normal(2, 20, 3, 4, 4), normal(2, 16, 2, 4, 4), face, normal(2, 512, 32),
        normal(2, 17, 4),
    )  # fmt: skip


def test_the_loss_is_the_weighted_mean_over_samples_and_slots(network, batch):
    schedule = training_schedule()
    whole = flow_loss(network, batch, schedule, torch.Generator().manual_seed(3))
    rng = torch.Generator().manual_seed(3)
    index = torch.randint(1000, (2,), generator=rng)
    noise = torch.randn(batch.target.shape, generator=rng)
    sigma = schedule.sigmas[index].reshape(2, 1, 1, 1, 1)
    noisy = (1 - sigma) * batch.target + sigma * noise
    face = face_pixels(batch.face, 5)
    predicted = predict_velocity(network, noisy, 1000 * sigma.flatten(), batch, face)
    errors = [((predicted - noise + batch.target)[i] ** 2).mean() for i in (0, 1)]
    expected = sum(schedule.weights[index[i]] * errors[i] for i in (0, 1)) / 2
    torch.testing.assert_close(whole, expected)


def test_the_first_slot_may_be_left_out():
    predicted, zero = torch.zeros(1, 16, 3, 2, 2), torch.zeros(1, 16, 3, 2, 2)
    predicted[:, :, 0] = 3.0
    assert velocity_error(predicted, zero, zero).item() == pytest.approx(3.0)
    assert velocity_error(predicted, zero, zero, reference_slot=False).item() == 0


def test_without_controls_neither_pose_nor_face_matters(network, batch):
    schedule = training_schedule()
    other = batch._replace(pose=batch.pose + 1, face=255 - batch.face)

    def losses():
        return [
            flow_loss(network, b, schedule, torch.Generator().manual_seed(0)).item() for b in (batch, other)
        ]

    driven = losses()
    with without_controls(network):
        free = losses()
    assert driven[0] != driven[1]
    assert free[0] == free[1] != driven[0]
    assert losses() == driven


def test_faces_are_scaled_as_generation_scales_them():
    face = torch.tensor([0, 255], dtype=torch.uint8).reshape(1, 2, 1, 1, 1).expand(1, 2, 4, 4, 3)
    assert face_pixels(face, 2)[0, 0, :, 0, 0].tolist() == [-1.0, 1.0]
    assert face_pixels(face[:, :1], 5).shape == (1, 3, 5, 4, 4)
