import numpy as np
import pytest
import torch
from torch import nn

from evaluation.features.video.networks import lpips as module
from evaluation.features.video.networks.lpips import Lpips, find_heads, load_lpips
from madata.errors import MissingDependencyError, WeightsError


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    """AlexNet's convolutions with random weights, in a file that also holds its classifier."""
    torch.manual_seed(0)
    state = {f"features.{name}": tensor for name, tensor in Lpips("alex").features.state_dict().items()}
    path = tmp_path_factory.mktemp("lpips") / "alexnet-owt-7be5be79.pth"
    torch.save(state | {"classifier.1.weight": torch.zeros(3, 3)}, path)
    return path


def pictures(seed, height=64, width=80):
    return torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def plain_reference(network, first, second):
    """Written out for one pair: unit vectors per place, weighted squares, mean, sum."""
    shift = torch.tensor([-0.030, -0.088, -0.188])[:, None, None]
    scale = torch.tensor([0.458, 0.448, 0.450])[:, None, None]
    x, y = (first - shift) / scale, (second - shift) / scale
    total, depth = 0.0, 0
    for step in network.features:
        x, y = step(x[None])[0], step(y[None])[0]
        if isinstance(step, nn.ReLU):
            weight = network.state_dict()[f"lin{depth}.model.1.weight"].flatten()
            gap = x / (x.norm(dim=0) + 1e-10) - y / (y.norm(dim=0) + 1e-10)
            total += float((gap.square() * weight[:, None, None]).sum(0).mean())
            depth += 1
    assert depth == 5
    return total


@torch.inference_mode()
def test_against_the_definition(backbone):
    network = load_lpips(backbone, "alex")
    first, second = pictures(1), pictures(2)
    expected = [plain_reference(network, a, b) for a, b in zip(first, second, strict=True)]
    np.testing.assert_allclose(network(first, second), expected, rtol=1e-5)
    np.testing.assert_allclose(network(first, first), 0.0)
    assert not network.training


@torch.inference_mode()
def test_the_spatial_mean_is_close_to_the_plain_one(backbone):
    plain, spatial = (
        load_lpips(backbone, "alex", spatial=flag)(pictures(1), pictures(2)) for flag in (False, True)
    )
    assert not torch.equal(plain, spatial)
    np.testing.assert_allclose(plain, spatial, rtol=0.05)


@pytest.mark.parametrize(
    ("net", "channels"), [("alex", [64, 192, 384, 256, 256]), ("vgg", [64, 128, 256, 512, 512])]
)
def test_official_heads_come_with_an_installed_wheel(net, channels):
    state = torch.load(find_heads(net), map_location="cpu", weights_only=True)
    assert [tuple(tensor.shape) for tensor in state.values()] == [(1, count, 1, 1) for count in channels]
    assert all((tensor >= 0).all() for tensor in state.values())


def test_without_heads_the_error_says_what_to_install(backbone, monkeypatch):
    monkeypatch.setattr(module, "_HEADS_IN_WHEELS", {"no_such_package": "{net}.pth"})
    with pytest.raises(MissingDependencyError, match="pip install"):
        load_lpips(backbone, "alex")


def test_another_backbone_is_refused(backbone):
    with pytest.raises(WeightsError, match="not the weights of"):
        load_lpips(backbone, "vgg")
