import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.features.video.consistency import (
    Consistency,
    background_consistency,
    pair_similarities,
    subject_consistency,
)
from evaluation.features.video.frames import FrameChunk


def score_of(features, size):
    metric = Consistency("subject_consistency", lambda chunk: features)
    for start in range(0, len(features), size):
        metric.update_features(features[start : start + size])
    return metric.compute()


def cosine(a, b):
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 999), count=st.integers(2, 12), size=st.integers(1, 13))
def test_against_the_definition(seed, count, size):
    features = np.random.default_rng(seed).normal(size=(count, 6))
    expected = np.mean(
        [
            (max(0.0, cosine(features[t - 1], features[t])) + max(0.0, cosine(features[0], features[t]))) / 2
            for t in range(1, count)
        ]
    )
    score = score_of(features, size)
    assert score.value == pytest.approx(expected, abs=1e-12)
    assert score.num_samples == count - 1


def test_scale_does_not_matter_and_opposites_count_as_nothing():
    first = np.array([1.0, 2.0, 0.0])
    features = np.stack([7 * first, -first])
    assert pair_similarities(features, first, first).tolist() == pytest.approx([1.0, 0.0])


def test_a_feature_of_zeros_is_like_nothing():
    assert score_of(np.array([[1.0, 0.0], [0.0, 0.0], [1.0, 0.0]]), 2).value == pytest.approx(0.25)


def test_undefined_scores_say_why():
    assert "2 frames" in score_of(np.ones((1, 4)), 1).reason
    broken = np.ones((4, 4))
    broken[2, 1] = np.nan
    assert score_of(broken, 3).value is None
    assert "not numbers" in score_of(broken, 3).reason


@pytest.mark.parametrize(
    ("make", "shape"), [(subject_consistency, (224, 336)), (background_consistency, (224, 224))]
)
def test_encoders_get_their_input_in_batches(make, shape):
    seen = []

    def encode(pictures):
        seen.append(tuple(pictures.shape))
        assert not torch.is_grad_enabled()
        return pictures.mean((2, 3))

    metric = make(encode, 2)
    metric.update(FrameChunk(np.random.default_rng(0).integers(0, 256, (5, 40, 60, 3), dtype=np.uint8)))
    assert seen == [(2, 3, *shape), (2, 3, *shape), (1, 3, *shape)]
    assert metric.compute().num_samples == 4
