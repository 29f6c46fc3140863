"""The convolutions against their definition."""

import numpy as np
import pytest

from madata.shots.convolution import TileConvolution, gather_patches, toom_cook


def direct(x, weight):
    """(n, H, W, C) and (K, C, 3, 3) -> (n, H, W, K)."""
    padded = np.pad(x.astype(np.float64), ((0, 0), (1, 1), (1, 1), (0, 0)))
    height, width = x.shape[1:3]
    return sum(
        padded[:, u : u + height, v : v + width] @ weight[:, :, u, v].T.astype(np.float64)
        for u in range(3)
        for v in range(3)
    )


@pytest.mark.parametrize("outputs", [2, 3, 4, 6, 7])
def test_toom_cook_is_a_correlation(outputs):
    rng = np.random.default_rng(0)
    back, taps, forth = toom_cook(outputs)
    inputs, kernel = rng.normal(size=outputs + 2), rng.normal(size=3)
    y = back @ ((taps @ kernel) * (forth @ inputs))
    np.testing.assert_allclose(y, np.correlate(inputs, kernel, "valid"), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("size", [(27, 48), (13, 24), (6, 12), (5, 7)])
@pytest.mark.parametrize("tile", [(7, 6), (6, 6), (3, 4)])
@pytest.mark.parametrize(("parts_in", "parts_out"), [(1, 1), (4, 2)])
def test_tiles_equal_the_direct_convolution(size, tile, parts_in, parts_out):
    rng = np.random.default_rng(0)
    pictures, channels, filters = 5, 8, 12
    weight = rng.normal(size=(filters, channels, 3, 3)).astype(np.float32)
    x = rng.normal(size=(parts_in, pictures, *size, channels // parts_in)).astype(np.float32)
    out = np.full((parts_out, pictures, *size, filters // parts_out), np.nan, np.float32)
    convolution = TileConvolution(weight, size, tile)
    convolution.pictures_at_once = 2
    convolution(x, out)
    expected = direct(np.moveaxis(x, 0, 3).reshape(pictures, *size, channels), weight)
    got = np.moveaxis(out, 0, 3).reshape(expected.shape)
    assert np.abs(got - expected).max() < 2e-4 * expected.std()


def test_patches_times_weights_are_the_direct_convolution():
    rng = np.random.default_rng(0)
    weight = rng.normal(size=(8, 3, 3, 3)).astype(np.float32)
    x = rng.normal(size=(1, 4, 6, 9, 3)).astype(np.float32)
    out = np.full((1, 4, 6, 9, 27), np.nan, np.float32)
    gather_patches(x, out)
    got = out[0] @ weight.transpose(2, 3, 1, 0).reshape(27, 8)
    np.testing.assert_allclose(got, direct(x[0], weight), rtol=1e-5, atol=1e-5)
