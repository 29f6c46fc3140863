"""A system over a split of a data set: ``madance generate SYSTEM --data DATA --out RUN``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from evaluation.generate.clips import ClipSet, DataClip, lacking, read_clips
from evaluation.generate.records import RUN_SCHEMA, Records
from evaluation.generate.requests import RequestMaker
from evaluation.generate.run import ClipRun, Progress, describe_system, deviations_of, plan_of, require_batch
from evaluation.generate.settings import Settings
from evaluation.generate.summary import Summary, summarise
from evaluation.systems import Plugin, Task, choose_task
from madata.files import scratch_folder, write_json

__all__ = ["generate", "plan_split"]


def generate(
    plugin: Plugin,
    data: Path,
    out: Path,
    settings: Settings | None = None,
    *,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    on_report: Callable[[str, float], None] = lambda doing, share: None,
    on_deviations: Callable[[str, list[str]], None] = lambda clip_id, lines: None,
) -> Summary:
    """Make every clip of a split that is not there yet.

    A clip that lacks what the task needs, or whose files cannot be read, is left out and counts as failed.

    Args:
        data: a folder of ``madance curate``, or of music and clips (:mod:`evaluation.generate.clips`).
        out: run folder; see :mod:`evaluation.generate.records`.
        on_progress: told after each clip.
        on_report: told what is being done to a clip, and the share of it that is done.
        on_deviations: told in what a clip is not what the system was trained on, before it is made.

    Raises:
        MadanceError: no clip can be made of the data, ``out`` holds another run or cannot be written, or the
            system cannot start.
    """
    settings = settings or Settings()
    task = choose_task(plugin, settings.task)
    system = plugin.make(settings.options)
    require_batch(system, settings.batch)
    clips = read_clips(data, settings.split, task=task)
    records = Records(out)
    records.begin(_identity(plugin, clips, task, settings))
    maker = RequestMaker(
        clips,
        task,
        plugin.declaration,
        settings,
        out / "inputs",
        keep=lambda clip_id: out / "parts" / clip_id if settings.keep_parts else None,
        report=on_report,
    )
    chosen = list(clips.clips)[: settings.limit]
    mine = settings.shard.of(chosen)
    lacks = _lacks(chosen, task)
    able = [clip for clip in mine if clip.clip_id not in lacks]
    ClipRun(system, maker, records, on_progress=on_progress, on_deviations=on_deviations).go(
        [clip for clip in able if not records.finished(records.read(clip.clip_id))]
    )
    summary = summarise(records, [clip.clip_id for clip in chosen], len(clips.clips), lacks)
    write_json(out / "report.json", asdict(summary))
    ids = {clip.clip_id for clip in mine}
    return replace(summary, failed={clip: text for clip, text in summary.failed.items() if clip in ids})


def plan_split(plugin: Plugin, data: Path, out: Path, settings: Settings) -> list[str]:
    """What :func:`generate` would do, in lines; nothing is written or loaded.

    Raises:
        MadanceError: as :func:`generate`, before any weights are loaded.
    """
    task = choose_task(plugin, settings.task)
    system = plugin.make(settings.options)
    require_batch(system, settings.batch)
    clips = read_clips(data, settings.split, task=task)
    records = Records(out)
    chosen = settings.shard.of(list(clips.clips)[: settings.limit])
    lacks = _lacks(chosen, task)
    able = [clip for clip in chosen if clip.clip_id not in lacks]
    left = [clip for clip in able if not records.finished(records.read(clip.clip_id))]
    place = f"{clips.name}{f', split {clips.split}' if clips.split else ''}"
    lines = [f"{task}: {len(left)} clips of {place} ({len(able) - len(left)} are done)"]
    lines += [f"left out: {clip}: {why}" for clip, why in lacks.items()]
    if left:
        with scratch_folder() as scratch:
            maker = RequestMaker(clips, task, plugin.declaration, settings, scratch / "inputs")
            request = maker.request(left[0], scratch)
            told = plan_of(system, left[0], request, settings.device)
            told += [f"deviates: {line}" for line in deviations_of(system, left[0], request)]
        lines += [f"{left[0].clip_id}: {line}" for line in told]
    return lines


def _lacks(clips: Sequence[DataClip], task: Task) -> dict[str, str]:
    return {clip.clip_id: what for clip in clips if (what := lacking(clip, task))}


def _identity(plugin: Plugin, clips: ClipSet, task: Task, settings: Settings) -> dict[str, Any]:
    declaration = plugin.declaration
    return {
        "schema": RUN_SCHEMA,
        "system": {
            **describe_system(plugin, settings.options),
            "weights": list(declaration.weights),
            "needs_truth": declaration.needs_truth,
        },
        "task": task,
        **clips.identity,
        "seed": settings.seed,
        "fps": settings.fps,
        "duration_s": settings.duration_s,
        "size": None if settings.size is None else list(settings.size),
    }
