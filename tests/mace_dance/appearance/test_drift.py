import numpy as np
import pytest

from mace_dance.appearance.drift import colour_statistics, drift, match_colour


def scene(frames=2):
    smooth = np.linspace(0.2, 0.7, 24, dtype=np.float32)
    red, green = np.meshgrid(smooth, smooth)
    return [np.stack([red, green, np.full_like(red, 0.4 + 0.02 * i)], axis=-1) for i in range(frames)]


def test_white_and_black_are_100_and_0_and_statistics_pool_over_frames():
    black, white = np.zeros((4, 4, 3), np.float32), np.ones((4, 4, 3), np.float32)
    pooled = colour_statistics([black, white])
    np.testing.assert_allclose(pooled.mean, [50, 0, 0], atol=0.02)
    np.testing.assert_allclose(pooled.spread, [50, 0, 0], atol=0.02)
    with pytest.raises(ValueError, match="no frames"):
        colour_statistics([])


def test_a_known_change_of_colour_is_measured_and_undone():
    frames = scene()
    faded = [(0.7 * frame + 0.2 * np.float32([1, 0.9, 0.7])).astype(np.float32) for frame in frames]
    before, after = colour_statistics(frames), colour_statistics(faded)
    lost = drift(after, before)
    assert lost.delta_e > 3
    assert lost.contrast < 0.8
    mended = colour_statistics(match_colour(frame, after, before) for frame in faded)
    kept = drift(mended, before)
    assert kept.delta_e < 0.3
    assert kept.contrast == pytest.approx(1, abs=0.02)


def test_matching_what_matches_changes_nothing_and_a_flat_segment_is_not_torn_apart():
    frame = scene(1)[0]
    own = colour_statistics([frame])
    np.testing.assert_allclose(match_colour(frame, own, own), frame, atol=2e-3)
    flat = np.full((8, 8, 3), 0.5, np.float32)
    noisy = flat + np.random.default_rng(0).normal(0, 1e-3, flat.shape).astype(np.float32)
    mapped = match_colour(noisy, colour_statistics([noisy]), own)
    assert mapped.std(axis=(0, 1)).max() < 0.01
