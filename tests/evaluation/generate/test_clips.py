"""Which clips a folder of files holds."""

import numpy as np
import pytest
from click.testing import CliRunner

from evaluation.generate import Settings, generate, read_clips
from madata.cli import madance
from madata.errors import MadanceError
from madata.files import read_json
from madata.motion import write_motion
from madata.synthetic.dance import make_dance
from madata.video import write_video
from tests.evaluation.generate.made import LOGGING_SYSTEM, dance, make_tone, paint, plugin_of, silence


def test_splits_are_subfolders_and_stems_are_clips(tmp_path):
    for split, clip in (("test", "a"), ("test", "b"), ("train", "c")):
        silence(tmp_path / split / "music" / f"{clip}.wav", 1.0)
    found = read_clips(tmp_path, None, task="motion")
    assert (found.split, [clip.clip_id for clip in found.clips]) == ("test", ["a", "b"])
    assert [clip.clip_id for clip in found.others] == ["c"]
    assert found.clips[0].duration_s == pytest.approx(1.0)
    assert [clip.clip_id for clip in read_clips(tmp_path, "train", task="motion").clips] == ["c"]
    before = found.identity["data"]["sha256"]
    silence(tmp_path / "test" / "music" / "d.wav", 1.0)
    assert read_clips(tmp_path, None, task="motion").identity["data"]["sha256"] != before


@pytest.mark.parametrize(
    ("files", "task", "split", "words"),
    [
        ({"notes.txt"}, "motion", None, "holds no music, video or motion"),
        ({"music/a.wav", "other/a.wav"}, "motion", None, "two files for its music"),
        ({"test/a.wav", "train/a.wav"}, "motion", None, "'a' is in two splits"),
        ({"a.wav"}, "motion", "val", "no subfolder 'val'"),
        ({"a.wav", "b.wav"}, "video", None, "needs a reference picture or a video, there is none (a, b)"),
        ({"a.wav", "a.png"}, "animation", None, "needs keypoints, there is none (a)"),
    ],
)
def test_a_folder_that_lacks_something_is_refused(tmp_path, files, task, split, words):
    for name in files:
        path = tmp_path / "d" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        silence(path, 1.0) if path.suffix == ".wav" else path.write_text("x")
    with pytest.raises(MadanceError) as caught:
        read_clips(tmp_path / "d", split, task=task)
    assert words in str(caught.value)


def test_clips_that_lack_something_are_left_out_and_named(tmp_path):
    for clip in ("good", "dumb", "torn"):
        write_motion(tmp_path / "d" / "motions" / f"{clip}.npz", make_dance(0.5).motion)
        silence(tmp_path / "d" / "music" / f"{clip}.wav", 1.0)
    (tmp_path / "d" / "music" / "dumb.wav").unlink()
    for place in ("music", "more"):
        silence(tmp_path / "d" / place / "twin.wav", 1.0)
    (tmp_path / "d" / "motions" / "torn.npz").write_bytes(b"no archive")
    (tmp_path / "mine.py").write_text(LOGGING_SYSTEM.replace("Slow", "Mine"))
    arguments = ["generate", f"{tmp_path}/mine.py:Mine", "--data", str(tmp_path / "d"), "--out"]
    planned = CliRunner().invoke(madance, [*arguments, str(tmp_path / "run"), "--dry-run"])
    assert planned.stdout.splitlines()[0] == "motion: 1 clips of d (0 are done)"
    assert "left out: dumb: the task motion needs music, there is none" in planned.stdout
    assert not (tmp_path / "run").exists()
    run = CliRunner().invoke(
        madance, [*arguments, str(tmp_path / "run")], env={"CALLS": str(tmp_path / "log")}
    )
    assert run.exit_code == 1
    assert "1 of 4 clips" in run.stdout
    assert "failed  twin: two files for its music: " in run.stderr
    assert "failed  dumb: the task motion needs music, there is none" in run.stderr
    assert "failed  torn: " in run.stderr
    assert "torn.npz" in run.stderr
    assert (tmp_path / "log").read_text() == "good\n"
    report = read_json(tmp_path / "run" / "report.json")
    assert (report["clips"], report["done"], sorted(report["failed"])) == (4, 1, ["dumb", "torn", "twin"])


def test_an_official_list_chooses_its_clips_out_of_a_whole_download(tmp_path):
    """Motions and music as AIST++ hands them out: many dances to one piece, found by the fifth field."""
    test = ["gLH_sBM_cAll_d17_mLH4_ch02", "gLH_sBM_cAll_d18_mLH4_ch02", "gBR_sBM_cAll_d04_mBR0_ch02"]
    for number, name in enumerate([*test[:2], "gBR_sBM_cAll_d04_mBR1_ch02"]):
        write_motion(tmp_path / "AIST" / "motions" / f"{name}.pkl", make_dance(0.5 + number / 10).motion)
    for music in ("mLH4", "mBR0", "mBR1"):
        silence(tmp_path / "AIST" / "wav" / f"{music}.wav", 2.0)
    found = read_clips(tmp_path / "AIST", "aist++:crossmodal-test", task="motion")
    clips = {clip.clip_id: clip for clip in found.clips}
    assert len(clips) == 20
    assert {clip.music.stem for clip in (clips[test[0]], clips[test[1]])} == {"mLH4"}
    assert clips[test[0]].source_id == "mLH4"
    assert [clips[name].duration_s for name in test] == pytest.approx([0.5, 0.6, 2.0])
    assert [(clip.clip_id, clip.music.stem) for clip in found.others] == [
        ("gBR_sBM_cAll_d04_mBR1_ch02", "mBR1")
    ]
    plugin = plugin_of(dance)
    summary = generate(plugin, tmp_path / "AIST", tmp_path / "run", Settings(split="aist++:crossmodal-test"))
    assert (summary.clips, summary.done, len(summary.failed)) == (20, 4, 16)
    assert set(summary.failed.values()) == {"the data set does not hold it"}
    assert test[0] in {request.clip_id for request in plugin.asked}


def test_a_video_without_sound_has_no_music(tmp_path):
    write_video(tmp_path / "d" / "a.mp4", [np.zeros((32, 32, 3), np.uint8)] * 8, 16)
    write_video(tmp_path / "d" / "b.mp4", [np.zeros((32, 32, 3), np.uint8)] * 8, 16, audio=make_tone(50))
    plugin = plugin_of(paint, "video")
    summary = generate(plugin, tmp_path / "d", tmp_path / "run", Settings())
    assert [request.clip_id for request in plugin.asked] == ["b"]
    assert (summary.done, list(summary.failed)) == (1, ["a"])
