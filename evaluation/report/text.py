"""Results as plain text for a terminal: one block per result, or several protocols side by side."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from evaluation.metrics.registry import find_metric
from evaluation.metrics.spec import Direction
from evaluation.result import Metric, Problem, Result
from madata.errors import ConfigError

__all__ = ["columns", "interval", "number", "side_by_side", "text_of_result"]

_WORDS: dict[Direction, str] = {"higher": "higher", "lower": "lower", "reference": "nearer", "none": "-"}


def number(value: float | None) -> str:
    """Four significant digits, or a dash.

    Example:
        >>> number(3.14159), number(None)
        ('3.142', '-')
    """
    return "-" if value is None else f"{value:.4g}"


def interval(ends: tuple[float, float] | None) -> str:
    """``low .. high``, or a dash.

    Example:
        >>> interval((0.0, 2.5))
        '0 .. 2.5'
    """
    return "-" if ends is None else f"{number(ends[0])} .. {number(ends[1])}"


def text_of_result(result: Result) -> str:
    """Every metric with its interval, noise floor, reference value and n; then whatever speaks against it."""
    dataset = result.dataset
    head = (
        f"{result.system.name} against {dataset.name}, protocol {result.protocol.name} "
        f"{result.protocol.sha256[:12]}: {dataset.n_scored} of {dataset.n_expected} clips, {result.status}"
    )
    rows = [("metric", "value", "95 % interval", "noise floor", "reference", "n", "better")]
    rows += [
        (
            metric.name,
            number(metric.value),
            interval(metric.ci95),
            number(metric.noise_floor),
            number(metric.reference),
            str(metric.n) if metric.n_reference is None else f"{metric.n}/{metric.n_reference}",
            _better(metric),
        )
        for metric in result.metrics
    ]
    lines = [head, *columns(rows)]
    lines += _grouped((metric.name, metric.reason) for metric in result.metrics)
    lines += _grouped((metric.name, metric.caution) for metric in result.metrics if metric.value is not None)
    lines += [f"  {_problem(problem)}" for problem in result.errors]
    lines += [f"  note: {warning}" for warning in result.warnings]
    lines += _viewing(result)
    if result.pose is not None and result.pose.mixed:
        lines.append(f"  MIXED POSE BACKENDS: {result.pose.prediction} against {result.pose.reference}")
    return "\n".join(lines)


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


def _grouped(remarks: Iterable[tuple[str, str | None]]) -> list[str]:
    """One line for each text, with all the metrics it belongs to."""
    found: dict[str, list[str]] = {}
    for name, text in remarks:
        if text:
            found.setdefault(text, []).append(name)
    return [f"  {', '.join(names)}: {text}" for text, names in found.items()]


def _problem(problem: Problem) -> str:
    kept = "left out" if problem.dropped else "kept"
    return f"{problem.side} {problem.file or problem.clip_id}: {problem.message} [{problem.reason}], {kept}"


def side_by_side(results: Sequence[Result]) -> str:
    """The same predictions under several protocols: a row for each metric, a column for each protocol."""
    names = list(dict.fromkeys(metric.name for result in results for metric in result.metrics))
    rows = [("metric", *(result.protocol.name for result in results))]
    for name in names:
        cells = []
        for result in results:
            metric = next((metric for metric in result.metrics if metric.name == name), None)
            cells.append("" if metric is None else _cell(metric))
        rows.append((name, *cells))
    return "\n".join(columns(rows))


def _cell(metric: Metric) -> str:
    if metric.value is None:
        return "-"
    return number(metric.value) + (f" [{interval(metric.ci95)}]" if metric.ci95 else "")


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table whose columns stand under each other.

    Example:
        >>> columns([("metric", "n"), ("bas", "5")])
        ['metric  n', 'bas     5']
    """
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
