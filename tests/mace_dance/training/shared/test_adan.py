import numpy as np
import pytest
import torch

from mace_dance.training.shared.adan import Adan
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


def by_the_paper(weight, gradients, lr, b1, b2, b3, eps, decay):
    """The equations of the module with numbers, one line each; the averages start at the second step."""
    m = v = n = 0.0
    before = None
    for step, g in enumerate(gradients, 1):
        if before is not None:
            change = g - before
            m = (1 - b1) * m + b1 * g
            v = (1 - b2) * v + b2 * change
            n = (1 - b3) * n + b3 * (g + (1 - b2) * change) ** 2
        first, second, third = (a / (1 - (1 - b) ** step) for a, b in ((m, b1), (v, b2), (n, b3)))
        weight = (weight - lr * (first + (1 - b2) * second) / (third**0.5 + eps)) / (1 + decay * lr)
        before = g
    return weight


@pytest.mark.parametrize("betas", [(0.02, 0.08, 0.01), (0.3, 0.5, 0.2)])
@pytest.mark.parametrize("decay", [0.0, 0.5])
def test_every_step_is_that_of_the_equations(betas, decay):
    gradients = [0.5, -1.25, 2.0, 0.75, -0.5]
    for steps in range(1, 6):
        weight = torch.nn.Parameter(torch.tensor([1.5], dtype=torch.float64))
        optimiser = Adan([weight], lr=0.1, betas=betas, eps=1e-8, weight_decay=decay)
        for gradient in gradients[:steps]:
            weight.grad = torch.tensor([gradient], dtype=torch.float64)
            optimiser.step()
        assert weight.item() == pytest.approx(by_the_paper(1.5, gradients[:steps], 0.1, *betas, 1e-8, decay))


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
