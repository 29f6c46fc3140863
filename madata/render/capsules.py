"""Ray casting of tapered capsules: exact silhouettes and depths, in NumPy alone.

A tapered capsule is the hull of two balls: every point within r(k) = ra - k sin(alpha) of the axis point
a + k u, 0 <= k <= L, with sin(alpha) = (ra - rb) / L. A ray is p = t d, d = (x, y, -1), in camera axes, so t
is the depth. It meets

    a ball about c    where  |d|^2 t^2 - 2 t d.c + |c|^2 - r^2 = 0
    the cone between  where  (|p - a|^2 - s^2) cos^2(alpha) = (ra - s sin(alpha))^2,  s = (p - a).u,

and the cone counts between its two tangent circles, ra sin(alpha) <= s <= L + rb sin(alpha). Every
coefficient that is linear in d is the sum of a row and a column, and each solid is only tried inside its own
bounding box; that is what makes it quick. Shading is done once per covered pixel afterwards.

Legend: K capsules, N covered pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from madata.render.camera import Camera
from madata.types import FloatArray

__all__ = ["Capsules", "Hits", "Surface", "surface", "trace"]

_NEAR_M = 0.05


@dataclass(frozen=True)
class Capsules:
    """K tapered capsules in world or camera axes.

    Attributes:
        a, b: (K, 3) ends of the axes, metres.
        ra, rb: (K,) radii at the ends, metres.
    """

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

    The result covers the smallest rectangle of the picture that holds all of them. A capsule that reaches
    behind the camera's near plane (5 cm) is left out.
    """
    ends, radii = np.stack([capsules.a, capsules.b]), np.stack([capsules.ra, capsules.rb])
    balls = np.stack([_ball_boxes(end, radius, camera) for end, radius in zip(ends, radii, strict=True)])
    boxes = np.where(np.array([True, False, True, False]), balls.min(0), balls.max(0))
    boxes[(-ends[..., 2] - radii <= _NEAR_M).any(0)] = 0
    keep = (boxes[:, 0] < boxes[:, 1]) & (boxes[:, 2] < boxes[:, 3])
    if not keep.any():
        return Hits(0, 0, np.empty((0, 0), np.float32), np.empty((0, 0), np.int16))
    left, right = int(boxes[keep, 0].min()), int(boxes[keep, 1].max())
    top, bottom = int(boxes[keep, 2].min()), int(boxes[keep, 3].max())
    x, y = camera.rays()
    canvas = _Canvas(x[left:right], y[top:bottom, None])
    origin = np.array([left, left, top, top])
    ball_numbers, cone_numbers = _ball_numbers(ends, radii), _cone_numbers(capsules)
    ball_windows, cone_windows = (balls - origin).tolist(), (boxes - origin).tolist()
    _, length, sine = _axes(capsules)
    wanted_balls = _needed_balls(ends, radii, length) & keep
    wanted_cones = (np.abs(sine) < 1) & keep
    with np.errstate(invalid="ignore", divide="ignore"):
        for k in np.flatnonzero(keep).tolist():
            for end in (0, 1):
                if wanted_balls[end, k]:
                    canvas.ball(k, ball_windows[end][k], *ball_numbers[end][k])
            if wanted_cones[k]:
                canvas.cone(k, cone_windows[k], *cone_numbers[k])
    return Hits(top, left, canvas.depth, canvas.index)


class _Canvas:
    """Depth and capsule number of the pixels that look along (x, y, -1); solids are added one by one."""

    def __init__(self, x: FloatArray, y: FloatArray) -> None:
        self.x, self.y = x, y
        self.squared = x * x + (y * y + 1)
        self.depth = np.full(self.squared.shape, np.inf, np.float32)
        self.index = np.full(self.squared.shape, -1, np.int16)

    def ball(self, k: int, window: list[int], x: float, y: float, z: float, constant: float) -> None:
        """The ball about (x, y, z); ``constant`` is |c|^2 - r^2."""
        left, right, top, bottom = window
        part = (slice(top, bottom), slice(left, right))
        towards = self.x[left:right] * x + (self.y[top:bottom] * y - z)
        depth: FloatArray = self.squared[part] * np.float32(constant)
        np.subtract(towards * towards, depth, out=depth)
        np.sqrt(depth, out=depth)
        depth += towards
        np.divide(constant, depth, out=depth)
        known = self.depth[part]
        self._keep(k, part, depth, depth < known)

    def cone(
        self,
        k: int,
        window: list[int],
        axis: list[float],
        linear: list[float],
        cosine2: float,
        constant: float,
        low: float,
        high: float,
    ) -> None:
        """The cone with this ``axis`` for low < s < high; see :func:`_cone_numbers`."""
        left, right, top, bottom = window
        part = (slice(top, bottom), slice(left, right))
        x, y = self.x[left:right], self.y[top:bottom]
        rise = x * axis[0] + (y * axis[1] - axis[2])
        towards = x * linear[0] + (y * linear[1] - linear[2])
        depth: FloatArray = self.squared[part] * np.float32(cosine2)
        depth -= rise * rise
        depth *= constant
        np.subtract(towards * towards, depth, out=depth)
        np.sqrt(depth, out=depth)
        depth += towards
        np.divide(constant, depth, out=depth)
        rise *= depth
        nearer = depth < self.depth[part]
        nearer &= rise > low
        nearer &= rise < high
        self._keep(k, part, depth, nearer)

    def _keep(
        self, k: int, part: tuple[slice, slice], depth: FloatArray, nearer: npt.NDArray[np.bool_]
    ) -> None:
        np.copyto(self.depth[part], depth, where=nearer)
        np.copyto(self.index[part], np.int16(k), where=nearer)


def _ball_numbers(ends: FloatArray, radii: FloatArray) -> list[list[list[float]]]:
    """x, y, z and |c|^2 - r^2 of every end, as Python numbers (they are cheap to hand to NumPy)."""
    constant = (ends.astype(np.float64) ** 2).sum(-1) - radii.astype(np.float64) ** 2
    numbers: list[list[list[float]]] = np.concatenate([ends, constant[..., None]], -1).tolist()
    return numbers


def _cone_numbers(capsules: Capsules) -> list[tuple[Any, ...]]:
    """Axis, coefficient of t, cos^2, constant, and the range of d.u t of every cone.

    The coefficient is 3 numbers to dot with d. With p = t d, s = s0 + t d.u and g = ra - s0 sin, the cone is
    A t^2 - 2 B t + C = 0 where A = cos^2 |d|^2 - (d.u)^2, B = d.(cos^2 (a + s0 u) - g sin u), C = cos^2
    (|a|^2 - s0^2) - g^2; its nearer root is C / (B + sqrt(B^2 - A C)), which stays exact where A vanishes.
    """
    a, ra = capsules.a.astype(np.float64), capsules.ra.astype(np.float64)
    axis, length, sine = (one.astype(np.float64) for one in _axes(capsules))
    cosine2 = 1 - sine**2
    start = -(a * axis).sum(1)
    rim = ra - start * sine
    constant = cosine2 * ((a * a).sum(1) - start**2) - rim**2
    linear = cosine2[:, None] * (a + axis * start[:, None]) - axis * (rim * sine)[:, None]
    low = ra * sine - start
    high = length + (ra - length * sine) * sine - start
    rows = (axis, linear, cosine2, constant, low, high)
    return list(zip(*(row.tolist() for row in rows), strict=True))


def _axes(capsules: Capsules) -> tuple[FloatArray, FloatArray, FloatArray]:
    span = capsules.b - capsules.a
    length = np.sqrt((span * span).sum(1))
    safe = np.maximum(length, 1e-9)
    return span / safe[:, None], length, (capsules.ra - capsules.rb) / safe


def _needed_balls(ends: FloatArray, radii: FloatArray, length: FloatArray) -> npt.NDArray[np.bool_]:
    """Which end balls (2, K) have to be drawn: neither inside the capsule's other end nor drawn before."""
    needed = radii > radii[::-1] - length
    same = (ends[0, 1:] == ends[1, :-1]).all(1) & (radii[0, 1:] == radii[1, :-1])
    needed[0, 1:] &= ~same
    needed[0] |= (length == 0) & (radii[0] == radii[1])
    return needed


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


def _axis_table(capsules: Capsules) -> FloatArray:
    """What :func:`surface` needs of every capsule, (11, K).

    Start (3), axis (3), u.a + ra sin, 1 / cos^2, length, ra, sin.

    k = (s - ra sin) / cos^2, held between the ends, is the place on the axis whose ball touches the surface
    at s. Where one end holds the other, that ball is all there is.
    """
    axis, length, sine = _axes(capsules)
    ball = np.abs(sine) >= 1
    start = np.where((ball & (capsules.rb > capsules.ra))[:, None], capsules.b, capsules.a)
    sine = np.where(ball, 0, sine)
    table = np.empty((11, len(sine)), np.float32)
    table[0:3] = start.T
    table[3:6] = axis.T
    table[6] = (start * axis).sum(1) + capsules.ra * sine
    table[7] = 1 / (1 - sine * sine)
    table[8] = np.where(ball, 0, length)
    table[9] = np.where(ball, np.maximum(capsules.ra, capsules.rb), capsules.ra)
    table[10] = sine
    return table


def surface(hits: Hits, capsules: Capsules, camera: Camera) -> Surface:
    """The surface at the N covered pixels of ``hits``, row by row, for the capsules traced."""
    covered = hits.index >= 0
    index = hits.index[covered]
    depth = hits.depth[covered]
    x, y = camera.rays()
    height, width = covered.shape
    point = np.empty((3, index.size), np.float32)
    np.multiply(
        np.broadcast_to(x[hits.left : hits.left + width], covered.shape)[covered], depth, out=point[0]
    )
    np.multiply(np.repeat(y[hits.top : hits.top + height], covered.sum(1)), depth, out=point[1])
    np.negative(depth, out=point[2])
    own = _axis_table(capsules).take(index, axis=1)
    along = own[3] * point[0]
    along += own[4] * point[1]
    along += own[5] * point[2]
    along -= own[6]
    along *= own[7]
    np.clip(along, 0, own[8], out=along)
    radius = np.subtract(own[9], along * own[10], out=own[9])
    normal = point - own[0:3]
    own[3:6] *= along
    normal -= own[3:6]
    normal /= radius
    along /= np.maximum(own[8], 1e-9)
    return Surface(index, normal, along, point)
