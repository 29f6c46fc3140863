"""Any keypoint file, told by its suffix and its keys."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from madata.errors import ConfigError, MadanceError, MediaError, did_you_mean
from madata.files import read_json, read_npz
from madata.formats import suffix_of
from madata.keypoints import instances, mace, normalised, openpose, own
from madata.keypoints.sequence import PoseSequence
from madata.limits import refuse_boundless

__all__ = ["KEYPOINT_FORMATS", "is_keypoint_folder", "read_pose_sequence", "write_keypoints"]

KEYPOINT_FORMATS = ("madance", "mace", "mmpose", "alphapose", "coco", "openpose", "dwpose", "mediapipe")
"""What :func:`read_pose_sequence` reads."""


def is_keypoint_folder(path: Path) -> bool:
    """Whether ``path`` is a folder of one JSON a frame, which is one clip."""
    return path.is_dir() and bool(openpose.frame_files(path))


def read_pose_sequence(
    path: Path, *, fps: float | None = None, size: tuple[int, int] | None = None
) -> PoseSequence:
    """Keypoints of one performer from any known file, or from a folder of one JSON a frame.

    Args:
        fps: frame rate where the file does not say it.
        size: (width, height) px where the file does not say it.

    Raises:
        MediaError: the file cannot be used; ``reason`` is one of ``missing``, ``not_json``, ``no_keypoints``,
            ``wrong_shape``, ``not_npz``, ``wrong_skeleton``, ``no_fps``, ``no_person``, ``no_size``.
    """
    try:
        found = _read(path, size)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RecursionError) as error:
        # a list where an object belongs, a name where a number does: untrusted content fails in a hundred ways
        raise MediaError(
            f"is not as its format has it ({type(error).__name__}: {str(error)[:120]})", reason="wrong_shape"
        ) from error
    refuse_boundless("", len(found.xy), found.xy.shape[1], fps or found.fps)
    return replace(found, fps=fps or found.fps, size=size or found.size)


def _read(path: Path, size: tuple[int, int] | None) -> PoseSequence:
    if path.is_dir():
        return openpose.read(path)
    if suffix_of(path) == ".npz":
        return own.read(read_npz(path))
    return _of_json(_json(path), size)


def _json(path: Path) -> Any:
    try:
        return read_json(path)
    except MadanceError as error:
        reason = "not_finite" if "is no number" in str(error) else "not_json"
        reason = reason if path.exists() else "missing"
        raise MediaError(re.sub(f"^{re.escape(str(path))}: ", "", str(error)), reason=reason) from None


def _of_json(content: Any, size: tuple[int, int] | None) -> PoseSequence:
    if mace.holds(content):
        return mace.read(content)
    if instances.holds(content):
        return instances.read(content)
    if normalised.holds(content):
        return normalised.read(content, size)
    keys = list(content) if isinstance(content, dict) else []
    known = ", ".join(KEYPOINT_FORMATS)
    hint = did_you_mean("keypoints", keys) if keys else ""
    raise MediaError(f"has no key 'keypoints'{hint}; known are files of {known}", reason="no_keypoints")


def write_keypoints(path: Path, poses: PoseSequence) -> None:
    """Write ``.npz`` (our own) or ``.json`` (that of MACE-Dance's extractor).

    Raises:
        ConfigError: another suffix, or keypoints that file cannot say.
    """
    if suffix_of(path) == ".npz":
        own.write(path, poses)
    elif suffix_of(path) == ".json":
        mace.write(path, poses)
    else:
        raise ConfigError(f"{path}: keypoints are written as .npz or .json")
