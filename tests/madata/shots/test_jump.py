import numpy as np
import pytest

from madata.shots.jump import JUMP_ABOVE, REACH, JumpMeter, grey_of


def moving(count, *, jump_at=None, speed=1.0, times=None, light=None):
    """A bright square that slides over a drawn ground, and jumps once."""
    rng = np.random.default_rng(0)
    ground = rng.integers(60, 120, (27, 48, 3))
    frames, x = [], 4.0
    for index in range(count):
        x += 12 if index == jump_at else speed
        picture = ground.copy()
        left = abs(int(x) % 76 - 38)  # to and fro
        picture[8:20, left : left + 8] = 220
        frames.append(np.clip(picture + (0 if light is None else light[index]), 0, 255).astype(np.uint8))
    return frames, np.arange(count) / 24 if times is None else times


def jumps(frames, times):
    meter = JumpMeter()
    found = [
        value
        for frame, time_s in zip(frames, times, strict=True)
        for value in meter.feed(grey_of(frame), time_s)
    ]
    return np.array(found + meter.close())


@pytest.mark.parametrize("at", [1, 4, 20, 37, 39])
def test_a_jump_is_found_where_it_is(at):
    found = jumps(*moving(40, jump_at=at, speed=0.4))
    assert len(found) == 40
    assert np.flatnonzero(found >= JUMP_ABOVE).tolist() == [at]


def test_even_motion_has_no_jump_however_fast():
    for speed in (0.2, 1.0, 3.0):
        assert jumps(*moving(60, speed=speed)).max() < JUMP_ABOVE


def test_light_that_changes_is_no_jump():
    light = np.zeros(40)
    light[20:] = 60
    assert jumps(*moving(40, light=light)).max() < JUMP_ABOVE


def test_a_frame_that_was_held_may_differ_by_more():
    frames, times = moving(40, jump_at=20, speed=0.4)
    assert jumps(frames, times)[20] >= JUMP_ABOVE
    held = np.where(np.arange(40) >= 20, times + 11 / 24, times)
    assert jumps(frames, held)[20] < JUMP_ABOVE


@pytest.mark.parametrize("count", [1, 2, REACH, 2 * REACH, 2 * REACH + 1, 2 * REACH + 2])
def test_every_frame_has_a_value_however_short_the_film(count):
    assert len(jumps(*moving(count))) == count
