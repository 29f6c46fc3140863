import numpy as np
import pytest

from madata.errors import ConfigError, MediaError
from madata.motion import (
    LAYOUTS,
    contacts_by_height,
    decode,
    encode,
    joint_positions,
    layout,
    mirror,
    resample,
    with_up,
)
from madata.motion.vectors import layout_of_width
from madata.rotations import axis_angle_to_rot6d, forward_kinematics, rot6d_to_axis_angle
from madata.skeletons import skeleton
from madata.types import Motion3D


def test_widths_are_those_of_the_papers_and_unique():
    for name, entry in LAYOUTS.items():
        assert entry.width == int(name.split("-")[1])
        assert layout_of_width(entry.width) is entry
    assert layout_of_width(7) is None


@pytest.mark.parametrize("name", LAYOUTS)
def test_encode_decode_round_trip(dancer, name):
    motion = resample(dancer(fps=60.0), LAYOUTS[name].fps)
    values = encode(motion, name)
    assert values.shape == (len(motion.rotation), LAYOUTS[name].width) and values.dtype == np.float32
    back = decode(values, name)
    assert (back.skeleton, back.up, back.fps) == (LAYOUTS[name].skeleton, LAYOUTS[name].up, LAYOUTS[name].fps)
    shared = min(22, back.rotation.shape[1])
    body = with_up(back, "y")
    np.testing.assert_allclose(body.rotation[:, :shared], motion.rotation[:, :shared], atol=3e-6)
    np.testing.assert_allclose(joint_positions(back, "y")[:, 0], joint_positions(motion)[:, 0], atol=3e-6)


def test_columns_lie_where_the_models_expect_them(dancer):
    motion = dancer()
    values = encode(with_up(motion, "z"), "edge-151")
    assert set(np.unique(values[:, :4])) <= {0.0, 1.0}
    np.testing.assert_allclose(values[:, 4:7], with_up(motion, "z").translation)
    np.testing.assert_allclose(values[:, 13:19], axis_angle_to_rot6d(motion.rotation[:, 1]), atol=1e-6)
    assert layout("fact-225").columns == {"zeros": slice(0, 6), "root": slice(6, 9), "matrix": slice(9, 225)}


def test_frame_rate_shape_and_name_errors_say_what_to_do(dancer):
    with pytest.raises(ConfigError, match=r"edge-151 is 30 fps, the motion 60: resample\(motion, 30\)"):
        encode(dancer(fps=60.0), "edge-151")
    with pytest.raises(
        ConfigError, match=r"edge-151 is \(T, 151\) = contacts \+ root \+ rot6d, got \(5, 139\)"
    ):
        decode(np.zeros((5, 139), np.float32), "edge-151")
    with pytest.raises(ConfigError, match="did you mean 'lodge-139'"):
        layout("lodge139")


def test_broken_numbers_are_refused(dancer):
    values = encode(dancer(), "edge-151")
    hole = values.copy()
    hole[3, 5] = np.nan
    with pytest.raises(MediaError, match="translation holds NaN or infinity, first in row 3"):
        decode(hole, "edge-151")
    padded = values.copy()
    padded[7:] = 0
    with pytest.raises(MediaError, match="6D rotation of joint 0 in row 7 is degenerate"):
        decode(padded, "edge-151")
    with pytest.raises(MediaError, match="no frames"):
        decode(values[:0], "edge-151")


def test_matrices_come_back_as_the_nearest_rotations(dancer):
    motion = resample(dancer(fps=60.0), 60)
    values = encode(motion, "fact-225")
    noisy = values + 0.02 * np.random.default_rng(0).normal(size=values.shape).astype(np.float32)
    back = decode(noisy, "fact-225")
    assert np.abs(back.rotation - motion.rotation).max() < 0.1
    stretched = decode(np.concatenate([values[:, :9], 1.5 * values[:, 9:]], axis=1), "fact-225")
    np.testing.assert_allclose(stretched.rotation, decode(values, "fact-225").rotation, atol=1e-4)
    mirrored = decode(np.concatenate([values[:, :9], -values[:, 9:]], axis=1), "fact-225")  # reflections
    assert np.isfinite(mirrored.rotation).all() and np.linalg.norm(mirrored.rotation, axis=-1).max() < 3.15


@pytest.mark.golden
@pytest.mark.golden_files("models_motion/edge_dataset*.npz")
def test_golden_edge_vectors(golden_file, golden_deviations):
    stored = np.load(golden_file)
    for root, pose, expected in zip(
        stored["in/pos"], stored["in/q"], stored["out/pose_unnormalised"], strict=True
    ):
        motion = Motion3D(pose.reshape(-1, 24, 3), root, 30.0, "y", "smpl-24")
        values = encode(motion, "edge-151")
        np.testing.assert_array_equal(values[:, :4], np.rint(expected[:, :4]))
        deviation = np.abs(values - expected).max()
        golden_deviations("edge-151", deviation)
        assert deviation < 2e-6


@pytest.mark.golden
@pytest.mark.golden_files("models_motion/lodge_contacts*.npz")
def test_golden_lodge_contacts(golden_file):
    stored = np.load(golden_file)
    motion = decode(stored["out/grounded139"], "lodge-139")
    positions = joint_positions(motion)
    np.testing.assert_allclose(positions[:, [7, 8, 10, 11]], stored["out/feet"], atol=2e-6)
    np.testing.assert_array_equal(contacts_by_height(positions), stored["out/contacts"])
    values = encode(motion, "lodge-139")
    np.testing.assert_array_equal(values[:, :4], stored["out/contacts"])
    np.testing.assert_allclose(values[:, 4:7], stored["out/grounded139"][:, 4:7], atol=2e-6)


@pytest.mark.golden
@pytest.mark.golden_files("models_motion/edge_stitch*.npz")
def test_golden_full_pose_of_edge_files(golden_file):
    stored = np.load(golden_file)
    body = skeleton("smpl-24")
    ours = forward_kinematics(
        stored["out/smpl_poses"].reshape(-1, 24, 3), stored["out/smpl_trans"], body.offsets, body.parents
    )
    np.testing.assert_allclose(ours, stored["out/full_pose"], atol=2e-6)


@pytest.mark.golden
@pytest.mark.golden_files("models_motion/lodge_mirror*.npz")
def test_golden_mirror(golden_file):
    stored = np.load(golden_file)
    rotation = rot6d_to_axis_angle(stored["in/rot6d"].reshape(-1, 22, 6))
    motion = Motion3D(rotation, np.zeros((len(rotation), 3), np.float32), 30.0, "y", "smplx-22")
    mirrored = mirror(motion)
    ours = axis_angle_to_rot6d(mirrored.rotation).reshape(len(rotation), -1)
    np.testing.assert_allclose(ours, stored["out/rot6d"], atol=2e-6)
