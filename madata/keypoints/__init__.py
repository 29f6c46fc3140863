"""Keypoint files: our own, and those of the tools people extract poses with. A family of formats is one module.

| format | file | module |
|---|---|---|
| ``madance`` | .npz | :mod:`~madata.keypoints.own` |
| ``mace`` (easy_ViTPose, MACE-Dance's extractor) | .json | :mod:`~madata.keypoints.mace` |
| ``mmpose``, ``alphapose``, ``coco`` (results, annotations) | .json | :mod:`~madata.keypoints.instances` |
| ``openpose`` | a folder of one .json a frame | :mod:`~madata.keypoints.openpose` |
| ``dwpose``, ``mediapipe`` | .json | :mod:`~madata.keypoints.normalised` |

Several people in a file become one performer (:mod:`~madata.keypoints.performer`). Tools that mark a joint they did not
find by (0, 0) mean "missing", and so it is read.
"""

from madata.keypoints.at_times import read_keypoints
from madata.keypoints.files import KEYPOINT_FORMATS, is_keypoint_folder, read_pose_sequence, write_keypoints
from madata.keypoints.sequence import PoseSequence, between_frames, frame_places

__all__ = [
    "KEYPOINT_FORMATS",
    "PoseSequence",
    "between_frames",
    "frame_places",
    "is_keypoint_folder",
    "read_keypoints",
    "read_pose_sequence",
    "write_keypoints",
]
