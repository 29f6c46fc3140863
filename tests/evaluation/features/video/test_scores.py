import math

import pytest

from evaluation.features.video.scores import DIMENSIONS, VideoScore
from tests.evaluation.features.video.clips import over_videos


def video(dimension, value, samples):
    return VideoScore(dimension, value, samples + 1, samples)


@pytest.mark.parametrize("dimension", ["subject_consistency", "background_consistency"])
def test_consistency_is_weighted_by_pairs(dimension):
    total, plain = over_videos([video(dimension, 1.0, 1), video(dimension, 0.5, 3)])
    assert (total.value, plain.value) == (0.625, 0.75)


@pytest.mark.parametrize("dimension", [name for name in DIMENSIONS if "consistency" not in name])
def test_other_dimensions_are_means_of_videos(dimension):
    scale = 100 if dimension == "imaging_quality" else 1
    total, _ = over_videos([video(dimension, 1.0 * scale, 1), video(dimension, 0.5 * scale, 3)])
    assert total.value == 0.75


def test_a_missing_score_is_counted_and_never_stands_for_a_number():
    missing = VideoScore.undefined("temporal_flickering", 1, "needs at least 2 frames")
    total, _ = over_videos([video("temporal_flickering", 0.5, 4), missing])
    assert (total.value, total.n) == (0.5, 1) and "1 of 2 videos have no value" in total.caution
    nothing, _ = over_videos([missing])
    assert (nothing.value, nothing.n, nothing.reason) == (None, 0, "needs at least 2 frames")


@pytest.mark.parametrize("total", [math.nan, math.inf])
def test_what_is_not_a_number_is_undefined(total):
    score = VideoScore.of("motion_smoothness", total, 3, 7)
    assert score.value is None
    assert "not numbers" in score.reason
    assert score.num_frames == 7
