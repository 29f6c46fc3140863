"""Our own motion file (``.npz``): a :class:`~madata.types.Motion3D` field by field, given back as it was written."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from madata.errors import ConfigError, MediaError
from madata.files import write_npz
from madata.motion.formats.fields import Hints, array, need, number
from madata.motion.kinematics import check_motion
from madata.types import Motion3D

__all__ = ["KEYS", "holds", "read", "write"]

KEYS = ("version", "rotation", "translation", "fps", "up", "skeleton", "offsets")
_VERSION = 1


def holds(content: Mapping[Any, Any]) -> bool:
    """Whether ``content`` is of this format."""
    return "rotation" in content and "skeleton" in content


def read(path: Path, content: Mapping[Any, Any], hints: Hints) -> Motion3D:
    """The motion.

    Raises:
        MediaError: a field is absent or not as it must be.
    """
    need(path, content, *KEYS[:-1])
    version = np.asarray(content["version"])
    if version.size != 1 or version.item() != _VERSION:
        raise MediaError(
            f"{path}: motion file version {version}, this release reads {_VERSION}: update it",
            reason="bad_version",
        )
    motion = Motion3D(
        rotation=array(path, content["rotation"], "rotation", (None, None, 3)),
        translation=array(path, content["translation"], "translation", (None, 3)),
        fps=float(hints.fps or number(path, content["fps"], "fps")),
        up=hints.up or str(content["up"]),
        skeleton=str(content["skeleton"]),
        offsets=array(path, content["offsets"], "offsets", (None, 3)) if "offsets" in content else None,
    )
    try:
        return check_motion(motion, path)
    except ConfigError as error:
        raise MediaError(f"{path}: {error}", reason="bad_value") from None


def write(path: Path, motion: Motion3D) -> None:
    """Write ``motion``; the same motion gives the same bytes."""
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
