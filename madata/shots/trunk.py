"""The convolutions of TransNet V2 on the CPU, each distinct row computed once.

A row is what the network makes of one frame of a window at one depth. Three blocks of two cells follow each other; a
cell is four parallel (2+1)D convolutions, dilated by 1, 2, 4 and 8 frames, with one batch norm. What a row comes to
depends on the rows 0, 1, 2, 4 and 8 before and behind it, one cell less deep, and on nothing else: rows made of the
same nine are the same. So rows are named by what they are made of, and a name that stood in this window or in the
last one is not computed again. That covers what two windows share, the repeated first and last frame of a video, and
pictures that stand still.

Spatial and temporal steps of a cell are linear with nothing between; batch norm is folded into the temporal one.

Legend: T = 100 frames of a window, F filters of a branch, 4F channels of a cell. Activations are (parts, slots, H,
W, channels / parts), where the parts are the four branches or one, and each distinct row has a slot.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.linalg.blas import sgemm

from madata.shots.convolution import TileConvolution, gather_patches
from madata.types import FloatArray

__all__ = ["DILATIONS", "WINDOW", "CellWeights", "Trunk", "TrunkStream"]

WINDOW = 100
DILATIONS = (1, 2, 4, 8)
_BATCH_NORM_EPSILON = 1e-3
_OFFSETS = (0, *DILATIONS, *(-dilation for dilation in DILATIONS))
_REACH = max(DILATIONS)
_BEYOND = -1
_BRANCHES = len(DILATIONS)
_FILTERS = (16, 32, 64)
_SIZES = ((27, 48), (13, 24), (6, 12))
_TILES = ((7, 6), (7, 6), (6, 6))
_SCRATCH_FLOATS = 400_000


@dataclass(frozen=True)
class CellWeights:
    """Weights of a cell, its batch norm folded into the temporal convolutions.

    Attributes:
        spatial: (4 * 2F, C, 3, 3), the branches one behind the other.
        temporal: (F, 2F, 3) of each branch.
        bias: (F,) of each branch.
    """

    spatial: FloatArray
    temporal: tuple[FloatArray, ...]
    bias: tuple[FloatArray, ...]

    @classmethod
    def of(cls, state: Mapping[str, FloatArray], name: str) -> CellWeights:
        """Read cell ``name``."""
        layers = [f"{name}.Conv3D_{dilation}.layers" for dilation in DILATIONS]
        variance = state[f"{name}.bn.running_var"].astype(np.float64) + _BATCH_NORM_EPSILON
        scale = state[f"{name}.bn.weight"] / np.sqrt(variance)
        bias = state[f"{name}.bn.bias"] - state[f"{name}.bn.running_mean"] * scale
        temporal = [state[f"{layer}.1.weight"][..., 0, 0] for layer in layers]
        scaled = zip(temporal, np.split(scale, _BRANCHES), strict=True)
        return cls(
            np.concatenate([state[f"{layer}.0.weight"][:, :, 0] for layer in layers]),
            tuple((weight * factor[:, None, None]).astype(np.float32) for weight, factor in scaled),
            tuple(np.split(bias.astype(np.float32), _BRANCHES)),
        )


class Trunk:
    """The weights of the six cells, ready for use; any number of streams may share one.

    Args:
        state: the network's tensors by their names.

    Raises:
        KeyError: a tensor is missing.
    """

    def __init__(self, state: Mapping[str, FloatArray]) -> None:
        self.cells = [_Cell(state, block, index) for block in range(3) for index in range(2)]
        self.idle: list[TrunkStream] = []

    def stream(self) -> TrunkStream:
        """What computes the windows of one video, in order."""
        return self.idle.pop() if self.idle else TrunkStream(self)


class TrunkStream:
    """The windows of one video, one after the other, with what they have in common (180 MB).

    Closed, it waits for the next video: touching so much new memory takes as long as a third of a window.
    """

    def __init__(self, trunk: Trunk) -> None:
        self._trunk = trunk
        self._levels = [_Level(3, _SIZES[0], 1, (1, 27))]
        for filters, wider, (height, width) in zip(_FILTERS, (*_FILTERS[1:], 0), _SIZES, strict=True):
            channels = _BRANCHES * filters
            self._levels.append(_Level(channels, (height, width), _BRANCHES, (_BRANCHES, 2 * filters)))
            self._levels.append(_Level(channels, (height // 2, width // 2), 1, (_BRANCHES, 2 * wider)))

    def window(
        self, frames: npt.NDArray[np.uint8], names: Sequence[int], middle: slice
    ) -> tuple[FloatArray, FloatArray]:
        """The mean of each block's result over the picture, (T, 448), and the last one of some rows, (n, 4608).

        Args:
            frames: (T, 27, 48, 3).
            names: (T,), at least 0; frames of the same name are the same, also those of the last window.
            middle: the rows.
        """
        first, last = self._levels[0], self._levels[-1]
        for row in first.take(names):
            np.divide(frames[row], 255.0, out=first.pictures[0, first.slots[row]], dtype=np.float32)
        means = []
        for depth, cell in enumerate(self._trunk.cells):
            level, deeper = self._levels[depth : depth + 2]
            cell.convolve(level)
            fresh = deeper.take(deeper.names_of(level.names))
            for rows in _chunks(fresh, cell.rows_at_once):
                outputs = cell.combine(level, rows)
                if depth % 2 == 0:
                    deeper.put(rows, outputs)
                else:
                    deeper.put_pooled(rows, outputs, level)
            if depth % 2:
                means.append(deeper.means[deeper.slots])
        features = last.pictures[0, last.slots[middle]]
        return np.concatenate(means, axis=1), features.reshape(len(features), -1)

    def close(self) -> None:
        """There are no more windows."""
        for level in self._levels:
            level.forget()
        self._trunk.idle.append(self)


class _Level:
    """The distinct rows of one depth, and what the next cell's spatial step makes of each.

    Args:
        channels, size, parts: of the activations.
        convolved: parts and channels of each of them that the next cell's spatial step gives.

    Attributes:
        names, slots: of the rows of the window.
        fresh: the slots that the window has filled anew, ascending.
        means: (slots, channels), of pooled activations.
    """

    def __init__(
        self, channels: int, size: tuple[int, int], parts: int, convolved: tuple[int, int] = (0, 0)
    ) -> None:
        self.pictures = np.empty((parts, WINDOW, *size, channels // parts), np.float32)
        self.convolved = np.empty((convolved[0], WINDOW, *size, convolved[1]), np.float32)
        self.means = np.empty((WINDOW, channels), np.float32)
        self._share = np.full(size[0] * size[1], 1 / (size[0] * size[1]), np.float32)
        self.names: list[int] = []
        self.slots: list[int] = []
        self.fresh: list[int] = []
        self._slot_of: dict[int, int] = {}
        self._name_of: dict[tuple[int, ...], int] = {}
        self._unused = itertools.count()

    def forget(self) -> None:
        """Whatever comes next is of another video."""
        self._slot_of, self._name_of = {}, {}

    def names_of(self, before: Sequence[int]) -> list[int]:
        """Names for rows that are made of rows of these names."""
        padded = [_BEYOND] * _REACH + list(before) + [_BEYOND] * _REACH
        made_of = [tuple(padded[_REACH + row + offset] for offset in _OFFSETS) for row in range(WINDOW)]
        known, self._name_of = self._name_of, {}
        for key in made_of:
            if key not in self._name_of:
                self._name_of[key] = known[key] if key in known else next(self._unused)
        return [self._name_of[key] for key in made_of]

    def take(self, names: Sequence[int]) -> list[int]:
        """Give each name a slot, its old one if it has one; return the rows whose slots are to be filled."""
        self._slot_of = {name: self._slot_of[name] for name in names if name in self._slot_of}
        free = iter(sorted(set(range(WINDOW)) - set(self._slot_of.values())))
        rows = []
        for row, name in enumerate(names):
            if name not in self._slot_of:
                self._slot_of[name] = next(free)
                rows.append(row)
        self.names, self.slots = list(names), [self._slot_of[name] for name in names]
        self.fresh = [self.slots[row] for row in rows]
        return rows

    def put(self, rows: Sequence[int], outputs: FloatArray) -> None:
        """Fill the slots of some rows with the outputs of a first cell (4, n, H, W, F)."""
        for place, row in enumerate(rows):
            np.maximum(outputs[:, place], 0.0, out=self.pictures[:, self.slots[row]])

    def put_pooled(self, rows: Sequence[int], outputs: FloatArray, shortcut: _Level) -> None:
        """The same of a second cell: its first cell's output is added, and 2x2 pixels become one.

        ``outputs`` are used up.
        """
        height, width = self.pictures.shape[2:4]
        for place, row in enumerate(rows):
            total = outputs[:, place]
            np.maximum(total, 0.0, out=total)
            total += shortcut.pictures[:, shortcut.slots[row]]
            halved = total[:, : 2 * height : 2, : 2 * width]
            halved += total[:, 1 : 2 * height : 2, : 2 * width]
            picture = self.pictures[0, self.slots[row]]
            by_branch = picture.reshape(height, width, _BRANCHES, -1).transpose(2, 0, 1, 3)
            np.add(halved[:, :, ::2], halved[:, :, 1::2], out=by_branch)
            picture *= 0.25
            # the mean over the picture; NumPy's own takes three times as long
            np.matmul(self._share, picture.reshape(height * width, -1), out=self.means[self.slots[row]])


class _Cell:
    """Four dilated (2+1)D convolutions side by side and their batch norm: a spatial and a temporal step."""

    def __init__(self, state: Mapping[str, FloatArray], block: int, index: int) -> None:
        weights = CellWeights.of(state, f"SDDCNN.{block}.DDCNN.{index}")
        self._size = _SIZES[block]
        pixels = self._size[0] * self._size[1]
        self._bias = np.repeat(np.stack(weights.bias)[:, None, None], pixels, axis=2)
        # [branch][tap]: from what the spatial step gives to F filters
        taps = [[weight[:, :, tap].T for tap in range(3)] for weight in weights.temporal]
        self._spatial: Callable[[FloatArray, FloatArray], None]
        if block == index == 0:
            # a patch of three channels is smaller than what the spatial filters make of it: both steps are one
            self._spatial = gather_patches
            spatial = np.split(weights.spatial, _BRANCHES)
            matrices = [weight.transpose(2, 3, 1, 0).reshape(-1, len(weight)) for weight in spatial]
            taps = [[matrix @ tap for tap in some] for matrix, some in zip(matrices, taps, strict=True)]
        else:
            self._spatial = TileConvolution(weights.spatial, self._size, _TILES[block])
        self._taps = [[np.ascontiguousarray(tap, np.float32) for tap in some] for some in taps]
        self.rows_at_once = max(1, _SCRATCH_FLOATS // self._bias[:, 0].size)

    def convolve(self, level: _Level) -> None:
        """The spatial step for the fresh slots of a level."""
        for _, slots in _runs(level.fresh):
            self._spatial(level.pictures[:, slots], level.convolved[:, slots])

    def combine(self, level: _Level, rows: Sequence[int]) -> FloatArray:
        """The temporal step for some rows: (4, n, H, W, F)."""
        pixels, filters = self._bias.shape[2:]
        out = np.repeat(self._bias, len(rows), axis=1)
        for branch, dilation in enumerate(DILATIONS):
            x = level.convolved[branch % len(level.convolved)].reshape(WINDOW, pixels, -1)
            for offset, weights in zip((-dilation, 0, dilation), self._taps[branch], strict=True):
                looked_at = [row + offset for row in rows]
                slots = [level.slots[at] if 0 <= at < WINDOW else _BEYOND for at in looked_at]
                for places, some in _runs(slots):
                    _add_product(x[some], weights, out[branch, places])
        return out.reshape(_BRANCHES, len(rows), *self._size, filters)


def _add_product(x: FloatArray, weights: FloatArray, out: FloatArray) -> None:
    """``out`` (n, pixels, F) += ``x`` (n, pixels, 2F) @ ``weights`` (2F, F), which NumPy does not offer in one pass."""
    channels, filters = weights.shape
    # the BLAS counts columns first: everything is transposed, nothing is copied
    sgemm(1.0, weights.T, x.reshape(-1, channels).T, 1.0, out.reshape(-1, filters).T, overwrite_c=1)


def _runs(slots: Sequence[int]) -> Iterator[tuple[slice, slice]]:
    """Where successive entries are successive slots: places and slots. Entries beyond the window are left out."""
    start = 0
    for stop in range(1, len(slots) + 1):
        if stop == len(slots) or slots[stop] != slots[stop - 1] + 1 or slots[stop - 1] == _BEYOND:
            if slots[start] != _BEYOND:
                yield slice(start, stop), slice(slots[start], slots[stop - 1] + 1)
            start = stop


def _chunks(rows: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    for first in range(0, len(rows), size):
        yield rows[first : first + size]
