"""From the heat maps of a top-down network to joint positions.

Legend: N crops, J joints, heat maps of ``rows`` x ``columns``. Positions are (column, row) of cell centres.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from madata.pose.crops import Affine, apply, invert
from madata.types import FloatArray

__all__ = ["Method", "decode_heatmaps", "peaks", "to_picture"]

Method = Literal["dark", "shift"]
_Cells = npt.NDArray[np.intp]
_BLUR = 11


def decode_heatmaps(heatmaps: FloatArray, method: Method = "dark") -> tuple[FloatArray, FloatArray]:
    """Sub-cell positions (N, J, 2) and peak values (N, J) of heat maps (N, J, rows, columns).

    ``"dark"`` fits a Gaussian round the peak: a Newton step on the logarithm of the blurred map (Zhang et
    al., "Distribution-aware coordinate representation", CVPR 2020, in the form of ViTPose). ``"shift"``
    moves the peak by a quarter of a cell towards its higher neighbour.
    """
    cells, score = peaks(heatmaps)
    step = _newton_step(heatmaps, cells) if method == "dark" else _quarter_step(heatmaps, cells)
    return (cells + step).astype(np.float32), score


def peaks(heatmaps: FloatArray) -> tuple[_Cells, FloatArray]:
    """Highest cell (N, J, 2) as (column, row) and its value (N, J)."""
    flat = heatmaps.reshape(*heatmaps.shape[:2], -1)
    best = flat.argmax(axis=-1)
    rows, columns = np.divmod(best, heatmaps.shape[-1])
    return np.stack([columns, rows], axis=-1), np.take_along_axis(flat, best[..., None], axis=-1)[..., 0]


def _neighbourhoods(maps: FloatArray, cells: _Cells) -> FloatArray:
    """The 3 x 3 cells (N, J, 3, 3) round ``cells``, the edge repeated beyond the map."""
    padded = np.pad(maps, ((0, 0), (0, 0), (1, 1), (1, 1)), mode="edge")
    crop, joint = np.indices(cells.shape[:2])[..., None, None]
    offset = np.arange(3)
    rows = cells[..., 1, None, None] + offset[:, None]
    columns = cells[..., 0, None, None] + offset
    return np.asarray(padded[crop, joint, rows, columns], np.float32)


def _newton_step(heatmaps: FloatArray, cells: _Cells) -> FloatArray:
    near = _neighbourhoods(np.log(np.clip(_blurred(heatmaps), 1e-3, 50.0)), cells).astype(np.float64)
    gradient = np.stack([near[..., 1, 2] - near[..., 1, 0], near[..., 2, 1] - near[..., 0, 1]], axis=-1) / 2.0
    xx = near[..., 1, 2] - 2.0 * near[..., 1, 1] + near[..., 1, 0]
    yy = near[..., 2, 1] - 2.0 * near[..., 1, 1] + near[..., 0, 1]
    xy = (near[..., 2, 2] - near[..., 2, 0] - near[..., 0, 2] + near[..., 0, 0]) / 4.0
    determinant = xx * yy - xy * xy
    peaked = (determinant > 1e-9) & (xx < 0) & (yy < 0)
    safe = np.where(peaked, determinant, 1.0)
    step = np.stack(
        [
            -(yy * gradient[..., 0] - xy * gradient[..., 1]) / safe,
            -(xx * gradient[..., 1] - xy * gradient[..., 0]) / safe,
        ],
        axis=-1,
    )
    return np.asarray(np.clip(np.where(peaked[..., None], step, 0.0), -1.0, 1.0), np.float32)


def _blurred(heatmaps: FloatArray) -> FloatArray:
    import cv2

    maps = heatmaps.reshape(-1, *heatmaps.shape[2:]).astype(np.float32)
    return np.stack([cv2.GaussianBlur(one, (_BLUR, _BLUR), 0) for one in maps]).reshape(heatmaps.shape)


def _quarter_step(heatmaps: FloatArray, cells: _Cells) -> FloatArray:
    near = _neighbourhoods(heatmaps, cells)
    difference = np.stack([near[..., 1, 2] - near[..., 1, 0], near[..., 2, 1] - near[..., 0, 1]], axis=-1)
    return np.asarray(0.25 * np.sign(difference), np.float32)


def to_picture(
    cells: FloatArray, heatmap_size: tuple[int, int], crop_size: tuple[int, int], matrix: Affine
) -> FloatArray:
    """Cells (J, 2) of one crop as px of the picture; ``matrix`` is its :func:`madata.pose.crops.box_crop`.

    Both sizes are (width, height). First and last cell lie on the first and last px of the crop.
    """
    scale = (np.array(crop_size) - 1.0) / (np.array(heatmap_size) - 1.0)
    return apply(invert(matrix), cells * scale + 0.5)
