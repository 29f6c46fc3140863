"""Generation: every clip once, the same clip whatever happens around it, nothing lost and nothing hidden."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from evaluation.generate import Settings, describe_run, generate, read_clips
from evaluation.generate.output import Frames
from evaluation.generate.records import Records
from evaluation.generate.requests import RequestMaker
from evaluation.generate.settings import parse_options
from evaluation.inputs.discovery import find_clips
from evaluation.systems import Card, Cascade, Loaded, Plugin, Request, clip_seed, find
from evaluation.systems.plugin import Declaration, Origin
from madata.cli import madance
from madata.errors import ConfigError, MadanceError, WeightsError
from madata.files import read_json, write_npz
from madata.manifest import CLIP_COLUMNS, write_table
from madata.motion import read_motion, write_motion
from madata.shard import Shard
from madata.synthetic.dance import make_dance
from madata.video import Decoder, read_audio, write_video

CLIPS = 6


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A folder of real motions of different lengths, with silence for music."""
    folder = tmp_path_factory.mktemp("data")
    for number in range(CLIPS):
        write_motion(folder / "motions" / f"c{number}.npz", make_dance(0.5 + number / 10, seed=number).motion)
        silence(folder / "music" / f"c{number}.wav", 2.0)
    return folder


def silence(path, seconds):
    import wave

    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(2 * round(8000 * seconds)))


def plugin_of(generate, task="motion", **declared):
    """A plug-in that answers with ``generate(request)``; requests are kept in ``plugin.asked``."""
    asked = []

    class Made:
        def generate(self, request):
            asked.append(request)
            return generate(request)

    declaration = Declaration("made", (task,), Card(), **declared)
    plugin = Plugin(declaration, Origin("decorator", "here", sha256="0" * 64), Made)
    object.__setattr__(plugin, "asked", asked)
    return plugin


def dance(request):
    return make_dance(request.duration_s, fps=request.fps, seed=request.seed % 1000).motion


def content(out):
    return {path.name: path.read_bytes() for path in sorted((out / "clips").iterdir())}


def test_every_clip_as_asked_with_a_journal(data, tmp_path):
    plugin = plugin_of(dance)
    seen = []
    summary = generate(plugin, data, tmp_path / "run", Settings(seed=5), on_progress=seen.append)
    assert (summary.clips, summary.done, summary.missing, summary.failed) == (CLIPS, CLIPS, 0, {})
    for number, request in enumerate(plugin.asked):
        clip = f"c{number}"
        assert request.clip_id == clip
        assert request.seed == clip_seed(5, clip)
        assert request.num_frames == round((0.5 + number / 10) * 30)
        assert not request.scratch.exists()
        motion = read_motion(tmp_path / "run" / "clips" / f"{clip}.npz")
        assert len(motion.rotation) == request.num_frames
        entry = read_json(tmp_path / "run" / "journal" / f"{clip}.json")
        assert (entry["state"], entry["attempts"], entry["seed"]) == ("done", 1, request.seed)
        assert entry["warm"] is (number > 0)
        assert entry["peak_rss_mib"] > 10
    assert [(p.done, p.total, p.error) for p in seen] == [(n + 1, CLIPS, None) for n in range(CLIPS)]
    frames = [request.num_frames for request in plugin.asked]
    assert seen[-1].frames == summary.frames == sum(frames)
    times = [read_json(tmp_path / "run" / "journal" / f"c{n}.json")["generate_s"] for n in range(CLIPS)]
    assert summary.warm
    assert summary.frames_per_s == pytest.approx(sum(frames[1:]) / sum(times[1:]))
    assert list(find_clips(tmp_path / "run" / "clips", "motion3d").files) == [f"c{n}" for n in range(CLIPS)]


def test_frames_per_second_count_generation_alone(data, tmp_path, monkeypatch):
    """On a clock that goes on while a clip is made, and stands while it is written."""
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr("evaluation.generate.resources.time.perf_counter", lambda: clock.now)

    def slow(request):
        clock.now += 2
        return dance(request)

    assert generate(plugin_of(slow), data, tmp_path, Settings()).generate_s == 2 * CLIPS


def test_a_gpu_is_waited_for_and_its_memory_noted(data, tmp_path, monkeypatch):
    told = []
    cuda = SimpleNamespace(
        is_available=lambda: True, is_initialized=lambda: True, synchronize=lambda: told.append("wait"),
        device_count=lambda: 2, max_memory_allocated=lambda index: (index + 1) * 2**20,
    )  # fmt: skip
    fake = SimpleNamespace(cuda=cuda, manual_seed=lambda seed: told.append(seed))
    monkeypatch.setitem(sys.modules, "torch", fake)
    summary = generate(plugin_of(dance), data, tmp_path, Settings(limit=1))
    assert told == [clip_seed(0, "c0"), "wait", "wait"]
    assert summary.peak_gpu_mib == 3.0


def test_a_finished_run_is_left_alone(data, tmp_path):
    generate(plugin_of(dance), data, tmp_path, Settings())
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "clips").iterdir()}
    again = plugin_of(dance)
    generate(again, data, tmp_path, Settings())
    assert again.asked == []
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "clips").iterdir()}


def test_order_shards_and_limit_change_nothing(data, tmp_path):
    generate(plugin_of(dance), data, tmp_path / "whole", Settings())
    for index in (3, 1, 2):
        generate(plugin_of(dance), data, tmp_path / "parts", Settings(shard=Shard(index, 3)))
    assert content(tmp_path / "parts") == content(tmp_path / "whole")
    first = generate(plugin_of(dance), data, tmp_path / "grown", Settings(limit=2))
    assert (first.clips, first.done, first.split_clips) == (2, 2, CLIPS)
    rest = plugin_of(dance)
    generate(rest, data, tmp_path / "grown", Settings())
    assert [request.clip_id for request in rest.asked] == ["c2", "c3", "c4", "c5"]
    assert content(tmp_path / "grown") == content(tmp_path / "whole")


def test_a_shard_is_one_of_its_number():
    assert [Shard(i, 3).of(list(range(7))) for i in (1, 2, 3)] == [[0, 3, 6], [1, 4], [2, 5]]
    for wrong in ("0/3", "4/3", "1", "a/b", "1/0"):
        with pytest.raises(MadanceError, match="shard"):
            Shard.parse(wrong)


def test_another_run_never_lands_in_the_same_folder(data, tmp_path):
    generate(plugin_of(dance), data, tmp_path, Settings())
    for settings in (Settings(seed=1), Settings(fps=60.0), Settings(size=(64, 64))):
        with pytest.raises(MadanceError, match="holds another run; different are"):
            generate(plugin_of(dance), data, tmp_path, settings)
    with pytest.raises(MadanceError, match="fps"):
        generate(plugin_of(dance), data, tmp_path, Settings(fps=60.0))


def test_a_clip_that_fails_is_recorded_tried_again_and_stops_nothing(data, tmp_path):
    tries = []

    def flaky(request):
        if request.clip_id in ("c1", "c3"):
            tries.append(request.clip_id)
            if request.clip_id == "c3" or len(tries) < 2:
                raise RuntimeError("out of luck")
        return dance(request)

    plugin = plugin_of(flaky)
    summary = generate(plugin, data, tmp_path, Settings(retries=2))
    assert tries == ["c1", "c3", "c1", "c3", "c3"]
    assert (summary.done, summary.missing, list(summary.failed)) == (CLIPS - 1, 1, ["c3"])
    entry = read_json(tmp_path / "journal" / "c3.json")
    assert (entry["state"], entry["attempts"], entry["reason"]) == ("failed", 3, "RuntimeError")
    assert "out of luck" in entry["error"]
    assert "test_generate.py" in entry["error"]
    assert str(Path(__file__).parent) not in entry["error"]
    mended = plugin_of(dance)
    assert generate(mended, data, tmp_path, Settings()).missing == 0
    assert [request.clip_id for request in mended.asked] == ["c3"]
    assert read_json(tmp_path / "journal" / "c3.json")["attempts"] == 4


def test_a_broken_contract_leaves_no_file(data, tmp_path):
    summary = generate(
        plugin_of(lambda request: dance(request).rotation), data, tmp_path, Settings(retries=0)
    )
    assert len(summary.failed) == CLIPS
    assert content(tmp_path) == {}
    assert read_json(tmp_path / "journal" / "c0.json")["reason"] == "type"


def test_what_no_clip_would_escape_stops_the_run(data, tmp_path):
    def generate_(request):
        raise WeightsError("no weights; run: madance weights fetch x")

    plugin = plugin_of(generate_)
    with pytest.raises(WeightsError):
        generate(plugin, data, tmp_path, Settings())
    assert len(plugin.asked) == 1


def test_a_file_changed_by_hand_is_made_again(data, tmp_path):
    generate(plugin_of(dance), data, tmp_path, Settings())
    whole = content(tmp_path)
    (tmp_path / "clips" / "c2.npz").write_bytes(b"spoiled")
    (tmp_path / "clips" / "c4.npz").unlink()
    again = plugin_of(dance)
    generate(again, data, tmp_path, Settings())
    assert [request.clip_id for request in again.asked] == ["c2", "c4"]
    assert content(tmp_path) == whole


def test_a_file_whose_process_died_before_the_journal_is_kept(data, tmp_path):
    generate(plugin_of(dance), data, tmp_path, Settings())
    path = tmp_path / "journal" / "c2.json"
    entry = read_json(path) | {
        "state": "started",
        "file": None,
        "sha256": None,
        "frames": None,
        "generate_s": None,
    }
    path.write_text(json.dumps(entry))
    again = plugin_of(dance)
    summary = generate(again, data, tmp_path, Settings())
    assert again.asked == []
    assert summary.done == CLIPS
    assert Records(tmp_path).read("c2").state == "done"


def test_clips_that_took_their_process_with_them_come_last(data, tmp_path):
    generate(plugin_of(dance), data, tmp_path, Settings(limit=1))
    path = tmp_path / "journal" / "c0.json"
    path.write_text(json.dumps(read_json(path) | {"state": "started"}))
    (tmp_path / "clips" / "c0.npz").unlink()
    again = plugin_of(dance)
    generate(again, data, tmp_path, Settings())
    assert [request.clip_id for request in again.asked] == ["c1", "c2", "c3", "c4", "c5", "c0"]


def test_what_another_process_is_just_writing_is_no_entry(data, tmp_path):
    generate(plugin_of(dance), data, tmp_path, Settings(limit=1))
    (tmp_path / "journal" / ".tmp-half.json").write_text("{")
    assert [entry.clip_id for entry in Records(tmp_path).entries()] == ["c0"]


def test_a_clip_in_other_hands_is_left_to_them(data, tmp_path):
    plugin = plugin_of(dance)
    records = Records(tmp_path)
    generate(plugin, data, tmp_path, Settings(limit=1))
    with records.claim("c1") as held:
        assert held
        summary = generate(plugin, data, tmp_path, Settings())
    assert "c1" not in [request.clip_id for request in plugin.asked]
    assert (summary.done, summary.failed) == (CLIPS - 1, {})


def test_a_run_folder_that_cannot_be_written_is_told_before_any_work(data, tmp_path):
    (tmp_path / "file").write_text("")
    plugin = plugin_of(dance)
    with pytest.raises(MadanceError, match="cannot write"):
        generate(plugin, data, tmp_path / "file" / "run", Settings())
    assert plugin.asked == []


def test_a_native_rate_is_asked_for_and_the_clip_brought_to_the_data(data, tmp_path):
    plugin = plugin_of(dance, fps=20.0)
    generate(plugin, data, tmp_path, Settings())
    assert (plugin.asked[1].fps, plugin.asked[1].num_frames) == (20.0, 12)
    motion = read_motion(tmp_path / "clips" / "c1.npz")
    assert (motion.fps, len(motion.rotation)) == (30.0, 18)


def test_a_rate_of_the_users_own(data, tmp_path):
    generate(plugin_of(dance), data, tmp_path, Settings(fps=60.0))
    motion = read_motion(tmp_path / "clips" / "c1.npz")
    assert (motion.fps, len(motion.rotation)) == (60.0, 36)


def test_what_a_run_was_goes_into_the_result(data, tmp_path):
    generate(plugin_of(dance), data, tmp_path, Settings(seed=9, options={}))
    system, generation = describe_run(tmp_path)
    assert (system.name, system.task, system.code["sha256"]) == ("made", "motion", "0" * 64)
    assert (generation.run_seed, generation.device) == (9, "cpu")
    assert generation.frames_per_s > 0
    with pytest.raises(MadanceError):
        describe_run(data)


class Marked:
    """Made of whatever model lies in ``path``, and says so."""

    task = "motion"

    def __init__(self, path):
        self.path = Path(path)

    def setup(self, device):
        label = self.path.read_text()
        self.loaded = Loaded(label or None, Card(n_parameters=len(label), notes="own"), (self.path,))

    def generate(self, request):
        return dance(request)


def test_the_model_loaded_is_told_and_its_label_is_part_of_the_name(data, tmp_path):
    plugin = Plugin(Declaration("made", ("motion",), Card()), Origin("decorator", "here"), Marked)
    (tmp_path / "w").write_text("tiny")
    settings = Settings(options={"path": str(tmp_path / "w")}, limit=1)
    generate(plugin, data, tmp_path / "run", settings)
    system, _ = describe_run(tmp_path / "run")
    assert (system.name, system.card["n_parameters"]) == ("made (tiny)", 4)
    assert [(one.name, one.bytes) for one in system.checkpoints] == [("w", 4)]
    assert describe_run(tmp_path / "run", "mine")[0].name == "mine (tiny)"
    more = replace(settings, limit=2)
    assert generate(plugin, data, tmp_path / "run", more).done == 2
    (tmp_path / "w").write_text("")
    with pytest.raises(MadanceError, match=r"begun with another model; different are: card\.n_parameters"):
        generate(plugin, data, tmp_path / "run", replace(settings, limit=3))
    generate(plugin, data, tmp_path / "plain", settings)
    assert describe_run(tmp_path / "plain")[0].name == "made"


def test_a_cascade_tells_the_models_of_its_stages(tmp_path):
    class Painter:
        task, card = "animation", Card(n_parameters=5, paper="Paint")

        def setup(self, device):
            pass

    (tmp_path / "w").write_text("tiny")
    motion = Marked(tmp_path / "w")
    motion.card = Card(paper="Dance")
    both = Cascade(motion, Painter())
    assert both.loaded is None
    both.setup("cpu")
    assert (both.loaded.label, both.loaded.card.n_parameters) == ("motion tiny", 9)
    assert both.loaded.weights == (tmp_path / "w",)


LOGGING_SYSTEM = """
import os, time
from madata.synthetic.dance import make_dance

class Slow:
    task = "motion"

    def generate(self, request):
        with open(os.environ["CALLS"], "a") as log:
            log.write(request.clip_id + "\\n")
        time.sleep(0.03)
        return make_dance(request.duration_s, fps=request.fps, seed=request.seed % 1000).motion
"""


def start(tmp_path, data, out, *extra):
    system = tmp_path / "slow.py"
    system.write_text(LOGGING_SYSTEM)
    command = [sys.executable, "-m", "madata.cli", "generate", f"{system}:Slow"]
    command += ["--data", str(data), "--out", str(out), "--seed", "3", *extra]
    environment = os.environ | {"CALLS": str(tmp_path / f"{out.name}.log")}
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=Path.cwd()
    )


def test_killed_at_random_it_ends_the_same_and_does_no_finished_clip_twice(tmp_path):
    data = tmp_path / "data"
    for number in range(24):
        silence(data / f"c{number:02}.wav", 0.5)
    whole = start(tmp_path, data, tmp_path / "whole")
    assert whole.wait(120) == 0, whole.stderr.read()
    rng, out, log = random.Random(7), tmp_path / "killed", tmp_path / "killed.log"
    kills = 0
    while kills < 4:
        run = start(tmp_path, data, out)
        had = len(log.read_text().split()) if log.exists() else 0
        begin = time.monotonic()
        while run.poll() is None and (
            not log.exists() or len(log.read_text().split()) < had + rng.randint(2, 4)
        ):
            assert time.monotonic() - begin < 300
            time.sleep(0.001)
        time.sleep(rng.uniform(0, 0.03))
        (out / "clips" / ".tmp-half.npz").write_bytes(b"left by a kill")
        if run.poll() is not None:
            break
        run.send_signal(signal.SIGKILL)
        run.wait()
        kills += 1
    assert kills >= 3
    last = start(tmp_path, data, out)
    assert last.wait(120) == 0
    assert content(out) == content(tmp_path / "whole")
    calls = log.read_text().split()
    assert set(calls) == {f"c{number:02}" for number in range(24)}
    assert len(calls) <= 24 + kills
    states = {entry.clip_id: entry.state for entry in Records(out).entries()}
    assert set(states.values()) == {"done"}
    assert {path.stem for path in (out / "clips").iterdir()} == set(states)


def test_processes_that_share_a_folder_share_the_clips(tmp_path):
    data = tmp_path / "data"
    for number in range(16):
        silence(data / f"c{number:02}.wav", 0.5)
    runs = [start(tmp_path, data, tmp_path / "shared") for _ in range(3)]
    assert [run.wait(120) for run in runs] == [0, 0, 0], [run.stderr.read() for run in runs]
    calls = (tmp_path / "shared.log").read_text().split()
    assert sorted(calls) == [f"c{number:02}" for number in range(16)]


def test_the_command_reports_on_both_streams(tmp_path):
    data = tmp_path / "data"
    silence(data / "a.wav", 0.5)
    run = start(tmp_path, data, tmp_path / "run", "--json")
    out, err = run.communicate(timeout=600)
    assert run.returncode == 0
    assert json.loads(out)["done"] == 1
    assert "1/1 clips" in err
    assert "frames/s" in err
    assert "0:00:00 left" in err


def test_failed_clips_make_exit_code_1_and_are_named(tmp_path):
    silence(tmp_path / "data" / "a.wav", 0.5)
    (tmp_path / "bad.py").write_text(
        "class Bad:\n    task = 'motion'\n    def generate(self, request): return 5\n"
    )
    arguments = [
        "generate",
        f"{tmp_path}/bad.py:Bad",
        "--data",
        str(tmp_path / "data"),
        "--out",
        str(tmp_path / "run"),
    ]
    run = CliRunner().invoke(madance, arguments)
    assert run.exit_code == 1
    assert "failed  a: expected a Motion3D, got int" in run.stderr


@pytest.fixture(scope="module")
def curated(tmp_path_factory):
    """A data set of ``madance curate`` with three video clips of two splits."""
    folder = tmp_path_factory.mktemp("curated")
    rows = []
    for clip, split, level in (("s1-000", "test", 40), ("s2-000", "test", 90), ("s3-000", "train", 140)):
        frames = [np.full((48, 64, 3), level + number, np.uint8) for number in range(20)]
        sound = make_tone(level)
        write_video(folder / "clips" / f"{clip}.mp4", frames, 20, audio=sound)
        write_npz(
            folder / "keypoints" / f"{clip}.npz",
            xy=np.array([[[0.0, 0.0]] * 17, [[32.0, 24.0]] * 17], np.float32),
            score=np.ones((2, 17), np.float32), skeleton="coco-17",
            times_s=np.array([0.0, 0.5]), size=np.array([64, 48]),
        )  # fmt: skip
        rows.append({
            "clip_id": clip, "source_id": clip[:2], "fps": 20.0, "num_frames": 20, "width": 64, "height": 48,
            "has_audio": True, "split": split, "path": f"clips/{clip}.mp4", "keypoints": f"keypoints/{clip}.npz",
        })  # fmt: skip
    write_table(folder / "clips.parquet", rows, CLIP_COLUMNS)
    return folder


def make_tone(level):
    from madata.types import Music

    return Music((0.5 * np.sin(np.arange(22050) * level / 500)).astype(np.float32), 22050)


def paint(request):
    width, height = request.size
    return [np.full((height, width, 3), number, np.uint8) for number in range(request.num_frames)]


def test_a_curated_data_set_gives_music_and_picture_and_hides_the_truth(curated, tmp_path):
    plugin = plugin_of(paint, "video")
    summary = generate(plugin, curated, tmp_path, Settings())
    assert summary.done == 2
    request = plugin.asked[0]
    assert (request.clip_id, request.fps, request.size, request.num_frames) == ("s1-000", 20.0, (64, 48), 20)
    assert request.truth is None
    assert request.music == tmp_path / "inputs" / "s1-000.wav"
    truth = read_audio(curated / "clips" / "s1-000.mp4")
    heard = read_audio(request.music)
    assert heard.rate_hz == truth.rate_hz
    np.testing.assert_allclose(heard.waveform, truth.waveform, atol=1e-4)
    picture = cv2.imread(str(request.image))
    assert picture.shape == (48, 64, 3)
    assert abs(float(picture.mean()) - 40) < 3
    with Decoder(tmp_path / "clips" / "s1-000.mp4") as decoder:
        assert sum(1 for _ in decoder) == 20
        assert decoder.info.audio is not None
    with pytest.raises(MadanceError, match="no clip in the split 'held'; there is test, train"):
        generate(plugin, curated, tmp_path / "other", Settings(split="held"))


def test_sparse_keypoints_are_read_on_the_grid_of_the_request(curated, tmp_path):
    plugin = plugin_of(paint, "animation")
    generate(plugin, curated, tmp_path, Settings(limit=1))
    pose = plugin.asked[0].pose
    assert plugin.asked[0].music is None
    assert pose.xy.shape == (20, 17, 2)
    np.testing.assert_allclose(pose.xy[:11, 0, 0], np.arange(11) * 3.2, atol=1e-4)
    np.testing.assert_allclose(pose.xy[11:, 0, 1], 24.0)


def test_a_native_size_scales_picture_and_pose(curated, tmp_path):
    plugin = plugin_of(paint, "animation", size=(128, 128))
    generate(plugin, curated, tmp_path, Settings(limit=1))
    request = plugin.asked[0]
    assert request.size == (128, 128)
    np.testing.assert_allclose(request.pose.xy[-1, 0], (64.0, 64.0), atol=1)  # crops begin at even pixels
    assert cv2.imread(str(request.image)).shape == (128, 128, 3)


def test_a_picture_of_the_users_own_covers_the_size_wanted(tmp_path):
    image = np.zeros((40, 120, 3), np.uint8)
    image[:, 40:80] = (10, 200, 30)
    (tmp_path / "d").mkdir()
    cv2.imwrite(str(tmp_path / "d" / "a.png"), image)
    silence(tmp_path / "d" / "a.wav", 0.2)
    plugin = plugin_of(paint, "video", size=(64, 64))
    generate(plugin, tmp_path / "d", tmp_path / "run", Settings())
    read = cv2.imread(str(plugin.asked[0].image))
    assert read.shape == (64, 64, 3)
    np.testing.assert_array_equal(read[:, 4:-4].reshape(-1, 3).min(axis=0), (10, 200, 30))


def test_only_systems_that_say_so_see_the_truth(curated, tmp_path):
    plugin = plugin_of(paint, "video", needs_truth=True)
    generate(plugin, curated, tmp_path, Settings(limit=1))
    truth = plugin.asked[0].truth
    assert [clip.clip_id for clip in truth.split] == ["s1-000", "s2-000"]
    assert [clip.clip_id for clip in truth.others] == ["s3-000"]
    assert read_json(tmp_path / "run.json")["system"]["needs_truth"] is True


def test_lazy_frames_are_timed_apart_from_writing(monkeypatch):
    request = Request("a", "video", None, None, None, None, 0.2, 20.0, (16, 16), 0, Path())
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr("evaluation.generate.output.time.perf_counter", lambda: clock.now)

    def frames():
        for _ in range(4):
            clock.now += 2
            yield np.zeros((16, 16, 3), np.uint8)

    watched = Frames(frames(), request)
    for _ in watched:
        clock.now += 100
    assert watched.seconds == 8


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


def test_a_cropped_picture_takes_its_pose_along(tmp_path):
    """A keypoint marks a spot of the picture; where the picture is cut to another shape, it still does."""
    spot = np.array([80, 20])
    image = np.zeros((60, 100, 3), np.uint8)
    cv2.circle(image, tuple(int(side) for side in spot), 3, (255, 255, 255), -1)
    (tmp_path / "d").mkdir()
    cv2.imwrite(str(tmp_path / "d" / "a.png"), image)
    silence(tmp_path / "d" / "a.wav", 1.0)
    write_npz(
        tmp_path / "d" / "a.npz",
        xy=np.tile(spot.astype(np.float32), (10, 24, 1)), score=np.ones((10, 24)), skeleton="smpl-24",
        size=np.array([100, 60]), fps=10.0,
    )  # fmt: skip
    plugin = plugin_of(paint, "animation", size=(80, 64))
    assert generate(plugin, tmp_path / "d", tmp_path / "run", Settings()).done == 1
    request = plugin.asked[0]
    lit = np.argwhere(cv2.imread(str(request.image))[..., 0] > 128).mean(axis=0)[::-1]
    np.testing.assert_allclose(request.pose.xy[0, 0], lit, atol=1.0)


def test_a_loud_system_keeps_its_prints_to_itself(data, tmp_path, capfd):
    def loud(request):
        sys.stdout.write("x" * 100_000)
        os.system("echo from below")
        return dance(request)

    summary = generate(plugin_of(loud), data, tmp_path, Settings(limit=2))
    assert summary.done == 2
    assert capfd.readouterr().out == ""
    printed = (tmp_path / "prints.log").read_text()
    assert (printed.count("x"), printed.count("from below")) == (200_000, 2)


@pytest.mark.parametrize("late", [False, True])
def test_a_system_that_wants_to_exit_fails_its_clip_alone(tmp_path, late):
    for clip in "ab":
        write_video(
            tmp_path / "d" / f"{clip}.mp4", [np.zeros((32, 32, 3), np.uint8)] * 4, 16, audio=make_tone(50)
        )

    def leaving(request):
        frames = paint(request)
        if request.clip_id == "a" and not late:
            sys.exit(5)
        return (sys.exit(5) if request.clip_id == "a" else frame for frame in frames)

    summary = generate(plugin_of(leaving, "video"), tmp_path / "d", tmp_path / "run", Settings(retries=0))
    assert (summary.done, list(summary.failed)) == (1, ["a"])
    assert "asked to exit (SystemExit, code 5)" in summary.failed["a"]


@pytest.mark.parametrize("late", [False, True])
def test_a_system_that_goes_to_another_folder_goes_alone(tmp_path, monkeypatch, late):
    (tmp_path / "elsewhere").mkdir()
    for clip in "ab":
        write_video(
            tmp_path / "d" / f"{clip}.mp4", [np.zeros((32, 32, 3), np.uint8)] * 4, 16, audio=make_tone(50)
        )
    monkeypatch.chdir(tmp_path)

    def wandering(request):
        frames = paint(request)
        if not late:
            os.chdir(tmp_path / "elsewhere")
            return frames
        return (frame if os.chdir(tmp_path / "elsewhere") is None else None for frame in frames)

    assert generate(plugin_of(wandering, "video"), Path("d"), Path("run"), Settings()).done == 2
    assert Path.cwd() == tmp_path
    assert sorted(path.name for path in (tmp_path / "run" / "clips").iterdir()) == ["a.mp4", "b.mp4"]
    assert not list((tmp_path / "elsewhere").iterdir())


def test_a_run_folder_that_is_only_read_is_described(data, tmp_path):
    generate(plugin_of(dance), data, tmp_path, Settings(limit=1))
    before = sorted(path.name for path in tmp_path.rglob("*"))
    assert describe_run(tmp_path)[0].name == "made"
    with pytest.raises(MadanceError, match="no clip of this run is finished"):
        (tmp_path / "journal" / "c0.json").unlink()
        describe_run(tmp_path)
    assert sorted(path.name for path in tmp_path.rglob("*")) == [name for name in before if name != "c0.json"]


def test_a_manifest_cannot_write_outside(curated, tmp_path):
    row = {"clip_id": "../../evil", "source_id": "s", "fps": 20.0, "num_frames": 20, "width": 64, "height": 48,
           "has_audio": True, "split": "test", "path": "clips/s1-000.mp4"}  # fmt: skip
    write_table(tmp_path / "clips.parquet", [row], CLIP_COLUMNS)
    with pytest.raises(MadanceError, match="is no file name"):
        read_clips(tmp_path, None, task="video")


def test_a_request_does_not_depend_on_what_was_asked_before(data, tmp_path):
    clips = read_clips(data, None, task="motion")
    maker = RequestMaker(clips, "motion", Declaration("x", ("motion",)), Settings(), tmp_path)
    forth = [maker.request(clip, tmp_path) for clip in clips.clips]
    back = [maker.request(clip, tmp_path) for clip in clips.clips[::-1]]
    assert forth == back[::-1]


def test_options_are_toml_or_text():
    assert parse_options(["a=1", "b=x y", "c=[1, 2]", "motion.d=true", "e="]) == {
        "a": 1, "b": "x y", "c": [1, 2], "motion.d": True, "e": "",
    }  # fmt: skip
    for wrong in (["a"], ["=1"], ["a=1", "a=2"]):
        with pytest.raises(ConfigError):
            parse_options(wrong)


def test_finding_a_sanity_row_and_running_it(data, tmp_path):
    summary = generate(find("ground-truth"), data, tmp_path, Settings(task="motion"))
    assert summary.done == CLIPS
    for number in range(CLIPS):
        real, made = (
            read_motion(folder / f"c{number}.npz") for folder in (data / "motions", tmp_path / "clips")
        )
        np.testing.assert_array_equal(made.rotation, real.rotation)
