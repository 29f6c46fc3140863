"""Where the figure stands on the canvas: a 2D similarity from metres to px, one for the whole video.

* :func:`fit_canvas`: the box of the whole motion fills at most 72 % x 86 % of the canvas, centred at (0.5, 0.56).
* :func:`align_to_reference`: the limb joints of the first frame lie on those of the person in the reference
  picture (least squares over scale, rotation and translation; Umeyama 1991).
* :func:`keep_on_canvas`: shrinks and recentres a placement whose motion leaves the canvas.

p' = matrix p + translation, x to the right, y down. Source of the proportions: the motion-to-pose tool of the
MACE-Dance release.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from madata.errors import MadanceError

__all__ = ["CanvasFit", "Similarity", "align_to_reference", "fit_canvas", "keep_on_canvas"]

Array = npt.NDArray[np.float64]

# Shoulders, elbows, wrists, hips, knees and ankles among the 20 body points.
_LIMB_JOINTS = np.arange(2, 14)
_MARGIN = 0.02
_UNCHANGED = 0.999


@dataclass(frozen=True)
class CanvasFit:
    """The part of the canvas the motion may fill: shares of its width and height, and its centre."""

    width: float = 0.72
    height: float = 0.86
    centre_x: float = 0.5
    centre_y: float = 0.56


@dataclass(frozen=True, eq=False)
class Similarity:
    """A similarity of the plane.

    Attributes:
        matrix: (2, 2) scale times rotation.
        translation: (2,) px.
        source: how it came about, for the record: ``canvas-fit``, ``reference-pose`` or
            ``reference-pose+canvas-safe``.
    """

    matrix: Array
    translation: Array
    source: str

    def apply(self, points: npt.ArrayLike) -> Array:
        """(..., 2) points moved."""
        return np.asarray(points, np.float64) @ self.matrix.T + self.translation


def fit_canvas(points: npt.ArrayLike, size: tuple[int, int], fit: CanvasFit | None = None) -> Similarity:
    """Fill the canvas with the box of ``points``.

    Args:
        points: (..., 2) everything that must be on the canvas.
        size: (width, height) px.
    """
    fit = fit or CanvasFit()
    low, high = _box(np.asarray(points, np.float64))
    scale = float((_room(size, fit) / np.maximum(high - low, 1e-6)).min())
    matrix = np.eye(2) * scale
    return Similarity(matrix, _centre(size, fit) - scale * (low + high) / 2, "canvas-fit")


def align_to_reference(
    body: npt.ArrayLike, reference: npt.ArrayLike, *, min_joints: int = 6, min_score: float = 0.08
) -> Similarity:
    """Lay the figure on the person of the reference picture.

    Args:
        body: (20, 3) or (20, 2) body points of the first frame, any unit.
        reference: (20, 3) x px, y px, score of the reference person on the canvas.
        min_joints: limb joints needed.
        min_score: joints of the reference below do not count.

    Raises:
        MadanceError: too few joints of the reference were found, or they all lie in one place.
    """
    source = np.asarray(body, np.float64)[_LIMB_JOINTS, :2]
    target = np.asarray(reference, np.float64)[_LIMB_JOINTS]
    found = np.isfinite(target).all(1) & (target[:, 2] >= min_score) & (target[:, 2] > 0)
    if found.sum() < min_joints:
        raise MadanceError(
            f"the reference pose shows {int(found.sum())} of the {min_joints} limb joints (score >= {min_score}) "
            "that aligning needs: use a picture of the whole person, or draw without a reference"
        )
    source, target = source[found], target[found, :2]
    source_mean, target_mean = source.mean(0), target.mean(0)
    source, target = source - source_mean, target - target_mean
    spread = float(np.square(source).sum())
    if spread < 1e-8 or np.square(target).sum() < 1e-8:
        raise MadanceError("the joints to align all lie in one place: no scale can be found from them")
    left, singular, right = np.linalg.svd(source.T @ target)
    rotation = right.T @ left.T
    if np.linalg.det(rotation) < 0:
        rotation = right.T @ np.diag([1.0, -1.0]) @ left.T
    matrix = singular.sum() / spread * rotation
    return Similarity(matrix, target_mean - matrix @ source_mean, "reference-pose")


def keep_on_canvas(
    placement: Similarity, points: npt.ArrayLike, size: tuple[int, int], fit: CanvasFit | None = None
) -> Similarity:
    """The placement itself, or a smaller, recentred one when ``points`` (..., 2) would leave the canvas.

    A motion that is larger than ``fit`` allows is shrunk to it; one that only stands too near to the edge (2 % of
    the longer side) is moved to the middle.
    """
    fit = fit or CanvasFit()
    low, high = _box(placement.apply(points))
    shrink = min(float((_room(size, fit) / np.maximum(high - low, 1e-6)).min()), 1.0)
    margin = max(size) * _MARGIN
    inside = bool((low >= margin).all() and (high <= np.array(size) - margin).all())
    if shrink >= _UNCHANGED and inside:
        return placement
    translation = _centre(size, fit) + shrink * (placement.translation - (low + high) / 2)
    return Similarity(placement.matrix * shrink, translation, f"{placement.source}+canvas-safe")


def _box(points: Array) -> tuple[Array, Array]:
    flat = points.reshape(-1, 2)
    return flat.min(0), flat.max(0)


def _room(size: tuple[int, int], fit: CanvasFit) -> Array:
    return np.array([size[0] * fit.width, size[1] * fit.height])


def _centre(size: tuple[int, int], fit: CanvasFit) -> Array:
    return np.array([size[0] * fit.centre_x, size[1] * fit.centre_y])
