"""One clock per file, on packets and boxes that are written down."""

from fractions import Fraction
from types import SimpleNamespace

import pytest

from madata.video.packets import _sections


def packets(stream, stamps, tick=Fraction(1, 100), duration=4):
    return [
        SimpleNamespace(stream_index=stream, dts=stamp, pts=stamp, time_base=tick, duration=duration)
        for stamp in stamps
    ]


def sections(stamps):
    return [
        (one.first_packet, float(one.first_s), float(one.end_s))
        for one in _sections(iter(packets(0, stamps)), [0])[0]
    ]


def test_a_clock_that_falls_back_or_leaps_begins_a_section():
    assert sections([0, 4, 8]) == [(0, 0.0, 0.12)]
    assert sections([100, 104, 0, 4]) == [(0, 1.0, 1.08), (2, 0.0, 0.08)]
    assert sections([0, 4, 1100, 1104]) == [(0, 0.0, 0.08), (2, 11.0, 11.08)]


@pytest.mark.parametrize("step", [-50, 999])
def test_jitter_and_holes_are_no_new_clock(step):
    assert len(sections([100, 104, 104 + step, 108 + step])) == 1


def test_sections_are_counted_by_stream():
    picture, sound = packets(0, [0, 4, 8, 0, 4]), packets(1, [0, 2, 4, 6, 1, 0])
    mixed = [*picture[:3], *sound[:4], *picture[3:], *sound[4:]]
    found = _sections(iter(mixed), [0, 1])
    assert [one.first_packet for one in found[0]] == [0]
    picture, sound = packets(0, [200, 204, 0, 4]), packets(1, [200, 202, 204, 0, 2])
    found = _sections(iter([*picture, *sound]), [0, 1])
    assert [[one.first_packet for one in found[index]] for index in (0, 1)] == [[0, 2], [0, 3]]
