"""What a data set holds, counted from its tables: the numbers of ``madance dataset stats`` and of its card.

Nothing is opened but Parquet, and of that a few columns: a hundred thousand clips take about a second.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from madata.dataset.folder import refuse_clip_ids, refuse_repeated, require_tables
from madata.files import write_text
from madata.manifest import read_columns
from madata.text import visible_value

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Distribution", "Share", "Statistics", "describe_dataset", "write_statistics"]

_BINS = 24
_MOST_SIZES = 12
UNKNOWN = "unknown"
"""The genre of clips of which nobody has said it."""


@dataclass(frozen=True)
class _Measured:
    """A column whose distribution is shown."""

    column: str
    title: str
    unit: str


_MEASURED = (
    _Measured("duration_s", "Length of a clip", "s"),
    _Measured("flow", "Motion", "% of the diagonal per s"),
    _Measured("tempo_bpm", "Tempo of the music", "beats per minute"),
    _Measured("share_two_or_more", "Samples with two or more people", "share"),
    _Measured("person_height", "Height of the dancer", "share of the picture"),
    _Measured("fps", "Frame rate", "frames per s"),
)


@dataclass(frozen=True)
class Share:
    """A part of the data set.

    Attributes:
        groups: split units, or sources where the table names none.
    """

    clips: int
    hours: float
    sources: int
    groups: int


@dataclass(frozen=True)
class Distribution:
    """How a column is distributed.

    Attributes:
        known: clips of which it is known.
        edges: ``len(counts) + 1`` bin edges.
    """

    column: str
    title: str
    unit: str
    known: int
    p5: float
    median: float
    p95: float
    edges: tuple[float, ...]
    counts: tuple[int, ...]


@dataclass(frozen=True)
class Statistics:
    """Numbers of a data set folder; shares are by name, the largest first but for splits.

    Attributes:
        sources: by status.
        dropped: (stage, reason, count, hours).
        sizes: clips by ``WIDTHxHEIGHT``, the twelve most frequent.
        licences, platforms: sources by what the crawl said of them.
        years: first and last year of publication, where known.
    """

    whole: Share
    splits: dict[str, Share]
    subsets: dict[str, Share]
    genres: dict[str, Share]
    with_sound: int
    with_keypoints: int
    with_music: int
    sources: dict[str, int]
    source_hours: float
    dropped: tuple[tuple[str, str, int, float], ...]
    distributions: tuple[Distribution, ...]
    sizes: dict[str, int]
    licences: dict[str, int]
    platforms: dict[str, int]
    years: tuple[str, str] | None


def describe_dataset(folder: Path) -> Statistics:
    """Count a data set folder.

    Raises:
        MadanceError: a table is absent or damaged, or an id has two rows.
    """
    needed = ("clip_id", "source_id", "duration_s", "width", "height", "split")
    more = ("group_id", "subset", "genre", "has_audio", "keypoints", "music")
    columns = (*more, *(one.column for one in _MEASURED))
    require_tables(folder)
    rows = read_columns(folder / "clips.parquet", needed, columns)
    refuse_clip_ids(folder / "clips.parquet", rows["clip_id"].to_pylist())
    clips = rows.to_pandas()
    clips["genre"] = clips["genre"].fillna(UNKNOWN) if "genre" in clips else UNKNOWN
    facts = ("duration_s", "licence", "platform", "upload_date")
    sources = read_columns(folder / "sources.parquet", ("source_id", "status"), facts).to_pandas()
    refuse_repeated(
        folder / "sources.parquet", "source", sources.source_id[sources.status != "duplicate"].dropna()
    )
    dropped = read_columns(
        folder / "dropped.parquet", ("stage", "reason", "start_s", "end_s"), ()
    ).to_pandas()
    sizes = Counter(f"{width}x{height}" for width, height in zip(clips.width, clips.height, strict=True))
    order = ["train", "val", "test", "held"]
    splits = _shares(clips, "split")
    return Statistics(
        whole=_share(clips),
        splits={name: splits[name] for name in sorted(splits, key=lambda name: (name not in order, name))}
        if not set(splits) <= set(order)
        else {name: splits[name] for name in order if name in splits},
        subsets=_shares(clips, "subset"),
        genres=_shares(clips, "genre"),
        with_sound=_known(clips, "has_audio"),
        with_keypoints=_known(clips, "keypoints"),
        with_music=_known(clips, "music"),
        sources=_counted(sources, "status"),
        source_hours=float(sources["duration_s"].fillna(0).sum() / 3600) if "duration_s" in sources else 0.0,
        dropped=_dropped(dropped),
        distributions=tuple(_distribution(clips, one) for one in _MEASURED if _known(clips, one.column)),
        sizes=dict(sizes.most_common(_MOST_SIZES)),
        licences=_counted(sources, "licence"),
        platforms=_counted(sources, "platform"),
        years=_years(sources),
    )


def _share(clips: pd.DataFrame) -> Share:
    unit = clips["source_id"]
    if "group_id" in clips:
        unit = clips["group_id"].fillna(clips["source_id"])
    return Share(
        len(clips), float(clips["duration_s"].sum() / 3600), clips["source_id"].nunique(), unit.nunique()
    )


def _shares(clips: pd.DataFrame, column: str) -> dict[str, Share]:
    if column not in clips:
        return {}
    shares = {str(name): _share(part) for name, part in clips.groupby(column)}
    return dict(sorted(shares.items(), key=lambda item: (-item[1].hours, item[0])))


def _known(table: pd.DataFrame, column: str) -> int:
    """Rows of which a column is known; of a column of truths, rows of which it holds."""
    if column not in table:
        return 0
    values = table[column]
    return int(values.sum() if values.dtype == bool else values.notna().sum())


def _counted(table: pd.DataFrame, column: str) -> dict[str, int]:
    if column not in table:
        return {}
    counts = Counter(str(value) for value in table[column].dropna())
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _dropped(dropped: pd.DataFrame) -> tuple[tuple[str, str, int, float], ...]:
    found = []
    for (stage, reason), part in dropped.groupby(["stage", "reason"], dropna=False):
        found.append(
            (str(stage), str(reason), len(part), float((part["end_s"] - part["start_s"]).sum() / 3600))
        )
    return tuple(sorted(found, key=lambda row: (-row[2], row[:2])))


def _distribution(clips: pd.DataFrame, measured: _Measured) -> Distribution:
    values: npt.NDArray[np.float64] = clips[measured.column].dropna().to_numpy(np.float64)
    low, high = np.quantile(values, [0.0, 0.995])
    edges = np.linspace(low, high if high > low else low + 1.0, _BINS + 1)
    # what lies beyond is counted in the last bin, so that one clip does not flatten the plot
    counts, _ = np.histogram(np.minimum(values, edges[-1]), edges)
    p5, median, p95 = np.quantile(values, [0.05, 0.5, 0.95])
    return Distribution(
        measured.column,
        measured.title,
        measured.unit,
        len(values),
        float(p5),
        float(median),
        float(p95),
        tuple(edges.tolist()),
        tuple(counts.tolist()),
    )


def _years(sources: pd.DataFrame) -> tuple[str, str] | None:
    dates = sorted(str(value)[:4] for value in sources.get("upload_date", []) if isinstance(value, str))
    return (dates[0], dates[-1]) if dates else None


def write_statistics(path: Path, name: str, statistics: Statistics) -> None:
    """Write the page: hours per genre, lengths, motion, tempo, people, sizes, what was dropped. One file, no script."""
    from jinja2 import Environment, PackageLoader

    page = Environment(
        loader=PackageLoader("madata", "templates"),
        autoescape=True,
        finalize=visible_value,
        trim_blocks=True,
        lstrip_blocks=True,
    ).get_template("statistics.html")
    write_text(path, page.render(name=name, of=statistics))


def as_rows(statistics: Statistics) -> list[tuple[str, Any]]:
    """What a terminal shows: (what, how much)."""
    whole = statistics.whole
    rows: list[tuple[str, Any]] = [
        (
            "clips",
            f"{whole.clips} ({whole.hours:.2f} h) from {whole.sources} sources in {whole.groups} groups",
        )
    ]
    for title, shares in (
        ("split", statistics.splits),
        ("subset", statistics.subsets),
        ("genre", statistics.genres),
    ):
        rows += [
            (f"{title} {name}", f"{share.clips} clips, {share.hours:.2f} h") for name, share in shares.items()
        ]
    rows += [
        (one.title, f"median {one.median:.4g}, 90 % in {one.p5:.4g} to {one.p95:.4g} {one.unit}")
        for one in statistics.distributions
    ]
    rows += [(f"size {size}", f"{count} clips") for size, count in statistics.sizes.items()]
    rows += [(f"dropped {stage}: {reason}", f"{count}") for stage, reason, count, _ in statistics.dropped]
    return rows
