"""A program of others as a system: what it is told, what becomes of what it does, and that nothing of it runs on."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

from evaluation.check import check_system
from evaluation.generate import Settings, generate, plan_split
from evaluation.systems import Request, find, project_motion
from evaluation.systems.command import CommandFile
from madata.errors import ConfigError, MadanceError, MediaError
from madata.motion import read_motion, write_motion
from madata.music import write_wav
from madata.synthetic.dance import make_dance
from madata.types import Music
from madata.video import Decoder

ROOT = Path(__file__).resolve().parents[2]

PAINTER = """
    import cv2, json, sys
    import numpy as np
    job = json.load(open(sys.argv[1]))
    width, height = job["size"]
    frame = np.full((height, width, 3), job["options"]["shade"], np.uint8)
    writer = cv2.VideoWriter(job["output"], cv2.VideoWriter_fourcc(*"mp4v"), job["fps"], (width, height))
    for _ in range(job["num_frames"]):
        writer.write(frame)
    writer.release()
"""
DANCER = """
    import json, sys
    import numpy as np
    job = json.load(open(sys.argv[1]))
    rotation = np.full((job["num_frames"], 24, 3), job["seed"] % 1000 / 10000, np.float32)
    np.savez(job["output"], version=1, rotation=rotation, translation=rotation[:, 0], fps=job["fps"], up="y",
             skeleton="smpl-24")
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Two seconds of silence with a picture, twice."""
    import cv2

    folder = tmp_path_factory.mktemp("data")
    for clip in ("a", "b"):
        write_wav(folder / f"{clip}.wav", Music(np.zeros(16000, np.float32), 8000))
        cv2.imwrite(str(folder / f"{clip}.png"), np.full((48, 64, 3), 90, np.uint8))
    return folder


def made(folder, script, task="video", **keys):
    """A TOML file beside its script, run by this Python."""
    (folder / "wrapper.py").write_text(textwrap.dedent(script))
    lines = {
        "name": "theirs",
        "task": task,
        "command": [sys.executable, "{here}/wrapper.py", "{job}"],
        "options": {"shade": 10},
        **keys,
    }
    import tomli_w

    path = folder / "theirs.toml"
    path.write_text(tomli_w.dumps(lines))
    return path


def request_in(folder, *, task="video", frames=3, motion=None, **other):
    scratch = folder / "scratch"
    scratch.mkdir(exist_ok=True)
    size = (64, 48)
    return Request(
        clip_id="a", task=task, music=None, image=None, motion=motion,
        pose=None if motion is None else project_motion(motion, size),
        duration_s=frames / 10, fps=10.0, size=size, seed=7, scratch=scratch, **other,
    )  # fmt: skip


def run(path, request, **options):
    system = find(str(path)).make(options)
    system.setup("cpu")
    return system.generate(request)


def is_running(pid):
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def soon(condition, within_s=20.0):
    end = time.monotonic() + within_s
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return condition()


def test_a_system_of_a_command_keeps_the_contract(tmp_path):
    plugin = find(str(made(tmp_path, DANCER, task="motion")))
    found = {finding.rule: finding.status for finding in check_system(plugin, "motion")}
    assert found == dict.fromkeys(
        ("task", "setup", "contract", "body", "determinism", "order", "seeds"), "pass"
    )


def test_a_split_is_made_and_its_record_knows_the_files(data, tmp_path):
    (tmp_path / "weights.bin").write_bytes(b"w")
    path = made(tmp_path, PAINTER, files=["weights.bin"], size=[64, 48], card={"paper": "Theirs"})
    settings = Settings(options={"shade": 90}, limit=1, duration_s=0.2)
    summary = generate(find(str(path)), data, tmp_path / "run", settings)
    assert (summary.done, summary.failed) == (1, {})
    record = json.loads((tmp_path / "run/run.json").read_text())
    assert record["system"]["origin"]["kind"] == "command"
    assert record["system"]["card"]["paper"] == "Theirs"
    assert [each["name"] for each in record["loaded"]["weights"]] == ["weights.bin", "wrapper.py"]
    with Decoder(tmp_path / "run/clips/a.mp4") as decoder:
        assert np.mean(next(iter(decoder)).scaled((64, 48))) > 80
    (tmp_path / "wrapper.py").write_text("changed")
    with pytest.raises(ConfigError, match="begun with another model"):
        generate(find(str(path)), data, tmp_path / "run", Settings(
            options={"shade": 90}, limit=2, duration_s=0.2))  # fmt: skip


def test_the_job_says_everything_in_absolute_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    song = tmp_path / "song.wav"
    song.write_bytes(b"")
    copy = """
        import json, shutil, sys
        job = json.load(open(sys.argv[1]))
        shutil.copyfile(job["motion"], job["output"])
        for name in ("keypoints", "seen"):
            shutil.copy(job[name], f"{job['keep']}/{name}.npz")
        shutil.copy(sys.argv[1], job["keep"])
    """
    (tmp_path / "kept").mkdir()
    motion = make_dance(0.5, fps=10.0, seed=1).motion
    request = request_in(tmp_path, task="motion", frames=5, motion=motion, keep=Path("kept"))
    request = Request(**{**vars(request), "music": Path("song.wav")})
    came = run(made(tmp_path, copy, task="motion"), request)
    assert np.array_equal(came.rotation, motion.rotation)
    job = json.loads((tmp_path / "kept/job.json").read_text())
    assert job["music"] == str(song)
    assert job["keep"] == str(tmp_path / "kept")
    assert (job["fps"], job["num_frames"], job["size"], job["seed"]) == (10.0, 5, [64, 48], 7)
    assert job["image"] is None
    keypoints = np.load(tmp_path / "kept/keypoints.npz")
    assert keypoints["xy"].shape == (5, len(job["joints"]), 2)
    seen = np.load(tmp_path / "kept/seen.npz")
    x, y, z = np.moveaxis(seen["positions"], -1, 0)
    projected = np.stack([32 + seen["focal_px"] * x / z, 24 + seen["focal_px"] * y / z], -1)
    assert np.allclose(projected, keypoints["xy"], atol=1e-2)


@pytest.mark.parametrize(
    ("script", "reason", "words"),
    [
        ("print('warming up'); raise SystemExit(3)", "command", "exit code 3; it printed last: warming up"),
        ("import os; os.abort()", "command", "ended with SIGABRT"),
        ("pass", "no_output", "wrote no output.mp4; it printed nothing"),
    ],
)
def test_a_command_that_fails_is_told_with_its_last_words(tmp_path, script, reason, words):
    with pytest.raises(MediaError, match=words) as raised:
        run(made(tmp_path, script), request_in(tmp_path))
    assert raised.value.reason == reason


def test_one_clip_that_fails_costs_no_other(data, tmp_path):
    script = PAINTER + '    assert job["clip_id"] != "a", "no memory left"\n'
    path = made(tmp_path, script, size=[64, 48])
    settings = Settings(limit=2, duration_s=0.2, retries=0)
    summary = generate(find(str(path)), data, tmp_path / "run", settings)
    assert summary.done == 1
    assert list(summary.failed) == ["a"]
    assert "no memory left" in summary.failed["a"]
    assert "no memory left" in (tmp_path / "run/prints.log").read_text()


def test_a_clip_of_another_size_or_length_is_refused(data, tmp_path):
    script = PAINTER.replace('job["size"]', "(32, 32)").replace(
        'job["num_frames"]', '(job["num_frames"] + 1)'
    )
    path = made(tmp_path, script, size=[64, 48])
    summary = generate(find(str(path)), data, tmp_path / "run", Settings(limit=1, duration_s=0.2, retries=0))
    assert "size (32, 32), (64, 48) was asked for" in summary.failed["a"]
    assert "7 frames, 6 were asked for" in summary.failed["a"]


SLEEPERS = """
    import json, subprocess, sys, time
    job = json.load(open(sys.argv[1]))
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    from pathlib import Path
    Path(job["options"]["told"]).write_text(str(child.pid))
    time.sleep(float(job["options"]["sleep"]))
"""


@pytest.mark.parametrize("sleep", ["600", "0"], ids=["out of time", "left behind"])
def test_nothing_of_a_command_runs_on(tmp_path, sleep):
    told = tmp_path / "child"
    options = {"told": str(told), "sleep": sleep}
    path = made(tmp_path, SLEEPERS, timeout_s=2.0 if sleep != "0" else 60.0, options=options)
    with pytest.raises(
        MediaError, match=r"more than 2 s \(timeout_s\)" if sleep != "0" else "wrote no output"
    ):
        run(path, request_in(tmp_path))
    assert soon(lambda: not is_running(int(told.read_text())))


def test_a_command_ends_with_a_parent_that_is_killed(tmp_path):
    told = tmp_path / "child"
    path = made(tmp_path, SLEEPERS, options={"told": str(told), "sleep": "600"})
    script = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path\n"
        "from tests.evaluation.test_command_system import request_in, run\n"
        "run(sys.argv[2], request_in(Path(sys.argv[3])))\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script, str(ROOT), str(path), str(tmp_path)])
    try:
        assert soon(lambda: told.exists() and told.read_text(), 60)
    finally:
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait()
    assert soon(lambda: not is_running(int(told.read_text())))


def test_it_stands_in_a_cascade(tmp_path):
    motion = tmp_path / "motion"
    motion.mkdir()
    write_motion(motion / "dance.npz", make_dance(0.3, fps=10.0, seed=1).motion)
    moving = made(motion, """
        import json, shutil, sys
        job = json.load(open(sys.argv[1]))
        shutil.copyfile(job["options"]["dance"], job["output"])
    """, task="motion", options={"dance": str(motion / "dance.npz")})  # fmt: skip
    painting = made(tmp_path, PAINTER, task="animation")
    came = run(f"cascade:{moving}+{painting}", request_in(tmp_path), **{"animation.shade": 1})
    assert came.name == "output.mp4"
    assert len(read_motion(tmp_path / "scratch/animation/motion.npz").rotation) == 3


def test_what_it_takes_is_told_and_too_long_a_clip_refused(data, tmp_path):
    path = made(tmp_path, PAINTER, size=[64, 48], timeout_s=90.0, most_frames=30)
    plan = lambda seconds: plan_split(  # noqa: E731
        find(str(path)), data, tmp_path / "run", Settings(duration_s=seconds)
    )
    assert any("30 frames, at most 90 s" in line for line in plan(1.0))
    with pytest.raises(MadanceError, match="makes 30 frames at most, not 45: --duration 1"):
        plan(1.5)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"comand": ["a"]}, "there is no key comand; did you mean 'command'"),
        ({"command": ["python"]}, r"no argument is \{job\}"),
        ({"task": "dance"}, "key task"),
        ({"output": ".wav"}, "no suffix of what the task video"),
        ({"card": {"papers": "x"}}, "there is no papers; did you mean 'paper'"),
        ({"card": {"training_data": "aist"}}, "key card.training_data: is a list"),
        ({"size": [0, 64]}, "key size.0: Input should be greater than or equal to 1"),
        ({"output": "../x.mp4"}, "'../x.mp4' is no suffix"),
        ({"name": "two\nlines"}, "a name is one line"),
        ({"environment": {"A=B": "x"}}, "'A=B' is no name of a variable"),
        ({"command": ["python", "\0", "{job}"]}, "key command.1: holds a zero byte"),
        ({"options": {"steps": [1]}}, "steps: an option is a text, a number, or true or false"),
    ],
)
def test_a_file_that_says_something_else_is_refused(tmp_path, keys, words):
    with pytest.raises(ConfigError, match=words) as raised:
        CommandFile.read(made(tmp_path, "", **keys))
    assert "theirs.toml" in str(raised.value)


def test_what_is_missing_is_named_before_a_clip_is_begun(tmp_path):
    request = request_in(tmp_path)
    with pytest.raises(
        MadanceError, match=r"program 'no-such-program' of its command .*install what .*theirs\.toml names"
    ):
        run(made(tmp_path, "", command=["no-such-program", "{job}"]), request)
    with pytest.raises(MadanceError, match=r"net\.pth: no such file or folder"):
        run(made(tmp_path, "", files=["net.pth"]), request)
    with pytest.raises(MadanceError, match="it has no such option; did you mean 'shade'"):
        run(made(tmp_path, ""), request, shades=3)
    with pytest.raises(MadanceError, match="expected a int"):
        run(made(tmp_path, ""), request, shade="dark")
