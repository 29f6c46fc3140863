"""One clip from a user's own files: music, a picture, a pose -> ``dance.npz`` or ``clip.mp4``.

Beside the clip lie

    clip.json     the record: system, label, options, seed, hashes of the inputs, versions, time, memory
    clip.parts/   what the system keeps (``Request.keep``); with it the same command goes on where it was killed

Everything that can be refused is refused before weights are loaded. A finished clip is not made again, and a clip
that was made otherwise is not overwritten.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from evaluation.generate.job import Inputs, Job, SingleSettings, prepared
from evaluation.generate.journal import describe_loaded, settle_loaded, settle_run
from evaluation.generate.measuring import peak_gpu_mib, peak_rss_mib, seed_everything, timed
from evaluation.generate.output import BrokenContractError, Frames, check_motion_output, check_video_file
from evaluation.generate.preview import write_preview
from evaluation.inputs.discovery import CLIP_SCHEMA, PARTS_SUFFIX
from evaluation.systems import Output, Plugin, Request, fit_motion
from evaluation.systems.plugin import guarded
from madata.errors import MadanceError
from madata.files import atomic_path, read_json, sha256_file, write_json
from madata.types import Motion3D

__all__ = ["Inputs", "SingleSettings", "make_clip", "plan_clip"]

_PACKAGES = ("madance", "numpy", "scipy", "torch", "diffusers", "transformers", "peft", "librosa", "av")
# bytes per pixel that a finished clip takes at most; a system judges the room for its own pieces
_BYTES_PER_PIXEL = 0.5
_SPARE_BYTES = 32 << 20
_RUN = "run.json"


def plan_clip(plugin: Plugin, inputs: Inputs, out: Path, settings: SingleSettings) -> list[str]:
    """What :func:`make_clip` would do, in lines: the clip, then what the system says it takes. Nothing is written.

    Raises:
        MadanceError: as :func:`make_clip`, before any weights are loaded.
    """
    with prepared(plugin, inputs, out, settings, keep=None) as job:
        return [job.summary, *job.plan(settings.device)]


def make_clip(
    plugin: Plugin,
    inputs: Inputs,
    out: Path,
    settings: SingleSettings,
    *,
    preview: Path | None = None,
    keep: Path | None = None,
    on_plan: Callable[[list[str]], None] = lambda lines: None,
    on_report: Callable[[str, float], None] = lambda doing, share: None,
) -> dict[str, Any]:
    """Make one clip, or go on with it.

    Args:
        out: ``.npz`` or ``.pkl`` for a motion, ``.mp4`` for a video.
        preview: a video of the motion from the front, with the music's sound; motions only.
        keep: folder for the pieces; ``<out>.parts`` by default.
        on_plan: hears what the system says the clip will take, before anything is loaded.
        on_report: hears what is being done, and the share of the clip that is done.

    Returns:
        The record, as in ``<out>.json``.

    Raises:
        MadanceError: an input is missing or unusable, ``out`` is of another request, the disk is too full, or
            the system fails. Finished pieces stay.
    """
    record_path = out.with_suffix(".json")
    parts = keep or out.with_suffix(PARTS_SUFFIX)
    with prepared(plugin, inputs, out, settings, keep=parts) as job:
        if preview is not None and (job.request.task != "motion" or preview.suffix.lower() != ".mp4"):
            raise MadanceError("--preview FILE.mp4 shows a motion; a video needs none")
        done = _finished(out, record_path, parts, job.identity)
        if done is not None and (preview is None or preview.is_file()):
            return done
        _require_space(out, job.request)
        on_plan([job.summary, *job.plan(settings.device)])
        if _is_blank(parts):
            (parts / _RUN).unlink()
        settle_run(parts, job.identity)
        job = job.heard_by(on_report)
        record = done or _make(plugin, job, out, parts, settings.device)
        if preview is not None:
            on_report("preview", 1.0)
            write_preview(preview, out, inputs.music)
        write_json(record_path, record)
    if _is_blank(parts):
        shutil.rmtree(parts)
    return dict(read_json(record_path))


def _is_blank(parts: Path) -> bool:
    """Whether a run was begun there and came to nothing that could be lost."""
    return parts.is_dir() and [path.name for path in parts.iterdir()] == [_RUN]


def _finished(
    out: Path, record_path: Path, parts: Path, identity: Mapping[str, Any]
) -> dict[str, Any] | None:
    """The record of the clip, if it is there and is the one asked for.

    Raises:
        MadanceError: there is a file of that name that something else made.
    """
    wanted = json.loads(json.dumps(identity))
    if record_path.exists():
        record = read_json(record_path)
        known = isinstance(record, dict) and record.get("schema") == CLIP_SCHEMA
        if not known or record.get("file") != out.name:
            raise MadanceError(f"{record_path} is not the record of {out.name}: choose another --out")
        changed = [key for key in wanted if record.get(key) != wanted[key]]
        if changed:
            raise MadanceError(
                f"{out} was made from another request (different: {', '.join(changed)}): choose another --out, "
                f"or remove it with {record_path.name}"
            )
        if out.is_file() and sha256_file(out) == record.get("sha256"):
            return dict(record)
    elif out.exists() and not (parts / _RUN).exists():
        raise MadanceError(
            f"{out} exists already, and there is no record of how it was made: choose another --out"
        )
    return None


def _require_space(out: Path, request: Request) -> None:
    """Refuse a folder that cannot be written, or a disk that the clip would fill."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MadanceError(f"cannot write {out.parent}: {error.strerror}") from error
    if not os.access(out.parent, os.W_OK):
        raise MadanceError(f"cannot write {out.parent}: no permission")
    pixels = 0 if request.task == "motion" else request.num_frames * request.size[0] * request.size[1]
    need = _SPARE_BYTES + round(pixels * _BYTES_PER_PIXEL)
    free = shutil.disk_usage(out.parent).free
    if free < need:
        raise MadanceError(
            f"{out.parent}: {free >> 20} MB are free, the clip may take {need >> 20} MB: "
            "free some space or choose another --out"
        )


def _make(plugin: Plugin, job: Job, out: Path, parts: Path, device: str) -> dict[str, Any]:
    """Load the weights, make the clip, write it; the record."""
    job.request.report("loading the weights", 0.0)
    job.system.setup(device)
    loaded = job.system.loaded
    settle_loaded(parts, loaded)
    seed_everything(job.request.seed)
    seconds = guarded(plugin.name, "generate", _write, job, out)
    return {
        **job.identity,
        "file": out.name,
        "sha256": sha256_file(out),
        "label": None if loaded is None else loaded.label,
        "loaded": None if loaded is None else describe_loaded(loaded),
        "device": device,
        "generate_s": round(seconds, 3),
        "peak_gpu_mib": peak_gpu_mib(),
        "peak_rss_mib": round(peak_rss_mib()),
        "versions": _versions(),
    }


def _write(job: Job, out: Path) -> float:
    """Ask the system and store what it gives; seconds of generation."""
    output, seconds = timed(lambda: job.system.generate(job.request))
    if job.request.task == "motion":
        _write_motion(output, job, out)
        return seconds
    return seconds + _write_clip(output, job, out)


def _write_motion(output: Output, job: Job, out: Path) -> None:
    from madata.motion import write_motion

    motion = check_motion_output(output, job.request)
    if (motion.fps, len(motion.rotation)) != (job.wanted.fps, job.wanted.num_frames):
        motion = fit_motion(motion, job.wanted.fps, job.wanted.num_frames)
    write_motion(out, motion)


def _write_clip(output: Any, job: Job, out: Path) -> float:
    """Write frames, or the file a system wrote, with the music's own sound; seconds spent on late frames."""
    from madata.video import Decoder, probe, read_audio, write_video

    request, sound = job.request, None
    if isinstance(output, (str, os.PathLike)):
        made = Path(output)
        check_video_file(made, request)
        if made.suffix.lower() == out.suffix and (job.sound is None or probe(made).audio is not None):
            with atomic_path(out) as temporary:
                shutil.copyfile(made, temporary)
            return 0.0
        output = (frame.scaled(request.size) for frame in Decoder(made))
    elif isinstance(output, Motion3D) or not isinstance(output, Iterable):
        raise BrokenContractError(
            f"expected the path of a video or its frames, got {type(output).__name__}", reason="type"
        )
    if job.sound is not None:
        sound = read_audio(job.sound, start_s=0.0, end_s=request.duration_s, mono=False)
    frames = Frames(output, request)
    write_video(out, frames, request.fps, audio=sound)
    return frames.seconds


def _versions() -> dict[str, str]:
    """Versions of the packages that took part."""
    found = {"python": sys.version.split()[0]}
    for name in _PACKAGES:
        if name == "madance" or name in sys.modules:
            try:
                found[name] = version(name)
            except PackageNotFoundError:
                found[name] = "unknown"
    return found
