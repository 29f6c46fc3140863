"""Motion files: our own and those of the published models, data sets and tools. A family of formats is one module.

| format | suffix | module |
|---|---|---|
| ``madance`` | .npz | :mod:`~madata.motion.formats.own` |
| ``aist++``, ``edge``, ``edge-slice`` | .pkl | :mod:`~madata.motion.formats.smpl` |
| ``amass`` | .npz | :mod:`~madata.motion.formats.amass` |
| ``smpl-parts`` (``global_orient``, ``body_pose``, ...) | .npz, .pkl, .pt | :mod:`~madata.motion.formats.body_parts` |
| ``gvhmr``, ``wham``, ``4d-humans`` | .pt, .pkl | :mod:`~madata.motion.formats.recovered` |
| ``positions``, ``bailando`` | .npz, .npy, .pkl.npy | :mod:`~madata.motion.formats.positions` |
| ``lodge-139``, ``finedance-315``, ``fact-225``, ... | .npy | :mod:`~madata.motion.formats.rows` |
| ``bvh`` | .bvh, .bvh.xz | :mod:`madata.motion.bvh` |

The format is told by suffix, keys and number of columns; name it where it cannot be. Nothing is executed. Suffixes
may be in capitals. Written are ``.npz`` (our own), ``.pkl`` (EDGE's), ``.bvh`` and ``.glb``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from madata.errors import ConfigError, MediaError
from madata.files import npz_names, read_npy_or_pickle, read_npz, read_pickle, read_torch
from madata.formats import SUFFIXES, suffix_of
from madata.limits import refuse_boundless
from madata.motion.bvh import bvh_to_motion, read_bvh, write_bvh
from madata.motion.fit import motion_of_positions
from madata.motion.formats import amass, body_parts, own, positions, recovered, rows, smpl
from madata.motion.formats.fields import Hints
from madata.motion.glb import write_glb
from madata.motion.kinematics import check_motion, joint_positions
from madata.motion.vectors import LAYOUTS, layout
from madata.types import Motion3D, Positions3D

__all__ = [
    "MOTION_FORMATS",
    "WRITTEN_SUFFIXES",
    "Hints",
    "read_any_motion",
    "read_motion",
    "read_positions",
    "write_motion",
]

_Content = Mapping[Any, Any]
_Read = Callable[[Path, _Content, Hints], Motion3D | Positions3D]


@dataclass(frozen=True)
class _Format:
    """A format told by its keys."""

    name: str
    holds: Callable[[_Content], bool]
    read: _Read


# In the order in which they are tried: a file may hold the keys of a later one as well.
_KEYED = (
    _Format("madance", own.holds, own.read),
    _Format("positions", positions.holds, positions.read),
    _Format("aist++", smpl.holds_aist, smpl.read_aist),
    _Format("edge", smpl.holds_edge, smpl.read_edge),
    _Format("edge-slice", smpl.holds_slice, smpl.read_slice),
    _Format("bailando", positions.holds_bailando, positions.read_bailando),
    _Format("amass", amass.holds, amass.read),
    _Format("smpl-parts", body_parts.holds, body_parts.read),
    _Format("gvhmr", recovered.holds_gvhmr, recovered.read_gvhmr),
    _Format("wham", recovered.holds_wham, recovered.read_wham),
    _Format("4d-humans", recovered.holds_phalp, recovered.read_phalp),
)
_NPZ_KEYS = frozenset({*own.KEYS, *positions.KEYS, *amass.KEYS, *body_parts.KEYS})

MOTION_FORMATS = (*(entry.name for entry in _KEYED), "bvh", *LAYOUTS)
"""Names :func:`read_motion` takes."""
WRITTEN_SUFFIXES = (".npz", ".pkl", ".bvh", ".glb")
"""Suffixes :func:`write_motion` takes."""


def read_motion(
    path: Path, format: str | None = None, fps: float | None = None, *, hints: Hints | None = None
) -> Motion3D:
    """Read a motion file; joint positions become rotations (:func:`madata.motion.motion_of_positions`).

    Args:
        path: the file.
        format: one of ``MOTION_FORMATS``; ``None`` tells it from the file.
        fps: frame rate where the file does not hold the format's usual one; short for ``hints``.
        hints: what else the file may not say.

    Raises:
        MediaError: the file is absent, is of no known format, or does not hold what the format needs.
        ConfigError: ``format`` is unknown.
    """
    found = _read(Path(path), format, _with_fps(hints, fps))
    return motion_of_positions(found) if isinstance(found, Positions3D) else found


def read_any_motion(
    path: Path, format: str | None = None, *, hints: Hints | None = None
) -> Motion3D | Positions3D:
    """Rotations or joint positions, as a motion file holds them; arguments and errors as :func:`read_motion`."""
    return _read(Path(path), format, hints or Hints())


def read_positions(
    path: Path, format: str | None = None, fps: float | None = None, *, hints: Hints | None = None
) -> Positions3D:
    """Joint positions of a motion file: as they are where it holds positions, else by forward kinematics.

    Args and errors are those of :func:`read_motion`.
    """
    found = _read(Path(path), format, _with_fps(hints, fps))
    if isinstance(found, Positions3D):
        return found
    return Positions3D(joint_positions(found), found.fps, found.up, found.skeleton)


def write_motion(path: Path, motion: Motion3D) -> None:
    """Write a motion by the suffix of ``path``.

    ``.npz`` is our own format and gives back what was written. ``.pkl`` is that of EDGE and MACE-Dance: SMPL's mean
    body, z up, read at 30 frames per second. ``.bvh`` and ``.glb`` take the dance to Blender and its like.

    Raises:
        MediaError: the motion is not whole.
        ConfigError: the suffix is none of these, or the motion is not what a ``.pkl`` can say.
    """
    writers = dict(zip(WRITTEN_SUFFIXES, (own.write, smpl.write_edge, write_bvh, write_glb), strict=True))
    writer = writers.get(suffix_of(path))
    if writer is None:
        raise ConfigError(
            f"{path}: motions are written as {', '.join(WRITTEN_SUFFIXES[:-1])} or {WRITTEN_SUFFIXES[-1]}"
        )
    check_motion(motion, path)
    writer(path, motion)


def _with_fps(hints: Hints | None, fps: float | None) -> Hints:
    hints = hints or Hints()
    return hints if fps is None else replace(hints, fps=float(fps))


def _read(path: Path, format: str | None, hints: Hints) -> Motion3D | Positions3D:
    found = _read_file(path, format, hints)
    points = found.positions if isinstance(found, Positions3D) else found.rotation
    refuse_boundless(f"{path}: ", len(points), points.shape[1], found.fps)
    return found


def _read_file(path: Path, format: str | None, hints: Hints) -> Motion3D | Positions3D:
    if format is not None and format not in MOTION_FORMATS:
        layout(format)
    suffix = suffix_of(path)
    if suffix in (".bvh", ".bvh.xz"):
        _expect(path, format, "bvh")
        motion = bvh_to_motion(read_bvh(path), path, hints.names, hints.metres_per_unit)
        return replace(motion, fps=hints.fps or motion.fps, up=hints.up or motion.up)
    if suffix == ".npz":
        content: Any = read_npz(path, _NPZ_KEYS)
    elif suffix in (".pkl", ".pickle"):
        content = read_pickle(path)
    elif suffix in (".pt", ".pth"):
        content = read_torch(path)
    elif suffix in (".npy", ".pkl.npy"):
        content = read_npy_or_pickle(path)
    else:
        raise MediaError(
            f"{path}: {suffix or 'no suffix'} is no motion file; known: {', '.join(SUFFIXES['motion'])}",
            reason="unknown_format",
        )
    try:
        found = _of_content(path, content, format, hints)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        # a list where a table belongs, a name where a number does: untrusted content fails in a hundred ways
        raise MediaError(
            f"{path}: is not as its format has it ({type(error).__name__}: {str(error)[:120]})",
            reason="bad_shape",
        ) from error
    return _scaled(found, hints.metres_per_unit)


def _of_content(path: Path, content: Any, format: str | None, hints: Hints) -> Motion3D | Positions3D:
    if isinstance(content, Mapping):
        return _keyed(path, content, format, hints)
    values = content
    if not isinstance(values, np.ndarray):
        raise MediaError(
            f"{path}: holds a {type(content).__name__}, expected arrays by name or rows of numbers",
            reason="bad_type",
        )
    if format == "positions" or (format is None and values.ndim == 3 and values.shape[-1] == 3):
        return positions.read_plain(path, values, hints)
    _expect(path, format, *LAYOUTS)
    return rows.read(path, values, hints, format)


def _keyed(path: Path, content: _Content, format: str | None, hints: Hints) -> Motion3D | Positions3D:
    _expect(path, format, *(entry.name for entry in _KEYED))
    for entry in _KEYED:
        if entry.name == format or (format is None and entry.holds(content)):
            return entry.read(path, content, hints)
    if "smpl_poses" in content:
        raise MediaError(
            f"{path}: smpl_scaling (AIST++) and full_pose (EDGE, MACE-Dance) are both absent, so the up axis and the "
            f"rate are unknown; say which it is: madance convert {path.name} OUT.npz --from aist++ (y up, 60 fps), or "
            "--from edge (z up, 30 fps)",
            reason="unknown_format",
        )
    names = npz_names(path) if suffix_of(path) == ".npz" else content
    held = ", ".join(sorted(map(str, names))[:12]) or "nothing"
    raise MediaError(
        f"{path}: holds {held}, which is no known motion; known are {', '.join(MOTION_FORMATS)}",
        reason="missing_key",
    )


def _expect(path: Path, format: str | None, *possible: str) -> None:
    if format is not None and format not in possible:
        raise MediaError(
            f"{path}: format {format!r} does not come as {path.suffix}; this file may be {' or '.join(possible)}",
            reason="unknown_format",
        )


def _scaled(found: Motion3D | Positions3D, metres_per_unit: float | None) -> Motion3D | Positions3D:
    """Lengths of a file in another unit; a body's mean bones are in metres already."""
    if metres_per_unit is None:
        return found
    scale = np.float32(metres_per_unit)
    if isinstance(found, Positions3D):
        return replace(found, positions=found.positions * scale)
    offsets = None if found.offsets is None else found.offsets * scale
    return replace(found, translation=found.translation * scale, offsets=offsets)
