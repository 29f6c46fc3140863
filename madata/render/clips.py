"""Motions become front-view clips: one motion file at a time, in any process, with the same result.

The camera faces the dancer's first frame and stays; clips are windows of 5-10 s at random offsets (paper
section 4.1) or the whole motion. Beside each ``clips/<clip_id>.mp4`` lies ``keypoints/<clip_id>.npz``:

    xy (T, 24, 2) px, score (T, 24) 1 in the picture and 0 outside, skeleton, size (width, height), fps,
    joints3d (T, 24, 3) metres with y up, camera_position (3,), camera_rotation (3, 3), camera_focal_px,
    travel (T, 3) metres, start_frame of the clip in the motion at ``fps``.

Pixels are as in :mod:`madata.render.camera`. Where the whole way of the dancer would leave him less than
``follow_below`` of the picture's height, the camera travels with him (:mod:`madata.render.path`): joints and camera are
then given relative to ``travel``, which is zero otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np

from madata.curation.decide import length_law
from madata.curation.journal import Entry
from madata.curation.settings import load_config
from madata.curation.stills import thumbnail_of
from madata.errors import ConfigError, MediaError, did_you_mean
from madata.files import sha256_file, write_npz
from madata.manifest import span_row, split_of
from madata.motion import read_motion, resample
from madata.motion.kinematics import with_up
from madata.people import joint_change
from madata.render.backdrop import BACKDROPS, stages_along
from madata.render.camera import Camera, front_camera
from madata.render.path import put_back, travelled_with
from madata.render.renderer import CapsuleRenderer, Figure, Renderer
from madata.render.settings import MIXED, RENDERERS, RenderSettings
from madata.render.sources import MotionSource
from madata.seeds import seed_of
from madata.types import FloatArray, Motion3D, Span
from madata.windows import draw_windows, window_seed

__all__ = ["clip_spans", "make_renderer", "render_source"]

_POSES_PER_S = 2.0
"""Poses a second that are held against ``pose_below``, as in curation."""


@cache
def make_renderer(name: str, model: Path | None) -> Renderer[Any]:
    """The renderer called ``name``.

    Raises:
        ConfigError: the name is unknown, or the renderer needs a model file.
        MediaError: the model file is not usable.
    """
    if name == CapsuleRenderer.name:
        return CapsuleRenderer()
    if name != "smpl":
        raise ConfigError(f"unknown renderer {name!r}{did_you_mean(name, RENDERERS)}")
    if model is None:
        raise ConfigError(
            "the renderer 'smpl' needs --model FILE: a SMPL model (.npz) from https://smpl.is.tue.mpg.de, "
            "which its licence does not let us ship"
        )
    from madata.render.mesh import MeshRenderer

    return MeshRenderer(model)


def render_source(
    source: MotionSource, report: Callable[[float], None], *, out: Path, settings: RenderSettings
) -> Entry:
    """Render every clip of one motion into ``out``; clips that are already there are kept.

    Returns:
        Rows of :mod:`madata.manifest`. A motion that cannot be used has status ``failed`` and a reason.

    Raises:
        ConfigError: the renderer is not usable.
    """
    renderer = make_renderer(settings.renderer, settings.model)
    row: dict[str, Any] = {"source_id": source.source_id, "file": source.name, "sha256": source.sha256}
    row["performance_id"] = source.source_id
    try:
        motion, wild = put_back(read_motion(source.path))
        dancer = _Dancer(renderer, with_up(resample(motion, settings.fps), "y"), _look(source, settings))
        total = len(dancer.as_is[0].joints)
    except (MediaError, ConfigError) as error:  # a file may also name a skeleton or layout that is unknown
        failed = {
            "status": "failed",
            "reason": error.reason if isinstance(error, MediaError) else "unknown_format",
            "message": str(error),
            "clips": 0,
            "clips_s": 0.0,
        }
        return Entry("done", {**row, **failed})
    seconds = total / settings.fps
    row |= {"fps": settings.fps, "frames": total, "duration_s": seconds}
    shot = {"source_id": source.source_id, **span_row(Span(0, total, 0.0, seconds)), "begins_with": "start"}
    clips, dropped = [], []
    spans = clip_spans(total, settings, source.source_id)
    if not spans:
        dropped.append(_too_short(source, total, settings))
    try:
        for span in spans:
            scene = _scene(dancer, span, settings)
            change = _pose_change(scene, span, settings.fps)
            if change < settings.motion.pose_below:
                dropped.append(_static(source, span, change, settings))
            else:
                clip = _render_clip(source, scene, span, out, settings)
                clips.append({**clip, "pose_change": change if np.isfinite(change) else None})
            report(span.duration_s)
    except MediaError as error:  # the music of this motion
        failed = {"status": "failed", "reason": error.reason, "message": str(error)}
        return Entry("done", {**row, **failed, "clips": len(clips)}, clips, dropped, [shot])
    row |= {
        "status": "done",
        "message": f"{wild} wild positions were put back between their neighbours" if wild else None,
        "shots": 1,
        "segments": 1,
        "clips": len(clips),
        "clips_s": sum(clip["duration_s"] for clip in clips),
    }
    return Entry("done", row, clips, dropped, [shot])


class _Dancer:
    """A motion dressed twice, when asked for: where it goes, and with a camera that travels along."""

    def __init__(self, renderer: Renderer[Any], motion: Motion3D, look: int) -> None:
        self.renderer = renderer
        self._motion = motion
        self._number = look

    @cached_property
    def as_is(self) -> tuple[Figure, FloatArray]:
        """The figure, and no way at all."""
        return self.renderer.figure(self._motion, self._number), np.zeros_like(self._motion.translation)

    @cached_property
    def followed(self) -> tuple[Figure, FloatArray]:
        """The figure relative to the way (T, 3), y up, that the camera travels."""
        motion, way = travelled_with(self._motion)
        return self.renderer.figure(motion, self._number), way


def _scene(dancer: _Dancer, span: Span, settings: RenderSettings) -> _Scene:
    """The dancer where he goes, or followed where that would make him small."""
    for figure, way in (dancer.as_is, dancer.followed):
        seen = figure.joints[span.start : span.end] if settings.framing == "clip" else figure.joints
        camera = front_camera([seen], settings.size)
        scene = _Scene(dancer.renderer, figure, seen, camera, figure.lowest(), way)
        heights = np.ptp(camera.project(seen)[..., 1], axis=1)
        if float(np.median(heights)) >= settings.follow_below * settings.size[1]:
            break
    return scene


def _pose_change(scene: _Scene, span: Span, fps: float) -> float:
    """See :func:`madata.people.joint_change`; infinity where it is too short to say."""
    every = max(1, round(fps / _POSES_PER_S))
    seen = scene.camera.project(scene.figure.joints[span.start : span.end : every])
    return joint_change(seen, np.ones(seen.shape[:2], np.float32))


def _static(source: MotionSource, span: Span, change: float, settings: RenderSettings) -> dict[str, Any]:
    return {
        "source_id": source.source_id,
        **span_row(span),
        "stage": "motion",
        "reason": "static",
        "value": change,
        "threshold": settings.motion.pose_below,
        "message": f"the joints do not move ({change:.3f} of the body)",
        "pose_change": change,
    }


def _look(source: MotionSource, settings: RenderSettings) -> int:
    return settings.look if settings.look is not None else seed_of(settings.seed, "look", source.source_id)


def clip_spans(total: int, settings: RenderSettings, source_id: str) -> list[Span]:
    """The parts of a motion of ``total`` frames that become clips, if its joints move in them."""
    windows = settings.windows
    times_s = np.arange(total + 1) / settings.fps
    if settings.whole:
        return [Span(0, total, 0.0, float(times_s[-1]))]
    return draw_windows(
        times_s,
        law=length_law(windows),
        seed=window_seed(settings.seed, source_id, 0),
        overlap=windows.overlap,
        min_s=windows.min_s,
        max_s=windows.max_s,
    )


def _too_short(source: MotionSource, total: int, settings: RenderSettings) -> dict[str, Any]:
    seconds = total / settings.fps
    return {
        "source_id": source.source_id,
        **span_row(Span(0, total, 0.0, seconds)),
        "stage": "windows",
        "reason": "short",
        "value": seconds,
        "threshold": settings.windows.min_s,
        "message": f"{seconds:.2f} s long, a window has {settings.windows.min_s:g} s at least",
    }


@dataclass(frozen=True)
class _Scene:
    """A dancer, the joints that are framed, the camera, and the way (T, 3) that it travels."""

    renderer: Renderer[Any]
    figure: Figure
    framed: FloatArray
    camera: Camera
    floor_y: float
    way: FloatArray


def _render_clip(
    source: MotionSource, scene: _Scene, span: Span, out: Path, settings: RenderSettings
) -> dict[str, Any]:
    from madata.video import read_audio, write_video

    clip_id = f"{source.source_id}-{span.start:06d}"
    video, truth = out / "clips" / f"{clip_id}.mp4", out / "keypoints" / f"{clip_id}.npz"
    if not (video.exists() and truth.exists()):
        number = seed_of(settings.seed, "backdrop", source.source_id)
        backdrop = (
            settings.backdrop if settings.backdrop != MIXED else sorted(BACKDROPS)[number % len(BACKDROPS)]
        )
        way = scene.way[span.start : span.end]
        stages = stages_along(backdrop, scene.camera, [scene.framed], scene.floor_y, way, seed=number)
        sound = None
        if source.music is not None:
            sound = read_audio(source.music, start_s=span.start_s, end_s=span.end_s, mono=False)
        _write_truth(truth, scene, span, settings)
        pictures = (
            scene.renderer.draw([scene.figure], frame, stage)
            for frame, stage in zip(range(span.start, span.end), stages, strict=True)
        )
        write_video(video, pictures, settings.fps, audio=sound)
    output = load_config().output
    return {
        "clip_id": clip_id,
        "source_id": source.source_id,
        **span_row(span),
        "fps": settings.fps,
        "num_frames": span.end - span.start,
        "duration_s": (span.end - span.start) / settings.fps,
        "width": settings.size[0],
        "height": settings.size[1],
        "has_audio": source.music is not None,
        "split": split_of(source.source_id, val_share=output.val_share, test_share=output.test_share),
        "subset": "rendered",
        "path": str(video.relative_to(out)),
        "keypoints": str(truth.relative_to(out)),
        "thumbnail": thumbnail_of(out, {"path": video.relative_to(out), "clip_id": clip_id}),
        "bytes": video.stat().st_size,
        "sha256": sha256_file(video),
    }


def _write_truth(path: Path, scene: _Scene, span: Span, settings: RenderSettings) -> None:
    camera, joints = scene.camera, scene.figure.joints[span.start : span.end]
    write_npz(
        path,
        xy=camera.project(joints),
        score=camera.visible(joints).astype(np.float32),
        skeleton="smpl-24",
        size=np.array(settings.size),
        fps=settings.fps,
        joints3d=joints,
        up="y",
        camera_position=camera.position,
        camera_rotation=camera.rotation,
        camera_focal_px=camera.focal_px,
        travel=scene.way[span.start : span.end],
        start_frame=span.start,
    )
