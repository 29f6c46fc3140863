"""Which of two systems is better, or what it would take to know.

Both systems danced to the same clips and are held against the same reference, so a difference is that of
:meth:`~evaluation.stats.jackknife.BlockEstimate.minus`: what is hard for both cancels. Two things must speak for a
direction:

* the interval of the difference (Student's and Hall's, widened by the bias that may be left) does not hold 0;
* the sign test of the blocks: were the two systems exchangeable, every block of songs might as well have come out the
  other way round. Up to 2^14 sign patterns are enumerated, beyond that drawn. The largest ratio over all metrics is
  kept of every pattern (Westfall & Young 1993, step down), so that p stands for the whole table: six songs that all say
  the same have p = 2 / 2^6 = 0.03 however many metrics are looked at, where Holm's correction could never decide.

``p`` is the larger of the two, and the interval is stretched to 0 where p is 0.05 or more: they never contradict each
other.

``tie`` is a finding and not the lack of one: the whole interval lies within the noise floor, one standard deviation of
what the metric makes of two disjoint parts of the real set, around the 0 that is true of them. What is neither is
``undecided``, with the number of clips that would decide with a power of 80 % if the difference is what it seems to be.

Legend: M metrics, G blocks.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import optimize, special

from evaluation.stats.jackknife import BLOCKS, MIN_UNITS, BlockEstimate, Floats

__all__ = ["Judgement", "Question", "Verdict", "clips_needed", "judge"]

Verdict = Literal["better", "worse", "differ", "tie", "undecided"]

_LEVEL = 0.95
_POWER = 0.8
_ENUMERATED = 14
_DRAWN = 4999
_NEVER = 1_000_000
"""More clips than this are no advice."""


@dataclass(frozen=True)
class Question:
    """One metric of two systems.

    Attributes:
        difference: first minus second.
        units: independent units (songs, sources, clips) behind it.
        higher_is_better: which sign of the difference speaks for the first; ``None`` where neither does.
        margin: the noise floor: what two parts of the real set differ by; ``None`` where there are too few.
    """

    difference: BlockEstimate
    units: int
    higher_is_better: bool | None
    margin: float | None = None


@dataclass(frozen=True)
class Judgement:
    """What can be said of one metric of two systems.

    Attributes:
        difference: first minus second, bias removed.
        low, high: 95 % interval.
        p: corrected for all the metrics judged together.
        verdict: of the first system.
        needed: units that would decide, if the difference is what it seems; ``None`` where no number in reach would.
    """

    difference: float
    low: float
    high: float
    p: float
    verdict: Verdict
    needed: int | None


def judge(questions: Mapping[str, Question], rng: np.random.Generator) -> dict[str, Judgement]:
    """All metrics of two systems together.

    Example:
        >>> clear = BlockEstimate(-2.0, np.array([0.1, -0.1, 0.2, -0.2, 0.1, -0.1]), np.zeros(0))
        >>> found = judge({"fid_k": Question(clear, 6, False)}, np.random.default_rng(0))["fid_k"]
        >>> found.verdict, found.p
        ('better', 0.03125)
    """
    swapped = _swap_tests([question.difference for question in questions.values()], rng)
    return {
        name: _judged(question, p) for (name, question), p in zip(questions.items(), swapped, strict=True)
    }


def _judged(question: Question, swapped: float) -> Judgement:
    difference = question.difference
    p = max(swapped, difference.p_value())
    interval = difference.interval(level=_LEVEL)
    low, high = interval.low, interval.high
    verdict: Verdict = "undecided"
    if p < 1 - _LEVEL:
        verdict = "differ"
        if question.higher_is_better is not None:
            verdict = "better" if (difference.value > 0) == question.higher_is_better else "worse"
    else:
        low, high = min(low, 0.0), max(high, 0.0)
        if -low == high == 0.0 or (question.margin is not None and max(-low, high) <= question.margin):
            verdict = "tie"
    needed = clips_needed(difference, question.units)
    if verdict == "undecided" and needed is not None:
        needed = max(needed, question.units + max(1, question.units // 5))  # these did not do
    return Judgement(difference.value, low, high, p, verdict, needed)


def clips_needed(difference: BlockEstimate, units: int) -> int | None:
    """Units that would show ``difference`` with a power of 80 %, to two digits; ``None`` beyond a million.

    The deviation falls as ``1 / sqrt n``, the bias that may be left and what the interval is stretched by as ``1 / n``;
    Student's t has the freedom of the blocks there would be.

    Example:
        >>> shifts = np.array([0.2, -0.2, 0.1, -0.1, 0.3, -0.3])
        >>> clips_needed(BlockEstimate(0.5, shifts, np.zeros(0)), 6)
        49
    """
    size = abs(difference.value)
    if size == 0:
        return None

    def missing(clips: float) -> float:
        share = units / clips
        student = special.stdtrit(min(clips, BLOCKS) - 1, (1 + _LEVEL) / 2)
        reach = float(student + special.ndtri(_POWER)) * difference.deviation * math.sqrt(share)
        return reach * (1 + (difference.stretch - 1) * share) + difference.bias * share - size

    if missing(_NEVER) > 0:
        return None
    wanted = MIN_UNITS if missing(MIN_UNITS) <= 0 else float(optimize.brentq(missing, MIN_UNITS, _NEVER))
    digits = max(0, math.floor(math.log10(wanted)) - 1)
    return int(math.ceil(wanted / 10**digits - 1e-9) * 10**digits)


def _swap_tests(differences: list[BlockEstimate], rng: np.random.Generator) -> list[float]:
    """P-values of the sign test, corrected for all metrics."""
    blocks = max((len(one.shifts) for one in differences), default=0)
    influence, ratios = np.zeros((len(differences), blocks)), np.zeros(len(differences))
    for row, one in enumerate(differences):
        there = np.flatnonzero(np.isfinite(one.shifts))
        shifts = one.shifts[there]
        influence[row, there] = one.value - (len(there) - 1) * (shifts - shifts.mean()) if len(there) else 0.0
        size = float(np.linalg.norm(influence[row]))
        clear = max(0.0, abs(one.value) - one.bias) * len(there)
        if size > 0 and clear > 0:
            influence[row] /= size
            ratios[row] = clear / size
        else:
            influence[row] = 0.0
    order = np.argsort(-ratios, kind="stable")
    swapped = influence[order[::-1]] @ _signs(blocks, rng)
    # the largest of a metric and of all those behind it
    most = np.maximum.accumulate(np.abs(swapped, out=swapped), axis=0, out=swapped)[::-1]
    adjusted, largest = np.ones(len(differences)), 0.0
    for place, row in enumerate(order):
        if ratios[row] == 0:
            break
        largest = max(largest, float((most[place] >= ratios[row] * (1 - 1e-9)).mean()))
        adjusted[row] = largest
    return adjusted.tolist()


def _signs(blocks: int, rng: np.random.Generator) -> Floats:
    """(G, P) sign patterns, the observed one first: all up to a common sign, or many at random."""
    if blocks <= _ENUMERATED:
        return _all_signs(blocks)
    drawn = rng.choice([1.0, -1.0], size=(_DRAWN, blocks))
    return np.ascontiguousarray(np.vstack([np.ones((1, blocks)), drawn]).T)


@functools.cache
def _all_signs(blocks: int) -> Floats:
    rest = np.array(list(itertools.product((1.0, -1.0), repeat=max(0, blocks - 1))))
    return np.ascontiguousarray(np.hstack([np.ones((len(rest), 1)), rest])[:, :blocks].T)
