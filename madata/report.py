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

from madata.config import CurationConfig
from madata.files import write_bytes, write_text

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Histogram", "contact_sheet", "histogram", "write_contact_sheet", "write_report"]

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


def _measured(clips: pd.DataFrame, dropped: pd.DataFrame, column: str) -> list[float]:
    return [float(value) for frame in (clips, dropped) for value in frame[column].dropna()]


def _histograms(clips: pd.DataFrame, dropped: pd.DataFrame, config: CurationConfig) -> list[Histogram]:
    segments = clips.drop_duplicates(["source_id", "segment_start_frame"])
    shots = dropped[dropped["stage"].isin(["shots", "motion", "people"])]
    lengths = [*segments["segment_s"], *(shots["end_s"] - shots["start_s"])]
    return [
        histogram("Segment length", "s", lengths, threshold=config.shots.min_s, keeps="above"),
        histogram(
            "Motion (median flow)",
            "% of the diagonal per s",
            _measured(clips, dropped, "flow"),
            threshold=config.motion.static_below,
            keeps="above",
        ),
        histogram(
            "Two or more performers",
            "share of samples",
            _measured(clips, dropped, "share_two_or_more"),
            threshold=config.people.multi_share,
            keeps="below",
        ),
        histogram(
            "No performer",
            "share of samples",
            _measured(clips, dropped, "share_none"),
            threshold=config.people.none_share,
            keeps="below",
        ),
    ]


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


def contact_sheet(images: Sequence[Any], *, columns: int, cell: tuple[int, int]) -> Any:
    """Lay (H, W, 3) uint8 images out on a grid of ``cell`` (width, height) px; return one image."""
    import cv2
    import numpy as np

    width, height = cell
    gap = 4
    rows = max(1, math.ceil(len(images) / columns))
    sheet = np.full((rows * (height + gap) + gap, columns * (width + gap) + gap, 3), 24, np.uint8)
    for index, image in enumerate(images):
        scale = min(width / image.shape[1], height / image.shape[0])
        small = cv2.resize(
            image,
            (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))),
            interpolation=cv2.INTER_AREA,
        )
        top = gap + (index // columns) * (height + gap) + (height - small.shape[0]) // 2
        left = gap + (index % columns) * (width + gap) + (width - small.shape[1]) // 2
        sheet[top : top + small.shape[0], left : left + small.shape[1]] = small
    return sheet


def write_contact_sheet(path: Path, thumbnails: Sequence[Path], *, columns: int = 4) -> None:
    """Write the thumbnails of the kept clips as one JPEG."""
    import cv2

    images = [image for image in map(_read_image, thumbnails) if image is not None]
    if not images:
        return
    ok, data = cv2.imencode(
        ".jpg", contact_sheet(images, columns=columns, cell=(480, 270)), [cv2.IMWRITE_JPEG_QUALITY, 88]
    )
    if ok:
        write_bytes(path, data.tobytes())


def _read_image(path: Path) -> Any:
    import cv2
    import numpy as np

    return cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
