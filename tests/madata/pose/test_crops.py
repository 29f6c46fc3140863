import numpy as np
import pytest

from madata.pose import crops


def spot(size, at, sigma=2.0):
    """A bright spot round ``at``, px from the corner."""
    x, y = np.meshgrid(np.arange(size[0]) + 0.5, np.arange(size[1]) + 0.5)
    value = 255 * np.exp(-((x - at[0]) ** 2 + (y - at[1]) ** 2) / (2 * sigma**2))
    return np.repeat(value[..., None], 3, axis=2).astype(np.uint8)


def centre_of_mass(image):
    weight = image[..., 0].astype(float)
    x, y = np.meshgrid(np.arange(image.shape[1]) + 0.5, np.arange(image.shape[0]) + 0.5)
    return np.array([(x * weight).sum(), (y * weight).sum()]) / weight.sum()


def test_rotated_square_puts_the_body_upright():
    matrix = crops.rotated_square((50, 70), up=(30, 0), side=80, crop_px=256)
    assert crops.apply(matrix, [50, 70]) == pytest.approx([128, 128])
    assert crops.apply(matrix, [80, 70]) == pytest.approx([128, 128 - 30 * 256 / 80])  # up points to the top
    assert crops.apply(matrix, [50, 80])[0] > 128  # a turn, not a mirror image


def test_rotated_square_without_direction_is_upright():
    matrix = crops.rotated_square((10, 10), up=(0, 0), side=20, crop_px=20)
    assert crops.apply(matrix, [[0, 0], [20, 20]]) == pytest.approx(np.array([[0, 0], [20, 20]]))


def test_invert_undoes():
    matrix = crops.rotated_square((33, 44), up=(1, 2), side=55, crop_px=256)
    points = np.random.default_rng(0).uniform(0, 100, (7, 2))
    assert crops.apply(crops.invert(matrix), crops.apply(matrix, points)) == pytest.approx(points, abs=1e-3)


@pytest.mark.parametrize("side", [40, 90, 300, 700])
@pytest.mark.parametrize("up", [(0, -1), (1, 0), (-2, -3)])
def test_warp_moves_a_spot_to_where_the_matrix_says(side, up):
    image = spot((320, 240), (160.5, 111.25), sigma=max(2.0, side / 40))
    matrix = crops.rotated_square((163, 115), up, side, 256)
    found = centre_of_mass(crops.warp(image, matrix, (256, 256)))
    assert found == pytest.approx(crops.apply(matrix, [160.5, 111.25]), abs=0.4)


def test_warp_is_black_outside():
    image = np.full((20, 20, 3), 200, np.uint8)
    crop = crops.warp(image, crops.rotated_square((0, 0), (0, -1), 40, 64), (64, 64))
    assert (crop[:30, :30] == 0).all() and (crop[34:60, 34:60] == 200).all()


def test_fine_patterns_do_not_alias():
    stripes = np.zeros((512, 512, 3), np.uint8)
    stripes[:, ::2] = 255
    crop = crops.warp(stripes, crops.rotated_square((256, 256), (0, -1), 500, 64), (64, 64))
    assert np.ptp(crop[8:-8, 8:-8].astype(int)) <= 8


def test_box_crop_keeps_the_shape_and_the_centre():
    matrix = crops.box_crop((100, 50, 140, 250), (192, 256), 1.25)
    assert crops.apply(matrix, [120, 150]) == pytest.approx([96, 128])
    # 200 px of height grow to 250, whose edges fall on the centres of the first and the last row
    assert crops.apply(matrix, [[120, 25], [120, 275]])[:, 1] == pytest.approx([0.5, 255.5])
    scale = np.diag(matrix[:, :2])
    assert scale[0] == pytest.approx(scale[1], rel=0.005)


def test_box_crop_of_a_wide_and_of_an_empty_box():
    wide = crops.apply(crops.box_crop((0, 0, 300, 20), (192, 256), 1.0), [[0, 10], [300, 10]])
    assert wide[:, 0] == pytest.approx([0.5, 191.5])
    assert np.isfinite(crops.box_crop((5, 5, 5, 5), (192, 256), 1.25)).all()
