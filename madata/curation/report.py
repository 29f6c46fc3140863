"""The page a person opens after curation: what came in, what was kept, what was dropped, and why.

One static HTML file beside the tables: no script from elsewhere, no network, readable from a file, all paths
relative. The rows are in the page as JSON, and the page shows some dozens of them at a time, so that a hundred thousand
clips can be searched, sorted and watched. Everything that comes from a source (file names, messages) is untrusted: it
is escaped, and put into the page as text alone.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from madata.curation.decide import filters_of
from madata.curation.filter import Chart
from madata.curation.settings import CurationConfig
from madata.files import atomic_path
from madata.manifest import iterate_rows
from madata.motion.viewer import scene_script
from madata.text import visible_value

__all__ = ["Histogram", "histogram", "write_report"]

_BINS = 40
_MOST_BINS = 200
_DIGITS = 6


@dataclass(frozen=True)
class Histogram:
    """Counts of one measured value, with the threshold it is held against.

    Attributes:
        keeps: which side of the threshold is kept, ``"above"`` or ``"below"``.
        edges: ``len(counts) + 1`` bin edges.
        column, setting: what the values are of, and the full name of the setting that is the threshold.
        per: ``"row"``, or ``"segment"`` where all windows of a stretch have one value.
    """

    title: str
    unit: str
    keeps: str
    threshold: float
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    column: str = ""
    setting: str = ""
    per: str = "row"


def histogram(title: str, unit: str, values: Sequence[float], *, threshold: float, keeps: str) -> Histogram:
    """Bin finite ``values`` so that the threshold is visible and lies on a bin edge."""
    finite = sorted(float(value) for value in values if math.isfinite(value))
    high = max([threshold * 2, *finite]) or 1.0
    step = threshold / max(1, round(threshold / (high / _BINS))) if threshold > 0 else high / _BINS
    bins = min(_MOST_BINS, max(1, math.ceil(high / step - 1e-9)))  # the last bin holds what lies beyond
    counts = [0] * bins
    for value in finite:
        counts[min(bins - 1, int(value / step + 1e-9))] += 1
    edges = tuple(step * index for index in range(bins + 1))
    return Histogram(title, unit, keeps, threshold, edges, tuple(counts))


def _histograms(out: Path, config: CurationConfig) -> list[Histogram]:
    """One for each chart of each filter, in the order of the filters."""
    return [
        replace(
            histogram(
                chart.title,
                chart.unit,
                _values(out, chart),
                threshold=float(getattr(config.of(one), chart.setting)),
                keeps=chart.keeps,
            ),
            column=chart.column,
            setting=f"{one.section}.{chart.setting}",
            per=chart.per,
        )
        for one in filters_of(config)
        for chart in one.charts
    ]


def _values(out: Path, chart: Chart) -> list[float]:
    """The values of a column in both tables; of all windows of one stretch once, where that is asked for."""
    place = ("source_id", "segment_start_frame")
    values = []
    seen: set[tuple[str, int]] = set()
    for row in _rows_of_both(out, (*place, chart.column)):
        value, stretch = row.get(chart.column), (row[place[0]], row[place[1]])
        if value is None or (chart.per == "segment" and (stretch[1] is None or stretch in seen)):
            continue
        if chart.per == "segment":
            seen.add(stretch)
        values.append(float(value))
    return values


def _rows_of_both(out: Path, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    yield from iterate_rows(out / "clips.parquet", columns)
    yield from iterate_rows(out / "dropped.parquet", columns)


def write_report(
    out: Path,
    *,
    summary: Mapping[str, Any],
    config: CurationConfig,
    settings: Mapping[str, Any] | None = None,
    again: str | None = None,
    per_script: int = 0,
) -> Path:
    """Write ``report.html`` into ``out`` from its tables and the summary; return its path.

    ``settings`` are shown at its end, those of ``config`` where there are none; ``again`` is the command that decides
    anew, ``madance dataset decide`` on the folder that the page is opened in where nothing is said: the page has the
    same bytes whatever its folder is called. Charts of what was never measured are left out. ``per_script`` is what
    :func:`madata.dataset.performers.write_performers` gave: without it playing clips show no performer.

    The page is written while the rows are read: memory does not grow with their number.
    """
    import jinja2
    from markupsafe import Markup

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("madata"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=visible_value,
    )
    charts = [chart for chart in _histograms(out, config) if any(chart.counts)]
    columns = [*_CARD, *_KEPT, *_PICTURE, *_DROPPED, *dict.fromkeys(chart.column for chart in charts)]
    page = environment.get_template("report.html").stream(
        summary=summary,
        histograms=charts,
        columns=_text(columns),
        rows=(_row(row, columns) for row in _rows_of_both(out, columns)),
        source_columns=_text(_SOURCE),
        sources=(_row(row, _SOURCE) for row in iterate_rows(out / "sources.parquet", _SOURCE)),
        settings=config.model_dump(mode="json") if settings is None else settings,
        again=again,
        per_script=per_script,
        scene=Markup(scene_script()),
    )
    path = out / "report.html"
    with atomic_path(path) as temporary:
        page.dump(str(temporary), encoding="utf-8", errors="surrogateescape")
    return path


_CARD = (
    "clip_id",
    "source_id",
    "start_frame",
    "end_frame",
    "start_s",
    "end_s",
    "segment_start_frame",
    "thumbnail",
)
_KEPT = ("split", "path", "fps", "width", "height")
_PICTURE = ("bars", "cropped", "picture_left", "picture_top", "picture_width", "picture_height")
_DROPPED = ("stage", "reason", "message")
_SOURCE = (
    "source_id", "file", "status", "width", "height", "fps", "duration_s", "frames", "shots", "clips", "message", "url",
)  # fmt: skip


def _row(row: Mapping[str, Any], columns: Sequence[str]) -> str:
    return _text([_plain(row.get(name)) for name in columns])


def _text(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    # "</script>" and "<!--" would end or change the element whatever the type of the script
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}") if math.isfinite(value) else None
    return value
