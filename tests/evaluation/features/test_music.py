"""Beats are found once per content, laid onto the frames of each row, and unreadable music is named."""

import wave

import numpy as np
import pytest

from evaluation.features import music as beat_finder
from evaluation.features.cache import FeatureCache
from evaluation.features.motion.rows import Window, motion_rows
from evaluation.features.music import MusicBeats, attach_beats, find_beats
from evaluation.inputs.pose_files import JointTrack
from evaluation.protocol import load_protocol
from tests.evaluation.dancers import dance

CORRECTED, OFFICIAL = load_protocol("ma-data-motion2d"), load_protocol("mace2d-official")


@pytest.fixture
def heard(monkeypatch):
    files = []

    def beats(path, method):
        files.append(path.name)
        return np.array([0.5, 1.0]), 0.7

    monkeypatch.setattr(beat_finder, "beats_of_file", beats)
    return files


def test_equal_contents_are_heard_once_and_never_again(tmp_path, heard):
    files = {name: tmp_path / f"{name}.wav" for name in "abc"}
    for name, path in files.items():
        path.write_bytes(b"same" if name != "c" else b"other")
    first = find_beats(files, "corrected", cache=FeatureCache(tmp_path))
    assert len(heard) == 2
    second = find_beats(files, "corrected", cache=FeatureCache(tmp_path))
    assert len(heard) == 2
    assert first.beats_s["b"].tolist() == second.beats_s["b"].tolist() == [0.5, 1.0]
    assert first.confidence == {"a": 0.7, "b": 0.7, "c": 0.7}
    find_beats(files, "mace2d", cache=FeatureCache(tmp_path))
    assert len(heard) == 4


def test_an_aist_name_is_part_of_the_key_where_its_tempo_is_read(tmp_path, heard):
    names = {name: tmp_path / f"gBR_sBM_cAll_d04_{name}_ch01.wav" for name in ("mBR0", "mBR1")}
    for path in names.values():
        path.write_bytes(b"same")
    find_beats(names, "edge30", cache=FeatureCache(tmp_path))
    assert len(heard) == 2


def test_music_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"this is not sound")
    found = find_beats({"a": tmp_path / "a.wav"}, "corrected", cache=FeatureCache(tmp_path / "cache"))
    assert found.beats_s == {}
    (problem,) = found.problems
    assert (problem.clip_id, problem.side, problem.file) == ("a", "music", "a.wav")
    assert str(tmp_path) not in problem.message


@pytest.mark.slow
def test_processes_find_what_one_process_finds(tmp_path):
    rng = np.random.default_rng(0)
    files = {}
    for number in range(16):
        clicks = np.zeros(22050 * 3, np.int16)
        clicks[:: 8000 + 500 * number] = 30000
        clicks += rng.integers(-50, 50, len(clicks)).astype(np.int16)
        files[f"c{number}"] = path = tmp_path / f"c{number}.wav"
        with wave.open(str(path), "wb") as sound:
            sound.setnchannels(1)
            sound.setsampwidth(2)
            sound.setframerate(22050)
            sound.writeframes(clicks.tobytes())
    alone = find_beats(files, "mace2d", cache=FeatureCache(tmp_path / "one"))
    together = find_beats(files, "mace2d", jobs=2, cache=FeatureCache(tmp_path / "two"))
    assert {clip: beats.tolist() for clip, beats in alone.beats_s.items()} == {
        clip: beats.tolist() for clip, beats in together.beats_s.items()
    }


def row(definition, start_s=0.0, frames=64):
    clip = dance(0, frames=frames)
    return motion_rows(
        [Window("a", 0, start_s, JointTrack(clip[..., :2], clip[..., 2], "coco-25", 16.0, "-y", "x"))],
        definition,
        {},
    )


def test_the_official_grid_floors_and_drops_what_lies_behind_the_clip():
    beats = MusicBeats({"a": np.array([0.0, 0.9999, 1.03, 3.99, 4.0])}, {"a": 1.0}, {}, [])
    found = attach_beats(row("mace2d"), beats, OFFICIAL)
    assert found.music_beats[0].tolist() == [0, 15, 16, 63]
    assert found.heard.tolist() == [True]


def test_corrected_beats_count_from_the_start_of_the_window_and_must_be_sure():
    beats = MusicBeats({"a": np.array([4.9, 5.25, 8.0, 9.0])}, {"a": 0.5}, {}, [])
    found = attach_beats(row("corrected", start_s=5.0), beats, CORRECTED)
    np.testing.assert_allclose(found.music_beats[0], [0.25, 3.0])
    rule = CORRECTED.beats.model_copy(update={"min_confidence": 0.6})
    strict = CORRECTED.model_copy(update={"beats": rule})
    unsure = attach_beats(row("corrected", start_s=5.0), beats, strict)
    assert unsure.music_beats[0].size == 0
    assert unsure.heard.tolist() == [True]


def test_a_clip_without_music_is_not_heard():
    found = attach_beats(row("mace2d"), MusicBeats({}, {}, {}, []), OFFICIAL)
    assert found.heard.tolist() == [False]
