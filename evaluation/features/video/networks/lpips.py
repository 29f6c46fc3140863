"""Learned perceptual image patch similarity, LPIPS v0.1 (Zhang et al. 2018), lower is closer.

Both pictures pass a backbone; at five depths the channels of every place are scaled to unit length, their
squared differences are weighted by the official linear heads and averaged over places; the five means are
added. The backbones are the convolutions of torchvision's ImageNet files (``alexnet-owt-7be5be79.pth``,
``vgg16-397923af.pth``), read as they are. The heads (6 to 8 kB) come with the ``torchmetrics`` and ``lpips``
wheels.

Legend: B pictures, C channels.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from torch import nn

from evaluation.features.video.networks.checkpoints import load_exactly, read_state_dict
from madata.errors import MissingDependencyError

__all__ = ["Lpips", "find_heads", "load_lpips"]

Net = Literal["alex", "vgg"]

_SHIFT = (-0.030, -0.088, -0.188)
_SCALE = (0.458, 0.448, 0.450)
_HEADS_IN_WHEELS = {
    "torchmetrics": "functional/image/lpips_models/{net}.pth",
    "lpips": "weights/v0.1/{net}.pth",
}


def _alexnet() -> nn.Sequential:
    layers = [
        nn.Conv2d(3, 64, 11, 4, 2),
        nn.ReLU(),
        nn.MaxPool2d(3, 2),
        nn.Conv2d(64, 192, 5, padding=2),
        nn.ReLU(),
    ]
    layers += [nn.MaxPool2d(3, 2), nn.Conv2d(192, 384, 3, padding=1), nn.ReLU()]
    layers += [nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(), nn.Conv2d(256, 256, 3, padding=1), nn.ReLU()]
    return nn.Sequential(*layers)


def _vgg16() -> nn.Sequential:
    layers: list[nn.Module] = []
    inputs = 3
    for stage, (outputs, convolutions) in enumerate(((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))):
        if stage:
            layers.append(nn.MaxPool2d(2, 2))
        for _ in range(convolutions):
            layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU()]
            inputs = outputs
    return nn.Sequential(*layers)


_BACKBONES = {
    "alex": (_alexnet, {1: 64, 4: 192, 7: 384, 9: 256, 11: 256}),
    "vgg": (_vgg16, {3: 64, 8: 128, 15: 256, 22: 512, 29: 512}),
}
"""How to build the convolutions, and the channels of each layer whose output is compared."""


class Lpips(nn.Module):
    """Pictures and references (B, 3, H, W), -1..1, to distances (B,).

    Args:
        spatial: average the map of distances after bringing every depth to the size of the pictures.
    """

    def __init__(self, net: Net, spatial: bool = False) -> None:
        super().__init__()
        build, self._taps = _BACKBONES[net]
        self._spatial = spatial
        self.features = build()
        for depth, channels in enumerate(self._taps.values()):
            head = nn.Sequential(nn.Identity(), nn.Conv2d(channels, 1, 1, bias=False))
            self.add_module(f"lin{depth}", nn.ModuleDict({"model": head}))

    def forward(self, pictures: torch.Tensor, references: torch.Tensor) -> torch.Tensor:
        """See the class."""
        size = pictures.shape[-2:]
        x = torch.cat([pictures, references])
        x = (x - x.new_tensor(_SHIFT)[:, None, None]) / x.new_tensor(_SCALE)[:, None, None]
        total = x.new_zeros(len(pictures))
        depth = 0
        for layer, step in enumerate(self.features):
            x = step(x)
            if layer in self._taps:
                unit = x / (x.square().sum(1, keepdim=True).sqrt() + 1e-10)
                first, second = unit.chunk(2)
                distance = self.get_submodule(f"lin{depth}.model")((first - second).square())
                if self._spatial:
                    distance = F.interpolate(distance, size=size, mode="bilinear", align_corners=False)
                total = total + distance.mean(dim=(1, 2, 3))
                depth += 1
        return total


def find_heads(net: Net) -> Path:
    """The official v0.1 heads in an installed wheel; nothing of the wheel is imported.

    Raises:
        MissingDependencyError: neither torchmetrics nor lpips is installed.
    """
    for package, member in _HEADS_IN_WHEELS.items():
        spec = importlib.util.find_spec(package)
        for folder in (spec.submodule_search_locations or []) if spec else []:
            path = Path(folder) / member.format(net=net)
            if path.is_file():
                return path
    raise MissingDependencyError(
        "LPIPS needs its linear heads, which come with torchmetrics: pip install 'torchmetrics>=1.4'"
    )


def load_lpips(
    backbone: Path, net: Net, *, heads: Path | None = None, spatial: bool = False, device: str = "cpu"
) -> Lpips:
    """Load LPIPS.

    Args:
        backbone: torchvision's file of the whole ImageNet classifier; only its convolutions are used.
        heads: file of the linear heads; by default the ones in an installed wheel.

    Raises:
        WeightsError: a file is absent or holds another network.
        MissingDependencyError: there are no heads.
    """
    heads = heads or find_heads(net)
    network = Lpips(net, spatial)
    features = read_state_dict(backbone, "features.")
    load_exactly(network.features, features, backbone)
    own = {name: tensor for name, tensor in network.state_dict().items() if name.startswith("features.")}
    load_exactly(network, own | read_state_dict(heads), heads)
    return network.to(device).eval()
