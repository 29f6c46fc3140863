from dataclasses import replace

import numpy as np
import pytest

from madata.errors import ConfigError, MediaError
from madata.motion import (
    body_height_m,
    check_motion,
    joint_positions,
    mirror,
    rest_offsets,
    with_skeleton,
    with_up,
)
from madata.rotations import axis_angle_to_matrix
from madata.skeletons import skeleton


def test_positions_do_not_depend_on_the_way_the_motion_is_stored(dancer):
    motion = dancer(own_bones=True)
    positions = joint_positions(motion)
    assert positions.shape == (40, 24, 3) and positions.dtype == np.float32
    turned = with_up(motion, "z")
    assert turned.up == "z"
    np.testing.assert_allclose(joint_positions(turned, "y"), positions, atol=2e-6)
    np.testing.assert_allclose(joint_positions(turned)[..., 2], positions[..., 1], atol=2e-6)
    np.testing.assert_allclose(with_up(turned, "y").translation, motion.translation, atol=1e-6)


@pytest.mark.parametrize("own_bones", [False, True])
def test_smplx_and_back(dancer, own_bones):
    motion = dancer(own_bones=own_bones)
    for name in ("smplx-22", "smplh-52", "smplx-55"):
        wide = check_motion(with_skeleton(motion, name))
        assert wide.rotation.shape == (40, skeleton(name).num_joints, 3)
        np.testing.assert_array_equal(wide.rotation[:, :22], motion.rotation[:, :22])
        np.testing.assert_allclose(joint_positions(wide)[:, 0], joint_positions(motion)[:, 0], atol=1e-6)
        back = with_skeleton(wide, "smpl-24")
        np.testing.assert_allclose(back.rotation, motion.rotation, atol=1e-7)
        np.testing.assert_allclose(back.translation, motion.translation, atol=1e-6)
        if own_bones:
            np.testing.assert_allclose(
                joint_positions(back)[:, :22], joint_positions(motion)[:, :22], atol=1e-5
            )
    assert with_skeleton(motion, "smpl-24") is motion
    with pytest.raises(ConfigError, match="2D keypoints"):
        with_skeleton(motion, "coco-25")


@pytest.mark.parametrize("up", ["y", "z"])
def test_mirror_swaps_sides_and_twice_is_nothing(dancer, up):
    motion = with_up(dancer(own_bones=True), up)
    flipped = mirror(motion)
    expected = joint_positions(motion)[:, skeleton("smpl-24").mirrored] * [-1, 1, 1]
    np.testing.assert_allclose(joint_positions(flipped), expected, atol=3e-6)
    again = mirror(flipped)
    np.testing.assert_allclose(
        axis_angle_to_matrix(again.rotation), axis_angle_to_matrix(motion.rotation), atol=1e-6
    )
    np.testing.assert_array_equal(again.translation, motion.translation)


def test_height_belongs_to_the_bones_not_to_the_pose(dancer):
    motion = dancer()
    assert body_height_m(motion) == pytest.approx(1.70, abs=0.02)
    assert body_height_m(replace(motion, rotation=motion.rotation * 3)) == body_height_m(motion)
    small = replace(motion, offsets=rest_offsets(motion) * np.float32(0.5))
    assert body_height_m(small) == pytest.approx(body_height_m(motion) / 2)
    assert body_height_m(with_skeleton(motion, "smplx-55")) == pytest.approx(1.7, abs=0.1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rotation": np.zeros((40, 22, 3), np.float32)}, r"rotation has shape \(40, 22, 3\), smpl-24 needs"),
        ({"translation": np.zeros((39, 3), np.float32)}, r"translation has shape \(39, 3\).*needs \(40, 3\)"),
        ({"offsets": np.zeros((22, 3), np.float32)}, "offsets has shape"),
        ({"translation": np.full((40, 3), np.nan, np.float32)}, "translation holds NaN"),
        ({"fps": 0.0}, "frame rate must be within 1 and 1000, got 0"),
        ({"fps": float("nan")}, "frame rate must be within"),
        ({"fps": 1e-9}, "frame rate must be within"),
        ({"fps": 1e9}, "frame rate must be within"),
    ],
)  # fmt: skip
def test_check_motion_names_what_is_wrong(dancer, change, message):
    with pytest.raises(MediaError, match=f"clip.npz: .*{message}"):
        check_motion(replace(dancer(), **change), "clip.npz")


def test_check_motion_refuses_unknown_conventions(dancer):
    with pytest.raises(ConfigError, match="up axis"):
        check_motion(replace(dancer(), up="x"))
    with pytest.raises(ConfigError, match="2D keypoints"):
        check_motion(replace(dancer(), skeleton="coco-17"))
    with pytest.raises(MediaError, match="no frames"):
        check_motion(dancer(frames=0))
