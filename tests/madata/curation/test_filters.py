"""Each filter by itself, on evidence that is known."""

import numpy as np
import pytest

from madata.bars import Bars
from madata.curation.filters import bars as bars_filter
from madata.curation.filters import frozen, full_body, length, motion, people, sound, still
from madata.curation.look import measure_sound
from madata.curation.piece import Performer, Piece
from madata.curation.sound import FRAMES_PER_S, SoundLevels
from madata.flow import FlowSample
from madata.skeletons import skeleton
from madata.types import Span
from madata.video.audio import Sound
from madata.video.geometry import Crop

FPS = 20
NAMES = skeleton("coco-17").joints


class Evidence:
    people_known = True

    def __init__(self, performer=None, levels=None, flow=()):
        self.performer, self.sound, self.flow = performer, levels, flow


def piece(seconds=6.0, *, changes=None, performer=None, levels=None, flow=(), first=100, bars=None):
    count = round(seconds * FPS)
    span = Span(first, first + count, first / FPS, (first + count) / FPS)
    times = (first + np.arange(count + 1)) / FPS
    changes = np.full(count, 50, np.uint8) if changes is None else np.array(changes, np.uint8)
    bars = bars or Bars(Crop(0, 0, 640, 480))
    return Piece((640, 480), span, times, changes, bars, Evidence(performer, levels, flow))


def dancer(seconds=6.0, *, seen=None, sway=0.3, hidden=(), height=0.6, per_s=2, first=100):
    count = round(seconds * per_s)
    rng = np.random.default_rng(0)
    rest = np.stack([rng.uniform(0.4, 0.6, 17), np.linspace(0.2, 0.2 + height, 17)], -1)
    xy = rest[None] * 100 + sway * 20 * rng.standard_normal((count, 17, 2))
    score = np.ones((count, 17), np.float32)
    score[:, [NAMES.index(name) for name in hidden]] = 0.1
    boxes = np.tile([0.4, 0.2, 0.6, 0.2 + height], (count, 1))
    frames = first + np.arange(count) * (FPS // per_s)
    seen = np.ones(count, bool) if seen is None else np.array(seen, bool)
    return Performer(
        frames, frames / FPS, seen.astype(int), seen, boxes, xy, score, (100, 100), "coco-17", {}
    )


def settings(module, **values):
    defaults = {"min_s": 5.0, "multi_share": 0.25, "none_share": 0.5}
    model = module.FILTER.settings
    return model(**{key: value for key, value in defaults.items() if key in model.model_fields} | values)


def test_length_is_judged_of_whole_stretches_up_to_the_bound():
    rule = settings(length)
    assert length.examine(piece(5.0), rule) is None
    found = length.examine(piece(4.95), rule)
    assert (found.reason, found.value, found.threshold) == ("short", pytest.approx(4.95), 5.0)
    whole = piece(6.0)
    assert length.examine(whole.part(whole.span_of(100, 140), is_window=True), rule) is None
    assert settings(length, min_s=0.5).min_s == 0.5


def held(*runs, count=120, level=0):
    changes = np.full(count, 50)
    for start, end in runs:
        changes[start:end] = level
    return changes


@pytest.mark.parametrize(
    ("changes", "spans"),
    [
        (held((40, 60)), [(140, 160)]),
        (held((40, 59)), []),
        (held((0, 30), (80, 120)), [(100, 130), (180, 220)]),
        (held((40, 50), (51, 61)), [(140, 161)]),
        (held((40, 50), (52, 62)), []),
        (held((40, 60), level=2), [(140, 160)]),
        (held((40, 60), level=3), []),
        (held((0, 101)), []),
    ],
)
def test_a_held_picture_is_taken_out_from_a_second_on(changes, spans):
    found = frozen.exclude(piece(changes=changes), settings(frozen))
    assert [(one.span.start, one.span.end) for one in found] == spans
    assert all(one.rejection.value == one.span.duration_s for one in found)


def test_a_picture_that_settles_belongs_to_the_freeze():
    changes = held((40, 70))
    changes[36:40] = 5
    changes[70:72] = 6
    (found,) = frozen.exclude(piece(changes=changes), settings(frozen))
    assert (found.span.start, found.span.end) == (136, 170)


def sounding(*levels_db, missing=0.0):
    power = np.repeat(10 ** (np.array(levels_db) / 10), FRAMES_PER_S).astype(np.float32)
    return SoundLevels(5.0, power, np.full(len(power), missing, np.float32))


@pytest.mark.parametrize(
    ("levels", "said"),
    [
        (None, "no sound track"),
        (SoundLevels(5.0, np.zeros(300, np.float32), np.zeros(300, np.float32)), "muted"),
        (sounding(-20, -20, -20, -60, -60, -60), "50% of the seconds are silent"),
        (sounding(*[-20] * 6, missing=0.5), "holds nothing for 50%"),
    ],
)
def test_no_sound_says_what_is_amiss(levels, said):
    found = sound.examine(piece(levels=levels), settings(sound))
    assert found.reason == "no_sound" and said in found.message
    assert sound.examine(piece(levels=levels), settings(sound, required=False)) is None


def test_sound_below_the_bounds_is_kept():
    assert sound.examine(piece(levels=sounding(-20, -20, -20, -49, -60, -60)), settings(sound)) is None
    row = sound.measure(piece(levels=sounding(*[-20] * 6, missing=0.25)), settings(sound))
    assert row["sound_missing_s"] == pytest.approx(1.5)
    assert row["sound_level_db"] == pytest.approx(-20)


def test_what_a_file_lacks_is_a_share_of_its_frames():
    class Track:
        def read(self, start_s, end_s):
            wave = np.full((2, round((end_s - start_s) * 1000)), 0.5, np.float32)
            wave[:, ::2] *= -1
            return Sound(wave + 0.25, 1000, 0.5)  # an offset is not heard

    levels = measure_sound(Track(), 3.0, 4.5)
    np.testing.assert_allclose(levels.missing, np.repeat([0.5, 1.0], [50, 25]))
    np.testing.assert_allclose(levels.power, 0.25)
    assert SoundLevels(0.0, np.zeros(0), np.zeros(0)).silent_share(-50) == 1.0


def test_a_box_ends_with_the_picture():
    made = dancer(2.0)
    made.boxes[:] = [[-0.2, 0.1, 1.4, 0.9], [0.6, 0.1, 0.4, 0.9], [np.nan] * 4, [0.1, -1.0, 0.2, 2.0]]
    assert made.known_boxes() == [(5.0, (0.0, 0.1, 1.0, 0.9)), (6.5, (0.1, 0.0, 0.2, 1.0))]


def test_sound_of_a_window_is_its_own():
    whole = piece(levels=sounding(-10, -20, -30, -40, -50, -60))
    window = whole.part(whole.span_of(120, 160), is_window=True)
    assert len(window.sound.power) == 2 * FRAMES_PER_S
    assert window.sound.level_db == pytest.approx(10 * np.log10((1e-2 + 1e-3) / 2))


def test_pauses_make_speech_of_a_sound():
    words = np.tile(np.r_[np.full(10, 1e-2), np.full(6, 1e-6)], 20)[:300].astype(np.float32)
    row = sound.measure(piece(levels=SoundLevels(5.0, words, np.zeros(300, np.float32))), settings(sound))
    assert row["sound_guess"] == "speech"
    assert sound.measure(piece(levels=sounding(*[-20] * 6)), settings(sound))["sound_guess"] == "music"


@pytest.mark.parametrize(("quiet", "guess"), [(0.24, "music"), (0.25, "speech")])
def test_a_quarter_of_quiet_frames_is_speech(monkeypatch, quiet, guess):
    monkeypatch.setattr(SoundLevels, "quiet_share", quiet)
    assert sound.measure(piece(levels=sounding(*[-20] * 6)), settings(sound))["sound_guess"] == guess
    half = sounding(-20, -20, -20, -60, -60, -60)
    assert sound.measure(piece(levels=half), settings(sound))["sound_guess"] == "silence"
    assert sound.measure(piece(levels=half), settings(sound, silent_share=0.51))["sound_guess"] == guess


def flowing(residual, in_the_box=0.0, *, first=100, count=8):
    """Pairs of a picture that moves by ``residual``, and the performer's box of a fifth of it by ``in_the_box``."""
    grid = np.zeros((10, 10), np.float16)
    grid[2:8, 4:6] = in_the_box
    start_s = first / FPS + 0.25 * np.arange(count)
    return [FlowSample(at, at + 0.125, 2 * residual, 0.1, residual, grid) for at in start_s.tolist()]


def test_what_neither_moves_as_a_whole_nor_in_the_box_is_static():
    rule = settings(motion, static_below=0.5)
    box = np.hypot(2, 6) / np.hypot(10, 10)
    assert motion.examine(piece(flow=flowing(0.5)), rule) is None
    still_all = motion.examine(piece(flow=flowing(0.25), performer=dancer()), rule)
    assert (still_all.reason, still_all.value, still_all.threshold) == ("static", 0.25, 0.5)
    small_dancer = piece(flow=flowing(0.25, 1.0), performer=dancer())
    assert motion.examine(small_dancer, rule) is None
    row = motion.measure(small_dancer, rule)
    assert row["flow"] == row["flow_person"] == pytest.approx(1 / box, rel=1e-3)
    assert (row["flow_whole"], row["flow_residual"], row["flow_camera"]) == (0.5, 0.25, 0.1)


def test_people_are_looked_for_where_they_could_decide_alone():
    """Of no performer at all, so that asking for the box fails."""
    rule = settings(motion, static_below=0.5)
    assert motion.examine(piece(flow=flowing(0.5, 3.0)), rule) is None
    jerk = [*flowing(0.25, 0.04, count=7), *flowing(0.25, 3.0, first=180, count=1)]
    assert motion.examine(piece(flow=jerk), rule).value == 0.25
    assert motion.examine(piece(flow=flowing(0.25, 0.0498)), rule).value == 0.25
    for threshold, peak in ((0.5, 0.0502), (0.0625 / 0.1, 0.0625)):
        with pytest.raises(AttributeError):
            motion.examine(piece(flow=flowing(0.25, peak)), settings(motion, static_below=threshold))
    assert motion.examine(piece(), rule).value is None
    nobody = piece(flow=flowing(0.25))
    nobody.evidence.people_known = False
    row = motion.measure(nobody, rule)
    assert (row["flow"], row["flow_person"]) == (0.25, None)


def test_a_photo_is_static_and_a_dancer_is_not():
    assert still.examine(piece(performer=dancer(sway=0.3)), settings(still)) is None
    found = still.examine(piece(performer=dancer(sway=0.01)), settings(still))
    assert found.reason == "static" and found.value < found.threshold
    assert still.examine(piece(1.0, performer=dancer(1.0, sway=0.01)), settings(still)) is None


def test_a_pose_that_changes_by_the_bound_is_kept():
    swaying = piece(performer=dancer(sway=0.05))
    change = still.measure(swaying, settings(still))["pose_change"]
    assert still.examine(swaying, settings(still, pose_below=change)) is None
    assert still.examine(swaying, settings(still, pose_below=np.nextafter(change, 1))).value == change
    assert settings(still).pose_below == 0.045


def test_two_performers_or_none_in_a_share_of_the_samples():
    two = dancer()
    two.counts[:3] = 2
    found = people.examine(piece(performer=two), settings(people))
    assert (found.reason, found.value) == ("multi_person", 0.25)
    two.counts[2] = 1
    assert people.examine(piece(performer=two), settings(people)) is None
    none = people.examine(piece(performer=dancer(seen=[0, 1] * 6)), settings(people))
    assert (none.reason, none.value) == ("no_person", 0.5)


@pytest.mark.parametrize(
    ("gone", "spans"),
    [
        ((4, 8), [(140, 180)]),
        ((4, 7), []),
        ((0, 4), [(100, 140)]),
        ((8, 12), [(180, 220)]),
        ((3, 9), []),
    ],
)
def test_a_long_run_without_a_performer_is_taken_out(gone, spans):
    seen = np.ones(12, bool)
    seen[slice(*gone)] = False
    found = people.exclude(piece(performer=dancer(seen=seen)), settings(people))
    assert [(one.span.start, one.span.end) for one in found] == spans


def test_a_whole_body_shows_hips_and_feet_and_is_large_enough():
    rule = settings(full_body)
    assert full_body.examine(piece(performer=dancer()), rule) is None
    head = dancer(hidden=("left_hip", "right_hip", "left_ankle", "right_ankle"))
    assert full_body.examine(piece(performer=head), rule).reason == "part_of_body"
    knees = dancer(hidden=("left_ankle", "right_ankle"))
    assert full_body.examine(piece(performer=knees), rule).reason == "part_of_body"
    one_foot = dancer(hidden=("left_ankle",))
    assert full_body.examine(piece(performer=one_foot), rule) is None
    small = full_body.examine(piece(performer=dancer(height=0.19)), rule)
    assert (small.reason, small.value) == ("too_small", pytest.approx(0.19))
    assert full_body.examine(piece(performer=dancer(height=0.2001)), rule) is None
    anyone = settings(full_body, body_share=0, min_height=0)
    assert full_body.examine(piece(performer=head), anyone) is None


def test_feet_outside_the_picture_are_not_seen():
    below = dancer()
    below.xy[..., 1] += 45
    assert full_body.examine(piece(performer=below), settings(full_body)).value == 0.0


def test_bars_are_told_cropped_where_that_is_asked_and_bounded():
    rule = settings(bars_filter)
    blurred = piece(bars=Bars(Crop(160, 0, 320, 480), ("blurred",)))
    row = bars_filter.measure(blurred, rule)
    assert (row["bars"], row["bars_share"], row["cropped"]) == ("blurred", pytest.approx(0.5), True)
    assert (row["picture_left"], row["picture_width"]) == (160, 320)
    assert bars_filter.examine(blurred, rule) is None
    found = bars_filter.examine(blurred, settings(bars_filter, most=0.4))
    assert (found.reason, found.value, found.threshold) == ("mostly_bars", pytest.approx(0.5), 0.4)
    assert not bars_filter.measure(blurred, settings(bars_filter, crop=()))["cropped"]
    coloured = piece(bars=Bars(Crop(160, 0, 320, 480), ("colour",)))
    assert not bars_filter.measure(coloured, rule)["cropped"]
    row = bars_filter.measure(piece(), rule)
    assert (row["bars"], row["bars_share"], row["cropped"]) == ("none", 0, False)
