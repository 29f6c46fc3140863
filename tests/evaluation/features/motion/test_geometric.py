import numpy as np
import pytest

from evaluation.features.motion.body import body_track
from evaluation.features.motion.geometric import (
    RELATIONS,
    geometric_features_2d,
    geometric_features_3d,
    limb_angle_columns,
    limb_angles,
)
from madata.skeletons import skeleton

COCO = skeleton("coco-25").joints
SMPL_24 = skeleton("smpl-24")
SMPL = SMPL_24.joints


def rest_pose(frames: int = 5) -> np.ndarray:
    rest = np.zeros((24, 3))
    for joint in range(1, 24):
        rest[joint] = rest[SMPL_24.parents[joint]] + SMPL_24.offsets[joint]
    return np.repeat(rest[None, None], frames, axis=1)


def test_a_still_t_pose():
    features = geometric_features_3d(rest_pose())[0]
    moving = [row for row, relation in enumerate(RELATIONS) if relation.kind in ("nmove", "move", "fast")]
    assert not features[moving].any()
    elbows = [6, 7]
    assert not features[elbows].any()  # straight
    assert features[8] == 0 or features[8] == 1
    assert features[[23, 24]].all()  # arms at right angles to the trunk


def test_bent_elbow_is_seen():
    pose = rest_pose()
    elbow, wrist = SMPL.index("left_elbow"), SMPL.index("left_wrist")
    pose[0, :, wrist] = pose[0, :, elbow] + [0, 0.25, 0]
    assert geometric_features_3d(pose)[0, 7] == 1 and geometric_features_3d(pose)[0, 6] == 0


def test_fourth_joint_of_move_is_ignored(walkers):
    features = geometric_features_3d(walkers(10, np.random.default_rng(0)))
    np.testing.assert_array_equal(features[:, 4], features[:, 5])


def test_planes_are_dead_in_2d(dances):
    features = geometric_features_2d(dances.points[..., :2])
    dead = [2, 3, 8, 14, 15, 16, 17, 18, 27, 29, 30]
    assert not features[:, dead].any()
    np.testing.assert_array_equal(features[:, [0, 4, 9]], features[:, [1, 5, 11]])


def test_chunks_and_sets_agree(walkers):
    clips = walkers(40, np.random.default_rng(0), frames=150)
    single = np.concatenate([geometric_features_3d(clip[None]) for clip in clips])
    np.testing.assert_array_equal(geometric_features_3d(clips), single)


@pytest.mark.parametrize("shape", [(1, 64, 17, 2), (1, 1, 25, 2), (64, 25, 2), (1, 64, 25, 3)])
def test_refused_shapes_2d(shape):
    with pytest.raises(ValueError, match="expected points"):
        geometric_features_2d(np.zeros(shape))


@pytest.mark.parametrize("shape", [(1, 64, 21, 3), (1, 64, 24, 2), (1, 1, 24, 3)])
def test_refused_shapes_3d(shape):
    with pytest.raises(ValueError, match="expected joints"):
        geometric_features_3d(np.zeros(shape))


def coco_angles(clip):
    return limb_angles(body_track(clip[..., :2], COCO, 16, up="-y", score=clip[..., 2]))


def test_columns_are_named(dances, walkers):
    assert len(limb_angle_columns(2)) == len(coco_angles(dances.points[0])) == 44
    body = body_track(walkers(1, np.random.default_rng(0))[0], SMPL, 30, up="y")
    assert len(limb_angle_columns(3)) == len(limb_angles(body)) == 66


def test_upright_rest_pose_in_the_body_frame():
    body = body_track(rest_pose()[0], SMPL, 30, up="y")
    values = dict(zip(limb_angle_columns(3), limb_angles(body), strict=True))
    assert values["torso:mean_up"] == pytest.approx(1, abs=0.05)
    assert values["left_upper_arm:mean_left"] == pytest.approx(1, abs=0.05)
    assert values["right_upper_arm:mean_left"] == pytest.approx(-1, abs=0.05)
    assert values["left_shin:mean_up"] == pytest.approx(-1, abs=0.05)
    assert max(value for name, value in values.items() if ":std" in name) < 1e-9


def test_forward_is_forward():
    pose = rest_pose()[0]
    wrist, elbow = SMPL.index("left_wrist"), SMPL.index("left_elbow")
    pose[:, wrist] = pose[:, elbow] + [0, 0, 0.25]
    body = body_track(pose, SMPL, 30, up="y")
    values = dict(zip(limb_angle_columns(3), limb_angles(body), strict=True))
    assert values["left_forearm:mean_forward"] > 0.95


def test_heading_does_not_matter_but_lying_does(walkers):
    clip = walkers(1, np.random.default_rng(0))[0]
    angle = 2.1
    about_y = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])
    first, turned, fallen = (
        limb_angles(body_track(clip @ m.T, SMPL, 30, up="y")) for m in (np.eye(3), about_y, about_x)
    )
    np.testing.assert_allclose(first, turned, atol=1e-4)
    assert np.abs(first - fallen)[:6].max() > 0.5


def test_signs_tell_left_from_right(dances):
    clip = dances.points[0]
    mirrored = clip.copy()
    mirrored[..., 0] = 720 - mirrored[..., 0]
    first, second = coco_angles(clip).reshape(11, 4), coco_angles(mirrored).reshape(11, 4)
    np.testing.assert_allclose(second[:, 1], -first[:, 1], atol=1e-9)
    np.testing.assert_allclose(second[:, 0], first[:, 0], atol=1e-9)


def test_a_limb_never_seen_has_no_value(dances):
    clip = dances.points[0].copy()
    clip[:, COCO.index("left_wrist"), 2] = 0
    values = dict(zip(limb_angle_columns(2), coco_angles(clip), strict=True))
    assert {name.split(":")[0] for name, value in values.items() if np.isnan(value)} == {"left_forearm"}
