"""What a protocol asks of a clip (length, frame rate, finite joints), and the frames of it that are scored."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from evaluation.inputs.pose_files import JointTrack
from evaluation.protocol import ClipRule

__all__ = ["FPS_TOLERANCE", "check_track", "fps_fault", "needed_frames", "windows_of"]


FPS_TOLERANCE = 0.01
"""Rates that differ by less are one: 23.976 passes for 24."""


def check_track(
    track: JointTrack, rule: ClipRule, *, strict: bool, reference_fps: float | None = None
) -> list[tuple[str, str]]:
    """Everything that is wrong with a clip under ``rule``, as (reason, message).

    Args:
        strict: whether oddities upstream code does not look at (joint names, frame rate) count.
        reference_fps: frame rate the clip must have when the rule says so.
    """
    found = list(track.oddities) if strict else []
    if not np.isfinite(track.points).all() or (
        track.score is not None and not np.isfinite(track.score).all()
    ):
        bad = ~np.isfinite(track.points).all(axis=(1, 2))
        found.append(("not_finite", f"{int(bad.sum())} of {track.frames} frames hold NaN or infinity"))
    elif track.score is not None and strict and not (track.score > 0).any():
        found.append(("no_person", "no joint is seen in any frame"))
    if strict and (fault := fps_fault(track, rule, reference_fps)):
        found.append(fault)
    need = needed_frames(track, rule)
    if track.frames < need:
        seconds = f" ({track.frames / track.fps:.3g} s)" if track.fps else ""
        wanted = f" ({rule.duration_s:g} s)" if rule.duration_s and track.fps else ""
        found.append(("too_short", f"{track.frames} frames{seconds}, {need}{wanted} are needed"))
    return found


def fps_fault(track: JointTrack, rule: ClipRule, reference_fps: float | None) -> tuple[str, str] | None:
    """What is wrong with the frame rate, if anything; 1 % is allowed (23.976 passes for 24)."""
    wanted = reference_fps if rule.fps == "reference" else None if rule.fps == "any" else rule.fps
    if track.fps is None:
        return ("no_fps", "gives no frame rate (madance convert IN OUT --fps 30 says it)")
    if isinstance(wanted, float) and abs(track.fps / wanted - 1) > FPS_TOLERANCE:
        return ("wrong_fps", f"{track.fps:g} frames per second, expected {wanted:g}")
    return None


def needed_frames(track: JointTrack, rule: ClipRule) -> int:
    """Frames a clip must have; half a frame of rounding is forgiven."""
    if rule.duration_s is None or track.fps is None:
        return rule.min_frames
    return max(rule.min_frames, int(np.floor(rule.duration_s * track.fps + 0.5)))


def windows_of(track: JointTrack, rule: ClipRule) -> list[JointTrack]:
    """The part of the clip that is scored: its first frames, or windows of equal length.

    Example:
        >>> rule = ClipRule(
        ...     pairing="set", bad_files="skip", fps="any", skeleton="coco-17", duration_s=2.0, windows=True
        ... )
        >>> clip = JointTrack(np.zeros((70, 17, 2)), None, "coco-17", 16.0, "-y", "made")
        >>> [window.frames for window in windows_of(clip, rule)]
        [32, 32]
    """
    if rule.duration_s is None:
        return [track.cut(0, rule.max_frames)]
    length = needed_frames(track, rule)
    starts: Iterable[int] = range(0, track.frames - length + 1, length) if rule.windows else (0,)
    return [track.cut(start, start + length) for start in starts]
