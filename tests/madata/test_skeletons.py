import json

import numpy as np
import pytest

from madata.errors import ConfigError
from madata.skeletons import SKELETON_NAMES, convert_keypoints, mapping, skeleton
from madata.types import Keypoints2D


@pytest.mark.parametrize("name", SKELETON_NAMES)
def test_every_skeleton_is_consistent(name):
    body = skeleton(name)
    assert body.num_joints == int(name.split("-")[1]) == len(body.parents) == len(set(body.joints))
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
