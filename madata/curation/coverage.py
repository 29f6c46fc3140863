"""What became of every second of a source: kept, dropped, part of a transition, or left over between windows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from madata.curation.journal import Entry
from madata.manifest import Column, span_columns

__all__ = ["TIMELINE_COLUMNS", "timeline"]

TIMELINE_COLUMNS: dict[str, Column] = {
    "source_id": Column("string", "the source"),
    **span_columns(),
    "fate": Column("string", "kept, dropped, transition or rest (whole, but in no window)"),
    "reason": Column("string", "why it is dropped"),
    "clip_id": Column("string", "the clip it is kept in"),
}

_SPAN = ("start_frame", "end_frame", "start_s", "end_s")


def timeline(source_id: str, entry: Entry) -> list[dict[str, Any]]:
    """Rows in order of time that leave no frame of a source out; windows that overlap make rows that do."""
    known = [
        *({**_span(row), "fate": "kept", "clip_id": row["clip_id"]} for row in entry.clips),
        *({**_span(row), "fate": "dropped", "reason": row["reason"]} for row in entry.dropped),
    ]
    rows = [
        *known,
        *_uncovered(entry.shots, known, "rest"),
        *_uncovered(entry.transitions, known, "transition"),
    ]
    return [{"source_id": source_id, **row} for row in sorted(rows, key=lambda row: row["start_frame"])]


def _span(row: dict[str, Any]) -> dict[str, Any]:
    return {key: row[key] for key in _SPAN}


def _uncovered(
    spans: Sequence[dict[str, Any]], known: Sequence[dict[str, Any]], fate: str
) -> Iterator[dict[str, Any]]:
    """What no row covers of each span; damaged frames may lie on both sides of a cut, and in transitions."""
    for span in spans:
        at, at_s = span["start_frame"], span["start_s"]
        inside = [
            row
            for row in known
            if row["start_frame"] < span["end_frame"] and row["end_frame"] > span["start_frame"]
        ]
        for row in sorted(inside, key=lambda row: row["start_frame"]):
            if row["start_frame"] > at:
                ends = {"end_frame": row["start_frame"], "end_s": row["start_s"]}
                yield {"start_frame": at, "start_s": at_s, **ends, "fate": fate}
            if row["end_frame"] > at:
                at, at_s = row["end_frame"], row["end_s"]
        if at < span["end_frame"]:
            ends = {"end_frame": span["end_frame"], "end_s": span["end_s"]}
            yield {"start_frame": at, "start_s": at_s, **ends, "fate": fate}
