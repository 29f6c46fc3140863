"""Bars around a picture: black or coloured ones, and blurred copies of the picture itself.

A vertical video in a wide frame has bars at its sides, a film in a square one above and below, a re-upload of either
all around. What lies between them is the picture. It is looked for in a whole stretch of a shot, twice a second, in
lines of full resolution along one side that are means of 64 cells along the other.

- A *flat* bar has one grey level, within 8, from the border to a straight line, in at least half of its places (titles,
  logos and lyrics stand in bars). Beside that line it is flat in 80 % of the cells and still in 97 %, and within a few
  pixels of it the picture begins in at least half of the cells: there it differs by more than 12 levels at some time.
  On a dark stage the dancer crosses every line that light draws, and where nobody is there is no line.
- Two sides that agree in their level count. A single one counts where it is black within 3 levels everywhere and the
  picture begins in 90 % of the cells.
- *Blurred* bars lie at two opposite sides, are alike in width, at most half as detailed as the picture between, and are
  that picture, enlarged to fill the frame and smoothed: explained by it with a correlation of at least 0.85.

Bars inside bars are taken off one after another. In 78 made videos (six real ones in frames of another shape: black and
white bars, compressed hard, with a logo, with lyrics, on four sides, thin, blurred in four ways, one in another) 77 are
found, with 0 to 4 px of the picture lost at a side; where there are none, in those six, in the same under a spotlight
and in the footage at hand, none is found (docs/curation.md).

Legend: T samples, K cells, N pixels along the axis that is looked at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from madata.types import FloatArray
from madata.video.geometry import Crop

if TYPE_CHECKING:
    from madata.video import Frame

__all__ = ["SAMPLES_PER_S", "Bars", "Profile", "crop_of", "find_bars"]

SAMPLES_PER_S = 2.0
"""Profiles taken."""
_CELLS = 64
_FEWEST = 3
_FLAT, _STEP, _BLACK = 8, 12, 12
_LINE_FLAT, _LINE_STILL, _STILL = 0.8, 0.97, 6
_AREA_FLAT = 0.5
_BEGINS, _BEGINS_ALONE, _FLAT_ALONE = 0.5, 0.9, 3
_THINNEST, _LEAST_PICTURE = 0.01, 0.2
_UNEVEN = 3
"""Pixels by which two blurred bars may differ in width."""
_SMOOTHER, _SEAM, _COPY = 0.5, 2.5, 0.85
_ZOOMS = (1.0, 1.1, 1.25, 1.5)

_Grey = npt.NDArray[np.uint8]
_Range = tuple[int, int]


@dataclass(frozen=True)
class Profile:
    """What one frame shows along its two axes: ``columns`` (64, W) and ``rows`` (64, H), means of cells across."""

    index: int
    columns: _Grey
    rows: _Grey

    @classmethod
    def of(cls, frame: Frame) -> Profile:
        """The profile of a frame as it is shown."""
        width, height = frame.shown_size
        columns = frame.scaled((width, _CELLS), "gray", interpolation="area")
        rows = frame.scaled((_CELLS, height), "gray", interpolation="area")
        return cls(frame.index, columns, np.ascontiguousarray(rows.T))


@dataclass(frozen=True)
class Bars:
    """The picture inside its bars.

    Attributes:
        picture: where it lies in the shown picture.
        kinds: ``"black"``, ``"colour"``, ``"blurred"``, in the order in which they were taken off; none of them where
            there are no bars.
    """

    picture: Crop
    kinds: tuple[str, ...] = ()


def crop_of(row: Mapping[str, Any]) -> Crop | None:
    """What of its source a clip shows, given its row; ``None`` is all of it."""
    if not row.get("cropped"):
        return None
    return Crop(*(row[f"picture_{name}"] for name in ("left", "top", "width", "height")))


def find_bars(size: tuple[int, int], profiles: Sequence[Profile], greys: Sequence[_Grey]) -> Bars:
    """Find the picture of a stretch.

    Args:
        size: (width, height) px of the shown picture.
        profiles: some of its frames.
        greys: (h, w) small pictures of some of its frames, of the same shape.
    """
    whole = Bars(Crop(0, 0, *size))
    if len(profiles) < _FEWEST:
        return whole
    stacks = (np.stack([one.columns for one in profiles]), np.stack([one.rows for one in profiles]))
    inside: list[_Range] = [(0, size[0]), (0, size[1])]
    kinds: list[str] = []
    for _ in range(3):
        found = [_flat(_within(stacks, inside, axis)) for axis in (0, 1)]
        if not any(found):
            found = [_blurred(stacks, inside, axis, greys) for axis in (0, 1)]
        if not any(found):
            break
        for axis, one in enumerate(found):
            if one is not None:
                start = inside[axis][0]
                inside[axis] = (start + one[0], start + one[1])
                kinds.append(one[2])
    if not kinds:
        return whole
    (left, right), (top, bottom) = (
        (start + start % 2, end - end % 2 if end < side else end)
        for (start, end), side in zip(inside, size, strict=True)
    )
    return Bars(Crop(left, top, right - left, bottom - top), tuple(dict.fromkeys(kinds)))


def _within(stacks: tuple[_Grey, _Grey], inside: Sequence[_Range], axis: int) -> _Grey:
    """The profiles (T, K, N) along an axis, of what is inside."""
    stack = stacks[axis]
    start, end = inside[axis]
    first, last = inside[1 - axis]
    side = stacks[1 - axis].shape[2]
    cells = slice(-(-first * _CELLS // side), max(-(-first * _CELLS // side) + 1, last * _CELLS // side))
    return stack[:, cells, start:end]


_Found = tuple[int, int, str]


def _flat(profile: _Grey) -> _Found | None:
    """Where the picture between two flat bars, or beside one, begins and ends."""
    length = profile.shape[2]
    ends = [_flat_end(profile), _flat_end(profile[:, :, ::-1])]
    first, second = ends
    if first is not None and second is not None and abs(first.level - second.level) <= _FLAT:
        kind = "black" if max(first.level, second.level) <= _BLACK else "colour"
        picture = (first.width, length - second.width)
        return (*picture, kind) if picture[1] - picture[0] >= _LEAST_PICTURE * length else None
    alone = [one if one is not None and one.sure else None for one in ends]
    if alone[0] is not None and alone[1] is None:
        return alone[0].width, length, "black"
    if alone[1] is not None and alone[0] is None:
        return 0, length - alone[1].width, "black"
    return None


@dataclass(frozen=True)
class _End:
    width: int
    level: float
    sure: bool


def _flat_end(profile: _Grey) -> _End | None:
    """The flat bar at the beginning of the axis."""
    length = profile.shape[2]
    thinnest = max(2, round(_THINNEST * length))
    level = float(np.median(profile[:, :, :thinnest]))
    off = np.abs(profile.astype(np.int16) - round(level))
    most, least = off.max(axis=0), profile.min(axis=0)
    flat = most <= _FLAT
    still = flat | (profile.max(axis=0) - least <= _STILL)
    line = (flat.mean(axis=0) >= _LINE_FLAT) & (still.mean(axis=0) >= _LINE_STILL)
    area = np.cumsum(flat.mean(axis=0)) / np.arange(1, length + 1)
    reach = 1 + length // 300
    begins = np.zeros(length)
    begins[1:-reach] = ((most[:, 1 + reach :] > _STEP) & flat[:, : -1 - reach]).mean(axis=0)
    last = np.zeros(length, bool)  # the bar's last line is the one before
    last[2:] = line[1:-1] & line[:-2] & (area[1:-1] >= _AREA_FLAT)
    last[:thinnest] = last[int((1 - _LEAST_PICTURE) * length) :] = False
    last &= begins >= _BEGINS
    if not last.any():
        return None
    width = int(np.flatnonzero(last & (begins >= begins[last].max() - 0.02))[-1])
    alone = bool((most[:, :width] <= _FLAT_ALONE).mean() >= _LINE_STILL and level <= _BLACK)
    sure = alone and bool(begins[width] >= _BEGINS_ALONE)
    return _End(width + _soft(profile, width), level, sure)


def _soft(profile: _Grey, at: int) -> int:
    """How many pixels behind ``at`` are still a blend of the bar and the picture."""
    steps = np.abs(np.diff(profile[:, :, max(0, at - 1) : at + 6].astype(np.int16), axis=2)).mean(axis=(0, 1))
    largest = int(steps.argmax())
    after = np.flatnonzero(steps[largest:] < 0.3 * steps[largest])
    return max(0, largest + (int(after[0]) if len(after) else 1) - 1)


def _blurred(
    stacks: tuple[_Grey, _Grey], inside: Sequence[_Range], axis: int, greys: Sequence[_Grey]
) -> _Found | None:
    """Where the picture between two blurred copies of it begins and ends."""
    import cv2

    profile = _within(stacks, inside, axis).astype(np.float32)
    length = profile.shape[2]
    thinnest, widest = max(8, round(2 * _THINNEST * length)), int((1 - _LEAST_PICTURE) * length / 2)
    ends = (_seams(profile), _seams(profile[:, :, ::-1]))
    seams = np.minimum(*(cv2.dilate(end[None], np.ones((1, 2 * _UNEVEN + 1)))[0] for end in ends))
    seams[:thinnest] = seams[widest:] = 0
    for width in np.argsort(seams)[::-1][:8].tolist():
        if seams[width] < _SEAM:
            return None
        detail = np.abs(profile[:, :, 2:] - profile[:, :, :-2]).mean(axis=(0, 1))
        bars = np.concatenate([detail[: width - 4], detail[length - width + 4 :]])
        if bars.mean() > _SMOOTHER * detail[width + 2 : length - width - 2].mean():
            continue
        if _is_copy(greys, stacks, inside, axis, width):
            near = slice(width - _UNEVEN, width + _UNEVEN + 1)
            first, last = (near.start + int(end[near].argmax()) + 2 for end in ends)
            return first, length - last, "blurred"
    return None


def _seams(profile: FloatArray) -> FloatArray:
    """How much larger the step at each place is than the change before it, (N,)."""
    step = np.abs(profile[:, :, 7:] - profile[:, :, 4:-3]).mean(axis=0)
    before = np.abs(profile[:, :, 4:-3] - profile[:, :, :-7]).mean(axis=0)
    seams = np.zeros(profile.shape[2], np.float32)
    seams[6:-1] = np.median(step, axis=0) / (before.mean(axis=0) + 1.0)
    return seams


def _is_copy(
    greys: Sequence[_Grey], stacks: tuple[_Grey, _Grey], inside: Sequence[_Range], axis: int, width: int
) -> bool:
    """Whether the bars of a width are the picture between, enlarged and smoothed."""
    import cv2

    chosen = [greys[round(place)] for place in np.linspace(0, len(greys) - 1, min(len(greys), 12))]
    sides = [stack.shape[2] for stack in stacks]
    frames = []
    for grey in chosen:
        (left, right), (top, bottom) = (
            (round(start * small / side), round(end * small / side))
            for (start, end), small, side in zip(inside, grey.shape[::-1], sides, strict=True)
        )
        part = grey[top:bottom, left:right]
        frames.append((part if axis == 0 else part.T).astype(np.float32))
    across, along = frames[0].shape
    bar = width * along / (inside[axis][1] - inside[axis][0])
    first, edge = int(np.ceil(bar)) + 1, int(bar) - 1
    if edge < 2:
        return False

    def cells(part: FloatArray) -> FloatArray:
        return np.asarray(cv2.resize(part, (3, 12), interpolation=cv2.INTER_AREA), np.float32)

    def bars_of(frame: FloatArray) -> FloatArray:
        return np.stack([cells(frame[:, :edge]), cells(frame[:, -edge:])])

    shown = np.stack([bars_of(frame) for frame in frames]).ravel()
    best = 0.0
    for zoom in _ZOOMS:
        for keeps_shape in (True, False):
            pieces = []
            for frame in frames:
                picture = frame[:, first : along - first]
                high = across / zoom * (picture.shape[1] / along if keeps_shape else 1.0)
                wide = picture.shape[1] / zoom
                centre = picture[
                    int((across - high) / 2) : int((across + high) / 2),
                    int((picture.shape[1] - wide) / 2) : int((picture.shape[1] + wide) / 2),
                ]
                pieces.append(bars_of(cv2.resize(centre, (along, across), interpolation=cv2.INTER_LINEAR)))
            made = np.stack(pieces).ravel()
            if shown.std() > 1 and made.std() > 1:
                best = max(best, float(np.corrcoef(shown, made)[0, 1]))
    return best >= _COPY
