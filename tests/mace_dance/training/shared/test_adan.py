import numpy as np
import pytest
import torch

from mace_dance.training.shared.adan import Adan, update_average
from tests.mace_dance.motion.golden import deviation, tensor, tensors


def test_it_finds_the_bottom_of_a_bowl():
    weight = torch.nn.Parameter(torch.tensor([3.0, -2.0]))
    optimiser = Adan([weight], lr=0.05, weight_decay=0)
    for _ in range(300):
        optimiser.zero_grad()
        loss = (weight - torch.tensor([1.0, 2.0])).square().sum()
        loss.backward()
        optimiser.step()
    assert loss.item() < 1e-2


def test_it_goes_on_where_it_stopped():
    gradients = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))

    def run(weight, optimiser, rows):
        for row in rows:
            weight.grad = gradients[row].clone()
            optimiser.step()

    whole = torch.nn.Parameter(torch.ones(3))
    run(whole, Adan([whole]), range(6))
    first = torch.nn.Parameter(torch.ones(3))
    optimiser = Adan([first])
    run(first, optimiser, range(3))
    second = torch.nn.Parameter(first.detach().clone())
    resumed = Adan([second])
    resumed.load_state_dict(optimiser.state_dict())
    run(second, resumed, range(3, 6))
    assert torch.equal(whole, second)


def test_the_average_follows_slowly():
    average, network = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    before = average.weight.clone()
    update_average(average, network, decay=0.9)
    torch.testing.assert_close(average.weight, 0.9 * before + 0.1 * network.weight)


@pytest.mark.golden
@pytest.mark.golden_files("models_motion/adan*.npz")
def test_golden_adan(golden_file, golden_deviations):
    stored = np.load(golden_file)
    outputs = tensors(stored, "out/")
    weights = {name: torch.nn.Parameter(tensor(stored[f"in/{name}0"])) for name in outputs}
    optimiser = Adan(weights.values(), lr=float(stored["lr"]), weight_decay=0.02)
    for step in range(len(next(iter(outputs.values())))):
        for name, weight in weights.items():
            weight.grad = tensor(stored[f"in/g{name}"][step])
        optimiser.step()
        for name, weight in weights.items():
            golden_deviations("adan", deviation(weight, outputs[name][step], rtol=1e-5, atol=1e-6))
