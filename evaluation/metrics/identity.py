"""Is it the person of the picture? The face and the whole look of the dancer beside those of the reference picture.

A network of the user's turns crops into numbers (:mod:`evaluation.features.video.likeness`). The likeness of two is the
cosine between them. A video has the mean over its seconds; seconds without a face (turned away, too small) have none.

What a cosine means depends on the network, and not on it alone: two strangers in one studio are alike too. So it stands
between two others: the real video beside the same picture, and the same videos beside the pictures of other clips,
which is chance. Who is no nearer to their picture than to others' has lost it.

Legend: N videos, S seconds, D numbers of the network.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from evaluation.features.table import FeatureTable
from evaluation.metrics.courses import mean_course
from evaluation.metrics.estimate import ClipSources, Estimate
from evaluation.metrics.spec import MetricSpec, Side
from evaluation.metrics.tables import RowValues, Tables, why_none
from evaluation.result import Course

__all__ = ["METRICS", "likeness"]

Floats = npt.NDArray[np.float64]

_BOUNDS = (-1.0, 1.0)


def likeness(seen: Floats, picture: Floats) -> Floats:
    """(S,) cosine of what was seen in each second with the picture; NaN where nothing was.

    Args:
        seen: (S * D,) unit vectors, NaN where a second has none.
        picture: (D,) a unit vector; empty where the picture shows nobody.

    Raises:
        ValueError: the two are of different networks.

    Example:
        >>> likeness(np.array([1.0, 0.0, 0.6, 0.8]), np.array([1.0, 0.0])).tolist()
        [1.0, 0.6]
    """
    if not picture.size or not seen.size:
        return np.empty(0)
    if seen.size % picture.size:
        raise ValueError("video and picture were looked at by different networks")
    return np.asarray(np.clip(seen.reshape(-1, picture.size) @ picture, *_BOUNDS))


def _courses(tables: Tables, name: str, side: Side) -> tuple[Floats, ...]:
    """N courses (S,) of the videos of a side beside their own pictures."""
    table = tables.videos.get(side)
    if table is None:
        return ()
    nothing = (np.empty(0),) * len(table)
    seen, pictures = (table.ragged.get(f"kept/{kept}", nothing) for kept in (name, f"{name}_picture"))
    return tuple(map(likeness, seen, pictures))


def _column(tables: Tables, name: str, side: Side) -> RowValues:
    courses = tables.shared(_courses, name, side)
    return RowValues(np.array([_mean(course) for course in courses], np.float64))


def _mean(course: Floats) -> float:
    return float(np.nanmean(course)) if np.isfinite(course).any() else float("nan")


def _chance(tables: Tables, name: str, sources: ClipSources) -> float:
    """Mean likeness of the videos to the pictures of clips of other songs and sources; NaN where there are none."""
    table = tables.videos["prediction"]
    seen, pictures = table.kept(name), table.kept(f"{name}_picture")
    there = [row for row in range(len(table)) if seen[row].size and pictures[row].size]
    if not there:
        return float("nan")
    of_source = np.full(len(table), -1)
    for number, rows in enumerate(sources.prediction):
        of_source[rows] = number
    wanted = np.stack([pictures[row] for row in there])
    # the mean of cosines is the cosine with the mean of what was seen
    looks = np.stack([np.nanmean(seen[row].reshape(-1, wanted.shape[1]), axis=0) for row in there])
    strangers = of_source[there][:, None] != of_source[there][None, :]
    return _mean((looks @ wanted.T)[strangers])


def _reasons(table: FeatureTable, name: str) -> list[str]:
    """(N,) why a video has no value: nothing is seen in it, or in the picture beside it."""
    part, own = name.removesuffix("_identity"), table.reasons(name)
    pictures = table.ragged.get(f"kept/{name}_picture", (np.empty(0),) * len(table))
    return [
        stated or ("" if picture.size else f"no {part} is seen in its reference picture")
        for stated, picture in zip(own, pictures, strict=True)
    ]


def _estimate(tables: Tables, name: str) -> Estimate:
    if name in tables.missing:
        return Estimate(reason=tables.missing[name])
    estimate, column = Estimate(), tables.shared(_column, name, "prediction")
    table = tables.videos.get("prediction")
    if table is None:
        return Estimate(reason="no video was measured")
    sources = ClipSources.of(table.clip_ids, table.clip_ids, tables.protocol)
    sources.mean(estimate, column, _BOUNDS)
    if not estimate.n:
        estimate.reason = why_none(_reasons(table, name), "video") or "no video was measured"
        return estimate
    if (count := len(table)) > estimate.n:
        estimate.cautions.append(f"{count - estimate.n} of {count} videos have no value")
    if np.isfinite(chance := _chance(tables, name, sources)):
        estimate.noise_floor = chance
        estimate.cautions.append(
            "its noise floor is the chance level: the same videos beside the pictures of others"
        )
    real = tables.shared(_column, name, "reference").values
    if np.isfinite(real).any():
        estimate.reference, estimate.n_reference = float(np.nanmean(real)), int(np.isfinite(real).sum())
    values, counts = mean_course(tables.shared(_courses, name, "prediction"))
    others, _ = mean_course(tables.shared(_courses, name, "reference"))
    estimate.by_second = Course(values=values, n=counts, reference=others[: len(values)] or None)
    return estimate


def _spec(name: str, label: str, title: str) -> MetricSpec:
    return MetricSpec(
        name=name,
        version=1,
        label=label,
        title=title,
        needs=frozenset({"pictures"}),
        direction="higher",
        bounds=_BOUNDS,
        panel="Identity",
        absent="nobody to compare",
        scores=(name,),
        values=lambda tables, side: tables.shared(_column, name, side),
        estimate=lambda tables: _estimate(tables, name),
    )


METRICS = (
    _spec("face_identity", "Face", "Likeness of the face to that of the reference picture"),
    _spec("body_identity", "Look", "Likeness of the whole body to that of the reference picture"),
)
