"""Motion files: our own and those of the published models and data sets.

| format | suffix | content | world |
|---|---|---|---|
| ``madance`` | .npz | a :class:`~madata.types.Motion3D` field by field | as stored |
| ``aist++`` | .pkl | smpl_poses (T, 72), smpl_trans (T, 3), divided by smpl_scaling (1,) | y up, 60 fps |
| ``edge`` | .pkl | as AIST++ without scaling, full_pose (T, 24, 3): EDGE, MACE-Dance | z up, 30 fps |
| ``amass`` | .npz | poses (T, 156) SMPL-H or (T, 165) SMPL-X, trans (T, 3), mocap_framerate | z up |
| ``bvh`` | .bvh, .bvh.xz | see :mod:`madata.motion.bvh` and :mod:`madata.motion.retarget` | as recorded |
| ``lodge-139``, ``finedance-315``, ... | .npy | (T, D), see :mod:`madata.motion.vectors` | its own |

The format is told by suffix, keys and number of columns; name it where it cannot be. Nothing is executed.
Legend: T frames, D columns.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from madata.errors import ConfigError, MediaError
from madata.files import read_npz, read_pickle, write_npz, write_pickle
from madata.motion.bvh import read_bvh
from madata.motion.kinematics import check_motion, joint_positions, with_up
from madata.motion.retarget import bvh_to_motion
from madata.motion.vectors import LAYOUTS, decode, layout, layout_of_width
from madata.types import FloatArray, Motion3D

__all__ = ["MOTION_FORMATS", "read_motion", "write_motion"]

MOTION_FORMATS = ("madance", "aist++", "edge", "amass", "bvh", *LAYOUTS)
_VERSION = 1
_PICKLED_FPS = 30.0


def read_motion(
    path: Path,
    format: str | None = None,
    fps: float | None = None,
    *,
    names: Mapping[str, str] | None = None,
    metres_per_unit: float | None = None,
) -> Motion3D:
    """Read a motion file.

    Args:
        path: the file.
        format: one of ``MOTION_FORMATS``; ``None`` tells it from the file.
        fps: frame rate where the file does not hold the format's usual one.
        names: BVH only: SMPL joint -> joint of the file, for joints whose names say nothing.
        metres_per_unit: BVH only: length of one file unit, for bodies whose size says nothing.

    Raises:
        MediaError: the file is absent, is of no known format, or does not hold what the format needs.
        ConfigError: ``format`` is unknown.
    """
    path = Path(path)
    if format is not None and format not in MOTION_FORMATS:
        layout(format)
    if path.name.endswith((".bvh", ".bvh.xz")):
        _expect(path, format, "bvh")
        return _rated(bvh_to_motion(read_bvh(path), path, names, metres_per_unit), fps)
    if path.suffix == ".npz":
        return _read_npz(path, format, fps)
    if path.suffix in (".pkl", ".pickle"):
        return _read_pickled(path, format, fps)
    if path.suffix == ".npy":
        return _read_vectors(path, format, fps)
    raise MediaError(
        f"{path}: {path.suffix or 'no suffix'} is no motion file; known: .npz, .pkl, .npy, .bvh, .bvh.xz",
        reason="unknown_format",
    )


def write_motion(path: Path, motion: Motion3D) -> None:
    """Write a motion; :func:`read_motion` gives the same arrays back.

    ``.npz`` is our own format. ``.pkl`` is that of EDGE and MACE-Dance: smpl_poses (T, 72) radians, smpl_trans
    (T, 3) metres, full_pose (T, 24, 3) joint positions, z up. It stores no frame rate: readers take 30 per second.

    Raises:
        MediaError: the motion is not whole.
        ConfigError: the suffix is neither, or the motion is not what a ``.pkl`` can say.
    """
    if path.suffix not in (".npz", ".pkl"):
        raise ConfigError(f"{path}: motions are written as .npz or .pkl")
    check_motion(motion, path)
    if path.suffix == ".pkl":
        _write_pickled(path, motion)
        return
    arrays: dict[str, npt.ArrayLike] = {
        "version": _VERSION,
        "rotation": np.asarray(motion.rotation, np.float32),
        "translation": np.asarray(motion.translation, np.float32),
        "fps": np.float64(motion.fps),
        "up": motion.up,
        "skeleton": motion.skeleton,
    }
    if motion.offsets is not None:
        arrays["offsets"] = np.asarray(motion.offsets, np.float32)
    write_npz(path, **arrays)


def _write_pickled(path: Path, motion: Motion3D) -> None:
    if motion.skeleton != "smpl-24" or motion.offsets is not None:
        own = " with bone lengths of its own" if motion.offsets is not None else ""
        raise ConfigError(f"{path}: a .pkl holds SMPL's mean body, not {motion.skeleton}{own}; write .npz")
    if motion.fps != _PICKLED_FPS:
        raise ConfigError(
            f"{path}: a .pkl is read at {_PICKLED_FPS:g} frames per second and the motion has {motion.fps:g}; "
            "resample it, or write .npz"
        )
    motion = with_up(motion, "z")
    write_pickle(
        path,
        {
            "smpl_poses": np.asarray(motion.rotation, np.float32).reshape(-1, 72),
            "smpl_trans": np.asarray(motion.translation, np.float32),
            "full_pose": np.asarray(joint_positions(motion, up="z"), np.float32),
        },
    )


def _rated(motion: Motion3D, fps: float | None) -> Motion3D:
    if fps is None:
        return motion
    return Motion3D(
        motion.rotation, motion.translation, float(fps), motion.up, motion.skeleton, motion.offsets
    )


def _expect(path: Path, format: str | None, *possible: str) -> bool:
    if format is None or format in possible:
        return True
    raise MediaError(
        f"{path}: format {format!r} does not come as {path.suffix}; this file may be {' or '.join(possible)}",
        reason="unknown_format",
    )


def _array(path: Path, value: Any, key: str, shape: tuple[int | None, ...]) -> FloatArray:
    """A float32 array of the given shape (``None`` fits any length)."""
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise MediaError(f"{path}: {key} is no array ({error})", reason="bad_type") from None
    if array.dtype.kind not in "fiu":
        raise MediaError(f"{path}: {key} holds {array.dtype}, expected numbers", reason="bad_type")
    fits = array.ndim == len(shape) and all(
        want in (None, have) for want, have in zip(shape, array.shape, strict=True)
    )
    if not fits:
        wanted = ", ".join(
            ("any" if axis else "T") if size is None else str(size) for axis, size in enumerate(shape)
        )
        raise MediaError(f"{path}: {key} has shape {array.shape}, expected ({wanted})", reason="bad_shape")
    return np.ascontiguousarray(array, np.float32)


def _need(path: Path, content: Mapping[str, Any], *keys: str) -> None:
    lacking = [key for key in keys if key not in content]
    if lacking:
        held = ", ".join(sorted(map(str, content))) or "nothing"
        raise MediaError(
            f"{path}: no {', '.join(lacking)}; it holds {held}. Is this a motion file?", reason="missing_key"
        )


def _read_npz(path: Path, format: str | None, fps: float | None) -> Motion3D:
    _expect(path, format, "madance", "amass")
    content = read_npz(path)
    if format == "amass" or (format is None and "poses" in content):
        return _amass(path, content, fps)
    _need(path, content, "version", "rotation", "translation", "fps", "up", "skeleton")
    if content["version"].size != 1 or content["version"].item() != _VERSION:
        raise MediaError(
            f"{path}: motion file version {content['version']}, this release reads {_VERSION}: update it",
            reason="bad_version",
        )
    skeleton_name, up = str(content["skeleton"]), str(content["up"])
    motion = Motion3D(
        rotation=_array(path, content["rotation"], "rotation", (None, None, 3)),
        translation=_array(path, content["translation"], "translation", (None, 3)),
        fps=float(fps or _number(path, content["fps"], "fps")),
        up=up,
        skeleton=skeleton_name,
        offsets=_array(path, content["offsets"], "offsets", (None, 3)) if "offsets" in content else None,
    )
    try:
        return check_motion(motion, path)
    except ConfigError as error:
        raise MediaError(f"{path}: {error}", reason="bad_value") from None


def _number(path: Path, value: Any, key: str) -> float:
    array = np.asarray(value)
    if array.size != 1 or array.dtype.kind not in "fiu":
        raise MediaError(
            f"{path}: {key} should be one number, found {array.dtype} {array.shape}", reason="bad_type"
        )
    return float(array.reshape(()))


def _amass(path: Path, content: Mapping[str, Any], fps: float | None) -> Motion3D:
    _need(path, content, "poses", "trans")
    poses = _array(path, content["poses"], "poses", (None, None))
    names = {156: "smplh-52", 165: "smplx-55"}
    if poses.shape[1] not in names:
        raise MediaError(
            f"{path}: poses has shape {poses.shape}, expected (T, 156) for SMPL-H or (T, 165) for SMPL-X",
            reason="bad_shape",
        )
    rate = fps
    if rate is None:
        rates = [key for key in ("mocap_framerate", "mocap_frame_rate") if key in content]
        if not rates:
            _need(path, content, "mocap_framerate")
        rate = _number(path, content[rates[0]], rates[0])
    return check_motion(
        Motion3D(
            rotation=poses.reshape(len(poses), -1, 3),
            translation=_array(path, content["trans"], "trans", (len(poses), 3)),
            fps=float(rate),
            up="z",
            skeleton=names[poses.shape[1]],
        ),
        path,
    )


def _read_pickled(path: Path, format: str | None, fps: float | None) -> Motion3D:
    _expect(path, format, "aist++", "edge")
    content = read_pickle(path)
    if not isinstance(content, dict):
        raise MediaError(
            f"{path}: holds a {type(content).__name__}, expected a dict with smpl_poses and smpl_trans",
            reason="bad_type",
        )
    _need(path, content, "smpl_poses", "smpl_trans")
    if format is None:
        format = "aist++" if "smpl_scaling" in content else "edge" if "full_pose" in content else None
    if format is None:
        raise MediaError(
            f"{path}: smpl_scaling (AIST++) and full_pose (EDGE, MACE-Dance) are both absent, so the up axis "
            "is unknown: say format='aist++' (y up) or format='edge' (z up)",
            reason="unknown_format",
        )
    poses = content["smpl_poses"]
    shape = (None, 24, 3) if getattr(poses, "ndim", 2) == 3 else (None, 72)
    rotation = _array(path, poses, "smpl_poses", shape).reshape(-1, 24, 3)
    translation = _array(path, content["smpl_trans"], "smpl_trans", (len(rotation), 3))
    if format == "aist++":
        _need(path, content, "smpl_scaling")
        scaling = _number(path, content["smpl_scaling"], "smpl_scaling")
        if not scaling > 0:
            raise MediaError(f"{path}: smpl_scaling must be positive, found {scaling}", reason="bad_value")
        translation = translation / np.float32(scaling)
    up, rate = ("y", 60.0) if format == "aist++" else ("z", _PICKLED_FPS)
    return check_motion(Motion3D(rotation, translation, float(fps or rate), up, "smpl-24"), path)


def _read_vectors(path: Path, format: str | None, fps: float | None) -> Motion3D:
    _expect(path, format, *LAYOUTS)
    try:
        values = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise MediaError(f"{path}: no such file", reason="missing") from None
    except Exception as error:  # numpy raises ValueError, EOFError, UnpicklingError, ...
        raise MediaError(
            f"{path}: not a readable .npy of plain numbers ({error})", reason="not_npy"
        ) from error
    values = _array(path, values, "the array", (None, None))
    found = layout(format) if format else layout_of_width(values.shape[1])
    if found is None or found.width != values.shape[1]:
        known = ", ".join(f"{entry.width} ({entry.name})" for entry in LAYOUTS.values())
        wanted = f"{found.width} ({found.name})" if found else f"one of {known}"
        raise MediaError(f"{path}: {values.shape[1]} columns, expected {wanted}", reason="bad_shape")
    return decode(values, found.name, fps, str(path))
