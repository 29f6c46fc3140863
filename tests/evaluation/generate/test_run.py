"""A system over the clips of a data set: what a run writes, keeps, refuses and tells."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from evaluation.generate import Settings, describe_run, generate, read_clips
from evaluation.generate.output import Frames
from evaluation.generate.records import Records
from evaluation.generate.requests import RequestMaker
from evaluation.generate.settings import parse_options
from evaluation.inputs.discovery import find_clips
from evaluation.systems import Card, Cascade, Loaded, Plugin, Request, clip_seed, find
from evaluation.systems.plugin import Declaration, Origin
from madata.errors import ConfigError, MadanceError, WeightsError
from madata.files import read_json
from madata.motion import read_motion
from madata.shard import Shard
from tests.evaluation.generate.made import CLIPS, content, dance, plugin_of


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


def test_a_system_that_changes_its_request_is_held_to_what_was_asked(data, tmp_path):
    def lazy(request):
        object.__setattr__(request, "duration_s", 1 / request.fps)
        object.__setattr__(request, "clip_id", "c0")
        return dance(request)

    assert generate(plugin_of(lazy), data, tmp_path, Settings()).done == 0
    assert not list((tmp_path / "clips").iterdir())
    entry = read_json(tmp_path / "journal" / "c3.json")
    assert (entry["state"], entry["reason"], entry["clip_id"]) == ("failed", "frames", "c3")


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
    assert "test_run.py" in entry["error"]
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


def test_a_run_folder_that_is_only_read_is_described(data, tmp_path):
    generate(plugin_of(dance), data, tmp_path, Settings(limit=1))
    before = sorted(path.name for path in tmp_path.rglob("*"))
    assert describe_run(tmp_path)[0].name == "made"
    with pytest.raises(MadanceError, match="no clip of this run is finished"):
        (tmp_path / "journal" / "c0.json").unlink()
        describe_run(tmp_path)
    assert sorted(path.name for path in tmp_path.rglob("*")) == [name for name in before if name != "c0.json"]


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
