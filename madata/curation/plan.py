"""What a run would do, and how long that takes by a short measurement, before anything is written."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from madata.curation.journal import Journal
from madata.curation.settings import CurationConfig
from madata.curation.source import curate_source
from madata.curation.sources import Collection, collect, probe_all
from madata.devices import usable_cores
from madata.engine import SILENT, Watch, run
from madata.errors import MadanceError, MediaError
from madata.files import scratch_folder
from madata.shard import WHOLE, Shard
from madata.types import Source, VideoInfo

__all__ = ["Cost", "Plan", "plan"]

_SPAN_S = 6.0
"""Longer than the shortest stretch that is looked at for people."""
_SOURCES = 3


@dataclass(frozen=True)
class Cost:
    """What a second of video costs, measured on the beginnings of a few sources.

    Attributes:
        cpu_s_per_s: CPU seconds per second of video, a worker's start left out.
        measured_s: seconds of video it was measured on; sources: how many they are of.
    """

    cpu_s_per_s: float
    measured_s: float
    sources: int

    def hours(self, video_s: float, jobs: int) -> float:
        """Hours that so much video takes so many workers, each with a core of this machine where there are enough."""
        return self.cpu_s_per_s * video_s / min(jobs, usable_cores()) / 3600


@dataclass(frozen=True)
class Plan:
    """What a run would do.

    Attributes:
        found: the files, and what is passed over.
        sources: those that would be done or are done.
        unreadable: (file, message) of sources that cannot be opened.
        done: how many are finished already.
        seconds: of video that are to be done, as the files declare.
        cost: ``None`` where there is nothing to do.
    """

    found: Collection
    sources: tuple[Source, ...]
    unreadable: tuple[tuple[str, str], ...]
    done: int
    seconds: float
    cost: Cost | None


def plan(
    paths: Sequence[Path],
    out: Path,
    *,
    config: CurationConfig,
    jobs: int = 1,
    limit: int | None = None,
    shard: Shard = WHOLE,
    weights: Path | None = None,
    device: str = "cpu",
    watch: Watch = SILENT,
) -> Plan:
    """Find the sources, probe them, and measure what a second of video costs; nothing is written.

    Args: as of :func:`madata.curation.curate`.

    Raises:
        MadanceError: nothing was found, or what every run needs is missing, such as weights.
    """
    found = collect(paths, out=out, jobs=jobs, shard=shard, watch=watch)
    sources = found.sources[:limit]
    finished = Journal(out, config.hash).done()
    described = probe_all(sources, jobs=jobs, watch=watch)
    unreadable = tuple(
        (found.names[source.source_id], str(info).removeprefix(f"{source.path}: "))
        for source in sources
        if isinstance(info := described[source.source_id], MediaError)
    )
    pending = _by_length(sources, described, finished)
    return Plan(
        found,
        sources,
        unreadable,
        sum(source.source_id in finished for source in sources),
        sum(seconds for _, seconds in pending),
        measure_cost([source for source, _ in pending], config, weights=weights, device=device),
    )


def _by_length(
    sources: Sequence[Source], described: Mapping[str, VideoInfo | MediaError], finished: set[str]
) -> list[tuple[Source, float]]:
    pending = [
        (source, info.duration_s or 0.0)
        for source in sources
        if source.source_id not in finished and isinstance(info := described[source.source_id], VideoInfo)
    ]
    return sorted(pending, key=lambda one: one[1])


def measure_cost(
    sources: Sequence[Source], config: CurationConfig, *, weights: Path | None = None, device: str = "cpu"
) -> Cost | None:
    """Curate the beginnings of a few sources, evenly chosen, into a folder that is removed again.

    A worker does the first of them twice: what its start costs is not counted.
    """
    count = min(_SOURCES, len(sources))
    chosen = [sources[(2 * number + 1) * len(sources) // (2 * count)] for number in range(count)]
    if not chosen:
        return None
    with scratch_folder() as folder:
        work = partial(_cost_of, folder=folder, config=config, weights=weights, device=device)
        outcomes = list(run(work, [*chosen[:1], *chosen], jobs=1, device=device))
    if fatal := next((one.error for one in outcomes if one.fatal), None):
        raise MadanceError(fatal)
    measured = [one.value for one in outcomes[1:] if one.value is not None]
    cpu_s, video_s = (sum(part) for part in zip(*measured, strict=True)) if measured else (0.0, 0.0)
    return Cost(cpu_s / video_s, video_s, len(measured)) if video_s else None


def _cost_of(
    source: Source,
    report: Callable[[float], None],
    *,
    folder: Path,
    config: CurationConfig,
    weights: Path | None,
    device: str,
) -> tuple[float, float]:
    """(CPU s, s of video) of the beginning of a source."""
    with scratch_folder(folder) as out:
        began_s = time.process_time()
        entry = curate_source(
            source, report, out=out, config=config, weights=weights, device=device, until_s=_SPAN_S
        )
        return time.process_time() - began_s, entry.source.get("duration_s") or 0.0
