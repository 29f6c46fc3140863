"""Results as plain text for a terminal: one block per result, or several protocols side by side."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Iterable, Sequence

from evaluation.metrics.printed import printed_unit, scale_of
from evaluation.metrics.registry import find_metric
from evaluation.metrics.spec import Direction
from evaluation.problems import grouped
from evaluation.result import Course, Metric, Result
from madata.errors import ConfigError
from madata.text import visible, visible_lines

__all__ = [
    "RESULT_COLUMNS",
    "columns",
    "headline_of",
    "interval",
    "metric_row",
    "number",
    "side_by_side",
    "text_of_result",
]

_RESIDUE = 1e-12
_NOTE = 200
"""Letters of a note that are shown unless everything is."""

RESULT_COLUMNS = ("metric", "value", "95 % interval", "noise floor", "reference", "n", "better", "unit")
"""Heads of the entries of :func:`metric_row`."""

_WORDS: dict[Direction, str] = {"higher": "higher", "lower": "lower", "reference": "nearer", "none": "-"}


def number(value: float | None) -> str:
    """Four significant digits, 0 for what rounding leaves of nothing, or a dash.

    Example:
        >>> number(3.14159), number(-1e-17), number(None)
        ('3.142', '0', '-')
    """
    if value is None:
        return "-"
    return f"{value:.4g}" if abs(value) >= _RESIDUE else "0"


def interval(ends: tuple[float, float] | None) -> str:
    """``low .. high``, or a dash.

    Example:
        >>> interval((0.0, 2.5))
        '0 .. 2.5'
    """
    return "-" if ends is None else f"{number(ends[0])} .. {number(ends[1])}"


def text_of_result(result: Result, headline: Collection[str] = (), *, everything: bool = False) -> str:
    """The metrics with interval, noise floor, reference value and n; then whatever speaks against them.

    Args:
        headline: the metrics that are shown; all where one of them is not there.
        everything: show all metrics, and name every file that is not as it must be.
    """
    named = [one for one in result.metrics if one.name in headline]
    shown = result.metrics if everything or len(named) < max(1, len(headline)) else named
    lines = [headline_of(result), *columns([RESULT_COLUMNS, *map(metric_row, shown)])]
    if more := len(result.metrics) - len(shown):
        lines.append(f"{more} more with --all")
    lines += [_course(one) for one in shown if one.by_second is not None]
    lines += _remarks((metric.name, [metric.reason]) for metric in shown)
    cautions = ((one.name, (one.caution or "").split("; ")) for one in shown if one.value is not None)
    lines += _remarks(cautions)
    lines += [f"  {line}" for line in grouped(result.errors, every=everything)]
    notes = dict.fromkeys(result.warnings)
    lines += [
        f"  note: {note if everything else textwrap.shorten(note, _NOTE, placeholder=' ...')}"
        for note in notes
    ]
    lines += _viewing(result)
    if result.pose is not None and result.pose.mixed:
        lines.append(f"  MIXED POSE BACKENDS: {result.pose.prediction} against {result.pose.reference}")
    return visible_lines("\n".join(lines))


def headline_of(result: Result) -> str:
    """Which system was scored against what, by which protocol, and how many clips that were."""
    dataset = result.dataset
    return (
        f"{result.system.name} against {dataset.name}, protocol {result.protocol.name} "
        f"{result.protocol.sha256[:12]}: {dataset.n_scored} of {dataset.n_expected} clips, {result.status}"
    )


def metric_row(metric: Metric) -> tuple[str, ...]:
    """Name, value, interval, noise floor, reference, n, better and unit of a metric, as printed."""
    scale = scale_of(metric.name, metric.unit)
    ends = None if metric.ci95 is None else (scale * metric.ci95[0], scale * metric.ci95[1])
    value, floor, real = (
        number(None if found is None else scale * found)
        for found in (metric.value, metric.noise_floor, metric.reference)
    )
    count = str(metric.n) if metric.n_reference is None else f"{metric.n}/{metric.n_reference}"
    unit = printed_unit(metric.name, metric.unit)
    return metric.name, value, interval(ends), floor, real, count, _better(metric), unit


_BARS = "▁▂▃▄▅▆▇█"
_COLUMNS = 40


def _course(metric: Metric) -> str:
    """A metric second by second as small bars, beside those of the reference on the same scale."""
    course = metric.by_second or Course(values=[], n=[])
    sides = {"": course.values, "reference ": course.reference or []}
    known = [value for values in sides.values() for value in values if value is not None]
    if not known:
        return f"  {metric.name} by second: no value at any"
    ends, scale = (min(known), max(known)), scale_of(metric.name, metric.unit)
    drawn = ", ".join(name + _bars(values, ends) for name, values in sides.items() if values)
    low, high = (number(scale * end) for end in ends)
    return f"  {metric.name} by second, {low} to {high} in {len(course.values)} s: {drawn}"


def _bars(values: Sequence[float | None], ends: tuple[float, float]) -> str:
    """One bar for each second, or for as many seconds as fit; a gap where there is no value."""
    step = -(-len(values) // _COLUMNS)
    bars = ""
    for start in range(0, len(values), step):
        there = [value for value in values[start : start + step] if value is not None]
        share = (sum(there) / len(there) - ends[0]) / ((ends[1] - ends[0]) or 1.0) if there else 0.0
        bars += _BARS[round(share * (len(_BARS) - 1))] if there else "·"
    return bars


def _better(metric: Metric) -> str:
    """Where better values lie; a metric that is not installed here has the direction its result states."""
    if metric.higher_is_better is not None:
        return "higher" if metric.higher_is_better else "lower"
    try:
        spec = find_metric(metric.name)
    except ConfigError:
        spec = None
    return _WORDS[spec.direction] if spec is not None else "-"


def _viewing(result: Result) -> list[str]:
    """How the pictures were looked at, and with which networks."""
    seen = result.viewing
    if seen is None:
        return []
    facts = [f"{', '.join(seen.sizes)} px" if seen.sizes else "", seen.device, seen.dtype]
    if seen.fps is not None:
        facts.insert(0, f"{number(seen.fps[0])} .. {number(seen.fps[1])} frames/s")
    if seen.frames is not None:
        facts.insert(0, f"{seen.frames[0]} .. {seen.frames[1]} frames")
    lines = ["  videos: " + ", ".join(fact for fact in facts if fact)]
    for network in seen.networks:
        flag = ", NON-COMMERCIAL" if network.noncommercial else ""
        lines.append(f"  network: {network.name} {network.sha256[:12]} ({network.licence}{flag})")
    return lines


def _remarks(remarks: Iterable[tuple[str, Iterable[str | None]]]) -> list[str]:
    """One line for each text, with all the metrics it belongs to."""
    found: dict[str, list[str]] = {}
    for name, texts in remarks:
        for text in texts:
            if text:
                found.setdefault(text, []).append(name)
    return [f"  {', '.join(names)}: {text}" for text, names in found.items()]


def side_by_side(results: Sequence[Result], headline: Collection[str] = ()) -> str:
    """The same predictions under several protocols: a row for each metric, a column for each protocol.

    Args:
        headline: the metrics that are shown; all where it is empty.
    """
    names = list(dict.fromkeys(metric.name for result in results for metric in result.metrics))
    rows = [("metric", *(result.protocol.name for result in results))]
    for name in names:
        if headline and name not in headline:
            continue
        found = [next((one for one in result.metrics if one.name == name), None) for result in results]
        rows.append((name, *("" if metric is None else _cell(metric) for metric in found)))
    return "\n".join(columns(rows))


def _cell(metric: Metric) -> str:
    _, value, ends, *_, unit = metric_row(metric)
    return (
        value
        + (f" {unit}" if unit and metric.value is not None else "")
        + (f" [{ends}]" if metric.ci95 else "")
    )


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table whose columns stand under each other; a column without any entry is left out.

    Example:
        >>> columns([("metric", "n", "unit"), ("bas", "5", "")])
        ['metric  n', 'bas     5']
    """
    rows = [[visible(cell) for cell in row] for row in rows]
    filled = [at for at in range(len(rows[0])) if any(row[at] for row in rows[1:]) or len(rows) == 1]
    widths = {at: max(len(row[at]) for row in rows) for at in filled}
    return ["  ".join(row[at].ljust(widths[at]) for at in filled).rstrip() for row in rows]
