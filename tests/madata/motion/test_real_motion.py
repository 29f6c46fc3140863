"""Every real recording of the mocap folder loads and looks like a dancing person."""

import lzma

import numpy as np
import pytest

from madata.motion import (
    body_height_m,
    check_motion,
    encode,
    floor_height_m,
    joint_positions,
    read_motion,
    resample,
)
from madata.skeletons import skeleton

SMPL = skeleton("smpl-24")


def declared(path):
    """Frame count and frame time, read from the text by other means."""
    data = path.read_bytes()
    text = (lzma.decompress(data) if path.suffix == ".xz" else data).decode()
    fields = dict(
        line.split(":") for line in text.splitlines() if line.startswith(("Frames:", "Frame Time:"))
    )
    return int(fields["Frames"]), float(fields["Frame Time"])


@pytest.mark.media
@pytest.mark.parametrize("step", [7, pytest.param(1, marks=pytest.mark.nightly)])
def test_recordings(motion_dir, step):
    files = sorted(motion_dir.glob("*.bvh*"))[::step]
    if not files:
        pytest.skip("no BVH files in the mocap folder")
    for path in files:
        motion = check_motion(read_motion(path), path)
        frames, frame_time_s = declared(path)
        assert len(motion.rotation) == frames, path
        assert motion.fps == pytest.approx(1 / frame_time_s, rel=1e-3) and motion.fps == round(motion.fps), (
            path
        )
        assert motion.up == "y" and motion.offsets is not None, path
        assert 1.4 < body_height_m(motion) < 2.1, path
        positions = joint_positions(motion)
        at = {joint: positions[:, column] for column, joint in enumerate(SMPL.joints)}
        assert abs(floor_height_m(positions)) < 0.15, path
        trunk = at["neck"] - at["pelvis"]
        upright = trunk[:, 1] / np.linalg.norm(trunk, axis=-1)
        assert np.median(upright) > 0.9, path
        # The chest faces away from the spine: left to the left of right, toes ahead of ankles, on the whole.
        left = at["left_shoulder"] - at["right_shoulder"]
        ahead = np.cross(left, trunk)
        toes = (at["left_foot"] - at["left_ankle"]) + (at["right_foot"] - at["right_ankle"])
        assert (np.einsum("tc,tc->t", ahead, toes) > 0).mean() > 0.9, path
        # Local rotations are relative to a T-pose: knees and elbows bend the way they do.
        knee = motion.rotation[:, [4, 5], 0]
        assert knee.mean() > 0.05, path
        elbow = motion.rotation[:, [18, 19], 1] * [-1, 1]
        assert elbow.mean() > 0.1, path
        assert np.abs(motion.rotation[:, 1:]).mean() < 0.5, path


@pytest.mark.media
def test_a_recording_becomes_training_vectors(motion_dir):
    path = sorted(motion_dir.glob("*.bvh*"))[0]
    motion = resample(read_motion(path), 30)
    values = encode(motion, "edge-151")
    assert values.shape == (len(motion.rotation), 151) and np.isfinite(values).all()
    assert 0.05 < values[:, :4].mean() < 0.95
