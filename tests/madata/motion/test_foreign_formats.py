"""Files of other systems and tools: each is the same dance, and comes back as it."""

import collections
import pickle

import numpy as np
import pytest

from madata.errors import MediaError
from madata.motion import (
    Hints,
    encode,
    joint_positions,
    motion_of_positions,
    read_motion,
    read_positions,
    with_skeleton,
    with_up,
    write_motion,
)
from madata.rotations import axis_angle_to_matrix
from madata.types import Positions3D


def dump(path, content):
    path.write_bytes(pickle.dumps(content))
    return path


def same(found, motion, atol=1e-5):
    """Joints of the body where they were."""
    np.testing.assert_allclose(
        joint_positions(found, "y")[:, :22], joint_positions(motion, "y")[:, :22], atol=atol
    )


def parts(motion, matrices=False):
    rotation = axis_angle_to_matrix(motion.rotation) if matrices else motion.rotation
    return {"global_orient": rotation[:, :1], "body_pose": rotation[:, 1:], "transl": motion.translation}


def test_slices_of_edge(dancer, tmp_path):
    motion = dancer(fps=60.0)
    content = {
        "pos": motion.translation * 93,
        "q": motion.rotation.reshape(-1, 72),
        "scale": np.array([93.0]),
    }
    found = read_motion(dump(tmp_path / "a_slice0.pkl", content))
    assert (found.fps, found.up) == (60.0, "y")
    same(found, motion)


@pytest.mark.parametrize("matrices", [False, True])
@pytest.mark.parametrize("name", ["smpl-24", "smplx-22"])
@pytest.mark.parametrize("up", ["y", "z"])
def test_parts_of_a_body(dancer, tmp_path, matrices, name, up):
    motion = with_up(with_skeleton(dancer(fps=25.0), name), up)
    np.savez(
        tmp_path / "a.npz", fps=25, betas=np.zeros(10), notes=np.array({}, object), **parts(motion, matrices)
    )
    found = read_motion(tmp_path / "a.npz")
    assert (found.fps, found.up, found.skeleton) == (25.0, up, name)
    same(found, motion)


def test_parts_with_hands_and_flat_arrays(dancer, tmp_path):
    motion = with_skeleton(dancer(fps=30.0), "smplh-52")
    content = {
        "root_orient": motion.rotation[:, 0],
        "pose_body": motion.rotation[:, 1:22].reshape(-1, 63),
        "trans": motion.translation,
        "left_hand_pose": motion.rotation[:, 22:37].reshape(-1, 45),
        "right_hand_pose": motion.rotation[:, 37:].reshape(-1, 45),
        "mocap_frame_rate": 30.0,
    }
    found = read_motion(dump(tmp_path / "a.pkl", content))
    assert found.skeleton == "smplh-52"
    np.testing.assert_array_equal(found.rotation, motion.rotation)


def test_a_camera_looks_down_its_y_axis(dancer, tmp_path):
    """Motion in camera axes stands on its head there; it is turned back on its feet."""
    motion = with_skeleton(dancer(fps=30.0), "smplx-22")
    flip = np.diag([1.0, -1.0, -1.0])
    content = parts(motion, matrices=True)
    content["global_orient"] = flip @ content["global_orient"]
    root = joint_positions(motion)[:, 0] - motion.translation
    content["transl"] = (motion.translation + root) @ flip - root
    found = read_motion(dump(tmp_path / "a.pkl", content), fps=30.0)
    assert found.up == "y"
    same(found, motion)


def test_nothing_says_which_axis_is_up(dancer, tmp_path):
    motion = dancer(fps=30.0)
    content = parts(motion)
    content["global_orient"] = np.tile([np.pi / 4, 0, 0], (40, 1)).astype(np.float32)  # lies halfway
    path = dump(tmp_path / "a.pkl", content)
    with pytest.raises(MediaError, match=r"which axis points up.*--file-up y"):
        read_motion(path, fps=30.0)
    assert read_motion(path, fps=30.0, hints=Hints(up="z")).up == "z"
    with pytest.raises(MediaError, match=r"a\.pkl: gives no frame rate; say it with: madance convert a\.pkl"):
        read_motion(path)


def test_gvhmr(dancer, tmp_path):
    torch = pytest.importorskip("torch")
    motion = with_skeleton(dancer(fps=30.0), "smplx-22")
    content = {key: torch.from_numpy(value.reshape(40, -1).copy()) for key, value in parts(motion).items()}
    torch.save(
        {"smpl_params_global": content, "smpl_params_incam": content, "K_fullimg": torch.eye(3)},
        tmp_path / "hmr4d_results.pt",
    )
    found = read_motion(tmp_path / "hmr4d_results.pt")
    assert (found.fps, found.skeleton) == (30.0, "smplx-22")
    same(found, motion)


def test_wham_takes_the_person_seen_longest(dancer, tmp_path):
    joblib = pytest.importorskip("joblib")
    people = collections.defaultdict(dict)
    for person, frames in ((0, 12), (3, 40)):
        motion = dancer(frames=frames, seed=person)
        people[person] = {
            "pose_world": motion.rotation.reshape(-1, 72),
            "trans_world": motion.translation,
            "frame_ids": np.arange(frames),
        }
    joblib.dump(people, tmp_path / "wham_output.pkl")
    same(read_motion(tmp_path / "wham_output.pkl", fps=30.0), dancer(frames=40, seed=3))
    same(
        read_motion(tmp_path / "wham_output.pkl", fps=30.0, hints=Hints(person="0")),
        dancer(frames=12, seed=0),
    )
    with pytest.raises(MediaError, match="nobody called '7'; --person may be 0, 3"):
        read_motion(tmp_path / "wham_output.pkl", fps=30.0, hints=Hints(person="7"))


def test_4d_humans_takes_the_longest_unbroken_stretch(dancer, tmp_path):
    joblib = pytest.importorskip("joblib")
    motion = dancer(frames=40)
    matrices = axis_angle_to_matrix(motion.rotation)
    flip = np.diag([1.0, -1.0, -1.0])
    frames = {}
    for row in range(40):
        body = {
            "global_orient": flip @ matrices[row, :1],
            "body_pose": matrices[row, 1:],
            "betas": np.zeros(10),
        }
        there = row not in (5, 6)
        frames[f"img/{row:06}.jpg"] = {
            "tid": [9] * there, "smpl": [body] * there, "camera": [motion.translation[row] @ flip] * there,
        }  # fmt: skip
    joblib.dump(frames, tmp_path / "demo_a.pkl", compress=3)
    found = read_motion(tmp_path / "demo_a.pkl", fps=30.0)
    assert len(found.rotation) == 33
    np.testing.assert_allclose(joint_positions(found), joint_positions(motion)[7:], atol=1e-5)


def test_stage_ii_of_amass_opens_only_what_it_needs(dancer, tmp_path):
    motion = with_up(with_skeleton(dancer(fps=120.0), "smplx-55"), "z")
    np.savez(
        tmp_path / "a_stageii.npz",
        poses=motion.rotation.reshape(40, 165),
        trans=motion.translation,
        mocap_frame_rate=120.0,
        markers=np.array({"ARIEL": 1}, object),
    )
    same(read_motion(tmp_path / "a_stageii.npz"), motion)


def test_fact_with_and_without_padding(dancer, tmp_path):
    motion = dancer(fps=60.0)
    padded = encode(motion, "fact-225")
    np.save(tmp_path / "a.npy", padded[None])
    np.save(tmp_path / "b.npy", padded[:, 6:])
    for name in ("a", "b"):
        found = read_motion(tmp_path / f"{name}.npy")
        assert found.fps == 60.0
        same(found, motion)


def test_positions_are_taken_as_they_are(dancer, tmp_path):
    motion = dancer(fps=60.0)
    points = joint_positions(motion)
    np.save(
        tmp_path / "a.pkl.npy", np.array({"pred_position": points.reshape(-1, 72)}, object), allow_pickle=True
    )
    np.save(tmp_path / "b.npy", points)
    np.savez(tmp_path / "c.npz", positions=points, skeleton="smpl-24", fps=60.0, up="y")
    for name, fps in (("a.pkl.npy", None), ("b.npy", 60.0), ("c.npz", None)):
        found = read_positions(tmp_path / name, fps=fps)
        assert (found.fps, found.up, found.skeleton) == (60.0, "y", "smpl-24")
        np.testing.assert_array_equal(found.positions, points)
        same(read_motion(tmp_path / name, fps=fps), motion)
    with pytest.raises(MediaError, match="no fps; it holds positions"):
        np.savez(tmp_path / "d.npz", positions=points, skeleton="smpl-24", up="y")
        read_positions(tmp_path / "d.npz")


@pytest.mark.parametrize(
    "change",
    [
        {"fps": "x"},
        {"fps": 0},
        {"skeleton": "nobody"},
        {"positions": np.zeros((4, 3, 3))},
        {"up": "w"},
        {"positions": np.full((4, 24, 3), np.nan)},
    ],
)
def test_bad_positions_are_one_error(dancer, tmp_path, change):
    good = {"positions": joint_positions(dancer()), "skeleton": "smpl-24", "fps": 30.0, "up": "y"}
    np.savez(tmp_path / "a.npz", **(good | change))
    with pytest.raises(MediaError, match=r"a\.npz: "):
        read_positions(tmp_path / "a.npz")


def test_units(dancer, tmp_path):
    motion = dancer(fps=30.0)
    np.savez(
        tmp_path / "a.npz", positions=joint_positions(motion) * 100, skeleton="smpl-24", fps=30.0, up="y"
    )
    same(read_motion(tmp_path / "a.npz", hints=Hints(metres_per_unit=0.01)), motion)


@pytest.mark.parametrize("name", ["smpl-24", "smplx-22", "smplh-52"])
@pytest.mark.parametrize("up", ["y", "z"])
def test_rotations_fit_positions(dancer, name, up):
    motion = with_up(with_skeleton(dancer(own_bones=True), name), up)
    points = joint_positions(motion)
    fitted = motion_of_positions(Positions3D(points, motion.fps, up, name))
    np.testing.assert_allclose(joint_positions(fitted), points, atol=2e-5)
    # Pelvis and chest have one rotation each, whatever the limbs do.
    turns = axis_angle_to_matrix(fitted.rotation[:, 0]), axis_angle_to_matrix(motion.rotation[:, 0])
    relative = np.swapaxes(turns[0], -1, -2) @ turns[1]
    np.testing.assert_allclose(relative, np.broadcast_to(relative[0], relative.shape), atol=1e-4)


def test_a_limb_that_points_the_other_way_still_fits(dancer):
    motion = dancer()
    motion.rotation[:, 16] = [0, 0, np.pi]  # an arm across the body, exactly against its rest
    motion.rotation[:, 13] = 0
    points = joint_positions(motion)
    fitted = motion_of_positions(Positions3D(points, motion.fps, "y", "smpl-24"))
    np.testing.assert_allclose(joint_positions(fitted), points, atol=2e-5)


def test_turning_the_world_turns_every_joint(dancer):
    for name in ("smpl-24", "smplx-22"):
        motion = with_skeleton(dancer(), name)
        there = with_up(motion, "z")
        expected = joint_positions(motion)[..., [0, 2, 1]] * np.array([1, -1, 1])
        np.testing.assert_allclose(joint_positions(there), expected, atol=1e-5)
        np.testing.assert_allclose(joint_positions(with_up(there, "y")), joint_positions(motion), atol=1e-5)


def test_suffixes_in_capitals(dancer, tmp_path):
    motion = dancer(fps=30.0)
    write_motion(tmp_path / "a.pkl", motion)
    (tmp_path / "a.pkl").rename(tmp_path / "A.PKL")
    same(read_motion(tmp_path / "A.PKL"), motion)


@pytest.mark.parametrize(
    "content",
    [
        {"a": {"tid": 3, "smpl": 3}},
        {"a": {"tid": [1], "smpl": [{}], "camera": 4}},
        {0: {"pose_world": [[1], [1, 2]], "trans_world": [1]}},
        {"global_orient": [[1], [2, 3]], "body_pose": [], "transl": [], "fps": 30},
        {"global_orient": np.zeros((2, 2, 2, 2)), "body_pose": [], "transl": [], "fps": 30},
        {"smpl_poses": np.zeros((2, 72)), "smpl_trans": np.zeros((2, 3)), "smpl_scaling": float("inf")},
    ],
)
def test_content_of_another_shape_is_one_error(tmp_path, content):
    with pytest.raises(MediaError, match=r"a\.pkl: "):
        read_motion(dump(tmp_path / "a.pkl", content))


def test_padding_is_no_rotation(dancer, tmp_path):
    motion = dancer(fps=30.0)
    content = {"fps": 30, **parts(motion, matrices=True)}
    content["global_orient"] = content["global_orient"].copy()
    content["global_orient"][-1] = 0
    with pytest.raises(MediaError, match="no rotations"):
        read_motion(dump(tmp_path / "a.pkl", content))


def test_positions_of_a_picture_are_no_motion(tmp_path):
    np.savez(tmp_path / "a.npz", positions=np.zeros((4, 17, 3)), skeleton="coco-17", fps=30, up="y")
    with pytest.raises(MediaError, match="coco-17 is no skeleton of 3D"):
        read_motion(tmp_path / "a.npz")
