"""Where the joints of a clip are in its picture, on a scale that pictures of any size share.

Legend: T frames, J joints.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from evaluation.features.motion.body import MIN_SCORE
from evaluation.inputs.pose_files import JointTrack
from madata.errors import MediaError

__all__ = ["picture_pose"]


def picture_pose(clip: JointTrack) -> npt.NDArray[np.float64]:
    """(T * J * 2,) joints from the middle of the picture, x right and y down, in its heights; NaN where not seen.

    Raises:
        MediaError: nothing says how large the picture is.

    Example:
        >>> corner = JointTrack(np.full((1, 1, 2), 200.0), None, "coco-17", 30.0, "-y", "made", size=(400, 200))
        >>> picture_pose(corner).tolist()
        [0.0, 0.5]
    """
    if clip.size is None:
        message = "does not say how large the picture is; say it: madance convert IN OUT.npz --size 720x1280"
        raise MediaError(message, reason="no_size")
    width, height = clip.size
    places = (clip.points.astype(np.float64) - (width / 2, height / 2)) / height
    if clip.score is not None:
        places[clip.score < MIN_SCORE] = np.nan
    return places.ravel()
