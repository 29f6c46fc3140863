"""The check finds each way to break the contract, and survives whatever a system does."""

import os
import subprocess
import sys
import time
from dataclasses import replace
from itertools import repeat
from pathlib import Path

import numpy as np
import pytest

from evaluation.check import check_in_child, check_system, make_clips
from evaluation.generate import read_clips
from evaluation.systems import Card, Plugin, find
from evaluation.systems.plugin import Declaration, Origin
from madata.motion import with_up, write_motion
from madata.synthetic.dance import make_dance
from madata.video import probe, write_video


def plugin_of(generate, task="motion", setup=None, **declared):
    """A plug-in whose ``generate`` gets (the instance, the request)."""

    class Made:
        calls = 0

        def setup(self, device):
            if setup is not None:
                setup(self)

        def generate(self, request):
            self.calls += 1
            return generate(self, request)

    declaration = Declaration("made", (task,), Card(), **declared)
    return Plugin(declaration, Origin("decorator", "here"), Made)


def dance(request, *, fps=None, seed=None):
    seed = request.seed if seed is None else seed
    return make_dance(request.duration_s, fps=fps or request.fps, seed=seed).motion


def changed(motion, **arrays):
    from dataclasses import replace

    return replace(motion, **arrays)


def verdicts(plugin, task="motion", **options):
    return {finding.rule: finding for finding in check_system(plugin, task, **options)}


def failures(plugin, task="motion", **options):
    return [f"{f.rule}: {f.message}" for f in check_system(plugin, task, **options) if f.status == "fail"]


def on_smplx(motion):
    return replace(motion, rotation=motion.rotation[:, :22], skeleton="smplx-22")


def many_of(generate_many, generate=lambda request: dance(request)):
    """A plug-in that makes several clips at once."""

    class Made:
        def generate(self, request):
            return generate(request)

        def generate_many(self, requests):
            return generate_many(requests)

    return Plugin(Declaration("made", ("motion",), Card()), Origin("decorator", "here"), Made)


@pytest.mark.parametrize(
    ("many", "message"),
    [
        (lambda requests: [dance(each) for each in requests], None),
        (lambda requests: [dance(each) for each in requests][:1], "gave 1 clips for 3 requests"),
        (lambda requests: [dance(each) for each in requests[::-1]], "test-a, test-c came out differently"),
        (lambda requests: [dance(each, seed=each.seed + 1) for each in requests], "differently among others"),
        (lambda requests: None, "TypeError"),
        (lambda requests: [on_smplx(dance(each)) for each in requests], "differently among others"),
    ],
    ids=["the same", "one", "turned round", "others", "none", "another skeleton"],
)
def test_clips_made_at_once_are_those_made_one_by_one(many, message):
    found = verdicts(many_of(many))["batch"]
    assert (found.status == "pass") is (message is None), found
    assert message is None or message in found.message


def test_what_is_broken_one_by_one_is_told_of_once():
    found = verdicts(
        many_of(
            lambda requests: [dance(each) for each in requests],
            lambda request: changed(dance(request), rotation=dance(request).rotation[:, :22]),
        )
    )
    assert {rule for rule, finding in found.items() if finding.status == "fail"} == {"contract"}


def test_a_system_that_keeps_the_contract_passes(tmp_path):
    found = verdicts(plugin_of(lambda self, request: dance(request)), out=tmp_path / "runs")
    assert {rule: finding.status for rule, finding in found.items()} == dict.fromkeys(
        ("task", "writable", "setup", "contract", "body", "determinism", "order", "seeds"), "pass"
    )


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (lambda self, request: dance(request, fps=25.0), "25 frames per second, 30 were asked for"),
        (lambda self, request: changed(dance(request), fps=60.0), "60 frames per second, 30 were asked for"),
        (
            lambda self, request: changed(dance(request), rotation=dance(request).rotation[:-1]),
            "translation has shape",
        ),
        (lambda self, request: make_dance(1.0, fps=request.fps).motion, "30 frames, 60 were asked for"),
        (
            lambda self, request: changed(dance(request), translation=dance(request).translation * np.nan),
            "NaN",
        ),
        (
            lambda self, request: changed(dance(request), rotation=dance(request).rotation[:, :22]),
            "rotation has shape",
        ),
        (
            lambda self, request: changed(dance(request), rotation=dance(request).rotation.tolist()),
            "got list",
        ),
        (lambda self, request: changed(dance(request), up="x"), "up"),
        (lambda self, request: changed(dance(request), skeleton="smpl-25"), "smpl-25"),
        (lambda self, request: dance(request).rotation, "expected a Motion3D, got ndarray"),
        (lambda self, request: None, "expected a Motion3D, got NoneType"),
        (lambda self, request: 1 // 0, "ZeroDivisionError"),
        (lambda self, request: exit(4), "asked to exit"),
    ],
)
def test_a_wrong_motion_is_found(broken, words):
    found = failures(plugin_of(broken))
    assert all(line.startswith("contract: test-a, test-b, test-c: ") for line in found)
    assert any(words in line for line in found)


def test_all_broken_rules_are_told_in_one_go():
    """Each clip breaks four rules of its own, and the system depends on what it made before."""

    def broken(self, request):
        motion = make_dance(request.duration_s, fps=25.0, seed=self.calls).motion
        rotation = motion.rotation.copy()
        rotation[3] = np.nan
        return changed(motion, rotation=rotation, up="x", translation=motion.translation[:-1])

    found = failures(plugin_of(broken))
    for words in (
        "rotation holds NaN or infinity, first in row 3",
        "the up axis is 'y' or 'z', got 'x'",
        "25 frames per second, 30 were asked for",
        "translation has shape (49, 3), smpl-24 needs (50, 3)",
        "50 frames, 60 were asked for",
    ):
        assert any(words in line for line in found), words
    assert {line.split(":")[0] for line in found} == {"contract", "determinism", "order"}


def test_one_bad_clip_keeps_nothing_else_from_being_looked_at():
    def moody(self, request):
        if request.clip_id == "test-b":
            raise ValueError("not this one")
        return dance(request)

    found = list(check_system(plugin_of(moody), "motion"))
    assert [(f.rule, f.status) for f in found[2:]] == [
        ("contract", "fail"), ("body", "pass"), ("determinism", "pass"), ("order", "pass"), ("seeds", "pass")
    ]  # fmt: skip
    assert found[2].message.startswith("test-b: ValueError: not this one (test_check.py, line")


def test_a_wrong_up_axis_is_found():
    lying = plugin_of(lambda self, request: changed(with_up(dance(request), "z"), up="y"))
    assert "up axis is said to be y, but the body stands along z" in failures(lying)[0]
    honest = plugin_of(lambda self, request: with_up(dance(request), "z"))
    assert failures(honest) == []


def test_a_body_upside_down_is_found():
    def upside_down(self, request):
        motion = dance(request)
        rotation = motion.rotation.copy()
        rotation[:, 0] = (np.pi, 0, 0)
        return changed(motion, rotation=rotation)

    assert "stands along -y" in failures(plugin_of(upside_down))[0]


def test_centimetres_are_found():
    cm = plugin_of(
        lambda self, request: changed(dance(request), translation=dance(request).translation * 100)
    )
    assert "is it in metres?" in failures(cm)[0]


def test_memory_of_earlier_clips_is_found():
    found = failures(plugin_of(lambda self, request: dance(request, seed=self.calls)))
    assert [line.split(":")[0] for line in found] == ["determinism", "order"]
    assert "test-a" in found[0]


def test_a_generator_made_in_setup_is_found():
    def start(self):
        self.rng = np.random.default_rng(0)

    found = failures(
        plugin_of(lambda self, request: dance(request, seed=int(self.rng.integers(99))), setup=start)
    )
    assert found[0].startswith("determinism")


def test_global_generators_are_seeded_for_the_system():
    found = verdicts(plugin_of(lambda self, request: dance(request, seed=np.random.randint(1 << 30))))  # noqa: NPY002
    assert found["determinism"].status == found["order"].status == found["seeds"].status == "pass"


def test_a_deaf_seed_is_a_warning():
    found = verdicts(plugin_of(lambda self, request: dance(request, seed=1)))
    assert found["seeds"].status == "warn"
    assert not [f for f in found.values() if f.status == "fail"]


def test_a_setup_that_fails_ends_the_check():
    def start(self):
        raise OSError("weights.bin is not there")

    found = list(check_system(plugin_of(lambda self, request: None, setup=start), "motion"))
    assert found[-1].rule == "setup"
    assert "weights.bin" in found[-1].message


def test_a_folder_that_cannot_be_written_is_found(tmp_path):
    (tmp_path / "file").write_text("")
    found = verdicts(plugin_of(lambda self, request: dance(request)), out=tmp_path / "file" / "runs")
    assert found["writable"].status == "fail"


def test_a_native_frame_rate_is_asked_for_and_converted():
    rates = []

    def generate(self, request):
        rates.append((request.fps, request.num_frames))
        return dance(request)

    assert failures(plugin_of(generate, fps=20.0)) == []
    assert set(rates) == {(20.0, 40)}


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    make_clips(folder, videos=True)
    return folder


@pytest.fixture
def made_once(clips, monkeypatch):
    """The rendered clips of this module instead of new ones."""
    import shutil

    copy = lambda folder, *, videos: shutil.copytree(clips, folder, dirs_exist_ok=True)  # noqa: E731
    monkeypatch.setattr("evaluation.check.rules.make_clips", copy)


def picture(request, value=0):
    width, height = request.size
    return np.full((height, width, 3), value, np.uint8)


def test_made_clips_are_whole(clips):
    found = read_clips(clips, None, task="animation")
    assert [clip.clip_id for clip in found.clips] == ["test-a", "test-b", "test-c"]
    assert [clip.clip_id for clip in found.others] == ["train-a", "train-b", "train-c"]
    for clip in found.clips:
        info = probe(clip.video)
        assert (info.size, info.fps, info.num_frames) == ((128, 192), 30.0, 60)
        assert info.audio is not None


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (lambda self, request: [picture(request)] * 59, "59 frames, 60 were asked for"),
        (lambda self, request: repeat(picture(request)), "more than the 60 frames"),
        (lambda self, request: [picture(request)[:-2]] * 60, "array (192, 128, 3), got uint8 (190, 128, 3)"),
        (lambda self, request: np.zeros((60, 192, 128, 3), np.float32), "got float32"),
        (lambda self, request: [1, 2, 3], "got int"),
        (lambda self, request: 5, "expected the path of a video or its frames"),
        (lambda self, request: request.scratch / "none.mp4", "none.mp4: No such file"),
        (lambda self, request: __file__, "is no video by its name"),
    ],
)
@pytest.mark.usefixtures("made_once")
def test_a_wrong_video_is_found(broken, words):
    found = failures(plugin_of(broken, "video"), "video")
    assert all(line.startswith("contract: test-a, test-b, test-c: ") for line in found)
    assert any(words in line for line in found)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"fps": 25}, "25 frames per second, 30 were asked for"),
        ({"count": 50}, "50 frames, 60 were asked for"),
        ({"size": (64, 64)}, "size (64, 64), (128, 192) was asked for"),
    ],
)
@pytest.mark.usefixtures("made_once")
def test_a_wrong_video_file_is_found(change, words):
    def generate(self, request):
        width, height = change.get("size", request.size)
        frame = np.zeros((height, width, 3), np.uint8)
        write_video(request.scratch / "x.mp4", [frame] * change.get("count", 60), change.get("fps", 30))
        return request.scratch / "x.mp4"

    assert words in failures(plugin_of(generate, "video"), "video")[0]


@pytest.mark.usefixtures("made_once")
def test_an_animation_gets_picture_and_pose_and_no_music():
    seen = []

    def generate(self, request):
        seen.append(request)
        rng = np.random.default_rng(request.seed)
        return (picture(request, rng.integers(255)) for _ in range(request.num_frames))

    assert failures(plugin_of(generate, "animation"), "animation") == []
    request = seen[0]
    assert request.music is None
    assert request.image.suffix == ".png"
    assert request.pose.xy.shape == (60, 24, 2)
    assert (request.pose.score == 1).all()
    assert request.truth is None


SYSTEMS = """
import os, signal, sys, time
from evaluation.systems import system
from madata.synthetic.dance import make_dance

class Base:
    task = "motion"
    def generate(self, request):
        return make_dance(request.duration_s, fps=request.fps, seed=request.seed).motion

class Fine(Base):
    pass

class Crash(Base):
    def generate(self, request):
        os.kill(os.getpid(), signal.SIGSEGV)

class Leave(Base):
    def generate(self, request):
        os._exit(9)

class Quit(Base):
    def generate(self, request):
        os._exit(0)

class Loud(Base):
    def generate(self, request):
        print("x" * 1_000_000)
        os.system("echo from below; echo beside >&2")
        return super().generate(request)

class Stray(Base):
    def generate(self, request):
        (request.scratch / "mine.txt").write_text("")
        open("stray.txt", "w").close()
        os.makedirs(os.environ["XDG_CACHE_HOME"], exist_ok=True)
        return super().generate(request)

class Hang(Base):
    def setup(self, device):
        os.fork() or time.sleep(600)
        time.sleep(600)
"""


def in_child(tmp_path, name, limit_s=300.0):
    file = tmp_path / "systems.py"
    file.write_text(SYSTEMS)
    return list(check_in_child(f"{file}:{name}", None, device="cpu", options={}, out=None, limit_s=limit_s))


def test_the_child_says_the_same(tmp_path):
    found = in_child(tmp_path, "Fine")
    assert [f.rule for f in found] == [
        "load",
        "task",
        "setup",
        "contract",
        "body",
        "determinism",
        "order",
        "seeds",
    ]
    assert {f.status for f in found} == {"pass"}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Crash", "SIGSEGV"),
        ("Leave", "exit code 9"),
        ("Quit", "exit code 0 before the check was done"),
        ("Gone", "has no 'Gone'"),
    ],
)
def test_a_system_that_dies_is_a_finding(tmp_path, name, words):
    last = in_child(tmp_path, name)[-1]
    assert last.status == "fail"
    assert words in last.message


def test_the_command_tells_by_its_exit_code(tmp_path):
    from click.testing import CliRunner

    from madata.cli import madance

    (tmp_path / "systems.py").write_text(SYSTEMS)
    runs = {
        name: CliRunner().invoke(madance, ["check", f"{tmp_path}/systems.py:{name}"])
        for name in ("Fine", "Leave", "Gone")
    }
    assert {name: run.exit_code for name, run in runs.items()} == {"Fine": 0, "Leave": 3, "Gone": 2}
    assert "PASS  order" in runs["Fine"].stdout
    assert "FAIL  process" in runs["Leave"].stdout
    assert runs["Fine"].stdout.endswith("Fine keeps the contract: 8 rules looked at, all hold\n")
    assert "Leave does not pass: mend process" in runs["Leave"].stdout.splitlines()[-1]


def test_what_a_system_prints_is_kept_apart_and_told(tmp_path, capfd):
    found = in_child(tmp_path, "Loud")
    assert (found[-1].rule, found[-1].status) == ("prints", "warn")
    assert found[-1].message.endswith("the last line: beside")
    assert [f.status for f in found[:-1]] == ["pass"] * 8
    out, err = capfd.readouterr()
    assert "x" not in out
    assert "from below" not in out + err


def test_a_file_outside_the_scratch_folder_is_a_warning(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home" / "cache"))
    (tmp_path / "tmp").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    found = {finding.rule: finding for finding in in_child(tmp_path, "Stray")}
    assert found["writes"].status == "warn"
    assert found["writes"].message.endswith(f"request.keep: {tmp_path / 'here' / 'stray.txt'}")
    assert "writes" not in {finding.rule for finding in in_child(tmp_path, "Fine")}


def test_a_system_that_hangs_is_ended(tmp_path):
    begin = time.monotonic()
    last = in_child(tmp_path, "Hang", limit_s=5.0)[-1]
    assert (last.rule, last.status) == ("time", "fail")
    assert last.message.endswith("--limit-s gives it longer, --size 128x192 asks for small videos")
    assert time.monotonic() - begin < 300


def test_a_folder_of_finished_clips_is_looked_at(tmp_path):
    for name in "abcd":
        write_motion(tmp_path / "runs" / f"{name}.npz", make_dance(1.0).motion)
    (tmp_path / "runs" / "b.npz").write_bytes(b"PK broken")
    found = list(check_system(find(str(tmp_path / "runs")), "motion"))
    assert [(f.rule, f.status) for f in found] == [
        ("task", "pass"), ("file", "pass"), ("file", "fail"), ("file", "pass"), ("files", "pass")
    ]  # fmt: skip
    assert "4 clips" in found[-1].message


def test_a_killed_check_takes_its_child_along(tmp_path):
    """A system that never comes back must not run on when the command that asked was killed."""
    pid = tmp_path / "pid"
    system = tmp_path / "endless.py"
    system.write_text(
        "import os, time\n"
        "class Endless:\n"
        "    task = 'motion'\n"
        "    def generate(self, request):\n"
        f"        open({str(pid)!r}, 'w').write(str(os.getpid()))\n"
        "        time.sleep(600)\n"
    )
    command = [sys.executable, "-m", "madata.cli", "check", f"{system}:Endless"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as asked:
        wait_for(lambda: pid.exists() and pid.read_text())
        asked.kill()
    wait_for(lambda: not alive(int(pid.read_text())))


def wait_for(what, limit_s=300.0):
    deadline = time.monotonic() + limit_s
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    return not (status.exists() and status.read_text().rsplit(")", 1)[1].split()[0] == "Z")


def test_an_animation_is_asked_with_a_motion_and_with_keypoints_alone():
    asked = []

    def paint(self, request):
        asked.append(request.motion is not None)
        assert request.pose is not None and len(request.pose.xy) == request.num_frames
        if request.motion is None:
            raise ValueError("no body to render")
        shade = int(request.seed) % 200
        return np.full((request.num_frames, request.size[1], request.size[0], 3), shade, np.uint8)

    found = verdicts(plugin_of(paint, task="animation"), "animation", size=(32, 48))
    assert (asked.count(False), asked[-1]) == (1, False)
    assert {rule: finding.status for rule, finding in found.items() if finding.status != "pass"} == {
        "keypoints": "warn"
    }
    assert "no body to render" in found["keypoints"].message
