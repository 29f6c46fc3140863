"""A late frame is a hole among regular ones, and none where rates vary."""

from types import SimpleNamespace

import numpy as np
import pytest

from madata.video.decode import Decoder
from madata.video.holes import _rounded, with_holes
from tests.media_builder import Recipe, build


def holes(stamps, container="flv", keys=()):
    packets = [SimpleNamespace(dts=dts, size=1, is_keyframe=i in keys) for i, dts in enumerate(stamps)]
    found = list(with_holes(packets, container))
    assert [packet for packet, _ in found] == packets
    return [index for index, (_, hole) in enumerate(found) if hole]


RATES = {
    "every other frame held from the middle on": lambda n: np.where((n < 50) | (n % 2 == 0), 1, 0),
    "held at random": lambda n: np.random.default_rng(3).random(len(n)) < 0.7,
    "mostly held": lambda n: np.random.default_rng(4).random(len(n)) < 0.4,
}


@pytest.mark.parametrize("rate", RATES.values(), ids=RATES)
def test_a_rate_that_varies_has_no_holes(rate):
    places = np.arange(200)
    shown = places[np.asarray(rate(places), bool)]
    assert holes((shown * 1000 / 24).round().astype(int).tolist()) == []


@pytest.mark.parametrize("lost", [[2], [40], [98], [40, 41, 42], [30, 40, 60]])
def test_what_is_lost_among_regular_frames_is_found(lost):
    kept = np.delete(np.arange(100), lost)
    stamps = (kept * 1000 / 30).round().astype(int).tolist()
    found = holes(stamps)
    assert kept[found].tolist() == [place + 1 for place in lost if place + 1 not in lost]
    assert holes(stamps, container="matroska,webm") == []
    assert holes(stamps, keys=found) == []


def test_steps_of_any_length_are_few_lengths_within_a_hundredth():
    steps = [
        *range(3000),
        *(2**power + offset for power in range(12, 34) for offset in range(0, 2**power, 2 ** (power - 11))),
    ]
    assert all(step - step / 100 <= _rounded(step) <= step for step in steps)
    assert all(abs(_rounded(-step) + step) <= step / 100 for step in steps)
    assert len(set(map(_rounded, steps))) < 34 * 128


def test_packets_without_a_stamp_or_content_are_passed_on():
    packets = [
        SimpleNamespace(dts=None, size=1, is_keyframe=False),
        SimpleNamespace(dts=9, size=0, is_keyframe=False),
    ]
    assert list(with_holes(packets, "mpegts")) == [(packet, False) for packet in packets]
    assert list(with_holes([], "mpegts")) == []


@pytest.mark.parametrize("suffix", [".flv", ".ts"])
def test_a_whole_file_of_varying_rate_is_whole(tmp_path, suffix):
    times_s = np.arange(240)[np.random.default_rng(5).random(240) < 0.7] / 24
    recipe = Recipe(num_frames=len(times_s), times_s=times_s, gop=60, sound=False)
    with Decoder(build(tmp_path / f"a{suffix}", recipe)) as decoder:
        assert sum(1 for _ in decoder) == len(times_s)
        assert decoder.report.damaged == ()
