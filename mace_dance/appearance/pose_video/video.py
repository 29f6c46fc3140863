"""3D motion, or keypoints of a video, -> the frames of a pose video.

Frame i shows time i / fps of the dance, counted from its first frame, whatever rate the motion comes in.

Use::

    frames = pose_video(motion, (720, 1280), fps=16)
    write_video(Path("pose.mp4"), frames, 16)

``style="wan"`` draws what Wan-Animate was trained on, ``style="mace"`` what the MACE-Dance release draws.
Legend: T frames of the video.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np
import numpy.typing as npt

from mace_dance.appearance.pose_video.frame_times import check_span, nearest_rows, num_frames_of
from mace_dance.appearance.pose_video.mace_style import MaceStyle, draw_mace
from mace_dance.appearance.pose_video.placement import (
    CanvasFit,
    Similarity,
    align_to_reference,
    fit_canvas,
    keep_on_canvas,
)
from mace_dance.appearance.pose_video.points import PosePoints, points_of_pose
from mace_dance.appearance.pose_video.reference import ReferencePose
from mace_dance.appearance.pose_video.smpl_figure import hand_shape, project, smpl_body, smpl_hands
from mace_dance.appearance.pose_video.wan_style import WanStyle, draw_wan
from madata.errors import ConfigError
from madata.motion import check_motion, joint_positions, resample, with_skeleton
from madata.types import Keypoints2D, Motion3D

__all__ = ["Hands", "Style", "draw", "fit_points", "keypoints_video", "pose_points", "pose_video"]

Array = npt.NDArray[np.float64]
Frame = npt.NDArray[np.uint8]
Style = Literal["wan", "mace"] | WanStyle | MaceStyle
Hands = Literal["none", "fan", "reference"]


def pose_points(
    motion: Motion3D,
    size: tuple[int, int],
    fps: float,
    num_frames: int | None = None,
    *,
    style: Style = "wan",
    align: ReferencePose | None = None,
    hands: Hands | None = None,
    fit: CanvasFit | None = None,
) -> PosePoints:
    """The points of a 3D dance on a canvas.

    Args:
        motion: any skeleton of :mod:`madata.skeletons` with a tree, any up axis and rate.
        size: (width, height) px of the canvas.
        fps: frames per second of the video.
        num_frames: T; by default as many as last as long as the motion. The last pose is held where they reach
            less than one frame beyond it.
        style: decides the default of ``hands`` only.
        align: put the dancer where the person of this picture stands, and shrink what leaves the canvas; by
            default the whole dance fills the canvas.
        hands: ``none``, a ``fan`` of fingers, or the shape of the ``reference``'s hands (a fan where these were
            not found). SMPL knows no fingers, so ``wan`` draws none by default; ``mace`` takes the reference's.
        fit: how much of the canvas the dance may fill.

    Raises:
        ConfigError: a number or name is out of range, or ``motion`` is shorter than the frames.
        MediaError: ``motion`` is damaged.
        MadanceError: ``align`` shows too few limb joints.
    """
    _check_size(size)
    chosen = _style(style)
    hands = hands or ("none" if isinstance(chosen, WanStyle) else "reference")
    if hands not in ("none", "fan", "reference"):
        raise ConfigError(f"hands: expected 'none', 'fan' or 'reference', got {hands!r}")
    flat = project(_joints_at(motion, fps, num_frames))
    reference = None if align is None else align.on_canvas(size).points
    xy = fit_points(flat, size, reference, fit=fit).apply(flat)
    if hands == "none":
        drawn = np.zeros((len(xy), 2, 21, 3))
    elif hands == "fan" or reference is None:
        drawn = smpl_hands(xy)
    else:
        left, right = reference.hands[0]
        drawn = smpl_hands(xy, (hand_shape(left), hand_shape(right)))
    return PosePoints(smpl_body(xy), drawn, np.zeros((len(xy), 68, 3)), size)


def fit_points(
    flat: Array, size: tuple[int, int], reference: PosePoints | None = None, *, fit: CanvasFit | None = None
) -> Similarity:
    """From projected SMPL joints (T, 24, 2) in metres to px of the canvas.

    Args:
        flat: see :func:`~mace_dance.appearance.pose_video.smpl_figure.project`.
        size: (width, height) px.
        reference: one frame of points on this canvas to align the first frame with.
        fit: how much of the canvas the dance may fill.
    """
    if reference is None:
        return fit_canvas(flat, size, fit)
    aligned = align_to_reference(smpl_body(flat[0]), reference.body[0])
    return keep_on_canvas(aligned, flat, size, fit)


def pose_video(
    motion: Motion3D,
    size: tuple[int, int],
    fps: float,
    num_frames: int | None = None,
    *,
    style: Style = "wan",
    align: ReferencePose | None = None,
    hands: Hands | None = None,
    fit: CanvasFit | None = None,
) -> Iterator[Frame]:
    """The frames of the pose video of a 3D dance, (H, W, 3) uint8 RGB; arguments as in :func:`pose_points`.

    Errors are raised by the call itself, before the first frame is asked for.
    """
    return draw(
        pose_points(motion, size, fps, num_frames, style=style, align=align, hands=hands, fit=fit), style
    )


def keypoints_video(
    pose: Keypoints2D,
    size: tuple[int, int],
    style: Style = "wan",
    *,
    fps: float | None = None,
    num_frames: int | None = None,
) -> Iterator[Frame]:
    """The frames of the pose video of a person seen in a video.

    What was found is drawn and nothing is added; the picture is letterboxed to ``size``. To put the pose on another
    person's limbs, draw ``retarget(points_of_pose(pose), reference.points)`` instead.

    Args:
        pose: keypoints in any 2D skeleton; joints that are NaN or below the style's ``min_score`` leave a gap.
        size: (width, height) px.
        style: drawing style.
        fps: frames per second of the video; by default one frame for each row of ``pose``.
        num_frames: T, with ``fps``; by default as many as last as long as ``pose``.
    """
    _check_size(size)
    points = points_of_pose(pose).letterboxed(size)
    if fps is None and num_frames is not None:
        raise ConfigError("num_frames needs fps: say at which rate the frames are shown")
    if fps is not None:
        rows = len(points)
        if rows == 0:
            raise ConfigError("the pose has no rows to draw")
        times_s = np.arange(rows) / pose.fps if pose.times_s is None else np.asarray(pose.times_s, np.float64)
        lasts_s = times_s[-1] - times_s[0] + 1 / pose.fps
        if num_frames is None:
            num_frames = num_frames_of(lasts_s, fps)
        check_span(lasts_s, 1 / pose.fps, num_frames, fps, "the pose")
        points = points.take(nearest_rows(times_s, num_frames, fps))
    return draw(points, style)


def draw(points: PosePoints, style: Style = "wan") -> Iterator[Frame]:
    """The frames of ``points``, (H, W, 3) uint8 RGB, one at a time."""
    chosen = _style(style)

    def frames() -> Iterator[Frame]:
        for body, hands in zip(points.body, points.hands, strict=True):
            if isinstance(chosen, WanStyle):
                yield draw_wan(body, hands, points.size, chosen)
            else:
                yield draw_mace(body, hands, points.size, chosen)

    return frames()


def _joints_at(motion: Motion3D, fps: float, num_frames: int | None) -> npt.NDArray[np.float32]:
    """(T, 24, 3) joint positions at i / fps, metres, z up."""
    check_motion(motion)
    lasts_s = len(motion.rotation) / motion.fps
    if num_frames is None and np.isfinite(fps) and fps > 0:
        num_frames = num_frames_of(lasts_s, fps)
    num_frames = num_frames or 0
    check_span(lasts_s, 1 / motion.fps, num_frames, fps, "the motion")
    moved = resample(with_skeleton(motion, "smpl-24"), fps)
    rows = np.minimum(np.arange(num_frames), len(moved.rotation) - 1)
    joints = joint_positions(moved, up="z")
    return np.ascontiguousarray(joints[rows])


def _style(style: Style) -> WanStyle | MaceStyle:
    if isinstance(style, WanStyle | MaceStyle):
        return style
    if style == "wan":
        return WanStyle()
    if style == "mace":
        return MaceStyle()
    raise ConfigError(f"style: expected 'wan' or 'mace', got {style!r}")


def _check_size(size: tuple[int, int]) -> None:
    if min(size) < 1:
        raise ConfigError(f"expected a positive width and height, got {size[0]}x{size[1]}")
