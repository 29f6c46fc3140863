import numpy as np

from madata.pose import Poses, convert_poses
from madata.skeletons import skeleton


def blazepose_poses():
    xy = np.random.default_rng(0).uniform(0, 100, (2, 33, 2)).astype(np.float32)
    score = np.random.default_rng(1).uniform(0.1, 1, (2, 33)).astype(np.float32)
    return Poses(xy, score, np.array([0.9, 0.4], np.float32))


def test_blazepose_to_coco_17_takes_every_joint_by_name():
    poses = blazepose_poses()
    coco = convert_poses(poses, "blazepose-33", "coco-17")
    # The published order of both: BlazePose's landmark numbers in the order of COCO.
    numbers = [0, 2, 5, 7, 8, 11, 12, 13, 14, 15, 16, 23, 24, 25, 26, 27, 28]
    assert (coco.xy == poses.xy[:, numbers]).all() and (coco.score == poses.score[:, numbers]).all()
    assert (coco.presence == poses.presence).all()


def test_blazepose_to_coco_25_makes_neck_and_hip_and_lacks_small_toes():
    poses = blazepose_poses()
    coco = convert_poses(poses, "blazepose-33", "coco-25")
    names = skeleton("coco-25").joints
    assert np.allclose(coco.xy[:, names.index("neck")], poses.xy[:, [11, 12]].mean(1))
    assert np.allclose(coco.xy[:, names.index("hip")], poses.xy[:, [23, 24]].mean(1))
    assert np.allclose(coco.score[:, names.index("neck")], poses.score[:, [11, 12]].min(1))
    assert (coco.xy[:, names.index("left_heel")] == poses.xy[:, 29]).all()
    assert (coco.xy[:, names.index("right_big_toe")] == poses.xy[:, 32]).all()
    for toe in ("left_small_toe", "right_small_toe"):
        assert (coco.score[:, names.index(toe)] == 0).all() and (coco.xy[:, names.index(toe)] == 0).all()


def test_nobody_stays_nobody():
    none = Poses(np.zeros((0, 33, 2), np.float32), np.zeros((0, 33), np.float32), np.zeros(0, np.float32))
    assert convert_poses(none, "blazepose-33", "coco-17").xy.shape == (0, 17, 2)
