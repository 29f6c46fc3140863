from dataclasses import replace

import numpy as np
import pytest

from mace_dance.appearance.pose_video import (
    BODY,
    MaceStyle,
    PosePoints,
    ReferencePose,
    draw,
    draw_mace,
    draw_wan,
    keypoints_video,
    pose_points,
    pose_video,
)
from madata.errors import ConfigError, MadanceError, MediaError
from madata.motion import with_skeleton, with_up
from madata.skeletons import skeleton
from madata.synthetic.dance import make_dance
from madata.types import Keypoints2D

SIZE = (180, 320)


@pytest.fixture(scope="module")
def dance():
    return make_dance(4.0, seed=3)


def person(points, size):
    """A reference pose that is frame 0 of ``points``."""
    return ReferencePose(replace(points.take([0]), size=size))


@pytest.mark.parametrize("fps", [15, 16, 25])
def test_a_minute_of_dance_stays_on_the_beat(fps):
    dance = make_dance(64.4, tempo_bpm=100.0, fps=30, first_beat_s=0.3)
    points = pose_points(dance.motion, (720, 1280), fps)
    assert abs(len(points) / fps - 64.4) <= 1 / fps
    # The dancer rests on each beat and nowhere else.
    speed = np.square(np.diff(points.body[..., :2], axis=0)).sum((1, 2))
    rests = np.flatnonzero((speed[1:-1] < speed[:-2]) & (speed[1:-1] <= speed[2:])) + 1
    rests_s = (rests + 0.5) / fps
    assert len(rests_s) == len(dance.beats_s) == 107
    assert np.abs(rests_s - dance.beats_s).max() <= 1 / fps


def test_frames_of_a_whole_divisor_are_the_motions_own_poses(dance):
    all_frames, half = (pose_points(dance.motion, SIZE, fps).body[..., :2] for fps in (30, 15))
    every_second = all_frames[::2]
    # The canvas is fitted to the frames shown: compare up to that scale and shift.
    ours, theirs = (xy.reshape(-1, 2) for xy in (half, every_second))
    ours, theirs = ((xy - xy.mean(0)) / np.linalg.norm(xy - xy.mean(0)) for xy in (ours, theirs))
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_the_figure_does_not_depend_on_up_axis_or_tree(dance):
    expected = pose_points(dance.motion, SIZE, 16).body
    turned = pose_points(with_up(dance.motion, "z"), SIZE, 16).body
    np.testing.assert_allclose(turned, expected, atol=1e-2)
    other = with_skeleton(dance.motion, "smplx-22")
    assert pose_points(other, SIZE, 16).body.shape == expected.shape


def test_it_faces_the_camera_upright_and_fills_the_canvas(dance):
    points = pose_points(dance.motion, SIZE, 16, style="mace")
    first = dict(zip(BODY, points.body[0, :, :2], strict=True))
    assert first["left_shoulder"][0] > first["right_shoulder"][0]
    assert first["nose"][1] < first["neck"][1] < first["left_hip"][1] < first["left_toe"][1]
    joints = points.body[:, 1:14, :2].reshape(-1, 2)
    spread = np.ptp(joints, axis=0) / SIZE
    assert (spread <= [0.72, 0.86]).all()
    assert spread.max() > 0.5


def test_a_styles_hands(dance):
    def drawn(**options):
        return (pose_points(dance.motion, SIZE, 16, 2, **options).hands[..., 2] > 0).any()

    assert not drawn(style="wan")
    assert drawn(style="mace") and drawn(style="wan", hands="fan")
    assert not drawn(style="mace", hands="none")


def test_the_dancer_stands_where_the_reference_person_stands(dance):
    still = replace(
        dance.motion, rotation=dance.motion.rotation[:8], translation=dance.motion.translation[:8]
    )
    seen = pose_points(still, (180, 320), 16)
    half = replace(seen, body=seen.body * [0.5, 0.5, 1.0] + [60.0, 100.0, 0.0])
    aligned = pose_points(still, SIZE, 16, align=person(half, SIZE))
    np.testing.assert_allclose(aligned.body[0, :14], half.body[0, :14], atol=1e-6)
    # The same person in a picture of twice the width: letterboxed like the picture itself.
    wide = replace(half, body=half.body * [2.0, 2.0, 1.0])
    again = pose_points(still, SIZE, 16, align=person(wide, (360, 640)))
    np.testing.assert_allclose(again.body[0, :14], half.body[0, :14], atol=1e-6)


def test_a_large_reference_person_does_not_push_the_dance_off_the_canvas(dance):
    seen = pose_points(dance.motion, SIZE, 16)
    huge = replace(seen, body=seen.body * [4.0, 4.0, 1.0])
    xy = pose_points(dance.motion, SIZE, 16, align=person(huge, SIZE)).body[:, 1:14, :2]
    assert (xy >= 0).all() and (xy <= SIZE).all()


def test_hands_take_the_shape_of_the_references(dance):
    seen = pose_points(dance.motion, SIZE, 16, hands="fan")
    hands = seen.hands.copy()
    hands[:, 0, :, 2] = 0.7
    hands[:, 1, :, 2] = 0.01
    reference = person(replace(seen, hands=hands), SIZE)
    score = pose_points(dance.motion, SIZE, 16, style="mace", align=reference).hands[..., 2]
    assert (score[:, 0] == 0.7).all() and (score[:, 1] == 1).all()


def test_a_reference_without_limbs_is_refused(dance):
    seen = pose_points(dance.motion, SIZE, 16)
    body = seen.body.copy()
    body[:, 7:, 2] = 0.05
    with pytest.raises(MadanceError, match="5 of the 6 limb joints"):
        pose_video(dance.motion, SIZE, 16, align=person(replace(seen, body=body), SIZE))


def test_the_last_pose_is_held_for_one_frame_and_no_longer(dance):
    points = pose_points(dance.motion, SIZE, 15, 61)
    np.testing.assert_array_equal(points.body[60], points.body[59])
    with pytest.raises(
        ConfigError, match=r"62 frames at 15 fps last 4\.133 s.*lasts only 4\.000 s.*at most 61"
    ):
        pose_video(dance.motion, SIZE, 15, 62)


def test_bad_input_is_refused_before_the_first_frame(dance):
    for options in (
        {"fps": 0},
        {"fps": float("nan")},
        {"num_frames": -1},
        {"style": "openpose"},
        {"hands": "two"},
    ):
        arguments = {"fps": 16, **options}
        with pytest.raises(ConfigError):
            pose_video(dance.motion, SIZE, **arguments)
    with pytest.raises(ConfigError, match="0x320"):
        pose_video(dance.motion, (0, 320), 16)
    rotation = dance.motion.rotation.copy()
    rotation[5] = np.nan
    with pytest.raises(MediaError, match="NaN"):
        pose_video(replace(dance.motion, rotation=rotation), SIZE, 16)


def standing(name, frames=4, size=SIZE):
    """Keypoints of a person with every joint found."""
    rng = np.random.default_rng(0)
    joints = 133 if name == "coco-wholebody-133" else skeleton(name).num_joints
    xy = rng.uniform(20, 160, (frames, joints, 2)).astype(np.float32)
    return Keypoints2D(xy, np.ones((frames, joints), np.float32), name, 30.0, size)


@pytest.mark.parametrize("style", ["wan", "mace"])
@pytest.mark.parametrize("name", ["coco-17", "coco-25", "blazepose-33", "coco-wholebody-133", "smpl-24"])
def test_keypoints_that_are_no_numbers_leave_a_gap(name, style):
    pose = standing(name, frames=12)
    rng = np.random.default_rng(1)
    xy, score = pose.xy.copy(), pose.score.copy()
    xy[rng.random(xy.shape) < 0.3] = np.nan
    xy[rng.random(xy.shape) < 0.1] = 1e30
    score[rng.random(score.shape) < 0.2] = np.nan
    xy[-1] = np.nan
    frames = list(keypoints_video(replace(pose, xy=xy, score=score), SIZE, style))
    assert [frame.shape for frame in frames] == [(320, 180, 3)] * 12
    assert frames[0].any() and not frames[-1].any()


@pytest.mark.parametrize("draw_one", [draw_wan, draw_mace])
def test_points_given_directly_may_be_no_numbers(draw_one):
    body, hands = np.ones((20, 3)) * 50, np.ones((2, 21, 3)) * 50
    body[3:, 0], hands[:, 5:, 1], hands[0, 1, 2] = np.nan, np.inf, np.nan
    assert draw_one(body, hands, SIZE).any()


def test_lines_are_at_least_one_px_of_the_averaged_canvas_wide(dance):
    points = pose_points(dance.motion, SIZE, 1, 1, style="mace")
    body, hands = points.body[0], points.hands[0]
    drawn = [
        draw_mace(
            body, hands, SIZE, MaceStyle(line_width=width, hand_line_width=width, limb_brightness=light)
        )
        for width, light in ((0, 1.4), (1, 1.0))
    ]
    np.testing.assert_array_equal(*drawn)
    assert drawn[0].max() == 255


def test_nothing_is_drawn_that_was_not_found():
    pose = standing("coco-17", frames=1)
    score = np.zeros_like(pose.score)
    ankle = skeleton("coco-17").index("left_ankle")
    score[0, ankle] = 0.6
    (frame,) = keypoints_video(replace(pose, score=score), SIZE)
    y, x = np.nonzero(frame.any(-1))
    np.testing.assert_allclose([x.mean(), y.mean()], pose.xy[0, ankle], atol=1.0)
    assert np.ptp(x) <= 2
    score[0, ankle] = 0.4
    (frame,) = keypoints_video(replace(pose, score=score), SIZE)
    assert not frame.any()


def test_keypoints_are_letterboxed_onto_the_canvas():
    pose = standing("coco-17", size=(180, 180))
    points = keypoints_video(pose, (360, 720))
    y, x = np.nonzero(next(points).any(-1))
    assert abs(y.min() - (180 + 2 * pose.xy[0, :, 1].min())) <= 3
    assert abs(x.max() - 2 * pose.xy[0, :, 0].max()) <= 3


def test_keypoints_are_shown_at_their_times():
    pose = standing("coco-17", frames=60)
    rows = list(keypoints_video(pose, SIZE))
    at_25 = list(keypoints_video(pose, SIZE, fps=25))
    assert len(at_25) == 50
    for k, frame in enumerate(at_25):
        np.testing.assert_array_equal(frame, rows[round(k / 25 * 30)])
    late = 7.0 + np.arange(60) / 30 + np.where(np.arange(60) < 30, 0, 1.0)
    held = list(keypoints_video(replace(pose, times_s=late), SIZE, fps=15))
    assert len(held) == 45
    np.testing.assert_array_equal(held[30], rows[30])
    with pytest.raises(ConfigError, match="at most"):
        keypoints_video(pose, SIZE, fps=16, num_frames=40)


def test_draw_yields_one_frame_for_each_row():
    empty = PosePoints(np.zeros((3, 20, 3)), np.zeros((3, 2, 21, 3)), np.zeros((3, 68, 3)), SIZE)
    frames = list(draw(empty, "mace"))
    assert len(frames) == 3 and not np.any(frames)
