import pickle
from dataclasses import fields

import numpy as np
import pytest

from madata.errors import ConfigError, MediaError
from madata.motion import Hints, encode, joint_positions, read_motion, resample, with_up, write_motion


def dump(path, content):
    path.write_bytes(pickle.dumps(content))
    return path


def aist(motion, scaling=93.0):
    return {
        "smpl_poses": motion.rotation.reshape(len(motion.rotation), 72).astype(np.float64),
        "smpl_trans": motion.translation.astype(np.float64) * scaling,
        "smpl_scaling": np.array([scaling]),
        "smpl_loss": 0.5,
    }


def edge(motion):
    upright = with_up(motion, "z")
    return {
        "smpl_poses": upright.rotation.reshape(len(motion.rotation), 72),
        "smpl_trans": upright.translation,
        "full_pose": joint_positions(upright),
    }


@pytest.mark.parametrize("own_bones", [False, True])
def test_our_own_file_gives_everything_back(dancer, tmp_path, own_bones):
    motion = with_up(dancer(fps=29.97, own_bones=own_bones), "z")
    path = tmp_path / "clip.npz"
    write_motion(path, motion)
    found = read_motion(path)
    for field in fields(motion):
        np.testing.assert_array_equal(getattr(found, field.name), getattr(motion, field.name))
    first = path.read_bytes()
    write_motion(path, found)
    assert path.read_bytes() == first


def test_a_pickle_is_that_of_edge_and_read_by_anyone(dancer, tmp_path):
    motion = dancer(fps=30.0)
    path = tmp_path / "clip.pkl"
    write_motion(path, motion)
    with path.open("rb") as stream:
        theirs = pickle.load(stream)
    upright = with_up(motion, "z")
    for key, expected in edge(motion).items():
        assert (theirs[key].dtype, theirs[key].flags.writeable) == (np.float32, True)
        np.testing.assert_allclose(theirs[key], expected, atol=1e-6)
    # numpy 1 knows no numpy._core, numpy 2 no numpy.core
    assert b"_core" not in path.read_bytes()
    found = read_motion(path)
    assert (found.up, found.fps, found.skeleton) == ("z", 30.0, "smpl-24")
    np.testing.assert_array_equal(found.rotation, upright.rotation)
    np.testing.assert_array_equal(found.translation, upright.translation)
    first = path.read_bytes()
    write_motion(path, found)
    assert path.read_bytes() == first


def test_write_refuses_what_it_could_not_read(dancer, tmp_path):
    with pytest.raises(ConfigError, match=r"clip\.fbx: motions are written as \.npz, \.pkl, \.bvh or \.glb"):
        write_motion(tmp_path / "clip.fbx", dancer())
    with pytest.raises(ConfigError, match="read at 30 frames per second and the motion has 60"):
        write_motion(tmp_path / "clip.pkl", dancer(fps=60.0))
    with pytest.raises(ConfigError, match="bone lengths of its own"):
        write_motion(tmp_path / "clip.pkl", dancer(fps=30.0, own_bones=True))
    with pytest.raises(MediaError, match="no frames"):
        write_motion(tmp_path / "clip.npz", dancer(frames=0))
    assert not list(tmp_path.iterdir())


def test_aist_scaling_divides(dancer, tmp_path):
    motion = dancer(fps=60.0)
    found = read_motion(dump(tmp_path / "gBR.pkl", aist(motion)))
    np.testing.assert_allclose(found.translation, motion.translation, rtol=1e-6)
    np.testing.assert_array_equal(found.rotation, motion.rotation)
    assert (found.fps, found.up, found.skeleton, found.offsets) == (60.0, "y", "smpl-24", None)


def test_edge_and_mace_files_are_z_up(dancer, tmp_path):
    motion = dancer()
    content = edge(motion)
    path = dump(tmp_path / "dance.pkl", content)
    found = read_motion(path)
    assert (found.fps, found.up) == (30.0, "z")
    np.testing.assert_allclose(joint_positions(found), content["full_pose"], atol=1e-6)
    np.testing.assert_allclose(joint_positions(found, "y"), joint_positions(motion), atol=3e-6)
    del content["full_pose"]
    dump(path, content)
    with pytest.raises(
        MediaError, match=r"up axis and the rate are unknown; say which it is: .* --from aist\+\+"
    ):
        read_motion(path)
    assert read_motion(path, format="edge", fps=60).fps == 60
    content["smpl_poses"] = content["smpl_poses"].reshape(-1, 24, 3)
    assert read_motion(dump(path, content), format="edge").rotation.shape == motion.rotation.shape


@pytest.mark.parametrize("name", ["edge-151", "lodge-139", "finedance-315", "finedance-319", "mnet-147"])
def test_vector_files_are_told_by_their_width(dancer, tmp_path, name):
    motion = resample(dancer(fps=60.0), 60.0 if name.startswith("mnet") else 30.0)
    path = tmp_path / "clip.npy"
    np.save(path, encode(motion, name))
    found = read_motion(path)
    np.testing.assert_allclose(joint_positions(found, "y")[:, 0], joint_positions(motion)[:, 0], atol=3e-6)
    assert read_motion(path, format=name, fps=12).fps == 12


def test_finedance_is_root_first_with_and_without_contacts(tmp_path):
    values = np.tile(np.r_[0.1, 0.9, 0.2, np.tile([1, 0, 0, 0, 1, 0], 52)], (6, 1))
    np.save(tmp_path / "a.npy", values)
    np.save(tmp_path / "b.npy", np.concatenate([np.ones((6, 4)), values], 1))
    for name in ("a.npy", "b.npy"):
        found = read_motion(tmp_path / name)
        np.testing.assert_allclose(found.translation, np.tile([0.1, 0.9, 0.2], (6, 1)), atol=1e-7)
        assert not found.rotation.any() and (found.up, found.skeleton) == ("y", "smplh-52")


def test_amass(dancer, tmp_path):
    motion = with_up(dancer(), "z")
    poses = np.zeros((40, 156))
    poses[:, :66] = motion.rotation[:, :22].reshape(40, -1)
    path = tmp_path / "take_poses.npz"
    np.savez(path, poses=poses, trans=motion.translation, mocap_framerate=np.array(120.0), gender="female")
    found = read_motion(path)
    assert (found.fps, found.up, found.skeleton) == (120.0, "z", "smplh-52")
    np.testing.assert_array_equal(found.rotation[:, :22], motion.rotation[:, :22])
    np.savez(path, poses=poses, trans=motion.translation)
    with pytest.raises(
        MediaError,
        match=r"gives no frame rate; say it with: madance convert take_poses\.npz OUT\.npz --fps 30",
    ):
        read_motion(path)
    assert read_motion(path, fps=60).fps == 60
    np.savez(path, poses=poses[:, :100], trans=motion.translation, mocap_framerate=np.array(120.0))
    with pytest.raises(
        MediaError, match=r"poses has shape \(40, 100\), expected \(T, 72\) for smpl-24, \(T, 156\)"
    ):
        read_motion(path)


def test_bvh_through_the_same_door(dancer, bvh_text, tmp_path):
    motion = dancer()
    path = tmp_path / "take.bvh"
    path.write_text(bvh_text(motion))
    np.testing.assert_allclose(read_motion(path).rotation, motion.rotation, atol=2e-6)
    assert read_motion(path, fps=25).fps == 25
    scaled = read_motion(path, hints=Hints(metres_per_unit=0.02, names={"spine3": "spine2"}))
    np.testing.assert_allclose(scaled.translation, 2 * motion.translation, atol=1e-5)
    with pytest.raises(MediaError, match=r"format 'edge' does not come as \.bvh"):
        read_motion(path, format="edge")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"smpl_poses": None}, "no smpl_poses; it holds smpl_loss, smpl_scaling, smpl_trans"),
        ({"smpl_poses": np.zeros((40, 66))}, r"smpl_poses has shape \(40, 66\), expected \(T, 72\)"),
        ({"smpl_trans": np.zeros((39, 3))}, r"smpl_trans has shape \(39, 3\), expected \(40, 3\)"),
        ({"smpl_poses": np.full((40, 72), np.nan)}, "rotation holds NaN or infinity, first in row 0"),
        ({"smpl_poses": [["a"] * 72] * 40}, "smpl_poses holds <U1, expected numbers"),
        ({"smpl_poses": [[1, 2], [3]]}, "smpl_poses"),
        ({"smpl_scaling": np.array([0.0])}, "smpl_scaling must be positive, found 0.0"),
        ({"smpl_scaling": np.array([1.0, 2.0])}, "smpl_scaling should be one number"),
    ],
)
def test_bad_pickles_are_named(dancer, tmp_path, change, message):
    content = aist(dancer(fps=60.0)) | change
    content = {key: value for key, value in content.items() if value is not None}
    with pytest.raises(MediaError, match=f"bad.pkl: .*{message}"):
        read_motion(dump(tmp_path / "bad.pkl", content))


def test_other_things_in_a_pickle(tmp_path):
    with pytest.raises(MediaError, match="holds a list, expected arrays by name or rows of numbers"):
        read_motion(dump(tmp_path / "bad.pkl", [1, 2]))
    with pytest.raises(MediaError, match="refused"):
        read_motion(dump(tmp_path / "bad.pkl", print))
    with pytest.raises(MediaError, match="no such file"):
        read_motion(tmp_path / "none.pkl")


def test_bad_arrays_are_named(tmp_path):
    path = tmp_path / "bad.npy"
    np.save(path, np.zeros((10, 17)))
    with pytest.raises(MediaError, match=r"bad\.npy: 17 columns, expected one of 151 \(edge-151\)"):
        read_motion(path)
    with pytest.raises(MediaError, match=r"17 columns, expected 139 \(lodge-139\)"):
        read_motion(path, format="lodge-139")
    np.save(path, np.zeros((2, 10, 151)))
    with pytest.raises(MediaError, match=r"the array has shape \(2, 10, 151\), expected \(T, any\)"):
        read_motion(path)
    np.save(path, np.array([{}]), allow_pickle=True)
    with pytest.raises(MediaError, match="the array holds object, expected numbers"):
        read_motion(path)
    path.write_bytes(b"\x93NUMPY garbage")
    with pytest.raises(MediaError, match=r"not a readable \.npy"):
        read_motion(path)
    with pytest.raises(MediaError, match="no such file"):
        read_motion(tmp_path / "none.npy")


def test_bad_npz_files_are_named(dancer, tmp_path):
    path = tmp_path / "bad.npz"
    np.savez(path, values=np.zeros(3))
    with pytest.raises(MediaError, match=r"holds values, which is no known motion; known are madance"):
        read_motion(path)
    write_motion(path, dancer())
    good = dict(np.load(path))
    for change, message in (
        ({"version": 2}, "version 2, this release reads 1"),
        ({"up": "w"}, "up axis is 'y' or 'z', got 'w'"),
        ({"skeleton": "smpl-23"}, "unknown skeleton 'smpl-23'; did you mean 'smpl-24'"),
        ({"skeleton": "smplx-22"}, r"rotation has shape \(40, 24, 3\), smplx-22 needs \(40, 22, 3\)"),
        ({"fps": np.array([1.0, 2.0])}, "fps should be one number"),
        ({"fps": -1.0}, "frame rate must be within"),
        ({"rotation": np.zeros((40, 24))}, r"rotation has shape \(40, 24\)"),
    ):
        np.savez(path, **(good | change))
        with pytest.raises(MediaError, match=f"bad.npz: .*{message}"):
            read_motion(path)


def test_unknown_formats(tmp_path):
    with pytest.raises(MediaError, match=r"clip\.fbx: \.fbx is no motion file; known: \.npz"):
        read_motion(tmp_path / "clip.fbx")
    with pytest.raises(ConfigError, match="did you mean 'edge-151'"):
        read_motion(tmp_path / "clip.npy", format="edge151")
    np.save(tmp_path / "clip.npy", np.zeros((4, 151)))
    with pytest.raises(MediaError, match=r"format 'bvh' does not come as \.npy"):
        read_motion(tmp_path / "clip.npy", format="bvh")
