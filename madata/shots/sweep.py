"""Wipes and pushes, which TransNet V2 misses or half sees: a line sweeps over the picture, behind it is the next scene.

A and B are the frames before and behind such a transition if, on the grey thumbnails,

- they differ: by 24 levels in the mean, and by more than 30 in at least 45 % of the places;
- every frame between is made of A and B: in a *wipe* each of those places is A or B; in a *push* the picture is a piece
  of A beside B, shifted. What is left, relative to the difference of A and B, is at most 0.22 in each frame. In a
  dissolve half is left in the middle, in a pan nothing fits;
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

import itertools
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
_COARSE = 1.15
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
        self._frames = np.zeros((0, 27, 48), np.float32)
        self._steps: deque[float] = deque(maxlen=LONGEST)
        self._fed = 0
        self._open: list[Sweep] = []
        self.found: list[Sweep] = []
        self.decided = 0

    def feed(self, thumbnail: npt.NDArray[np.uint8]) -> None:
        """Take the next thumbnail (27, 48, 3)."""
        grey = thumbnail.mean(axis=2, dtype=np.float32)[None]
        if len(self._frames):
            self._steps.append(float(np.abs(grey[0] - self._frames[-1]).mean()))
        self._frames = np.concatenate([self._frames[-LONGEST:], grey])
        self._fed += 1
        largest, steps = 0.0, list(self._steps)
        for shorter, length in itertools.pairwise((0, *_WINDOWS)):
            if self._residual_below <= 0 or length >= len(self._frames):
                break
            largest = max(largest, *steps[len(steps) - length : len(steps) - shorter])
            seen = _sweep(self._frames[-length - 1 :], largest, self._residual_below)
            if seen is not None:
                first = self._fed - length - 1
                self._open.append(replace(seen, start=seen.start + first, end=seen.end + first))
        self._settle(self._fed - LONGEST)

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


def _sweep(frames: FloatArray, largest_step: float, residual_below: float) -> Sweep | None:
    """The sweep between the first and the last of some frames (n, H, W), if there is one; counted from the first."""
    before, behind, between = frames[0], frames[-1], frames[1:-1]
    difference = np.abs(before - behind)
    mean = float(difference.mean())
    if mean < _MEAN_LEVELS or largest_step > _CUT_STEP * mean:
        return None
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
    """The same for A pushed out by B, in the best of the four directions; nothing is rough there."""
    best: _Fit = (float("inf"), np.zeros(len(between), np.float32), 0.0)
    for turns in range(4):
        a, b = (np.rot90(one, turns)[::2] for one in (before, behind))
        frames = np.rot90(between, turns, axes=(1, 2))[:, ::2]
        width = a.shape[1]
        side_by_side = np.concatenate([a, b], axis=1)
        views = np.lib.stride_tricks.sliding_window_view(side_by_side, width, axis=1).swapaxes(0, 1)
        # the frame in the middle says whether this direction is worth a look
        if _nearest(views[:, ::2], frames[len(frames) // 2, ::2])[0] > _COARSE * enough:
            continue
        rests, places = zip(*(_nearest(views, frame) for frame in frames), strict=True)
        if max(rests) < best[0]:
            best = max(rests), np.array(places, np.float32) / width, 0.0
    return best


def _nearest(views: FloatArray, frame: FloatArray) -> tuple[float, int]:
    """The smallest mean difference of a frame from some views, and the place of that view."""
    rests = np.abs(views - frame).mean(axis=(1, 2))
    place = int(rests.argmin())
    return float(rests[place]), place
