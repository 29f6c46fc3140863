"""DensePose frames of a 3D motion: the parts of the body in DensePose's colours, as Magic-Animate was shown them.

The figure of :mod:`madata.render` is cast into the standard front camera. Every visible place belongs to the nearest
bone; back or front (inside or outside of an arm, right or left of the head) is told by where its surface looks in the
frame of that bone. Part k of 24 has the colour k / 24 of the map "viridis", the background its colour 0.

| parts | | parts | |
|---|---|---|---|
| 1, 2 | torso, back and front | 7, 9; 8, 10 | thigh, right and left: back, front |
| 3, 4 | hand, right and left | 11, 13; 12, 14 | shin, right and left: back, front |
| 5, 6 | foot, left and right | 15, 17; 16, 18 | upper arm, left and right: inside, outside |
| 23, 24 | head, right and left | 19, 21; 20, 22 | forearm, left and right: inside, outside |

Legend: B bones, N visible places; joints in SMPL's order, metres, y up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from madata.render import Camera, CapsuleFigure
    from madata.types import Motion3D

__all__ = ["BONES", "DensePoseFrames", "foreign_share", "part_colours"]

Image = npt.NDArray[np.uint8]
Array = npt.NDArray[np.float64]

# joints at both ends, parts that look away from and along the outward axis, the axis: of the hips, chest or arm
BONES: tuple[tuple[int, int, int, int, str], ...] = (
    (0, 3, 1, 2, "forward"), (3, 9, 1, 2, "forward"), (9, 12, 1, 2, "forward"), (9, 16, 1, 2, "forward"),
    (9, 17, 1, 2, "forward"), (1, 2, 1, 2, "forward"),
    (12, 15, 23, 24, "left"),
    (1, 4, 8, 10, "forward"), (2, 5, 7, 9, "forward"), (4, 7, 12, 14, "forward"), (5, 8, 11, 13, "forward"),
    (7, 10, 5, 5, "forward"), (8, 11, 6, 6, "forward"),
    (16, 18, 15, 17, "outside"), (17, 19, 16, 18, "outside"), (18, 20, 19, 21, "outside"),
    (19, 21, 20, 22, "outside"), (20, 22, 4, 4, "outside"), (21, 23, 3, 3, "outside"),
)  # fmt: skip
"""Two joints, the part behind (inside, right), the part in front (outside, left), and the axis that tells which."""

_PARTS = 24
_NEAR = 32  # of 255; what compression and the rims of parts do to a colour stays below
_HEAD_M = 0.2
_HEAD = 6


def part_colours() -> Image:
    """(25, 3) RGB of the background and the parts."""
    import cv2

    levels = np.round(np.arange(_PARTS + 1) * 255 / _PARTS).astype(np.uint8)
    return np.ascontiguousarray(cv2.applyColorMap(levels[:, None], cv2.COLORMAP_VIRIDIS)[:, 0, ::-1])


def foreign_share(pictures: npt.NDArray[np.uint8]) -> float:
    """Share of the pixels of (..., 3) RGB that have none of DensePose's colours.

    Example:
        >>> foreign_share(part_colours()), foreign_share(np.zeros((2, 2, 3), np.uint8))
        (0.0, 1.0)
    """
    shown = pictures.reshape(-1, 3).astype(np.int16)
    away = np.full(len(shown), 255, np.int16)
    for colour in part_colours().astype(np.int16):
        np.minimum(away, np.abs(shown - colour).max(-1), out=away)
    return float((away > _NEAR).mean())


class DensePoseFrames(Sequence[Image]):
    """DensePose frames (H, W, 3) RGB of a motion, made when they are asked for."""

    def __init__(self, motion: Motion3D, size: tuple[int, int]) -> None:
        from madata.motion import joint_positions
        from madata.render import CapsuleRenderer, front_camera

        self.figure: CapsuleFigure = CapsuleRenderer().figure(motion)
        self.camera: Camera = front_camera([joint_positions(motion, up="y")], size)
        self._colours = part_colours()

    def __len__(self) -> int:
        return len(self.figure.joints)

    def __getitem__(self, index: int) -> Image:  # type: ignore[override]
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        return np.asarray(self._colours[self.parts(index % len(self))])

    def __iter__(self) -> Iterator[Image]:
        return (self[index] for index in range(len(self)))

    def parts(self, index: int) -> Image:
        """(H, W) number of the part that each pixel sees, 0 for the background."""
        from madata.render.capsules import Capsules, surface, trace

        figure, camera = self.figure, self.camera
        a, b = (camera.to_camera(ends[index]).astype(np.float32) for ends in (figure.a, figure.b))
        capsules = Capsules(a, b, figure.ra, figure.rb)
        hits = trace(capsules, camera)
        seen = surface(hits, capsules, camera)
        joints = np.asarray(figure.joints[index], np.float64)
        points = seen.point.T.astype(np.float64) @ camera.rotation + camera.position
        normals = seen.normal.T.astype(np.float64) @ camera.rotation
        picture = np.zeros((camera.size[1], camera.size[0]), np.uint8)
        height, width = hits.index.shape
        region = picture[hits.top : hits.top + height, hits.left : hits.left + width]
        region[hits.index >= 0] = _parts_of(points, normals, joints)
        return picture


def _parts_of(points: Array, normals: Array, joints: Array) -> Image:
    """(N,) the part of each place (N, 3) that looks along its normal (N, 3)."""
    starts, stops = joints[[bone[0] for bone in BONES]], joints[[bone[1] for bone in BONES]]
    stops[_HEAD] = starts[_HEAD] + _HEAD_M * _unit(stops[_HEAD] - starts[_HEAD])
    bone = _nearest(points, starts, stops)
    outward = (normals * _axes(joints)[bone]).sum(-1) >= 0
    behind, ahead = (np.array([each[part] for each in BONES], np.uint8) for part in (2, 3))
    return np.where(outward, ahead[bone], behind[bone]).astype(np.uint8)


def _nearest(points: Array, starts: Array, stops: Array) -> npt.NDArray[np.intp]:
    """(N,) the bone that is nearest to each point."""
    best, nearest = np.full(len(points), np.inf), np.zeros(len(points), np.intp)
    for bone, (start, stop) in enumerate(zip(starts, stops, strict=True)):
        along = stop - start
        share = np.clip((points - start) @ along / max(float(along @ along), 1e-9), 0, 1)
        apart = ((points - start - share[:, None] * along) ** 2).sum(-1)
        closer = apart < best
        best[closer], nearest[closer] = apart[closer], bone
    return nearest


def _axes(joints: Array) -> Array:
    """(B, 3) the outward axis of each bone."""
    left, up = _unit(joints[16] - joints[17]), _unit(joints[12] - joints[3])
    forward = _unit(np.cross(left, up))
    found = []
    for start, stop, _, _, axis in BONES:
        if axis == "outside":
            # outside is up when an arm is stretched out to its side; it turns with the arm, by the shortest way
            aside = left if start % 2 == 0 else -left
            arm = _unit(joints[stop] - joints[start])
            found.append(up - (arm @ up) / max(1 + float(aside @ arm), 0.1) * (aside + arm))
        else:
            found.append(forward if axis == "forward" else left)
    return np.stack(found)


def _unit(vector: Array) -> Array:
    return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-9))
