"""Places to dance in: a floor, a wall behind it and the light, drawn once per camera.

A backdrop is a function of the floor and wall position seen by each pixel. The floor is the plane y =
``floor_y``; the wall stands upright behind the dancer, square to the first view.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from madata.errors import ConfigError, did_you_mean
from madata.render.camera import Camera
from madata.render.lighting import STUDIO_LIGHT, Light
from madata.types import FloatArray

__all__ = ["BACKDROPS", "Stage", "make_stage", "stages_along"]

Image = npt.NDArray[np.uint8]
Colour = tuple[float, float, float]

# How far the wall is behind the middle of the dance, and at least behind the farthest joint.
_WALL_M, _ROOM_M = 1.9, 0.6
_WALL_PERIOD_M = 6.9
"""A whole number of bricks."""


@dataclass(frozen=True)
class Stage:
    """What does not change during a clip.

    Attributes:
        image: (H, W, 3) the empty place.
        floor_y: height of the floor, metres; ``None`` where nothing casts a shadow.
    """

    camera: Camera
    image: Image
    floor_y: float | None
    light: Light = STUDIO_LIGHT


@dataclass(frozen=True)
class _View:
    """Per pixel (H, W): position on the floor or on the wall, metres, and which of the two is seen.

    Attributes:
        across, away: in the place; lit_across, lit_away: from the dancer, with whom the light goes.
    """

    across: FloatArray
    away: FloatArray
    lit_across: FloatArray
    lit_away: FloatArray
    height: FloatArray
    on_floor: npt.NDArray[np.bool_]
    u: FloatArray
    v: FloatArray


def make_stage(
    name: str,
    camera: Camera,
    joints: Sequence[npt.NDArray[np.floating]],
    floor_y: float,
    *,
    seed: int = 0,
    travelled: npt.NDArray[np.floating] | None = None,
) -> Stage:
    """The place called ``name`` (see :data:`BACKDROPS`) as ``camera`` sees it.

    Args:
        joints: (T, J, 3) metres of every dancer: the light falls on the middle of where they dance, and the
            wall stands behind all of it.
        floor_y: height of the floor, metres.
        seed: varies colours and what hangs on the wall.
        travelled: (3,) metres that the camera has gone with the dancer: floor and wall have moved past, the light and
            the distance of the wall are as before.

    Raises:
        ConfigError: there is no place of that name.
    """
    if name not in BACKDROPS:
        raise ConfigError(f"unknown backdrop {name!r}{did_you_mean(name, BACKDROPS)}")
    rng = np.random.default_rng([seed, sum(name.encode())])
    colour, light = BACKDROPS[name](_view(camera, joints, floor_y, travelled), rng)
    grain = rng.normal(0, 0.006, colour.shape[:2]).astype(np.float32)
    shown = np.sqrt(np.clip(colour, 0, 1)) + grain[..., None]
    image = (np.clip(shown, 0, 1) * 255).astype(np.uint8)
    return Stage(camera, image, floor_y, light)


def stages_along(
    name: str,
    camera: Camera,
    joints: Sequence[npt.NDArray[np.floating]],
    floor_y: float,
    way: npt.NDArray[np.floating],
    *,
    seed: int = 0,
) -> Iterator[Stage]:
    """The place at every step of a camera's way (T, 3); see :func:`make_stage`."""
    if name in _SEAMLESS or not way.any():
        yield from [make_stage(name, camera, joints, floor_y, seed=seed)] * len(way)
        return
    for travelled in way:
        yield make_stage(name, camera, joints, floor_y, seed=seed, travelled=travelled)


def _view(
    camera: Camera,
    joints: Sequence[npt.NDArray[np.floating]],
    floor_y: float,
    travelled: npt.NDArray[np.floating] | None,
) -> _View:
    x, y = camera.rays()
    right, up, back = camera.rotation
    level = np.cross(right, [0.0, 1.0, 0.0])
    directions = x[None, :, None] * right + y[:, None, None] * up - back
    points = np.concatenate([np.asarray(one).reshape(-1, 3) for one in joints]) - camera.position
    reach = -(points @ level)
    middle, wall = float(reach.mean()), float(max(reach.mean() + _WALL_M, reach.max() + _ROOM_M))
    drop = camera.position[1] - floor_y
    down = -directions[..., 1]
    ahead = -(directions @ level)
    to_wall = wall / np.maximum(ahead, 1e-3)
    to_floor = drop / np.maximum(down, 1e-3)
    on_floor = (down > 1e-3) & (to_floor < to_wall)
    t = np.where(on_floor, to_floor, to_wall)
    u, v = np.meshgrid(np.linspace(-1, 1, len(x)), np.linspace(-1, 1, len(y)))
    fields = (
        directions @ right * t - float((points @ right).mean()),
        ahead * t - middle,
        np.where(on_floor, 0, drop - down * t),
    )
    lit_across, lit_away, height = (one.astype(np.float32) for one in fields)
    across, away = lit_across, lit_away
    if travelled is not None:
        across = (fields[0] + float(travelled @ right)).astype(np.float32)
        away = (fields[1] - float(travelled @ level)).astype(np.float32)
        # what hangs on the wall comes again
        across = np.where(
            on_floor, across, (across + _WALL_PERIOD_M / 2) % _WALL_PERIOD_M - _WALL_PERIOD_M / 2
        )
    return _View(
        across, away, lit_across, lit_away, height, on_floor, u.astype(np.float32), v.astype(np.float32)
    )


def _noise(shape: tuple[int, int], cells: int, rng: np.random.Generator) -> FloatArray:
    """Smooth noise (H, W) about 0, bilinear between ``cells`` random values across."""
    rows = max(2, round(cells * shape[0] / shape[1]))
    grid = rng.normal(0, 1, (rows + 1, cells + 1))
    smooth = _bilinear(shape[0], rows) @ grid @ _bilinear(shape[1], cells).T
    return np.asarray(smooth, np.float32)


def _bilinear(size: int, cells: int) -> npt.NDArray[np.float64]:
    position = (np.arange(size) + 0.5) / size * cells
    return np.asarray(np.maximum(1 - np.abs(position[:, None] - np.arange(cells + 1)), 0))


def _hash(a: npt.NDArray[np.floating], b: npt.NDArray[np.floating]) -> FloatArray:
    """Repeatable random value 0..1 of two whole numbers, per pixel."""
    value = np.sin(a.astype(np.float64) * 12.9898 + b.astype(np.float64) * 78.233) * 43758.5453
    return (value - np.floor(value)).astype(np.float32)


def _paint(base: npt.NDArray[np.floating] | float, colour: Colour) -> FloatArray:
    return np.asarray(np.asarray(base, np.float32)[..., None] * np.square(np.asarray(colour, np.float32)))


def _pool(view: _View, width: float, depth: float) -> FloatArray:
    return np.exp(-((view.lit_across / width) ** 2) - (view.lit_away / depth) ** 2)


def _studio(view: _View, rng: np.random.Generator) -> tuple[FloatArray, Light]:
    tints: list[Colour] = [(0.80, 0.84, 0.90), (0.90, 0.84, 0.80), (0.82, 0.88, 0.83), (0.87, 0.82, 0.90)]
    tint = tints[int(rng.integers(len(tints)))]
    # A cove: the floor turns into the wall without an edge.
    depth = np.where(view.on_floor, view.lit_away, view.lit_away + 2.2 * view.height)
    tone = 0.98 - 0.16 * np.clip(depth / 4, -0.4, 1.2) - 0.10 * (view.u**2 + 0.6 * view.v**2)
    tone = tone + 0.10 * _pool(view, 1.6, 1.6)
    return _paint(tone, tint), STUDIO_LIGHT


def _planks(view: _View, colour: Colour, width_m: float) -> FloatArray:
    plank = np.floor(view.across / width_m)
    piece = np.floor((view.away + 0.7 * _hash(plank, plank * 0)) / 1.4)
    tone = 0.78 + 0.30 * _hash(plank, piece)
    grain = 0.05 * np.sin(view.across * 170 + 9 * _hash(plank, piece) + 2.2 * np.sin(view.away * 5))
    gap = np.abs(view.across / width_m - plank - 0.5) > 0.5 - 0.006 / width_m
    return _paint(np.where(gap, 0.35, tone + grain) * (1 + 0.25 * _pool(view, 1.5, 1.5)), colour)


def _room(view: _View, rng: np.random.Generator) -> tuple[FloatArray, Light]:
    walls: list[Colour] = [(0.80, 0.77, 0.70), (0.66, 0.74, 0.76), (0.78, 0.70, 0.66), (0.70, 0.75, 0.66)]
    woods: list[Colour] = [(0.70, 0.52, 0.36), (0.56, 0.41, 0.30), (0.76, 0.62, 0.46)]
    tone = 0.96 + 0.05 * _noise(view.across.shape, 6, rng) - 0.10 * view.u**2 + 0.06 * view.height / 2
    colour = _paint(tone, walls[int(rng.integers(len(walls)))])
    skirting = (view.height < 0.12) & ~view.on_floor
    colour = np.where(skirting[..., None], _paint(tone, (0.93, 0.92, 0.90)), colour)
    side = float(rng.choice([-1.0, 1.0]))
    for centre, width, low, high in ((1.05 * side, 0.36, 1.05, 1.75), (-0.95 * side, 0.28, 1.2, 1.62)):
        hue = rng.uniform(0.25, 0.8, 3)
        inside = (np.abs(view.across - centre) < width) & (view.height > low) & (view.height < high)
        frame = inside & (
            (np.abs(view.across - centre) > width - 0.035)
            | (view.height < low + 0.035)
            | (view.height > high - 0.035)
        )
        waves = 0.75 + 0.3 * np.sin(view.across * 9 + 4 * view.height) * np.sin(
            view.height * 7 + float(hue[0]) * 9
        )
        colour = np.where(
            inside[..., None], _paint(waves, (float(hue[0]), float(hue[1]), float(hue[2]))), colour
        )
        colour = np.where(frame[..., None], _paint(1.0, (0.24, 0.19, 0.16)), colour)
    floor = _planks(view, woods[int(rng.integers(len(woods)))], 0.14)
    light = Light(key=(0.92, 0.84, 0.72), sky=(0.58, 0.58, 0.58), ground=(0.30, 0.25, 0.20))
    return np.where(view.on_floor[..., None], floor, colour), light


def _stage(view: _View, rng: np.random.Generator) -> tuple[FloatArray, Light]:
    curtains: list[Colour] = [(0.46, 0.07, 0.13), (0.10, 0.14, 0.38), (0.25, 0.08, 0.36)]
    folds = np.sin(view.across * 15 + 0.5 * np.sin(view.across * 4.1))
    tone = 0.55 + 0.38 * folds * np.abs(folds) + 0.05 * np.sin(view.across * 47)
    tone = tone * (0.35 + 0.75 * np.exp(-((view.lit_across / 1.9) ** 2) - ((view.height - 1.0) / 1.5) ** 2))
    colour = _paint(np.clip(tone, 0.02, 2), curtains[int(rng.integers(len(curtains)))])
    boards = _planks(view, (0.36, 0.29, 0.27), 0.2)
    lit = (0.30 + 2.3 * _pool(view, 1.15, 0.95))[..., None]
    light = Light(
        key=(1.0, 0.92, 0.80), sky=(0.42, 0.42, 0.50), ground=(0.24, 0.17, 0.16), rim=(0.50, 0.38, 0.62),
        direction=(-0.2, 0.85, 0.5),
    )  # fmt: skip
    return np.where(view.on_floor[..., None], boards * lit, colour), light


def _loft(view: _View, rng: np.random.Generator) -> tuple[FloatArray, Light]:
    row = np.floor(view.height / 0.075)
    shifted = view.across / 0.23 + 0.5 * (row % 2)
    brick = np.floor(shifted)
    mortar = (np.abs(shifted - brick - 0.5) > 0.47) | (np.abs(view.height / 0.075 - row - 0.5) > 0.42)
    tone = 0.72 + 0.38 * _hash(brick, row) + 0.05 * _noise(view.across.shape, 40, rng)
    tone = tone * (1 - 0.16 * view.u**2)
    wall = np.where(mortar[..., None], _paint(0.9, (0.66, 0.63, 0.60)), _paint(tone, (0.60, 0.36, 0.29)))
    stain = 0.9 + 0.06 * _noise(view.across.shape, 24, rng) + 0.07 * _noise(view.across.shape, 7, rng)
    floor = _paint(stain * (1 + 0.2 * _pool(view, 1.6, 1.4)), (0.60, 0.60, 0.60))
    light = Light(key=(0.84, 0.82, 0.82), sky=(0.56, 0.60, 0.66), ground=(0.30, 0.24, 0.22))
    return np.where(view.on_floor[..., None], floor, wall), light


def _grid(view: _View, rng: np.random.Generator) -> tuple[FloatArray, Light]:
    square = (np.floor(view.across / 0.5) + np.floor(view.away / 0.5)) % 2
    fade = np.exp(-0.25 * np.clip(view.lit_away + 1, 0, 8))
    floor = _paint((0.62 + 0.30 * square) * (0.6 + 0.4 * fade), (0.72, 0.74, 0.80))
    sky = _paint(0.95 - 0.28 * np.clip(view.height / 3, 0, 1.2), (0.70, 0.78, 0.92))
    return np.where(view.on_floor[..., None], floor, sky), STUDIO_LIGHT


BACKDROPS: dict[str, Callable[[_View, np.random.Generator], tuple[FloatArray, Light]]] = {
    "studio": _studio,
    "room": _room,
    "stage": _stage,
    "loft": _loft,
    "grid": _grid,
}
"""Places by name: ``studio`` is a seamless cove, ``grid`` a checkered plane under a sky."""
_SEAMLESS = frozenset({"studio"})
"""Nothing in them shows that one moves."""
