"""Which metrics there are: those of this folder, and those of other packages under ``madance.metrics``.

A file of this folder gives its metrics in a tuple ``METRICS``; nothing else lists them. Another distribution declares

    [project.entry-points."madance.metrics"]
    travel = "their_package.travel:TRAVEL"

where ``TRAVEL`` is a :class:`~evaluation.metrics.spec.MetricSpec` of that name. Metrics of others are imported when a
protocol or a result names them, and one that cannot be imported harms nobody who does not ask for it.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
import sys
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Literal

import numpy as np
import numpy.typing as npt

from evaluation.features.music import BEATS_OF
from evaluation.features.wanted import ClipFunction, ClipSeries, WantedFeatures
from evaluation.inputs.pose_files import JointTrack
from evaluation.metrics.pictures import completed
from evaluation.metrics.spec import MetricSpec
from evaluation.protocol import Protocol
from madata.errors import ConfigError, MadanceError

__all__ = [
    "GROUP",
    "InstalledMetric",
    "check_metrics",
    "find_metric",
    "installed_metrics",
    "metrics_of",
    "own_metrics",
    "wanted_by",
]

GROUP = "madance.metrics"
_OWN = "evaluation.metrics"


@dataclass(frozen=True)
class InstalledMetric:
    """A metric, or why it cannot be used.

    Attributes:
        origin: module it is from, with the distribution where that is another one.
        spec: ``None`` where there is an ``error``.
    """

    name: str
    origin: str
    spec: MetricSpec | None
    error: str | None = None


@functools.cache
def own_metrics() -> dict[str, MetricSpec]:
    """The metrics of this package by name.

    Example:
        >>> own_metrics()["fid_k"].direction
        'lower'
    """
    package = importlib.import_module(_OWN)
    found: dict[str, MetricSpec] = {}
    for module in sorted(pkgutil.iter_modules(package.__path__), key=lambda entry: entry.name):
        for spec in getattr(importlib.import_module(f"{_OWN}.{module.name}"), "METRICS", ()):
            if spec.name in found:
                raise ValueError(f"two files of {_OWN} define the metric {spec.name!r}")
            found[spec.name] = completed(spec)
    return found


def find_metric(name: str) -> MetricSpec | None:
    """The metric called ``name``; ``None`` where this installation has none of that name.

    Raises:
        ConfigError: the name is taken twice (both are named), or the metric cannot be imported.
    """
    points = _points(tuple(sys.path)).get(name)
    if points is None:
        return own_metrics().get(name)
    found = _load(name, points)
    if found.spec is None:
        raise ConfigError(f"metric {name}: {found.error}")
    return found.spec


def installed_metrics() -> list[InstalledMetric]:
    """All metrics, ours first, then those of others by name; one that cannot be used says why."""
    others = _points(tuple(sys.path))
    own = [InstalledMetric(name, _OWN, spec) for name, spec in own_metrics().items() if name not in others]
    return [*own, *(_load(name, others[name]) for name in sorted(others))]


@functools.lru_cache(maxsize=4)
def _points(path: tuple[str, ...]) -> dict[str, tuple[EntryPoint, ...]]:
    """Name -> entry points of other distributions on ``path``; the same one found twice is one."""
    found: dict[str, dict[tuple[str, str], EntryPoint]] = {}
    for point in entry_points(group=GROUP):
        found.setdefault(point.name, {})[point.value, _distribution(point)] = point
    return {name: tuple(points.values()) for name, points in found.items()}


def _distribution(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else "an unknown distribution"


def _load(name: str, points: tuple[EntryPoint, ...]) -> InstalledMetric:
    """Import a metric of others; whatever it raises becomes its error."""
    origins = sorted(f"{point.value} of {_distribution(point)}" for point in points)
    if name in own_metrics():
        origins = [_OWN, *origins]

    def broken(text: str) -> InstalledMetric:
        return InstalledMetric(name, origins[0], None, text)

    if len(origins) > 1:
        return broken(f"the name is taken twice: by {' and by '.join(origins)}; uninstall one")
    try:
        spec = points[0].load()
    except Exception as error:  # code of others: whatever it raises is theirs, and is said
        return broken(f"{origins[0]} cannot be imported: {type(error).__name__}: {error}")
    if not isinstance(spec, MetricSpec):
        return broken(f"{origins[0]} is a {type(spec).__name__}, not a MetricSpec")
    if spec.name != name:
        return broken(f"{origins[0]} calls itself {spec.name!r}; entry point and metric must have one name")
    return InstalledMetric(name, origins[0], completed(spec))


def check_metrics(protocol: Protocol) -> list[MetricSpec]:
    """The metrics of a protocol, in its order.

    Raises:
        ConfigError: it asks for a metric, or a version of one, that is not here, or that cannot be measured by it.
    """
    specs = []
    for name, version in protocol.metrics.items():
        spec = find_metric(name)
        if spec is None or spec.version != version:
            known = "no such metric" if spec is None else f"version {spec.version}"
            raise ConfigError(
                f"protocol {protocol.name} asks for {name} version {version}; this build has {known}"
            )
        if lacking := sorted(spec.needs - _offers(protocol)):
            raise ConfigError(
                f"protocol {protocol.name} asks for {name}, which needs {' and '.join(lacking)}; "
                f"it reads {protocol.input} by definition {protocol.definition}"
            )
        specs.append(spec)
    return specs


def _offers(protocol: Protocol) -> set[str]:
    """What metrics may need and the protocol has."""
    offered = {"music"} if protocol.definition in BEATS_OF else set()
    offered |= {"bars"} if protocol.beats is not None else set()
    offered |= {"keypoints"} if protocol.input != "video" else set()
    offered |= {"motion"} if protocol.input == "motion3d" else set()
    offered |= {"pictures"} if protocol.appearance or protocol.identity else set()
    return offered | ({"pairs"} if protocol.pairs is not None else set())


def metrics_of(protocol: Protocol, track: Literal["motion", "appearance"]) -> list[str]:
    """Names of the protocol's metrics of one track, in its order."""
    return [spec.name for spec in check_metrics(protocol) if spec.track == track]


def wanted_by(protocol: Protocol) -> WantedFeatures:
    """What the metrics of ``protocol`` need to know of clips.

    Raises:
        ConfigError: see :func:`check_metrics`.

    Example:
        >>> from evaluation.protocol import load_protocol
        >>> sorted(wanted_by(load_protocol("lodge")).per_clip)
        ['fsr']
    """
    specs = check_metrics(protocol)
    scores = dict.fromkeys(name for spec in specs for name in spec.scores)
    return WantedFeatures(
        per_clip={spec.name: _on_clip(spec, protocol) for spec in specs if spec.per_clip is not None},
        kept={name: _kept_of(spec, function) for spec in specs for name, function in spec.kept.items()},
        per_video={spec.name: spec.per_video for spec in specs if spec.per_video is not None},
        scores={name: spec.version for name in scores if (spec := find_metric(name)) is not None},
        music=any("music" in spec.needs for spec in specs),
        bars=any("bars" in spec.needs for spec in specs),
    )


def _on_clip(spec: MetricSpec, protocol: Protocol) -> ClipFunction:
    function, published = spec.per_clip, spec.per_clip_published

    def measured(clip: JointTrack) -> float:
        try:
            if protocol.kind == "official" and published is not None:
                return float(published(clip, protocol.definition))
            return float(function(clip)) if function is not None else float("nan")
        except (ValueError, MadanceError):
            raise
        except Exception as error:
            raise _failed(spec, error) from error

    return measured


def _kept_of(spec: MetricSpec, function: ClipSeries) -> ClipSeries:
    def kept(clip: JointTrack) -> npt.NDArray[np.float64]:
        try:
            return np.asarray(function(clip), np.float64)
        except MadanceError:
            raise
        except Exception as error:
            raise _failed(spec, error) from error

    return kept


def _failed(spec: MetricSpec, error: Exception) -> MadanceError:
    """What a metric of others raised, as an error that names it."""
    return MadanceError(f"metric {spec.name} failed on a clip: {type(error).__name__}: {error}")
