"""The JSON of MACE-Dance's extractor (easy_ViTPose, 25 joints).

``keypoints`` (T, 25, 3) holds y px, x px, confidence, in this order; ``skeleton`` the true joint names; ``fps``.
Source: AMAP-ML/MACE-Dance, Evaluation-Motion, keypoint extraction.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from madata.errors import ConfigError
from madata.files import write_json
from madata.keypoints.sequence import PoseSequence, numbers, positive
from madata.skeletons import skeleton

__all__ = ["EXTRACTOR", "SKELETON", "holds", "read", "write"]

EXTRACTOR = "official-extractor"
"""Origin of keypoints of this file."""
SKELETON = "coco-25"


def holds(content: Any) -> bool:
    """Whether ``content`` is of this format."""
    return isinstance(content, Mapping) and "keypoints" in content and "images" not in content


def read(content: Mapping[str, Any]) -> PoseSequence:
    """Keypoints of every frame; what is odd about the file is said and does not prevent its use.

    Raises:
        MediaError: the keypoints are not of this shape.
    """
    joints = skeleton(SKELETON).joints
    values = numbers(content["keypoints"], "keypoints", (None, len(joints), 3))
    oddities: list[tuple[str, str]] = []
    declared = content.get("total_frames")
    if isinstance(declared, int) and declared != len(values):
        oddities.append(("truncated", f"says it has {str(declared)[:20]} frames and holds {len(values)}"))
    if names := _name_oddity(content.get("skeleton"), joints):
        oddities.append(("wrong_skeleton", names))
    fps = positive(content.get("fps")) if isinstance(content.get("fps"), (int, float)) else None
    return PoseSequence(values[..., 1::-1], values[..., 2], SKELETON, fps, None, EXTRACTOR, tuple(oddities))


def write(path: Path, poses: PoseSequence) -> None:
    """Write ``poses`` as the extractor does.

    Raises:
        ConfigError: they are of another skeleton.
    """
    if poses.skeleton != SKELETON:
        raise ConfigError(
            f"{path}: this JSON holds {SKELETON}, not {poses.skeleton}; say --skeleton {SKELETON}"
        )
    values = np.concatenate([poses.xy[..., ::-1], poses.score[..., None]], axis=-1)
    content = {
        "video_name": path.stem,
        "fps": poses.fps,
        "total_frames": len(values),
        "skeleton": {str(column): name for column, name in enumerate(skeleton(SKELETON).joints)},
        "keypoints": np.round(values, 6).tolist(),
    }
    write_json(path, content)


def _name_oddity(names: Any, joints: tuple[str, ...]) -> str | None:
    """What differs between the joint names a file gives and the ones its columns should have."""
    if not isinstance(names, dict):
        return "gives no joint names (key 'skeleton', an object of column: name)"
    given = [str(names.get(str(column), "nothing")) for column in range(len(joints))]
    wrong = [
        f"column {column} is {expected}, the file says {found}"
        for column, (expected, found) in enumerate(zip(joints, given, strict=True))
        if expected != found
    ]
    if not wrong:
        return None
    more = f"; and {len(wrong) - 3} more" if len(wrong) > 3 else ""
    return f"its joint names are not those of {SKELETON}: {'; '.join(wrong[:3])}{more}"
