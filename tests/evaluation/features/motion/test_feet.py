import numpy as np
import pytest

from evaluation.features.motion.feet import edge_contact_score, foot_contact_cost, foot_sliding, lodge_skating
from madata.skeletons import skeleton

SMPL = skeleton("smpl-24")


def standing(frames: int = 60) -> np.ndarray:
    """(T, 24, 3) the rest pose with ankles and toes on the ground."""
    rest = np.zeros((24, 3))
    for joint in range(1, 24):
        rest[joint] = rest[SMPL.parents[joint]] + SMPL.offsets[joint]
    rest[:, 1] -= rest[[10, 11], 1].min()
    rest[[7, 8], 1] = 0.06
    rest[[10, 11], 1] = 0.0
    return np.repeat(rest[None], frames, axis=0).astype(np.float32)


def sliding(direction, metres_per_frame: float, frames: int = 60) -> np.ndarray:
    clip = standing(frames)
    unit = np.asarray(direction, float) / np.linalg.norm(direction)
    clip[..., [0, 2]] += (unit * metres_per_frame * np.arange(frames)[:, None])[:, None]
    return clip


def turned(clip: np.ndarray, degrees: float) -> np.ndarray:
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    return (clip @ turn.T).astype(np.float32)


def test_published_ratio_is_blind_in_one_direction():
    assert lodge_skating(sliding((1, 0), 0.05))[0] > 0.95
    assert lodge_skating(sliding((1, -1), 0.05)) == (0.0, 0.0)


def test_corrected_ratio_is_not():
    ratios = [
        foot_sliding(turned(sliding((1, 0), 0.05), degrees), 30).ratio for degrees in (0, 45, 90, 135, 200)
    ]
    assert ratios == [1.0] * 5


def test_threshold_is_a_speed():
    assert foot_sliding(sliding((1, 1), 0.011), 30).ratio == 1.0
    assert foot_sliding(sliding((1, 1), 0.009), 30).ratio == 0.0
    assert foot_sliding(sliding((1, 1), 0.0055, 120), 60).ratio == 1.0
    assert foot_sliding(sliding((1, 1), 0.0045, 120), 60).ratio == 0.0


def test_one_bad_first_frame_moves_only_the_published_floor():
    clip = sliding((1, 0), 0.05)
    clip[20:40, [7, 8, 10, 11], 1] += 0.07
    good, corrected = lodge_skating(clip)[0], foot_sliding(clip, 30)
    spoiled = clip.copy()
    spoiled[0, [10, 11], 1] += 0.06
    assert lodge_skating(spoiled)[0] != pytest.approx(good, abs=1e-3)
    again = foot_sliding(spoiled, 30)
    assert again.floor_m == pytest.approx(corrected.floor_m, abs=1e-3) and again.ratio == corrected.ratio


def test_no_contact_is_nan_and_counted():
    clip = standing()
    clip[:, [7, 8], 1] += 1.0
    result = foot_sliding(clip, 30)
    assert np.isnan(result.ratio) and result.contact_frames == 0
    assert np.isnan(foot_sliding(standing(), 30, floor_m=-1.0).ratio)


def test_steps_are_not_slides():
    clip = standing(90)
    phase = np.clip(np.sin(2 * np.pi * np.arange(90) / 30), 0, None)
    clip[:, [7, 10], 1] += 0.3 * phase[:, None]
    clip[:, [7, 10], 0] += np.cumsum(0.04 * (phase > 0.6))[:, None]
    assert foot_sliding(clip, 30).ratio == 0.0


def test_edge_score_improves_by_a_glitch_ours_does_not():
    rng = np.random.default_rng(0)
    clip = sliding((1, 0.3), 0.03, 150)
    clip[:, 0] += 0.02 * np.sin(np.arange(150) / 4)[:, None] + rng.normal(0, 1e-3, (150, 3))
    glitch = clip.copy()
    glitch[70, 0, 1] += 0.05
    assert edge_contact_score(glitch, up=1) < edge_contact_score(clip, up=1)
    assert foot_contact_cost(glitch, 30) > foot_contact_cost(clip, 30)


def test_a_frozen_clip():
    with np.errstate(invalid="ignore"):
        assert np.isnan(edge_contact_score(standing()))
    assert foot_contact_cost(standing(), 30) == 0.0


def test_cost_hardly_depends_on_heading_and_frame_rate():
    seconds = np.arange(301) / 60
    clip = standing(301).astype(np.float64)
    clip[..., 0] += (0.2 * np.sin(3 * seconds))[:, None]
    first, other = foot_contact_cost(clip, 60), foot_contact_cost(clip[::2], 30)
    assert first == pytest.approx(other, rel=0.05) and first > 0
    assert foot_contact_cost(turned(clip, 60), 60) == pytest.approx(first, rel=1e-3)


@pytest.mark.parametrize("metric", [foot_sliding, foot_contact_cost])
def test_refused(metric):
    with pytest.raises(ValueError, match="finite frames"):
        metric(standing(1), 30)
    bad = standing()
    bad[3, 7] = np.nan
    with pytest.raises(ValueError, match="finite frames"):
        metric(bad, 30)
