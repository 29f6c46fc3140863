import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.features.video.psnr import psnr_db


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 999), spread=st.integers(1, 255))
def test_against_the_definition(seed, spread):
    generator = np.random.default_rng(seed)
    first = generator.integers(0, 256, (9, 7, 3), dtype=np.uint8)
    second = np.clip(first + generator.integers(-spread, spread + 1, first.shape), 0, 255).astype(np.uint8)
    error = np.mean((first.astype(np.float64) - second) ** 2)
    expected = 100.0 if error == 0 else 20 * math.log10(255 / math.sqrt(error))
    assert psnr_db(first, second) == pytest.approx(expected, abs=1e-9)
    assert psnr_db(first, second) == psnr_db(second, first)


def test_no_wrapping_of_bytes():
    black = np.zeros((4, 4, 3), np.uint8)
    assert psnr_db(black, black + 255) == pytest.approx(0.0)
    assert psnr_db(black + 255, black) == pytest.approx(0.0)


def test_one_level_in_a_large_picture_is_the_same_picture_for_cmvq_only():
    first = np.zeros((256, 256, 3), np.uint8)
    second = first.copy()
    second[0, 0, 0] = 1
    assert psnr_db(first, second, same_below=1e-10) == 100.0
    assert psnr_db(first, second) == pytest.approx(10 * math.log10(255**2 * first.size))
    assert psnr_db(first, second) > 100.0


def test_shapes_must_agree():
    with pytest.raises(ValueError, match="one shape"):
        psnr_db(np.zeros((4, 4, 3), np.uint8), np.zeros((4, 5, 3), np.uint8))
