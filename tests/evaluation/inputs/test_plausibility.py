"""Clips that cannot be what they say: said aloud, each kind by its reason, and never of real dance."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from evaluation.inputs.plausibility import implausible
from evaluation.inputs.pose_files import JointTrack, read_motion_file, without_joints_at_origin
from madata.motion import joint_positions
from madata.skeletons import skeleton
from madata.synthetic.dance import make_dance


@pytest.fixture(scope="module")
def dance():
    motion = make_dance(4.0, tempo_bpm=110, fps=30.0, style="groove", seed=3, first_beat_s=0.1).motion
    return JointTrack(joint_positions(motion), None, "smpl-24", 30.0, motion.up, "made", body="smpl-24")


@pytest.fixture
def keypoints():
    """An upright person of 17 joints, px."""
    rng = np.random.default_rng(0)
    names = skeleton("coco-17").joints
    height = {"shoulder": 300, "hip": 500, "knee": 650, "ankle": 800, "elbow": 380, "wrist": 460}
    place = np.array(
        [[350 + 60 * name.startswith("left"), height.get(name.split("_")[-1], 200)] for name in names]
    )
    points = place + rng.normal(scale=3, size=(20, 17, 2))
    return JointTrack(points, np.full((20, 17), 0.9), "coco-17", 16.0, "-y", "made")


def reasons(track):
    return [reason for reason, _ in implausible(track)]


def test_a_dance_is_plausible_in_either_up_axis(dance):
    assert reasons(dance) == []
    assert reasons(replace(dance, points=dance.points[..., [0, 2, 1]] * [1, -1, 1], up="z")) == []


def test_real_motion_capture_is_plausible():
    folder = Path(os.environ.get("MADANCE_MOTION") or Path(__file__).resolve().parents[4] / "shared/motion")
    files = sorted(folder.glob("*.bvh.xz"))[:4]
    if not files:
        pytest.skip("no motion capture beside the checkout")
    for path in files:
        assert reasons(read_motion_file(path)) == [], path.name


def test_units_and_paths_of_motions(dance):
    root = dance.points[:, :1]
    wandering = root * 100 + (dance.points - root)
    assert "root_speed" in reasons(replace(dance, points=wandering))
    assert reasons(replace(dance, points=dance.points - root + 1.0)) == ["root_fixed"]
    assert reasons(replace(dance, points=np.repeat(dance.points[:1], 30, 0))) == []  # still, and honestly so
    for scale, odd in ((0.2, True), (0.8, False), (1.2, False), (1.8, True)):
        assert ("body_size" in reasons(replace(dance, points=dance.points * scale))) == odd


def test_units_and_columns_of_keypoints(keypoints):
    assert reasons(keypoints) == []
    assert reasons(replace(keypoints, points=keypoints.points / 1000)) == ["shares_not_pixels"]
    assert reasons(replace(keypoints, points=keypoints.points[..., ::-1])) == ["x_y_swapped"]
    assert reasons(replace(keypoints, score=keypoints.score * 100)) == ["score_above_1"]
    lost = keypoints.points.copy()
    lost[3, 9] = 0
    odd = replace(keypoints, points=lost)
    assert reasons(odd) == ["joints_at_0_0"]
    mended = without_joints_at_origin(odd)
    assert mended.score[3, 9] == 0 and (np.delete(mended.score.ravel(), 3 * 17 + 9) == 0.9).all()


def test_nobody_and_nothing_finite_are_the_matter_of_others(keypoints, dance):
    assert reasons(replace(keypoints, score=np.zeros((20, 17)))) == []
    assert reasons(replace(dance, points=np.full((20, 24, 3), np.nan))) == []
