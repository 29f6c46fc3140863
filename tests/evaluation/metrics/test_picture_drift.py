"""Videos that fade, soften or only move: what drift says of each."""

import cv2
import numpy as np
import pytest

from evaluation.metrics.registry import find_metric


def value(name, frames):
    measure = find_metric(name).per_video()
    for frame in frames:
        measure.update(np.ascontiguousarray(frame))
    return measure.compute()


@pytest.fixture(scope="module")
def video():
    rng = np.random.default_rng(0)
    still = cv2.GaussianBlur(rng.integers(0, 255, (96, 80, 3)).astype(np.uint8), (5, 5), 0)
    return [np.roll(still, 2 * step, axis=1) for step in range(48)]


def faded(video, levels):
    return [
        np.clip(f.astype(float) + levels * n / len(video), 0, 255).astype(np.uint8)
        for n, f in enumerate(video)
    ]


def softened(video, sigma):
    return [cv2.GaussianBlur(f, (0, 0), 0.01 + sigma * n / len(video)) for n, f in enumerate(video)]


def test_what_only_moves_does_not_drift(video):
    assert value("colour_drift", video) == pytest.approx(0, abs=0.05)
    assert value("sharpness_drift", video) == pytest.approx(0, abs=0.02)


def test_colours_drift_the_more_the_more_they_do(video):
    found = [value("colour_drift", faded(video, levels)) for levels in (5, 15, 40)]
    assert 0.5 < found[0] < found[1] < found[2]


def test_a_video_that_softens_is_negative_and_one_that_sharpens_positive(video):
    found = [value("sharpness_drift", softened(video, sigma)) for sigma in (0.6, 1.2, 2.5)]
    assert 0 > found[0] > found[1] > found[2]
    assert value("sharpness_drift", softened(video, 2.5)[::-1]) == pytest.approx(-found[2], rel=0.05)


def test_one_flash_is_no_drift(video):
    flash = [*video[:3], np.full_like(video[0], 255), *video[4:]]
    assert value("colour_drift", flash) == pytest.approx(0, abs=0.05)


def test_the_size_of_the_file_does_not_matter(video):
    large = [cv2.resize(frame, None, fx=5, fy=5, interpolation=cv2.INTER_CUBIC) for frame in faded(video, 20)]
    small = [cv2.resize(frame, None, fx=0.533, fy=0.533, interpolation=cv2.INTER_AREA) for frame in large]
    assert value("colour_drift", large) == pytest.approx(value("colour_drift", small), rel=0.05)


def test_too_few_frames_and_no_detail_have_no_value(video):
    with pytest.raises(ValueError, match="fewer than 8 frames"):
        value("colour_drift", video[:7])
    with pytest.raises(ValueError, match="no detail"):
        value("sharpness_drift", [np.zeros((8, 8, 3), np.uint8)] * 10)
