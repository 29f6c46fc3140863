"""Intervals hold their truth and verdicts never point the wrong way; the whole grid runs with ``-m nightly``.

A share of few draws may lie two of its standard errors below 0.9: at the 120 nightly draws of a size, 18 may miss. The
nightly grid takes a quarter of an hour of one core.
"""

import math

import pytest

from benchmarks.coverage import DIFFERENCES, METRICS, POPULATIONS, SIZES, WIDTHS, Cell, simulate

SMALL = {"shift": 66, "collapsed": 72, "wider": 20, "heavy tails": 20, "songs x 8": 20, "one factor": 20}
DRAWS = 12
NIGHTLY_DRAWS = {20: 40, 40: 40, 100: 40, 200: 20, 500: 20}


def least(draws):
    return 0.9 - 2 * math.sqrt(0.9 * 0.1 / draws)


@pytest.fixture(scope="module")
def small_sets():
    return {name: simulate(POPULATIONS[name], 20, width, DRAWS) for name, width in SMALL.items()}


@pytest.fixture(scope="module")
def every_small_set(small_sets):
    every = Cell()
    for cell in small_sets.values():
        every.add(cell)
    return every


@pytest.mark.parametrize("metric", METRICS)
def test_intervals_of_twenty_clips_hold_their_truth(small_sets, every_small_set, metric):
    assert every_small_set.coverage(metric) >= least(every_small_set.draws)
    for name, cell in small_sets.items():
        assert cell.coverage(metric) >= least(DRAWS), name


@pytest.mark.parametrize("metric", DIFFERENCES)
def test_verdicts_of_twenty_clips_point_the_right_way(every_small_set, metric):
    assert every_small_set.wrong[metric] <= 0.025 * every_small_set.draws


def test_verdicts_are_reached_at_twenty_clips(small_sets):
    assert small_sets["shift"].right["kid"] >= DRAWS / 4 and small_sets["collapsed"].right["fid"] >= DRAWS / 4


@pytest.mark.nightly
@pytest.mark.parametrize("songs", SIZES)
@pytest.mark.parametrize("name", POPULATIONS)
def test_every_size(name, songs):
    every = Cell()
    draws = NIGHTLY_DRAWS[songs] // (1 if songs * POPULATIONS[name].windows <= 1000 else 2)
    for width in WIDTHS:
        cell = simulate(POPULATIONS[name], songs, width, draws)
        every.add(cell)
        for metric in METRICS:  # one of a thousand falls short by three standard errors
            assert cell.coverage(metric) >= 0.9 - 1.5 * (0.9 - least(draws)), (metric, width)
    for metric in METRICS:
        assert every.coverage(metric) >= least(every.draws), metric
    for metric in DIFFERENCES:
        assert every.wrong[metric] <= 0.025 * every.draws, metric
