import math

import pytest

from evaluation.features.video.scores import DIMENSIONS, VideoScore, dataset_score


def video(dimension, value, samples):
    return VideoScore(dimension, value, samples + 1, samples)


@pytest.mark.parametrize("dimension", ["subject_consistency", "background_consistency"])
def test_consistency_is_weighted_by_pairs(dimension):
    total = dataset_score([video(dimension, 1.0, 1), video(dimension, 0.5, 3)])
    assert total.value == total.sample_mean == 0.625
    assert total.video_mean == 0.75


@pytest.mark.parametrize("dimension", [name for name in DIMENSIONS if "consistency" not in name])
def test_other_dimensions_are_means_of_videos(dimension):
    scale = 100 if dimension == "imaging_quality" else 1
    total = dataset_score([video(dimension, 1.0 * scale, 1), video(dimension, 0.5 * scale, 3)])
    assert total.value == total.video_mean == 0.75
    assert total.sample_mean == 0.625


def test_a_missing_score_is_counted_and_never_stands_for_a_number():
    missing = VideoScore.undefined("temporal_flickering", 1, "needs at least 2 frames")
    total = dataset_score([video("temporal_flickering", 0.5, 4), missing])
    assert (total.value, total.num_videos, total.missing) == (0.5, 1, 1)
    nothing = dataset_score([missing])
    assert (nothing.value, nothing.video_mean, nothing.missing) == (None, None, 1)


@pytest.mark.parametrize("total", [math.nan, math.inf])
def test_what_is_not_a_number_is_undefined(total):
    score = VideoScore.of("motion_smoothness", total, 3, 7)
    assert score.value is None
    assert "not numbers" in score.reason
    assert score.num_frames == 7


def test_dimensions_are_not_mixed():
    with pytest.raises(ValueError, match="exactly one dimension"):
        dataset_score([video("subject_consistency", 1.0, 1), video("motion_smoothness", 1.0, 1)])
    with pytest.raises(ValueError, match="none"):
        dataset_score([])
