"""Keypoints are read at the times that are wanted, whatever the rows."""

import numpy as np
import pytest

from madata.errors import MediaError
from madata.files import read_npz, write_npz
from madata.keypoints import read_keypoints


@pytest.fixture
def path(tmp_path):
    """Two joints at 10 rows a second: one moves by 100 px a second, the other rests."""
    times_s = np.arange(11) / 10
    xy = np.stack([np.stack([100 * times_s, 0 * times_s + 5], 1), np.full((11, 2), 7.0)], axis=1)
    score = np.ones((11, 2))
    score[4, 0] = 0.25
    file = tmp_path / "a.npz"
    write_npz(file, xy=xy, score=score, skeleton="pair", size=(64, 128), times_s=times_s)
    return file


def test_between_two_rows_a_joint_is_on_the_line_and_as_sure_as_the_less_sure(path):
    read = read_keypoints(path, np.array([0.0, 0.25, 0.35]))
    np.testing.assert_allclose(read.xy[:, 0], [[0, 5], [25, 5], [35, 5]], atol=1e-5)
    np.testing.assert_allclose(read.score[:, 0], [1, 1, 0.25])
    assert (read.size, read.skeleton) == ((64, 128), "pair")


def test_pixels_are_those_of_the_size_wanted_and_the_ends_hold(path):
    read = read_keypoints(path, np.arange(4) / 2, size=(128, 128))
    np.testing.assert_allclose(read.xy[:, 0], [[0, 5], [100, 5], [200, 5], [200, 5]], atol=1e-4)
    assert read.fps == pytest.approx(2.0)


def test_one_row_is_read_and_holds(path):
    write_npz(
        path,
        **{
            name: one[:1] if len(one.shape) and name != "size" else one
            for name, one in read_npz(path).items()
        },
    )
    read = read_keypoints(path, np.array([0.0]))
    np.testing.assert_array_equal(read.xy, [[[0, 5], [7, 7]]])
    assert read.fps == 1.0
    np.testing.assert_array_equal(read_keypoints(path, np.array([3.0, 3.5])).xy[1], [[0, 5], [7, 7]])


@pytest.mark.parametrize("spoil", [{"score": None}, {"xy": np.zeros((0, 2, 2))}, {"size": np.zeros(3)}])
def test_what_is_no_keypoint_file_is_named(path, spoil):
    arrays = {**read_npz(path), **spoil}
    write_npz(path, **{name: value for name, value in arrays.items() if value is not None})
    with pytest.raises(MediaError, match=r"a\.npz: (lacks score|holds no keypoints)"):
        read_keypoints(path, np.zeros(1))
