"""The evaluation files of model hubs: ``eval.yaml`` of a benchmark, ``.eval_results/*.yaml`` of a model.

Fields as the hub's documentation of evaluation results names them (October 2026). An entry holds one number, so that
each metric is a task of its own, ``<protocol>-<metric>``; n, interval, hashes and the id of the result stand in its
notes, from where they are read again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from evaluation.protocol import Protocol
from evaluation.result import Metric, Result
from leaderboard.exchange.reported import ElsewhereNumber, ElsewhereRow, finite_number, text_of
from madata.errors import MadanceError

__all__ = ["benchmark_card", "from_eval_results", "to_eval_results", "to_yaml"]

_N = re.compile(r"\bn = (\d{1,12})\b")
_INTERVAL = re.compile(r"95 % interval (\S+) \.\. (\S+?)(?: \(|;|$)")
_PROTOCOL = re.compile(r"protocol (\S+ v\d+ [0-9a-f]{64})")


def benchmark_card(name: str, results: Iterable[tuple[Result, Protocol | None]]) -> dict[str, Any]:
    """``eval.yaml`` of the benchmark's data set: a task for each metric of each protocol.

    Args:
        name: of the benchmark.
        results: results with the protocol behind each, where it is known.
    """
    tasks: dict[str, dict[str, str]] = {}
    said: dict[str, str] = {}
    for result, protocol in results:
        said[result.protocol.name] = "" if protocol is None else " ".join(protocol.summary.split())
        for metric in result.metrics:
            task = _task_id(result, metric)
            tasks[task] = {"id": task, "config": "default", "split": result.dataset.split or "test"}
    described = " ".join(f"{protocol}: {summary}" for protocol, summary in sorted(said.items()))
    return {
        "name": name,
        "description": f"Music-driven dance, scored by madance; shares are 0..1. {described}".strip(),
        "evaluation_framework": "madance",
        "tasks": [tasks[task] for task in sorted(tasks)],
    }


def to_eval_results(result: Result, *, dataset: str, source: str | None = None) -> list[dict[str, Any]]:
    """The entries of a model's ``.eval_results`` file; a metric without a value has none.

    Args:
        dataset: ``owner/name`` of the benchmark's data set.
        source: address where the result itself lies.
    """
    return [
        {
            "dataset": {"id": dataset, "task_id": _task_id(result, metric)},
            "value": metric.value,
            "date": result.created,
            **({"source": {"url": source, "name": "result.json, features and samples"}} if source else {}),
            "notes": _notes(metric, result),
        }
        for metric in result.metrics
        if metric.value is not None
    ]


def _task_id(result: Result, metric: Metric) -> str:
    return f"{result.protocol.name}-{metric.name}"


def _notes(metric: Metric, result: Result) -> str:
    parts = [f"n = {metric.n}"]
    if metric.ci95 is not None:
        parts.append(f"95 % interval {metric.ci95[0]!r} .. {metric.ci95[1]!r} ({metric.ci_method})")
    if metric.noise_floor is not None:
        parts.append(f"noise floor {metric.noise_floor!r}")
    said = result.protocol
    parts += [f"protocol {said.name} v{said.version} {said.sha256}", f"result {result.id}"]
    return "; ".join(parts)


def from_eval_results(entries: list[Any], where: Path) -> list[ElsewhereRow]:
    """What a file of ``.eval_results`` reports: a row for each data set in it.

    Raises:
        MadanceError: it is no such file.
    """
    found: dict[str, list[ElsewhereNumber]] = {}
    facts: dict[str, tuple[str, str | None]] = {}
    try:
        for entry in entries:
            held = entry["dataset"]
            notes = text_of(entry.get("notes") or "")
            task = text_of(held.get("task_id") or held.get("config") or "")
            count, interval, protocol = (one.search(notes) for one in (_N, _INTERVAL, _PROTOCOL))
            own = text_of(held["id"])
            found.setdefault(own, []).append(
                ElsewhereNumber(
                    metric=task.rpartition("-")[2],
                    value=finite_number(entry["value"]),
                    low=None if interval is None else finite_number(float(interval[1])),
                    high=None if interval is None else finite_number(float(interval[2])),
                    n=None if count is None else int(count[1]),
                )
            )
            facts[own] = (protocol[1] if protocol else task.rpartition("-")[0], _day(entry.get("date")))
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise MadanceError(f"{where}: not a file of .eval_results ({error!r})") from None
    return [
        ElsewhereRow(
            name=_model_of(where),
            source=f"the model's own repository, for {dataset}",
            protocol=facts[dataset][0],
            task=None,
            date=facts[dataset][1],
            numbers=tuple(numbers),
            file=where.name,
        )
        for dataset, numbers in found.items()
    ]


def _day(value: Any) -> str | None:
    return None if value is None else str(value)[:10]


def _model_of(where: Path) -> str:
    """The file does not name the model: the folder that holds ``.eval_results`` does."""
    parts = where.absolute().parent
    return parts.parent.name if parts.name == ".eval_results" else where.stem


def to_yaml(value: Any, indent: str = "") -> str:
    """Plain values as YAML that any reader takes: block lists and maps, scalars as JSON writes them.

    Example:
        >>> print(to_yaml([{"dataset": {"id": "a/b"}, "value": 0.5}]), end="")
        - dataset:
            id: "a/b"
          value: 0.5
    """
    lines = []
    if isinstance(value, dict):
        for key, inner in value.items():
            if isinstance(inner, dict | list) and inner:
                lines.append(f"{indent}{key}:\n{to_yaml(inner, indent + '  ')}")
            else:
                lines.append(f"{indent}{key}: {_scalar(inner)}\n")
    else:
        for inner in value:
            body = to_yaml(inner, indent + "  ")
            lines.append(f"{indent}- {body[len(indent) + 2 :]}")
    return "".join(lines)


def _scalar(value: Any) -> str:
    text = json.dumps(value, allow_nan=False)
    # YAML 1.1 takes a float without a point for a text
    return text.replace("e", ".0e") if isinstance(value, float) and "." not in text else text
