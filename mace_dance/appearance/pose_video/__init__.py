"""Pose videos: a 3D dance, or the keypoints of a video, drawn as Wan-Animate and the MACE-Dance release draw them.

Use::

    frames = pose_video(motion, (720, 1280), fps=16, style="wan")

Sizes are (width, height) px; frames are (H, W, 3) uint8 RGB; frame i shows time i / fps.
"""

from mace_dance.appearance.pose_video.face import crop_face, face_boxes, head_box, landmark_box
from mace_dance.appearance.pose_video.mace_style import MaceStyle, draw_mace
from mace_dance.appearance.pose_video.placement import CanvasFit
from mace_dance.appearance.pose_video.points import (
    BODY,
    WHOLEBODY,
    PosePoints,
    points_of_pose,
    wholebody_points,
)
from mace_dance.appearance.pose_video.reference import ReferencePose, face_crop
from mace_dance.appearance.pose_video.retarget import limb_ratios, retarget
from mace_dance.appearance.pose_video.video import draw, keypoints_video, pose_points, pose_video
from mace_dance.appearance.pose_video.wan_style import WanStyle, draw_wan

__all__ = [
    "BODY",
    "WHOLEBODY",
    "CanvasFit",
    "MaceStyle",
    "PosePoints",
    "ReferencePose",
    "WanStyle",
    "crop_face",
    "draw",
    "draw_mace",
    "draw_wan",
    "face_boxes",
    "face_crop",
    "head_box",
    "keypoints_video",
    "landmark_box",
    "limb_ratios",
    "points_of_pose",
    "pose_points",
    "pose_video",
    "retarget",
    "wholebody_points",
]
