import numpy as np
import pytest
from scipy.spatial.transform import Rotation, Slerp

from madata.errors import ConfigError
from madata.motion import resample
from madata.types import Motion3D


@pytest.mark.parametrize("frames", [1, 2, 7, 120, 121])
def test_halving_takes_every_second_frame(dancer, frames):
    motion = dancer(frames=frames, fps=60.0)
    half = resample(motion, 30)
    np.testing.assert_array_equal(half.rotation, motion.rotation[::2])
    np.testing.assert_array_equal(half.translation, motion.translation[::2])
    assert half.fps == 30.0


@pytest.mark.parametrize(
    ("source", "target"), [(120, 30), (100, 30), (30, 60), (24, 30), (29.97, 16), (30, 7.3)]
)
def test_frames_lie_at_their_times(dancer, source, target):
    motion = dancer(frames=90, fps=float(source))
    found = resample(motion, target)
    times = np.arange(len(found.rotation)) / target
    assert times[-1] <= 89 / source + 1e-9 < times[-1] + 1 / target + 1e-9
    grid = np.arange(90) / source
    for joint in (0, 5, 18):
        expected = Slerp(grid, Rotation.from_rotvec(motion.rotation[:, joint]))(np.minimum(times, grid[-1]))
        angle = (expected.inv() * Rotation.from_rotvec(found.rotation[:, joint])).magnitude()
        assert angle.max() < 1e-5
    for axis in range(3):
        np.testing.assert_allclose(
            found.translation[:, axis], np.interp(times, grid, motion.translation[:, axis]), atol=1e-6
        )


@pytest.mark.parametrize("fps", [29.97, 30000 / 1001, 1000 / 33, 16.000001])
def test_up_and_down_again_is_the_same(dancer, fps):
    motion = dancer(frames=50, fps=fps)
    again = resample(resample(motion, 3 * fps), fps)
    assert len(again.rotation) == 50
    np.testing.assert_allclose(again.rotation, motion.rotation, atol=1e-5)


def test_rotations_take_the_short_way_through_pi():
    rotation = np.zeros((2, 24, 3), np.float32)
    rotation[0, 0, 1], rotation[1, 0, 1] = 3.0, -3.0  # 0.283 rad apart, through pi
    motion = Motion3D(rotation, np.zeros((2, 3), np.float32), 30.0, "y", "smpl-24")
    middle = resample(motion, 60).rotation[1, 0]
    assert abs(abs(middle[1]) - np.pi) < 1e-5


def test_same_rate_changes_nothing_and_bad_rates_are_refused(dancer):
    motion = dancer()
    assert resample(motion, motion.fps) is motion
    for fps in (0, -30, float("nan"), float("inf")):
        with pytest.raises(ConfigError, match="must be positive"):
            resample(motion, fps)
