"""The two convolutions against torch's own."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from madata.shots.convolution import PatchConvolution, TileConvolution, toom_cook  # noqa: E402


@pytest.mark.parametrize("outputs", [2, 3, 4])
def test_toom_cook_is_a_correlation(outputs):
    rng = np.random.default_rng(0)
    back, taps, forth = toom_cook(outputs)
    inputs, kernel = rng.normal(size=outputs + 2), rng.normal(size=3)
    y = back @ ((taps @ kernel) * (forth @ inputs))
    np.testing.assert_allclose(y, np.correlate(inputs, kernel, "valid"), rtol=1e-12)


@pytest.mark.parametrize("size", [(27, 48), (13, 24), (6, 12), (5, 7)])
@pytest.mark.parametrize(("parts_in", "parts_out"), [(1, 1), (4, 2)])
def test_tiles_equal_the_direct_convolution(size, parts_in, parts_out):
    torch.manual_seed(0)
    pictures, channels, filters = 5, 8, 12
    weight = torch.randn(filters, channels, 3, 3)
    x = torch.randn(parts_in, pictures, *size, channels // parts_in)
    out = torch.full((parts_out, pictures, *size, filters // parts_out), torch.nan)
    convolution = TileConvolution(weight, size)
    convolution.pictures_at_once = 2
    convolution(x, out)
    planes = x.permute(1, 0, 4, 2, 3).flatten(1, 2)
    expected = torch.nn.functional.conv2d(planes.double(), weight.double(), padding=1)
    got = out.permute(1, 0, 4, 2, 3).flatten(1, 2)
    assert (got - expected).abs().max() < 1e-4 * expected.std()


def test_patches_equal_the_direct_convolution():
    torch.manual_seed(0)
    weight, x = torch.randn(8, 3, 3, 3), torch.randn(1, 4, 6, 9, 3)
    out = torch.full((4, 4, 6, 9, 2), torch.nan)
    PatchConvolution(weight, (6, 9))(x, out)
    expected = torch.nn.functional.conv2d(x[0].permute(0, 3, 1, 2), weight, padding=1)
    torch.testing.assert_close(out.permute(1, 0, 4, 2, 3).flatten(1, 2), expected, rtol=1e-5, atol=1e-5)
