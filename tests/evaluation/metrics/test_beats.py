from dataclasses import replace

import numpy as np
import pytest

from evaluation.definitions import BeatRule
from evaluation.features.motion.beats import motion_beat_times, motion_beats
from evaluation.features.motion.body import Body, body_track
from evaluation.metrics.beats import NoBeatsError, beat_alignment, official_alignment
from madata.skeletons import skeleton

COCO = skeleton("coco-25").joints
MUSIC_FIRST = BeatRule(5.0, 1, "mean", "music", empty_music=None, empty_motion=None)
SILENT_IS_ZERO = BeatRule(5.0, 1, "mean", "music", empty_music=0.0, empty_motion=None)
MOTION_FIRST = BeatRule(0.0, 10, "sum", "motion", empty_music=None, empty_motion=0.0)
NONE = np.array([], int)


def bodies(dances, fps=None):
    return [
        body_track(clip[..., :2], COCO, fps or dances.fps, up="-y", score=clip[..., 2])
        for clip in dances.points
    ]


def stops_at(frames, at):
    """(1, T, 1, 3) one joint that slows down to a stop at the given frames."""
    speed = np.min([np.abs(np.arange(frames - 1) - stop) for stop in at], axis=0) + 0.125
    path = np.concatenate([[0], np.cumsum(speed)])
    return np.stack([path, 0 * path, 0 * path], axis=-1)[None, :, None]


def test_minima_are_found_and_ends_are_not():
    rule = BeatRule(0.0, 1, "mean", "music", None, None)
    assert motion_beats(stops_at(60, [0, 20, 41, 58]), rule)[0].tolist() == [20, 41]


def test_mint_speed_starts_with_nothing():
    assert motion_beats(stops_at(60, [20, 41]), MOTION_FIRST)[0].tolist() == [21, 42]


def test_order_keeps_the_lower_of_two():
    track = stops_at(80, [30, 36])
    track[0, 37:, 0, 0] += 0.0625
    assert motion_beats(track, BeatRule(0.0, 1, "mean", "music", None, None))[0].tolist() == [30, 36]
    assert motion_beats(track, BeatRule(0.0, 10, "mean", "music", None, None))[0].tolist() == [30]


def test_plateau_is_no_beat():
    assert motion_beats(np.zeros((1, 30, 2, 3)), MUSIC_FIRST)[0].size == 0


def test_score_by_hand():
    music, motion = np.array([10, 20, 40]), np.array([12, 33])
    near = [2, 8, 7]
    assert official_alignment(music, motion, MUSIC_FIRST) == pytest.approx(
        np.mean(np.exp(-np.square(near) / 18.0))
    )
    near = [2, 7]
    assert official_alignment(music, motion, MOTION_FIRST) == pytest.approx(
        np.mean(np.exp(-np.square(near) / 18.0))
    )


@pytest.mark.parametrize(
    ("music", "motion", "rule", "expected"),
    [
        (NONE, np.array([3]), SILENT_IS_ZERO, 0.0),
        (NONE, NONE, SILENT_IS_ZERO, 0.0),
        (np.array([3]), NONE, SILENT_IS_ZERO, None),
        (NONE, np.array([3]), MUSIC_FIRST, None),
        (np.array([3]), NONE, MOTION_FIRST, 0.0),
        (NONE, np.array([3]), MOTION_FIRST, None),
        (NONE, NONE, MOTION_FIRST, 0.0),
    ],
)
def test_empty_clips(music, motion, rule, expected):
    if expected is None:
        with pytest.raises(NoBeatsError, match="beats"):
            official_alignment(music, motion, rule)
    else:
        assert official_alignment(music, motion, rule) == expected


def test_beat_locked_dance_stands_out(dances):
    motion = [motion_beat_times(body) for body in bodies(dances)]
    result = beat_alignment(motion, dances.beats_s, np.random.default_rng(0))
    assert result.score > 0.85 and result.z > 10 and not result.excluded
    assert 0.3 < result.chance < 0.6
    others = dances.beats_s[1:] + dances.beats_s[:1]
    shuffled = beat_alignment(motion, others, np.random.default_rng(0))
    assert abs(shuffled.z) < 4
    late = beat_alignment(motion, [beats + 0.2 for beats in dances.beats_s], np.random.default_rng(0))
    assert late.score < result.score - 0.2


def test_times_are_in_seconds(make_dances):
    dances = make_dances(5, np.random.default_rng(0), frames=241, fps=60.0)
    fine = bodies(dances)
    for clip, body in zip(dances.points, fine, strict=True):
        coarse = body_track(clip[::2, :, :2], COCO, 30, up="-y", score=clip[::2, :, 2])
        first, second = motion_beat_times(body), motion_beat_times(coarse)
        nearest = np.abs(first[:, None] - second).min(axis=1)
        assert np.median(nearest) < 0.015


def two_slow_moments(apart_s, fps=200.0):
    """A point that slows down twice, the second time less."""
    time = (np.arange(int(3 * fps)) + 0.5) / fps
    dips = [
        share * np.exp(-(((time - at) / 0.02) ** 2) / 2) for at, share in ((1.4, 0.9), (1.4 + apart_s, 0.8))
    ]
    speed = 1 + 0.1 * (time - 1.5) ** 2 - sum(dips)
    path = np.concatenate([[0], np.cumsum(speed) / fps])
    seen = np.ones((len(path), 1), bool)
    points = np.stack([path, 0 * path], axis=-1)
    return Body(points[:, None], seen, np.zeros_like(points), seen[:, 0], ("nose",), fps, 1.0, 0.0)


def test_travel_of_the_body_counts_like_that_of_its_joints():
    """A joint moves by what it moves against the hips and by what they travel."""
    body = two_slow_moments(0.4)
    path, still = body.points[:, 0], np.zeros_like(body.points)
    expected = motion_beat_times(body)
    assert len(expected) == 2
    assert motion_beat_times(replace(body, points=still, hips=path)) == pytest.approx(expected)
    assert motion_beat_times(replace(body, points=body.points / 2, hips=path / 2)) == pytest.approx(expected)
    assert len(motion_beat_times(replace(body, hips=-path))) == 0


def test_a_joint_that_is_lost_takes_nothing_from_the_others():
    """The mean is over the joints seen: half as many are not half as fast."""
    body = two_slow_moments(0.4)
    points = np.repeat(body.points, 2, axis=1)
    valid = np.ones(points.shape[:2], bool)
    valid[250:320, 1] = False
    half_seen = replace(body, points=points, valid=valid, names=("nose", "neck"))
    assert motion_beat_times(half_seen) == pytest.approx(motion_beat_times(body))


def test_of_two_beats_within_the_neighbourhood_the_lower_one_stays():
    """Within 0.16 s the smoothed curve must be higher. A dip reaches 0.03 s around its own."""
    alone = motion_beat_times(two_slow_moments(0.19))
    assert len(alone) == 1 and alone[0] == pytest.approx(1.4, abs=0.01)
    assert len(motion_beat_times(two_slow_moments(0.205))) == 2


def test_gaps_make_no_beats(dances):
    clip = dances.points[0].copy()
    clip[20:30] = 0
    times = motion_beat_times(body_track(clip[..., :2], COCO, 16, up="-y", score=clip[..., 2]))
    assert not ((times > 20 / 16) & (times < 30 / 16)).any()


def test_empty_clips_are_excluded_and_counted(dances):
    motion = [motion_beat_times(body) for body in bodies(dances)[:6]]
    music = list(dances.beats_s[:6])
    motion[1], music[4] = np.array([]), np.array([])
    result = beat_alignment(motion, music, np.random.default_rng(0))
    assert result.excluded == (1, 4)
    assert np.isnan(result.clips[[1, 4]]).all() and np.isfinite(np.delete(result.clips, [1, 4])).all()
    kept = [0, 2, 3, 5]
    alone = beat_alignment([motion[i] for i in kept], [music[i] for i in kept], np.random.default_rng(0))
    assert result.score == pytest.approx(alone.score)


def test_nothing_to_align():
    result = beat_alignment([np.array([])], [np.array([1.0])], np.random.default_rng(0))
    assert np.isnan(result.score) and result.excluded == (0,)
    with pytest.raises(ValueError, match="2 clips"):
        beat_alignment([np.array([1.0])] * 2, [np.array([1.0])], np.random.default_rng(0))


def test_chance_is_the_mean_over_all_pairs_of_different_clips(dances):
    motion = [motion_beat_times(body) for body in bodies(dances)[:4]]
    music = dances.beats_s[:4]
    others = [
        beat_alignment([motion[a]], [music[b]], np.random.default_rng(0)).score
        for a in range(4)
        for b in range(4)
        if a != b
    ]
    result = beat_alignment(motion, music, np.random.default_rng(0))
    assert result.chance == pytest.approx(np.mean(others))
    own = [beat_alignment([motion[a]], [music[a]], np.random.default_rng(0)).score for a in range(4)]
    assert result.score == pytest.approx(np.mean(own))
    assert result.z == pytest.approx((result.score - result.chance) / result.chance_deviation)


def test_two_clips_can_be_dealt_one_way_only():
    """Then chance has no spread: a deal that left clips in place would have some."""
    motion, music = [np.array([1.0]), np.array([2.0])], [np.array([1.1]), np.array([2.3])]
    result = beat_alignment(motion, music, np.random.default_rng(0))
    assert result.chance_deviation == pytest.approx(0.0, abs=1e-12)


def test_sigma_is_in_milliseconds():
    motion, music = [np.array([1.0])], [np.array([1.1])]
    for sigma in (50.0, 100.0, 200.0):
        result = beat_alignment(motion, music, np.random.default_rng(0), sigma_ms=sigma)
        assert result.score == pytest.approx(np.exp(-(100**2) / (2 * sigma**2)))


def test_the_same_seed_gives_the_same_numbers(dances):
    motion = [motion_beat_times(body) for body in bodies(dances)[:20]]
    first, second = (beat_alignment(motion, dances.beats_s[:20], np.random.default_rng(5)) for _ in range(2))
    assert first.z == second.z
