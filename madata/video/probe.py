"""What a file declares about itself, in the shape a player shows, and whether its first frame decodes at all."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from madata.errors import MediaError
from madata.types import AudioInfo, VideoInfo
from madata.video.container import audio_stream, open_media, time_zero_s, video_stream
from madata.video.geometry import Orientation, orientation_of_matrix, shown_size
from madata.video.packets import read_packets

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

__all__ = ["declared_end_s", "declared_rate", "display_orientation", "probe", "stream_info"]

_PACKETS_TO_FIRST_FRAME = 300
_STREAM_LENGTHS = {"mov", "avi", "nut", "mxf"}
"""Formats that store the length of each stream; of others it is a guess, from the bit rate for one."""


def probe(path: Path) -> VideoInfo:
    """Describe a video file.

    ``size`` is the shown one: pixel aspect ratio and rotation are applied. The first frame is decoded, since
    that is where the rotation is found and since a file whose first frame cannot be decoded is of no use.

    Raises:
        MediaError: ``missing``, ``not_a_file``, ``empty_file``, ``not_media``, ``truncated`` (an MP4 without its
            index), ``no_video``, ``unsupported_codec`` or ``unreadable``.
    """
    with open_media(path) as container:
        stream = video_stream(container, path)
        stream.codec_context.thread_count = 1
        return stream_info(path, container, stream, _first_picture(container, stream, path))


def _first_picture(container: InputContainer, stream: VideoStream, path: Path) -> VideoFrame:
    import av

    problem = "it holds no packets"
    packets = islice(read_packets(container, stream), _PACKETS_TO_FIRST_FRAME)
    for packet in chain(packets, [None]):
        if packet is not None and not packet.size:
            continue
        try:
            pictures = stream.decode(packet)
        except av.FFmpegError as error:
            problem, pictures = str(error), []
        if pictures:
            return pictures[0]
    raise MediaError(f"{path}: no frame of its video can be decoded ({problem})", reason="unreadable")


def stream_info(path: Path, container: InputContainer, stream: VideoStream, picture: VideoFrame) -> VideoInfo:
    """Describe an open file, given the first picture of its video."""
    orientation = display_orientation(picture)
    tick = stream.time_base or Fraction(0)
    start = stream.start_time if stream.start_time is not None else picture.pts
    try:
        audio = _describe_audio(audio_stream(container, path), container)
    except MediaError:
        audio = None
    duration = stream.duration
    return VideoInfo(
        path=path,
        size=shown_size((picture.width, picture.height), stream.sample_aspect_ratio, orientation),
        rotation=90 * orientation.turns,
        fps=float(declared_rate(stream)),
        start_s=_start_s(container, start, tick),
        duration_s=_container_duration_s(container) if duration is None else float(duration * tick),
        num_frames=stream.frames or None,
        codec=stream.codec_context.name,
        pixel_format=picture.format.name,
        audio=audio,
    )


def _describe_audio(stream: AudioStream, container: InputContainer) -> AudioInfo:
    tick = stream.time_base or Fraction(0)
    duration = stream.duration
    return AudioInfo(
        codec=stream.codec_context.name,
        rate_hz=stream.codec_context.sample_rate,
        channels=stream.codec_context.channels,
        start_s=_start_s(container, stream.start_time, tick),
        duration_s=_container_duration_s(container) if duration is None else float(duration * tick),
    )


def _start_s(container: InputContainer, stamp: int | None, tick: Fraction) -> float:
    return 0.0 if stamp is None else float(stamp * tick - time_zero_s(container))


def _container_duration_s(container: InputContainer) -> float | None:
    return None if container.duration is None else container.duration / 1e6


def declared_rate(stream: VideoStream) -> Fraction:
    """Average frame rate as the container has it, else the decoder's guess, else 25."""
    return stream.average_rate or stream.guessed_rate or stream.base_rate or Fraction(25)


def declared_end_s(container: InputContainer, stream: VideoStream) -> float | None:
    """The stamp, in seconds, at which the stream's own length ends; ``None`` where none is stored."""
    if stream.duration is None or not _STREAM_LENGTHS.intersection(container.format.name.split(",")):
        return None
    return float(((stream.start_time or 0) + stream.duration) * (stream.time_base or Fraction(0)))


def display_orientation(picture: VideoFrame) -> Orientation:
    """Orientation stored with a picture."""
    side_data: Iterable[Any] = picture.side_data
    for item in side_data:
        if item.type.name == "DISPLAYMATRIX":
            return orientation_of_matrix(bytes(item))
    return Orientation()
