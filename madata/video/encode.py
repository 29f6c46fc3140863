"""H.264 and AAC in MP4: plays everywhere, starts at once, and the same input gives the same bytes.

Frame k is shown at exactly k / fps, and sample 0 of the sound together with frame 0: the 1024 samples an AAC encoder
puts in front are declared in the file's edit list. No date and no program version is written, and the number of
encoder threads is a setting, never the number of cores, because the bytes depend on it.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
import numpy.typing as npt

from madata.errors import ConfigError
from madata.types import FloatArray
from madata.video.container import media_url
from madata.video.geometry import Crop, Fit, Framing, Orientation, frame_clip
from madata.video.scale import Scaler, is_high_range, is_rgb

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

__all__ = ["BT709", "ColourTags", "EncodeSettings", "MovieWriter", "Painter"]

_PRESETS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow")
_AAC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)
_AAC_FRAME = 1024
_LIMITED, _FULL = 1, 2


@dataclass(frozen=True)
class EncodeSettings:
    """How clips are written.

    Attributes:
        fps: frame rate; ``None`` is the nominal rate of each source.
        long_side: largest side in px; smaller pictures are not enlarged. ``None`` keeps the size.
        size: exact (width, height) instead of ``long_side``; both even.
        fit: with ``size``: ``"pad"`` (all of the picture, black bars) or ``"crop"`` (centre, no bars).
        crf: x264 quality, 0 (lossless) to 51; lower is better and larger.
        preset: x264 preset.
        audio_rate_hz: sample rate of the sound; ``None`` keeps the source's where AAC knows it.
        audio_bit_rate: bits per second.
        threads: encoder threads; the bytes of a clip depend on it.
    """

    fps: float | None = None
    long_side: int | None = None
    size: tuple[int, int] | None = None
    fit: Fit = "pad"
    crf: int = 18
    preset: str = "veryfast"
    audio_rate_hz: int | None = 44_100
    audio_bit_rate: int = 192_000
    threads: int = 1

    def __post_init__(self) -> None:
        """Refuse what cannot be encoded.

        Raises:
            ConfigError: a value is out of range.
        """
        problems = {
            f"fps must be above 0 and at most 240, got {self.fps}": self.fps is not None
            and not 0 < self.fps <= 240,
            f"long_side must be at least 16 px, got {self.long_side}": self.long_side is not None
            and self.long_side < 16,
            f"size must be two even sides of at least 16 px, got {self.size}": self.size is not None
            and (len(self.size) != 2 or any(side % 2 or side < 16 for side in self.size)),
            "give long_side or size, not both": self.size is not None and self.long_side is not None,
            f"fit must be 'pad' or 'crop', got {self.fit!r}": self.fit not in ("pad", "crop"),
            f"crf must be 0..51, got {self.crf}": not 0 <= self.crf <= 51,
            f"preset must be one of {', '.join(_PRESETS)}, got {self.preset!r}": self.preset not in _PRESETS,
            f"audio_rate_hz must be one of {', '.join(map(str, _AAC_RATES))}, got {self.audio_rate_hz}": (
                self.audio_rate_hz is not None and self.audio_rate_hz not in _AAC_RATES
            ),
            f"audio_bit_rate must be at least 16000, got {self.audio_bit_rate}": self.audio_bit_rate < 16_000,
            f"threads must be at least 1, got {self.threads}": self.threads < 1,
        }
        for problem, holds in problems.items():
            if holds:
                raise ConfigError(f"encoding: {problem}")

    def framing(self, shown: tuple[int, int], crop: Crop | None = None) -> Framing:
        """Where a shown picture of this size, or the part of it that is used, comes to lie in a clip."""
        return frame_clip(shown, long_side=self.long_side, size=self.size, fit=self.fit, crop=crop)

    def rate_for(self, source_hz: int) -> int:
        """Sample rate to write for a source of ``source_hz``: its own if AAC knows it, else the next higher one."""
        if self.audio_rate_hz is not None:
            return self.audio_rate_hz
        return next((rate for rate in _AAC_RATES if rate >= source_hz), _AAC_RATES[-1])


@dataclass(frozen=True)
class ColourTags:
    """What the numbers of a picture mean, in FFmpeg's codes (2 or 0 where a source does not say)."""

    matrix: int
    colour_range: int
    primaries: int
    transfer: int

    @classmethod
    def of(cls, picture: VideoFrame) -> Self:
        """Tags to write for pictures such as this one; RGB and high range become limited-range BT.709."""
        if is_rgb(picture) or is_high_range(picture):
            return cls(BT709.matrix, BT709.colour_range, BT709.primaries, BT709.transfer)
        return cls(picture.colorspace, _range_of(picture), picture.color_primaries, picture.color_trc)


BT709 = ColourTags(matrix=1, colour_range=_LIMITED, primaries=1, transfer=1)


def _range_of(picture: VideoFrame) -> int:
    if picture.format.name.startswith("yuvj"):
        return _FULL
    return picture.color_range or _LIMITED


class Painter:
    """Turns decoded pictures into the 8-bit 4:2:0 pictures of one clip: scaled, turned, padded or cropped.

    Colours keep their matrix and range; only RGB and high dynamic range are converted (to limited-range BT.709).
    """

    def __init__(self, framing: Framing, orientation: Orientation, tags: ColourTags) -> None:
        self._framing = framing
        self._orientation = orientation
        self._tags = tags
        self._scaler = Scaler()

    def paint(self, picture: VideoFrame) -> VideoFrame:
        """The picture of the clip; may be ``picture`` itself when nothing has to be done."""
        import av
        from av.video.reformatter import Colorspace, Interpolation

        width, height = self._orientation.size(self._framing.scaled)
        as_it_is = picture.format.name == "yuv420p" and (picture.width, picture.height) == (width, height)
        if not as_it_is or is_high_range(picture):
            rgb = is_rgb(picture) or is_high_range(picture)  # the scaler makes RGB of high range
            colour_range = _FULL if rgb else _range_of(picture)
            picture = self._scaler(
                picture,
                (width, height),
                "yuv420p",
                dst_colorspace=Colorspace.ITU709 if rgb else None,
                src_color_range=colour_range,
                dst_color_range=self._tags.colour_range,
                interpolation=Interpolation.BICUBIC
                | Interpolation.ACCURATE_RND
                | Interpolation.FULL_CHR_H_INP,
            )
        framing = self._framing
        plain = self._orientation == Orientation() and framing.scaled == framing.out and framing.crop is None
        if plain:
            return picture
        planes = [self._place(plane, index) for index, plane in enumerate(_planes(picture))]
        painted: VideoFrame = av.VideoFrame.from_ndarray(_stack(planes), "yuv420p")
        return painted

    def _place(self, plane: npt.NDArray[np.uint8], index: int) -> npt.NDArray[np.uint8]:
        plane = self._orientation.apply(plane)
        part = 1 if index == 0 else 2
        crop = self._framing.crop
        if crop is not None:
            left, top = crop.left // part, crop.top // part
            plane = plane[top : top - -crop.height // part, left : left - -crop.width // part]
        width, height = (side // part for side in self._framing.out)
        dx, dy = (side // part for side in self._framing.offset)
        black = 128 if index else 0 if self._tags.colour_range == _FULL else 16
        canvas = np.full((height, width), black, np.uint8)
        source = plane[max(0, -dy) : max(0, -dy) + height, max(0, -dx) : max(0, -dx) + width]
        canvas[max(0, dy) : max(0, dy) + source.shape[0], max(0, dx) : max(0, dx) + source.shape[1]] = source[
            : height - max(0, dy), : width - max(0, dx)
        ]
        return canvas


def _planes(picture: VideoFrame) -> list[npt.NDArray[np.uint8]]:
    """The three planes of a yuv420p picture as (H, W) arrays."""
    return [
        np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]
        for plane in picture.planes
    ]


def _stack(planes: list[npt.NDArray[np.uint8]]) -> npt.NDArray[np.uint8]:
    """Planes as the (3 H / 2, W) array PyAV builds yuv420p pictures from."""
    return np.concatenate([plane.ravel() for plane in planes]).reshape(-1, planes[0].shape[1])


@cache
def _repeatable_instructions() -> dict[str, str]:
    """Options that keep x264 off AVX-512.

    Its AVX-512 code for the macroblock tree reads memory nobody wrote where a picture's width in macroblocks is no
    multiple of 16, and then up to every second file differs from the same file encoded again.
    """
    try:
        flags = Path("/proc/cpuinfo").read_text("utf-8", "replace")
    except OSError:
        return {}
    return {"x264-params": "asm=avx2"} if "avx512" in flags else {}


class MovieWriter:
    """Writes one MP4 file, picture by picture.

    Args:
        path: file to write; it is not complete before :meth:`close`.
        size: (width, height) px, even.
        fps: exact frame rate.
        tags: meaning of the pictures' numbers.
        sound: (C, N) samples and their rate, or ``None``; sample 0 goes with frame 0, the end is cut to the frames.
        settings: quality.
    """

    def __init__(
        self,
        path: Path,
        size: tuple[int, int],
        fps: Fraction,
        tags: ColourTags,
        sound: tuple[FloatArray, int] | None,
        settings: EncodeSettings,
    ) -> None:
        import av

        self._fps = fps
        self._written = 0
        self._container = av.open(media_url(path), "w", format="mp4", options={"movflags": "+faststart"})
        self._container.flags |= av.container.Flags.bitexact.value
        stream = self._container.add_stream(
            "libx264",
            rate=fps,
            options={
                "crf": str(settings.crf),
                "preset": settings.preset,
                "a53cc": "0",
                **_repeatable_instructions(),
            },
        )
        context = stream.codec_context
        context.width, context.height = size
        context.pix_fmt = "yuv420p"
        context.time_base = 1 / fps
        context.thread_count = settings.threads
        context.thread_type = "AUTO"
        context.colorspace, context.color_range = tags.matrix, tags.colour_range
        context.color_primaries, context.color_trc = tags.primaries, tags.transfer
        context.sample_aspect_ratio = Fraction(1)
        context.flags |= av.codec.context.Flags.bitexact
        self._video = stream
        self._audio = None
        self._sound = np.zeros((1, 0), np.float32)
        self._sounded = 0
        self._rate_hz = 1
        if sound is not None:
            self._sound, self._rate_hz = sound
            layout = "mono" if self._sound.shape[0] == 1 else "stereo"
            self._audio = self._container.add_stream("aac", rate=self._rate_hz, layout=layout)
            self._audio.codec_context.bit_rate = settings.audio_bit_rate
            self._audio.codec_context.thread_count = 1
            self._audio.codec_context.time_base = Fraction(1, self._rate_hz)
            self._audio.codec_context.flags |= av.codec.context.Flags.bitexact

    def write(self, picture: VideoFrame) -> None:
        """Append a yuv420p picture of the movie's size."""
        picture.pts = self._written
        picture.time_base = 1 / self._fps
        # the type chosen by the source's encoder must not bind ours
        picture.pict_type = 0
        self._container.mux(self._video.encode(picture))
        self._written += 1
        self._write_sound(round(self._written / self._fps * self._rate_hz))

    def _write_sound(self, until: int) -> None:
        import av

        if self._audio is None:
            return
        total = self._sound.shape[1]
        while self._sounded < total and (self._sounded + _AAC_FRAME <= until or until >= total):
            block = np.ascontiguousarray(self._sound[:, self._sounded : self._sounded + _AAC_FRAME])
            frame = av.AudioFrame.from_ndarray(block, "fltp", "mono" if block.shape[0] == 1 else "stereo")
            frame.sample_rate = self._rate_hz
            frame.pts = self._sounded
            frame.time_base = Fraction(1, self._rate_hz)
            self._container.mux(self._audio.encode(frame))
            self._sounded += block.shape[1]

    def close(self) -> None:
        """Write what the encoders still hold, the sound up to the end of the last frame, and the index."""
        self._container.mux(self._video.encode(None))
        if self._audio is not None:
            self._sound = self._sound[:, : round(self._written / self._fps * self._rate_hz)]
            self._write_sound(self._sound.shape[1])
            self._container.mux(self._audio.encode(None))
        self._container.close()

    def abandon(self) -> None:
        """Let go of the file without completing it."""
        import av

        with contextlib.suppress(av.FFmpegError):
            self._container.close()
