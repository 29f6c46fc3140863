"""A folder of motions becomes the rendered subset: motions in worker processes, then tables and a summary.

The tables are made from the journal in the order of the motions given, so that neither the number of
processes nor a kill in between changes them. Motions that failed are tried again by the next run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from madata.config import refuse_differences, to_toml
from madata.curation.journal import Journal, shard_note
from madata.curation.publish import RENDER_AGAIN, CurationSummary, Publisher
from madata.curation.settings import load_config
from madata.curation.sources import Collection
from madata.engine import SILENT, Engine, Step, Watch, run_steps
from madata.errors import MadanceError
from madata.files import hold_folder, read_json, write_json, write_text
from madata.manifest import iterate_rows
from madata.render.clips import make_renderer, render_source
from madata.render.settings import RenderSettings
from madata.render.sources import MotionSource, find_motions
from madata.shard import WHOLE, Shard
from madata.types import Source

__all__ = ["RenderSummary", "render_motions"]

_BIN_S = 0.5
_PACKAGES = ("cv2", "av")
"""What rendering imports that takes its time."""


@dataclass(frozen=True)
class RenderSummary(CurationSummary):
    """What a run made. ``failed`` counts motions that could not be used; it decides the exit code.

    Attributes:
        histogram: number of clips by length, in bins of half a second named by their lower edge.
        without_music: motions for which the music folder had no file.
    """

    histogram: dict[str, int]
    without_music: int


def render_motions(
    paths: Sequence[Path],
    out: Path,
    *,
    settings: RenderSettings,
    jobs: int = 1,
    limit: int | None = None,
    shard: Shard = WHOLE,
    engine: Engine = run_steps,
    watch: Watch = SILENT,
) -> RenderSummary:
    """Render every motion of ``paths`` into the data set folder ``out``; finished clips are never made twice.

    Args:
        jobs: worker processes.
        limit: take only the first motions.
        shard: take only this part of them; its folder is joined with the others by ``madance dataset merge``.
        engine: where motions are worked on (:mod:`madata.engine`); the bytes are the same.
        watch: is told how many motions are done, and what became of each.

    Raises:
        MadanceError: nothing to do, other settings than those ``out`` was made with, a full disk, no usable
            renderer.
    """
    make_renderer(settings.renderer, settings.model)
    found = find_motions(paths, out=out, music=settings.music)
    motions = [motion for motion in found if shard.has(motion.sha256)][:limit]
    with hold_folder(out):
        note = shard_note(out, shard)
        _settle(out, settings)
        write_json(*note)
        journal = Journal(out, settings.hash)
        done = journal.done()
        pending = [motion for motion in motions if motion.source_id not in done]
        publisher = Publisher(
            out, *_as_sources(motions), load_config(), settings=settings, again=RENDER_AGAIN
        )
        watch.files("motions", 0, len(pending))
        work = partial(render_source, out=out.absolute(), settings=settings)
        outcomes = engine([Step("render", work, packages=_PACKAGES)], pending, jobs=jobs)
        for number, outcome in enumerate(outcomes, start=1):
            if outcome.fatal:
                raise MadanceError(outcome.error or "a worker failed")
            motion, entry = outcome.item, outcome.value
            if entry is None:
                publisher.crashed[motion.source_id] = became = outcome.error or "no result"
            elif entry.source["status"] == "done":
                journal.write(motion.source_id, entry)
                became = f"{len(entry.clips)} clips, {len(entry.dropped)} dropped"
            else:
                publisher.unjournaled[motion.source_id] = entry
                became = str(entry.source["message"])
            watch.say(f"{number}/{len(pending)}  {motion.name!r}: {became}")
            watch.files("motions", number, len(pending))
            if number < len(pending):
                publisher.refresh()
        return _summary(out, publisher.finish(jobs=jobs, watch=watch), motions, settings)


def _settle(out: Path, settings: RenderSettings) -> None:
    """A folder is made under one set of settings: its clips are told apart by motion and frame alone."""
    path, toml = out / "journal" / "settings.json", out / "settings.toml"
    if path.exists():
        refuse_differences(out, read_json(path), settings.to_json())
    write_json(path, settings.to_json())
    write_text(toml, to_toml(settings))


def _as_sources(motions: Sequence[MotionSource]) -> tuple[list[Source], Collection]:
    sources = [Source(one.source_id, one.path, one.sha256) for one in motions]
    names = {one.source_id: one.name for one in motions}
    return sources, Collection(tuple(sources), names, (), ())


def _summary(
    out: Path, made: CurationSummary, motions: Sequence[MotionSource], settings: RenderSettings
) -> RenderSummary:
    lengths = [row["duration_s"] for row in iterate_rows(out / "clips.parquet", ["duration_s"])]
    bins = Counter(int(length / _BIN_S + 1e-6) * _BIN_S for length in lengths)
    values: dict[str, Any] = {name: getattr(made, name) for name in made.__dataclass_fields__}
    summary = RenderSummary(
        **values,
        histogram={f"{lower:.1f}": bins[lower] for lower in sorted(bins)},
        without_music=sum(one.music is None for one in motions) if settings.music is not None else 0,
    )
    write_json(out / "summary.json", asdict(summary))
    return summary
