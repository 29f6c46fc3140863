"""Bars are found where they are, whatever stands in them; what only looks like bars is none."""

import cv2
import numpy as np
import pytest

from madata.bars import Bars, Profile, find_bars
from madata.video.geometry import Crop, frame_clip

SIZE = (640, 360)
SAMPLES = 8
LEFT, WIDTH = 218, 204  # a vertical picture in a wide frame


def scene(index, size, *, seed=0):
    """A drawn room with a dancer who goes from one side to the other, (H, W)."""
    width, height = size
    rng = np.random.default_rng(seed)
    coarse = rng.integers(60, 200, (9, 16)).astype(np.float32)
    fine = rng.normal(0, 6, (height, width))
    picture = cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC) + fine
    left = round((width - width // 5) * index / (SAMPLES - 1))
    picture[height // 3 : height, left : left + width // 5] = 235
    return picture.clip(0, 255).astype(np.uint8)


def found_in(frames):
    height, width = frames[0].shape
    profiles = [
        Profile(
            index,
            cv2.resize(frame, (width, 64), interpolation=cv2.INTER_AREA),
            np.ascontiguousarray(cv2.resize(frame, (64, height), interpolation=cv2.INTER_AREA).T),
        )
        for index, frame in enumerate(frames)
    ]
    greys = [cv2.resize(frame, None, fx=0.4, fy=0.4, interpolation=cv2.INTER_AREA) for frame in frames]
    return find_bars((width, height), profiles, greys)


def frames_of(draw, *, turned=False):
    frames = [draw(index) for index in range(SAMPLES)]
    return [np.ascontiguousarray(frame.T) for frame in frames] if turned else frames


def around(picture, background, *, left=LEFT, top=0):
    frame = background.copy()
    frame[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return frame


def pillars(index, level=0):
    picture = scene(index, (WIDTH, SIZE[1]))
    return around(picture, np.full(SIZE[::-1], level, np.uint8))


def with_logo(index):
    frame = pillars(index)
    frame[40:100, 30:190] = 200
    return frame


def with_lyrics(index):
    frame = pillars(index)
    frame[200:240, 10 : 40 + 20 * index] = 255
    return frame


def all_around(index):
    picture = scene(index, (300, 220))
    return around(picture, np.zeros(SIZE[::-1], np.uint8), left=170, top=70)


def blurred(index, *, dim=0.7):
    picture = scene(index, (WIDTH, SIZE[1]))
    enlarged = cv2.resize(picture, None, fx=SIZE[0] / WIDTH, fy=SIZE[0] / WIDTH)
    above = (enlarged.shape[0] - SIZE[1]) // 2
    background = cv2.GaussianBlur(enlarged[above : above + SIZE[1]], (0, 0), 12) * dim
    return around(picture, background.astype(np.uint8))


def film_in_blur(index):
    """Black bars of a film inside blurred ones."""
    frame = blurred(index)
    frame[:50, LEFT : LEFT + WIDTH] = frame[310:, LEFT : LEFT + WIDTH] = 0
    return frame


def is_inside(found, left, top, width, height, *, lost=4):
    """Nothing of the bars is left, and at most some pixels of the picture are lost."""
    ends = (left + width, top + height)
    return (
        0 <= found.left - left <= lost
        and 0 <= found.top - top <= lost
        and 0 <= ends[0] - found.left - found.width <= lost
        and 0 <= ends[1] - found.top - found.height <= lost
    )


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(
    ("draw", "kinds"),
    [
        (pillars, ("black",)),
        (with_logo, ("black",)),
        (with_lyrics, ("black",)),
        (lambda index: pillars(index, 230), ("colour",)),
        (blurred, ("blurred",)),
    ],
)
def test_the_picture_between_two_bars_is_found(draw, kinds, turned):
    found = found_in(frames_of(draw, turned=turned))
    assert found.kinds == kinds
    place = (0, LEFT, SIZE[1], WIDTH) if turned else (LEFT, 0, WIDTH, SIZE[1])
    assert is_inside(found.picture, *place)


def test_bars_on_all_four_sides_and_bars_in_bars():
    found = found_in(frames_of(all_around))
    assert found.kinds == ("black",) and is_inside(found.picture, 170, 70, 300, 220)
    found = found_in(frames_of(film_in_blur))
    assert set(found.kinds) == {"blurred", "black"}
    assert is_inside(found.picture, LEFT, 50, WIDTH, 260)


def test_one_bar_counts_where_it_is_black():
    def above(index, level):
        frame = scene(index, SIZE)
        frame[:40] = level
        return frame

    assert is_inside(found_in(frames_of(lambda index: above(index, 0))).picture, 0, 40, 640, 320)
    assert found_in(frames_of(lambda index: above(index, 180))).kinds == ()


def dark_stage(index):
    """A lit floor under black; the dancer crosses its edge."""
    frame = np.zeros(SIZE[::-1], np.uint8)
    frame[220:] = scene(index, (640, 140))
    frame[90:300, 60 * index + 60 : 60 * index + 110] = 210
    return frame


def spotlight(index):
    """Light that falls off towards the sides."""
    x = np.abs(np.arange(640) - 320) / 320
    return (scene(index, SIZE) * np.clip(1.5 - 2 * x, 0, 1) ** 2).astype(np.uint8)


def door_frames(index):
    """A room with two smooth walls that are no copies of what is between."""
    frame = scene(index, SIZE)
    frame[:, :200] = frame[:, 440:] = np.linspace(60, 90, 360)[:, None]
    return frame


@pytest.mark.parametrize("draw", [lambda index: scene(index, SIZE), dark_stage, spotlight, door_frames])
def test_what_a_room_or_a_stage_shows_is_no_bar(draw):
    assert found_in(frames_of(draw)) == Bars(Crop(0, 0, *SIZE))


def test_a_moment_is_too_little_to_tell():
    assert found_in(frames_of(pillars)[:2]).kinds == ()


@pytest.mark.parametrize(
    "options", [{}, {"long_side": 160}, {"size": (128, 128)}, {"size": (128, 128), "fit": "crop"}]
)
def test_a_point_of_the_picture_keeps_its_place_in_the_clip(options):
    crop = Crop(218, 20, 204, 320)
    framing = frame_clip(SIZE, crop=crop, **options)
    inner = frame_clip(crop.size, **options)
    assert framing.out == inner.out
    at = np.array([[crop.left, crop.top], [crop.left + 204, crop.top + 320], [300, 100]])
    inside = (at - (crop.left, crop.top)) * (np.array(inner.scaled) / crop.size) + inner.offset
    assert np.abs(framing.points(at, SIZE) - inside).max() <= 2
    left, top, width, height = framing.crop.left, framing.crop.top, framing.crop.width, framing.crop.height
    assert left >= crop.left * framing.scaled[0] / SIZE[0] - 1.01 and left % 2 == top % 2 == 0
    assert left + width <= framing.scaled[0] and top + height <= framing.scaled[1]
