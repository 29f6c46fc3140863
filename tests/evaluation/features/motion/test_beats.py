"""Corrected motion beats: where a body stops, at any frame rate and however long."""

from pathlib import Path

import numpy as np
import pytest

from evaluation.features.motion.beats import motion_beat_times
from evaluation.features.motion.body import body_track
from madata.motion import joint_positions, read_motion
from madata.skeletons import skeleton
from madata.types import Motion3D

STOPS_S = np.arange(0.5, 7.6, 0.5)


def body_of(motion):
    joints = skeleton(motion.skeleton).joints
    return body_track(joint_positions(motion), joints, motion.fps, up=motion.up, score=None)


def swinging(angle, fps):
    """A body of which one arm and one leg follow ``angle`` (T,)."""
    motion = Motion3D(
        np.zeros((len(angle), 24, 3), np.float32), np.zeros((len(angle), 3), np.float32), fps, "y", "smpl-24"
    )
    motion.rotation[:, 16, 2] = motion.rotation[:, 1, 0] = angle
    return body_of(motion)


def pendulum(fps, hold_s=0.0, shift_s=0.0):
    """A body that swings from stop to stop, half a second apart; each lasts ``hold_s`` around its time."""
    time = np.arange(round(8 * fps)) / fps - shift_s
    count, since = np.divmod(time + hold_s / 2, 0.5)
    share = np.clip((since - hold_s) / (0.5 - hold_s), 0, 1)
    ease = 0.5 - 0.5 * np.cos(np.pi * share)
    return swinging(np.where(count % 2 == 0, ease, 1 - ease), fps)


@pytest.mark.parametrize("fps", [20.0, 24.0, 25.0, 29.97, 30.0, 50.0, 60.0, 120.0])
@pytest.mark.parametrize("shift_s", [0.0, 0.004, 0.0125])
def test_a_stop_is_where_it_is_at_any_rate(fps, shift_s):
    found = motion_beat_times(pendulum(fps, shift_s=shift_s))
    inside = found[(found > 0.4) & (found < 7.6)]
    np.testing.assert_allclose(inside, STOPS_S + shift_s, atol=0.25 / fps + 0.002)


@pytest.mark.parametrize("fps", [25.0, 30.0, 60.0])
@pytest.mark.parametrize("hold_s", [0.1, 0.2, 0.3])
def test_a_stop_that_lasts_has_one_beat_in_its_middle(fps, hold_s):
    found = motion_beat_times(pendulum(fps, hold_s=hold_s))
    inside = found[(found > 0.4) & (found < 7.6)]
    np.testing.assert_allclose(inside, STOPS_S, atol=0.5 / fps)


def test_a_long_freeze_on_each_beat():
    """0.6 s of nothing, 0.4 s of movement: as many beats as freezes, each in the middle of its freeze."""
    fps, period = 30.0, 1.0
    time = np.arange(240) / fps
    phase = np.clip((time % period - 0.3) / 0.4, 0, 1)
    angle = 0.5 - 0.5 * np.cos(np.pi * phase)
    angle = np.where((time // period) % 2 == 0, angle, 1 - angle)
    np.testing.assert_allclose(motion_beat_times(swinging(angle, fps)), np.arange(1, 8), atol=0.02)


def test_a_body_that_never_moves_has_no_beats():
    assert not len(motion_beat_times(swinging(np.zeros(90), 30.0)))


@pytest.mark.parametrize("folder", ["same_dance_30fps", "stop_on_frame_60fps"])
def test_one_dance_has_the_same_beats_whatever_falls_on_a_frame(folder):
    clips = Path(__file__).resolve().parents[5] / "shared/cases/scoring/05_beats" / folder
    if not clips.is_dir():
        pytest.skip("the cases are not here")
    for path in sorted(clips.iterdir()):
        np.testing.assert_allclose(
            motion_beat_times(body_of(read_motion(path))), np.arange(0.25, 8, 0.5), atol=0.005
        )
