"""One clip from a user's own files: music, a picture, a pose -> ``dance.npz`` or ``clip.mp4``.

It goes the way of a split of one clip (:mod:`evaluation.generate.run`). Beside the clip lie

    clip.json     the record: system, label, options, seed, hashes of the inputs, versions, time, memory
    clip.parts/   the run folder, in which the system keeps its pieces (``Request.keep``); with it the same command
                  goes on where it was killed

Everything that can be refused is refused before weights are loaded. A finished clip is not made again, and a clip
that was made otherwise is not overwritten.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from evaluation.generate.own_clip import ClipInputs, own_clip, task_of_file
from evaluation.generate.preview import write_preview
from evaluation.generate.records import Records, refuse_other_run
from evaluation.generate.requests import RequestMaker
from evaluation.generate.run import ClipRun, describe_system, deviations_of, plan_of
from evaluation.generate.settings import Settings
from evaluation.inputs.discovery import CLIP_SCHEMA, PARTS_SUFFIX
from evaluation.systems import Plugin, Request, Running
from madata.errors import MadanceError
from madata.files import as_json, read_json, scratch_folder, sha256_file, write_json

__all__ = ["generate_clip", "parts_of", "plan_clip"]

_PACKAGES = ("madance", "numpy", "scipy", "torch", "diffusers", "transformers", "peft", "librosa", "av")


def plan_clip(plugin: Plugin, inputs: ClipInputs, out: Path, settings: Settings) -> list[str]:
    """What :func:`generate_clip` would do, in lines: the clip, then what the system says it takes.

    Nothing is written or loaded.

    Raises:
        MadanceError: as :func:`generate_clip`, before any weights are loaded.
    """
    system = plugin.make(settings.options)
    with _prepared(plugin, inputs, out, settings) as maker, scratch_folder() as scratch:
        clip = maker.data.clips[0]
        request = maker.request(clip, scratch)
        told = [_summary(maker, request), *plan_of(system, clip, request, settings.device)]
        return told + [f"deviates: {line}" for line in deviations_of(system, clip, request)]


def generate_clip(
    plugin: Plugin,
    inputs: ClipInputs,
    out: Path,
    settings: Settings | None = None,
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
        on_plan: hears what the system says the clip will take, before anything is loaded, and before it is made in
            what it is not what the system was trained on.
        on_report: hears what is being done, and the share of the clip that is done.

    Returns:
        The record, as in ``<out>.json``.

    Raises:
        MadanceError: an input is missing or unusable, ``out`` is of another request, the disk is too full, or
            the system fails. Finished pieces stay.
    """
    settings = replace(settings or Settings(), retries=0)
    parts = parts_of(out, keep)
    records = Records(parts, file=out)
    system = plugin.make(settings.options)
    with _prepared(plugin, inputs, out, settings, parts, on_report) as maker:
        if preview is not None and (maker.task != "motion" or preview.suffix.lower() != ".mp4"):
            raise MadanceError("--preview FILE.mp4 shows a motion; a video needs none")
        identity = _identity(plugin, maker)
        record = _finished(out, records, identity)
        if record is None:
            record = _made(system, maker, records, identity, on_plan)
        if preview is not None and not preview.is_file():
            on_report("preview", 1.0)
            write_preview(preview, out, inputs.music)
        write_json(out.with_suffix(".json"), record)
    records.leave()
    return dict(read_json(out.with_suffix(".json")))


def parts_of(out: Path, keep: Path | None = None) -> Path:
    """The folder of the pieces of a clip; ``keep`` where the user chose one."""
    return keep or out.with_suffix(PARTS_SUFFIX)


@contextmanager
def _prepared(
    plugin: Plugin,
    inputs: ClipInputs,
    out: Path,
    settings: Settings,
    keep: Path | None = None,
    report: Callable[[str, float], None] = lambda doing, share: None,
) -> Iterator[RequestMaker]:
    """Read and judge everything a request needs; what had to be made for it is removed afterwards."""
    task = task_of_file(plugin, out, settings.task)
    clips = own_clip(inputs, task, out, settings)
    with scratch_folder() as made:
        yield RequestMaker(
            clips, task, plugin.declaration, settings, made, keep=lambda clip_id: keep, report=report
        )


def _summary(maker: RequestMaker, request: Request) -> str:
    wanted = maker.wanted(maker.data.clips[0])
    size = f", {request.size[0]}x{request.size[1]}" if request.task != "motion" else ""
    seconds = wanted.num_frames / wanted.fps
    return f"{request.task}: {wanted.num_frames} frames at {wanted.fps:g} per second ({seconds:.2f} s){size}"


def _finished(out: Path, records: Records, identity: Mapping[str, Any]) -> dict[str, Any] | None:
    """The record of the clip, if it is there and is the one asked for.

    Raises:
        MadanceError: there is a file of that name that something else made.
    """
    path = out.with_suffix(".json")
    wanted = as_json(identity)
    if path.exists():
        record = read_json(path)
        known = isinstance(record, dict) and record.get("schema") == CLIP_SCHEMA
        if not known or record.get("file") != out.name:
            raise MadanceError(f"{path} is not the record of {out.name}: choose another --out")
        before = {key: record.get(key) for key in wanted}
        refuse_other_run(f"{out} was made from another request", before, wanted)
        if out.is_file() and sha256_file(out) == record.get("sha256"):
            return dict(record)
    elif out.exists() and not records.run.exists():
        raise MadanceError(
            f"{out} exists already, and there is no record of how it was made: choose another --out"
        )
    return None


def _made(
    system: Running,
    maker: RequestMaker,
    records: Records,
    identity: Mapping[str, Any],
    on_plan: Callable[[list[str]], None],
) -> dict[str, Any]:
    """Make the clip; its record."""
    clip = maker.data.clips[0]
    records.begin(identity)
    tell = lambda request, lines: on_plan([_summary(maker, request), *lines])  # noqa: E731
    try:
        caution = lambda clip_id, lines: on_plan([f"deviates: {line}" for line in lines])  # noqa: E731
        ClipRun(system, maker, records, on_plan=tell, on_deviations=caution).go([clip])
    except MadanceError:
        records.leave()
        raise
    entry = records.read(clip.clip_id)
    if entry is None or entry.state == "started":
        raise MadanceError(
            f"{records.target(clip.clip_id, '')}: another process is making it ({records.maker_of(clip.clip_id)}); "
            "wait for it"
        )
    if entry.state == "failed":
        records.leave()
        raise MadanceError(f"{system.declaration.name}: {entry.error}")
    loaded = read_json(records.run).get("loaded")
    return {
        **identity,
        "file": entry.file,
        "sha256": entry.sha256,
        "label": None if loaded is None else loaded["label"],
        "loaded": loaded,
        "device": entry.device,
        "deviations": list(entry.deviations),
        "generate_s": None if entry.generate_s is None else round(entry.generate_s, 3),
        "peak_gpu_mib": entry.peak_gpu_mib,
        "peak_rss_mib": None if entry.peak_rss_mib is None else round(entry.peak_rss_mib),
        "versions": _versions(),
    }


def _identity(plugin: Plugin, maker: RequestMaker) -> dict[str, Any]:
    clip = maker.data.clips[0]
    wanted = maker.wanted(clip)
    return {
        "schema": CLIP_SCHEMA,
        "system": describe_system(plugin, maker.settings.options),
        "task": maker.task,
        "seed": maker.settings.seed,
        "fps": wanted.fps,
        "num_frames": wanted.num_frames,
        "size": None if maker.task == "motion" else list(maker.size(clip)),
        **maker.data.identity,
    }


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
