"""The pinhole camera of the renderer, and where it stands.

World: metres, y up. Camera axes: x to the right, y up, z towards the viewer, so that a visible point has z <
0 and depth d = -z > 0. Picture: u = W/2 + focal_px x/d, v = H/2 - focal_px y/d in pixels, u to the right, v
down.

Pixel convention: the picture covers [0, W] x [0, H]; pixel (row i, column j) covers the unit square whose
top left corner is (j, i), so its centre is u = j + 0.5, v = i + 0.5. Keypoints therefore scale with the
picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from madata.types import FloatArray

__all__ = ["Camera", "facing_direction", "front_camera"]

_LEFT_HIP, _RIGHT_HIP, _LEFT_SHOULDER, _RIGHT_SHOULDER = 1, 2, 16, 17
_UP = np.array([0.0, 1.0, 0.0])


@dataclass(frozen=True)
class Camera:
    """A pinhole camera with square pixels and the principal point in the middle of the picture.

    Attributes:
        position: (3,) metres, world.
        rotation: (3, 3) world to camera; its rows are the camera's x, y and z axes in the world.
        focal_px: focal length in pixels.
        size: (width, height) px.
    """

    position: npt.NDArray[np.float64]
    rotation: npt.NDArray[np.float64]
    focal_px: float
    size: tuple[int, int]

    def to_camera(self, points: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """World points (..., 3) in camera axes, metres."""
        relative = np.asarray(points, np.float64) - self.position
        return np.asarray(relative @ self.rotation.T, np.float64)

    def project(self, points: npt.NDArray[np.floating]) -> FloatArray:
        """Pixels (..., 2) of world points (..., 3); NaN for a point that is not in front of the camera."""
        x, y, z = np.moveaxis(self.to_camera(points), -1, 0)
        depth = np.where(z < 0, -z, np.nan)
        width, height = self.size
        uv = np.stack([width / 2 + self.focal_px * x / depth, height / 2 - self.focal_px * y / depth], -1)
        return uv.astype(np.float32)

    def visible(self, points: npt.NDArray[np.floating]) -> npt.NDArray[np.bool_]:
        """Which of the world points (..., 3) fall inside the picture (occlusion does not count)."""
        u, v = np.moveaxis(self.project(points), -1, 0)
        width, height = self.size
        return np.asarray((u >= 0) & (u < width) & (v >= 0) & (v < height))

    def rays(self) -> tuple[FloatArray, FloatArray]:
        """Slopes (W,) and (H,) such that pixel (i, j) looks along (x[j], y[i], -1) in camera axes."""
        width, height = self.size
        x = (np.arange(width) + 0.5 - width / 2) / self.focal_px
        y = (height / 2 - np.arange(height) - 0.5) / self.focal_px
        return x.astype(np.float32), y.astype(np.float32)


def facing_direction(joints: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Horizontal unit vector (3,) in which one pose (J, 3) faces, from its hips and shoulders.

    Joints are in SMPL order, y up. A body that lies across its own up axis has no such direction; it then
    faces +z, as the rest pose does.
    """
    pose = np.asarray(joints, np.float64)
    left = pose[_LEFT_HIP] - pose[_RIGHT_HIP] + pose[_LEFT_SHOULDER] - pose[_RIGHT_SHOULDER]
    forward = np.cross(left, _UP)
    length = float(np.linalg.norm(forward))
    return forward / length if length > 1e-6 else np.array([0.0, 0.0, 1.0])


def _first_pose(joints: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """The first pose (J, 3) of a dance (T, J, 3).

    Some recordings (CMU's) begin with one frame of a calibration pose that looks elsewhere: nobody turns by more
    than 45 degrees from one frame to the next, so such a frame does not count.
    """
    calibration = len(joints) > 1 and facing_direction(joints[0]) @ facing_direction(joints[1]) < np.sqrt(0.5)
    first: npt.NDArray[np.floating] = joints[1] if calibration else joints[0]
    return first


def front_camera(
    joints: Sequence[npt.NDArray[np.floating]],
    size: tuple[int, int],
    *,
    fov_deg: float = 34.0,
    pitch_deg: float = 5.0,
    margin_m: float = 0.16,
    border: float = 0.05,
) -> Camera:
    """The closest camera that faces the first dancer's first pose and keeps every joint in view.

    The direction is fixed by the first frame, the distance and the aim by the whole motion. With the
    direction given, each of the four picture edges is one half-space, so the closest position is exact, not
    searched.

    Args:
        joints: one (T, J, 3) array in metres, y up, per dancer.
        size: (width, height) px.
        fov_deg: field of view across the longer side of the picture.
        pitch_deg: how far the camera looks down.
        margin_m: metres of body around a joint (skull, fingers, soles) that must stay in view.
        border: share of each picture side that stays free at either edge.
    """
    width, height = size
    focal_px = max(width, height) / 2 / np.tan(np.radians(fov_deg) / 2)
    rotation = _look_rotation(facing_direction(_first_pose(joints[0])), np.radians(pitch_deg))
    points = np.concatenate([np.asarray(one, np.float64).reshape(-1, 3) for one in joints]) @ rotation.T
    slope = np.array([width, height]) / 2 * (1 - 2 * border) / focal_px
    reach = margin_m * np.hypot(1.0, slope)
    high = (points[:, :2] + points[:, 2:] * slope).max(0) + reach
    low = (points[:, :2] - points[:, 2:] * slope).min(0) - reach
    distance = float(((high - low) / (2 * slope)).max())
    aim = np.array([*(high + low) / 2, distance])
    return Camera(position=aim @ rotation, rotation=rotation, focal_px=float(focal_px), size=size)


def _look_rotation(towards_viewer: npt.NDArray[np.float64], pitch: float) -> npt.NDArray[np.float64]:
    right = np.cross(_UP, towards_viewer)
    back = np.cos(pitch) * towards_viewer + np.sin(pitch) * _UP
    return np.stack([right, np.cross(back, right), back])
