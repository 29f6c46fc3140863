import json

import numpy as np
import pytest

from madata.errors import ConfigError
from madata.skeletons import SKELETON_NAMES, convert_keypoints, mapping, skeleton
from madata.types import Keypoints2D


@pytest.mark.parametrize("name", SKELETON_NAMES)
def test_every_skeleton_is_consistent(name):
    body = skeleton(name)
    assert body.num_joints == int(name.rsplit("-", 1)[1]) == len(body.parents) == len(set(body.joints))
    for left, right in body.pairs:
        assert body.joints[left].replace("left", "right") == body.joints[right]
    np.testing.assert_array_equal(body.mirrored[body.mirrored], np.arange(body.num_joints))
    for joint in range(body.num_joints):  # every joint hangs on a root: no cycles
        steps = 0
        while joint >= 0:
            joint, steps = body.parents[joint], steps + 1
            assert steps <= body.num_joints


@pytest.mark.parametrize("name", [name for name in SKELETON_NAMES if name.startswith("smpl")])
def test_rest_pose_stands_upright_in_a_t(name):
    body = skeleton(name)
    rest = np.zeros((body.num_joints, 3))
    for joint, parent in enumerate(body.parents):
        assert parent < joint
        rest[joint] = body.offsets[joint] + (rest[parent] if parent >= 0 else 0)
    at = {joint: rest[column] for column, joint in enumerate(body.joints)}
    assert at["head"][1] > at["pelvis"][1] > at["left_ankle"][1]
    assert 0.6 < at["left_wrist"][0] < 0.8 and -0.8 < at["right_wrist"][0] < -0.6
    assert at["left_foot"][2] > at["left_ankle"][2] + 0.1  # toes point forward
    assert not body.offsets.flags.writeable


def test_unknown_names_suggest_the_nearest():
    with pytest.raises(ConfigError, match="did you mean 'coco-25'"):
        skeleton("coco25")
    with pytest.raises(ConfigError, match="did you mean 'left_wrist'"):
        skeleton("coco-17").index("left_wrists")


def test_smpl_and_smplx_share_their_body():
    np.testing.assert_array_equal(mapping("smplx-55", "smplx-22"), np.repeat(np.arange(22)[:, None], 2, 1))
    np.testing.assert_array_equal(mapping("smpl-24", "smplx-22"), np.repeat(np.arange(22)[:, None], 2, 1))
    assert skeleton("smplh-52").joints[22:] == skeleton("smplx-55").joints[25:]
    np.testing.assert_array_equal(skeleton("smplh-52").offsets[22:], skeleton("smplx-55").offsets[25:])


def test_derived_joints_and_missing_ones():
    found = mapping("coco-17", "coco-25")
    names, source = skeleton("coco-25"), skeleton("coco-17")
    pair = [source.index("left_shoulder"), source.index("right_shoulder")]
    assert found[names.index("neck")].tolist() == pair
    assert found[names.index("hip")].tolist() == [source.index("left_hip"), source.index("right_hip")]
    assert found[names.index("left_heel")].tolist() == [-1, -1]
    assert found[names.index("left_knee")].tolist() == [source.index("left_knee")] * 2


def test_convert_keypoints_takes_midpoints_and_the_lower_score():
    rng = np.random.default_rng(0)
    xy = rng.uniform(0, 100, (4, 17, 2)).astype(np.float32)
    score = rng.uniform(0.1, 1, (4, 17)).astype(np.float32)
    score[2, 5] = 0
    converted = convert_keypoints(Keypoints2D(xy, score, "coco-17", 16.0, (100, 100)), "coco-25")
    target = skeleton("coco-25")
    neck = target.index("neck")
    np.testing.assert_allclose(converted.xy[:, neck], (xy[:, 5] + xy[:, 6]) / 2, rtol=1e-6)
    np.testing.assert_array_equal(converted.score[:, neck], np.minimum(score[:, 5], score[:, 6]))
    heel = target.index("right_heel")
    assert not converted.score[:, heel].any() and not converted.xy[:, heel].any()
    assert converted.skeleton == "coco-25" and converted.xy.dtype == np.float32


def test_there_and_back_keeps_the_shared_joints():
    rng = np.random.default_rng(1)
    start = Keypoints2D(
        rng.uniform(0, 9, (3, 17, 2)).astype(np.float32),
        np.ones((3, 17), np.float32),
        "coco-17",
        30.0,
        (9, 9),
    )
    back = convert_keypoints(convert_keypoints(start, "coco-25"), "coco-17")
    np.testing.assert_array_equal(back.xy, start.xy)


@pytest.mark.golden
@pytest.mark.golden_files("motion/e2e_2d/gt/*.json")
def test_coco_25_is_the_extractors_order(golden_file):
    try:
        names = json.loads(golden_file.read_text())["skeleton"]
    except (json.JSONDecodeError, KeyError):
        pytest.skip("a file broken on purpose")
    assert tuple(names[str(column)] for column in range(len(names))) == skeleton("coco-25").joints


@pytest.mark.golden
@pytest.mark.golden_files("models_motion/smpl_fk*.npz")
def test_smpl_tree_is_upstreams(golden_file):
    stored = np.load(golden_file)
    assert skeleton("smpl-24").parents == tuple(stored["parents"])
    np.testing.assert_allclose(skeleton("smpl-24").offsets, stored["offsets"], atol=1e-7)


@pytest.mark.golden
@pytest.mark.golden_files("models_motion/smplx_fk*.npz")
def test_smplx_tree_is_upstreams(golden_file):
    stored = np.load(golden_file)
    body = skeleton("smplx-55")
    assert body.parents == tuple(stored["parents"])
    rest = np.zeros((55, 3))
    for joint, parent in enumerate(body.parents):
        rest[joint] = body.offsets[joint] + (rest[parent] if parent >= 0 else 0)
    np.testing.assert_allclose(rest, stored["J_rest"], atol=1e-6)


def test_a_whole_body_has_the_layout_of_coco():
    whole = skeleton("coco-wholebody-133")
    assert whole.joints[:17] == skeleton("coco-17").joints
    assert whole.joints[17:20] == ("left_big_toe", "left_small_toe", "left_heel")
    assert [whole.joints[91 + i] for i in (0, 1, 5, 20)] == [
        "left_hand_root",
        "left_thumb1",
        "left_index1",
        "left_pinky4",
    ]
    assert whole.joints[112] == "right_hand_root"
    mirrored = whole.mirrored
    swapped = [
        (0, 16),
        (7, 9),
        (17, 26),
        (31, 35),
        (36, 45),
        (39, 42),
        (40, 47),
        (48, 54),
        (55, 59),
        (60, 64),
        (65, 67),
    ]
    for right, left in swapped:  # columns of iBUG's 68
        assert mirrored[23 + right] == 23 + left
    middle = [8, 27, 28, 29, 30, 33, 51, 57, 62, 66]
    assert [column for column in range(68) if mirrored[23 + column] == 23 + column] == middle
    assert (mirrored[91:112] == np.arange(112, 133)).all()


def test_no_hand_is_made_of_a_knuckle():
    whole = skeleton("coco-wholebody-133")
    found = mapping("blazepose-33", whole.name)
    assert (found[91:] == -1).all() and (found[23:91] == -1).all()
    assert found[whole.index("left_small_toe")].tolist() == [-1, -1]
    assert (
        found[whole.index("left_big_toe")].tolist() == [skeleton("blazepose-33").index("left_foot_index")] * 2
    )
    hands = mapping("smplx-55", whole.name)
    assert hands[whole.index("right_thumb2")].tolist() == [skeleton("smplx-55").index("right_thumb2")] * 2
