import numpy as np
import pytest

from evaluation.definitions import Scaling
from evaluation.metrics.scaling import fit_scale, scale_officially


def features(seed, count=300, width=75):
    return (np.random.default_rng(seed).random((count, width)) * 1000).astype(np.float32)


@pytest.mark.parametrize("count", [2, 5, 8, 20, 96, 300, 1000])
@pytest.mark.parametrize("width", [32, 66, 72, 75])
def test_torch_to_the_last_bit(count, width):
    torch = pytest.importorskip("torch")
    reference, generated = features(0, count, width), features(1, count, width)
    first, second = (torch.from_numpy(values) for values in (reference, generated))
    mean, deviation = first.mean(axis=0), first.std(axis=0)
    got = scale_officially(reference, generated, Scaling(own=False, library="torch", epsilon=1e-10))
    np.testing.assert_array_equal(got[0], ((first - mean) / (deviation + 1e-10)).numpy())
    np.testing.assert_array_equal(got[1], ((second - mean) / (deviation + 1e-10)).numpy())


def test_own_statistics_hide_scale():
    reference = features(0)
    own = Scaling(own=True, library="torch", epsilon=1e-4)
    first, second = scale_officially(reference, reference * np.float32(0.1), own)
    np.testing.assert_allclose(first, second, atol=1e-4)


def test_constant_column_explodes_as_published():
    reference, generated = features(0, 10, 3), features(1, 10, 3)
    reference[:, 1] = 0.0
    _, scaled = scale_officially(reference, generated, Scaling(own=False, library="numpy", epsilon=1e-10))
    assert np.abs(scaled[:, 1]).max() > 1e11


def test_corrected_scale_drops_and_lists():
    reference = features(0, 10, 4).astype(float)
    reference[:, 1] = 7.0
    reference[1:, 2] = np.nan
    scale = fit_scale(reference)
    assert scale.dropped == (1, 2)
    applied = scale.apply(reference)
    np.testing.assert_allclose(applied.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(applied.std(axis=0, ddof=1), 1)


def test_what_was_not_seen_is_the_mean():
    scale = fit_scale(features(0, 10, 4))
    assert scale.apply(np.full((1, 4), np.nan)).tolist() == [[0.0] * 4]


def test_rounding_is_not_variance():
    reference = np.random.default_rng(0).random((10, 2))
    reference[:, 1] = 1e6 + 1e-9 * reference[:, 0]
    assert fit_scale(reference).dropped == (1,)


def test_refused():
    with pytest.raises(ValueError, match="two reference clips"):
        fit_scale(np.zeros((1, 3)))
    with pytest.raises(ValueError, match="no feature varies"):
        fit_scale(np.ones((5, 3)))
