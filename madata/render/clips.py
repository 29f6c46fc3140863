"""Motions become front-view clips: one motion file at a time, in any process, with the same result.

The camera faces the dancer's first frame and stays; clips are windows of 5-10 s at random offsets (paper
section 4.1) or the whole motion. Beside each ``clips/<clip_id>.mp4`` lies ``keypoints/<clip_id>.npz``:

    xy (T, 24, 2) px, score (T, 24) 1 in the picture and 0 outside, skeleton, size (width, height), fps,
    joints3d (T, 24, 3) metres with y up, camera_position (3,), camera_rotation (3, 3), camera_focal_px,
    start_frame of the clip in the motion at ``fps``.

Pixels are as in :mod:`madata.render.camera`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np

from madata.cache import remembered_sha256
from madata.curate.journal import Entry
from madata.curate.settings import WindowsConfig, load_config
from madata.errors import ConfigError, MediaError, did_you_mean
from madata.files import sha256_bytes, sha256_file, write_npz
from madata.manifest import split_of
from madata.motion import read_motion, resample
from madata.render.backdrop import BACKDROPS, make_stage
from madata.render.camera import Camera, front_camera
from madata.render.renderer import CapsuleRenderer, Figure, Renderer, frames
from madata.render.sources import MotionSource
from madata.seeds import seed_of
from madata.types import FloatArray, Span
from madata.windows import LengthLaw, draw_windows, window_seed

__all__ = ["RENDERERS", "RenderSettings", "make_renderer", "render_source"]

RENDERERS = ("capsules", "smpl")
MIXED = "mixed"


@dataclass(frozen=True)
class RenderSettings:
    """Everything that decides which clips come out of a motion, and how they look.

    Attributes:
        model: SMPL model file, for the renderer ``smpl``.
        windows: length law and overlap; ``None`` renders each motion whole.
        framing: what must stay in view: the whole ``"motion"``, or each ``"clip"`` by itself.
        backdrop: name of a place, or ``"mixed"`` for one that differs from motion to motion.
        look: outfit number; ``None`` differs from motion to motion.
        music: folder of sound files named like the motions.
    """

    renderer: str
    model: Path | None
    size: tuple[int, int]
    fps: float
    seed: int
    windows: WindowsConfig | None
    framing: Literal["motion", "clip"]
    backdrop: str
    look: int | None
    music: Path | None

    @property
    def hash(self) -> str:
        """Hex SHA-256 of :meth:`to_json`."""
        return sha256_bytes(json.dumps(self.to_json(), sort_keys=True).encode())

    def to_json(self) -> dict[str, Any]:
        """The settings as plain values: the model by its content, the music by whether there is any."""
        windows = None if self.windows is None else self.windows.model_dump(mode="json")
        model = None if self.model is None else remembered_sha256(self.model)
        return {**asdict(self), "windows": windows, "model": model, "music": self.music is not None}


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
    try:
        motion = resample(read_motion(source.path), settings.fps)
        figure = renderer.figure(motion, _look(source, settings))
    except (MediaError, ConfigError) as error:  # a file may also name a skeleton or layout that is unknown
        failed = {
            "status": "failed",
            "reason": error.reason if isinstance(error, MediaError) else "unknown_format",
            "message": str(error),
            "clips": 0,
            "clips_s": 0.0,
        }
        return Entry("done", {**row, **failed})
    total = len(figure.joints)
    row |= {"fps": settings.fps, "frames": total, "duration_s": total / settings.fps}
    clips, dropped = [], []
    spans = _spans(total, settings, source.source_id)
    if not spans:
        dropped.append(_too_short(source, total, settings))
    floor_y = figure.lowest()
    try:
        for span in spans:
            seen = figure.joints[span.start : span.end] if settings.framing == "clip" else figure.joints
            scene = _Scene(renderer, figure, seen, front_camera([seen], settings.size), floor_y)
            clips.append(_render_clip(source, scene, span, out, settings))
            report(span.duration_s)
    except MediaError as error:  # the music of this motion
        failed = {"status": "failed", "reason": error.reason, "message": str(error)}
        return Entry("done", {**row, **failed, "clips": len(clips)}, clips, dropped)
    seconds = sum(clip["duration_s"] for clip in clips)
    row |= {"status": "done", "segments": 1, "clips": len(clips), "clips_s": seconds}
    return Entry("done", row, clips, dropped)


def _look(source: MotionSource, settings: RenderSettings) -> int:
    return settings.look if settings.look is not None else seed_of(settings.seed, "look", source.source_id)


def _spans(total: int, settings: RenderSettings, source_id: str) -> list[Span]:
    windows = settings.windows
    times_s = np.arange(total + 1) / settings.fps
    if windows is None:
        return [Span(0, total, 0.0, float(times_s[-1]))]
    laws = {
        "mean": lambda: LengthLaw.with_mean(windows.mean_s, windows.min_s, windows.max_s),
        "uniform": lambda: LengthLaw.uniform(windows.min_s, windows.max_s),
        "fixed": lambda: LengthLaw.fixed(windows.min_s),
    }
    return draw_windows(
        times_s,
        law=laws[windows.law](),
        seed=window_seed(settings.seed, source_id, 0),
        overlap=windows.overlap,
        min_s=windows.min_s,
        max_s=windows.max_s,
    )


def _too_short(source: MotionSource, total: int, settings: RenderSettings) -> dict[str, Any]:
    seconds = total / settings.fps
    return {
        "source_id": source.source_id,
        "start_frame": 0,
        "end_frame": total,
        "start_s": 0.0,
        "end_s": seconds,
        "stage": "windows",
        "reason": "short",
        "value": seconds,
        "threshold": settings.windows.min_s if settings.windows else 0.0,
    }


@dataclass(frozen=True)
class _Scene:
    """A dancer, the joints that are framed, and the camera."""

    renderer: Renderer[Any]
    figure: Figure
    framed: FloatArray
    camera: Camera
    floor_y: float


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
        stage = make_stage(backdrop, scene.camera, [scene.framed], scene.floor_y, seed=number)
        sound = None
        if source.music is not None:
            sound = read_audio(source.music, start_s=span.start_s, end_s=span.end_s, mono=False)
        _write_truth(truth, scene.figure, scene.camera, span, settings)
        pictures = frames(scene.renderer, [scene.figure], stage, span.start, span.end)
        write_video(video, pictures, settings.fps, audio=sound)
    output = load_config().output
    return {
        "clip_id": clip_id,
        "source_id": source.source_id,
        "start_frame": span.start,
        "end_frame": span.end,
        "start_s": span.start_s,
        "end_s": span.end_s,
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
        "sha256": sha256_file(video),
    }


def _write_truth(path: Path, figure: Figure, camera: Camera, span: Span, settings: RenderSettings) -> None:
    joints = figure.joints[span.start : span.end]
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
        start_frame=span.start,
    )
