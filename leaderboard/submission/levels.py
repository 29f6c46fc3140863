"""Which level an accepted submission reaches, beyond its numbers coming out of its features."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from evaluation.result import Result, older_intervals
from leaderboard.recheck import Fault
from leaderboard.submission.contents import few
from madata.files import sha256_file
from madata.formats import stem_of

__all__ = ["Levels", "Remeasure", "reached"]

Remeasure = Callable[[Path, Result], Result]
"""``remeasure(predictions, stated)`` scores a folder against the verifier's own reference, by the stated protocol."""


@dataclass(frozen=True)
class Levels:
    """The level that holds, what was looked at, and what is open; or the faults that were found on the way."""

    level: int
    checked: tuple[str, ...]
    still_open: tuple[str, ...]
    faults: tuple[Fault, ...] = ()


def reached(
    result: Result, predictions: Path, remeasure: Remeasure | None, regenerated: Path | None
) -> Levels:
    """Levels 2 and 3 of a result whose numbers come out of its features.

    Args:
        predictions: unpacked folder of the scored files; absent when the archive has none.
        regenerated: folder of predictions made again.
    """
    if older := sorted(older_intervals(result.metrics)):
        why = (
            f"level 1: intervals of {few(older)} are of a method of an earlier version, which nobody computes again; "
            "score with this version"
        )
        return Levels(0, ("every value comes out of the features again",), (why,))
    checked = ["every number comes out of the features again", "the scores of every clip do too"]
    if not predictions.is_dir():
        return Levels(1, tuple(checked), ("level 2: the archive holds no predictions",))
    if faults := _check_predictions(result, predictions):
        return Levels(0, tuple(checked), (), tuple(faults))
    checked.append("the predictions are the files that were scored")
    if remeasure is None:
        return Levels(
            1, tuple(checked), ("level 2: --remeasure, or --reference, measures the predictions again",)
        )
    again = remeasure(predictions, result)
    if texts := _compare(result, again):
        return Levels(0, tuple(checked), (), tuple(Fault("changed_features", text) for text in texts))
    if names := _out_of_reach(result, again):
        why = f"level 2: {', '.join(names)} cannot be measured here: {again.metric(names[0]).reason}"
        return Levels(1, tuple(checked), (why,))
    checked.append("every number comes out of the predictions again")
    if regenerated is None:
        return Levels(
            2, tuple(checked), ("level 3: give --regenerated, predictions made again from code and weights",)
        )
    if text := _regeneration(result, regenerated, remeasure):
        return Levels(2, tuple(checked), (f"level 3 does not hold: {text}",))
    return Levels(3, (*checked, "code and weights make the predictions again"), ())


def _check_predictions(result: Result, folder: Path) -> list[Fault]:
    by_clip = {stem_of(path): path for path in sorted(folder.iterdir())}
    faults = []
    for clip, hashes in result.dataset.files.items():
        if hashes.prediction is None:
            continue
        path = by_clip.pop(clip, None)
        if path is None:
            faults.append(Fault("missing_clip", f"the prediction of {clip} is not in the archive"))
        elif sha256_file(path) != hashes.prediction:
            faults.append(Fault("changed_file", f"the prediction of {clip} is not the file that was scored"))
    return faults + [
        Fault("unknown_file", f"{path.name} is the prediction of no scored clip") for path in by_clip.values()
    ]


def _compare(stated: Result, found: Result, *, within_interval: bool = False) -> list[str]:
    """What ``found`` says otherwise; numbers of another library may differ by a thousandth."""
    texts = []
    if found.dataset.n_scored != stated.dataset.n_scored:
        texts.append(
            f"{found.dataset.n_scored} clips could be scored, the result says {stated.dataset.n_scored}"
        )
    out_of_reach = _out_of_reach(stated, found)
    for metric in stated.metrics:
        if metric.name in out_of_reach:
            continue
        again = next((other for other in found.metrics if other.name == metric.name), None)
        if again is None or (again.value is None) != (metric.value is None):
            texts.append(f"{metric.name} cannot be measured again")
        elif metric.value is not None and again.value is not None:
            reach = 1e-3 * max(abs(metric.value), 1e-6)
            if within_interval and metric.ci95 is not None:
                reach = max(reach, metric.ci95[1] - metric.ci95[0])
            if abs(again.value - metric.value) > reach:
                texts.append(
                    f"{metric.name} is {again.value:.6g} when measured again, the result says {metric.value:.6g}"
                )
    return texts


def _out_of_reach(stated: Result, found: Result) -> list[str]:
    """Metrics without a value in ``found`` because the verifier lacks the weights of a network that was used."""
    used, here = (
        {network.name for network in (result.viewing.networks if result.viewing else [])}
        for result in (stated, found)
    )
    measured = {metric.name for metric in stated.metrics if metric.value is not None}
    absent = [metric.name for metric in found.metrics if metric.value is None and metric.n == 0]
    return [name for name in absent if name in measured] if used - here else []


def _regeneration(result: Result, folder: Path, remeasure: Remeasure) -> str | None:
    """Why predictions made again are not those of the result, or nothing: equal files, or numbers within the noise."""
    hashes = {stem_of(path): sha256_file(path) for path in sorted(folder.iterdir()) if path.is_file()}
    if all(
        hashes.get(clip) == own.prediction for clip, own in result.dataset.files.items() if own.prediction
    ):
        return None
    texts = _compare(result, remeasure(folder, result), within_interval=True)
    return texts[0] if texts else None
