import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.features.video.frames import chunked
from evaluation.features.video.temporal_flickering import TemporalFlickering, mean_absolute_difference


def flickering(frames, size=4):
    metric = TemporalFlickering()
    for chunk in chunked(iter(frames), size):
        metric.update(chunk)
    return metric


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 999), count=st.integers(2, 9), size=st.integers(1, 10))
def test_against_the_definition(seed, count, size):
    frames = np.random.default_rng(seed).integers(0, 256, (count, 5, 7, 3), dtype=np.uint8)
    differences = np.abs(np.diff(frames.astype(np.int64), axis=0)).reshape(count - 1, -1).mean(1)
    metric = flickering(frames, size)
    score = metric.compute()
    assert score.value == pytest.approx((255 - differences.mean()) / 255, abs=1e-12)
    assert metric.mean_difference == pytest.approx(differences.mean(), abs=1e-12)
    assert (score.num_samples, score.num_frames) == (count - 1, count)


def test_frozen_and_flashing():
    assert flickering(np.full((5, 8, 8, 3), 77, np.uint8)).compute().value == 1.0
    flashing = np.zeros((5, 8, 8, 3), np.uint8)
    flashing[1::2] = 255
    assert flickering(flashing).compute().value == 0.0


def test_one_frame_has_no_score():
    score = flickering(np.zeros((1, 4, 4, 3), np.uint8)).compute()
    assert score.value is None
    assert "2 frames" in score.reason


def test_bytes_do_not_wrap_around():
    dark, bright = np.zeros((3, 3, 3), np.uint8), np.full((3, 3, 3), 255, np.uint8)
    assert mean_absolute_difference(dark, bright) == mean_absolute_difference(bright, dark) == 255.0


def test_a_large_frame_sums_exactly():
    dark = np.zeros((2160, 3840, 3), np.uint8)
    assert mean_absolute_difference(dark, np.full_like(dark, 255)) == 255.0
