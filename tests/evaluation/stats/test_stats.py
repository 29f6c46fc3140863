"""The noise floor, and the correction for several looks."""

import numpy as np
import pytest

from evaluation.metrics.distances import frechet_distance
from evaluation.stats.estimate import estimate_noise_floor
from evaluation.stats.ranks import holm


def test_noise_floor_uses_the_same_number_of_clips():
    reference = np.random.default_rng(0).normal(size=(200, 6))
    small = estimate_noise_floor(frechet_distance, reference, 20, np.random.default_rng(0))
    large = estimate_noise_floor(frechet_distance, reference, 500, np.random.default_rng(0))
    assert (small.size, large.size) == (20, 100)
    assert small.value > 2 * large.value > 0 and large.deviation > 0


def test_holm_by_hand():
    assert holm({"a": 0.01, "b": 0.02, "c": 0.9}) == pytest.approx({"a": 0.03, "b": 0.04, "c": 0.9})
    assert holm({"a": 0.5, "b": 0.6}) == {"a": 1.0, "b": 1.0}
    assert holm({}) == {}


def test_a_reference_of_three_clips_has_no_floor():
    with pytest.raises(ValueError, match="four reference"):
        estimate_noise_floor(frechet_distance, np.zeros((3, 2)), 5, np.random.default_rng(0))
