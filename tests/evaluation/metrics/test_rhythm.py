"""Rhythm where it is known: dances on, beside and across the beat, and the chance level beneath each number."""

import numpy as np
import pytest

from benchmarks.bodies import track_of
from evaluation.features.motion.beats import motion_beat_times
from evaluation.features.motion.body import clip_body
from evaluation.metrics.registry import check_metrics
from evaluation.metrics.rhythm import RHYTHMS, above_chance, rhythm_scores
from evaluation.protocol import load_protocol
from madata.synthetic.dance import STYLES, make_dance

BY_NAME = {one.name: one for one in RHYTHMS if not one.of_bars}
COUNT = 16
SONGS = [np.array([row]) for row in range(COUNT)]


def score(name, motion, music, tolerance_s=0.1):
    return float(rhythm_scores(BY_NAME[name], [np.asarray(motion)], [np.asarray(music)], tolerance_s)[0, 0])


def z_of(scores, means):
    chance, deviation = above_chance(scores, SONGS, np.random.default_rng(0), 200)
    return (np.asarray(means) - chance) / deviation


@pytest.fixture(scope="module")
def dances():
    rng, motion, music = np.random.default_rng(0), [], []
    for seed in range(COUNT):
        tempo, first = float(rng.uniform(85, 150)), float(rng.uniform(0, 0.5))
        style = STYLES[seed % len(STYLES)]
        made = make_dance(5.0, tempo_bpm=tempo, style=style, seed=seed, first_beat_s=first)
        motion.append(motion_beat_times(clip_body(track_of(made.motion))))
        music.append(made.beats_s)
    return motion, music


@pytest.mark.parametrize("name", BY_NAME)
def test_a_dance_to_its_own_music_is_far_above_chance_and_to_another_at_it(dances, name):
    motion, music = dances
    scores = rhythm_scores(BY_NAME[name], motion, music, 0.1)
    own, *dealt = z_of(
        scores, [np.nanmean(np.diagonal(np.roll(scores, shift, axis=1))) for shift in range(COUNT)]
    )
    assert own > 3
    assert abs(np.mean(dealt)) < 1
    assert np.mean(np.abs(dealt) < 2) >= 0.8


@pytest.mark.parametrize("name", BY_NAME)
def test_motion_capture_follows_its_own_beats(mocap, name):
    rng = np.random.default_rng(1)
    motion = [motion_beat_times(clip_body(clip)) for clip in mocap[:COUNT]]
    music = [np.sort(times + rng.normal(0, 0.03, len(times))) for times in motion]
    scores = rhythm_scores(BY_NAME[name], motion, music, 0.1)
    own = z_of(scores, np.nanmean(np.diagonal(scores)))
    assert own > 3 or (name == "tempo_agreement" and own > 1), "free stops have no tempo to speak of"


BEATS = np.arange(0.3, 10.0, 0.5)
ALL = dict.fromkeys(BY_NAME, 1)
KNOWN = {
    "on it": (BEATS, ALL),
    "every second": (BEATS[::2], ALL | {"beat_coverage": 0.5, "beat_f1": 2 / 3}),
    "the others": (BEATS[1::2], ALL | {"beat_coverage": 0.5, "beat_f1": 2 / 3}),
    "late": (
        BEATS + 0.2,
        {"beat_hit": 0, "beat_coverage": 0, "beat_f1": 0, "beat_phase": 1, "tempo_agreement": 1},
    ),
    "half the time": (BEATS[:10], ALL | {"beat_coverage": 0.5, "beat_f1": 2 / 3, "beat_continuity": 0.5}),
    "doubled": (np.arange(0.3, 10.0, 0.25), {"beat_hit": 20 / 39, "beat_coverage": 1, "beat_continuity": 1}),
    "another tempo": (np.arange(0.3, 10.0, 0.4), {"tempo_agreement": 0}),
}


@pytest.mark.parametrize("case", KNOWN)
def test_dances_whose_answer_is_known(case):
    motion, expected = KNOWN[case]
    found = {name: score(name, motion, BEATS) for name in expected}
    assert found == pytest.approx(expected, abs=0.02)


def test_the_tolerance_is_the_edge_of_a_hit():
    assert score("beat_f1", BEATS + 0.099, BEATS) == 1
    assert score("beat_f1", BEATS + 0.101, BEATS) == 0
    assert score("beat_f1", BEATS + 0.101, BEATS, tolerance_s=0.12) == 1


def test_two_stops_at_one_beat_are_one_hit():
    twice = np.sort(np.concatenate([BEATS - 0.08, BEATS + 0.08]))
    assert score("beat_hit", twice, BEATS) == 0.5
    assert score("beat_coverage", twice, BEATS) == 1


def test_stops_at_random_have_no_phase():
    rng = np.random.default_rng(3)
    found = [score("beat_phase", np.sort(rng.uniform(0.3, 9.7, 30)), BEATS) for _ in range(200)]
    assert np.mean(np.square(found)) == pytest.approx(0, abs=0.03)


def test_a_side_without_beats_has_no_value():
    for name in BY_NAME:
        assert np.isnan(score(name, [1.0], BEATS))
        assert np.isnan(score(name, BEATS, []))


def test_chance_is_that_of_other_songs_alone():
    scores = np.full((4, 4), 0.2)
    scores[:2, :2] = scores[2:, 2:] = 0.9
    two_songs = [np.array([0, 1]), np.array([2, 3])]
    assert above_chance(scores, two_songs, np.random.default_rng(0), 50)[0] == pytest.approx(0.2)
    assert np.isnan(above_chance(scores, [np.arange(4)], np.random.default_rng(0), 50)[0])


def test_the_protocols_ask_for_every_question_and_its_chance():
    for name in ("ma-rhythm3d", "ma-rhythm2d"):
        specs = check_metrics(load_protocol(name))
        assert [spec.name for spec in specs] == [n for one in RHYTHMS for n in (one.name, f"{one.name}_z")]
        assert {spec.group for spec in specs} == {"Rhythm"}
