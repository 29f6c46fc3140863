"""The rule that turns boundary probabilities into shots."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from madata.files import read_npz
from madata.shots import Shot, ShotSegmenter, Transition, scenes
from madata.shots.light import LightMeter

SIZE = (27, 48, 3)


def picture(seed):
    return np.random.default_rng(seed).integers(40, 200, SIZE).astype(np.float64)


def video(*parts):
    """Thumbnails from (first, last, n) parts: n mixtures of two pictures, or one picture held."""
    frames = []
    for first, last, count in parts:
        steps = np.arange(1, count + 1) / (count + 1)
        frames += [(1 - share) * first + share * last for share in steps]
    return np.round(frames).astype(np.uint8)


def steady_of(thumbnails):
    light = LightMeter()
    for thumbnail in thumbnails:
        light.feed(thumbnail)
    light.close()
    return light.take(len(thumbnails))


def segment(thumbnails, single, many_hot, step=50):
    segmenter, steady = ShotSegmenter(), steady_of(thumbnails)
    events = []
    for start in range(0, len(thumbnails), step):
        part = slice(start, start + step)
        events += segmenter.push(thumbnails[part], single[part], many_hot[part], steady=steady[part])
    events += segmenter.close()
    assert segmenter.decided == len(thumbnails)
    shots = [(e.start, e.end) for e in events if isinstance(e, Shot) and e.closed]
    return shots, [e for e in events if isinstance(e, Transition)]


def heads(count, single=(), many_hot=()):
    probabilities = np.zeros((2, count), np.float32)
    for row, marked in enumerate((single, many_hot)):
        for frames, value in marked:
            probabilities[row, frames] = value
    return probabilities


A, B, BLACK = picture(1), picture(2), np.zeros(SIZE)


def upstream_scenes(single, threshold):
    """The published loop, frame by frame."""
    found, before, start, high = [], 0, 0, -1
    for i, value in enumerate(single):
        high = int(value > threshold)
        if before == 1 and high == 0:
            start = i
        if before == 0 and high == 1 and i != 0:
            found.append([start, i])
        before = high
    if high == 0:
        found.append([start, len(single) - 1])
    return found or [[0, len(single) - 1]]


@given(st.lists(st.sampled_from([0.0, 0.5, 0.9]), min_size=1, max_size=30))
def test_scenes_equal_the_published_loop(values):
    single = np.array(values, np.float32)
    np.testing.assert_array_equal(scenes(single), upstream_scenes(single, 0.5))


def test_hard_cut_takes_no_frame():
    frames = video((A, A, 60), (B, B, 70))
    shots, transitions = segment(frames, *heads(130, [(59, 0.9)], [([58, 59], 0.8)]))
    assert shots == [(0, 60), (60, 130)]
    assert [(t.start, t.end, t.is_cut) for t in transitions] == [(60, 60, True)]
    assert transitions[0].single == pytest.approx(0.9)
    assert transitions[0].many_hot == pytest.approx(0.8)


def test_blended_frame_at_a_cut_is_left_out():
    frames = video((A, A, 60), (A, B, 1), (B, B, 70))
    shots, transitions = segment(frames, *heads(131, [(60, 0.9)], [(60, 0.7)]))
    assert shots == [(0, 60), (61, 131)]
    assert [(t.start, t.end) for t in transitions] == [(60, 61)]


def test_dissolve_grows_by_hysteresis():
    frames = video((A, A, 60), (A, B, 16), (B, B, 60))
    marked = [(slice(62, 74), 0.9), ([60, 61, 74, 75], 0.3), ([59, 76], 0.19)]
    shots, _ = segment(frames, *heads(136, [(67, 0.9)], marked))
    assert shots == [(0, 60), (76, 136)]


def test_fade_grows_while_the_level_changes():
    frames = video((A, A, 60), (A, BLACK, 16), (BLACK, B, 16), (B, B, 60))
    shots, _ = segment(frames, *heads(152, [(67, 0.9)], [(slice(64, 72), 0.9), (slice(80, 88), 0.9)]))
    (_, first_end), (second_start, _) = shots
    assert abs(first_end - 60) <= 1
    assert abs(second_start - 92) <= 1


def test_weak_many_hot_alone_is_no_transition():
    shots, transitions = segment(video((A, A, 100)), *heads(100, [], [(slice(40, 60), 0.45)]))
    assert shots == [(0, 100)]
    assert not transitions


def test_black_is_no_shot_and_no_fade_crosses_a_cut():
    frames = video((A, A, 60), (BLACK, BLACK, 30), (B, B, 60))
    shots, transitions = segment(frames, *heads(150, [([59, 89], 0.9)]))
    assert shots == [(0, 60), (90, 150)]
    assert [(t.start, t.end, t.blank) for t in transitions] == [(60, 90, 30)]


def test_black_from_start_to_end():
    shots, transitions = segment(video((BLACK, BLACK, 120)), *heads(120))
    assert not shots
    assert [(t.start, t.end, t.blank) for t in transitions] == [(0, 120, 120)]


def test_dark_flash_of_two_frames_is_part_of_a_shot():
    frames = video((A, A, 60), (BLACK, BLACK, 2), (A, A, 60))
    assert segment(frames, *heads(122))[0] == [(0, 122)]


def test_logo_on_black_between_two_fades_is_no_shot():
    logo = BLACK.copy()
    logo[:3] = 200
    frames = video((A, A, 60), (A, logo, 12), (logo, logo, 6), (logo, B, 12), (B, B, 60))
    shots, transitions = segment(frames, *heads(150, [], [(slice(60, 72), 0.9), (slice(78, 90), 0.9)]))
    assert len(shots) == 2
    assert len(transitions) == 1


def test_long_boundary_of_the_single_head_belongs_to_no_shot():
    single, many_hot = heads(120, [(slice(50, 54), 0.9)])
    shots, _ = segment(video((A, A, 51), (B, B, 69)), single, many_hot)
    assert shots == [(0, 51), (54, 120)]
    assert scenes(single).tolist() == [[0, 50], [54, 119]]


def test_growing_shot_comes_in_pieces():
    segmenter = ShotSegmenter()
    frames = video((A, A, 400))
    ends = []
    for start in range(0, 400, 50):
        for event in segmenter.push(frames[start : start + 50], np.zeros(50), np.zeros(50)):
            assert (event.index, event.start, event.closed) == (0, 0, False)
            ends.append(event.end)
            assert event.end == segmenter.decided
    assert ends == sorted(ends)
    assert len(ends) >= 6
    (last,) = [event for event in segmenter.close() if event.closed]
    assert (last.start, last.end) == (0, 400)


def test_memory_stays_flat():
    segmenter = ShotSegmenter()
    frames = video((A, A, 50))
    for _ in range(60):
        segmenter.push(frames, np.zeros(50), np.zeros(50))
    assert len(segmenter._pictures) < 400


def test_lengths_must_agree():
    with pytest.raises(ValueError, match="2 thumbnails, 3 and 2"):
        ShotSegmenter().push(np.zeros((2, *SIZE), np.uint8), np.zeros(3), np.zeros(2))


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 90))
def test_pieces_equal_one_go(seed, step):
    rng = np.random.default_rng(seed)
    count = 500
    smooth = np.convolve(rng.random(count + 8), np.ones(9) / 9, "valid")
    many_hot = np.clip((smooth - 0.4) * 4, 0, 1).astype(np.float32)
    single = (rng.random(count) ** 12).astype(np.float32)
    level = np.clip(np.cumsum(rng.normal(0, 4, count)) + 20, 0, 255)
    spread = rng.random(count).cumsum() % 7 > 2
    thumbnails = np.clip(
        level[:, None, None, None] + spread[:, None, None, None] * (A - 120)[None, ::9, ::12], 0, 255
    )
    thumbnails = thumbnails.astype(np.uint8)
    assert segment(thumbnails, single, many_hot, step) == segment(thumbnails, single, many_hot, count)


@pytest.mark.golden
@pytest.mark.media
def test_known_transitions(media_dir):
    """Hard cuts to the frame, dissolves and fades to two frames, on every crawl with a truth file."""
    truths = [path for path in sorted(media_dir.rglob("*_transnet.npz")) if truth_of(path).exists()]
    if not truths:
        pytest.skip("no crawl with a truth file")
    for path in truths:
        golden = read_npz(path)
        _, found = segment(golden["frames48x27"], golden["single"], golden["many_hot"])
        expected = json.loads(truth_of(path).read_text())["transitions"]
        assert len(found) == len(expected), path
        for got, want in zip(found, expected, strict=True):
            if want["type"] == "hard":
                assert (got.start, got.end) == (want["first_new_frame"],) * 2, path
            else:
                assert abs(got.start - want["start"]) <= 2, path
                assert abs(got.end - want["end"]) <= 2, path


def truth_of(path):
    return path.with_name(path.name.replace("_transnet.npz", ".json"))


def flicker(count, on=3, off=3):
    scene = picture(3)
    lit = np.arange(count) % (on + off) < on
    return np.round([scene if one else scene * 0.02 for one in lit]).astype(np.uint8)


@pytest.mark.parametrize(("on", "off"), [(3, 3), (1, 5), (2, 2), (6, 1)])
def test_strobe_light_is_no_transition(on, off):
    frames = flicker(240, on, off)
    single, many_hot = heads(240, single=[(slice(2, 238, 3), 0.9)], many_hot=[(slice(5, 235), 0.95)])
    assert segment(frames, single, many_hot)[0] == [(0, 240)]


def test_flashes_that_are_few_leave_the_rules_alone():
    frames = video((A, A, 60), (B, B, 60))
    frames[30] = 255
    single, many_hot = heads(120, single=[(59, 0.9)])
    assert segment(frames, single, many_hot)[0] == [(0, 60), (60, 120)]


def test_a_known_cut_is_a_boundary_in_any_light():
    for frames in (video((A, A, 120)), flicker(120)):
        segmenter = ShotSegmenter()
        cuts = np.zeros(120, bool)
        cuts[49] = True
        events = segmenter.push(frames, *heads(120), cuts, steady=steady_of(frames)) + segmenter.close()
        assert [(one.start, one.end) for one in events if isinstance(one, Shot) and one.closed] == [
            (0, 50),
            (50, 120),
        ]
