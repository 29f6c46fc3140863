"""Where the music of a run is, and which problems may pass."""

import pytest

from evaluation.features.cache import FeatureCache
from evaluation.features.music import find_music_beats
from evaluation.inputs.discovery import Folder
from evaluation.inputs.sounds import find_sounds
from evaluation.metrics.registry import wanted_by
from evaluation.options import Options
from evaluation.problems import Refused, refuse
from evaluation.protocol import load_protocol
from evaluation.result import Problem

CORRECTED, OFFICIAL = load_protocol("ma-data-motion2d"), load_protocol("mace2d-official")


def folder(tmp_path, *names):
    for name in names:
        (tmp_path / name).write_bytes(b"no sound in here")
    return Folder(tmp_path, {name.split(".")[0]: tmp_path / name for name in names})


def beats_of(sounds, protocol, tmp_path):
    return find_music_beats(sounds, sounds.files, protocol, FeatureCache(tmp_path / "cache"), 1)


def test_a_reference_video_without_sound_is_a_remark(tmp_path):
    sounds = find_sounds(None, folder(tmp_path, "a.mp4", "b.json"), "ab")
    assert list(sounds.files) == ["a"]
    beats = beats_of(sounds, CORRECTED, tmp_path)
    assert beats.problems == []
    assert beats.warnings == ("no music in 1 reference videos: a.mp4",)


def test_given_music_without_sound_is_a_problem(tmp_path):
    folder(tmp_path, "a.wav")
    for protocol, dropped in ((CORRECTED, False), (OFFICIAL, True)):
        sounds = find_sounds(tmp_path, None, "a")
        assert list(sounds.files) == ["a"]
        (problem,) = beats_of(sounds, protocol, tmp_path).problems
        assert (problem.reason, problem.dropped) == ("no_music", dropped)


def test_where_nothing_sounds_there_is_no_music(tmp_path):
    assert find_sounds(None, folder(tmp_path, "b.json"), "b") is None
    assert find_sounds(None, None, ()) is None
    assert wanted_by(CORRECTED).music and not wanted_by(load_protocol("edge-pfc")).music


def test_problems_pass_where_the_protocol_or_the_user_lets_them():
    one = Problem(clip_id="a", side="prediction", file="", reason="missing", message="no file", dropped=True)
    with pytest.raises(Refused, match=r"prediction a: no file \[missing\]"):
        refuse([one], CORRECTED, Options())
    refuse([], CORRECTED, Options())
    refuse([one], CORRECTED, Options(allow_missing=True))
    refuse([one], OFFICIAL, Options())
