"""Light on surfaces and shadows on the floor.

A surface with unit normal n (camera axes, z towards the viewer) and linear colour c is shown as
sqrt(c * (sky (1 + n_y)/2 + ground (1 - n_y)/2 + key max(n.l, 0) + rim (1 - n_z)^3)), the root standing for
the sRGB curve. Shadows are soft blobs below the joints: wider and fainter the higher the joint is.

Legend: N pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from madata.render.camera import Camera
from madata.types import FloatArray

__all__ = ["STUDIO_LIGHT", "Light", "cast_shadows", "shade"]

Colour = tuple[float, float, float]
Image = npt.NDArray[np.uint8]

# SMPL joints that shade the floor, their radius in metres and how dark they make it
_BLOBS = (
    (7, 0.09, 0.30), (8, 0.09, 0.30), (10, 0.08, 0.34), (11, 0.08, 0.34), (4, 0.12, 0.18), (5, 0.12, 0.18),
    (0, 0.20, 0.30), (9, 0.20, 0.25), (20, 0.10, 0.16), (21, 0.10, 0.16),
)  # fmt: skip


@dataclass(frozen=True)
class Light:
    """Linear RGB of each light, and the direction towards the key light in camera axes."""

    key: Colour = (0.86, 0.83, 0.78)
    sky: Colour = (0.62, 0.64, 0.68)
    ground: Colour = (0.26, 0.24, 0.22)
    rim: Colour = (0.20, 0.22, 0.26)
    direction: Colour = (-0.42, 0.60, 0.68)
    shadow: float = 1.0


STUDIO_LIGHT = Light()


def shade(normal: FloatArray, colour: FloatArray, light: Light) -> Image:
    """Shown colour (N, 3) of surfaces with ``normal`` (3, N) and linear ``colour`` (N, 3)."""
    direction = np.asarray(light.direction, np.float32)
    direction /= np.linalg.norm(direction)
    terms = np.empty((4, normal.shape[1]), np.float32)
    terms[0] = 1
    terms[1] = normal[1]
    np.maximum(direction @ normal, 0, out=terms[2])
    away = 1 - normal[2]
    np.multiply(away * away, away, out=terms[3])
    sky, ground = np.asarray(light.sky, np.float32), np.asarray(light.ground, np.float32)
    weights = np.stack([(sky + ground) / 2, (sky - ground) / 2, np.asarray(light.key), np.asarray(light.rim)])
    lit = terms.T @ weights.astype(np.float32)
    lit *= colour
    np.sqrt(lit, out=lit)
    lit *= 255
    np.minimum(lit, 255, out=lit)
    return lit.astype(np.uint8)


def cast_shadows(image: Image, joints: FloatArray, camera: Camera, floor_y: float, strength: float) -> None:
    """Darken ``image`` (H, W, 3) in place where one pose (24, 3) shades the floor at height ``floor_y``."""
    width, height = camera.size
    chosen = np.array([joint for joint, _, _ in _BLOBS])
    feet = np.asarray(joints, np.float64)[chosen]
    above = np.maximum(feet[:, 1] - floor_y, 0)
    radius = np.array([size for _, size, _ in _BLOBS]) * (1 + 0.55 * above)
    dark = strength * np.array([amount for _, _, amount in _BLOBS]) / (1 + 1.6 * above) ** 2
    ground = np.stack([feet[:, 0], np.full(len(feet), floor_y), feet[:, 2]], 1)
    offsets = np.stack([np.zeros(3), camera.rotation[0], np.cross(camera.rotation[0], [0.0, 1.0, 0.0])])
    spots = camera.project(ground[:, None] + offsets * radius[:, None, None]).astype(np.float64)
    if not np.isfinite(spots).all():
        return
    centre = spots[:, 0]
    half_x = np.abs(spots[:, 1, 0] - centre[:, 0]) + 1
    half_y = np.abs(spots[:, 2, 1] - centre[:, 1]) + 1
    left = max(int((centre[:, 0] - 2.1 * half_x).min()), 0)
    right = min(int((centre[:, 0] + 2.1 * half_x).max()) + 1, width)
    top = max(int((centre[:, 1] - 2.1 * half_y).min()), 0)
    bottom = min(int((centre[:, 1] + 2.1 * half_y).max()) + 1, height)
    if left >= right or top >= bottom:
        return
    columns = np.exp(-(((np.arange(left, right) + 0.5 - centre[:, :1]) / half_x[:, None]) ** 2))
    rows = np.exp(-(((np.arange(top, bottom) + 0.5 - centre[:, 1:]) / half_y[:, None]) ** 2))
    # Overlapping blobs add up inside the exponential, so that the light left never turns negative.
    light = np.exp(-(rows * dark[:, None]).T.astype(np.float32) @ columns.astype(np.float32))
    region = image[top:bottom, left:right]
    np.rint(region * light[..., None], out=region, casting="unsafe")
