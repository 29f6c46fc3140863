"""The stages of NeMo Curator: with the package where it is installed, else with a stand-in of what they touch."""

import importlib
import sys
import types
import uuid
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from madata.curation.curator_stages import performer_stage, shot_stage
from madata.errors import ConfigError, MissingDependencyError
from tests.madata.curation.conftest import SIZE
from tests.media_builder import Recipe, build


@dataclass
class Clip:
    uuid: uuid.UUID
    source_video: str
    span: tuple[float, float]
    buffer: bytes | None = None
    errors: dict[str, str] = field(default_factory=dict)


@dataclass
class Video:
    input_video: Path
    source_bytes: bytes | None = None
    clips: list[Clip] = field(default_factory=list)
    filtered_clips: list[Clip] = field(default_factory=list)
    errors: dict[str, str] = field(default_factory=dict)


@dataclass
class VideoTask:
    dataset_name: str
    data: Video


@dataclass
class Stage:
    """What the decorator makes of a function: a stage with a name, a batch size, resources and ``process``."""

    name: str
    resources: dict[str, float]
    batch_size: int
    process: object


def processing_stage(*, name, resources=None, batch_size=None):
    return lambda function: Stage(name, resources, batch_size, function)


@pytest.fixture
def curator(monkeypatch):
    """The classes of its tasks."""
    try:
        importlib.import_module("nemo_curator.stages.function_decorators")
        importlib.import_module("nemo_curator.tasks.video")
    except ImportError:
        for name, content in {
            "nemo_curator": {},
            "nemo_curator.stages": {},
            "nemo_curator.stages.function_decorators": {"processing_stage": processing_stage},
            "nemo_curator.tasks": {},
            "nemo_curator.tasks.video": {"Clip": Clip, "Video": Video, "VideoTask": VideoTask},
        }.items():
            module = types.ModuleType(name)
            vars(module).update(content)
            monkeypatch.setitem(sys.modules, name, module)
    return sys.modules["nemo_curator.tasks.video"]


FPS, SECONDS = 12, 5.5


def test_videos_get_their_shots_and_clips_are_kept_by_the_performer_rule(curator, film, tmp_path):
    dancer = film(tmp_path / "dancer.mp4", Recipe(num_frames=round(FPS * SECONDS), fps=FPS, size=SIZE))
    empty = build(tmp_path / "empty.mp4", Recipe(num_frames=FPS, fps=FPS, size=SIZE))
    video = curator.Video(input_video=Path("s3://bucket/dancer.mp4"), source_bytes=dancer.read_bytes())
    task = curator.VideoTask(dataset_name="crawl", data=video)
    task = shot_stage().process(task)
    (clip,) = task.data.clips
    assert clip.span == pytest.approx((0, SECONDS), abs=0.5) and not task.data.filtered_clips
    clip.buffer = dancer.read_bytes()
    others = [
        curator.Clip(uuid=uuid.uuid4(), source_video="x", span=(0.0, 1.0), buffer=buffer)
        for buffer in (empty.read_bytes(), None, b"no video")
    ]
    task.data.clips += others
    task = performer_stage(["people.samples_per_s=1"]).process(task)
    assert task.data.clips == [clip] and task.data.filtered_clips == others
    reasons = [one.errors["madance_performer"] for one in others]
    assert reasons[:2] == ["no_person", "unreadable"] and reasons[2]


def test_short_shots_are_filtered_and_bad_files_told(curator, tmp_path):
    short = build(tmp_path / "short.mp4", Recipe(num_frames=12, fps=FPS, size=SIZE))
    task = curator.VideoTask(dataset_name="crawl", data=curator.Video(input_video=short))
    task = shot_stage().process(task)
    (clip,) = task.data.filtered_clips
    assert not task.data.clips and clip.errors == {"madance_shots": "short"}
    again = curator.VideoTask(dataset_name="crawl", data=curator.Video(input_video=short))
    assert shot_stage().process(again).data.filtered_clips[0].uuid == clip.uuid
    (tmp_path / "bad.mp4").write_bytes(b"no video")
    bad = curator.VideoTask(dataset_name="crawl", data=curator.Video(input_video=tmp_path / "bad.mp4"))
    assert shot_stage().process(bad).data.errors["madance_shots"]


def test_stages_say_what_they_take(curator):
    stage = performer_stage(device="cuda")
    assert stage.name == "madance_performer" and stage.batch_size == 1
    assert getattr(stage.resources, "gpus", None) or stage.resources["gpus"] == 1
    with pytest.raises(ConfigError, match="multi_share"):
        performer_stage(["people.multi_shar=0.5"])


def test_without_curator_the_command_is_named(monkeypatch):
    for name in ("nemo_curator", "nemo_curator.tasks.video"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingDependencyError, match="pip install nemo-curator"):
        shot_stage()
