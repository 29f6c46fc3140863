"""Pictures that hold two fields of different moments become pictures of one moment.

A camera that films in fields leaves combs at every edge that moves: no network and no metric wants them. FFmpeg's
``bwdif`` makes one picture of each, so that the number and the times of the pictures stay. Only pictures that the
decoder marks as interlaced are changed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from madata.video.pictures import Picture

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

__all__ = ["deinterlaced"]


def deinterlaced(pictures: Iterator[Picture], tick: Fraction) -> Iterator[Picture]:
    """The same pictures, without combs; from the first interlaced one on, each comes one picture late.

    Args:
        pictures: in presentation order.
        tick: time base of the stream.
    """
    weaver: _Weaver | None = None
    for picture in pictures:
        if weaver is not None and not weaver.takes(picture.image):
            yield from weaver.finish()
            weaver = None
        if weaver is None and picture.image.interlaced_frame:
            weaver = _Weaver(picture.image, tick)
        if weaver is None:
            yield picture
        else:
            yield from weaver.push(picture)
    if weaver is not None:
        yield from weaver.finish()


class _Weaver:
    """FFmpeg's filter, for pictures of one size and format."""

    def __init__(self, first: VideoFrame, tick: Fraction) -> None:
        import av

        self._shape = (first.width, first.height, first.format.name)
        self._graph: Any = av.filter.Graph()
        source = self._graph.add_buffer(
            width=first.width, height=first.height, format=first.format, time_base=tick
        )
        weave = self._graph.add("bwdif", "mode=send_frame:deint=interlaced")
        sink = self._graph.add("buffersink")
        source.link_to(weave)
        weave.link_to(sink)
        self._graph.configure()
        self._waiting: deque[Picture] = deque()
        self._pushed = 0

    def takes(self, image: VideoFrame) -> bool:
        """Whether a picture is of the size and format this was made for."""
        return (image.width, image.height, image.format.name) == self._shape

    def push(self, picture: Picture) -> list[Picture]:
        """Take the next picture; give those that are done."""
        self._waiting.append(picture)
        picture.image.pts = self._pushed  # only their order counts to the filter
        self._pushed += 1
        self._graph.push(picture.image)
        return self._done()

    def finish(self) -> list[Picture]:
        """The pictures left."""
        self._graph.push(None)
        done = self._done()
        # should the filter keep one back, it is shown as it is
        left, self._waiting = list(self._waiting), deque()
        return done + left

    def _done(self) -> list[Picture]:
        import av

        done: list[Picture] = []
        while self._waiting:
            try:
                image = self._graph.pull()
            except (av.BlockingIOError, av.EOFError):
                break
            done.append(replace(self._waiting.popleft(), image=image))
        return done
