"""Our own keypoint file: ``.npz`` of xy (T, J, 2) px, score (T, J), skeleton, fps, size, and backend if it is known."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from madata.errors import ConfigError, MadanceError, MediaError, did_you_mean
from madata.files import parse_json, sha256_bytes, write_npz
from madata.keypoints.sequence import PoseSequence, numbers, positive
from madata.skeletons import skeleton

__all__ = ["read", "write"]


def read(arrays: Mapping[str, Any]) -> PoseSequence:
    """Keypoints of every frame.

    Raises:
        MediaError: an array is absent or of another shape, or the rows are sampled times.
    """
    if absent := [key for key in ("xy", "score", "skeleton") if key not in arrays]:
        raise MediaError(
            f"lacks {', '.join(absent)}{did_you_mean(absent[0], list(arrays))}", reason="no_keypoints"
        )
    name = str(arrays["skeleton"])
    try:
        joints = skeleton(name).num_joints
    except ConfigError as error:
        raise MediaError(str(error), reason="wrong_skeleton") from None
    xy = numbers(arrays["xy"], "xy", (None, joints, 2))
    score = numbers(arrays["score"], "score", (len(xy), joints))
    if "fps" not in arrays and "times_s" in arrays:
        message = f"holds keypoints at {len(xy)} sampled times, not of every frame; score the video itself"
        raise MediaError(message, reason="no_fps")
    fps = positive(arrays["fps"]) if "fps" in arrays else None
    size = np.asarray(arrays.get("size", ()))
    whole = size.shape == (2,) and size.dtype.kind in "iu" and (size > 0).all()
    return PoseSequence(
        xy, score, name, fps, (int(size[0]), int(size[1])) if whole else None, _backend(arrays.get("backend"))
    )


def _backend(stored: Any) -> str:
    """Name of the backend that made keypoints; its settings, where they are stored too, as a short hash."""
    if stored is None:
        return "unknown"
    text = str(stored)
    try:
        settings = parse_json(text, "the backend")
    except MadanceError:
        return text
    name = settings.get("name", "unknown") if isinstance(settings, dict) else text
    return f"{name}-{sha256_bytes(text.encode())[:12]}"


def write(path: Path, poses: PoseSequence) -> None:
    """Write ``poses``; :func:`read` gives them back."""
    arrays: dict[str, Any] = {
        "xy": poses.xy.astype(np.float32),
        "score": poses.score.astype(np.float32),
        "skeleton": poses.skeleton,
        "backend": poses.origin,
    }
    if poses.fps is not None:
        arrays["fps"] = np.float64(poses.fps)
    if poses.size is not None:
        arrays["size"] = np.array(poses.size, np.int64)
    write_npz(path, **arrays)
