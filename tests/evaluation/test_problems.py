"""Where the music of a run is, and which problems may pass."""

import pytest

from evaluation.features.music import Listener
from evaluation.features.wanted import Wanted
from evaluation.inputs.discovery import Folder
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


def test_a_reference_video_without_sound_is_a_remark(tmp_path):
    listener = Listener.of(None, folder(tmp_path, "a.mp4", "b.json"), CORRECTED, Wanted(music=True))
    assert listener.names is None
    assert listener.listen(["a", "b"], Options(cache=tmp_path / "cache")) == []
    assert listener.remarks == ("no music in 1 reference videos: a.mp4",)


def test_given_music_without_sound_is_a_problem(tmp_path):
    folder(tmp_path, "a.wav")
    for protocol, dropped in ((CORRECTED, False), (OFFICIAL, True)):
        listener = Listener.of(tmp_path, None, protocol, Wanted(music=True))
        assert listener.names == {"a": "a.wav"}
        (problem,) = listener.listen(["a"], Options(cache=tmp_path / "cache"))
        assert (problem.reason, problem.dropped) == ("no_music", dropped)


def test_no_music_is_looked_for_where_no_metric_hears_it(tmp_path):
    assert Listener.of(tmp_path / "nowhere", None, CORRECTED, Wanted()).sounds is None
    assert wanted_by(CORRECTED).music and not wanted_by(load_protocol("edge-pfc")).music


def test_problems_pass_where_the_protocol_or_the_user_lets_them():
    one = Problem(clip_id="a", side="prediction", file="", reason="missing", message="no file", dropped=True)
    with pytest.raises(Refused, match=r"prediction a: no file \[missing\]"):
        refuse([one], CORRECTED, Options())
    refuse([], CORRECTED, Options())
    refuse([one], CORRECTED, Options(allow_missing=True))
    refuse([one], OFFICIAL, Options())
