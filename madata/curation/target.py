"""A threshold from what it shall leave: ``50h`` of clips, or all but the lowest ``10%``.

One threshold moves, the others stay. Where to look first is read off the table of clips; what a threshold leaves is
found by deciding about every source by what was measured in it, since a stretch falls with all its windows and what is
freed is divided into new ones.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from madata.curation.decide import PieceJudge, filters_of
from madata.curation.filter import Chart
from madata.curation.observations import NotMeasuredError, read_pieces
from madata.curation.settings import CurationConfig, override
from madata.engine import run
from madata.errors import ConfigError, MadanceError, did_you_mean
from madata.manifest import iterate_rows
from madata.types import Source

__all__ = ["Target", "threshold_for"]

_ROUNDS = 5
_NEAR = 0.01
"""A threshold is near enough where it leaves the seconds wanted up to this share."""
_AMOUNT = re.compile(r"(\d+(?:\.\d+)?)\s*(h|min|s|%)")
_UNIT_S = {"h": 3600.0, "min": 60.0, "s": 1.0}
_DIGITS = 6


@dataclass(frozen=True)
class Target:
    """What is to be left when one threshold has moved.

    Attributes:
        setting: the threshold, e.g. ``motion.static_below``.
        seconds: of clips; share: of the seconds there are. One of them is ``None``.
    """

    setting: str
    seconds: float | None = None
    share: float | None = None

    @classmethod
    def parse(cls, amount: str, setting: str, *, drop: bool = False) -> Target:
        """``50h``, ``30min``, ``900s`` or ``90%`` of clips that stay, or with ``drop`` that go.

        Raises:
            ConfigError: it is no such amount, or more than all.
        """
        found = _AMOUNT.fullmatch(amount.strip())
        flag = "--drop" if drop else "--keep"
        if found is None or (drop and found[2] != "%"):
            expected = (
                "a share such as 10%" if drop else "hours, minutes, seconds or a share: 50h, 30min, 900s, 90%"
            )
            raise ConfigError(f"{flag} {amount}: expected {expected}")
        value = float(found[1])
        if found[2] != "%":
            return cls(setting, seconds=value * _UNIT_S[found[2]])
        if value > 100:
            raise ConfigError(f"{flag} {amount}: more than all there are")
        return cls(setting, share=(100 - value if drop else value) / 100)


def threshold_for(
    target: Target,
    folder: Path,
    sources: Sequence[Source],
    config: CurationConfig,
    *,
    jobs: int = 1,
    say: Callable[[str], None] = lambda line: None,
) -> str:
    """The setting ``section.key=value`` that leaves what ``target`` asks for, as near as windows allow.

    Args:
        sources: of the data set ``folder``.
        config: the other settings.
        say: receives a line for each threshold that is tried.

    Raises:
        ConfigError: there is no such threshold.
        MadanceError: nothing in the folder was measured that the threshold could be held against.
    """
    chart = _chart_of(target.setting, config)
    clips = list(iterate_rows(folder / "clips.parquet", (chart.column, "duration_s")))
    dropped = iterate_rows(folder / "dropped.parquet", (chart.column,))
    values = sorted({row[chart.column] for row in (*clips, *dropped) if row[chart.column] is not None})
    if not values:
        raise MadanceError(
            f"{folder}: {chart.column} was measured nowhere, so {target.setting} cannot be chosen by it"
        )
    now_s = sum(row["duration_s"] for row in clips)
    wanted_s = target.seconds if target.seconds is not None else now_s * (target.share or 0.0)
    # strictest first: the further a candidate stands, the more it leaves
    candidates = values[::-1] if chart.keeps == "above" else [*values[1:], _above(values[-1])]
    low, high = 0, len(candidates) - 1
    place = _first_guess(clips, chart, candidates, wanted_s)
    best: tuple[float, float, float] | None = None
    for _ in range(_ROUNDS):
        threshold = _rounded(candidates[place], chart)
        moved = override(config, [f"{target.setting}={threshold!r}"])
        left_s = _seconds_left(folder, sources, moved, jobs)
        say(f"{target.setting}={threshold:g} leaves {left_s / 60:.1f} min; now {now_s / 60:.1f} min")
        miss = abs(left_s - wanted_s)
        best = min(best or (miss, threshold, left_s), (miss, threshold, left_s))
        if miss <= _NEAR * wanted_s:
            break
        if left_s > wanted_s:
            high = place - 1
        else:
            low = place + 1
        if low > high:
            break
        step = round((wanted_s - left_s) / max(now_s, wanted_s, 1.0) * len(candidates))
        place = min(max(place + (step or (1 if left_s < wanted_s else -1)), low), high)
    assert best is not None
    return f"{target.setting}={best[1]:g}"


def _chart_of(setting: str, config: CurationConfig) -> Chart:
    charts = {f"{one.section}.{chart.setting}": chart for one in filters_of(config) for chart in one.charts}
    if setting not in charts:
        raise ConfigError(
            f"--by {setting}: there is no threshold of that name{did_you_mean(setting, charts)}"
        )
    return charts[setting]


def _first_guess(
    clips: Sequence[dict[str, Any]], chart: Chart, candidates: list[float], wanted_s: float
) -> int:
    """The place of the threshold that would leave enough, were clips dropped one by one."""
    known = [(row[chart.column], row["duration_s"]) for row in clips if row[chart.column] is not None]
    sign = -1.0 if chart.keeps == "above" else 1.0
    left_s = 0.0
    strictness = [sign * value for value in candidates]
    for value, seconds in sorted(known, key=lambda one: sign * one[0]):
        left_s += seconds
        if left_s >= wanted_s:
            # a value is kept by a threshold that it equals, or that lies above it
            place = (bisect_left if chart.keeps == "above" else bisect_right)(strictness, sign * value)
            return min(place, len(candidates) - 1)
    return len(candidates) - 1


def _above(value: float) -> float:
    return value * (1 + 10.0**-_DIGITS) + 10.0**-_DIGITS


def _rounded(value: float, chart: Chart) -> float:
    """As few digits as a person can copy, on the side that keeps what has this value."""
    near = float(f"{value:.{_DIGITS}g}")
    if chart.keeps == "above" and near > value:
        return float(f"{value * (1 - 10.0 ** (1 - _DIGITS)):.{_DIGITS}g}")
    return near


def _seconds_left(folder: Path, sources: Sequence[Source], config: CurationConfig, jobs: int) -> float:
    work = partial(_seconds_of, folder=folder, config=config)
    outcomes = list(run(work, [source.source_id for source in sources], jobs=jobs))
    if failed := next((one.error for one in outcomes if one.value is None), None):
        raise MadanceError(failed)
    return sum(one.value or 0.0 for one in outcomes)


def _seconds_of(
    source_id: str, report: Callable[[float], None], *, folder: Path, config: CurationConfig
) -> float:
    """Seconds of clips of a source; what was not measured is not counted."""
    judge = PieceJudge(source_id, out=None, config=config, framing=config.clip.encoding.framing)
    try:
        for piece in read_pieces(folder, source_id):
            judge(piece)
    except NotMeasuredError:
        pass
    return float(sum(row["end_s"] - row["start_s"] for row in judge.decisions.clips))
