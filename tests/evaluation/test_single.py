"""One clip of a user's own: the right length, whole, with its record; bad material is refused by name and early."""

import json
import os
import pickle
import signal
import subprocess
import sys
import time
import wave
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from evaluation.generate import ClipInputs, Settings, generate_clip, own_clip, pictures, plan_clip
from evaluation.systems import find
from madata.cli import madance
from madata.errors import MadanceError, MediaError
from madata.files import read_json, sha256_file, write_npz
from madata.motion import read_motion, write_motion
from madata.synthetic.dance import make_dance
from madata.synthetic.music import make_music
from madata.video import Decoder, probe, read_audio

SYSTEMS = """
import numpy as np
from evaluation.systems import Card, system
from madata.errors import MadanceError
from madata.motion import with_skeleton
from madata.synthetic.dance import make_dance

@system("dancer", task="motion", fps=60.0)
class Dancer:
    def __init__(self, style="groove"):
        self.style = style

    def generate(self, request):
        return make_dance(request.duration_s, fps=request.fps, style=self.style, seed=request.seed).motion

@system("own-body", task="motion")
class OwnBody(Dancer):
    def generate(self, request):
        return with_skeleton(super().generate(request), "smplx-22")

@system("painter", task="animation", fps=15.0, size=(64, 96))
class Painter:
    def __init__(self, limit=9000):
        self.limit = limit

    def plan(self, request, device):
        if request.num_frames > self.limit:
            raise MadanceError("too many frames for me")
        return [f"{request.num_frames} frames on {device}"]

    def generate(self, request):
        request.report("painting", 0.5)
        if request.keep is not None:
            request.keep.mkdir(parents=True, exist_ok=True)
            (request.keep / "piece.txt").write_text("a piece")
        w, h = request.size
        for k in range(request.num_frames):
            frame = np.zeros((h, w, 3), np.uint8)
            x, y = np.clip(request.pose.xy[k, 0], 0, (w - 1, h - 1)).astype(int)
            frame[y, x] = 255
            yield frame

@system("picky", task="video", size=(64, 96))
class Picky:
    def plan(self, request, device):
        raise MadanceError(f"{request.image}: shows nobody")

    def generate(self, request):
        return []

@system("broken", task="motion")
def broken(request):
    raise ValueError("no idea")
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A song of 2.3 s in stereo, a person, the systems above."""
    folder = tmp_path_factory.mktemp("single")
    (folder / "systems.py").write_text(SYSTEMS)
    wav(folder / "song.wav", make_music(2.3, rate_hz=22050).music.waveform)
    cv2.imwrite(str(folder / "person.png"), np.full((120, 60, 3), (10, 20, 200), np.uint8))
    return folder


def wav(path, waveform, rate_hz=22050, channels=2):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(np.repeat((waveform * 32767).astype("<i2"), channels).tobytes())
    return path


def run(place, system, out, *extra, music="song.wav", image=None):
    arguments = ["generate", f"{place}/systems.py:{system}" if system else "", "--out", str(out)]
    arguments += ["--music", str(place / music)] if music else []
    arguments += ["--image", str(place / image)] if image else []
    return CliRunner().invoke(madance, [*arguments, *map(str, extra)])


def test_a_motion_as_long_as_its_music_with_a_preview_that_sounds(place, tmp_path):
    out, preview = tmp_path / "dance.npz", tmp_path / "dance.mp4"
    done = run(
        place, "Dancer", out, "--preview", preview, "--seed", 5, "--set", "style=pop", "--duration", 1.1
    )
    assert done.exit_code == 0, done.output
    motion = read_motion(out)
    assert (motion.fps, len(motion.rotation)) == (60.0, 66)
    expected = make_dance(1.1, fps=60.0, style="pop", seed=5).motion
    np.testing.assert_array_equal(motion.rotation, expected.rotation)
    shown = probe(preview)
    assert (shown.num_frames, shown.fps, shown.audio.channels) == (66, 60.0, 2)
    record = read_json(tmp_path / "dance.json")
    assert record["sha256"] == sha256_file(out)
    assert record["inputs"] == {"music": {"name": "song.wav", "sha256": sha256_file(place / "song.wav")}}
    assert (record["seed"], record["system"]["options"], record["num_frames"]) == (5, {"style": "pop"}, 66)
    assert {"madance", "numpy", "python"} <= record["versions"].keys()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dance.json", "dance.mp4", "dance.npz"]


def test_a_pickle_at_the_rate_its_readers_take(place, tmp_path):
    out = tmp_path / "dance.pkl"
    assert run(place, "Dancer", out).exit_code == 0
    with out.open("rb") as stream:
        theirs = pickle.load(stream)
    assert theirs["full_pose"].shape == (69, 24, 3)
    whole = make_dance(2.3, fps=60.0).motion
    np.testing.assert_allclose(read_motion(out).translation[:, 0], whole.translation[::2, 0], atol=1e-6)


def test_a_dance_that_a_pickle_cannot_hold_is_not_lost(place, tmp_path):
    said = str(run(place, "OwnBody", tmp_path / "dance.pkl").exception)
    assert "a .pkl holds SMPL's mean body, not smplx-22" in said
    assert f"this dance is in {tmp_path / 'dance.npz'}" in said
    kept = (tmp_path / "dance.npz").read_bytes()
    assert len(read_motion(tmp_path / "dance.npz").rotation) == 69
    (tmp_path / "dance.npz").write_bytes(b"mine")
    assert "this dance" not in str(run(place, "OwnBody", tmp_path / "dance.pkl").exception)
    assert (tmp_path / "dance.npz").read_bytes() == b"mine" != kept


def test_a_video_on_the_music_with_its_pieces_kept(place, tmp_path):
    out = tmp_path / "clip.mp4"
    system = f"cascade:{place}/systems.py:Dancer+{place}/systems.py:Painter"
    inputs = ClipInputs(place / "song.wav", place / "person.png")
    told, planned = [], []
    record = generate_clip(
        find(system), inputs, out, Settings(seed=3),
        on_plan=planned.extend, on_report=lambda doing, share: told.append((doing, share)),
    )  # fmt: skip
    shown = probe(out)
    assert (shown.num_frames, shown.fps, shown.size) == (round(2.3 * 15), 15.0, (64, 96))
    assert abs(shown.num_frames / shown.fps - 2.3) < 1 / 15
    heard, song = (read_audio(path, rate_hz=44100) for path in (out, place / "song.wav"))
    count = min(len(heard.waveform), len(song.waveform))
    assert np.corrcoef(heard.waveform[:count], song.waveform[:count])[0, 1] > 0.99
    parts = tmp_path / "clip.parts"
    assert sorted(path.name for path in parts.iterdir()) == ["animation", "motion.npz", "run.json"]
    assert len(read_motion(parts / "motion.npz").rotation) == 136
    assert planned == ["video: 34 frames at 15 per second (2.27 s), 64x96", "animation: 34 frames on cpu"]
    assert ("animation: painting", pytest.approx(0.525)) in told
    assert record == read_json(tmp_path / "clip.json")


def test_what_is_finished_stays_and_what_is_other_is_never_overwritten(place, tmp_path):
    out = tmp_path / "dance.npz"
    run(place, "Dancer", out)
    before = out.stat().st_mtime_ns
    assert run(place, "Dancer", out, "--preview", tmp_path / "later.mp4").exit_code == 0
    assert out.stat().st_mtime_ns == before
    assert (tmp_path / "later.mp4").exists()
    again = run(place, "Dancer", out, "--seed", 1)
    assert "made from another request; different are: seed was 0, is 1" in str(again.exception)
    other = run(place, "Dancer", tmp_path / "dance.pkl")
    assert "dance.json is not the record of dance.pkl" in str(other.exception)
    write_motion(tmp_path / "mine.npz", make_dance(1.0).motion)
    mine = run(place, "Dancer", tmp_path / "mine.npz")
    assert "exists already" in str(mine.exception)


def test_an_animation_follows_a_pose_by_time(place, tmp_path):
    dance = make_dance(2.0, fps=60.0).motion
    write_motion(tmp_path / "pose.npz", dance)
    out = tmp_path / "clip.mp4"
    done = run(place, "Painter", out, "--pose", tmp_path / "pose.npz", music=None, image="person.png")
    assert done.exit_code == 0, done.exception
    assert (probe(out).num_frames, probe(out).audio) == (30, None)
    keypoints = {"xy": np.full((20, 24, 2), 7.0), "score": np.ones((20, 24)), "skeleton": "smpl-24"}
    write_npz(tmp_path / "points.npz", **keypoints, size=np.array([32, 48]), fps=10.0)
    out = tmp_path / "points.mp4"
    done = run(place, "Painter", out, "--pose", tmp_path / "points.npz", image="person.png")
    assert done.exit_code == 0, done.exception
    assert (probe(out).num_frames, probe(out).audio is None) == (30, False)
    with Decoder(out) as decoder:
        first = next(iter(decoder)).scaled((64, 96))
    assert np.unravel_index(first[..., 0].argmax(), (96, 64)) == (14, 14)
    write_npz(tmp_path / "wide.npz", **keypoints, size=np.array([48, 32]), fps=10.0)
    done = run(place, "Painter", tmp_path / "w.mp4", "--pose", tmp_path / "wide.npz", image="person.png")
    assert "picture of 48x32" in str(done.exception)


def test_the_picture_is_shown_whole(place, tmp_path):
    pictures.write_picture(place / "person.png", tmp_path / "p.png", (96, 96), "pad")
    image = cv2.imread(str(tmp_path / "p.png"))
    assert image.shape == (96, 96, 3)
    lit = np.flatnonzero(image[48, :, 2] > 100)
    assert (len(lit), lit[0]) == (48, 24)
    assert image[:, 48, 2].min() > 100
    assert pictures.own_size(place / "person.png") == (60, 120)


def test_a_plan_is_told_without_anything_being_made(place, tmp_path):
    write_motion(tmp_path / "pose.npz", make_dance(1.0).motion)
    extra = ["--pose", tmp_path / "pose.npz", "--dry-run"]
    done = run(place, "Painter", tmp_path / "clip.mp4", *extra, music=None, image="person.png")
    assert done.stdout.splitlines() == [
        "animation: 15 frames at 15 per second (1.00 s), 64x96",
        "15 frames on cpu",
    ]
    refused = run(
        place, "Painter", tmp_path / "c.mp4", *extra, "--set", "limit=3", music=None, image="person.png"
    )
    assert "too many frames for me" in str(refused.exception)
    assert [path.name for path in tmp_path.iterdir()] == ["pose.npz"]


def test_what_came_to_nothing_does_not_hold_the_name(place, tmp_path):
    write_motion(tmp_path / "pose.npz", make_dance(1.0).motion)
    out = tmp_path / "clip.mp4"
    (tmp_path / "clip.parts").mkdir()
    (tmp_path / "clip.parts" / "run.json").write_text('{"seed": 99}')
    done = run(place, "Painter", out, "--pose", tmp_path / "pose.npz", music=None, image="person.png")
    assert done.exit_code == 0, done.exception
    (tmp_path / "other.parts").mkdir()
    (tmp_path / "other.parts" / "run.json").write_text('{"seed": 99}')
    (tmp_path / "other.parts" / "piece").write_text("of another run")
    refused = run(
        place,
        "Painter",
        tmp_path / "other.mp4",
        "--pose",
        tmp_path / "pose.npz",
        music=None,
        image="person.png",
    )
    assert "holds another run" in str(refused.exception)


@pytest.mark.parametrize(
    ("music", "words"), [("noise.wav", "noise.wav: "), ("blink.wav", "the pose 1.00 s: give music as long")]
)
def test_the_sound_of_an_animation_is_judged_before_any_work(place, bad, tmp_path, music, words):
    write_motion(tmp_path / "pose.npz", make_dance(1.0).motion)
    extra = ["--pose", tmp_path / "pose.npz", "--dry-run", "--music", bad / music]
    refused = run(place, "Painter", tmp_path / "c.mp4", *extra, music=None, image="person.png")
    assert words in str(refused.exception)


@pytest.fixture(scope="module")
def bad(place, tmp_path_factory):
    """The song and the person, and what is wrong with others."""
    folder = tmp_path_factory.mktemp("bad")
    for name in ("song.wav", "person.png"):
        (folder / name).write_bytes((place / name).read_bytes())
    wav(folder / "silent.wav", np.zeros(44100))
    wav(folder / "blink.wav", make_music(0.3, rate_hz=22050).music.waveform)
    wav(folder / "hour.wav", np.full(3601 * 100, 0.5), rate_hz=100, channels=1)
    (folder / "noise.wav").write_bytes(bytes(range(256)) * 40)
    (folder / "text.png").write_text("no picture")
    return folder


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"music": "absent.wav"}, "absent.wav: no such file"),
        ({"music": "."}, ": is a folder; --music takes one file, and --data a folder"),
        ({"music": "noise.wav"}, "noise.wav: "),
        ({"music": "silent.wav"}, "is silent"),
        ({"music": "blink.wav"}, "lasts 0.30 s, a clip needs at least 1 s"),
        ({"music": "hour.wav"}, "lasts 3601 s, more than 600 s: say how much of it is wanted"),
        ({"extra": ["--duration", "9"]}, "lasts 2.30 s, --duration asks for 9 s"),
        ({"image": "text.png"}, "text.png: cannot be read as a picture"),
        ({"image": None}, "the task video needs --image FILE"),
        ({"extra": ["--size", "63x96"]}, "two even sides"),
        ({"extra": ["--size", "63x"]}, "expected WIDTHxHEIGHT"),
        ({"extra": ["--seed", "4294967296"]}, "--seed must be 0 to 4294967295"),
        ({"out": "clip.npz"}, "makes a video: the name must end in .mp4"),
        ({"system": "absent"}, "there is no system 'absent'"),
        ({"system": "ground-truth"}, "looks at the real clips of a data set"),
        ({"extra": ["--data", "here"]}, "--music does not go with --data"),
        ({"extra": ["--limit", "2"]}, "--limit does not go with one clip"),
        ({"extra": ["--preview", "p.mp4"]}, "a video needs none"),
    ],
    ids=lambda value: str(value)[:40],
)  # fmt: skip
def test_bad_material_is_refused_by_name_before_any_work(tmp_path, change, words, place, bad):
    pair = f"cascade:{place}/systems.py:Dancer+{place}/systems.py:Painter"
    asked = {
        "music": "song.wav",
        "image": "person.png",
        "out": "clip.mp4",
        "extra": [],
        "system": pair,
    } | change
    arguments = ["generate", asked["system"], "--out", str(tmp_path / asked["out"]), *asked["extra"]]
    for name in ("music", "image"):
        arguments += [f"--{name}", str(bad / asked[name])] if asked[name] else []
    begin = time.process_time()
    done = CliRunner().invoke(madance, arguments)
    assert time.process_time() - begin < 5
    said = done.output + str(done.exception)
    assert words in said
    assert len(str(done.exception).splitlines()) == 1
    assert not list(tmp_path.glob("clip.*"))


def test_what_a_system_says_of_the_picture_names_the_users_file(place, tmp_path):
    for extra in ((), ("--dry-run",)):
        done = run(place, "Picky", tmp_path / "clip.mp4", *extra, image="person.png")
        assert str(done.exception) == f"picky: {place / 'person.png'}: shows nobody"
    assert not list(tmp_path.iterdir())


def test_a_picture_that_unpacks_to_gigabytes_is_refused_by_its_header(place, tmp_path):
    import struct
    import zlib

    def chunk(content):
        return struct.pack(">I", len(content) - 4) + content + struct.pack(">I", zlib.crc32(content))

    header = chunk(b"IHDR" + struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0))
    (place / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT" + bytes(8)))
    done = run(place, "Picky", tmp_path / "clip.mp4", image="bomb.png")
    assert "bomb.png: has more than 200 million pixels" in str(done.exception)


def test_a_wrong_option_is_told_before_anything_is_begun(place, tmp_path):
    for out, extra in (("dance.npz", ()), ("run", ("--data", place))):
        done = run(
            place, "Dancer", tmp_path / out, "--set", "stile=pop", *extra, music=None if extra else "song.wav"
        )
        assert "--set stile: it has no such option; did you mean 'style'?" in str(done.exception)
    assert not list(tmp_path.iterdir())


def test_a_clip_in_other_hands_is_left_to_them(place, tmp_path):
    from evaluation.generate.records import Records

    records = Records(tmp_path / "dance.parts", file=tmp_path / "dance.npz")
    (tmp_path / "dance.parts" / "journal" / ".locks").mkdir(parents=True)
    with records.claim("dance") as held:
        assert held
        done = run(place, "Dancer", tmp_path / "dance.npz")
    assert "another process is making it" in str(done.exception)
    assert run(place, "Dancer", tmp_path / "dance.npz").exit_code == 0


def test_a_full_disk_is_told_first(place, tmp_path, monkeypatch):
    usage = type("Usage", (), {"free": 5 << 20})
    monkeypatch.setattr("shutil.disk_usage", lambda folder: usage)
    done = run(place, "Dancer", tmp_path / "dance.npz")
    assert "5 MB are free, the clip may take 32 MB" in str(done.exception)


def test_a_long_piece_is_danced_when_it_is_asked_for(place, monkeypatch):
    monkeypatch.setattr(own_clip, "_LONGEST_UNASKED_S", 2.0)

    def asked(duration_s):
        files = ClipInputs(music=place / "song.wav")
        return own_clip.own_clip(files, "motion", Path("dance.npz"), Settings(duration_s=duration_s)).clips[0]

    with pytest.raises(MediaError, match="--duration 2 for all of it"):
        asked(None)
    assert asked(2.25).duration_s == 2.25


def test_what_a_system_raises_is_one_line_with_its_place(place, tmp_path):
    with pytest.raises(
        MadanceError, match=r"broken: generate failed: ValueError: no idea \(systems\.py, line"
    ):
        generate_clip(
            find(f"{place}/systems.py:broken"),
            ClipInputs(place / "song.wav"),
            tmp_path / "d.npz",
            Settings(),
        )
    assert not (tmp_path / "d.npz").exists()


def test_plan_of_a_system_without_one(place, tmp_path):
    lines = plan_clip(
        find(f"{place}/systems.py:Dancer"), ClipInputs(place / "song.wav"), tmp_path / "d.npz", Settings()
    )
    assert lines == ["motion: 138 frames at 60 per second (2.30 s)"]


PIECES = """
import os, time
import numpy as np
from madata.synthetic.dance import make_dance

class Dancer:
    task, fps = "motion", 30.0

    def generate(self, request):
        with open(os.environ["LOG"], "a") as log:
            log.write("dance\\n")
        return make_dance(request.duration_s, fps=request.fps, seed=request.seed % 1000).motion

class Painter:
    task, fps, size = "animation", 15.0, (32, 48)

    def generate(self, request):
        from madata.files import read_npz, write_npz
        for k in range(0, request.num_frames, 5):
            piece = request.keep / f"{k}.npz"
            if not piece.exists():
                with open(os.environ["LOG"], "a") as log:
                    log.write(f"{k}\\n")
                time.sleep(0.1)
                rng = np.random.default_rng([request.seed, k])
                write_npz(piece, frames=rng.integers(0, 255, (5, 48, 32, 3)).astype(np.uint8))
            yield from read_npz(piece)["frames"][: request.num_frames - k]
"""


def start(place, folder, log):
    (folder / "pieces.py").write_text(PIECES)
    system = f"cascade:{folder}/pieces.py:Dancer+{folder}/pieces.py:Painter"
    command = [sys.executable, "-m", "madata.cli", "generate", system, "--out", str(folder / "clip.mp4")]
    command += ["--music", str(place / "song.wav"), "--image", str(place / "person.png")]
    return subprocess.Popen(command, env=os.environ | {"LOG": str(log)}, stderr=subprocess.PIPE, text=True)


def test_killed_it_goes_on_with_the_pieces_and_ends_the_same(place, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    whole.mkdir()
    killed.mkdir()
    first = start(place, whole, tmp_path / "whole.log")
    log = tmp_path / "killed.log"
    run = start(place, killed, log)
    begin = time.monotonic()
    while not log.exists() or len(log.read_text().split()) < 4:
        assert run.poll() is None, run.stderr.read()
        assert time.monotonic() - begin < 300
        time.sleep(0.005)
    run.send_signal(signal.SIGKILL)
    run.wait()
    assert not (killed / "clip.mp4").exists()
    again = start(place, killed, log)
    assert again.wait(60) == 0, again.stderr.read()
    assert first.wait(60) == 0, first.stderr.read()
    assert (killed / "clip.mp4").read_bytes() == (whole / "clip.mp4").read_bytes()
    calls = log.read_text().split()
    assert calls.count("dance") == 1
    assert len(calls) == len((tmp_path / "whole.log").read_text().split()) + 1
    records = [read_json(folder / "clip.json") for folder in (whole, killed)]
    assert records[0]["sha256"] == records[1]["sha256"]
    assert json.dumps(records[0]["inputs"]) == json.dumps(records[1]["inputs"])
