"""A skinned SMPL body, drawn through OpenGL where there is a driver, by a painter's algorithm otherwise.

Vertices are shaded here, so both ways show the same colours; they differ only along edges.

Legend: V vertices, F faces.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from madata.errors import MissingDependencyError
from madata.render.backdrop import Stage
from madata.render.figure import OUTFITS, Outfit
from madata.render.lighting import cast_shadows, shade
from madata.render.pose import as_body
from madata.render.smpl import SmplModel, load_smpl
from madata.types import FloatArray, Motion3D

__all__ = ["MeshFigure", "MeshRenderer", "Rasteriser", "paint"]

_log = logging.getLogger(__name__)

Image = npt.NDArray[np.uint8]
Faces = npt.NDArray[np.int32]

_TOP, _BOTTOM, _SHOES = (3, 6, 9, 13, 14, 16, 17), (0, 1, 2, 4, 5), (7, 8, 10, 11)
_SUBPIXEL_BITS = 4


@dataclass(frozen=True, eq=False)
class MeshFigure:
    """A dancer: the pose over time, and the body's linear colours (V, 3)."""

    joints: FloatArray
    rotation: FloatArray
    model: SmplModel
    colours: FloatArray

    def lowest(self) -> float:
        """Height of the lowest vertex, as the 5th percentile over some 40 frames: where the floor is."""
        step = max(len(self.joints) // 40, 1)
        heights = [self.vertices(frame)[:, 1].min() for frame in range(0, len(self.joints), step)]
        return float(np.percentile(heights, 5))

    def vertices(self, frame: int) -> FloatArray:
        """(V, 3) metres, y up."""
        return self.model.vertices(self.rotation[frame], self.joints[frame, 0])


class Rasteriser(Protocol):
    """Draws triangles onto ``image`` (H, W, 3) in place.

    ``points`` (V, 3) are pixel u, pixel v and depth in metres; ``colours`` (V, 3) are shown as they are.
    """

    def __call__(self, image: Image, points: FloatArray, colours: Image, faces: Faces) -> None:
        """Draw into ``image``."""


class MeshRenderer:
    """Draws SMPL bodies from the user's model file."""

    name = "smpl"

    def __init__(
        self, model: Path, outfits: Sequence[Outfit] = OUTFITS, rasteriser: Rasteriser | None = None
    ) -> None:
        self.model = load_smpl(model)
        self.outfits = tuple(outfits)
        self._rasterise = rasteriser or _best_rasteriser()

    def figure(self, motion: Motion3D, look: int = 0) -> MeshFigure:
        """Put ``motion`` on the model's body, in the colours of outfit number ``look`` (taken modulo)."""
        body = as_body(motion)
        outfit = self.outfits[look % len(self.outfits)]
        joints = self.model.joint_positions(body.rotation, body.translation)
        return MeshFigure(joints, body.rotation, self.model, _dress(self.model, outfit))

    def draw(self, figures: Sequence[MeshFigure], frame: int, stage: Stage) -> Image:
        """One frame (H, W, 3) RGB of all ``figures``."""
        image = stage.image.copy()
        camera = stage.camera
        points, colours, faces, first = [], [], [], 0
        for figure in figures:
            if stage.floor_y is not None:
                cast_shadows(image, figure.joints[frame], camera, stage.floor_y, stage.light.shadow)
            world = figure.vertices(frame)
            seen = camera.to_camera(world).astype(np.float32)
            normals = _vertex_normals(seen, figure.model.faces)
            points.append(np.concatenate([camera.project(world), -seen[:, 2:]], 1))
            colours.append(shade(normals.T, figure.colours, stage.light))
            faces.append(figure.model.faces + first)
            first += len(world)
        self._rasterise(image, np.concatenate(points), np.concatenate(colours), np.concatenate(faces))
        return image


def _dress(model: SmplModel, outfit: Outfit) -> FloatArray:
    """Linear colours (V, 3): each vertex wears what the joint that moves it most wears."""
    worn: dict[int, tuple[float, float, float]] = {}
    worn.update(dict.fromkeys(_TOP, outfit.top))
    worn.update(dict.fromkeys(_BOTTOM, outfit.bottom))
    worn.update(dict.fromkeys(_SHOES, outfit.shoes))
    table = np.array([worn.get(joint, outfit.skin) for joint in range(24)], np.float32) ** 2.2
    return np.asarray(table[model.weights.argmax(1)], np.float32)


def _vertex_normals(vertices: FloatArray, faces: Faces) -> FloatArray:
    """(V, 3) unit normals: the sum of the face normals around each vertex, weighted by area."""
    a, b, c = (vertices[faces[:, corner]] for corner in range(3))
    across = np.cross(b - a, c - a)
    flat = faces.reshape(-1)
    spread = np.repeat(across, 3, axis=0)
    total = np.stack([np.bincount(flat, spread[:, axis], len(vertices)) for axis in range(3)], 1)
    length = np.linalg.norm(total, axis=1, keepdims=True)
    return np.asarray(total / np.maximum(length, 1e-12), np.float32)


def paint(image: Image, points: FloatArray, colours: Image, faces: Faces) -> None:
    """Rasteriser without a graphics driver: front faces drawn flat, farthest first."""
    try:
        import cv2
    except ImportError as error:
        raise MissingDependencyError("drawing meshes needs OpenCV: pip install 'madance[media]'") from error

    corners = points[faces]
    u, v = corners[..., 0], corners[..., 1]
    turning = (u[:, 1] - u[:, 0]) * (v[:, 2] - v[:, 0]) - (u[:, 2] - u[:, 0]) * (v[:, 1] - v[:, 0])
    front = np.flatnonzero((turning < 0) & (corners[..., 2] > 0).all(1))
    order = front[np.argsort(-corners[front, :, 2].mean(1), kind="stable")]
    flat = colours[faces[order]].mean(1)
    # OpenCV's integer coordinates are pixel centres, ours are pixel corners.
    fixed = np.rint((corners[order, :, :2] - 0.5) * (1 << _SUBPIXEL_BITS)).astype(np.int32)
    for triangle, colour in zip(fixed, flat.tolist(), strict=True):
        cv2.fillConvexPoly(image, triangle, colour, lineType=cv2.LINE_8, shift=_SUBPIXEL_BITS)


def _best_rasteriser() -> Rasteriser:
    try:
        import moderngl

        context = moderngl.create_context(standalone=True, backend="egl")  # type: ignore[arg-type]
    except Exception as error:  # no package, no libEGL, no device: each raises its own
        _log.info("no OpenGL through EGL (%s): meshes are painted in software", error)
        return paint
    return _OpenGl(context)


class _OpenGl:
    """Rasteriser through OpenGL with four samples per pixel."""

    _VERTEX = """
        #version 330
        in vec3 point; in vec3 colour; out vec3 shown; uniform vec2 size;
        void main() {
            float w = point.z;
            gl_Position = vec4((2 * point.xy / size - 1) * w, w - 0.1, w);  // from 5 cm to infinity
            shown = colour;
        }"""
    _FRAGMENT = """
        #version 330
        in vec3 shown; out vec4 colour;
        void main() { colour = vec4(shown, 1); }"""

    def __init__(self, context: Any) -> None:
        self._context = context
        self._program = context.program(vertex_shader=self._VERTEX, fragment_shader=self._FRAGMENT)
        self._size: tuple[int, int] | None = None

    def _target(self, size: tuple[int, int]) -> None:
        if self._size == size:
            return
        context = self._context
        samples = min(4, context.max_samples)
        self._drawn = context.framebuffer(
            [context.renderbuffer(size, 4, samples=samples)],
            context.depth_renderbuffer(size, samples=samples),
        )
        self._resolved = context.simple_framebuffer(size, 4)
        self._size = size

    def __call__(self, image: Image, points: FloatArray, colours: Image, faces: Faces) -> None:
        height, width, _ = image.shape
        self._target((width, height))
        context = self._context
        vertices = np.concatenate([points, colours.astype(np.float32) / 255], 1).astype("f4")
        vertex_buffer = context.buffer(vertices.tobytes())
        index_buffer = context.buffer(np.ascontiguousarray(faces, np.int32).tobytes())
        array = context.vertex_array(
            self._program, [(vertex_buffer, "3f 3f", "point", "colour")], index_buffer
        )
        self._program["size"].value = (width, height)
        self._drawn.use()
        self._drawn.clear(0, 0, 0, 0)
        context.enable(context.DEPTH_TEST)
        array.render()
        context.copy_framebuffer(self._resolved, self._drawn)
        # OpenGL's first row is the bottom one; v was handed over growing downwards, so no flip is left to do.
        drawn = np.frombuffer(self._resolved.read(components=4), np.uint8).reshape(height, width, 4)
        share = drawn[..., 3]
        np.copyto(image, drawn[..., :3], where=(share == 255)[..., None])
        # The resolved colour of an edge pixel is already weighted by its share of the pixel.
        edge = (share > 0) & (share < 255)
        behind = image[edge] * (255 - share[edge].astype(np.uint16))[:, None] // 255
        image[edge] = np.minimum(drawn[edge][:, :3] + behind, 255).astype(np.uint8)
        for item in (array, index_buffer, vertex_buffer):
            item.release()
