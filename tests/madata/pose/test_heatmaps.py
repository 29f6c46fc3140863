import numpy as np
import pytest

from madata.pose import crops, heatmaps

ROWS, COLUMNS = 64, 48


def gaussians(places, sigma=2.0, height=0.8):
    """Heat maps (1, J, 64, 48) with peaks at ``places`` (J, 2), cells."""
    x, y = np.meshgrid(np.arange(COLUMNS), np.arange(ROWS))
    maps = [height * np.exp(-((x - a) ** 2 + (y - b) ** 2) / (2 * sigma**2)) for a, b in places]
    return np.array(maps, np.float32)[None]


def test_dark_finds_the_peak_within_a_twentieth_of_a_cell():
    places = np.random.default_rng(1).uniform([6, 6], [COLUMNS - 7, ROWS - 7], (17, 2))
    found, score = heatmaps.decode_heatmaps(gaussians(places), "dark")
    assert np.abs(found[0] - places).max() < 0.05
    assert (score > 0.7).all() and (score <= 0.8).all()


def test_shift_is_within_a_quarter_of_a_cell_and_dark_is_better():
    places = np.random.default_rng(2).uniform([6, 6], [COLUMNS - 7, ROWS - 7], (50, 2))
    shift = np.abs(heatmaps.decode_heatmaps(gaussians(places), "shift")[0][0] - places)
    dark = np.abs(heatmaps.decode_heatmaps(gaussians(places), "dark")[0][0] - places)
    assert shift.max() < 0.3 and dark.mean() < shift.mean() / 3


@pytest.mark.parametrize("place", [(0, 0), (47, 63), (0, 30), (20, 63)])
@pytest.mark.parametrize("method", ["dark", "shift"])
def test_peaks_on_the_edge_stay_there(place, method):
    found, _ = heatmaps.decode_heatmaps(gaussians([place]), method)
    assert np.abs(found[0, 0] - place).max() <= 1.0


def test_flat_and_empty_maps_give_finite_positions():
    found, score = heatmaps.decode_heatmaps(np.zeros((2, 3, ROWS, COLUMNS), np.float32), "dark")
    assert np.isfinite(found).all() and (score == 0).all()
    ridge = np.zeros((1, 1, ROWS, COLUMNS), np.float32)
    ridge[..., 10, :] = 1.0
    assert np.isfinite(heatmaps.decode_heatmaps(ridge, "dark")[0]).all()


def test_crops_of_a_batch_do_not_mix():
    one, two = gaussians([(10, 20), (30, 40)]), gaussians([(12, 22), (33, 44)])
    both, _ = heatmaps.decode_heatmaps(np.concatenate([one, two]))
    assert (both[0] == heatmaps.decode_heatmaps(one)[0][0]).all() and (
        both[1] == heatmaps.decode_heatmaps(two)[0][0]
    ).all()


def test_to_picture_is_the_way_back_of_the_crop():
    matrix = crops.box_crop((30, 40, 130, 340), (192, 256), 1.25)
    points = np.array([[80.0, 190.0], [31.0, 42.0], [129.0, 333.0]])
    cells = (crops.apply(matrix, points) - 0.5) * [47 / 191, 63 / 255]
    found = heatmaps.to_picture(cells.astype(np.float32), (48, 64), (192, 256), matrix)
    assert found == pytest.approx(points, abs=1e-3)
