import numpy as np
import pytest
import torch

from evaluation.features.video.frames import chunked
from evaluation.features.video.motion_smoothness import MotionSmoothness


def blend(before, after):
    return (before + after) / 2


def smoothness(frames, size=4, **options):
    metric = MotionSmoothness(options.pop("interpolate", blend), options.pop("minimum_side", 0), **options)
    for chunk in chunked(iter(frames), size):
        metric.update(chunk)
    return metric.compute()


def noise(count, height=20, width=36, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


def expected_of(frames):
    values = []
    for t in range(1, len(frames) - 1, 2):
        before, after = (frames[i].astype(np.float32) / np.float32(255) for i in (t - 1, t + 1))
        predicted = np.trunc((before + after) / 2 * 255)
        values.append(np.abs(frames[t] - predicted.astype(np.float64)).mean())
    return (255 - np.mean(values)) / 255


@pytest.mark.parametrize("count", [3, 4, 5, 8, 11])
@pytest.mark.parametrize("size", [1, 2, 3, 16])
@pytest.mark.parametrize("batch", [1, 3])
def test_against_the_definition_whatever_the_chunks(count, size, batch):
    frames = noise(count, seed=count)
    score = smoothness(frames, size, pairs_per_call=lambda height, width: batch)
    assert score.value == pytest.approx(expected_of(frames), abs=1e-9)
    assert score.num_samples == (count - 1) // 2


def test_a_frame_after_the_last_even_one_is_ignored():
    frames = noise(6)
    assert smoothness(frames).value == smoothness(frames[:5]).value


def test_predictions_are_cut_not_rounded():
    frames = np.zeros((3, 16, 16, 3), np.uint8)
    frames[1] = 9
    score = smoothness(frames, interpolate=lambda a, b: torch.full_like(a, 9.99 / 255))
    assert score.value == 1.0


def test_predictions_beyond_the_range_are_clipped():
    frames = np.zeros((3, 16, 16, 3), np.uint8)
    frames[1] = 255
    assert smoothness(frames, interpolate=lambda a, b: torch.full_like(a, 1.5)).value == 1.0


@pytest.mark.parametrize("count", [1, 2])
def test_under_three_frames_there_is_no_score(count):
    score = smoothness(noise(count))
    assert score.value is None
    assert "3 frames" in score.reason


@pytest.mark.parametrize(
    ("height", "width", "sound"), [(112, 400, False), (400, 96, False), (113, 113, True)]
)
def test_pictures_too_small_for_the_network_are_not_shown_to_it(height, width, sound):
    def interpolate(before, after):
        assert sound
        assert min(before.shape[-2:]) >= 128
        return before

    score = smoothness(noise(3, height, width), interpolate=interpolate, minimum_side=128)
    assert (score.value is not None) == sound
    assert sound or f"(here {16 * -(-min(height, width) // 16)})" in score.reason


def test_one_nan_makes_the_score_undefined():
    def interpolate(before, after):
        out = before.clone()
        out[..., 16, 16] = torch.nan
        return out

    score = smoothness(noise(9), interpolate=interpolate)
    assert score.value is None
    assert "not numbers" in score.reason
