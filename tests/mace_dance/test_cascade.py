"""Music and a picture become a video: on the beat, with everything in between kept, the same after a kill."""

import json
import os
import signal
import subprocess
import sys
import time
import wave

import cv2
import numpy as np
import pytest
import torch
from click.testing import CliRunner

from evaluation.systems import find
from mace_dance.appearance.tiny import make_tiny
from mace_dance.motion.config import MotionExpertConfig
from mace_dance.motion.model import MotionExpert
from mace_dance.motion.normaliser import Normaliser
from mace_dance.motion.pretrained import ModelInfo, save_model
from madata.cli import madance
from madata.errors import MadanceError
from madata.files import read_json, read_npz
from madata.motion import encode, read_motion
from madata.synthetic.dance import make_dance
from madata.synthetic.music import make_music
from madata.video import probe

SECONDS = 2.1


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A song, a dancer's picture, a tiny model for each expert."""
    folder = tmp_path_factory.mktemp("cascade")
    torch.manual_seed(0)
    sizes = {"latent": 8, "feed_forward": 8, "heads": 2, "dance_layers": 1, "music_layers": 1, "genres": 3}
    config = MotionExpertConfig(**sizes)
    normaliser = Normaliser.fit(encode(make_dance(4.0, seed=3).motion, "edge-151"))
    info = ModelInfo(label="tiny-synthetic", training_data=("made:train",))
    save_model(folder / "motion", MotionExpert(config), config, normaliser, info)
    make_tiny(folder / "wan")
    with wave.open(str(folder / "song.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(22050)
        music = make_music(SECONDS, rate_hz=22050).music
        file.writeframes((music.waveform * 32767).astype("<i2").tobytes())
    cv2.imwrite(str(folder / "person.png"), np.full((96, 64, 3), 120, np.uint8))
    return folder


NO_FACES = ("animation.face=none", "animation.align=false")


def arguments(place, out, options=NO_FACES, *, wan="wan", data=None):
    """The command for one clip, or for a split of ``data``."""
    options = [f"motion.weights={place}/motion", "motion.steps=3", "animation.steps=2", *options]
    options += ["animation.segment_frames=9", *([f"animation.weights={place}/{wan}"] if wan else [])]
    given = ["--data", data] if data else ["--music", place / "song.wav", "--image", place / "person.png"]
    command = ["generate", "mace-dance", *given, "--out", out, "--size", "32x48"]
    return [*map(str, command), *(word for option in options for word in ("--set", option))]


@pytest.fixture(scope="module")
def whole(place, tmp_path_factory):
    """A clip that was made without a stop, and what was said meanwhile."""
    clip = tmp_path_factory.mktemp("whole") / "clip.mp4"
    done = CliRunner().invoke(madance, arguments(place, clip))
    assert done.exit_code == 0, done.exception
    return clip, done


def test_one_command_makes_a_video_as_long_as_its_music_and_keeps_what_lies_between(whole):
    clip, done = whole
    shown = probe(clip)
    assert (shown.fps, shown.size, shown.num_frames) == (15.0, (32, 48), round(SECONDS * 15))
    assert shown.audio is not None
    assert abs(shown.num_frames / shown.fps - SECONDS) <= 1 / 15
    parts = clip.with_suffix(".parts")
    kept = {path.relative_to(parts).as_posix() for path in parts.rglob("*") if path.is_file()}
    assert {
        "run.json", "motion.npz", "motion/music_features.npz", "animation/pose_video.mp4", "animation/plan.json",
        "animation/provenance.json", "animation/video/run.json", "animation/video/segments/000.mkv",
    } <= kept  # fmt: skip
    assert not [name for name in kept if ".tmp-" in name]
    assert read_npz(parts / "motion" / "music_features.npz")["values"].shape[1] == 35
    motion = read_motion(parts / "motion.npz")
    assert (motion.fps, len(motion.rotation)) == (30.0, 64)
    assert probe(parts / "animation" / "pose_video.mp4").num_frames == shown.num_frames
    record = read_json(clip.with_suffix(".json"))
    assert record["label"] == "motion tiny-synthetic, animation tiny-random"
    assert read_json(parts / "run.json")["loaded"]["label"] == record["label"]
    assert "motion: dancing" in done.stderr
    assert "animation: painting: segment" in done.stderr
    assert "memory plan" in done.stderr
    assert record["label"] in done.stdout


def test_options_reach_their_stage_or_are_refused():
    made = (
        find("mace-dance")
        .make({"beta": 0.25, "motion.steps": 7, "animation.steps": 3, "face": "none"})
        .instance
    )
    assert (made.motion.instance._sampling.beta, made.motion.instance._sampling.steps) == (0.25, 7)
    assert made.animation.instance._overrides == {"steps": 3}
    assert made.animation.instance._controls.face == "none"
    for options, words in (
        ({"steps": 3}, r"begin with motion\. or animation\., or are beta, .*not 'steps'"),
        ({"beta": 0.5, "motion.beta": 0.25}, r"motion\.beta is given twice"),
        ({"motion.betta": 0.5}, "motion-expert.*its options are: weights, beta"),
        ({"animation.stepps": 3}, "did you mean 'steps'"),
        ({"beta": 3.0}, "beta"),
    ):
        with pytest.raises(MadanceError, match=words):
            find("mace-dance").make(options)


def test_missing_weights_are_told_before_the_dance(place, tmp_path, monkeypatch):
    for name in ("MADANCE_WEIGHTS", "XDG_CACHE_HOME", "HF_HUB_CACHE"):
        monkeypatch.setenv(name, str(tmp_path / name))
    done = CliRunner().invoke(madance, arguments(place, tmp_path / "clip.mp4", wan=None))
    assert "madance weights fetch wan-animate" in str(done.exception)
    assert not (tmp_path / "clip.parts").exists()


def test_nobody_in_the_picture_is_told_before_the_dance(place, tmp_path):
    from madata.weights import known, locate

    if any(locate(entry) is None for entry in known(["wholebody"])):
        pytest.skip("the weights of wholebody are not on this machine")
    done = CliRunner().invoke(madance, arguments(place, tmp_path / "clip.mp4", ()))
    assert "nobody was found in the 32x48 reference picture" in str(done.exception)
    assert not (tmp_path / "clip.parts").exists()


def start(place, out, log):
    with log.open("w") as stream:
        return subprocess.Popen(
            [sys.executable, "-m", "madata.cli", *arguments(place, out)],
            stderr=stream,
            stdout=stream,
            env=os.environ,
        )


@pytest.mark.nightly
def test_killed_in_the_middle_it_ends_with_the_same_bytes(place, whole, tmp_path):
    killed = tmp_path / "killed" / "clip.mp4"
    segments = killed.with_suffix(".parts") / "animation" / "video" / "segments"
    run = start(place, killed, tmp_path / "log")
    begin = time.monotonic()
    while not (segments / "001.json").exists():
        assert run.poll() is None, (tmp_path / "log").read_text()
        assert time.monotonic() - begin < 600
        time.sleep(0.002)
    run.send_signal(signal.SIGKILL)
    run.wait()
    assert not killed.exists()
    motion = killed.with_suffix(".parts") / "motion.npz"
    stamps = {path: path.stat().st_mtime_ns for path in (motion, segments / "000.mkv", segments / "001.mkv")}
    again = CliRunner().invoke(madance, arguments(place, killed))
    assert again.exit_code == 0, again.exception
    assert killed.read_bytes() == whole[0].read_bytes()
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps


@pytest.mark.slow
def test_a_split_goes_on_inside_a_clip_and_is_scored(place, tmp_path):
    data, run = tmp_path / "data", tmp_path / "run"
    for name, source in (("a.wav", "song.wav"), ("a.png", "person.png")):
        folder = data / ("music" if name.endswith("wav") else "images")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes((place / source).read_bytes())
    command = [*arguments(place, run, data=data), "--keep-parts"]
    done = CliRunner().invoke(madance, command)
    assert done.exit_code == 0, (done.stderr, done.exception)
    first = (run / "clips" / "a.mp4").read_bytes()
    parts = run / "parts" / "a"
    stamp = (parts / "motion.npz").stat().st_mtime_ns
    (run / "clips" / "a.mp4").unlink()
    (parts / "animation" / "video" / "segments" / "001.json").unlink()
    assert CliRunner().invoke(madance, command).exit_code == 0
    assert (run / "clips" / "a.mp4").read_bytes() == first
    assert (parts / "motion.npz").stat().st_mtime_ns == stamp
    label = "motion tiny-synthetic, animation tiny-random"
    assert read_json(run / "run.json")["loaded"]["label"] == label
    scored = CliRunner().invoke(madance, ["score", str(run / "clips"), "--protocol", "vbench", "--json"])
    result = json.loads(scored.stdout)
    assert result["system"]["name"] == f"mace-dance ({label})"
    metrics = {metric["name"]: metric["value"] for metric in result["metrics"]}
    assert 0 < metrics["temporal_flickering"] <= 100
