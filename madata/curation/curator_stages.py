"""Shot trimming and the performer rule as stages of NVIDIA NeMo Curator, for whoever curates video with it.

Use::

    pipeline.add_stage(VideoReader(input_video_path="crawl"))
    pipeline.add_stage(shot_stage())
    pipeline.add_stage(ClipTranscodingStage())
    pipeline.add_stage(performer_stage())

The measurements, thresholds and settings are those of ``madance curate``. What is dropped goes to ``filtered_clips``
with its reason among ``errors``, which Curator's writer notes. NeMo Curator is no dependency: it is asked for when a
stage is made.
"""

from __future__ import annotations

import contextlib
import importlib
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from madata.curation.filters import length, people
from madata.curation.observe import SourceObserver, people_size
from madata.curation.settings import CurationConfig, load_config
from madata.curation.source import pose_backend
from madata.errors import MediaError, MissingDependencyError
from madata.files import scratch_folder, storage_errors
from madata.people import PeopleRule, examine
from madata.pose import counting_backend
from madata.shots import boundary_stream
from madata.types import Span
from madata.video import Decoder
from madata.video.frames import read_pictures

__all__ = ["performer_stage", "shot_stage"]

_SHOTS, _PERFORMER = "madance_shots", "madance_performer"


def shot_stage(overrides: Sequence[str] = (), *, device: str = "cpu") -> Any:
    """A stage that gives a video its clips: one for each stretch of a shot, without transitions and damaged frames.

    It takes the place of Curator's frame extraction and TransNet V2 stages, and decodes without holding the frames.
    Stretches shorter than ``shots.min_s`` are filtered.

    Args:
        overrides: ``section.key=value``, laid over the settings of ``madance curate``.

    Raises:
        ConfigError: there is no such setting.
        MissingDependencyError: NeMo Curator is not installed.
    """
    config = load_config(None, overrides)
    min_s = config.of(length.FILTER).min_s
    make_clip = _curator("nemo_curator.tasks.video").Clip

    def shots(task: Any) -> Any:
        video = task.data
        name = str(video.input_video)
        try:
            with _file(video.input_video, video.source_bytes) as path:
                spans = _stretches(path, config, device)
        except MediaError as error:
            video.errors[_SHOTS] = error.reason
            return task
        for span in spans:
            clip = make_clip(
                uuid=uuid.uuid5(uuid.NAMESPACE_URL, f"{name}#{span.start}-{span.end}"),
                source_video=name,
                span=(span.start_s, span.end_s),
            )
            _sort_in(video, clip, _SHOTS, None if span.duration_s >= min_s else "short")
        return task

    return _stage(_SHOTS, shots, device)


def performer_stage(
    overrides: Sequence[str] = (), *, weights: Path | None = None, device: str = "cpu"
) -> Any:
    """A stage that filters clips which show two or more performers, or none.

    It stands behind transcoding: it looks at the buffers of the clips.

    Args:
        overrides: ``section.key=value``, laid over the settings of ``madance curate``.
        weights: folder of model weights, searched first.

    Raises:
        ConfigError: there is no such setting.
        MissingDependencyError: NeMo Curator is not installed.
    """
    config = load_config(None, overrides)

    def performer(task: Any) -> Any:
        video = task.data
        clips, video.clips = video.clips, []
        for clip in clips:
            try:
                with _file(None, clip.buffer) as path:
                    reason = _rejection(path, clip.span[1] - clip.span[0], config, weights, device)
            except MediaError as error:
                reason = error.reason
            _sort_in(video, clip, _PERFORMER, reason)
        return task

    return _stage(_PERFORMER, performer, device)


def _stretches(path: Path, config: CurationConfig, device: str) -> list[Span]:
    found: list[Span] = []
    with Decoder(path) as decoder:
        observer = SourceObserver(config, boundary_stream(device), lambda stretch: found.append(stretch.span))
        for frame in decoder:
            observer.feed(frame)
        observer.close()
        start_s = decoder.info.start_s  # Curator counts from the first frame
    return [Span(one.start, one.end, one.start_s - start_s, one.end_s - start_s) for one in found]


def _rejection(
    path: Path, seconds: float, config: CurationConfig, weights: Path | None, device: str
) -> str | None:
    rate, long_side = config.people.samples_per_s, config.people.long_side
    count = max(1, int(seconds * rate))
    pictures = read_pictures(
        path,
        rate,
        count,
        lambda frame, shown: frame.scaled(people_size(shown, long_side), interpolation="bilinear"),
    )
    shares = config.of(people.FILTER)
    rule = PeopleRule(
        multi_share=shares.multi_share, none_share=shares.none_share, min_hips=config.people.min_hips
    )
    backend = counting_backend(pose_backend(config, weights, device))
    return examine(backend, list(pictures), np.arange(count) / rate, rule).reason


def _sort_in(video: Any, clip: Any, stage: str, reason: str | None) -> None:
    if reason is None:
        video.clips.append(clip)
        return
    clip.errors[stage] = reason
    video.filtered_clips.append(clip)


@contextlib.contextmanager
def _file(path: Path | None, content: bytes | None) -> Iterator[Path]:
    """A file of this machine: ``path`` where that is one, else one that holds ``content`` for a while."""
    if path is not None and Path(path).is_file():
        yield Path(path)
        return
    if not content:
        raise MediaError(f"{path}: neither a file of this machine nor read into memory", reason="unreadable")
    with scratch_folder() as folder:
        file = folder / "video.mp4"
        with storage_errors(file):
            file.write_bytes(content)
        yield file


def _stage(name: str, function: Callable[[Any], Any], device: str) -> Any:
    resources = {"cpus": 1.0, "gpus": 1.0 if device.startswith("cuda") else 0.0}
    make = _curator("nemo_curator.stages.function_decorators").processing_stage
    return make(name=name, resources=resources, batch_size=1)(function)


def _curator(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingDependencyError(
            f"the stages need NeMo Curator ({error}): pip install nemo-curator"
        ) from error
