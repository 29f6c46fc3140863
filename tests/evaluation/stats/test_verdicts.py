"""Verdicts: never the wrong way round, never without what they rest on."""

import itertools
from collections import Counter

import numpy as np
import pytest

from benchmarks.coverage import POPULATIONS, Population, power_as_planned, wrong_verdicts
from evaluation.stats.jackknife import BlockEstimate, Blocks
from evaluation.stats.means import mean_estimate
from evaluation.stats.verdicts import Question, clips_needed, judge

NONE = np.zeros(0)


def estimate(value, spread=0.1, blocks=6, bias=0.0):
    return BlockEstimate(value, spread * np.resize([1.0, -1.0], blocks), NONE, bias)


def judged(question):
    return judge({"fid_k": question}, np.random.default_rng(0))["fid_k"]


@pytest.mark.parametrize(
    ("value", "higher", "verdict"),
    [
        (-3, False, "better"),
        (3, False, "worse"),
        (3, True, "better"),
        (-3, True, "worse"),
        (3, None, "differ"),
    ],
)
def test_words(value, higher, verdict):
    found = judged(Question(estimate(value), 6, higher))
    assert found.verdict == verdict and found.p == pytest.approx(2 / 2**6)
    assert found.low <= found.difference <= found.high and not found.low <= 0 <= found.high


def test_six_songs_that_all_say_the_same_decide_however_many_metrics_are_looked_at():
    questions = {f"metric {number}": Question(estimate(2.0 + number), 6, True) for number in range(20)}
    found = judge(questions, np.random.default_rng(0))
    assert {one.verdict for one in found.values()} == {"better"}
    assert {one.p for one in found.values()} == {2 / 2**6}


def test_one_song_that_says_otherwise_is_heard():
    shifts = -np.array([1.0, 1.0, 1.0, 1.0, 1.0, -1.0]) / 5
    found = judged(Question(BlockEstimate(0.67, shifts - shifts.mean(), NONE), 6, True))
    assert found.verdict == "undecided" and found.p > 0.05 and found.low <= 0 <= found.high
    assert found.needed > 6


def test_a_metric_without_effect_takes_p_from_no_other():
    rng = np.random.default_rng(0)
    noise = Question(BlockEstimate(0.01, rng.normal(size=20), NONE), 20, True)
    alone = judge({"a": Question(estimate(1.0, 0.05, 20), 20, True)}, np.random.default_rng(0))["a"].p
    among = judge({"a": Question(estimate(1.0, 0.05, 20), 20, True), "b": noise}, np.random.default_rng(0))
    assert alone <= among["a"].p < 0.05 < among["b"].p


def test_the_sign_test_is_that_of_what_each_song_says():
    songs = np.r_[np.full(5, 0.9), 1.5]
    found = BlockEstimate(1.0, -(songs - 1.0) / 5, NONE, 0.3)
    signs = np.array(list(itertools.product((1.0, -1.0), repeat=6)))
    turned = (np.abs(signs @ songs) >= songs.sum() - 6 * 0.3).mean()
    assert found.p_value() < turned == judged(Question(found, 6, True)).p == 12 / 64


def test_two_looks_at_different_songs_cost_more_than_one():
    patterns = np.resize([1.0, -1.0], 12), np.repeat([1.0, -1.0], 6)
    one, two = (Question(BlockEstimate(1.0, 0.05 * pattern, NONE, 0.5), 12, True) for pattern in patterns)
    alone = judged(one).p
    together = judge({"a": one, "b": two}, np.random.default_rng(0))["a"].p
    assert one.difference.p_value() < alone and 1.1 * alone < together < 2 * alone


def test_a_tie_is_shown_and_not_assumed():
    small = estimate(0.01, 0.01)
    assert judged(Question(small, 6, True, margin=0.2)).verdict == "tie"
    assert judged(Question(small, 6, True, margin=0.02)).verdict == "undecided"
    assert judged(Question(small, 6, True)).verdict == "undecided"
    assert judged(Question(estimate(0.0, 0.0), 6, True)).verdict == "tie"


def test_bias_that_may_be_left_speaks_against_a_verdict():
    assert judged(Question(estimate(1.0, 0.05), 6, True)).verdict == "better"
    assert judged(Question(estimate(1.0, 0.05, bias=2.0), 6, True)).verdict == "undecided"
    songs = [judged(Question(estimate(1.0, 0.0, 12, bias), 12, True)) for bias in (0.0, 0.5)]
    assert [one.p for one in songs] == pytest.approx([2 / 2**12, 598 / 2**12])  # nine of twelve


def test_clips_needed():
    once, twice = clips_needed(estimate(0.5, 0.2), 6), clips_needed(estimate(0.25, 0.2), 6)
    assert twice == pytest.approx(4 * once, rel=0.1)
    assert clips_needed(estimate(0.0), 6) is None and clips_needed(estimate(1e-9), 6) is None
    assert clips_needed(estimate(0.5, 0.2, bias=1.0), 6) > once
    assert clips_needed(estimate(0.5, 0.0, bias=1.0), 50) == 100


def test_the_advice_is_right_about_as_often_as_it_says():
    """A gap of 0.4 deviations, and as many clips as are advised: it is found in four of five studies."""
    rng, pilot = np.random.default_rng(5), np.resize([1.0, -1.0], 40)
    needed = clips_needed(BlockEstimate(0.4, pilot / 39, NONE), 40)
    decided = []
    for _ in range(200):
        blocks = Blocks.dealt(list(np.arange(needed)[:, None]), rng.permutation(needed), 20)
        found = judged(Question(mean_estimate(rng.normal(0.4, 1.0, needed), blocks), needed, True))
        decided.append(found.verdict == "better")
    assert 0.72 < np.mean(decided) < 0.88


def test_blocks_without_a_value_count_for_nothing():
    gaps = np.r_[0.1 * np.resize([1.0, -1.0], 6), np.full(4, np.nan)]
    found = judged(Question(BlockEstimate(2.0, gaps, NONE), 6, True))
    assert found.p == pytest.approx(2 / 2**6) and np.isfinite([found.low, found.high]).all()


def test_word_interval_and_p_are_of_one_mind():
    """Whatever the numbers are: direction, end of the interval, p, margin and advice say the same."""
    rng, words = np.random.default_rng(0), Counter()
    for _ in range(150):
        blocks, spread = int(rng.integers(6, 24)), 10 ** rng.uniform(-3, 1)
        shifts = rng.standard_t(3, blocks) * spread / blocks
        shifts[rng.random(blocks) < 0.1 * rng.integers(2)] = np.nan
        question = Question(
            BlockEstimate(
                float(rng.choice([0.0, 1.0, -1.0])) * rng.gamma(0.5),
                shifts * rng.integers(2),
                rng.normal(size=blocks) * spread * rng.integers(2) / blocks,
                float(rng.choice([0.0, 0.3])),
                float(rng.choice([1.0, 2.0])),
            ),
            blocks,
            [True, False, None][rng.integers(3)],
            [None, 1.0][rng.integers(2)],
        )
        one = judged(question)
        words[one.verdict] += 1
        assert np.isfinite([one.difference, one.low, one.high, one.p]).all() and 0 <= one.p <= 1
        assert one.low <= one.difference <= one.high
        decided = one.p < 0.05
        assert decided == (not one.low <= 0 <= one.high) == (one.verdict in ("better", "worse", "differ"))
        if one.verdict in ("better", "worse"):
            assert (one.verdict == "better") == ((one.low > 0) == question.higher_is_better)
        within = question.margin is not None and max(-one.low, one.high) <= question.margin
        assert decided or (one.verdict == "tie") == (within or one.low == one.high == 0)
        if one.verdict == "undecided":
            assert one.needed is None or one.needed > question.units
    assert min(words[word] for word in ("better", "worse", "differ", "tie", "undecided")) >= 5


PAIRS = [("shift", "collapsed"), ("half frozen", "wider")]


@pytest.mark.parametrize("pair", PAIRS, ids=" against ".join)
def test_no_wrong_direction_at_twenty_clips(pair):
    wrong, _ = wrong_verdicts(*(POPULATIONS[name] for name in pair), 20, 66, 24)
    assert wrong == 0


def test_a_collapsed_system_is_found_out_at_forty_clips():
    _, right = wrong_verdicts(POPULATIONS["collapsed"], POPULATIONS["same"], 40, 66, 12)
    assert right > 0.7


@pytest.mark.nightly
@pytest.mark.parametrize(("metric", "songs"), [("fid", 150), ("kid", 150)])
def test_the_advice_holds_for_distances(metric, songs):
    first, second = Population(shift=0.3), Population(shift=0.4)
    count, power = power_as_planned(first, second, metric, songs, 20, 80)
    assert 100 < count < 300 and 0.65 < power < 0.95
