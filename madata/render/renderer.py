"""The renderer interface, and the capsule renderer that works everywhere.

``figure = renderer.figure(motion)`` prepares one dancer for all frames; ``renderer.draw([figure, ...],
frame, stage)`` draws one frame of any number of dancers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from madata.render.backdrop import Stage
from madata.render.capsules import Capsules, surface, trace
from madata.render.figure import OUTFITS, CapsuleFigure, Outfit, build_figure
from madata.render.lighting import cast_shadows, shade
from madata.types import FloatArray, Motion3D

__all__ = ["CapsuleRenderer", "Figure", "Image", "Renderer", "frames"]

Image = npt.NDArray[np.uint8]


class Figure(Protocol):
    """A dancer ready to be drawn: ``joints`` (T, 24, 3) metres, y up, SMPL order."""

    @property
    def joints(self) -> FloatArray:
        """(T, J, 3) metres, what the camera must keep in view."""
        ...

    def lowest(self) -> float:
        """Height of the floor the dancer stands on, metres."""
        ...


F = TypeVar("F", bound=Figure)


class Renderer(Protocol[F]):
    """Draws dancers. ``name`` is how the command line calls it."""

    name: str

    def figure(self, motion: Motion3D, look: int = 0) -> F:
        """Prepare a dancer; ``look`` chooses among the renderer's clothes."""
        ...

    def draw(self, figures: Sequence[F], frame: int, stage: Stage) -> Image:
        """One frame (H, W, 3) RGB of all ``figures``."""
        ...


def frames(
    renderer: Renderer[F], figures: Sequence[F], stage: Stage, start: int, stop: int
) -> Iterator[Image]:
    """Frames [start, stop) of ``figures``, one by one."""
    for frame in range(start, stop):
        yield renderer.draw(figures, frame, stage)


class CapsuleRenderer:
    """Ray-cast figures of tapered capsules in NumPy: deterministic, exact silhouettes, no graphics driver."""

    name = "capsules"

    def __init__(self, outfits: Sequence[Outfit] = OUTFITS) -> None:
        self.outfits = tuple(outfits)

    def figure(self, motion: Motion3D, look: int = 0) -> CapsuleFigure:
        """Dress ``motion`` (on any skeleton with SMPL's body joints) in outfit ``look`` (taken modulo)."""
        from madata.render.pose import body_joints, head_axes

        return build_figure(body_joints(motion), self.outfits[look % len(self.outfits)], head_axes(motion))

    def draw(self, figures: Sequence[CapsuleFigure], frame: int, stage: Stage) -> Image:
        """One frame (H, W, 3) RGB of all ``figures``."""
        image = stage.image.copy()
        camera = stage.camera
        if stage.floor_y is not None:
            for figure in figures:
                cast_shadows(image, figure.joints[frame], camera, stage.floor_y, stage.light.shadow)
        capsules = Capsules(
            a=camera.to_camera(np.concatenate([figure.a[frame] for figure in figures])).astype(np.float32),
            b=camera.to_camera(np.concatenate([figure.b[frame] for figure in figures])).astype(np.float32),
            ra=np.concatenate([figure.ra for figure in figures]),
            rb=np.concatenate([figure.rb for figure in figures]),
        )
        hits = trace(capsules, camera)
        seen = surface(hits, capsules, camera)
        split = np.concatenate([figure.split for figure in figures])
        colours = np.concatenate([figure.colours.reshape(-1, 3) for figure in figures])
        beyond = seen.along > split[seen.capsule]
        shown = shade(seen.normal, colours.take(2 * seen.capsule + beyond, axis=0), stage.light)
        height, width = hits.index.shape
        region = _whole_pixels(image)[hits.top : hits.top + height, hits.left : hits.left + width]
        region[hits.index >= 0] = _whole_pixels(shown)
        _soften_edges(region, hits.index)
        return image


def _whole_pixels(image: Image) -> npt.NDArray[np.void]:
    """View (..., 3) bytes as (...) pixels: NumPy moves whole items many times faster than rows of three."""
    return image.view("V3")[..., 0]


def _soften_edges(pixels: npt.NDArray[np.void], index: npt.NDArray[np.int16]) -> None:
    """Blend the pixels along every outline with their neighbours, in place: edges without steps."""
    if min(index.shape) < 3:
        return
    edge = np.zeros(index.shape, np.bool_)
    for one, other in ((np.s_[:, 1:], np.s_[:, :-1]), (np.s_[1:], np.s_[:-1])):
        differs = index[one] != index[other]
        edge[one] |= differs
        edge[other] |= differs
    inner = edge[1:-1, 1:-1]
    rows, columns = index.shape
    total = _channels(pixels[1:-1, 1:-1][inner]) * 4
    for down, right in ((0, 1), (2, 1), (1, 0), (1, 2)):
        total += _channels(pixels[down : rows - 2 + down, right : columns - 2 + right][inner])
    pixels[1:-1, 1:-1][inner] = _whole_pixels((total >> 3).astype(np.uint8))


def _channels(pixels: npt.NDArray[np.void]) -> npt.NDArray[np.uint16]:
    return pixels.view(np.uint8).reshape(-1, 3).astype(np.uint16)
