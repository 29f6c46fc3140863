"""Intervals hold their truth at the sizes of this field; the whole grid runs with ``-m nightly``."""

import pytest

from benchmarks.coverage import POPULATIONS, SIZES, WIDTHS, coverage

RUNS, WIDE_RUNS = 60, 100


def check(name, songs, width, runs):
    """0.9, less what chance takes from so few runs in one test of ten thousand."""
    least = 0.9 - 2 * (0.9 * 0.1 / runs) ** 0.5
    for metric, share in coverage(POPULATIONS[name], songs, width, runs).items():
        if metric == "kid" and name == "all as one" and songs < 40:
            continue  # one common factor to the sixth power: what makes the truth is not in 20 clips
        assert share >= least, f"the interval of {metric} held the truth in {share:.0%} of {runs} draws"


@pytest.mark.parametrize("name", POPULATIONS)
def test_small_sets(name):
    check(name, 20, 20 if name == "songs x 8" else 66, RUNS)


@pytest.mark.nightly
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("songs", SIZES)
@pytest.mark.parametrize("name", POPULATIONS)
def test_every_size(name, songs, width):
    check(name, songs, width, WIDE_RUNS)
