"""What deviates from a system's training is told before a clip is made and kept with its record; nothing is refused."""

import cv2
import numpy as np
import pytest

from evaluation.commands.status_line import StatusLine
from evaluation.generate import ClipInputs, Settings, generate, generate_clip, plan_clip, plan_split
from evaluation.systems import Card, Cascade, Plugin, Request
from evaluation.systems.plugin import Declaration, Origin
from madata.errors import MadanceError
from madata.files import read_json
from madata.music import write_wav
from madata.types import Music
from tests.evaluation.generate.made import dance, plugin_of, silence


class Painter:
    task, card = "video", Card()
    told: tuple = ()

    def preflight(self, request):
        if isinstance(self.told, Exception):
            raise self.told
        return [f"{line} at {request.size[0]}x{request.size[1]}" for line in self.told]

    def generate(self, request):
        return np.zeros((request.num_frames, request.size[1], request.size[0], 3), np.uint8)


def painter(*told, size=(32, 48)):
    made = type("Made", (Painter,), {"told": told if not isinstance(told[0], Exception) else told[0]})
    return Plugin(Declaration("painter", ("video",), size=size), Origin("decorator", "here"), made)


@pytest.fixture
def data(tmp_path):
    for name in ("a", "b"):
        silence(tmp_path / "data" / f"{name}.wav", 0.2)
        cv2.imwrite(str(tmp_path / "data" / f"{name}.png"), np.full((48, 32, 3), 90, np.uint8))
    return tmp_path / "data"


def test_a_split_tells_each_deviation_once_and_keeps_it_with_every_clip(data, tmp_path, capsys):
    line = StatusLine(quiet=False)
    plugin = painter("canvas")
    summary = generate(plugin, data, tmp_path / "run", Settings(), on_deviations=line.deviations)
    assert (summary.done, summary.failed) == (2, {})
    assert capsys.readouterr().err.count("deviates: canvas at 32x48") == 1
    for clip in ("a", "b"):
        assert read_json(tmp_path / "run" / "journal" / f"{clip}.json")["deviations"] == ["canvas at 32x48"]
    assert "a: deviates: canvas at 32x48" in plan_split(plugin, data, tmp_path / "other", Settings())


def test_one_clip_tells_them_before_it_is_made_and_in_its_record(tmp_path):
    write_wav(tmp_path / "song.wav", Music(np.sin(np.arange(8000) / 9).astype(np.float32), 8000))
    cv2.imwrite(str(tmp_path / "person.png"), np.full((24, 16, 3), 90, np.uint8))
    inputs = ClipInputs(tmp_path / "song.wav", tmp_path / "person.png", None)
    heard = []
    plugin = painter("pose")
    record = generate_clip(plugin, inputs, tmp_path / "clip.mp4", Settings(), on_plan=heard.append)
    expected = ["picture: its 16x24 px are magnified 2.0 times", "pose at 32x48"]
    assert record["deviations"] == expected
    assert heard[-1] == [f"deviates: {line}" for line in expected]
    assert plan_clip(plugin, inputs, tmp_path / "new.mp4", Settings())[-2:] == heard[-1]


def test_a_preflight_that_fails_stops_nothing(data, tmp_path):
    summary = generate(painter(MadanceError("no camera")), data, tmp_path / "run", Settings(limit=1))
    assert summary.done == 1
    told = read_json(tmp_path / "run" / "journal" / "a.json")["deviations"]
    assert told == ["not judged: painter: no camera"]


def test_a_cascade_asks_its_animation_stage(tmp_path):
    class Animator(Painter):
        task, told = "animation", ("canvas",)

    class Plain:
        task, card = "animation", Card()

    request = Request("a", "video", None, None, None, None, 1.0, 10.0, (32, 48), 0, tmp_path)
    dancing = plugin_of(dance).make()
    assert Cascade(dancing, Animator()).preflight(request) == ["canvas at 32x48"]
    assert Cascade(dancing, Plain()).preflight(request) == []
