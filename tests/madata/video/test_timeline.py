from fractions import Fraction
from itertools import pairwise
from math import ceil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from madata.types import Span
from madata.video.timeline import StampRepair, as_rate, choose_frames, nominal_rate


def repaired(stamps, gap=10):
    repair = StampRepair(Fraction(gap))
    return [item for stamp in stamps for item in repair.push(stamp)] + repair.finish()


def test_good_stamps_are_kept():
    shown = repaired([0, 10, 25, 30])
    assert [float(item.start) for item in shown] == [0, 10, 25, 30]
    assert [float(item.end) for item in shown] == [10, 25, 30, 35]
    assert all(item.own for item in shown)


def test_doubled_and_missing_stamps_share_the_time_to_the_next_good_one():
    assert [float(item.start) for item in repaired([0, 10, 10, 30])] == [0, 10, 20, 30]
    assert [float(item.start) for item in repaired([0, 10, None, None, 40])] == [0, 10, 20, 30, 40]
    assert [item.own for item in repaired([0, 10, 10, 30])] == [True, True, False, True]


def test_a_clock_that_jumps_back_goes_on():
    shown = repaired([*range(0, 200, 10), *range(0, 300, 10)])
    starts = [float(item.start) for item in shown]
    assert starts == [10.0 * i for i in range(50)]


@given(st.lists(st.one_of(st.none(), st.integers(-50, 2000)), max_size=60))
def test_times_always_increase_and_every_frame_gets_one(stamps):
    shown = repaired(stamps)
    assert len(shown) == len(stamps)
    assert all(a.end == b.start for a, b in pairwise(shown))
    assert all(item.start < item.end for item in shown)


def ticks(times_s, tick_s):
    return np.round(np.asarray(times_s) / tick_s) * tick_s


@pytest.mark.parametrize("tick_s", [1 / 90_000, 1 / 12_288, 1e-3])
@pytest.mark.parametrize(
    "rate", [Fraction(24_000, 1001), 24, 25, Fraction(30_000, 1001), 30, 50, Fraction(60_000, 1001), 12]
)
def test_known_rates_are_recognised_through_rounded_stamps(rate, tick_s):
    times = ticks(np.arange(300) / float(rate), tick_s)
    assert nominal_rate(times, tick_s, Fraction(rate)) == rate


def test_held_frames_do_not_lower_the_nominal_rate():
    rng = np.random.default_rng(0)
    times = np.cumsum(rng.choice([1, 1, 1, 2, 3, 4], 300)) / 30
    assert nominal_rate(ticks(times, 1e-3), 1e-3, Fraction(17)) == 30


@pytest.mark.parametrize("jitter", ["alternating", "random"])
def test_stamps_that_jitter_leave_the_rate_and_every_frame_once(jitter):
    rng = np.random.default_rng(1)
    off = rng.uniform(-0.2, 0.2, 300) if jitter == "random" else 0.3 * (np.arange(300) % 2)
    times = ticks((np.arange(300) + off) / 24, 1e-3)
    rate = nominal_rate(times, 1e-3, Fraction(24))
    assert float(rate) == pytest.approx(24, rel=1e-3)
    span = Span(31, 180, float(times[31]), float(times[180]))
    assert frames_shown(times, choose_frames(times, span, rate, 1e-3)) == list(range(31, 180))


def test_a_rate_that_changes_is_no_jitter():
    times = np.cumsum(np.repeat([1 / 30, 1 / 20], 150))
    assert nominal_rate(times, 1e-3, Fraction(24)) == 30


def test_short_files_keep_the_declared_rate():
    assert nominal_rate(np.array([0.0]), 1e-3, Fraction(30_000, 1001)) == Fraction(30_000, 1001)
    assert nominal_rate(np.array([0, 0.033, 0.067, 0.1]), 1e-3, Fraction(30)) == 30


def test_as_rate_knows_ntsc():
    assert as_rate(23.976) == Fraction(24_000, 1001)
    assert as_rate(29.97) == Fraction(30_000, 1001)
    assert as_rate(30.0) == 30
    assert as_rate(12.5) == Fraction(25, 2)


def frames_shown(times, looks):
    return (np.searchsorted(times, looks, side="right") - 1).tolist()


def test_constant_sources_give_every_frame_once_even_when_stamps_jitter():
    rng = np.random.default_rng(1)
    times = ticks(5 + np.arange(100) / 30 + rng.uniform(-0.008, 0.008, 100), 1e-3)
    looks = choose_frames(times, Span(10, 80, times[10], times[80]), Fraction(30), 1e-3)
    assert frames_shown(times, looks) == list(range(10, 80))


def test_held_frames_are_held():
    steps = np.array([1, 1, 3, 1, 2, 1, 1])
    times = ticks(np.concatenate([[0], np.cumsum(steps)]) / 30, 1e-3)
    looks = choose_frames(times, Span(0, 7, 0.0, times[7]), Fraction(30), 1e-3)
    assert frames_shown(times, looks) == [0, 1, 2, 2, 2, 3, 4, 4, 5, 6]


@given(
    st.integers(5, 60),
    st.sampled_from([10, 24, 25, 30, 50, 60]),
    st.sampled_from([12, 24, 30, 60]),
    st.integers(0, 20),
)
def test_each_clip_frame_is_what_a_player_shows(count, source_fps, clip_fps, first):
    times = np.arange(first + count + 1) / source_fps
    span = Span(first, first + count, times[first], times[first + count])
    looks = choose_frames(times[:-1], span, Fraction(clip_fps), 1e-6)
    assert len(looks) == ceil(Fraction(count * clip_fps, source_fps) - Fraction(1, 2))
    exact = [first + int(Fraction(k, clip_fps) * source_fps) for k in range(len(looks))]
    assert frames_shown(times, looks) == exact
