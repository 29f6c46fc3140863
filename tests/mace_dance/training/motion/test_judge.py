"""What the samples of a training are judged by."""

import numpy as np
import pytest

from mace_dance.training.motion.judge import JUDGED, judge_dances, pieces_of
from madata.motion import encode
from madata.synthetic.dance import make_dance

FPS = 30


def made(seed, seconds=6.0, tempo=118.0):
    dance = make_dance(seconds, tempo_bpm=tempo, seed=seed)
    music = np.zeros((round(seconds * FPS), 35), np.float32)
    music[(dance.beats_s * FPS).round().astype(int).clip(max=len(music) - 1), -1] = 1
    return encode(dance.motion, "edge-151"), music


@pytest.fixture(scope="module")
def dances():
    pairs = [made(seed, tempo=90 + 12 * seed) for seed in range(6)]
    return [motion for motion, _ in pairs], [music for _, music in pairs]


def test_the_data_itself_is_best(dances):
    motions, music = dances
    real = judge_dances(motions, motions, music, "edge-151")
    assert tuple(real) == JUDGED
    assert real["fid_k"] == pytest.approx(0, abs=1e-6) and real["fid_g"] == pytest.approx(0, abs=1e-6)
    assert real["div_k"] == real["div_k_real"] > 0
    assert real["bas"] > 0.5 and real["bas_z"] > 2
    still = judge_dances(
        [np.repeat(each[:1], len(each), axis=0) for each in motions], motions, music, "edge-151"
    )
    assert still["fid_k"] > 10 and still["fid_g"] > 1 and still["bas"] is None


def test_two_pieces_have_no_chance_level(dances):
    motions, music = (side[:2] for side in dances)
    judged = judge_dances(motions, motions, music, "edge-151")
    assert judged["bas"] > 0.5 and judged["bas_z"] is None


def test_long_windows_are_cut_into_pieces_of_five_seconds():
    motion, music = made(0, seconds=16.0)
    assert len(pieces_of(motion, music, "edge-151")) == 3


def test_what_is_no_motion_is_counted(dances):
    motions, music = dances
    nothing = np.zeros_like(motions[0])
    judged = judge_dances([nothing, *motions[1:]], motions, music, "edge-151")
    assert (judged["unusable"], judged["pieces"]) == (1.0, 5.0) and judged["fid_k"] is not None
    none = judge_dances([nothing] * len(motions), motions, music, "edge-151")
    assert none["unusable"] == 6.0 and none["fid_k"] is None
