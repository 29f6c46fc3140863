"""A folder of videos becomes a data set: sources in worker processes, then tables, report and contact sheet.

The tables are made from the journal alone, in the order of the sources given, so that neither the number of
processes, nor the order in which they finish, nor a kill in between changes a byte.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from madata.config import refuse_differences, to_toml
from madata.contact_sheet import write_contact_sheet
from madata.curate.coverage import TIMELINE_COLUMNS, timeline
from madata.curate.decide import filters_of, measured_columns
from madata.curate.journal import Entry, Journal
from madata.curate.report import write_report
from madata.curate.settings import CurationConfig, load_config
from madata.curate.source import curate_source
from madata.curate.sources import Collection, collect, probe_all
from madata.engine import SILENT, Watch, run
from madata.errors import MadanceError, MediaError
from madata.files import hold_folder, read_json, remove_leftovers, write_json, write_text
from madata.manifest import (
    SHOT_COLUMNS,
    SOURCE_COLUMNS,
    clip_columns,
    dropped_columns,
    read_table,
    write_table,
)
from madata.shard import WHOLE, Shard
from madata.types import Source

__all__ = ["CurationSummary", "curate", "publish"]


@dataclass(frozen=True)
class CurationSummary:
    """What a run made. ``failed`` counts sources with any problem; it decides the exit code.

    Attributes:
        source_s: seconds of video in all readable sources.
        stages: how many segments each stage dropped for which reason.
    """

    sources: int
    source_s: float
    segments: int
    clips: int
    clips_s: float
    mean_clip_s: float | None
    dropped: int
    failed: int
    duplicates: int
    ignored: int
    ignored_files: tuple[dict[str, str], ...]
    stages: tuple[dict[str, Any], ...]
    problems: tuple[dict[str, str], ...]
    settings: str


def curate(
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
) -> CurationSummary:
    """Curate every video of ``paths`` into the data set folder ``out``; finished work is never done twice.

    Args:
        jobs: worker processes.
        limit: take only the first sources.
        shard: take only this part of them; its folder is joined with the others by ``madance dataset merge``.
        weights: folder of model weights, searched first.
        watch: is told how far it is: files, seconds of video as they are decoded, a line for each source.

    Raises:
        MadanceError: nothing to do, other settings than those ``out`` was made with, a full disk, missing weights.
    """
    with hold_folder(out):
        remove_leftovers(out)
        _refuse_other_settings(out, config)
        _refuse_another_part(out, shard)
        found = collect(paths, out=out, jobs=jobs, shard=shard, watch=watch)
        write_text(out / "settings.toml", to_toml(config))
        sources = found.sources[:limit]
        journal = Journal(out / "journal", config.hash)
        entries = {source.source_id: journal.read(source.source_id) for source in sources}
        pending = [
            source
            for source in sources
            if (entry := entries[source.source_id]) is None or entry.state != "done"
        ]
        described = probe_all(pending, jobs=jobs, watch=watch).values()
        watch.start(sum(info.duration_s or 0.0 for info in described if not isinstance(info, MediaError)))
        work = partial(curate_source, out=out, config=config, weights=weights, device=device)
        for outcome in run(work, pending, jobs=jobs, on_progress=watch.advance):
            if outcome.fatal:
                raise MadanceError(outcome.error or "a worker failed")
            entry = outcome.value or _crashed(outcome.item, outcome.error or "no result")
            entries[outcome.item.source_id] = entry
            done = sum(one is not None for one in entries.values())
            watch.say(f"{done}/{len(sources)}  {found.names[outcome.item.source_id]!r}: {_outcome(entry)}")
        finished = [(source, entry) for source in sources if (entry := entries[source.source_id]) is not None]
        return publish(out, finished, found, config)


def _outcome(entry: Entry) -> str:
    if entry.source["status"] == "failed":
        return str(entry.source["message"])
    problem = f" ({entry.source['message']})" if entry.source["message"] else ""
    return f"{len(entry.clips)} clips, {len(entry.dropped)} dropped{problem}"


def _refuse_other_settings(out: Path, config: CurationConfig) -> None:
    """A folder is made under one set of settings: mixing two would make its numbers mean nothing."""
    path = out / "settings.toml"
    if path.exists():
        refuse_differences(out, load_config(path).model_dump(mode="json"), config.model_dump(mode="json"))


def _refuse_another_part(out: Path, shard: Shard) -> None:
    """A part has a folder of its own: the tables of another would not hold what is here."""
    path, now = out / "journal" / "shard.json", {"shard": f"{shard.index}/{shard.count}"}
    if path.exists():
        refuse_differences(out, read_json(path), now)
    else:
        write_json(path, now)


def _crashed(source: Source, message: str) -> Entry:
    """A source whose worker died; it is not journaled, so the next run tries it again."""
    return Entry("analysed", {"status": "failed", "reason": "crashed", "message": message, "clips": 0})


def publish(
    out: Path, finished: Sequence[tuple[Source, Entry]], found: Collection, config: CurationConfig
) -> CurationSummary:
    """Write the tables, the report and the contact sheet of a data set from what is known of its sources."""
    source_rows = [
        {
            **entry.source,
            **found.provenance.get(source.source_id, {}),
            "source_id": source.source_id,
            "file": found.names[source.source_id],
            "sha256": source.sha256,
        }
        for source, entry in finished
    ]
    source_rows += [
        {
            "source_id": source_id,
            "file": name,
            "status": "duplicate",
            "message": f"same content as {found.names[source_id]}",
        }
        for name, source_id in found.duplicates
    ]
    source_rows += [
        {"file": name, "status": "failed", "reason": reason, "message": message}
        for name, reason, message in found.unusable
    ]
    clips = [row for _, entry in finished for row in entry.clips]
    dropped = [row for _, entry in finished for row in entry.dropped]
    measured = measured_columns(config)
    write_table(out / "sources.parquet", source_rows, SOURCE_COLUMNS)
    write_table(out / "clips.parquet", clips, clip_columns(measured))
    write_table(out / "dropped.parquet", dropped, dropped_columns(measured))
    write_table(out / "shots.parquet", (row for _, entry in finished for row in entry.shots), SHOT_COLUMNS)
    every_second = (row for source, entry in finished for row in timeline(source.source_id, entry))
    write_table(out / "timeline.parquet", every_second, TIMELINE_COLUMNS)
    summary = _summarise(source_rows, clips, dropped, found, config)
    write_json(out / "summary.json", asdict(summary))
    write_contact_sheet(
        out / "contact_sheet.jpg", [out / row["thumbnail"] for row in clips if row["thumbnail"]]
    )
    write_report(
        out,
        sources=read_table(out / "sources.parquet"),
        clips=read_table(out / "clips.parquet"),
        dropped=read_table(out / "dropped.parquet"),
        summary=asdict(summary),
        config=config,
    )
    return summary


def _summarise(
    sources: Sequence[dict[str, Any]],
    clips: Sequence[dict[str, Any]],
    dropped: Sequence[dict[str, Any]],
    found: Collection,
    config: CurationConfig,
) -> CurationSummary:
    seconds = sum(row["duration_s"] for row in clips)
    stages = Counter((row["stage"], row["reason"]) for row in dropped)
    order = ["decode", *(one.section for one in filters_of(config)), "windows", "cut"]
    in_order = sorted(stages.items(), key=lambda item: (order.index(item[0][0]), item[0][1]))
    return CurationSummary(
        sources=len(sources),
        source_s=sum(row.get("duration_s") or 0.0 for row in sources),
        segments=sum(row.get("segments") or 0 for row in sources),
        clips=len(clips),
        clips_s=seconds,
        mean_clip_s=seconds / len(clips) if clips else None,
        dropped=len(dropped),
        failed=sum(row["status"] not in ("done", "duplicate") for row in sources),
        duplicates=len(found.duplicates),
        ignored=len(found.ignored),
        ignored_files=tuple({"file": name, "why": why} for name, why in found.ignored),
        stages=tuple(
            {"stage": stage, "reason": reason, "count": count} for (stage, reason), count in in_order
        ),
        problems=tuple(
            {"file": row["file"], "reason": row.get("reason") or "", "message": row.get("message") or ""}
            for row in sources
            if row["status"] not in ("done", "duplicate")
        ),
        settings=config.hash,
    )
