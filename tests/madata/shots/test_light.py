"""Light that changes over one scene is told from cuts, and from cuts that hide in it."""

import numpy as np
import pytest

from madata.shots.light import LightMeter

GELS = np.array([[1.0, 0.15, 0.15], [0.15, 0.15, 1.0], [0.2, 0.9, 0.3], [0.9, 0.8, 0.1]])


def scene(count, seed=0, offset=0.0, sway=12):
    """A drawn ground, and a bright dancer who sways before it."""
    ground = np.random.default_rng(seed).integers(40, 160, (27, 48, 3)).astype(np.float64)
    frames = np.repeat(ground[None], count, axis=0)
    for index in range(count):
        left = round(20 + sway * np.sin(index / 12 + offset))
        frames[index, 5:25, left : left + 8] = (230, 180, 150)
    return frames


def lit(frames, gains):
    return np.clip(frames * np.asarray(gains).reshape(len(frames), 1, 1, -1), 0, 255).astype(np.uint8)


def watch(frames):
    """Which frames are steady, and which a step of the light leads to."""
    meter = LightMeter()
    for frame in frames:
        meter.feed(frame.astype(np.uint8))
    meter.close()
    steps = [frame for frame in range(len(frames)) if meter.leads_to(frame)]
    return meter.take(len(frames)), steps


def test_steady_light_is_steady():
    steady, steps = watch(scene(90))
    assert steady.all()
    assert not steps


@pytest.mark.parametrize("each", [6, 12, 20])
def test_coloured_lamps_are_light(each):
    turns = np.arange(120) // each
    steady, steps = watch(lit(scene(120), GELS[turns % 4]))
    assert steps == list(range(each, 120, each))
    assert not steady[each - 1 : each + 2].any()


def test_a_cut_under_coloured_lamps_is_a_cut():
    frames = np.concatenate([scene(66), scene(54, seed=1)])
    steady, steps = watch(lit(frames, GELS[np.arange(120) // 12 % 4]))
    assert steps == list(range(12, 120, 12))
    assert steady[65]
    assert steady[66]


@pytest.mark.parametrize(("frames", "level"), [(1, 255), (3, 255), (4, 0), (8, 0)])
def test_flashes_and_blackouts_are_light(frames, level):
    film = scene(90)
    film[40 : 40 + frames] = level
    steady, steps = watch(film)
    assert steps == [40, 40 + frames]
    assert not steady[39 : 41 + frames].any()


def test_a_flash_that_hides_a_jump_is_none():
    film = np.concatenate([scene(40), scene(50, offset=1.5)])
    film[40] = 255
    steady, steps = watch(film)
    assert not steps
    assert steady.all()


def test_black_that_lasts_is_no_blackout():
    film = scene(90)
    film[40:50] = 0
    assert watch(film)[0].all()


def test_light_that_is_switched_once_is_light_and_a_second_take_is_not():
    gains = np.where(np.arange(90) < 45, 0.5, 1.0)
    assert watch(lit(scene(90), gains))[1] == [45]
    takes = np.concatenate([scene(45), scene(45, offset=3.0)])
    assert not watch(lit(takes, gains))[1]


def test_a_wash_of_colour_is_light_and_a_fade_is_not():
    share = np.clip((np.arange(90) - 35) / 20, 0, 1)[:, None]
    wash, _ = watch(lit(scene(90, sway=0), (1 - share) * [1.0, 0.4, 0.3] + share * [0.3, 0.4, 1.0]))
    assert not wash[38:52].any()
    assert watch(lit(scene(90), 1 - share))[0].all()


@pytest.mark.parametrize("frames", [6, 10])
def test_a_fast_fade_or_dissolve_is_no_light(frames):
    share = np.clip((np.arange(90) - 40) / frames, 0, 1)
    assert not watch(lit(scene(90), 1 - share))[1]
    share = share[:, None, None, None]
    brighter = 255 - 0.4 * scene(90, seed=1)
    steady, steps = watch((1 - share) * scene(90) + share * brighter)
    assert not steps
    assert steady.all()


def test_memory_of_a_long_film_is_flat():
    meter = LightMeter()
    film = lit(scene(120), GELS[np.arange(120) // 6 % 4])
    for _ in range(10):
        for frame in film:
            meter.feed(frame)
        meter.take(meter.decided - meter._taken)
    assert len(meter._pictures) < 200
    assert len(meter._steps) + len(meter._lit) < 200
