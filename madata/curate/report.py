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
from typing import TYPE_CHECKING, Any

from madata.curate.decide import filters_of
from madata.curate.filter import Chart
from madata.curate.settings import CurationConfig
from madata.files import write_text

if TYPE_CHECKING:
    import pandas as pd

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


def _histograms(clips: pd.DataFrame, dropped: pd.DataFrame, config: CurationConfig) -> list[Histogram]:
    """One for each chart of each filter, in the order of the filters."""
    return [
        replace(
            histogram(
                chart.title,
                chart.unit,
                _values(clips, dropped, chart),
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


def _values(clips: pd.DataFrame, dropped: pd.DataFrame, chart: Chart) -> list[float]:
    import pandas as pd

    rows = pd.concat(
        [frame[["source_id", "segment_start_frame", chart.column]] for frame in (clips, dropped)]
    )
    if chart.per == "segment":
        rows = rows.dropna().drop_duplicates(["source_id", "segment_start_frame"])
    return [float(value) for value in rows[chart.column].dropna()]


def write_report(
    out: Path,
    *,
    sources: pd.DataFrame,
    clips: pd.DataFrame,
    dropped: pd.DataFrame,
    summary: Mapping[str, Any],
    config: CurationConfig,
) -> Path:
    """Write ``report.html`` into ``out`` from the three tables and the summary; return its path."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("madata"), autoescape=True, undefined=jinja2.StrictUndefined
    )
    charts = _histograms(clips, dropped, config)
    page = environment.get_template("report.html").render(
        summary=summary,
        histograms=charts,
        data=_data(sources, clips, dropped, [chart.column for chart in charts]),
        sources=_records(sources),
        settings=config.model_dump(mode="json"),
    )
    path = out / "report.html"
    write_text(path, page)
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
_DROPPED = ("stage", "reason", "message")


def _data(sources: pd.DataFrame, clips: pd.DataFrame, dropped: pd.DataFrame, measured: Sequence[str]) -> str:
    """The rows of the cards as JSON that may stand in a script element."""
    names = dict(zip(sources["source_id"], sources["file"], strict=True))
    columns = [*_CARD, *_KEPT, *_DROPPED, *dict.fromkeys(measured)]
    rows = ",\n".join(_row(values) for frame in (clips, dropped) for values in _values_of(frame, columns))
    return f'{{"names":{_text(names)},"columns":{_text(columns)},"rows":[{rows}]}}'


def _values_of(frame: pd.DataFrame, columns: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    absent = [None] * len(frame)
    return zip(*(frame.get(name, absent) for name in columns), strict=True)


def _row(values: Sequence[Any]) -> str:
    return _text([_plain(value) for value in values])


def _text(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    # "</script>" and "<!--" would end or change the element whatever the type of the script
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _plain(value: Any) -> Any:
    if value is None or value != value:
        return None
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}")
    return value.item() if hasattr(value, "item") else value


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [
        {str(key): None if value != value else value for key, value in row.items()}
        for row in frame.to_dict("records")
    ]
