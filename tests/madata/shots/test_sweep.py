"""Wipes and pushes between two made scenes are found where they are; nothing else is taken for one."""

import numpy as np
import pytest

from madata.shots import Shot, ShotDetector
from madata.shots.jump import grey_of
from madata.shots.sweep import SweepMeter

START, LENGTH, FRAMES = 60, 12, 120


def scene(seed, index):
    """A drawn ground with a square that wanders, (27, 48)."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(20, 236, (3, 6))
    picture = np.kron(coarse, np.ones((9, 8)))
    left = (index // 2 + 7 * seed) % 38
    picture[9:21, left : left + 8] = 40 if seed else 220
    return picture


def film(mix, *, length=LENGTH):
    frames = []
    for index in range(FRAMES):
        share = np.clip((index - START + 1) / (length + 1), 0, 1)
        picture = mix(scene(0, index), scene(1, index), share)
        frames.append(np.repeat(picture[..., None], 3, axis=2).clip(0, 255).astype(np.uint8))
    return frames


def wipe_left(a, b, share):
    return np.where(np.arange(48) < 48 * (1 - share), a, b)


def circle(a, b, share):
    y, x = np.mgrid[-13:14, -24:24]
    return np.where(np.hypot(x, y) < 28 * share, b, a)


def push_up(a, b, share):
    moved = round(27 * share)
    return np.concatenate([a, b])[moved : moved + 27]


def push_right(a, b, share):
    moved = round(48 * share)
    return np.concatenate([b, a], axis=1)[:, 48 - moved : 96 - moved]


def cover_from_the_right(a, b, share):
    moved = round(48 * share)
    return np.concatenate([a[:, : 48 - moved], b[:, :moved]], axis=1)


def uncover_downwards(a, b, share):
    moved = round(27 * share)
    return np.concatenate([b[:moved], a[: 27 - moved]])


def squeeze(a, b, share):
    left, right = round(24 * share), 48 - round(24 * share)
    picture = b.copy()
    if left < right:
        picture[:, left:right] = a[:, np.linspace(0, 47, right - left).round().astype(int)]
    return picture


def dissolve(a, b, share):
    return (1 - share) * a + share * b


def hard_cut(a, b, share):
    return b if share > 0.5 else a


def flash(a, b, share):
    return a + (100 if 0 < share < 1 else 0)


def sweeps(frames, **options):
    meter = SweepMeter(**options)
    for frame in frames:
        meter.feed(grey_of(frame))
    meter.close()
    assert meter.decided == len(frames)
    return meter.found


@pytest.mark.parametrize(
    ("mix", "length"),
    [
        (wipe_left, 6),
        (wipe_left, 22),
        (circle, 6),
        (circle, 12),
        (circle, 22),
        (push_up, 6),
        (push_right, 12),
        (cover_from_the_right, 12),
        (uncover_downwards, 6),
        (squeeze, 12),
    ],
)
def test_a_sweep_is_found_where_it_is(mix, length):
    (found,) = [one for one in sweeps(film(mix, length=length)) if not one.weak]
    assert found.residual < 0.22
    assert abs(found.start - START) <= 3 and -3 <= found.end - START - length <= 18


@pytest.mark.parametrize("mix", [dissolve, hard_cut, flash])
def test_nothing_else_is_a_sweep(mix):
    assert [one for one in sweeps(film(mix)) if not one.weak] == []


def test_a_dancer_who_crosses_the_picture_is_no_sweep():
    frames = []
    for index in range(90):
        picture = scene(0, 0)
        left = int(index * 1.2) - 20
        picture[5:, max(0, left) : max(0, left + 10)] = 230
        frames.append(np.repeat(picture[..., None], 3, axis=2).astype(np.uint8))
    assert sweeps(frames) == []


def test_zero_looks_for_none():
    assert sweeps(film(wipe_left), residual_below=0) == []


class Silent:
    """A network that sees nothing."""

    def __init__(self):
        self._fed = 0

    def feed(self, frame, /):
        self._fed += 1
        return np.zeros(0, np.float32), np.zeros(0, np.float32)

    def close(self):
        return np.zeros(self._fed, np.float32), np.zeros(self._fed, np.float32)


def test_no_shot_holds_a_frame_of_a_wipe_and_the_value_is_told():
    detector = ShotDetector(Silent())
    events = [
        event for index, frame in enumerate(film(wipe_left)) for event in detector.feed(frame, index / 24)
    ]
    events += detector.close()
    first, second = [event for event in events if isinstance(event, Shot) and event.closed]
    assert (first.start, second.end) == (0, FRAMES)
    assert START - 3 <= first.end <= START + 1
    assert START + LENGTH - 1 <= second.start <= START + LENGTH + 6
    name, value = detector.begins_with(second.start)
    assert name == "wipe" and 0 <= value < 0.22
