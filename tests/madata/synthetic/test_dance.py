from __future__ import annotations

import numpy as np
import pytest

from madata.errors import ConfigError
from madata.motion import check_motion, joint_positions
from madata.synthetic.dance import STYLES, make_dance


def minima(speed):
    inner = np.arange(1, len(speed) - 1)
    return inner[(speed[inner] < speed[inner - 1]) & (speed[inner] <= speed[inner + 1])]


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize(("tempo", "fps"), [(96, 30), (118, 30), (132, 60)])
def test_speed_minima_are_the_beats_and_every_beat_has_one(style, tempo, fps):
    for seed in range(3):
        dance = make_dance(12, tempo_bpm=tempo, fps=fps, style=style, seed=seed, first_beat_s=0.2)
        joints = joint_positions(dance.motion)
        speed = np.linalg.norm(np.diff(joints, axis=0), axis=2).mean(1)
        times = (minima(speed) + 0.5) / fps
        gaps = np.abs(times[:, None] - dance.beats_s)
        assert gaps.min(1).max() < 0.9 / fps, (seed, "a minimum off the beat")
        assert gaps.min(0)[1:-1].max() < 0.9 / fps, (seed, "a beat without a minimum")


@pytest.mark.parametrize("style", STYLES)
def test_ranges_are_plausible(style):
    joints = joint_positions(check_motion(make_dance(20, style=style, seed=5).motion))
    speed = np.linalg.norm(np.diff(joints, axis=0), axis=2) * 30
    assert 0.25 < speed.mean() < 1.2
    assert speed.max() < 9
    assert np.ptp(joints[:, 0, [0, 2]], axis=0).max() < 2.0, "stays on the spot, more or less"
    assert 0.7 < joints[:, 0, 1].min() < joints[:, 0, 1].max() < 1.05
    assert joints[:, [10, 11], 1].min() > 0.03, "no foot below the floor"
    assert (joints[:, 15, 1] > joints[:, 0, 1] + 0.3).all()


@pytest.mark.parametrize("style", STYLES)
def test_a_planted_foot_does_not_slide(style):
    joints = joint_positions(make_dance(16, style=style, seed=1).motion)
    ankles = joints[:, 7:9]
    low = (ankles[1:, :, 1] < 0.0985) & (ankles[:-1, :, 1] < 0.0985)
    moved = np.linalg.norm(np.diff(ankles, axis=0), axis=2)
    still = moved < 2e-3
    assert (low & still).any(1).mean() > 0.9, "one foot stands"
    assert moved[low & ~still].mean() < 0.03 if (low & ~still).any() else True


def test_bones_keep_their_length_and_knees_bend_the_right_way():
    motion = make_dance(10, style="house", seed=2).motion
    joints = joint_positions(motion)
    for hip, knee, ankle in ((1, 4, 7), (2, 5, 8)):
        for a, b in ((hip, knee), (knee, ankle)):
            assert np.ptp(np.linalg.norm(joints[:, a] - joints[:, b], axis=1)) < 1e-5
        across = joints[:, 1] - joints[:, 2]
        forward = np.cross(across, [0, 1, 0])
        bend = joints[:, knee] - (joints[:, hip] + joints[:, ankle]) / 2
        assert ((bend * forward).sum(1) > 0).mean() > 0.98


def test_dances_begin_facing_the_front_and_depend_on_seed_and_style():
    for style in STYLES:
        joints = joint_positions(make_dance(1, style=style, seed=3).motion)
        across = joints[0, 1] - joints[0, 2]
        assert across[0] > 0.9 * np.linalg.norm(across)
    same = make_dance(4, style="pop", seed=9).motion
    assert (same.rotation == make_dance(4, style="pop", seed=9).motion.rotation).all()
    assert (same.rotation != make_dance(4, style="pop", seed=10).motion.rotation).any()
    assert (same.rotation != make_dance(4, style="jazz", seed=9).motion.rotation).any()


def test_the_beginning_does_not_depend_on_the_length():
    short, long = make_dance(3, seed=4).motion, make_dance(9, seed=4).motion
    assert np.allclose(short.rotation, long.rotation[: len(short.rotation)], atol=1e-6)


def test_wrong_arguments_are_refused():
    with pytest.raises(ConfigError, match="unknown style"):
        make_dance(1, style="waltz")
    with pytest.raises(ConfigError, match="positive"):
        make_dance(0)
