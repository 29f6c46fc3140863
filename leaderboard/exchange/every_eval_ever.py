"""Every Eval Ever, schema 0.3.0 (Batzner et al. 2026, arXiv 2606.14516): one JSON document for one run.

A metric keeps its value, interval, n and unit; what the schema has no field for (noise floor, value of the truth,
version, direction, hashes) stands in its free texts. Numbers are those of the result, unrounded. The schema takes no
metric without a number: those are named with their reasons.
"""

from __future__ import annotations

import datetime
import json
import math
import uuid
from importlib.metadata import version
from pathlib import Path
from typing import Any

from evaluation.metrics.registry import find_metric
from evaluation.result import Metric, Result
from leaderboard.exchange.reported import ElsewhereNumber, ElsewhereRow, finite_number, text_of
from leaderboard.layout import extra_column
from madata.errors import MadanceError

__all__ = ["EVERY_EVAL_EVER", "document_path", "from_every_eval_ever", "to_every_eval_ever"]

EVERY_EVAL_EVER = "0.3.0"
"""Version of the schema that is written."""
_PREFIX = "madance."


def to_every_eval_ever(
    result: Result, *, organization: str, model: str, relationship: str, dataset: str | None = None
) -> dict[str, Any]:
    """The document of one result.

    Args:
        organization: who ran the evaluation.
        model: the system as ``owner/name``.
        relationship: of who ran it to who made the system: first_party, third_party, collaborative or other.
        dataset: ``owner/name`` of the data set on a hub, where it is on one.
    """
    when = _seconds(result.created)
    missing = {metric.name: metric.reason for metric in result.metrics if metric.value is None}
    facts = {
        "task": result.system.task,
        "protocol": result.protocol.name,
        "protocol_version": result.protocol.version,
        "protocol_sha256": result.protocol.sha256,
        "result_id": result.id,
        "not_measured": json.dumps(missing, sort_keys=True) if missing else None,
    }
    about = {"deployment_type": "unknown", "model_availability": "unknown", "version": result.system.version}
    return {
        "schema_version": EVERY_EVAL_EVER,
        "evaluation_id": f"{result.protocol.name}/{model}/{when}",
        "evaluation_timestamp": result.created,
        "retrieved_timestamp": str(when),
        "source_metadata": {
            "source_name": "madance",
            "source_type": "evaluation_run",
            "source_organization_name": organization,
            "evaluator_relationship": relationship,
            "additional_details": _texts(facts),
        },
        "eval_library": {"name": "madance", "version": version("madance")},
        "model_info": {"name": result.system.name, "id": model, "additional_details": _texts(about)},
        "evaluation_results": [
            _metric(metric, result, dataset) for metric in result.metrics if metric.value is not None
        ],
    }


def document_path(result: Result, model: str) -> Path:
    """Where the data store keeps it: ``data/<benchmark>/<developer>/<model>/<uuid>.json``, the uuid made of the id."""
    developer, _, name = model.partition("/")
    own = uuid.UUID(bytes=bytes.fromhex(result.id)[:16], version=4)
    return Path("data", f"madance-{result.protocol.name}", developer, name, f"{own}.json")


def _metric(metric: Metric, result: Result, dataset: str | None) -> dict[str, Any]:
    spec = find_metric(metric.name)
    column = extra_column(metric)
    low, high = spec.bounds if spec is not None else (-math.inf, math.inf)
    details = {
        "n": metric.n,
        "n_reference": metric.n_reference,
        "noise_floor": metric.noise_floor,
        "noise_floor_n": metric.noise_floor_n,
        "value_of_the_reference": metric.reference,
        "caution": metric.caution,
    }
    score: dict[str, Any] = {"score": metric.value, "details": _texts(details)}
    if metric.ci95 is not None:
        score["uncertainty"] = {
            "confidence_interval": {
                "lower": metric.ci95[0],
                "upper": metric.ci95[1],
                "confidence_level": 0.95,
                "method": metric.ci_method,
            },
            "num_samples": metric.n,
        }
    return {
        "evaluation_result_id": f"{result.id[:16]}.{metric.name}",
        "evaluation_name": result.protocol.name,
        "source_data": _source_data(result, dataset),
        "metric_config": {
            "metric_id": f"{_PREFIX}{metric.name}",
            "metric_name": column.title,
            **({"metric_unit": metric.unit} if metric.unit else {}),
            "metric_parameters": {"version": metric.version},
            "lower_is_better": metric.higher_is_better is False,
            "score_type": "continuous",
            "min_score": _bound(low),
            "max_score": _bound(high),
            "additional_details": _texts({"better": _better(metric), "track": metric.track}),
        },
        "score_details": score,
    }


def _better(metric: Metric) -> str:
    """The schema asks for one of two directions; a metric may have neither, and then what it says means nothing."""
    return {True: "higher", False: "lower", None: "neither"}[metric.higher_is_better]


def _source_data(result: Result, dataset: str | None) -> dict[str, Any]:
    held = result.dataset
    facts = _texts({"reference_sha256": held.reference_sha256, "manifest_sha256": held.manifest_sha256})
    if dataset is None:
        facts |= _texts({"split": held.split, "samples_number": held.n_scored})
        return {"dataset_name": held.name, "source_type": "other", "additional_details": facts}
    return {
        "dataset_name": held.name,
        "source_type": "hf_dataset",
        "hf_repo": dataset,
        "hf_split": held.split or "test",
        "samples_number": held.n_scored,
        "additional_details": facts,
    }


def _bound(end: float) -> float | str:
    return end if math.isfinite(end) else "Infinity" if end > 0 else "-Infinity"


def _texts(values: dict[str, Any]) -> dict[str, str]:
    """The schema's free fields are texts alone; what is not known is left out."""
    return {name: str(value) for name, value in values.items() if value is not None}


def _seconds(created: str) -> int:
    try:
        return int(datetime.datetime.fromisoformat(created).timestamp())
    except ValueError:
        raise MadanceError(f"the result's time {created[:40]!r} is no ISO 8601 time") from None


def from_every_eval_ever(document: dict[str, Any], where: Path) -> ElsewhereRow:
    """What one document reports.

    Raises:
        MadanceError: it is none of this schema.
    """
    try:
        source, model = document["source_metadata"], document["model_info"]
        facts = source.get("additional_details") or {}
        numbers = []
        for item in document["evaluation_results"]:
            config, score = item["metric_config"], item["score_details"]
            name = config.get("metric_id") or config.get("metric_name") or item["evaluation_name"]
            doubt = score.get("uncertainty") or {}
            interval = doubt.get("confidence_interval") or {}
            numbers.append(
                ElsewhereNumber(
                    metric=text_of(name).removeprefix(_PREFIX),
                    value=finite_number(score["score"]),
                    low=None if "lower" not in interval else finite_number(interval["lower"]),
                    high=None if "upper" not in interval else finite_number(interval["upper"]),
                    n=_count(doubt.get("num_samples", (score.get("details") or {}).get("n"))),
                    unit=text_of(config.get("metric_unit") or ""),
                )
            )
        return ElsewhereRow(
            name=text_of(model["name"]),
            source=f"{text_of(source['source_organization_name'])}, {text_of(source['evaluator_relationship'])}",
            protocol=" ".join(
                text_of(facts[key])[:40] for key in ("protocol", "protocol_sha256") if key in facts
            ),
            task=facts.get("task"),
            date=text_of(document.get("evaluation_timestamp") or "")[:10] or None,
            numbers=tuple(numbers),
            file=where.name,
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise MadanceError(
            f"{where}: not a document of Every Eval Ever {EVERY_EVAL_EVER} ({error!r})"
        ) from None


def _count(value: Any) -> int | None:
    return None if value is None else int(value)
