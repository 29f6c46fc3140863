"""Skeletons out of a job, for methods that follow drawn ones: OpenPose's 18 points in OpenPose's colours.

Needs numpy and OpenCV alone, as every such method's environment has them.
"""

import cv2
import numpy as np

POINTS = (
    "nose", "neck", "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow", "left_wrist",
    "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle",
    "right_eye", "left_eye", "right_ear", "left_ear",
)  # fmt: skip
LIMBS = (
    (1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13),
    (1, 0), (0, 14), (14, 16), (0, 15), (15, 17),
)  # fmt: skip
COLOURS = (
    (255, 0, 0), (255, 85, 0), (255, 170, 0), (255, 255, 0), (170, 255, 0), (85, 255, 0), (0, 255, 0), (0, 255, 85),
    (0, 255, 170), (0, 255, 255), (0, 170, 255), (0, 85, 255), (0, 0, 255), (85, 0, 255), (170, 0, 255),
    (255, 0, 255), (255, 0, 170), (255, 0, 85),
)  # fmt: skip
LIMB_BRIGHTNESS = 0.6
LEAST_SCORE = 0.3


def openpose_points(job):
    """(T, 18, 3) x px, y px, score. The neck is between the shoulders where there is none, the nose at the head.

    A skeleton of 24 SMPL joints has neither eyes nor ears: they are left out.
    """
    file = np.load(job["keypoints"])
    columns = {name: index for index, name in enumerate(job["joints"])}
    rows = np.concatenate([file["xy"], file["score"][..., None]], axis=-1)
    points = np.zeros((len(rows), len(POINTS), 3))
    for number, name in enumerate(POINTS):
        name = "head" if name == "nose" and name not in columns else name
        if name in columns:
            points[:, number] = rows[:, columns[name]]
    if "neck" not in columns:
        points[:, 1, :2] = (points[:, 2, :2] + points[:, 5, :2]) / 2
        points[:, 1, 2] = np.minimum(points[:, 2, 2], points[:, 5, 2])
    return points


def draw(points, size, stick=4):
    """One frame (H, W, 3) RGB of (18, 3) points; ``stick`` is half the width of a limb, px."""
    canvas = np.zeros((size[1], size[0], 3), np.uint8)
    seen = np.isfinite(points[:, :2]).all(axis=1) & (points[:, 2] >= LEAST_SCORE)
    for (a, b), colour in zip(LIMBS, COLOURS, strict=False):
        if seen[a] and seen[b]:
            middle, along = (points[a, :2] + points[b, :2]) / 2, points[a, :2] - points[b, :2]
            angle = int(np.degrees(np.arctan2(along[1], along[0])))
            axes = (int(np.hypot(*along) / 2), stick)
            outline = cv2.ellipse2Poly(tuple(int(value) for value in middle), axes, angle, 0, 360, 1)
            cv2.fillConvexPoly(canvas, outline, [int(value * LIMB_BRIGHTNESS) for value in colour])
    for point, is_seen, colour in zip(points, seen, COLOURS, strict=True):
        if is_seen:
            cv2.circle(canvas, (int(point[0]), int(point[1])), stick, colour, thickness=-1)
    return canvas


def held(frames, count):
    """As many frames; the last one is held."""
    return [frames[min(index, len(frames) - 1)] for index in range(count)]
