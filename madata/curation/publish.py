"""The tables, the report and the contact sheet of a data set folder, from the journal of its sources.

Entries pass by one at a time, in the order of the sources given: memory does not grow with the crawl, and neither the
number of processes, nor the order in which they finish, nor a kill in between changes a byte.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Protocol

from madata.contact_sheet import write_contact_sheet
from madata.curation.coverage import TIMELINE_COLUMNS, timeline
from madata.curation.decide import filters_of, measured_columns
from madata.curation.journal import FOUND, Entry, Journal
from madata.curation.report import write_report
from madata.curation.settings import CurationConfig, load_config
from madata.curation.sources import Collection
from madata.dataset.folder import REMOVED
from madata.dataset.performers import write_performers
from madata.dataset.placed import place_clips
from madata.dataset.removed import read_removed
from madata.engine import SILENT, Watch
from madata.errors import ConfigError
from madata.files import read_json, read_toml, write_json
from madata.manifest import (
    SHOT_COLUMNS,
    SOURCE_COLUMNS,
    TableWriter,
    clip_columns,
    dropped_columns,
    iterate_rows,
)
from madata.types import Source

__all__ = ["RENDER_AGAIN", "CurationSummary", "Publisher", "publish_changed", "publish_joined"]

RENDER_AGAIN = "madance render MOTIONS --out NEW_FOLDER"
"""The command that makes a rendered folder under other settings."""

_LEAST_PAUSE_S = 60.0
_SHARE = 0.05
"""Tables are refreshed while a run goes on: not more often than each minute, and for a twentieth of its time."""


@dataclass(frozen=True)
class CurationSummary:
    """What a run made. ``failed`` counts sources with any problem; it decides the exit code.

    Attributes:
        source_s: seconds of video in all readable sources.
        pending: sources that are still to be done.
        near_duplicates: pairs of clips of different sources that show the same.
        splits: clips in each; advice: what to do next about them.
        stages: how many segments each stage dropped for which reason.
        ignored_files: (file, why) of what is no source.
    """

    sources: int
    source_s: float
    segments: int
    clips: int
    clips_s: float
    mean_clip_s: float | None
    dropped: int
    failed: int
    pending: int
    duplicates: int
    ignored: int
    ignored_files: tuple[dict[str, str], ...]
    stages: tuple[dict[str, Any], ...]
    problems: tuple[dict[str, str], ...]
    settings: str
    near_duplicates: int
    splits: dict[str, int]
    advice: str


class _Settings(Protocol):
    """Settings with a hash."""

    @property
    def hash(self) -> str:
        """Of all that decides what comes out."""

    def model_dump(self, *, mode: Literal["json"]) -> dict[str, Any]:
        """Plain values."""


class Publisher:
    """Publishes what is finished of some sources into the data set folder ``out``.

    Attributes:
        crashed: sources whose worker died, with the reason in words. They are not journaled: the next run tries them
            again.
        unjournaled: entries of other sources that the next run tries again, and of those that were removed.

    Args:
        config: brings the columns and charts of the filters.
        settings: what the folder is made under, where that is something else than ``config``.
        again: the command that makes it anew under other settings, where that is not ``madance dataset decide``.
    """

    def __init__(
        self,
        out: Path,
        sources: Sequence[Source],
        found: Collection,
        config: CurationConfig,
        *,
        settings: _Settings | None = None,
        again: str | None = None,
    ) -> None:
        self._out = out
        self._sources = sources
        self._found = found
        self._config = config
        self._settings: _Settings = settings or config
        self._again = again
        self._journal = Journal(out, self._settings.hash)
        self._due_s = time.monotonic() + _LEAST_PAUSE_S
        self.crashed: dict[str, str] = {}
        # whatever the journal holds of a source that was removed, it is not published
        self.unjournaled = {
            name: Entry("done", {"status": REMOVED, "clips": 0}) for name in read_removed(out)
        }

    def note_found(self) -> None:
        """Write what there is to do into the journal, for who decides again about a run that was interrupted."""
        with TableWriter(self._out / FOUND, SOURCE_COLUMNS) as table:
            table.write(map(self._about, self._sources))
            table.write(self._other_rows())

    def refresh(self) -> None:
        """Publish, where the last time is long enough ago."""
        if time.monotonic() >= self._due_s:
            self.publish()

    def publish(self, *, place_with: int | None = None, watch: Watch = SILENT) -> CurationSummary:
        """Write everything; what is not finished is counted as pending.

        Args:
            place_with: worker processes that look for duplicates, after which splits are given; ``None`` gives none.
            watch: is told how far that is.
        """
        began_s = time.monotonic()
        out, measured, totals = self._out, measured_columns(self._config), _Totals()
        tables = {
            "sources": SOURCE_COLUMNS,
            "clips": clip_columns(measured),
            "dropped": dropped_columns(measured),
            "shots": SHOT_COLUMNS,
            "timeline": TIMELINE_COLUMNS,
        }
        with ExitStack() as stack:
            writers = {
                name: stack.enter_context(TableWriter(out / f"{name}.parquet", columns))
                for name, columns in tables.items()
            }
            for source, entry in self._finished():
                row = {**entry.source, **self._about(source)}
                totals.add(row, entry)
                writers["sources"].write([row])
                writers["clips"].write(entry.clips)
                writers["dropped"].write(entry.dropped)
                writers["shots"].write(entry.shots)
                writers["timeline"].write(timeline(source.source_id, entry))
            for row in self._other_rows():
                totals.add(row)
                writers["sources"].write([row])
        summary = totals.summary(
            self._found, self._config, pending=self._pending(totals), settings=self._settings.hash
        )
        if place_with is not None:
            summary = self._place(summary, place_with, watch)
        write_json(out / "summary.json", asdict(summary))
        _write_sheet(out)
        shown = self._settings.model_dump(mode="json")
        write_report(
            out,
            summary=asdict(summary),
            config=self._config,
            settings=shown,
            again=self._again,
            per_script=0 if place_with is None else write_performers(out),
        )
        took_s = time.monotonic() - began_s
        self._due_s = time.monotonic() + max(_LEAST_PAUSE_S, took_s / _SHARE)
        return summary

    def finish(self, *, jobs: int, watch: Watch = SILENT) -> CurationSummary:
        """Publish for the last time: duplicates are found, and groups and splits are given."""
        return self.publish(place_with=jobs, watch=watch)

    def _place(self, summary: CurationSummary, jobs: int, watch: Watch) -> CurationSummary:
        output = self._config.output
        placed = place_clips(
            self._out, val_share=output.val_share, test_share=output.test_share, jobs=jobs, watch=watch
        )
        return replace(
            summary, near_duplicates=placed.near_duplicates, splits=placed.splits, advice=placed.advice
        )

    def _finished(self) -> Iterator[tuple[Source, Entry]]:
        done = self._journal.done()
        for source in self._sources:
            if source.source_id in self.crashed:
                message = self.crashed[source.source_id]
                about = {"status": "failed", "reason": "crashed", "message": message, "clips": 0}
                yield source, Entry("analysed", about)
            elif source.source_id in self.unjournaled:
                yield source, self.unjournaled[source.source_id]
            elif source.source_id in done and (entry := self._journal.read(source.source_id)) is not None:
                yield source, entry

    def _about(self, source: Source) -> dict[str, Any]:
        """What is known of a source before it is opened."""
        return {
            **self._found.provenance.get(source.source_id, {}),
            "source_id": source.source_id,
            "file": self._found.names[source.source_id],
            "sha256": source.sha256,
        }

    def _other_rows(self) -> Iterator[dict[str, Any]]:
        for name, source_id in self._found.duplicates:
            message = f"same content as {self._found.names[source_id]}"
            yield {"source_id": source_id, "file": name, "status": "duplicate", "message": message}
        for name, reason, message in self._found.unusable:
            yield {"file": name, "status": "failed", "reason": reason, "message": message}

    def _pending(self, totals: _Totals) -> int:
        others = len(self._found.duplicates) + len(self._found.unusable)
        return len(self._sources) - (totals.sources - others)


@dataclass
class _Totals:
    sources: int = 0
    source_s: float = 0.0
    segments: int = 0
    clips: int = 0
    clips_s: float = 0.0
    dropped: int = 0
    stages: Counter[tuple[str, str]] = field(default_factory=Counter)
    problems: list[dict[str, str]] = field(default_factory=list)

    def add(self, row: Mapping[str, Any], entry: Entry | None = None) -> None:
        self.sources += 1
        self.source_s += row.get("duration_s") or 0.0
        self.segments += row.get("segments") or 0
        if row["status"] not in ("done", "duplicate", REMOVED):
            about = {"reason": row.get("reason") or "", "message": row.get("message") or ""}
            self.problems.append({"file": row["file"], **about})
        if entry is not None:
            self.clips += len(entry.clips)
            self.clips_s += sum(clip["duration_s"] for clip in entry.clips)
            self.dropped += len(entry.dropped)
            self.stages.update((one["stage"], one["reason"]) for one in entry.dropped)

    def add_tables(self, folder: Path) -> None:
        """All that the tables of a folder hold."""
        for row in iterate_rows(folder / "sources.parquet"):
            self.add(row)
        for row in iterate_rows(folder / "clips.parquet", ["duration_s"]):
            self.clips += 1
            self.clips_s += row["duration_s"] or 0.0
        for row in iterate_rows(folder / "dropped.parquet", ["stage", "reason"]):
            self.dropped += 1
            self.stages[row["stage"], row["reason"]] += 1

    def summary(
        self, found: Collection, config: CurationConfig, *, pending: int, settings: str
    ) -> CurationSummary:
        order = ["decode", *(one.section for one in filters_of(config)), "windows", "cut"]
        order += sorted({stage for stage, _ in self.stages} - set(order))  # of the parts of a merged folder
        in_order = sorted(self.stages.items(), key=lambda item: (order.index(item[0][0]), item[0][1]))
        return CurationSummary(
            sources=self.sources,
            source_s=self.source_s,
            segments=self.segments,
            clips=self.clips,
            clips_s=self.clips_s,
            mean_clip_s=self.clips_s / self.clips if self.clips else None,
            dropped=self.dropped,
            failed=len(self.problems),
            pending=pending,
            duplicates=len(found.duplicates),
            ignored=len(found.ignored),
            ignored_files=tuple({"file": name, "why": why} for name, why in found.ignored),
            stages=tuple({"stage": stage, "reason": reason, "count": n} for (stage, reason), n in in_order),
            problems=tuple(self.problems),
            near_duplicates=0,
            splits={},
            advice="",
            settings=settings,
        )


def publish_joined(out: Path, *, near_duplicates: int, splits: dict[str, int], advice: str) -> None:
    """Write the summary, the contact sheet and the report of a merged folder, from its tables.

    Charts show the thresholds of the one curation that its parts come of, and are left out where there were several.
    The folder is decided about anew where ``settings.toml`` is that of all parts; else its parts are, one by one.
    """
    made = _made_under(out)
    duplicates = tuple(
        (row["file"], row["source_id"])
        for row in iterate_rows(out / "sources.parquet", ["file", "source_id", "status"])
        if row["status"] == "duplicate"
    )
    summary = replace(
        _counted(out, made.config, Collection((), {}, duplicates, ())),
        settings=made.config.hash if (out / "settings.toml").exists() else "",
        near_duplicates=near_duplicates,
        splits=splits,
        advice=advice,
    )
    _publish_folder(out, asdict(summary), made)


def publish_changed(out: Path) -> None:
    """Write them anew after clips of the folder were cut anew or removed; what was said of its run stays.

    A folder without a summary, of somebody else's making, has no report either.
    """
    if not (out / "summary.json").exists():
        return
    made = _made_under(out)
    now = asdict(_counted(out, made.config, Collection((), {}, (), ())))
    splits = Counter(row["split"] for row in iterate_rows(out / "clips.parquet", ["split"]))
    summary = read_json(out / "summary.json") | {name: now[name] for name in _COUNTED}
    if (out / "splits").is_dir():
        summary["advice"] = ""  # it was to split
    _publish_folder(out, summary | {"splits": dict(sorted(splits.items()))}, made)


_COUNTED = ("clips", "clips_s", "mean_clip_s", "dropped", "stages", "failed", "problems")
"""What a summary says that the tables of the folder hold."""


@dataclass(frozen=True)
class _Made:
    """What a folder was made under: settings for its charts, those that are shown, the command that makes it anew."""

    config: CurationConfig
    settings: Mapping[str, Any]
    again: str | None = None


def _made_under(out: Path) -> _Made:
    parts = {path.name: read_toml(path) for path in sorted((out / "settings").glob("*.toml"))}
    whole = out / "settings.toml"
    if not parts and not whole.exists():  # not copied, or of other tools: the clips can be shown all the same
        return _Made(_common_settings([]), {})
    if not parts and "renderer" in (shown := read_toml(whole)):
        return _Made(load_config(), shown, RENDER_AGAIN)
    curated = [out / "settings" / name for name, one in parts.items() if "renderer" not in one]
    config = _common_settings(curated if parts else [whole])
    if whole.exists():
        return _Made(config, config.model_dump(mode="json"))
    return _Made(config, parts, "madance dataset decide PART --out NEW_PART")


def _common_settings(curated: Sequence[Path]) -> CurationConfig:
    """The settings of all curated parts, or settings without a filter: of several, or of one that is not installed."""
    if len(curated) == 1:
        with suppress(ConfigError):
            return load_config(curated[0])
    return load_config(overrides=["filters=[]"])


def _counted(out: Path, config: CurationConfig, found: Collection) -> CurationSummary:
    totals = _Totals()
    totals.add_tables(out)
    return totals.summary(found, config, pending=0, settings="")


def _publish_folder(out: Path, summary: dict[str, Any], made: _Made) -> None:
    write_json(out / "summary.json", summary)
    _write_sheet(out)
    write_report(
        out,
        summary=summary,
        config=made.config,
        settings=made.settings,
        again=made.again,
        per_script=write_performers(out),
    )


def _write_sheet(out: Path) -> None:
    thumbnails: Iterable[str | None] = (
        row["thumbnail"] for row in iterate_rows(out / "clips.parquet", ["thumbnail"])
    )
    write_contact_sheet(out / "contact_sheet.jpg", [out / name for name in thumbnails if name])
