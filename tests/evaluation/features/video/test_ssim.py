import numpy as np
import pytest

from evaluation.features.video.ssim import ssim


def picture(seed, height=20, width=24):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def gaussian_reference(first, second):
    """Wang et al.'s formula written out, window by window."""
    place = np.arange(11) - 5
    window = np.exp(-(place**2) / (2 * 1.5**2))
    window = np.outer(window, window)
    window /= window.sum()
    values = []
    for channel in range(3):
        for y in range(first.shape[0] - 10):
            for x in range(first.shape[1] - 10):
                a = first[y : y + 11, x : x + 11, channel].astype(float)
                b = second[y : y + 11, x : x + 11, channel].astype(float)
                mean_a, mean_b = (window * a).sum(), (window * b).sum()
                var_a, var_b = (window * a * a).sum() - mean_a**2, (window * b * b).sum() - mean_b**2
                covariance = (window * a * b).sum() - mean_a * mean_b
                c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
                top = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
                values.append(top / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2)))
    return np.mean(values)


def test_the_gaussian_variant_against_the_formula():
    first = picture(0)
    second = np.clip(first + np.random.default_rng(1).normal(0, 20, first.shape), 0, 255).astype(np.uint8)
    assert ssim(first, second, "colour_gaussian") == pytest.approx(
        gaussian_reference(first, second), abs=1e-9
    )


@pytest.mark.parametrize("variant", ["grey_uniform", "colour_gaussian"])
def test_symmetric_one_for_equals_less_for_others(variant):
    first, second = picture(0), picture(1)
    assert ssim(first, first, variant) == pytest.approx(1.0)
    assert ssim(first, second, variant) == pytest.approx(ssim(second, first, variant))
    assert ssim(first, second, variant) < 0.2
    assert ssim(first, 255 - first, variant) < 0


def test_grey_hides_a_change_of_hue_that_colour_sees():
    first = np.zeros((16, 16, 3), np.uint8)
    first[:, ::2] = 100
    second = first.copy()
    second[:, ::2] = (235, 46, 32)
    assert ssim(first, second, "grey_uniform") > 0.99
    assert ssim(first, second, "colour_gaussian") < 0.95


@pytest.mark.parametrize(("variant", "side"), [("grey_uniform", 6), ("colour_gaussian", 10)])
def test_a_picture_smaller_than_the_window_is_refused(variant, side):
    small = picture(0, side, 40)
    with pytest.raises(ValueError, match="needs sides"):
        ssim(small, small, variant)
    with pytest.raises(ValueError, match="one shape"):
        ssim(picture(0), picture(0, 21), variant)
