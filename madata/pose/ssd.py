"""The single-shot detector heads of BlazePose and its kin: anchors, decoding, suppression, tiles and their merging.

All see a square with anchors at the cell centres of some grids (:class:`Grid`), and give for each anchor a box (centre,
size) and some points, in px of the square relative to the anchor. A candidate is *points*: top left and bottom right of
the box, then the others, so that every change of coordinates is one operation on one array.

The body's network sees a 224 x 224 square. Its 2254 anchors are the cell centres of three grids: stride 8 and 16
with two anchors a cell, stride 32 with six. Its candidates are *six points*:

    0 face box top left   1 face box bottom right   2 hip centre   3 full-body circle   4 shoulder centre
    5 upper body

The distance of points 2 and 3 is the radius of a circle round the hip that holds the whole body; their
direction is the body's upward axis. Source: Bazarevsky et al., "BlazePose" (2020) and the graph files of
MediaPipe 0.10.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from madata.types import FloatArray

__all__ = [
    "BODIES",
    "CIRCLE",
    "FACE",
    "HIP",
    "SHOULDER",
    "Grid",
    "Tile",
    "anchors",
    "body_radius",
    "decode_boxes",
    "face_centre",
    "merge_people",
    "split_batch",
    "suppress",
    "tiles",
]


@dataclass(frozen=True)
class Grid:
    """What a network sees and where its anchors lie.

    Attributes:
        side: px of the square.
        layers: stride in px and anchors in each cell of every grid, in the order of the output.
    """

    side: int
    layers: tuple[tuple[int, int], ...]


BODIES = Grid(224, ((8, 2), (16, 2), (32, 6)))
FACE, HIP, CIRCLE, SHOULDER = slice(0, 2), 2, 3, 4
_LOGIT_LIMIT = 100.0


@cache
def anchors(grid: Grid = BODIES) -> FloatArray:
    """Anchor centres (A, 2) in px of the network's square; 2254 of the body's."""
    rows = []
    for stride, per_cell in grid.layers:
        centre = (np.arange(grid.side // stride, dtype=np.float32) + 0.5) * stride
        cells = np.stack(np.meshgrid(centre, centre), axis=-1).reshape(-1, 2)
        rows.append(np.repeat(cells, per_cell, axis=0))
    centres = np.concatenate(rows)
    centres.setflags(write=False)
    return centres


def split_batch(output: FloatArray, batch: int) -> FloatArray:
    """Undo the way the network lays out a batch: (1, batch * 2254, D) -> (batch, 2254, D).

    The first is ordered by grid, then picture. Its reshapes are fixed to one picture, so a larger batch comes
    out as one long list in which every grid holds all pictures in turn.
    """
    counts = [(BODIES.side // stride) ** 2 * per_cell * batch for stride, per_cell in BODIES.layers]
    blocks = np.split(output[0], np.cumsum(counts)[:-1])
    return np.concatenate([block.reshape(batch, -1, output.shape[-1]) for block in blocks], axis=1)


def decode_boxes(
    raw: FloatArray, logits: FloatArray, min_score: float, grid: Grid = BODIES
) -> tuple[FloatArray, FloatArray]:
    """Candidates of one picture above ``min_score``.

    Args:
        raw: (A, 2 P) network output; logits: (A,) or (A, 1).

    Returns:
        Points (K, P, 2) in px of the square and scores (K,), best first.
    """
    score = 1.0 / (1.0 + np.exp(-np.clip(logits.reshape(-1).astype(np.float64), -_LOGIT_LIMIT, _LOGIT_LIMIT)))
    chosen = np.flatnonzero(score >= min_score)
    chosen = chosen[np.argsort(-score[chosen], kind="stable")]
    values = raw[chosen].reshape(len(chosen), raw.shape[-1] // 2, 2)
    points = values + anchors(grid)[chosen, None]
    half = np.abs(values[:, 1]) / 2.0
    points[:, 0], points[:, 1] = points[:, 0] - half, points[:, 0] + half
    return points.astype(np.float32), score[chosen].astype(np.float32)


def suppress(
    points: FloatArray, score: FloatArray, max_overlap: float = 0.3
) -> tuple[FloatArray, FloatArray]:
    """Weighted non-maximum suppression on the boxes.

    Candidates that overlap the best one by more than ``max_overlap`` (intersection over union) are averaged
    into it, weighted by score; it keeps its own score. Best first in, best first out.
    """
    kept_points, kept_score = [], []
    left = np.arange(len(score))
    while len(left):
        overlap = _iou(points[left[0], FACE], points[left, FACE])
        overlap[0] = 1.0
        group = left[overlap > max_overlap]
        kept_points.append(np.average(points[group], axis=0, weights=score[group]))
        kept_score.append(score[left[0]])
        left = left[overlap <= max_overlap]
    return np.asarray(kept_points, np.float32).reshape(-1, *points.shape[1:]), np.asarray(
        kept_score, np.float32
    )


def _iou(box: FloatArray, boxes: FloatArray) -> npt.NDArray[np.float64]:
    """Intersection over union of one corner pair (2, 2) with many (K, 2, 2)."""
    overlap = np.clip(np.minimum(box[1], boxes[:, 1]) - np.maximum(box[0], boxes[:, 0]), 0, None).prod(
        axis=-1
    )
    union = (box[1] - box[0]).prod() + (boxes[:, 1] - boxes[:, 0]).prod(axis=-1) - overlap
    return np.asarray(np.divide(overlap, union, out=np.zeros(len(boxes)), where=union > 0), np.float64)


@dataclass(frozen=True)
class Tile:
    """A 224 px square cut from the picture scaled by ``scale``; ``x0``, ``y0`` is its corner in scaled px."""

    scale: float
    x0: int
    y0: int

    def to_picture(self, points: FloatArray) -> FloatArray:
        """Points (..., 2) px of the square as px of the picture."""
        return np.asarray((points + np.array([self.x0, self.y0], np.float32)) / self.scale, np.float32)


def tiles(width: int, height: int, side: float) -> list[Tile]:
    """Squares that cover a picture: the whole of it first, then an even grid of smaller ones.

    The whole picture is a square of its long side, centred, so it reaches beyond the short side. The small
    ones have ``side`` times the long side and overlap; along a dimension that is not longer than one of
    them there is one, centred. ``side >= 1`` means the whole picture only.
    """
    grid = []
    for share in (1.0, side)[: 1 if side >= 1.0 else 2]:
        scale = BODIES.side / (share * max(width, height))
        for y0 in _starts(round(height * scale)):
            grid += [Tile(scale, x0, y0) for x0 in _starts(round(width * scale))]
    return grid


def _starts(length: int) -> list[int]:
    """First px of the fewest squares that cover ``length`` px evenly."""
    if length <= BODIES.side:
        return [(length - BODIES.side) // 2]
    count = -(-length // BODIES.side)
    return [round(start) for start in np.linspace(0, length - BODIES.side, count).tolist()]


def body_radius(points: FloatArray) -> FloatArray:
    """Radius (K,) of the circle round the hip that holds the body, in the units of ``points`` (K, 6, 2)."""
    return np.asarray(np.linalg.norm(points[:, CIRCLE] - points[:, HIP], axis=-1), np.float32)


def face_centre(points: FloatArray) -> FloatArray:
    """Centre (K, 2) of the face boxes."""
    return np.asarray(points[:, FACE].mean(axis=1), np.float32)


def merge_people(points: FloatArray, score: FloatArray, reach: float) -> npt.NDArray[np.intp]:
    """Rows of the distinct people among candidates of several overlapping tiles, best first.

    A tile that cuts a person sees a shifted, smaller body: a limb with a hip of its own. So boxes do not
    tell such a ghost from a neighbour, but the body axis does: a candidate whose own axis (hip to face)
    passes the axis of a better one nearer than ``reach`` times the better one's radius is the same person.
    """
    order = np.argsort(-score, kind="stable")
    radius = body_radius(points)
    heads = face_centre(points)
    kept: list[int] = []
    for row in order:
        near = any(
            _axis_distance(points[row, HIP], heads[row], points[other, HIP], heads[other])
            < reach * max(radius[other], radius[row])
            for other in kept
        )
        if not near:
            kept.append(int(row))
    return np.asarray(kept, np.intp)


def _axis_distance(hip: FloatArray, head: FloatArray, other_hip: FloatArray, other_head: FloatArray) -> float:
    """Mean distance of a person's hip and head from the segment hip-head of another."""
    along = other_head - other_hip
    squared = max(float(along @ along), 1e-12)
    distances = []
    for point in (hip, head):
        share = np.clip(float((point - other_hip) @ along) / squared, 0.0, 1.0)
        distances.append(float(np.linalg.norm(point - (other_hip + share * along))))
    return sum(distances) / 2.0
