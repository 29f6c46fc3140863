"""Light that changes while the scene goes on: strobe, flashes, blackouts, coloured lamps. Both heads call it a cut.

From one frame to the next the light *steps* where the mean of a colour channel does, by more than 12 grey levels. One
that goes on in the same direction for more than three frames may be a fade or a dissolve. Others are none of an
editor's:

1. *flicker*: at least four steps, up and down in turn, within 15 frames to either side;
2. *other light on the same scene*: what one picture shows follows from the other by one linear map of the colours,
   whatever the lamps. Its share of what is seen, R squared in the direction that does worse, is 0.61 to 1.0 where a
   strobe or a coloured lamp was put on footage, and at most 0.40 between pictures of different footage (646 pairs) and
   at the hard cuts of films. Where such steps recur, three within 48 frames to either side, 0.6 is enough: lamps come
   again and again. A single one needs 0.85, and what the map leaves must be no jump (:mod:`madata.shots.jump`), as two
   takes at one place, in other weather, leave one;
3. *a flash or a blackout*: for at most eight frames the picture is nearly uniform or keeps something of the one
   before, and the picture behind differs from the one before no more than others that are as far apart;
4. *a wash of colour*: within 12 frames one channel rises while another falls, and the scene is the same (0.85). A fade
   moves all channels one way, and a dissolve changes the scene.

Near such a step the network is not believed, dark frames are not blank, and the step is no jump: two frames around a
single one, ten where they recur. Where two frames are of different scenes (below 0.4) it is believed in any light.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from madata.shots.jump import FLOOR, JUMP_ABOVE, REACH
from madata.types import FloatArray

__all__ = ["LightMeter"]

_STEP_LEVELS = 12.0
_SUDDEN_FRAMES, _GOES_ON_LEVELS = 3, 4.0
_FLICKER_REACH, _FLICKER_STEPS = 15, 4
_RECURRING_REACH, _RECURRING_STEPS = 48, 3
_ALIKE, _ALIKE_ALONE = 0.6, 0.85
_FLASH_FRAMES = 8
_UNLIKE, _UNIFORM_LEVELS = 0.4, 8.0
_NETWORK_REACH, _AMONG_OTHERS_REACH = 2, 10
"""Frames around a step in which the heads answer to it: a single one, and one of many."""
_WASH_FRAMES, _WASH_LEVELS = 12, 6.0
_LAG = _RECURRING_REACH + _AMONG_OTHERS_REACH
"""A frame is decided when this many behind it are known."""
_KEPT = 2 * _LAG + 2 * (REACH + _FLASH_FRAMES)


class LightMeter:
    """Takes thumbnails in order, and says which frames stand in light that changes.

    Attributes:
        decided: frames from the beginning that are decided; :meth:`take` can give those it has not given.
    """

    def __init__(self) -> None:
        self.decided = 0
        self._fed = 0
        self._first = 0
        self._pictures: list[FloatArray] = []
        self._means: list[FloatArray] = []
        self._washes: set[int] = set()
        """Frames that a wash of colour leads to."""
        self._flashed: set[int] = set()
        """Frames of flashes and blackouts."""
        self._steps: dict[int, tuple[float, float]] = {}
        """Frame a step leads to: how far it goes, and how far the scene is the same."""
        self._lit: dict[int, bool] = {}
        """Of the steps that are judged: is it one of the light."""
        self._steady: list[bool] = []
        self._taken = 0

    def feed(self, thumbnail: npt.NDArray[np.uint8]) -> None:
        """Take the next thumbnail (27, 48, 3)."""
        picture = thumbnail.reshape(-1, 3).astype(np.float32)
        mean = picture.mean(axis=0)
        if self._means:
            change = mean - self._means[-1]
            largest = float(change[np.abs(change).argmax()])
            if abs(largest) > _STEP_LEVELS:
                self._steps[self._fed] = largest, _alike(self._pictures[-1], picture)
        self._pictures.append(picture)
        self._means.append(mean)
        if len(self._means) > _WASH_FRAMES:
            change = mean - self._means[-1 - _WASH_FRAMES]
            moves = change.max() > _WASH_LEVELS and change.min() < -_WASH_LEVELS
            if moves and _alike(self._pictures[-1 - _WASH_FRAMES], picture) >= _ALIKE_ALONE:
                self._washes.add(self._fed)
        self._fed += 1
        self._decide(self._fed - _LAG)

    def close(self) -> None:
        """Decide all frames left."""
        self._decide(self._fed)

    def take(self, count: int) -> npt.NDArray[np.bool_]:
        """Of the next ``count`` frames: is the light steady around each."""
        steady = np.array(self._steady[:count], bool)
        del self._steady[:count]
        self._taken += count
        for step in [step for step in self._lit if step < self._taken - _NETWORK_REACH]:
            del self._lit[step]
        return steady

    def leads_to(self, frame: int) -> bool:
        """Whether a step of the light, and no cut, leads to a frame that is decided and not taken."""
        return self._lit.get(frame, False)

    def _decide(self, stop: int) -> None:
        for frame in range(self.decided, stop):
            if frame in self._steps:
                self._is_lit(frame)  # leads_to() is asked later, when the pictures are gone
            changes = self._changes(frame) or self._flickers(frame) or self._washed(frame)
            cut = changes and (self._is_cut(frame) or self._is_cut(frame + 1))
            self._steady.append(cut or not changes)
        self.decided = max(self.decided, stop)
        forgotten = self._fed - _KEPT - self._first
        if forgotten > 0:
            del self._pictures[:forgotten], self._means[:forgotten]
            self._first += forgotten
            for step in [step for step in self._steps if step < self._first]:
                del self._steps[step]
            for frames in (self._washes, self._flashed):
                frames.difference_update([frame for frame in frames if frame < self._first])

    def _is_cut(self, frame: int) -> bool:
        """Whether a frame shows another scene than the one before, in whatever light."""
        if not self._first < frame < self._fed:
            return False
        before, behind = self._at(frame - 1), self._at(frame)
        return not (_is_uniform(before) or _is_uniform(behind)) and _alike(before, behind) < _UNLIKE

    def _changes(self, frame: int) -> bool:
        """Whether a step of the light is near."""
        near = [step for step in self._steps if abs(step - frame) <= _AMONG_OTHERS_REACH]
        close = [step for step in near if abs(step - frame) <= _NETWORK_REACH]
        if close:
            return any(self._is_lit(step) for step in close)
        return frame in self._flashed or any(self._recurs(step) for step in near)

    def _washed(self, frame: int) -> bool:
        reach = range(frame - _NETWORK_REACH, frame + _WASH_FRAMES + 1)
        return any(end in self._washes for end in reach)

    def _flickers(self, frame: int) -> bool:
        turns = [
            step
            for (_, (before, _)), (step, (change, _)) in pairwise(self._steps.items())
            if (before > 0) != (change > 0) and abs(step - frame) <= _FLICKER_REACH
        ]
        return len(turns) >= _FLICKER_STEPS - 1

    def _is_lit(self, step: int) -> bool:
        if step not in self._lit:
            self._lit[step] = self._judge(step)
        return self._lit[step]

    def _judge(self, step: int) -> bool:
        """Whether a step is one of the light."""
        if self._recurs(step):
            return True
        if self._goes_on(step):
            return False
        alone = self._steps[step][1] >= _ALIKE_ALONE and self._leaves_no_jump(step)
        return alone or self._flash_of(step)

    def _recurs(self, step: int) -> bool:
        """Whether it is one of several that light the same scene otherwise."""
        alike = [
            other
            for other, (_, same) in self._steps.items()
            if same >= _ALIKE and abs(other - step) <= _RECURRING_REACH and not self._goes_on(other)
        ]
        return step in alike and len(alike) >= _RECURRING_STEPS

    def _goes_on(self, step: int) -> bool:
        """Whether the light moves on in the direction of a step, before or behind it."""
        change = self._change(step)
        channel = int(np.abs(change).argmax())
        sign, frames = np.sign(change[channel]), 1
        for direction in (-1, 1):
            frame = step + direction
            while self._first < frame < self._fed and sign * self._change(frame)[channel] > _GOES_ON_LEVELS:
                frames += 1
                if frames > _SUDDEN_FRAMES:
                    return True
                frame += direction
        return False

    def _change(self, frame: int) -> FloatArray:
        """By which the means of the channels (3,) change to a frame."""
        return self._means[frame - self._first] - self._means[frame - 1 - self._first]

    def _leaves_no_jump(self, step: int) -> bool:
        rest = float(np.abs(_rest(self._at(step - 1), self._at(step))).mean())
        return rest < JUMP_ABOVE * (self._usual(step - 1, step, 1) + FLOOR)

    def _flash_of(self, step: int) -> bool:
        """Whether a flash or blackout begins or ends with a step."""
        for begin in range(max(1, step - _FLASH_FRAMES), step + 1):
            if begin not in self._steps:
                continue
            ends = (step,) if begin < step else range(step + 1, min(step + _FLASH_FRAMES + 1, self._fed))
            for end in ends:
                if end in self._steps and self._is_flash(begin, end):
                    self._flashed.update(range(begin, end))
                    return True
        return False

    def _is_flash(self, begin: int, end: int) -> bool:
        """Whether frames [begin, end) are one, and the scene goes on behind it."""
        if begin - 1 < self._first:
            return False
        before, behind = self._at(begin - 1), self._at(end)
        for frame in range(begin, end):
            inner = self._at(frame)
            if not _is_uniform(inner) and _alike(before, inner) < _UNLIKE:
                return False
        gap = end - begin + 1
        return _difference(before, behind) < JUMP_ABOVE * (self._usual(begin - 1, end, gap) + FLOOR)

    def _usual(self, before: int, behind: int, gap: int) -> float:
        """Second largest difference of pictures ``gap`` apart, up to ``before`` and from ``behind`` on."""
        early = range(max(self._first, before - gap - REACH + 1), before - gap + 1)
        late = range(behind, min(behind + REACH, self._fed - gap))
        found = sorted(_difference(self._at(one), self._at(one + gap)) for one in (*early, *late))
        return found[-2] if len(found) > 1 else 0.0

    def _at(self, frame: int) -> FloatArray:
        return self._pictures[frame - self._first]


def _is_uniform(picture: FloatArray) -> bool:
    return bool(picture.std(axis=0).max() <= _UNIFORM_LEVELS)


def _difference(one: FloatArray, other: FloatArray) -> float:
    """Mean difference of the grey pictures without their levels."""
    change = (other - one).mean(axis=1)
    return float(np.abs(change - change.mean()).mean())


def _alike(one: FloatArray, other: FloatArray) -> float:
    """How much of a picture (P, 3) a linear map of the other's colours says, in the direction that does worse."""
    shares = []
    for given, wanted in ((one, other), (other, one)):
        seen = float(((wanted - wanted.mean(axis=0)) ** 2).sum())
        rest = float((_rest(given, wanted) ** 2).sum())
        shares.append(1.0 - rest / max(seen, 1e-6) if seen > len(wanted) else 0.0)
    return min(shares)


def _rest(given: FloatArray, wanted: FloatArray) -> FloatArray:
    """What is left of ``wanted`` (P, 3) after the best linear map of the colours of ``given``, with an offset."""
    colours = (given - given.mean(axis=0)).astype(np.float64)
    target = (wanted - wanted.mean(axis=0)).astype(np.float64)
    scatter = colours.T @ colours + np.eye(3)
    rest: FloatArray = (target - colours @ np.linalg.solve(scatter, colours.T @ target)).astype(np.float32)
    return rest
