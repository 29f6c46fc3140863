"""The page a person opens after curation: what came in, what was kept, what was dropped, and why.

One static HTML file beside the tables: no script from elsewhere, no network, readable from a file. Everything that
comes from a source (file names, messages) is untrusted and escaped.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Histogram:
    """Counts of one measured value, with the threshold it is held against.

    Attributes:
        keeps: which side of the threshold is kept, ``"above"`` or ``"below"``.
        edges: ``len(counts) + 1`` bin edges.
        values: the values themselves, so that the page can move the threshold.
    """

    title: str
    unit: str
    keeps: str
    threshold: float
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    values: tuple[float, ...]


def histogram(title: str, unit: str, values: Sequence[float], *, threshold: float, keeps: str) -> Histogram:
    """Bin finite ``values`` so that the threshold is visible and lies on a bin edge."""
    finite = sorted(float(value) for value in values if math.isfinite(value))
    high = max([threshold * 2, *finite]) or 1.0
    step = threshold / max(1, round(threshold / (high / _BINS))) if threshold > 0 else high / _BINS
    bins = max(1, math.ceil(high / step - 1e-9))
    counts = [0] * bins
    for value in finite:
        counts[min(bins - 1, int(value / step + 1e-9))] += 1
    edges = tuple(step * index for index in range(bins + 1))
    return Histogram(title, unit, keeps, threshold, edges, tuple(counts), tuple(finite))


def _histograms(clips: pd.DataFrame, dropped: pd.DataFrame, config: CurationConfig) -> list[Histogram]:
    """One for each chart of each filter, in the order of the filters."""
    return [
        histogram(
            chart.title,
            chart.unit,
            _values(clips, dropped, chart),
            threshold=float(getattr(config.of(one), chart.setting)),
            keeps=chart.keeps,
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
    names = dict(zip(sources["source_id"], sources["file"], strict=True))
    page = environment.get_template("report.html").render(
        summary=summary,
        histograms=_histograms(clips, dropped, config),
        charts=[chart for one in filters_of(config) for chart in one.charts if chart.per == "row"],
        clips=_records(clips, names),
        dropped=_records(dropped, names),
        sources=_records(sources, names),
        settings=config.model_dump(mode="json"),
    )
    path = out / "report.html"
    write_text(path, page)
    return path


def _records(frame: pd.DataFrame, names: Mapping[str, str]) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = []
    for row in frame.to_dict("records"):
        clean = {str(key): None if value != value else value for key, value in row.items()}
        records.append({**clean, "name": names.get(str(clean["source_id"]), "")})
    return records
