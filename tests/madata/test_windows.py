"""Windows: bounds, frames, randomness, law."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from madata.windows import LengthLaw, draw_windows, summary, window_seed

BOUNDS_S = (5.0, 10.0)
SLACK_S = 1e-6

laws = st.one_of(
    st.just(LengthLaw.uniform()),
    st.floats(5.0, 10.0).map(LengthLaw.fixed),
    st.floats(5.001, 9.999).map(LengthLaw.with_mean),
    st.tuples(st.floats(5.0, 7.0), st.floats(7.5, 10.0)).map(lambda ends: LengthLaw.uniform(*ends)),
)


@st.composite
def frame_times(draw):
    """Constant rates, rates rounded to milliseconds, dropped frames and freezes."""
    fps = draw(st.sampled_from([5.0, 12.0, 15.1, 24.0, 24000 / 1001, 25.0, 30000 / 1001, 60.0]))
    count = draw(st.integers(1, int(45 * fps)))
    times = draw(st.floats(-2.0, 4000.0)) + np.arange(count + 1) / fps
    if draw(st.booleans()):
        times = np.round(times, 3)
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    keep = rng.random(count + 1) >= draw(st.sampled_from([0.0, 0.1, 0.6]))
    keep[[0, -1]] = True
    times = times[keep]
    if draw(st.booleans()):
        times[len(times) // 2 :] += draw(st.floats(0.1, 12.0))
    return times


@settings(max_examples=300, deadline=None)
@given(frame_times(), laws, st.sampled_from([0.0, 0.25, 0.72]), st.integers(0, 2**64))
def test_windows_obey_bounds_frames_and_order(times, law, overlap, seed):
    windows = draw_windows(times, law=law, seed=seed, overlap=overlap, first_frame=100)
    for window in windows:
        assert BOUNDS_S[0] - SLACK_S <= window.duration_s <= BOUNDS_S[1] + SLACK_S
        assert 100 <= window.start < window.end <= 100 + len(times) - 1
        assert (window.start_s, window.end_s) == (times[window.start - 100], times[window.end - 100])
    for before, after in itertools.pairwise(windows):
        assert before.start < after.start
        shared_s = before.end_s - after.start_s
        assert shared_s <= overlap * before.duration_s + SLACK_S
    assert windows == draw_windows(times, law=law, seed=seed, overlap=overlap, first_frame=100)


@given(st.floats(5.2, 200.0), laws, st.integers(0, 2**32))
@settings(max_examples=100, deadline=None)
def test_no_room_is_wasted(length_s, law, seed):
    times = np.arange(round(length_s * 24) + 1) / 24
    windows = draw_windows(times, law=law, seed=seed)
    used_s = sum(window.duration_s for window in windows)
    assert times[-1] - used_s < law.min_s + SLACK_S + len(windows) / 24


@pytest.mark.parametrize("law", [LengthLaw.uniform(), LengthLaw.fixed(5.0), LengthLaw.with_mean(5.04)])
def test_shot_of_exactly_the_minimum(law):
    for offset_s in (0.0, 0.1, 3601.3):
        (window,) = draw_windows(offset_s + np.arange(121) / 24, law=law, seed=1)
        assert (window.start, window.end) == (0, 120)
    assert draw_windows(np.arange(120) / 24, law=law, seed=1) == []


def drawn(times, law, **options):
    return [(window.start, window.end) for window in draw_windows(times, law=law, seed=0, **options)]


def test_windows_follow_each_other_without_a_gap_where_nothing_is_left():
    assert drawn(np.arange(241) / 24, LengthLaw.fixed()) == [(0, 120), (120, 240)]


def test_windows_share_what_the_overlap_says():
    halves = drawn(np.arange(289) / 24, LengthLaw.fixed(6.0), overlap=0.5)
    assert halves == [(0, 144), (72, 216), (144, 288)]
    steps = drawn(np.arange(31) / 5, LengthLaw.fixed(), overlap=0.999)
    assert steps == [(start, start + 25) for start in range(6)]


@pytest.mark.parametrize(
    ("ends_s", "length_s", "end_s"),
    [
        ((5.25, 5.75), 5.45, 5.25),
        ((5.25, 5.75), 5.5, 5.75),
        ((5.25, 5.75), 5.55, 5.75),
        ((4.9, 5.75), 5.0, 5.75),
        ((9.5, 10.25), 10.0, 9.5),
        ((9.5, 10.0), 10.0, 10.0),
        ((5.0, 9.0), 5.0, 5.0),
    ],
)
def test_a_window_ends_at_the_nearest_frame_within_the_bounds(ends_s, length_s, end_s):
    """Of two as near, the later one. The shot ends where nothing else can be placed."""
    times = [0.0, 1.0, *ends_s]
    windows = draw_windows(times, law=LengthLaw.fixed(length_s), seed=0)
    assert windows[0].end_s in ends_s
    assert next(window.end_s for window in windows if window.start == 0) == end_s


def test_no_offset_is_drawn_more_often():
    times = np.arange(24 * 6 + 1) / 24
    starts = [draw_windows(times, law=LengthLaw.fixed(), seed=seed)[0].start for seed in range(2500)]
    counts = np.bincount(starts, minlength=25)
    assert len(counts) == 25
    assert counts.min() > 60 and counts.max() < 145  # 100 each, four deviations


def test_offsets_are_random_and_cover_the_slack():
    times = np.arange(24 * 8 + 1) / 24
    starts = [draw_windows(times, law=LengthLaw.fixed(), seed=seed)[0].start for seed in range(400)]
    assert set(starts) == set(range(0, 73))


@pytest.mark.parametrize("mean_s", [5.001, 5.04, 6.34, 7.5, 9.0, 9.99])
def test_law_has_its_mean(mean_s):
    law = LengthLaw.with_mean(mean_s)
    assert law.mean_s == pytest.approx(mean_s, abs=1e-9)
    chances = (np.arange(20_000) + 0.5) / 20_000
    lengths = np.array([law.length_s(chance) for chance in chances])
    assert lengths.min() >= 5.0
    assert lengths.max() <= 10.0
    assert lengths.mean() == pytest.approx(mean_s, abs=1e-3)


@pytest.mark.parametrize("rate", [1e-7, 1e-5, -1e-5, 1e-4, -0.3, 0.7])
def test_the_mean_of_a_law_is_its_integral(rate):
    lengths = np.linspace(5.0, 10.0, 200_001)
    density = np.exp(-rate * (lengths - 5.0))
    expected = np.trapezoid(lengths * density, lengths) / np.trapezoid(density, lengths)
    assert LengthLaw(5.0, 10.0, rate).mean_s == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize("bounds", [(0.0, 5.0), (-1.0, 5.0), (6.0, 5.0)])
def test_a_law_without_lengths_is_refused(bounds):
    with pytest.raises(ValueError, match="0 < min_s <= max_s"):
        LengthLaw(*bounds)


def test_law_is_the_truncated_exponential():
    law = LengthLaw.with_mean(6.34)
    edges = np.array([law.length_s(chance) for chance in np.linspace(0, 1, 11)])
    weight = np.diff(-np.exp(-law.rate_per_s * (edges - 5.0)))
    np.testing.assert_allclose(weight / weight.sum(), 0.1, rtol=1e-9)
    assert law.rate_per_s == pytest.approx(0.6476, abs=1e-4)


@pytest.mark.parametrize("mean_s", [5.04, 6.34, 7.5])
def test_windows_of_long_shots_have_the_mean_of_the_law(mean_s):
    times = np.arange(600 * 30 + 1) / 30
    lengths = [
        window.duration_s
        for seed in range(60)
        for window in draw_windows(times, law=LengthLaw.with_mean(mean_s + 1e-9), seed=seed)
    ]
    assert summary(lengths).mean_s == pytest.approx(mean_s, abs=0.08)


def test_seed_is_a_function_of_its_three_parts_alone():
    seeds = {window_seed(*key) for key in [(0, "a", 1), (1, "a", 1), (0, "b", 1), (0, "a", 2), (0, "a1", 1)]}
    assert len(seeds) == 5
    assert window_seed(0, "clip", 288) == 0x4B6D9B0DCAD5E3B5F423B76B4CA10711


def test_different_seeds_give_different_windows():
    times = np.arange(24 * 60 + 1) / 24
    drawn = {tuple(draw_windows(times, law=LengthLaw.uniform(), seed=seed)) for seed in range(20)}
    assert len(drawn) == 20


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"frame_times_s": [0.0, 0.0, 1.0]}, "increase"),
        ({"law": LengthLaw.uniform(4.0, 10.0)}, "bounds"),
        ({"overlap": 1.0}, "overlap"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    whole = {"frame_times_s": np.arange(200) / 24, "law": LengthLaw.uniform(), "seed": 0} | arguments
    with pytest.raises(ValueError, match=message):
        draw_windows(**whole)


@pytest.mark.parametrize("mean_s", [5.0, 10.0, 4.0])
def test_impossible_mean_is_refused(mean_s):
    with pytest.raises(ValueError, match="mean between"):
        LengthLaw.with_mean(mean_s)


def test_summary():
    result = summary([5.0, 5.2, 5.999999999, 9.75])
    assert result.count == 4
    assert result.hours == pytest.approx((5.0 + 5.2 + 6.0 + 9.75) / 3600)
    assert result.mean_s == pytest.approx(6.4875)
    assert result.histogram[0] == (5.0, 2)
    assert dict(result.histogram)[6.0] == 1
    assert dict(result.histogram)[9.5] == 1
    assert math.fsum(count for _, count in result.histogram) == 4
    assert summary([]).mean_s is None
