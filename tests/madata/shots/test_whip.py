"""Whip pans and zooms are found where they are; a dancer, a cut, a push and a strobe are none."""

import cv2
import numpy as np
import pytest

from madata.shots.jump import grey_of
from madata.shots.whip import WhipMeter
from tests.madata.shots.test_sweep import START, film, flash, hard_cut, push_up

LENGTH = 10


def room(seed):
    rng = np.random.default_rng(seed)
    coarse = cv2.resize(rng.uniform(20, 236, (9, 24)).astype(np.float32), (240, 135))
    return coarse + rng.normal(0, 12, coarse.shape)


def shown(picture):
    grey = cv2.resize(picture.astype(np.float32), (48, 27), interpolation=cv2.INTER_AREA)
    return np.repeat(grey[..., None], 3, axis=2).clip(0, 255).astype(np.uint8)


def panned(picture, *, by, blur):
    """Turned to the side by some pixels, smeared over ``blur`` of them."""
    double = np.concatenate([picture, picture[:, ::-1]], axis=1)
    return np.mean([np.roll(double, round(by + part), axis=1) for part in np.linspace(0, blur, 12)], axis=0)[
        :, :240
    ]


def zoomed(picture, *, by, blur):
    pictures = []
    for scale in np.linspace(by, by + blur, 8):
        matrix = np.float32([[scale, 0, 120 * (1 - scale)], [0, scale, 67 * (1 - scale)]])
        pictures.append(cv2.warpAffine(picture, matrix, (240, 135), borderMode=cv2.BORDER_REFLECT))
    return np.mean(pictures, axis=0)


def whip(move, first, second, *, speed):
    """A move of ten frames, blurred, from one picture to another."""
    frames = []
    for index in range(90):
        place = index - START
        picture = first if place < LENGTH // 2 else second
        if 0 <= place < LENGTH:
            way = place + 1 if place < LENGTH // 2 else place - LENGTH
            base = 1.0 if move is zoomed else 0.0
            picture = move(picture, by=base + abs(way) * speed if base else way * speed, blur=2 * speed)
        frames.append(shown(picture))
    return frames


def whips(frames, **options):
    meter = WhipMeter(**options)
    for index, frame in enumerate(frames):
        meter.feed(grey_of(frame))
        assert meter.decided <= index
    meter.close()
    assert meter.decided == len(frames)
    return meter.found


@pytest.mark.parametrize(("move", "speed"), [(panned, 25), (zoomed, 0.3)])
@pytest.mark.parametrize("second", [0, 1])
def test_a_whip_is_found_where_it_is_in_one_scene_and_between_two(move, speed, second):
    frames = whip(move, room(0), room(second), speed=speed)
    (found,) = whips(frames)
    assert abs(found.start - START) <= 1 and abs(found.end - START - LENGTH) <= 1
    assert found.value > 3
    assert whips(frames, above=found.value + 0.1) == []


@pytest.mark.parametrize("mix", [hard_cut, flash, push_up])
def test_a_cut_a_flash_and_a_push_are_no_whip(mix):
    assert whips(film(mix)) == []


def test_a_camera_that_keeps_moving_is_no_whip():
    assert whips([shown(panned(room(0), by=6 * index, blur=6)) for index in range(60)]) == []


def test_a_dancer_who_spins_across_the_picture_is_no_whip():
    frames = []
    for index in range(90):
        picture = room(0)
        if 30 <= index < 40:
            left = 20 * (index - 30)
            picture[40:, left : left + 60] = 230
        frames.append(shown(picture))
    assert whips(frames) == []
