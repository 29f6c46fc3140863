"""From boundary probabilities to shots, none of which holds a frame of a transition.

TransNet V2 has two heads. The single-frame head marks the middle of a transition, so that scenes cut by it
alone keep half of every dissolve at either end (:func:`scenes`). The many-hot head marks every frame of a
transition. A frame is *inside* a transition when it is

1. above ``transition_threshold`` in the many-hot head. A run of one or two such frames beside a boundary of
   the single head is a hard cut instead, and a hard cut takes no frame away;
2. blank: at least three frames in a row with a standard deviation below 2 grey levels: nothing can be seen;
3. next to such a frame, outwards for at most 25 frames, while the many-hot head stays above 0.2
   (hysteresis: it is sure of the middle and hesitates at the ends, yet falls to 0.1 within two frames of
   them), or while the picture fades: its mean grey level goes on changing in the same direction, by at
   least half of the mean of the four steps before. A fade is monotone and about linear by construction, a
   dancer's picture is neither for long. This rule never crosses a hard cut;
4. between two transitions less than 12 frames apart (the black in the middle of a fade that bears a logo);
5. between the frames of a boundary of the single head (upstream leaves these out too), or one of the two
   frames at a hard cut when it is a blend of its neighbours, as converters of the frame rate leave them.

Where the light changes (strobe, flashes, coloured lamps), both heads see a transition at every step and dark frames are
blank: none of the rules applies there. The caller says where (:mod:`madata.shots.light`). A cut that the caller knows
of (a jump, another picture size) is a boundary everywhere.

All other frames belong to shots. Measured on 28 dissolves and fades (4 to 48 frames, through black and
white) between 12 real and rendered clips: rule 1 alone keeps up to 3 mixture frames at an end, rules 1 to 4
keep 1 at most and take 3 clean ones at most; all hard cuts are exact to the frame. The network itself does
not see wipes, nor transitions between two moments of one scene: the caller says which frames a sweep covers.

Whether a frame is inside depends on no frame further away than `HISTORY` before or `LOOKAHEAD` behind it,
hence the same answer comes out in one go and in pieces.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from madata.types import FloatArray

__all__ = ["LOOKAHEAD", "Shot", "ShotSegmenter", "Transition", "scenes"]

_BoolArray = npt.NDArray[np.bool_]

_WEAK = 0.2
_REACH = 25
_SHORTEST_GAP = 12
_BLANK_DEVIATION = 2.0
_BLANK_FRAMES = 3
_HARD_CUT_FRAMES = 2
_TREND = 4
_SMALLEST_STEP = 0.25
_BLEND_SHARE = (0.1, 0.9)
_BLEND_RESIDUAL = 0.25
LOOKAHEAD = _REACH + _SHORTEST_GAP + _TREND + _BLANK_FRAMES
"""A frame is decided when the probabilities of this many frames behind it are known."""
HISTORY = 4 * LOOKAHEAD


@dataclass(frozen=True)
class Transition:
    """What separates two shots: frames [start, end) belong to neither; a hard cut has ``start == end``.

    Attributes:
        single: highest probability of the single-frame head, from the frame before ``start`` on.
        many_hot: the same of the many-hot head.
        blank: number of frames in which nothing can be seen.
    """

    start: int
    end: int
    single: float
    many_hot: float
    blank: int

    @property
    def is_cut(self) -> bool:
        """Whether nothing lies between the two shots."""
        return self.start == self.end


@dataclass(frozen=True)
class Shot:
    """Frames [start, end) of one shot, as far as it is decided.

    Attributes:
        index: number of the shot in its source.
        closed: the shot ends here; an open one comes again, longer.
        before: the transition it begins with, ``None`` at the beginning of the source.
    """

    index: int
    start: int
    end: int
    closed: bool
    before: Transition | None


def scenes(single: FloatArray, threshold: float = 0.5) -> npt.NDArray[np.int32]:
    """Scenes by the single-frame head alone, as TransNet V2 publishes them.

    Args:
        single: (N,) probabilities.
        threshold: a frame above it ends a scene.

    Returns: (K, 2) first and LAST frame of each scene. Frames above the threshold belong to no scene,
        except the first of a run, which ends the scene before it. One scene of everything when no frame is
        below.
    """
    clear = _runs(single <= threshold)
    last = len(single) - 1
    return np.array([(start, min(stop, last)) for start, stop in clear] or [(0, last)], dtype=np.int32)


class ShotSegmenter:
    """Takes thumbnails and probabilities of a source, front to back, and says which shots they make.

    Each call labels the last few hundred frames anew: hand over some dozens of frames at a time.

    Args:
        cut_threshold: of the single-frame head.
        transition_threshold: of the many-hot head.
    """

    def __init__(self, *, cut_threshold: float = 0.5, transition_threshold: float = 0.5) -> None:
        self._thresholds = (cut_threshold, transition_threshold)
        self._first = 0
        self._pictures = np.empty((0, 0), np.float32)
        self._probabilities = np.empty((2, 0), np.float32)
        self._steady = np.empty(0, bool)
        self._cuts = np.empty(0, bool)
        self._swept = np.empty(0, bool)
        self._shots = 0
        self._open: Shot | None = None
        self._before: Transition | None = None
        self._transition: Transition | None = None
        self.decided = 0

    def push(
        self,
        thumbnails: npt.NDArray[np.uint8],
        single: FloatArray,
        many_hot: FloatArray,
        cuts: _BoolArray | None = None,
        swept: _BoolArray | None = None,
        steady: _BoolArray | None = None,
    ) -> list[Shot | Transition]:
        """Take the next n frames.

        Args:
            thumbnails: (n, H, W, 3) RGB.
            single, many_hot: (n,) probabilities.
            cuts: (n,) whether a cut is known to follow each frame.
            swept: (n,) whether it is known to be inside a wipe or push.
            steady: (n,) whether the light is steady around it.

        Returns: In order, the shots that grew or ended and the transitions that ended; a shot that goes on
            comes last. Frames before ``decided`` are done with.

        Raises:
            ValueError: the three differ in length.
        """
        if not len(thumbnails) == len(single) == len(many_hot):
            raise ValueError(
                f"got {len(thumbnails)} thumbnails, {len(single)} and {len(many_hot)} probabilities"
            )
        if not len(single):
            return []
        pictures = thumbnails.mean(axis=3, dtype=np.float32).reshape(len(thumbnails), -1)
        self._pictures = np.concatenate([self._pictures, pictures]) if len(self._pictures) else pictures
        self._probabilities = np.concatenate([self._probabilities, np.stack([single, many_hot])], axis=1)
        none = np.zeros(len(single), bool)
        self._cuts = np.concatenate([self._cuts, none if cuts is None else cuts])
        self._swept = np.concatenate([self._swept, none if swept is None else swept])
        self._steady = np.concatenate([self._steady, ~none if steady is None else steady])
        return self._decide(self._first + len(self._pictures) - LOOKAHEAD)

    def close(self) -> list[Shot | Transition]:
        """Decide all frames left and end the last shot."""
        events = self._decide(self._first + len(self._pictures))
        self._end_shot(events)
        self._end_transition(events)
        return events

    def _decide(self, stop: int) -> list[Shot | Transition]:
        events: list[Shot | Transition] = []
        if stop <= self.decided:
            return events
        single, many_hot = self._probabilities
        inside, cut, blank = _label(
            self._pictures,
            single,
            many_hot,
            self._thresholds,
            steady=self._steady,
            known=self._cuts,
            swept=self._swept,
            at_start=self._first == 0,
        )
        for frame in range(self.decided, stop):
            row = frame - self._first
            if inside[row]:
                self._end_shot(events)
                self._grow_transition(frame, row, 1, int(blank[row]))
                continue
            if cut[row]:
                self._end_shot(events)
                self._grow_transition(frame, row, 0, 0)
            self._end_transition(events)
            self._grow_shot(frame)
        if self._open is not None:
            events.append(self._open)
        self.decided = stop
        forgotten = max(0, stop - HISTORY - self._first)
        self._first += forgotten
        self._pictures = self._pictures[forgotten:]
        self._probabilities = self._probabilities[:, forgotten:]
        self._cuts, self._swept = self._cuts[forgotten:], self._swept[forgotten:]
        self._steady = self._steady[forgotten:]
        return events

    def _grow_shot(self, frame: int) -> None:
        if self._open is None:
            self._open = Shot(self._shots, frame, frame + 1, False, self._before)
            self._shots += 1
        else:
            self._open = replace(self._open, end=frame + 1)

    def _end_shot(self, events: list[Shot | Transition]) -> None:
        if self._open is not None:
            events.append(replace(self._open, closed=True))
            self._open = None

    def _grow_transition(self, frame: int, row: int, frames: int, blank: int) -> None:
        single, many_hot = self._probabilities[:, max(0, row - 1) : row + 1].max(axis=1).tolist()
        known = self._transition or Transition(frame, frame, 0.0, 0.0, 0)
        self._transition = Transition(
            known.start,
            frame + frames,
            max(known.single, single),
            max(known.many_hot, many_hot),
            known.blank + blank,
        )

    def _end_transition(self, events: list[Shot | Transition]) -> None:
        if self._transition is not None:
            events.append(self._transition)
            self._before, self._transition = self._transition, None


def _label(
    pictures: FloatArray,
    single: FloatArray,
    many_hot: FloatArray,
    thresholds: tuple[float, float],
    *,
    steady: _BoolArray,
    known: _BoolArray,
    swept: _BoolArray,
    at_start: bool,
) -> tuple[_BoolArray, _BoolArray, _BoolArray]:
    """For each of n frames: is it inside a transition, does it follow a hard cut, is it blank.

    Args:
        pictures: (n, P) grey levels.
        steady: (n,) the light does not change there.
        known: (n,) a cut is known to follow the frame.
        swept: (n,) the frame is known to be inside a transition.
        at_start: the first frame is the first of its source.
    """
    level = pictures.mean(axis=1)
    many_hot = np.where(steady, many_hot, 0.0).astype(np.float32)
    boundary = ((single > thresholds[0]) & steady) | known
    blank = np.zeros(len(single), bool)
    for start, stop in _runs(pictures.std(axis=1) < _BLANK_DEVIATION):
        blank[start:stop] = stop - start >= _BLANK_FRAMES
    core = many_hot > thresholds[1]
    for start, stop in _runs(core):
        if stop - start <= _HARD_CUT_FRAMES and boundary[max(0, start - 1) : stop + 1].any():
            core[start:stop] = False
    blank &= steady
    core |= blank | swept

    outwards = (level, many_hot, np.concatenate([[False], boundary[:-1]]), blank)
    backwards = (level[::-1], many_hot[::-1], boundary[::-1], blank[::-1])
    inside = core.copy()
    for start, stop in _runs(core):
        inside[stop : stop + _reach(*outwards, stop - 1)] = True
        inside[start - _reach(*backwards, len(core) - 1 - start) : start] = True
    pieces = _runs(inside)
    for (_, stop), (start, _) in itertools.pairwise(pieces):
        inside[stop:start] = start - stop < _SHORTEST_GAP

    cut = np.zeros(len(single), bool)
    for start, stop in _runs(boundary):
        around = inside[start : stop + 1].any()
        inside[start + 1 : stop] = True
        if start == 0 and at_start:
            inside[0] = True
        elif not around and stop < len(single):
            for frame in (start, stop):
                inside[frame] |= _is_blend(pictures, frame)
            cut[stop] = True
    return inside, cut, blank


def _reach(level: FloatArray, many_hot: FloatArray, barrier: _BoolArray, blank: _BoolArray, edge: int) -> int:
    """How many frames behind ``edge``, the last sure one, belong to its transition; rule 3 of the module.

    All arrays run outwards; ``barrier[i]`` says that a cut lies between frames i - 1 and i.
    """
    for frame in range(edge + 1, min(edge + 1 + _REACH, len(level))):
        if barrier[frame]:
            return frame - 1 - edge
        inner = max(0, frame - _TREND)
        trend = (level[frame] - level[inner]) / (frame - inner)
        step = level[frame + 1] - level[frame] if frame + 1 < len(level) else 0.0
        is_fade = abs(trend) >= _SMALLEST_STEP or blank[inner:frame].any()
        fades = is_fade and step * trend > 0 and abs(step) >= max(_SMALLEST_STEP, abs(trend) / 2)
        if not fades and many_hot[frame] <= _WEAK:
            return frame - 1 - edge
    return min(_REACH, len(level) - 1 - edge)


def _is_blend(pictures: FloatArray, frame: int) -> bool:
    """Whether a frame next to a hard cut is a weighted mean of the frames before and behind it."""
    if not 0 < frame < len(pictures) - 1:
        return False
    change = pictures[frame + 1] - pictures[frame - 1]
    part = pictures[frame] - pictures[frame - 1]
    energy = float(change @ change)
    share = float(part @ change) / max(energy, 1e-6)
    rest = part - share * change
    is_between = _BLEND_SHARE[0] < share < _BLEND_SHARE[1]
    return is_between and float(rest @ rest) < _BLEND_RESIDUAL**2 * energy


def _runs(flags: _BoolArray) -> list[tuple[int, int]]:
    """[start, stop) of every run of true flags."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]])))
    return [(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]
