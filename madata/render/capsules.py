"""Ray casting of tapered capsules: exact silhouettes and depths, in NumPy alone.

A tapered capsule is the hull of two balls: every point within r(k) = ra - k sin(alpha) of the axis point a + k u,
0 <= k <= L, with sin(alpha) = (ra - rb) / L. A ray is t (x, y, -1) in camera axes, so t is the depth. It meets

    a ball about c      where  |d|^2 t^2 - 2 t d.c + |c|^2 - r^2 = 0
    the cone between    where  (|p - a|^2 - s^2) cos^2(alpha) = (ra - s sin(alpha))^2,  p = t d,  s = (p - a).u,

and the cone counts between its two tangent circles, ra sin(alpha) <= s <= L + rb sin(alpha). Every coefficient that
is linear in d is the sum of a row and a column, and each solid is only tried inside its own bounding box; that is
what makes it quick. Shading is done once per covered pixel afterwards.

Legend: K capsules, N covered pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from madata.render.camera import Camera
from madata.types import FloatArray

__all__ = ["Capsules", "Hits", "Surface", "surface", "trace"]

_NEAR_M = 0.05


@dataclass(frozen=True)
class Capsules:
    """K tapered capsules in world or camera axes: ends ``a`` and ``b`` (K, 3), radii ``ra`` and ``rb`` (K,), metres."""

    a: FloatArray
    b: FloatArray
    ra: FloatArray
    rb: FloatArray


@dataclass(frozen=True)
class Hits:
    """What each pixel of a part of the picture sees.

    Attributes:
        top, left: where the part begins, px.
        depth: (h, w) metres along the optical axis, infinite where nothing is hit.
        index: (h, w) number of the nearest capsule, -1 where nothing is hit.
    """

    top: int
    left: int
    depth: FloatArray
    index: npt.NDArray[np.int16]


@dataclass(frozen=True)
class Surface:
    """The visible surface at N pixels.

    Attributes:
        capsule: (N,) which capsule.
        normal: (3, N) outward unit normal, camera axes.
        along: (N,) position on the axis, 0 at ``a`` and 1 at ``b``.
        point: (3, N) camera axes, metres.
    """

    capsule: npt.NDArray[np.int16]
    normal: FloatArray
    along: FloatArray
    point: FloatArray


def trace(capsules: Capsules, camera: Camera) -> Hits:
    """Nearest capsule of every pixel, for capsules (K) in ``camera`` axes.

    The result covers the smallest rectangle of the picture that holds all of them. A capsule that reaches behind the
    camera's near plane (5 cm) is left out.
    """
    boxes = _boxes(capsules, camera)
    keep = (boxes[:, 0] < boxes[:, 1]) & (boxes[:, 2] < boxes[:, 3])
    if not keep.any():
        return Hits(0, 0, np.empty((0, 0), np.float32), np.empty((0, 0), np.int16))
    top, left = int(boxes[keep, 2].min()), int(boxes[keep, 0].min())
    bottom, right = int(boxes[keep, 3].max()), int(boxes[keep, 1].max())
    x, y = camera.rays()
    x, y = x[left:right], y[top:bottom, None]
    squared = x * x + (y * y + 1)
    depth = np.full(squared.shape, np.inf, np.float32)
    index = np.full(squared.shape, -1, np.int16)
    boxes = boxes - np.array([left, left, top, top])
    ends = np.stack([capsules.a, capsules.b])
    radii = np.stack([capsules.ra, capsules.rb])
    axis, length, sine = _axes(capsules)
    ball_boxes = np.stack([_ball_boxes(e, r, camera) for e, r in zip(ends, radii, strict=True)])
    ball_boxes = ball_boxes - np.array([left, left, top, top])
    with np.errstate(invalid="ignore", divide="ignore"):
        for k in np.flatnonzero(keep):
            for end in _shown_ends(radii[:, k], length[k]):
                _ball(ends[end, k], radii[end, k], ball_boxes[end, k], x, y, squared, depth, index, k)
            if abs(sine[k]) < 1:
                cone = _Cone(capsules.a[k], axis[k], float(length[k]), float(capsules.ra[k]), float(sine[k]))
                cone.cast(boxes[k], x, y, squared, depth, index, k)
    return Hits(top, left, depth, index)


def _axes(capsules: Capsules) -> tuple[FloatArray, FloatArray, FloatArray]:
    span = capsules.b - capsules.a
    length = np.sqrt((span * span).sum(1))
    safe = np.maximum(length, 1e-9)
    return span / safe[:, None], length, (capsules.ra - capsules.rb) / safe


def _shown_ends(radii: FloatArray, length: np.float32) -> tuple[int, ...]:
    """Both ends, or the one that holds the other."""
    if abs(radii[0] - radii[1]) < length:
        return (0, 1)
    return (0,) if radii[0] >= radii[1] else (1,)


def _ball_boxes(centre: FloatArray, radius: FloatArray, camera: Camera) -> npt.NDArray[np.intp]:
    """Pixel bounds (K, 4) left, right, top, bottom (half open, clipped) of balls; empty when too near."""
    depth = -centre[:, 2]
    nearest = np.maximum(depth, radius + _NEAR_M)
    spread = nearest**2 - radius**2
    width, height = camera.size
    bounds = []
    for x, half, limit in ((centre[:, 0], width / 2, width), (-centre[:, 1], height / 2, height)):
        root = radius * np.sqrt(x * x + spread)
        low = half + camera.focal_px * (x * nearest - root) / spread
        high = half + camera.focal_px * (x * nearest + root) / spread
        bounds += [np.clip(np.floor(low - 0.5), 0, limit), np.clip(np.ceil(high + 0.5), 0, limit)]
    box = np.stack(bounds, 1).astype(np.intp)
    box[depth <= radius + _NEAR_M] = 0
    return box


def _boxes(capsules: Capsules, camera: Camera) -> npt.NDArray[np.intp]:
    a = _ball_boxes(capsules.a, capsules.ra, camera)
    b = _ball_boxes(capsules.b, capsules.rb, camera)
    both = np.stack(
        [np.minimum(a, b)[:, 0], np.maximum(a, b)[:, 1], np.minimum(a, b)[:, 2], np.maximum(a, b)[:, 3]], 1
    )
    near = np.minimum(-capsules.a[:, 2] - capsules.ra, -capsules.b[:, 2] - capsules.rb) <= _NEAR_M
    both[near] = 0
    return both


def _keep_nearer(
    t: FloatArray, depth: FloatArray, index: npt.NDArray[np.int16], nearer: npt.NDArray[np.bool_], k: int
) -> None:
    np.copyto(depth, t, where=nearer)
    np.copyto(index, k, where=nearer, casting="unsafe")


def _ball(
    centre: FloatArray,
    radius: np.float32,
    box: npt.NDArray[np.intp],
    x: FloatArray,
    y: FloatArray,
    squared: FloatArray,
    depth: FloatArray,
    index: npt.NDArray[np.int16],
    k: int,
) -> None:
    columns, rows = slice(box[0], box[1]), slice(box[2], box[3])
    towards = x[columns] * centre[0] + (y[rows] * centre[1] - centre[2])
    steep = squared[rows, columns]
    constant = np.float32((centre * centre).sum() - radius * radius)
    root = steep * constant
    np.subtract(towards * towards, root, out=root)
    np.sqrt(root, out=root)
    root += towards
    np.divide(constant, root, out=root)
    into = depth[rows, columns]
    _keep_nearer(root, into, index[rows, columns], root < into, k)


@dataclass(frozen=True)
class _Cone:
    """The cone part of one capsule; ``sine`` is (ra - rb) / length."""

    a: FloatArray
    axis: FloatArray
    length: float
    ra: float
    sine: float

    def cast(
        self,
        box: npt.NDArray[np.intp],
        x: FloatArray,
        y: FloatArray,
        squared: FloatArray,
        depth: FloatArray,
        index: npt.NDArray[np.int16],
        k: int,
    ) -> None:
        columns, rows = slice(box[0], box[1]), slice(box[2], box[3])
        columns_x, rows_y = x[columns], y[rows]
        cosine2 = np.float32(1 - self.sine**2)
        start = -float(self.a @ self.axis)
        rim = self.ra - start * self.sine
        constant = np.float32(cosine2 * (float(self.a @ self.a) - start**2) - rim**2)
        linear = cosine2 * (self.a + self.axis * np.float32(start)) - self.axis * np.float32(rim * self.sine)
        rise = columns_x * self.axis[0] + (rows_y * self.axis[1] - self.axis[2])
        towards = columns_x * linear[0] + (rows_y * linear[1] - linear[2])
        root = squared[rows, columns] * cosine2
        root -= rise * rise
        root *= constant
        np.subtract(towards * towards, root, out=root)
        np.sqrt(root, out=root)
        root += towards
        np.divide(constant, root, out=root)
        along = rise
        along *= root
        low, high = self.ra * self.sine, self.length + (self.ra - self.length * self.sine) * self.sine
        into = depth[rows, columns]
        nearer = root < into
        nearer &= along > np.float32(low - start)
        nearer &= along < np.float32(high - start)
        _keep_nearer(root, into, index[rows, columns], nearer, k)


def surface(hits: Hits, capsules: Capsules, camera: Camera, pixels: npt.NDArray[np.intp]) -> Surface:
    """The surface seen at N covered ``pixels`` (flat positions in ``hits``), for the capsules given to :func:`trace`."""
    x, y = camera.rays()
    width = hits.depth.shape[1]
    rows, columns = np.divmod(pixels, width)
    t = hits.depth.reshape(-1)[pixels]
    index = hits.index.reshape(-1)[pixels]
    point = np.empty((3, pixels.size), np.float32)
    np.multiply(x[hits.left + columns], t, out=point[0])
    np.multiply(y[hits.top + rows], t, out=point[1])
    np.negative(t, out=point[2])
    axis, length, sine = _axes(capsules)
    cosine2 = np.maximum(1 - sine * sine, 1e-6)
    inside = np.abs(sine) < 1
    # k = (s - ra sin) / cos^2, held between the ends, is the ball that touches the surface at s
    table = np.empty((12, axis.shape[0]), np.float32)
    table[0:3] = capsules.a.T
    table[3:6] = axis.T
    table[6] = (capsules.a * axis).sum(1) + capsules.ra * sine
    table[7] = 1 / cosine2
    table[8] = np.where(inside, length, np.where(sine < 0, length, 0))
    table[9] = capsules.ra
    table[10] = np.where(inside, sine, np.where(sine < 0, (capsules.ra - capsules.rb) / np.maximum(length, 1e-9), 0))
    table[11] = 1 / np.maximum(length, 1e-9)
    own = table[:, index]
    along = point[0] * own[3] + point[1] * own[4] + point[2] * own[5]
    along -= own[6]
    along *= own[7]
    np.clip(along, 0, own[8], out=along)
    normal = point - own[0:3]
    normal -= along * own[3:6]
    normal /= own[9] - along * own[10]
    return Surface(index, normal, along * own[11], point)
