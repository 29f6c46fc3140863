"""A folder of motions becomes the rendered subset: motions in worker processes, then tables and a summary.

The tables are made from the journal in the order of the motions given, so that neither the number of
processes nor a kill in between changes them. Motions that failed are tried again by the next run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from madata.config import settle
from madata.curate.decide import measured_columns
from madata.curate.journal import Entry, Journal
from madata.curate.settings import WindowsConfig, load_config
from madata.engine import run
from madata.errors import ConfigError, MadanceError, did_you_mean
from madata.files import hold_folder, remove_leftovers, write_json
from madata.manifest import SOURCE_COLUMNS, clip_columns, dropped_columns, write_table
from madata.render.backdrop import BACKDROPS
from madata.render.clips import MIXED, RenderSettings, make_renderer, render_source
from madata.render.sources import MotionSource, find_motions

__all__ = ["RenderSummary", "render_motions", "render_settings"]

_BIN_S = 0.5
_SMALLEST_SIDE_PX = 64


@dataclass(frozen=True)
class RenderSummary:
    """What a run made. ``failed`` counts motions that could not be used; it decides the exit code.

    Attributes:
        histogram: number of clips by length, in bins of half a second named by their lower edge.
        without_music: motions for which the music folder had no file.
    """

    sources: int
    clips: int
    clips_s: float
    mean_clip_s: float | None
    histogram: dict[str, int]
    dropped: int
    failed: int
    without_music: int
    problems: tuple[dict[str, str], ...]
    settings: str


def render_settings(
    *,
    renderer: str = "capsules",
    model: Path | None = None,
    size: tuple[int, int] = (512, 512),
    fps: float = 30.0,
    seed: int = 0,
    law: str | None = "mean",
    mean_s: float = 5.04,
    overlap: float = 0.0,
    framing: Literal["motion", "clip"] = "motion",
    backdrop: str = "studio",
    look: int | None = None,
    music: Path | None = None,
) -> RenderSettings:
    """Check settings and complete them; windows are 5-10 s as in :mod:`madata.config`.

    Args:
        law: length law of the windows; ``None`` renders each motion whole.
        music: folder of sound files named like the motions.

    Raises:
        ConfigError: a value is unknown or out of range.
    """
    if backdrop not in (*BACKDROPS, MIXED):
        raise ConfigError(f"unknown backdrop {backdrop!r}{did_you_mean(backdrop, (*BACKDROPS, MIXED))}")
    if any(side < _SMALLEST_SIDE_PX or side % 2 for side in size):
        raise ConfigError(
            f"--size must be even sides of at least {_SMALLEST_SIDE_PX} px, not {size[0]}x{size[1]}"
        )
    windows = None
    if law is not None:
        defaults = load_config().windows.model_dump()
        try:
            windows = WindowsConfig.model_validate(
                {**defaults, "law": law, "mean_s": mean_s, "overlap": overlap}
            )
        except ValueError as error:
            raise ConfigError(f"windows: {error}") from error
    return RenderSettings(renderer, model, size, fps, seed, windows, framing, backdrop, look, music)


def render_motions(
    paths: Sequence[Path],
    out: Path,
    *,
    settings: RenderSettings,
    jobs: int = 1,
    limit: int | None = None,
    on_start: Callable[[int], None] = lambda count: None,
    on_motion: Callable[[], object] = lambda: None,
) -> RenderSummary:
    """Render every motion of ``paths`` into the data set folder ``out``; finished clips are never made twice.

    Args:
        jobs: worker processes.
        limit: take only the first motions.
        on_start: receives the number of motions there are to do.
        on_motion: called as each is finished.

    Raises:
        MadanceError: nothing to do, other settings than those ``out`` was made with, a full disk, no usable
            renderer.
    """
    make_renderer(settings.renderer, settings.model)
    sources = find_motions(paths, out=out, music=settings.music)[:limit]
    with hold_folder(out):
        remove_leftovers(out)
        # A folder is made under one set of settings: its clips are told apart by motion and frame alone.
        settle(out / "settings.json", settings.to_json())
        journal = Journal(out, settings.hash)
        entries = {source.source_id: journal.read(source.source_id) for source in sources}
        pending = [source for source in sources if entries[source.source_id] is None]
        on_start(len(pending))
        for outcome in run(partial(render_source, out=out, settings=settings), pending, jobs=jobs):
            if outcome.fatal:
                raise MadanceError(outcome.error or "a worker failed")
            result = outcome.value or _crashed(outcome.item, outcome.error or "no result")
            entries[outcome.item.source_id] = result
            if result.source["status"] == "done":
                journal.write(outcome.item.source_id, result)
            on_motion()
        finished = [entry for source in sources if (entry := entries[source.source_id]) is not None]
        silent = sum(source.music is None for source in sources) if settings.music is not None else 0
        summary = _publish(out, finished, settings, silent)
        write_json(out / "summary.json", asdict(summary))
        return summary


def _crashed(source: MotionSource, message: str) -> Entry:
    row = {"source_id": source.source_id, "file": source.name, "sha256": source.sha256}
    return Entry("done", {**row, "status": "failed", "reason": "crashed", "message": message, "clips": 0})


def _publish(
    out: Path, finished: Sequence[Entry], settings: RenderSettings, without_music: int
) -> RenderSummary:
    sources = [entry.source for entry in finished]
    clips = [row for entry in finished for row in entry.clips]
    dropped = [row for entry in finished for row in entry.dropped]
    measured = measured_columns(load_config())  # null here, so that both subsets have the same tables
    write_table(out / "sources.parquet", sources, SOURCE_COLUMNS)
    write_table(out / "clips.parquet", clips, clip_columns(measured))
    write_table(out / "dropped.parquet", dropped, dropped_columns(measured))
    lengths = [row["duration_s"] for row in clips]
    bins = Counter(int(length / _BIN_S + 1e-6) * _BIN_S for length in lengths)
    problems = [row for row in sources if row["status"] != "done"]
    return RenderSummary(
        sources=len(sources),
        clips=len(clips),
        clips_s=sum(lengths),
        mean_clip_s=sum(lengths) / len(lengths) if lengths else None,
        histogram={f"{lower:.1f}": bins[lower] for lower in sorted(bins)},
        dropped=len(dropped),
        failed=len(problems),
        without_music=without_music,
        problems=tuple(
            {"file": row["file"], "reason": row["reason"], "message": row["message"]} for row in problems
        ),
        settings=settings.hash,
    )
