"""Points by skeleton, retargeting, faces and the reference picture."""

from dataclasses import replace

import numpy as np
import pytest

from mace_dance.appearance.pose_video import (
    BODY,
    PosePoints,
    ReferencePose,
    face_boxes,
    face_crop,
    landmark_box,
    limb_ratios,
    points_of_pose,
    pose_points,
    retarget,
    wholebody_points,
)
from mace_dance.appearance.pose_video.frame_size import resize_by_area, size_by_area
from mace_dance.appearance.pose_video.masks import fill_grid
from madata.errors import ConfigError, MadanceError
from madata.pose import Detections, Poses, load
from madata.skeletons import skeleton
from madata.synthetic.dance import make_dance
from madata.types import Keypoints2D

SIZE = (180, 320)


@pytest.fixture(scope="module")
def driving():
    return pose_points(make_dance(2.0, seed=1).motion, SIZE, 16)


def keypoints(name, size=SIZE):
    joints = skeleton(name).num_joints
    xy = np.stack([np.arange(joints) + 30.0, np.arange(joints) * 3 + 40.0], axis=-1)[None]
    return Keypoints2D(xy.astype(np.float32), np.full((1, joints), 0.9, np.float32), name, 30.0, size)


def test_body_points_by_joint_name():
    pose = keypoints("coco-25")
    body = dict(zip(BODY, points_of_pose(pose).body[0], strict=True))
    at = skeleton("coco-25").index
    np.testing.assert_allclose(body["right_knee"][:2], pose.xy[0, at("right_knee")])
    shoulders = pose.xy[0, [at("left_shoulder"), at("right_shoulder")]].mean(0)
    np.testing.assert_allclose(body["neck"][:2], shoulders)
    toes = pose.xy[0, [at("left_big_toe"), at("left_small_toe")]].mean(0)
    np.testing.assert_allclose(body["left_toe"][:2], toes)
    score = points_of_pose(keypoints("coco-17")).body[0, :, 2]
    assert (score[:18] > 0).all() and (score[18:] == 0).all()


def test_a_mean_needs_both_of_its_joints():
    pose = keypoints("coco-17")
    score = pose.score.copy()
    score[0, skeleton("coco-17").index("left_shoulder")] = 0
    assert points_of_pose(replace(pose, score=score)).body[0, BODY.index("neck"), 2] == 0


def test_keypoints_of_another_skeleton_are_refused():
    with pytest.raises(MadanceError, match=r"coco-17: expected xy \(T, 17, 2\)"):
        points_of_pose(replace(keypoints("coco-25"), skeleton="coco-17"))


def test_retargeting_to_oneself_changes_nothing(driving):
    ours = retarget(driving, driving.take([0]))
    # Feet may only get shorter, and the ground line lies half way between ankle and toe.
    shift = ours.body[0, 1, :2] - driving.body[0, 1, :2]
    limbs = slice(1, 14)
    np.testing.assert_allclose(ours.body[:, limbs, :2] - shift, driving.body[:, limbs, :2], atol=1e-6)
    assert abs(shift[0]) < 1e-6


def test_limbs_take_the_references_proportions(driving):
    reference = driving.take([0])
    body = reference.body.copy()
    knee, ankle = BODY.index("left_knee"), BODY.index("left_ankle")
    body[0, ankle, :2] += 0.5 * (body[0, ankle, :2] - body[0, knee, :2])
    ratios = limb_ratios(driving.body[0], body[0])
    np.testing.assert_allclose(ratios[11], 1.5)
    assert ratios[8] == ratios[11]
    np.testing.assert_allclose(np.delete(ratios, [8, 11, 17, 18]), 1.0)


def test_a_foreshortened_or_unseen_limb_does_not_stretch_the_dance(driving):
    body = driving.body[0].copy()
    elbow, wrist = BODY.index("left_elbow"), BODY.index("left_wrist")
    for other in ("left", "right"):
        elbow, wrist = BODY.index(f"{other}_elbow"), BODY.index(f"{other}_wrist")
        body[wrist, :2] = body[elbow, :2] + 1e-3
    reference = driving.body[0]
    assert limb_ratios(body, reference, ratio_limits=None).max() > 100
    assert limb_ratios(body, reference).max() == 2.0
    body[[BODY.index("left_wrist"), BODY.index("right_wrist")], 2] = 0.1
    np.testing.assert_allclose(limb_ratios(body, reference)[[3, 5]], 1.0)


def test_joints_behind_a_missing_one_are_left_out(driving):
    body = driving.body.copy()
    body[4, BODY.index("left_elbow")] = 0
    ours = retarget(replace(driving, body=body), driving.take([0]))
    gone = {BODY[k] for k in np.flatnonzero(ours.body[4, :, 2] == 0)}
    assert gone == {"left_elbow", "left_wrist"}
    assert (ours.body[5, :, 2] == 1).all()


def test_upstreams_hands_trade_places_and_carry_the_others_root(driving):
    """They do where the right hand's root lies nearer to the left wrist; ours hang each hand on its own wrist."""
    frame = driving.take([0])
    wrists = [BODY.index("left_wrist"), BODY.index("right_wrist")]
    hands = np.ones((1, 2, 21, 3))
    hands[..., :2] = frame.body[0, wrists[0], :2] + np.array([[3.0, 0.0], [0.0, 5.0]])[:, None]
    hands[0, :, 1, :2] += [[7.0, 0.0], [0.0, 9.0]]
    crossed = replace(frame, hands=hands)
    for options, expected in (
        ({}, [[[0, 0], [7, 0]], [[0, 0], [0, 9]]]),
        ({"as_upstream": True}, [[[-3, 5], [-3, 14]], [[3, -5], [10, -5]]]),
    ):
        ours = retarget(crossed, frame, **options)
        on_wrist = ours.hands[0, :, :2, :2] - ours.body[0, wrists, None, :2]
        np.testing.assert_allclose(on_wrist, expected, atol=1e-9)


def test_an_unseen_root_leaves_upstreams_hand_where_it_was(driving):
    frame = driving.take([0])
    wrist = BODY.index("left_wrist")
    hands = np.ones((1, 2, 21, 3))
    hands[..., :2] = frame.body[0, [wrist, BODY.index("right_wrist")], None, :2]
    hands[0, 0, :, :2] += [4.0, 2.0]
    hands[0, 0, 0, 2] = 0.3
    for options, expected in (({}, [0, 0]), ({"as_upstream": True}, [4, 2])):
        ours = retarget(replace(frame, hands=hands), frame, **options)
        on_wrist = ours.hands[0, 0, 1, :2] - ours.body[0, wrist, :2]
        np.testing.assert_allclose(on_wrist, expected, atol=1e-9)


def test_upstreams_points_are_half_means_and_hold_a_body_that_left_the_picture():
    keypoints = np.full((2, 133, 3), 0.9)
    keypoints[0, :, :2], keypoints[1, :, :2] = [38.0, 74.0], -5.0
    keypoints[:, 6, 2] = 0
    ours = wholebody_points(keypoints, (591, 182), as_upstream=True)
    neck = BODY.index("neck")
    assert ours.body[0, neck, 2] == 0.45
    assert wholebody_points(keypoints, (591, 182)).body[0, neck, 2] == 0
    np.testing.assert_array_equal(ours.body[1], ours.body[0])
    assert (ours.hands[1, ..., 0] == -5).all()
    # 38 of 591 px, as a share and back, ends just below 38: such a point is drawn in px 37.
    assert int(ours.body[0, 0, 0]) == 37


def face(centre, half=20.0):
    angle = np.linspace(0, 2 * np.pi, 68, endpoint=False)
    ring = np.stack([np.cos(angle), np.sin(angle)], -1) * half + centre
    return np.concatenate([ring, np.full((68, 1), 0.9)], -1)


def sequence(faces):
    faces = np.array(faces)
    return PosePoints(np.zeros((len(faces), 20, 3)), np.zeros((len(faces), 2, 21, 3)), faces, SIZE)


def test_a_face_box_is_held_while_the_dancer_looks_away():
    away, unsure = np.full((68, 3), np.nan), face([0, 0])
    unsure[:, 2] = 0.1
    boxes = face_boxes(sequence([away, face([80, 60]), away, unsure, face([100, 60])]))
    assert boxes[0].tolist() == [45, 115, 135, 205]
    assert boxes[1].tolist() == list(landmark_box(face([80, 60]), SIZE))
    assert (boxes[2:4] == boxes[1]).all()
    assert boxes[4, 0] > boxes[1, 0]


def test_an_estimated_face_box_is_near_that_of_the_landmarks():
    # A frontal face: eyes 20 px apart at y = 100, ears 44 px apart, landmarks 44 x 44 px from y = 92.
    body = np.zeros((1, 20, 3))
    for name, x, y in (
        ("nose", 90, 115), ("left_eye", 100, 100), ("right_eye", 80, 100),
        ("left_ear", 112, 104), ("right_ear", 68, 104),
    ):  # fmt: skip
        body[0, BODY.index(name)] = x, y, 0.9
    ours = face_boxes(replace(sequence([np.zeros((68, 3))]), body=body))[0]
    assert np.abs(ours - landmark_box(face([90, 114], 22), SIZE)).max() <= 3


class Backend:
    """A pose backend that finds what it is told to: (size, presence) of each person."""

    skeleton = "coco-17"

    def __init__(self, *people):
        self.people = np.array(people, np.float32).reshape(-1, 2)
        self.identity = {"name": "test"}

    def detect(self, images):
        count = len(self.people)
        return [Detections(np.zeros((count, 4), np.float32), np.ones(count, np.float32), self.people[:, 0])]

    def estimate(self, images, people):
        # A person of size s has all joints in a column near x = s.
        size, presence = self.people[:, :1], self.people[:, 1]
        x = size + np.arange(17, dtype=np.float32)
        xy = np.stack([x, np.broadcast_to(np.arange(17, dtype=np.float32) * 2 + 50, x.shape)], -1)
        return [Poses(xy, np.ones(x.shape, np.float32), presence)]


def test_the_reference_is_the_largest_sure_person():
    picture = np.zeros((320, 180, 3), np.uint8)
    crowd = Backend((20, 1.0), (90, 0.9), (60, 0.9), (170, 0.001))
    pose = ReferencePose.from_image(picture, crowd)
    assert pose.size == SIZE
    assert pose.points.body[0, 0, 0] == 90
    with pytest.raises(MadanceError, match="2 people"):
        ReferencePose.from_image(picture, crowd, people="one")
    with pytest.raises(MadanceError, match="nobody was found in the 180x320"):
        ReferencePose.from_image(picture, Backend((90, 0.1)))
    with pytest.raises(MadanceError, match="nobody was found"):
        ReferencePose.from_image(picture, Backend())


@pytest.mark.slow
@pytest.mark.media
def test_a_curtain_is_not_the_reference_person(media_dir):
    # Here the detector reports a second, larger person whom the pose network denies.
    av = pytest.importorskip("av")
    try:
        backend = load("blazepose")
    except MadanceError as error:
        pytest.skip(str(error))
    with av.open(media_dir / "raw" / "unianimate_source_video.mp4") as container:
        picture = next(container.decode(video=0)).to_ndarray(format="rgb24")
    (found,) = backend.detect([picture])
    assert len(found) == 2 and found.size[1] > found.size[0]
    body = dict(zip(BODY, ReferencePose.from_image(picture, backend).points.body[0], strict=True))
    heights = [body[name][1] for name in ("nose", "neck", "left_hip", "left_knee", "left_ankle")]
    assert heights == sorted(heights) and 200 < heights[0] < 260 and heights[-1] > 900


def test_the_face_crop_shows_the_face():
    picture = np.zeros((320, 180, 3), np.uint8)
    picture[40:80, 60:100] = 255
    pose = ReferencePose(sequence([face([80, 60])]))
    crop = face_crop(picture, pose)
    assert crop.shape == (512, 512, 3)
    assert 0.6 < (crop > 0).mean() < 0.9
    assert crop[-20:, 200:300].mean() > 100
    with pytest.raises(MadanceError, match="100x100"):
        face_crop(picture[:100, :100], pose)


def test_sizes_round_down_to_the_divisor():
    assert size_by_area((1080, 1920), 1280 * 720) == (720, 1280)
    with pytest.raises(ConfigError, match="larger area"):
        size_by_area((10, 4000), 400)
    assert resize_by_area(np.zeros((100, 50, 3), np.uint8), 64 * 64).shape == (80, 32, 3)


def test_a_small_or_empty_mask_survives_the_grid():
    mask = np.zeros((20, 20), np.uint8)
    assert not fill_grid(mask).any()
    mask[5:8, 5:8] = 1
    assert fill_grid(mask, 10, 20)[5:8, 5:8].all()
