"""Sound on the container's time line, exact to the sample.

Sample 0 of what is read lies at the time asked for. Where the file has no sound (before a late start, after an early
end, in a gap or a damaged stretch) there is silence. Encoder priming is skipped as the file demands.
Legend: C channels, N samples.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import cache
from itertools import chain, islice
from math import isqrt
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from madata.errors import MediaError
from madata.types import LEAST_SOUND_RATE_HZ, FloatArray, Music
from madata.video.container import audio_stream, open_media, time_zero_s
from madata.video.packets import read_packets

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame

__all__ = ["Sound", "SoundTrack", "mix_down", "read_audio", "resample_sound"]

_AAC_PRIMING = 1024
_SEEKABLE = ("mov", "matroska")
_PREROLL_S = 0.5
_MOST_CHANNELS = 8
_WORTH_SEEKING_S = 5.0
_JITTER_S = 0.003
_HOLE_S = 0.1
"""A stamp that is off by more is a hole whatever the others say."""
_STAMPS_COMPARED = 15
_LONGEST_CODEC_FRAME = 4096
_BEFORE_EVERYTHING = -(2**62)
_LONGEST_SILENCE_S = 600
_FINEST_RATIO = 4_000_000
"""Of two sample rates, numerator times denominator; an odder one is taken for its neighbour, less than 1e-6 off."""


class Sound(NamedTuple):
    """A stretch of sound: ``waveform`` (C, N) float32; ``missing_s`` seconds of it are silence the file lacks."""

    waveform: FloatArray
    rate_hz: int
    missing_s: float


class _Chunk(NamedTuple):
    first: int
    waveform: FloatArray

    @property
    def end(self) -> int:
        return self.first + int(self.waveform.shape[1])


def read_audio(
    path: Path,
    *,
    rate_hz: int | None = None,
    start_s: float | None = None,
    end_s: float | None = None,
    mono: bool = True,
) -> Music:
    """Read the sound of a video or audio file.

    Args:
        path: any file with sound: mp4, mov, mkv, webm, avi, mp3, m4a, wav, flac, ogg, ...
        rate_hz: sample rate wanted; ``None`` keeps the file's own.
        start_s: time of the first sample on the file's time line; ``None`` is time 0.
        end_s: time at which the sound ends; ``None`` is the end of the sound track.
        mono: mix to one channel; otherwise ``waveform`` is (2, N) for anything but a mono file.

    Raises:
        MediaError: ``no_audio``, ``unreadable``, ``bad_time_stamps``, and the reasons of opening a file.
    """
    with SoundTrack(path) as track:
        sound = track.read(start_s or 0.0, end_s)
    if sound.waveform.shape[1] == 0 and end_s is None:
        raise MediaError(f"{path}: none of its sound can be decoded", reason="unreadable")
    waveform = sound.waveform.mean(axis=0, dtype=np.float32) if mono else sound.waveform
    rate = rate_hz or sound.rate_hz
    return Music(np.ascontiguousarray(resample_sound(waveform, sound.rate_hz, rate)), rate)


class SoundTrack:
    """The sound of a file, read in stretches; stretches in order of their start decode nothing twice.

    Attributes:
        rate_hz: sample rate.
        channels: 1 for a mono file, 2 for everything else (more channels are mixed down to stereo).
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._container = open_media(path)
        try:
            self._stream = audio_stream(self._container, path)
        except MediaError:
            self._container.close()
            raise
        self.rate_hz = self._stream.codec_context.sample_rate
        if self.rate_hz < LEAST_SOUND_RATE_HZ:
            self._container.close()
            raise MediaError(
                f"{path}: says it has {self.rate_hz} samples a second, which is no sound; mend its header",
                reason="unreadable",
            )
        self.channels = min(2, self._stream.codec_context.channels)
        self._seekable = self._container.format.name.split(",")[0] in _SEEKABLE
        self._zero_s = time_zero_s(self._container)
        if self._container.format.name == "aac":
            # A bare AAC stream has no place to say how much of its beginning is the encoder's delay; it is one frame.
            self._zero_s += Fraction(_AAC_PRIMING, self.rate_hz)
        self._dropped = self._reached = 0
        self._kept: deque[_Chunk] = deque()
        self._chunks: Iterator[_Chunk] = iter(())
        self._start_over(_BEFORE_EVERYTHING, self._decode())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._container.close()

    def read(self, start_s: float, end_s: float | None = None) -> Sound:
        """Samples from ``start_s`` to ``end_s`` (``None``: to the end of the track)."""
        first = round(start_s * self.rate_hz)
        end = None if end_s is None else round(end_s * self.rate_hz)
        far = start_s * self.rate_hz > self._reached + _WORTH_SEEKING_S * self.rate_hz
        if first < self._dropped or (far and self._seekable):
            self._go_to(start_s)
        while self._kept and self._kept[0].end <= first:
            self._dropped = max(self._dropped, self._kept.popleft().end)
        while end is None or self._reached < end:
            chunk = next(self._chunks, None)
            if chunk is None:
                break
            self._reached = chunk.end
            if chunk.end > first:
                self._kept.append(chunk)
            else:
                self._dropped = max(self._dropped, chunk.end)
        if end is None:
            end = max(first, self._end_of_track())
            silence_s = (end - first - sum(chunk.waveform.shape[1] for chunk in self._kept)) / self.rate_hz
            if silence_s > _LONGEST_SILENCE_S:
                raise MediaError(
                    f"{self.path}: its time stamps leave {silence_s:.0f} s without sound, they cannot be right; "
                    "ask for a shorter stretch",
                    reason="bad_time_stamps",
                )
        waveform = np.zeros((self.channels, end - first), np.float32)
        filled = 0
        for chunk in self._kept:
            a, b = max(chunk.first, first), min(chunk.end, end)
            if a < b:
                waveform[:, a - first : b - first] = chunk.waveform[:, a - chunk.first : b - chunk.first]
                filled += b - a
        return Sound(waveform, self.rate_hz, (end - first - filled) / self.rate_hz)

    def _end_of_track(self) -> int:
        """Where the decoded sound ends; what an encoder added to fill its last frame is not sound."""
        decoded = self._kept[-1].end if self._kept else 0
        if self._stream.duration is None:
            return decoded
        declared = self._position((self._stream.start_time or 0) + self._stream.duration)
        return declared if 0 < decoded - declared < _LONGEST_CODEC_FRAME else decoded

    def _go_to(self, start_s: float) -> None:
        """Start decoding a little before ``start_s`` if the file can be trusted with that, else at the beginning."""
        import av

        early_s = start_s - _PREROLL_S
        if self._seekable and early_s > 0:
            try:
                self._container.seek(int(early_s / self._tick), stream=self._stream)
            except av.FFmpegError:
                early_s = 0
            chunks = self._decode()
            first = next(chunks, None)
            if early_s > 0 and first is not None and first.end <= start_s * self.rate_hz:
                # what a decoder gives in the middle of a stream is right from its second frame on
                self._start_over(first.end, chunks)
                return
        self._container.close()
        self._container = open_media(self.path)
        self._stream = audio_stream(self._container, self.path)
        self._start_over(_BEFORE_EVERYTHING, self._decode())

    def _start_over(self, dropped: int, chunks: Iterator[_Chunk]) -> None:
        self._dropped = dropped
        self._reached = max(dropped, 0)
        self._kept = deque()
        self._chunks = chunks

    @property
    def _tick(self) -> Fraction:
        return self._stream.time_base or Fraction(1, self.rate_hz)

    def _position(self, stamp: int) -> int:
        """The sample that lies at a time stamp, to the nearest; whole numbers, as it is asked for each frame."""
        tick, zero = self._tick, self._zero_s
        parts = (stamp * tick.numerator * zero.denominator - zero.numerator * tick.denominator) * self.rate_hz
        whole = tick.denominator * zero.denominator
        return (2 * parts + whole) // (2 * whole)

    def _decode(self) -> Iterator[_Chunk]:
        """Contiguous chunks.

        Samples are counted; stamps only say where a count begins and where there is a hole. What a stamp is off by
        is compared with the next fifteen: stamps that jitter do not agree, those behind a hole do.
        """
        held: deque[tuple[int | None, FloatArray]] = deque()
        position: int | None = None
        for frame in chain(self._frames(), [None]):
            if frame is not None:
                waveform = mix_down(
                    _samples(frame), [channel.name for channel in frame.layout.channels], self.channels
                )
                if frame.sample_rate != self.rate_hz:
                    waveform = resample_sound(waveform, frame.sample_rate, self.rate_hz)
                held.append((None if frame.pts is None else self._position(frame.pts), waveform))
            while held and (frame is None or len(held) > _STAMPS_COMPARED):
                start = self._start_of_next(position, held)
                waveform = held.popleft()[1]
                if position is not None:
                    waveform = waveform[:, max(0, position - start) :]
                    start = max(position, start)
                position = start + waveform.shape[1]
                if waveform.shape[1]:
                    yield _Chunk(start, waveform)

    def _start_of_next(self, position: int | None, held: Sequence[tuple[int | None, FloatArray]]) -> int:
        """Where the first of the frames held begins, ``position`` being the end of the one before."""
        jitter = _JITTER_S * self.rate_hz
        first = held[0][0]
        if position is not None and (first is None or abs(first - position) <= jitter):
            return position
        counted = position or 0
        off: list[int] = []
        for stamp, waveform in islice(held, _STAMPS_COMPARED + 1):
            if stamp is not None:
                off.append(stamp - counted)
            counted += waveform.shape[1]
        if not off:
            return position or 0
        if position is None:
            # where all agree this is the first stamp; where they jitter it is their middle
            return off[0] if len(set(off)) == 1 else round(float(np.median(off)))
        shift = float(np.median(off))
        agree = all(abs(one - off[0]) <= jitter for one in off[:3])
        if abs(off[0]) > _HOLE_S * self.rate_hz or (agree and abs(shift) > jitter):
            return position + off[0]
        return position

    def _frames(self) -> Iterator[AudioFrame]:
        import av

        for packet in chain(read_packets(self._container, self._stream), [None]):
            if packet is not None and not packet.size:
                continue
            try:
                frames = self._stream.decode(packet)
            except av.FFmpegError:
                # the time stamps of what follows leave silence in its place, and ``missing_s`` counts it
                continue
            # a damaged packet may claim any number of channels, and PyAV reads past the end of more than eight
            yield from (frame for frame in frames if len(frame.layout.channels) <= _MOST_CHANNELS)


def _samples(frame: AudioFrame) -> FloatArray:
    """Samples (C, N) float32 in -1..1 of a decoded frame of any sample format."""
    many = frame.format.is_planar and len(frame.layout.channels) >= _MOST_CHANNELS
    if many or frame.format.name.startswith("s64"):  # of which NumPy's arrays are not made either
        frame = _packed(frame)
    array: npt.NDArray[Any] = frame.to_ndarray()
    if frame.format.is_packed:
        array = array.reshape(-1, len(frame.layout.channels)).T
    if array.dtype.kind == "f":
        return array.astype(np.float32)
    # integers are centred on 0, except bytes, which are centred on 128
    centre = 128.0 if array.dtype == np.uint8 else 0.0
    return ((array - centre) * 2.0 ** (1 - 8 * array.dtype.itemsize)).astype(np.float32)


def _packed(frame: AudioFrame) -> AudioFrame:
    """The same samples in one plane: PyAV does not see where a list of eight planes ends."""
    import av

    resampler = av.AudioResampler(format="flt", layout=frame.layout, rate=frame.sample_rate)
    packed: AudioFrame = resampler.resample(frame)[0]
    return packed


def mix_down(waveform: FloatArray, names: Sequence[str], channels: int) -> FloatArray:
    """Mix (C, N) to one or two channels.

    Two channels of a surround track follow ITU-R BS.775: centre and the surround of each side enter with
    ``1 / sqrt(2)``, the low-frequency channel is left out, and the sum is scaled so that it cannot clip.

    Args:
        waveform: (C, N).
        names: FFmpeg's channel names, ``FL``, ``FR``, ``FC``, ``LFE``, ``BL``, ``SL``, ...
        channels: 1 or 2.
    """
    count = waveform.shape[0]
    if count == channels:
        return waveform
    if count == 1:
        return np.repeat(waveform, channels, axis=0)
    stereo = waveform if count == 2 else _stereo_weights(names) @ waveform
    return stereo if channels == 2 else stereo.mean(axis=0, keepdims=True, dtype=np.float32)


def _stereo_weights(names: Sequence[str]) -> FloatArray:
    weights: FloatArray = np.zeros((2, len(names)), np.float32)
    for column, name in enumerate(names):
        level = 1.0 if name in ("FL", "FR") else 0.0 if name.startswith("LFE") else 0.5**0.5
        if not name.endswith("R"):
            weights[0, column] = level
        if not name.endswith("L"):
            weights[1, column] = level
    weights /= np.maximum(weights.sum(axis=1, keepdims=True), 1)
    return weights


def resample_sound(waveform: FloatArray, rate_hz: int, to_hz: int) -> FloatArray:
    """Change the sample rate along the last axis without moving anything in time (linear-phase filter)."""
    if rate_hz == to_hz or waveform.shape[-1] == 0:
        return waveform
    ratio = Fraction(to_hz, rate_hz)
    if ratio.numerator * ratio.denominator > _FINEST_RATIO:
        ratio = ratio.limit_denominator(isqrt(_FINEST_RATIO * rate_hz // to_hz))
    up, down = ratio.numerator, ratio.denominator
    count = round(waveform.shape[-1] * to_hz / rate_hz)
    matrix, first = _resampling(up, down)
    blocks = -(-count // up)
    behind = max(0, (blocks - 1) * down + len(matrix) - first - waveform.shape[-1])
    padded = np.pad(waveform, [(0, 0)] * (waveform.ndim - 1) + [(first, behind)])
    seen = np.lib.stride_tricks.sliding_window_view(padded, len(matrix), axis=-1)[..., ::down, :][
        ..., :blocks, :
    ]
    resampled = np.ascontiguousarray(seen, np.float32) @ matrix
    return resampled.reshape(*waveform.shape[:-1], -1)[..., :count]


@cache
def _resampling(up: int, down: int) -> tuple[FloatArray, int]:
    """What makes ``up`` samples of the ``down`` that they replace and of some beside them, of which so many lie before.

    A sinc of ten zeros on each side at the lower of both rates, under a Kaiser window of 5 (which is what
    ``scipy.signal.resample_poly`` takes too, but that package is slow to import).
    """
    wider = max(up, down)
    reach = 10 * wider
    times = np.arange(-reach, reach + 1)
    kernel = np.sinc(times / wider) * np.kaiser(len(times), 5.0)
    kernel *= up / kernel.sum()
    first, last = reach // up, ((up - 1) * down + reach) // up
    apart = np.arange(up)[None] * down - np.arange(-first, last + 1)[:, None] * up
    matrix = np.where(np.abs(apart) <= reach, kernel[np.clip(apart, -reach, reach) + reach], 0.0)
    return matrix.astype(np.float32), first
