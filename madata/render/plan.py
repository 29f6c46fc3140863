"""What a rendering would do, before anything is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from madata.curation.journal import Journal
from madata.errors import ConfigError, MediaError
from madata.motion import read_motion, resample
from madata.render.clips import clip_spans, make_renderer
from madata.render.settings import RenderSettings
from madata.render.sources import MotionSource, find_motions
from madata.shard import WHOLE, Shard

__all__ = ["RenderPlan", "plan_rendering"]


@dataclass(frozen=True)
class RenderPlan:
    """What a run would do.

    Attributes:
        motions: those that would be rendered or are.
        unusable: (file, message) of motions that cannot be read.
        done: how many are finished already.
        seconds: of motion that are to be rendered.
        clips: windows in them; those in which no joint moves are dropped by the run.
    """

    motions: tuple[MotionSource, ...]
    unusable: tuple[tuple[str, str], ...]
    done: int
    seconds: float
    clips: int


def plan_rendering(
    paths: Sequence[Path],
    out: Path,
    *,
    settings: RenderSettings,
    limit: int | None = None,
    shard: Shard = WHOLE,
) -> RenderPlan:
    """Find the motions and read those that are still to be done; nothing is written.

    Args: as of :func:`madata.render.batch.render_motions`.

    Raises:
        MadanceError: nothing was found, or the renderer is not usable.
    """
    make_renderer(settings.renderer, settings.model)
    found = find_motions(paths, out=out, music=settings.music)
    motions = [motion for motion in found if shard.has(motion.sha256)][:limit]
    finished = Journal(out, settings.hash).done()
    unusable: list[tuple[str, str]] = []
    seconds, clips = 0.0, 0
    for motion in motions:
        if motion.source_id in finished:
            continue
        # a file may also name a skeleton or layout that is unknown
        try:
            total = len(resample(read_motion(motion.path), settings.fps).translation)
        except (MediaError, ConfigError) as error:
            unusable.append((motion.name, str(error)))
            continue
        seconds += total / settings.fps
        clips += len(clip_spans(total, settings, motion.source_id))
    done = sum(motion.source_id in finished for motion in motions)
    return RenderPlan(tuple(motions), tuple(unusable), done, seconds, clips)
