"""Pictures that hold two fields of different moments become pictures of one moment.

A camera that films in fields leaves combs at every edge that moves: no network and no metric wants them. FFmpeg's
``bwdif`` makes one picture of each, so that the number and the times of the pictures stay. Changed are the pictures
that the decoder marks as interlaced, and those that are combed without a mark, as editors leave them that took fields
for pictures: in some columns spread over the picture, four rows in turn are brighter and darker, while every second one
is alike. Of 1 900 progressive pictures at hand at most 0.04 % of the places are; of the same pictures woven from two
moments 2 % and more wherever something moves. From 0.1 % on a picture counts as combed. A place that is so in the
picture before, too, is not counted: combs come and go with what moves, stripes of a small picture stay.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from madata.video.pictures import Picture

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

__all__ = ["comb_share", "deinterlaced"]

Places = npt.NDArray[np.bool_]

_COMBED = 1e-3
_COMB_LEVELS = 12
_ALIKE = 3
_FEWEST = 16
"""Places; fewer are chance, whatever share of a small picture they are: of 72 rows, nine were."""
_NEW_SHARE = 0.25
"""Of the places, so many must be new; where a dancer hides and shows a striped wall, a fiftieth is."""
_COLUMNS = 40
_MOST_ROWS = 1088
"""No standard has fields with more; what stands upright on a phone is not looked at."""
_CLEAN_PICTURES = 50
"""After this many pictures without combs they are passed on as they are again."""


def deinterlaced(pictures: Iterator[Picture], tick: Fraction) -> Iterator[Picture]:
    """The same pictures, without combs; behind an interlaced one each comes one picture late.

    Args:
        pictures: in presentation order.
        tick: time base of the stream.
    """
    weaver: _Weaver | None = None
    for picture, places, beside in _with_neighbours(pictures):
        marked = bool(picture.image.interlaced_frame)
        evident = marked or _share(places, beside) > _COMBED
        if weaver is not None and not weaver.takes(picture.image):
            yield from weaver.finish()
            weaver = None
        if weaver is None and evident:
            weaver = _Weaver(picture.image, tick)
        if weaver is None:
            yield picture
        else:
            # among combed pictures one counts whose combs stand where those before stood
            yield from weaver.push(picture, combed=evident or _share(places) > _COMBED, evident=evident)
    if weaver is not None:
        yield from weaver.finish()


def _with_neighbours(pictures: Iterator[Picture]) -> Iterator[tuple[Picture, Places, Places | None]]:
    """Each picture, its places, and those of the one before; of the first one those of the second."""
    first: tuple[Picture, Places] | None = None
    before: Places | None = None
    for picture in pictures:
        places = _comb_places(picture.image)
        if before is None:
            first = picture, places
        else:
            if first is not None:
                yield *first, places
                first = None
            yield picture, places, before
        before = places
    if first is not None:
        yield *first, first[1]


def comb_share(image: VideoFrame, before: VideoFrame | None = None) -> float:
    """Share of the places looked at whose rows alternate as those of two woven fields do; 0 for RGB pictures.

    Args:
        before: a neighbour of the picture; places where it is so too are texture and not counted, and none is where
            nearly all are.
    """
    return _share(_comb_places(image), None if before is None else _comb_places(before))


def _share(places: Places, before: Places | None = None) -> float:
    if places.sum() < _FEWEST:
        return 0.0
    if before is None or before.shape != places.shape:
        return float(places.mean())
    new = places & ~before
    return float(new.mean()) if new.sum() > _NEW_SHARE * places.sum() else 0.0


def _comb_places(image: VideoFrame) -> Places:
    """(rows - 3, columns) whether four rows from there on alternate in a column."""
    bits = image.format.components[0].bits
    if image.format.is_rgb or not 8 <= bits <= 16 or not 4 <= image.height <= _MOST_ROWS:
        return np.zeros((0, 0), np.bool_)
    plane = image.planes[0]
    kind = np.uint16 if bits > 8 else np.uint8
    rows: npt.NDArray[Any] = np.frombuffer(memoryview(plane), kind).reshape(plane.height, -1)
    levels = rows.take(_columns(plane.width), axis=1)
    if bits > 8:
        levels >>= bits - 8
    size = np.maximum(levels[1:], levels[:-1])
    size -= np.minimum(levels[1:], levels[:-1])
    strong = size > _COMB_LEVELS
    found: Places = strong[:-2] & strong[1:-1] & strong[2:]
    places = np.flatnonzero(found)
    four = np.stack([levels.ravel()[places + row * levels.shape[1]] for row in range(4)]).astype(np.int16)
    before, at, after = np.diff(four, axis=0)
    most = np.abs(at)
    found.ravel()[places] = (np.abs(before + at) * _ALIKE < most) & (np.abs(at + after) * _ALIKE < most)
    return found


@cache
def _columns(width: int) -> npt.NDArray[np.intp]:
    """Columns spread over a picture of this width."""
    columns: npt.NDArray[np.intp] = np.linspace(0, width - 1, _COLUMNS + 2).astype(np.intp)[1:-1]
    return columns


class _Weaver:
    """FFmpeg's filter, for pictures of one size and format."""

    def __init__(self, first: VideoFrame, tick: Fraction) -> None:
        import av

        self._shape = (first.width, first.height, first.format.name)
        self._graph: Any = av.filter.Graph()
        source = self._graph.add_buffer(
            width=first.width, height=first.height, format=first.format, time_base=tick
        )
        weave = self._graph.add("bwdif", "mode=send_frame:deint=all")
        sink = self._graph.add("buffersink")
        source.link_to(weave)
        weave.link_to(sink)
        self._graph.configure()
        self._waiting: deque[tuple[Picture, bool]] = deque()
        self._pushed = 0
        self._clean = 0

    def takes(self, image: VideoFrame) -> bool:
        """Whether a picture is of the size and format this was made for, and there were combs lately."""
        same = (image.width, image.height, image.format.name) == self._shape
        return same and self._clean < _CLEAN_PICTURES

    def push(self, picture: Picture, *, combed: bool, evident: bool) -> list[Picture]:
        """Take the next picture; give those that are done, changed only where they are combed.

        Args:
            evident: its combs cannot be texture.
        """
        self._waiting.append((picture, combed))
        self._clean = 0 if evident else self._clean + 1
        picture.image.pts = self._pushed  # only their order counts to the filter
        self._pushed += 1
        self._graph.push(picture.image)
        return self._done()

    def finish(self) -> list[Picture]:
        """The pictures left."""
        self._graph.push(None)
        done = self._done()
        # should the filter keep one back, it is shown as it is
        left, self._waiting = [picture for picture, _ in self._waiting], deque()
        return done + left

    def _done(self) -> list[Picture]:
        import av

        done: list[Picture] = []
        while self._waiting:
            try:
                image = self._graph.pull()
            except (av.BlockingIOError, av.EOFError):
                break
            picture, combed = self._waiting.popleft()
            done.append(replace(picture, image=image) if combed else picture)
        return done
