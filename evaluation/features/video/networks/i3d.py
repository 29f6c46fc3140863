"""Inflated 3D Inception (I3D, Carreira & Zisserman 2017), the network behind FVD.

:class:`I3d` carries the tensor names of the widely used PyTorch port, so that ``i3d_pretrained_400.pt`` loads
as it is; archives of TorchScript are read without being run. Ports disagree on one constant that no weights
file holds: the epsilon of batch normalisation is 1e-3 in the original and in DisCo, 1e-5 in VideoGPT's copy
and in cd-fvd. The logits differ by 0.8 %, so epsilon is part of a protocol. Ports also average differently
over time, which is one and the same for clips of 9 to 16 frames; others are not taken.

Legend: B clips, T frames, D = 400 classes.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from evaluation.features.video.networks.checkpoints import load_exactly, read_state_dict

__all__ = ["I3d", "load_i3d"]

_CLASSES = 400
_BLOCKS = {
    "Mixed_3b": (192, (64, 96, 128, 16, 32, 32)),
    "Mixed_3c": (256, (128, 128, 192, 32, 96, 64)),
    "Mixed_4b": (480, (192, 96, 208, 16, 48, 64)),
    "Mixed_4c": (512, (160, 112, 224, 24, 64, 64)),
    "Mixed_4d": (512, (128, 128, 256, 24, 64, 64)),
    "Mixed_4e": (512, (112, 144, 288, 32, 64, 64)),
    "Mixed_4f": (528, (256, 160, 320, 32, 128, 128)),
    "Mixed_5b": (832, (256, 160, 320, 32, 128, 128)),
    "Mixed_5c": (832, (384, 192, 384, 48, 128, 128)),
}
"""Input channels of each Inception block and the outputs of its six convolutions."""


class I3d(nn.Module):
    """(B, 3, T, 224, 224) pictures in -1..1 to class logits (B, 400), 9 <= T <= 16.

    Args:
        epsilon: of batch normalisation, 1e-3 or 1e-5 depending on the protocol.
    """

    def __init__(self, epsilon: float) -> None:
        super().__init__()
        self.Conv3d_1a_7x7 = _Unit(3, 64, 7, epsilon, stride=2)
        self.Conv3d_2b_1x1 = _Unit(64, 64, 1, epsilon)
        self.Conv3d_2c_3x3 = _Unit(64, 192, 3, epsilon)
        for name, (inputs, outputs) in _BLOCKS.items():
            self.add_module(name, _Inception(inputs, outputs, epsilon))
        self.logits = nn.ModuleDict({"conv3d": nn.Conv3d(1024, _CLASSES, 1)})

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        """See the class."""
        x = _pool(self.Conv3d_1a_7x7(clips), (1, 3, 3), (1, 2, 2))
        x = self.Conv3d_2c_3x3(self.Conv3d_2b_1x1(x))
        x = _pool(x, (1, 3, 3), (1, 2, 2))
        for name in _BLOCKS:
            if name == "Mixed_4b":
                x = _pool(x, (3, 3, 3), (2, 2, 2))
            elif name == "Mixed_5b":
                x = _pool(x, (2, 2, 2), (2, 2, 2))
            x = self.get_submodule(name)(x)
        logits: torch.Tensor = self.logits["conv3d"](F.avg_pool3d(x, (1, 7, 7), 1))
        return logits.mean(dim=(2, 3, 4))


class _Unit(nn.Module):
    def __init__(self, inputs: int, outputs: int, kernel: int, epsilon: float, stride: int = 1) -> None:
        super().__init__()
        self.conv3d = nn.Conv3d(inputs, outputs, kernel, stride, bias=False)
        self.bn = nn.BatchNorm3d(outputs, eps=epsilon)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        kernel, stride = self.conv3d.kernel_size, self.conv3d.stride
        return F.relu(self.bn(self.conv3d(_same_padding(x, kernel, stride))))


class _Inception(nn.Module):
    def __init__(self, inputs: int, outputs: tuple[int, ...], epsilon: float) -> None:
        super().__init__()
        self.b0 = _Unit(inputs, outputs[0], 1, epsilon)
        self.b1a = _Unit(inputs, outputs[1], 1, epsilon)
        self.b1b = _Unit(outputs[1], outputs[2], 3, epsilon)
        self.b2a = _Unit(inputs, outputs[3], 1, epsilon)
        self.b2b = _Unit(outputs[3], outputs[4], 3, epsilon)
        self.b3b = _Unit(inputs, outputs[5], 1, epsilon)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        branches = [
            self.b0(x),
            self.b1b(self.b1a(x)),
            self.b2b(self.b2a(x)),
            self.b3b(_pool(x, (3, 3, 3), (1, 1, 1))),
        ]
        return torch.cat(branches, dim=1)


def _pool(x: torch.Tensor, kernel: tuple[int, ...], stride: tuple[int, ...]) -> torch.Tensor:
    return F.max_pool3d(_same_padding(x, kernel, stride), kernel, stride)


def _same_padding(x: torch.Tensor, kernel: tuple[int, ...], stride: tuple[int, ...]) -> torch.Tensor:
    """TensorFlow's "same" padding with zeros, the odd one last."""
    pads: list[int] = []
    for length, size, step in zip(reversed(x.shape[2:]), reversed(kernel), reversed(stride), strict=True):
        extra = max(size - (length % step or step), 0)
        pads += [extra // 2, extra - extra // 2]
    return F.pad(x, pads) if any(pads) else x


def load_i3d(path: Path, epsilon: float, device: str = "cpu") -> I3d:
    """Load I3D trained on Kinetics-400.

    Args:
        path: ``i3d_pretrained_400.pt``, or any file with tensors of the same names and shapes.
        epsilon: of batch normalisation; the file does not hold it.

    Raises:
        WeightsError: the file is absent or its tensors are named otherwise.
    """
    with torch.device("meta"):
        network = I3d(epsilon)
    network.to_empty(device="cpu")
    load_exactly(network, read_state_dict(path), path)
    return network.to(device).eval()
