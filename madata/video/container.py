"""Opening media files that nobody vouches for.

A path is always a plain file of this machine: it is passed on as ``file:<absolute path>``, no other protocol is
allowed (``http:``, ``concat:`` and a leading dash are part of a name), and the formats that read *other* files or
the network (playlists, image sequences, concat scripts) are not on the list of formats. Time stamps are taken as
stored: FFmpeg's invented ones (``genpts``) are wrong for AVI files with B frames.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import stat
from collections import Counter
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from madata.errors import MediaError
from madata.limits import reading_limits
from madata.video.whole import is_mp4

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.stream import Stream
    from av.video.stream import VideoStream

__all__ = ["audio_stream", "media_url", "open_media", "time_zero_s", "video_stream"]

_FORMATS = (
    "mov,matroska,avi,flv,live_flv,asf,mpegts,mpeg,mpegvideo,m4v,h264,hevc,ivf,obu,mjpeg,ogg,mxf,rm,gif,dv,nut,yuv4mpegpipe,"
    "mp3,wav,w64,aiff,caf,flac,aac,ac3,eac3,amr,wv,ape,tta"
)
_ARBITRARY_CLOCKS = {"mpegts", "mpeg", "mp3"}
_PACKETS_TO_TELL_A_FILM = 2000


def media_url(path: Path) -> str:
    """The name under which FFmpeg opens ``path`` and nothing else."""
    return f"file:{path.absolute()}"


def open_media(path: Path) -> InputContainer:
    """Open a media file for reading.

    Raises:
        MediaError: reasons ``missing``, ``not_a_file``, ``empty_file``, ``truncated`` (an MP4 without its index),
            ``not_media``, ``unreadable`` and ``too_large`` (:class:`madata.limits.ReadingLimits`).
    """
    import av

    _require_file(path)
    try:
        container: InputContainer = av.open(
            media_url(path),
            mode="r",
            options={"format_whitelist": _FORMATS, "protocol_whitelist": "file"},
            metadata_errors="replace",
        )
    except av.FFmpegError as error:
        raise _open_error(path, error) from error
    try:
        _refuse_costly(container, path)
    except MediaError:
        container.close()
        raise
    container.flags &= ~av.container.Flags.gen_pts.value
    return container


def _refuse_costly(container: InputContainer, path: Path) -> None:
    """Hold what the file declares against the limits, before a picture of it is allocated."""
    limits = reading_limits()
    if (container.duration or 0) > limits.seconds * 1_000_000:
        raise MediaError(
            f"{path}: says it lasts longer than {limits.seconds} s (MADANCE_LIMITS seconds); cut it first",
            reason="too_large",
        )
    for stream in container.streams.video:
        context = stream.codec_context
        if context is not None and context.width * context.height > limits.frame_pixels:
            raise MediaError(
                f"{path}: {context.width} x {context.height} px, more than {limits.frame_pixels / 1e6:g} million "
                "(MADANCE_LIMITS frame_pixels); scale it down first",
                reason="too_large",
            )


def _require_file(path: Path) -> None:
    try:
        status = path.stat()
    except OSError as error:
        reason = "missing" if isinstance(error, FileNotFoundError) else "unreadable"
        raise MediaError(f"{path}: {error.strerror}", reason=reason) from error
    if not stat.S_ISREG(status.st_mode):
        raise MediaError(f"{path}: not a regular file", reason="not_a_file")
    if status.st_size == 0:
        raise MediaError(f"{path}: the file is empty (0 bytes)", reason="empty_file")


def _open_error(path: Path, error: Exception) -> MediaError:
    if isinstance(error, OSError):
        return MediaError(f"{path}: {error.strerror}", reason="unreadable")
    try:
        with path.open("rb") as stream:
            head = stream.read(12)
    except OSError as unreadable:
        return MediaError(f"{path}: {unreadable.strerror}", reason="unreadable")
    if is_mp4(head):
        return MediaError(
            f"{path}: an MP4 file without a usable index (moov box), its download or recording was cut short; "
            "fetch it again",
            reason="truncated",
        )
    return MediaError(
        f"{path}: not a video or audio file in a known format ({error.strerror or error})"
        if hasattr(error, "strerror")
        else f"{path}: not a video or audio file in a known format ({error})",
        reason="not_media",
    )


def video_stream(container: InputContainer, path: Path) -> VideoStream:
    """The video a player would show: the best video stream that is not a cover picture, marked as such or not.

    Raises:
        MediaError: ``no_video`` or ``unsupported_codec``.
    """
    from av.stream import Disposition

    pictures = Disposition.attached_pic | Disposition.timed_thumbnails
    streams = [stream for stream in container.streams.video if not stream.disposition & pictures]
    if not streams:
        raise MediaError(f"{path}: the file holds no video", reason="no_video")
    best = container.streams.best("video")
    chosen = best if best in streams else streams[0]
    if len(streams) > 1:
        status = path.stat()
        films = _films(path, status.st_size, status.st_mtime_ns)
        if chosen.index not in films:
            chosen = next((stream for stream in streams if stream.index in films), chosen)
    _require_codec(chosen, path)
    # the size may change in mid-file: what is larger then counts as damaged
    chosen.codec_context.options = {"max_pixels": str(reading_limits().frame_pixels)}
    return chosen


@functools.lru_cache(maxsize=16)
def _films(path: Path, size: int, mtime_ns: int) -> frozenset[int]:
    """The video streams that hold more than one picture: a cover need not be marked as one."""
    import av

    pictures: Counter[int] = Counter()
    with open_media(path) as container, contextlib.suppress(av.FFmpegError):
        for packet in itertools.islice(container.demux(*container.streams.video), _PACKETS_TO_TELL_A_FILM):
            pictures[packet.stream_index] += packet.size > 0
    return frozenset(index for index, count in pictures.items() if count > 1)


def audio_stream(container: InputContainer, path: Path) -> AudioStream:
    """The sound a player would play.

    Raises:
        MediaError: ``no_audio`` or ``unsupported_codec``.
    """
    best: Any = container.streams.best("audio")
    chosen: AudioStream | None = best
    if chosen is None:
        raise MediaError(f"{path}: the file holds no sound", reason="no_audio")
    _require_codec(chosen, path)
    return chosen


def _require_codec(stream: Stream, path: Path) -> None:
    if stream.codec_context is None:
        raise MediaError(
            f"{path}: no decoder for its {stream.type} stream (encrypted, or an unknown codec)",
            reason="unsupported_codec",
        )


def time_zero_s(container: InputContainer) -> Fraction:
    """The stamp, in seconds, that is time 0 of the file.

    It is 0, except in formats whose clock starts anywhere: transport and program streams count from the start of
    the broadcast, and FFmpeg begins an MP3 with the encoder's delay, which it then skips.
    """
    if container.format.name in _ARBITRARY_CLOCKS and container.start_time is not None:
        return Fraction(container.start_time, 1_000_000)
    return Fraction(0)
