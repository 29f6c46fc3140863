"""Names of results side by side: runs of one system are told apart by what differs between them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from evaluation.result import Result

__all__ = ["names_apart"]


def names_apart(results: Sequence[Result]) -> list[str]:
    """A name for each result: that of its system, and where several share it, the setting that differs.

    As few settings as tell all of them apart are named, the most telling first; where none does, the beginning of the
    result's id.
    """
    names = [result.system.name for result in results]
    shared = {name for name in names if names.count(name) > 1}
    found = list(names)
    for name in shared:
        places = [place for place, other in enumerate(names) if other == name]
        labels = _labels([results[place] for place in places])
        for place, label in zip(places, labels, strict=True):
            found[place] = f"{name} ({label})" if label else name
    return found


def _labels(results: Sequence[Result]) -> list[str]:
    """What differs, for each of several results of one name."""
    facts = [dict(_facts(result)) for result in results]
    keys = list(dict.fromkeys(key for own in facts for key in own))
    named: list[str] = []
    for key in keys:
        values = [own.get(key) for own in facts]
        if len(set(values)) == 1:
            continue
        finer = [_label(own, [*named, key]) for own in facts]
        if len(set(finer)) > len({_label(own, named) for own in facts}):
            named.append(key)
    labels = [_label(own, named) for own in facts]
    return [
        label if labels.count(label) == 1 else ", ".join(filter(None, (label, result.id[:8])))
        for label, result in zip(labels, results, strict=True)
    ]


def _label(facts: Mapping[str, str], keys: Sequence[str]) -> str:
    return ", ".join(f"{key} {facts[key]}".strip() for key in keys if key in facts)


def _facts(result: Result) -> Iterator[tuple[str, str]]:
    """What may differ between runs of one system, the most telling first; what is absent is not named."""
    system, dataset, made = result.system, result.dataset, result.generation
    known: dict[str, Any] = {
        "version": system.version,
        **dict(_flat("", system.config)),
        **{point.name: point.sha256[:8] for point in system.checkpoints},
        "seed": made.run_seed if made else None,
        **{line.partition(" ")[0]: line.partition(" ")[2] for line in result.options.lines()},
        "protocol": result.protocol.name,
        "protocol hash": result.protocol.sha256[:8],
        "split": dataset.split,
        "--limit": dataset.limit,
        "reference": dataset.name,
        "reference hash": dataset.reference_sha256[:8],
        "music hash": dataset.music_sha256[:8] if dataset.music_sha256 else None,
        "pose": result.pose.prediction if result.pose else None,
        "commit": str(system.code.get("commit") or "")[:8] or None,
        "device": made.device if made else None,
        "dtype": made.dtype if made else None,
    }
    return ((key, str(value)) for key, value in known.items() if value is not None)


def _flat(prefix: str, settings: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Settings in sections as ``section.name``."""
    for name, value in settings.items():
        key = f"{prefix}{name}"
        if isinstance(value, Mapping):
            yield from _flat(f"{key}.", value)
        else:
            yield key, value
