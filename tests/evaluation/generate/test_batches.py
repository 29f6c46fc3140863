"""Clips that a system makes at once: the same clips as one by one, and none is lost for another's sake."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from evaluation.generate import Settings, describe_run, generate, plan_split, run
from evaluation.systems import Card, Plugin
from evaluation.systems.plugin import Declaration, Origin
from madata.errors import ConfigError, MadanceError, WeightsError
from madata.files import read_json
from madata.video import write_video
from tests.evaluation.generate.made import CLIPS, content, dance, paint, plugin_of, silence


def together(many, task="motion"):
    """A plug-in that makes clips by ``many(requests)``; what it was asked for each time is in ``plugin.batches``."""
    batches = []

    class Made:
        def generate(self, request):
            return self.generate_many([request])[0]

        def generate_many(self, requests):
            batches.append([request.clip_id for request in requests])
            return many(requests)

    plugin = Plugin(Declaration("made", (task,), Card()), Origin("decorator", "here", sha256="0" * 64), Made)
    object.__setattr__(plugin, "batches", batches)
    return plugin


def dances(requests):
    return [dance(request) for request in requests]


def test_a_batch_makes_the_clips_that_are_made_one_by_one(data, tmp_path):
    generate(plugin_of(dance), data, tmp_path / "alone", Settings())
    plugin = together(dances)
    summary = generate(plugin, data, tmp_path / "batch", Settings(batch=4))
    assert plugin.batches == [["c0", "c1", "c2", "c3"], ["c4", "c5"]]
    assert content(tmp_path / "batch") == content(tmp_path / "alone")
    entries = [read_json(tmp_path / "batch" / "journal" / f"c{n}.json") for n in range(CLIPS)]
    assert [entry["batch"] for entry in entries] == [4, 4, 4, 4, 2, 2]
    assert [entry["attempts"] for entry in entries] == [1] * CLIPS
    assert [entry["warm"] for entry in entries] == [False] * 4 + [True] * 2
    assert entries[0]["generate_s"] == pytest.approx(entries[3]["generate_s"])
    assert (summary.done, summary.batch) == (CLIPS, 2)  # of the warm ones, of which the rate is said
    assert describe_run(tmp_path / "batch")[1].model_dump()["batch"] == 2
    assert "batch" not in describe_run(tmp_path / "alone")[1].model_dump()


def test_a_run_goes_on_with_another_batch(data, tmp_path):
    generate(together(dances), data, tmp_path, Settings(batch=2, limit=2))
    plugin = together(dances)
    generate(plugin, data, tmp_path, Settings(batch=3))
    assert plugin.batches == [["c2", "c3", "c4"], ["c5"]]


def test_one_bad_clip_costs_itself_alone(data, tmp_path):
    def fails(requests):
        if any(request.clip_id == "c2" for request in requests):
            raise RuntimeError("c2 is too hard")
        return dances(requests)

    plugin = together(fails)
    summary = generate(plugin, data, tmp_path, Settings(batch=3, retries=0))
    assert plugin.batches == [["c0", "c1", "c2"], ["c0"], ["c1"], ["c2"], ["c3", "c4", "c5"]]
    assert summary.done == CLIPS - 1
    assert list(summary.failed) == ["c2"] and "c2 is too hard" in summary.failed["c2"]
    assert "3 clips at once: RuntimeError: c2 is too hard" in (tmp_path / "prints.log").read_text()
    again = together(dances)  # what failed is tried on its own
    assert generate(again, data, tmp_path, Settings(batch=3)).done == CLIPS
    assert again.batches == [["c2"]]


def test_what_breaks_the_contract_in_a_batch_is_that_clip(data, tmp_path):
    def wrong(requests):
        made = dances(requests)
        return [dance(requests[0]) if request.clip_id == "c1" else one
                for request, one in zip(requests, made, strict=True)]  # fmt: skip

    summary = generate(together(wrong), data, tmp_path, Settings(batch=CLIPS, retries=0))
    assert list(summary.failed) == ["c1"]


def test_another_number_of_clips_is_no_answer(data, tmp_path):
    plugin = together(lambda requests: dances(requests)[:1])
    assert generate(plugin, data, tmp_path, Settings(batch=CLIPS)).done == CLIPS
    assert [len(batch) for batch in plugin.batches] == [CLIPS] + [1] * CLIPS
    assert f"generate_many gave 1 clips for {CLIPS} requests" in (tmp_path / "prints.log").read_text()


def test_videos_in_their_scratch_folders_are_kept(tmp_path):
    def files(requests):
        for request in requests:
            write_video(request.scratch / "made.mp4", paint(request), request.fps)
        return [request.scratch / "made.mp4" for request in requests]

    for name in "ab":
        silence(tmp_path / "data" / "music" / f"{name}.wav", 0.4)
        (tmp_path / "data" / "images").mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / "data" / "images" / f"{name}.png"), np.zeros((16, 16, 3), np.uint8))
    settings = Settings(batch=2, size=(16, 16), fps=10)
    summary = generate(together(files, "video"), tmp_path / "data", tmp_path / "run", settings)
    assert (summary.done, summary.failed) == (2, {})


def test_what_no_clip_escapes_ends_the_run(data, tmp_path):
    def absent(requests):
        raise WeightsError("get them")

    plugin = together(absent)
    with pytest.raises(WeightsError, match="get them"):
        generate(plugin, data, tmp_path, Settings(batch=3))
    assert len(plugin.batches) == 1


def test_nothing_is_made_for_a_full_disk(data, tmp_path, monkeypatch):
    monkeypatch.setattr(run.shutil, "disk_usage", lambda folder: SimpleNamespace(free=0))
    plugin = together(dances)
    with pytest.raises(MadanceError, match="free some space"):
        generate(plugin, data, tmp_path, Settings(batch=3))
    assert plugin.batches == []


def test_a_system_of_one_clip_at_a_time_says_so(data, tmp_path):
    for way in (generate, plan_split):
        with pytest.raises(ConfigError, match="--batch 2: made makes one clip at a time; leave --batch out"):
            way(plugin_of(dance), data, tmp_path / "run", Settings(batch=2))
    assert not (tmp_path / "run").exists()
