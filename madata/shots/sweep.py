"""Wipes and pushes, which TransNet V2 misses or half sees: a line sweeps over the picture, behind it is the next scene.

A and B are the frames before and behind such a transition if, on the grey thumbnails,

- they differ: by 24 levels in the mean, and by more than 30 in at least 45 % of the places;
- every frame between is made of A and B: in a *wipe* each of those places is A or B; in a *push* A and
  B move over one another along an axis: B pushes A out, covers or uncovers it, or A is squeezed to its middle. What is
  left, relative to the difference of A and B, is at most 0.22 in each frame. In a dissolve half is left in the middle,
  in a pan nothing fits;
- the share of B never falls by more than 0.06, never leaps by more than 0.55, and lies between 0.1 and 0.9 in at least
  two frames: a hard cut has none such;
- in a wipe, what is A and what is B are areas: at most 8 % of neighbouring places are on different sides.

Frames with a share of B between 0.08 and 0.92, from where it begins to grow to where it ends, are inside. Windows of 3
to 48 frames are tried (a push has 24 at most); of those that overlap the ones count that fit about as well as the best.
Soft edges leave more: a *weak* sweep, with up to 0.3 left and 12 % of neighbours apart, counts where the network sees a
transition in its middle, whose ends it does not see.

In transitions of 19 kinds and 6 to 24 frames between dancers, made with FFmpeg's xfade, the network alone leaves
frames of both scenes in nearly all (docs/curation.md has the figures). In 4 000 frames of dance, hand-held footage,
faces and made cases none is found that is not there.
"""

from __future__ import annotations

import functools
from collections import deque
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from madata.types import FloatArray

__all__ = ["LONGEST", "RESIDUAL_BELOW", "Sweep", "SweepMeter"]

_WINDOWS = (3, 4, 6, 8, 12, 16, 24, 32, 48)
LONGEST = max(_WINDOWS)
"""Frames from the one before a sweep to the one behind it."""
RESIDUAL_BELOW = 0.22
"""Default threshold."""
_MEAN_LEVELS, _PLACE_LEVELS, _PLACES = 24.0, 30.0, 0.45
_FALL, _LEAP = 0.06, 0.55
_PART = (0.1, 0.9)
_INSIDE = (0.08, 0.92)
_STANDS = 0.2
"""Before and behind the steps of this part of the largest one, the share changes because people move."""
_ROUGH = 0.08
_WEAK_RESIDUAL, _WEAK_ROUGH = 0.3, 0.12
_CUT_STEP = 0.7
"""A step of this part of the whole difference is a cut."""
_AS_GOOD, _AS_MUCH = 0.08, 0.85
_LONGEST_CLUSTER = 4 * LONGEST
_STORED = 8 * LONGEST
_LONGEST_PUSH = 24
"""Frames; a camera that pans over as much in a second or two pushes nothing out."""


@dataclass(frozen=True)
class Sweep:
    """Frames [start, end) are inside a wipe or a push.

    Attributes:
        residual: what is left of the frames when A and B are taken out, share of their difference.
        places: share of the places in which A and B differ.
        weak: it counts only where something else says so too.
    """

    start: int
    end: int
    residual: float
    places: float
    weak: bool = False


class SweepMeter:
    """Takes thumbnails in order and says, about two seconds late, which frames are inside a sweep.

    Args:
        residual_below: a window in which more is left is no sweep; 0 finds none.
    """

    def __init__(self, residual_below: float = RESIDUAL_BELOW) -> None:
        self._residual_below = residual_below
        self._stored = np.zeros((_STORED, 27, 48), np.float32)
        self._filled = 0
        self._steps: deque[float] = deque(maxlen=LONGEST)
        self._fed = 0
        self._open: list[Sweep] = []
        self.found: list[Sweep] = []
        self.decided = 0

    def feed(self, grey: FloatArray) -> None:
        """Take the next grey thumbnail (27, 48)."""
        if self._filled == _STORED:
            self._stored[:LONGEST] = self._stored[-LONGEST:]
            self._filled = LONGEST
        self._stored[self._filled] = grey
        if self._filled:
            self._steps.append(float(np.abs(grey - self._stored[self._filled - 1]).mean()))
        self._filled += 1
        self._fed += 1
        if self._residual_below > 0:
            self._look()
        self._settle(self._fed - LONGEST)

    def _look(self) -> None:
        """Look for sweeps that end with the last frame."""
        frames = self._stored[max(0, self._filled - LONGEST - 1) : self._filled]
        lengths = [length for length in _WINDOWS if length < len(frames)]
        means = np.abs(frames[[-length - 1 for length in lengths]] - frames[-1]).mean(axis=(1, 2))
        largest, steps = 0.0, list(self._steps)
        for shorter, length, mean in zip((0, *_WINDOWS), lengths, means.tolist(), strict=False):
            largest = max(largest, *steps[len(steps) - length : len(steps) - shorter])
            if mean < _MEAN_LEVELS or largest > _CUT_STEP * mean:
                continue
            seen = _sweep(frames[-length - 1 :], self._residual_below)
            if seen is not None:
                first = self._fed - length - 1
                self._open.append(replace(seen, start=seen.start + first, end=seen.end + first))

    def close(self) -> None:
        """Decide the frames left."""
        self._settle(self._fed + LONGEST)
        self.decided = self._fed

    def _settle(self, known: int) -> None:
        """Decide what no later window can reach: it would begin at frame ``known`` or behind."""
        while self._open:
            cluster = _first_cluster(self._open)
            end = max(one.end for one in cluster)
            if end >= known and end - cluster[0].start < _LONGEST_CLUSTER:
                break
            self.found.append(_joined(cluster))
            self._open = [one for one in self._open if one not in cluster]
        waiting = min((one.start for one in self._open), default=known)
        self.decided = max(self.decided, min(known, waiting))


def _first_cluster(sweeps: list[Sweep]) -> list[Sweep]:
    """Those that overlap with the first one or with one another."""
    in_order = sorted(sweeps, key=lambda one: one.start)
    cluster, end = [in_order[0]], in_order[0].end
    for one in in_order[1:]:
        if one.start >= end:
            break
        cluster.append(one)
        end = max(end, one.end)
    return cluster


def _joined(cluster: list[Sweep]) -> Sweep:
    """One sweep of those that fit about as well as the best, and differ in about as many places."""
    cluster = [one for one in cluster if not one.weak] or cluster
    residual, places = min(one.residual for one in cluster), max(one.places for one in cluster)
    good = [
        one for one in cluster if one.residual <= residual + _AS_GOOD and one.places >= _AS_MUCH * places
    ] or cluster
    best = min(good, key=lambda one: one.residual)
    start, end = min(one.start for one in good), max(one.end for one in good)
    return replace(best, start=start, end=end)


def _sweep(frames: FloatArray, residual_below: float) -> Sweep | None:
    """The sweep between the first and the last of some frames (n, H, W), if there is one; counted from the first."""
    before, behind, between = frames[0], frames[-1], frames[1:-1]
    difference = np.abs(before - behind)
    differs = difference > _PLACE_LEVELS
    places = float(differs.mean())
    if places < _PLACES:
        return None
    scale = float(difference[differs].mean())
    enough = max(residual_below, _WEAK_RESIDUAL) * scale
    middle = between[len(between) // 2]
    is_either = np.minimum(np.abs(middle - before), np.abs(middle - behind))[differs].mean() <= enough
    fits = [_wipe(before, behind, between, differs, enough)] if is_either else []
    is_fit = bool(fits) and fits[0][0] <= residual_below * scale and _goes_over(fits[0][1])
    if not is_fit and len(between) <= _LONGEST_PUSH:
        fits.append(_push(before, behind, between, enough))
    usable = [fit for fit in fits if fit[0] <= enough and fit[2] <= _WEAK_ROUGH and _goes_over(fit[1])]
    if not usable:
        return None
    rest, share, rough = min(usable, key=lambda fit: fit[0])
    residual = rest / scale
    growth = np.diff(np.concatenate([[0.0], share, [1.0]]))
    grows = np.flatnonzero(growth >= _STANDS * growth.max())
    part = (share > _INSIDE[0]) & (share < _INSIDE[1])
    inside = np.flatnonzero(part[grows[0] : grows[-1]]) + grows[0]
    if not len(inside):
        return None
    weak = residual > residual_below or rough > _ROUGH
    return Sweep(1 + int(inside[0]), 2 + int(inside[-1]), residual, places, weak)


def _goes_over(share: FloatArray) -> bool:
    """Whether the share of B goes from 0 to 1 as in a sweep."""
    part = (share > _PART[0]) & (share < _PART[1])
    falls = float((np.maximum.accumulate(share) - share).max())
    leaps = float(np.diff(np.concatenate([[0.0], share, [1.0]])).max())
    return int(part.sum()) >= 2 and falls <= _FALL and leaps <= _LEAP


_Fit = tuple[float, FloatArray, float]


def _wipe(
    before: FloatArray,
    behind: FloatArray,
    between: FloatArray,
    differs: npt.NDArray[np.bool_],
    enough: float,
) -> _Fit:
    """The largest rest of a frame, in grey levels; the share of B in each; share of neighbours on different sides."""
    to_before, to_behind = np.abs(between - before), np.abs(between - behind)
    is_behind = to_behind < to_before
    rest = float(np.minimum(to_before, to_behind)[:, differs].mean(axis=1).max())
    share = is_behind[:, differs].mean(axis=1).astype(np.float32)
    partly = is_behind[(share > _PART[0]) & (share < _PART[1])]
    if rest > enough or not len(partly):
        return rest, share, 0.0
    along = (partly[:, :, 1:] != partly[:, :, :-1])[:, differs[:, 1:] & differs[:, :-1]]
    across = (partly[:, 1:] != partly[:, :-1])[:, differs[1:] & differs[:-1]]
    rough = float(along.mean() + across.mean()) / 2 if along.size and across.size else 0.0
    return rest, share, rough


def _push(before: FloatArray, behind: FloatArray, between: FloatArray, enough: float) -> _Fit:
    """The same for A and B that move over one another along an axis; nothing is rough there.

    Means of bands differ by no more than the pictures do: where they leave too much nobody looks at those.
    """
    best: _Fit = (float("inf"), np.zeros(len(between), np.float32), 0.0)
    middle = len(between) // 2
    for turned in (False, True):
        a, b = (one.T if turned else one for one in (before, behind))
        frames = between.swapaxes(1, 2) if turned else between
        pair, moves = np.concatenate([a, b], axis=1), _moves(a.shape[1])
        part = slice(*(round(share * a.shape[1]) for share in _PART))
        views, shown = pair.mean(axis=0)[moves], frames.mean(axis=1)
        rests = np.abs(views[:, part] - shown[middle]).mean(axis=2)
        for move in np.flatnonzero(rests.min(axis=1) <= enough).tolist():
            bands = np.abs(_bands(pair)[:, moves[move, part]] - _bands(frames[middle])[:, None])
            if bands.mean(axis=(0, 2)).min() > enough:
                continue
            least = np.abs(views[move] - shown[:, None]).mean(axis=2)
            limit = min(enough, best[0])
            if least.min(axis=1).max() > limit:
                continue
            found = _along(pair, moves[move], frames, least, limit)
            if found is not None:
                best = found[0], found[1] / a.shape[1], 0.0
    return best


def _bands(pictures: FloatArray) -> FloatArray:
    """Means of three bands along the axis: (..., H, W) to (..., 3, W)."""
    *many, height, width = pictures.shape
    means: FloatArray = pictures.reshape(*many, 3, height // 3, width).mean(axis=-2)
    return means


def _along(
    pair: FloatArray, columns: npt.NDArray[np.intp], frames: FloatArray, least: FloatArray, enough: float
) -> tuple[float, FloatArray] | None:
    """The largest rest of the frames and the step that each shows, ``None`` where a frame leaves more than enough.

    Args:
        columns: (n, W) of ``pair`` (H, 2 W) that are shown at each step.
        least: (frames, n) what each step leaves at least.
    """
    largest, steps = 0.0, np.zeros(len(frames), np.float32)
    middle, slack = len(frames) // 2, round(_FALL * columns.shape[1])
    # the frame in the middle shows most of both; those before it show less of B, those behind it more
    for place in sorted(range(len(frames)), key=lambda place: abs(place - middle)):
        likely = np.flatnonzero(least[place] <= enough)
        if place < middle:
            likely = likely[likely <= steps[middle] + slack]
        elif place > middle:
            likely = likely[likely >= steps[middle] - slack]
        if not len(likely):
            return None
        rests = np.abs(pair[:, columns[likely]] - frames[place][:, None]).mean(axis=(0, 2))
        nearest = int(rests.argmin())
        largest, steps[place] = max(largest, float(rests[nearest])), likely[nearest]
        if largest > enough:
            return None
    return largest, steps


@functools.cache
def _moves(width: int) -> npt.NDArray[np.intp]:
    """Which columns of A (0 to W - 1) and B (from W on) are seen at each step of each kind of move, (7, W + 1, W).

    B pushes A out, covers it or is uncovered by it, from either side; A is squeezed to its middle, with B behind.
    """
    x, step = np.arange(width)[None], np.arange(width + 1)[:, None]
    is_a, behind = x < width - step, np.broadcast_to(x + width, (width + 1, width))
    one_way = [x + step, np.where(is_a, x, x + step), np.where(is_a, x + step, behind)]
    other_way = [
        np.where(move < width, width - 1, 3 * width - 1)[:, ::-1] - move[:, ::-1] for move in one_way
    ]
    squeezed = np.floor(width / 2 + (x + 0.5 - width / 2) * width / np.maximum(width - step, 1e-9)).astype(
        int
    )
    squeezed = np.where((squeezed >= 0) & (squeezed < width), squeezed, behind)
    return np.stack([*one_way, *other_way, squeezed])
