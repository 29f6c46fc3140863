"""LODGE's numbers from the motion file on: its reader, its body, its 24 joints for beats and 22 for features.

``tests/golden/motion/lodge_files.npz`` holds two made dances in LODGE's 139 columns, and what its scripts (a898e59)
give of them: joints of ``do_smplxfk`` minus the first root (every tenth frame), beats of ``calc_db`` on 24 of them,
kinetic and manual features of 22 of them, root-relative, as ``metrics_finedance.py`` saves them. pytorch3d's two
conversions of rotations were stood in for by the textbook's.
"""

from pathlib import Path

import numpy as np
import pytest

from evaluation.features.motion.rows import Window, motion_rows
from evaluation.inputs.pose_files import read_motion_file
from evaluation.protocol import load_protocol
from madata.files import read_npz

GOLDEN = Path(__file__).resolve().parents[3] / "golden/motion/lodge_files.npz"
DANCES = ("dance1", "dance2")


@pytest.fixture(scope="module")
def stored():
    return read_npz(GOLDEN)


@pytest.fixture(scope="module")
def tracks(stored, tmp_path_factory):
    """The dances, read from files as the protocol reads them."""
    folder = tmp_path_factory.mktemp("lodge")
    found = {}
    for name in DANCES:
        np.save(folder / f"{name}.npy", stored[f"{name}/motion"])
        skeleton = load_protocol("lodge").clips.skeleton
        found[name] = read_motion_file(folder / f"{name}.npy", skeleton)
    return found


@pytest.mark.parametrize("name", DANCES)
def test_a_file_gives_the_24_joints_of_the_script(tracks, stored, name):
    points = tracks[name].points
    assert points.shape[1] == 24 and tracks[name].names[22:] == ("jaw", "left_eye")
    placed = points - points[:1, :1]
    np.testing.assert_allclose(placed[::10], stored[f"{name}/joints_every_10th"], atol=2e-5)


@pytest.mark.parametrize("name", DANCES)
def test_a_file_gives_the_beats_and_features_of_the_scripts(tracks, stored, name):
    row = motion_rows([Window(name, 0, 0.0, tracks[name])], "lodge", {})
    np.testing.assert_array_equal(row.motion_beats[0], stored[f"{name}/beats"])
    np.testing.assert_allclose(row.kinetic[0], stored[f"{name}/kinetic"], rtol=1e-3, atol=1e-6)
    np.testing.assert_array_equal(row.geometric[0], stored[f"{name}/geometric"])
