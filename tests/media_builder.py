"""Makes videos whose every frame and every second can be recognised, and breaks them.

A frame carries its index as a Gray-code barcode (16 equal cells in the bottom 12 rows, left = most significant bit,
white 235 = 1, black 16 = 0); the sound is a 20 ms, 6 kHz Hann burst ("pip") at every whole second of the container's
time line. So a test can say exactly which source frames a clip holds and how far sound and picture are apart, also
after scaling. The barcode and the pips are those of ``crawl_a.mp4``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

BITS = 16
ROWS = 12
PIP_HZ = 6000.0
PIP_S = 0.02


@dataclass(frozen=True)
class Recipe:
    """A video to make. Times are seconds on the container's time line.

    Attributes:
        times_s: presentation times; ``None`` is a constant rate from ``start_s``.
        sound: ``None`` is a silent file without a sound track.
        rotation: counter-clockwise degrees of the display matrix.
        colour: (matrix, range, primaries, transfer) tags in FFmpeg's codes.
    """

    num_frames: int = 60
    fps: Fraction = Fraction(24)
    size: tuple[int, int] = (128, 96)
    start_s: float = 0.0
    times_s: Sequence[float] | None = None
    codec: str = "libx264"
    pixel_format: str = "yuv420p"
    gop: int = 12
    b_frames: int = 2
    crf: int = 12
    rotation: int = 0
    mirrored: bool = False
    pixel_aspect: Fraction | None = None
    colour: tuple[int, int, int, int] | None = None
    sound: bool = True
    sound_codec: str = "aac"
    sound_start_s: float = 0.0
    sound_end_s: float | None = None
    sound_rate_hz: int = 44_100
    channels: str = "stereo"
    faststart: bool = False

    def frame_times_s(self) -> np.ndarray:
        if self.times_s is not None:
            return np.asarray(self.times_s, np.float64)
        return self.start_s + np.arange(self.num_frames) / float(self.fps)


def gray_code(index: int) -> int:
    return index ^ (index >> 1)


def draw_barcode(image: np.ndarray, index: int) -> None:
    """Write ``index`` into the bottom rows of an image (H, W, 3), in place."""
    width = image.shape[1]
    code = gray_code(index)
    for cell in range(BITS):
        bit = (code >> (BITS - 1 - cell)) & 1
        image[-ROWS:, cell * width // BITS : (cell + 1) * width // BITS] = 235 if bit else 16


def read_barcode(image: np.ndarray, rows: float = ROWS) -> int:
    """The index in the bottom ``rows`` of an image (H, W, 3) or (H, W)."""
    grey = image if image.ndim == 2 else image.mean(axis=2)
    height, width = grey.shape
    strip = grey[round(height - 0.75 * rows) : round(height - 0.25 * rows) or None]
    code = 0
    for cell in range(BITS):
        left, right = cell * width / BITS, (cell + 1) * width / BITS
        margin = 0.3 * (right - left)
        code = (code << 1) | int(
            strip[:, round(left + margin) : max(round(left + margin) + 1, round(right - margin))].mean() > 126
        )
    index = 0
    while code:
        index ^= code
        code >>= 1
    return index


def picture(index: int, size: tuple[int, int]) -> np.ndarray:
    """Frame ``index`` (H, W, 3): a gradient, a patch that wanders, the barcode."""
    width, height = size
    y, x = np.mgrid[:height, :width]
    image = np.stack(
        [40 + 150 * x / width, 60 + 120 * y / height, 90 + 60 * (x + y) / (width + height)], axis=2
    )
    left = (7 * index) % max(1, width - 24)
    image[height // 4 : height // 4 + 20, left : left + 20] = (220, 60, 40)
    image = image.astype(np.uint8)
    draw_barcode(image, index)
    return image


def pips(start_s: float, end_s: float, rate_hz: int) -> np.ndarray:
    """Sound (N,) from ``start_s`` to ``end_s`` of a time line with a pip at every whole second."""
    count = round((end_s - start_s) * rate_hz)
    waveform = np.zeros(count, np.float32)
    length = round(PIP_S * rate_hz)
    burst = np.hanning(length) * np.sin(2 * np.pi * PIP_HZ * np.arange(length) / rate_hz) * 0.8
    for second in range(int(np.floor(start_s)), int(np.ceil(end_s)) + 1):
        at = round((second - start_s) * rate_hz)
        a, b = max(at, 0), min(at + length, count)
        if a < b:
            waveform[a:b] += burst[a - at : b - at].astype(np.float32)
    return waveform


def find_pips(waveform: np.ndarray, rate_hz: int) -> np.ndarray:
    """Times (s) at which pips begin in a sound (N,), to a small fraction of a sample.

    A pip that is cut off by an end of the sound is found with an error of up to some milliseconds.
    """
    margin = rate_hz // 20
    padded = np.pad(waveform.astype(np.float64), margin)
    carrier = np.exp(-2j * np.pi * PIP_HZ / rate_hz * np.arange(len(padded)))
    window = np.hanning(round(0.003 * rate_hz) | 1)
    envelope = 2 * np.abs(np.convolve(padded * carrier, window / window.sum(), mode="same"))
    edges = np.flatnonzero(np.diff((envelope > 0.3).astype(int)))
    times = []
    for first, last in zip(edges[::2] + 1, edges[1::2] + 1, strict=False):
        if 0.004 < (last - first) / rate_hz < 0.03:
            weights = envelope[first:last]
            centre = (np.arange(first, last) * weights).sum() / weights.sum()
            times.append((centre - margin) / rate_hz - PIP_S / 2)
    return np.array(times)


def build(
    path: Path, recipe: Recipe | None = None, draw: Callable[[int, tuple[int, int]], np.ndarray] = picture
) -> Path:
    """Make the video of a recipe; the suffix of ``path`` chooses the container."""
    recipe = recipe or Recipe()
    times_s = recipe.frame_times_s()
    options = {"movflags": "+faststart"} if recipe.faststart else {}
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(recipe.codec, rate=recipe.fps)
        context = stream.codec_context
        context.width, context.height = recipe.size
        context.pix_fmt = recipe.pixel_format
        context.thread_count = 1
        context.gop_size = recipe.gop
        context.max_b_frames = recipe.b_frames
        if recipe.codec == "libx264":
            context.options = {"crf": str(recipe.crf), "preset": "veryfast", "sc_threshold": "0"}
        context.time_base = Fraction(1, 90_000) if recipe.codec == "libx264" else 1 / recipe.fps
        if recipe.pixel_aspect is not None:
            context.sample_aspect_ratio = recipe.pixel_aspect
        matrix = recipe.colour[0] if recipe.colour else None
        if recipe.colour is not None:
            context.colorspace, context.color_range, context.color_primaries, context.color_trc = (
                recipe.colour
            )
        if recipe.rotation or recipe.mirrored:
            stream.set_display_rotation(recipe.rotation, recipe.mirrored)
        sound = None
        if recipe.sound:
            sound = container.add_stream(
                recipe.sound_codec, rate=recipe.sound_rate_hz, layout=recipe.channels
            )
        for index, time_s in enumerate(times_s):
            frame = av.VideoFrame.from_ndarray(draw(index, recipe.size), "rgb24").reformat(
                format=recipe.pixel_format,
                dst_colorspace={1: "ITU709", 5: "ITU601", 6: "ITU601"}.get(matrix),
                dst_color_range="JPEG" if recipe.colour and recipe.colour[1] == 2 else "MPEG",
            )
            frame.pts = round(time_s * 90_000) if recipe.codec == "libx264" else index
            frame.time_base = context.time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if sound is not None:
            _add_sound(container, sound, recipe, float(times_s[-1] + 1 / recipe.fps))
    return path


def _add_sound(container, stream, recipe: Recipe, video_end_s: float) -> None:
    end_s = video_end_s if recipe.sound_end_s is None else recipe.sound_end_s
    wave = pips(recipe.sound_start_s, end_s, recipe.sound_rate_hz)
    layout = av.AudioLayout(recipe.channels)
    planar = np.repeat(wave[None], layout.nb_channels, axis=0)
    first = round(recipe.sound_start_s * recipe.sound_rate_hz)
    for at in range(0, planar.shape[1], 1024):
        block = np.ascontiguousarray(planar[:, at : at + 1024])
        if recipe.sound_codec == "aac":
            frame = av.AudioFrame.from_ndarray(block, "fltp", recipe.channels)
        else:
            packed = (block.T.reshape(1, -1) * 32767).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(packed), "s16", recipe.channels)
        frame.sample_rate = recipe.sound_rate_hz
        frame.time_base = Fraction(1, recipe.sound_rate_hz)
        frame.pts = first + at
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def build_sound(
    path: Path, duration_s: float = 5.0, *, codec: str, rate_hz: int = 44_100, channels: str = "stereo"
) -> Path:
    """Make a sound file with a pip at every whole second; the suffix of ``path`` chooses the container."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate_hz, layout=channels)
        count = av.AudioLayout(channels).nb_channels
        planar = np.repeat(pips(0, duration_s, rate_hz)[None], count, axis=0)
        for at in range(0, planar.shape[1], 1152):
            packed = np.ascontiguousarray(planar[:, at : at + 1152].T.reshape(1, -1))
            frame = av.AudioFrame.from_ndarray(packed, "flt", channels)
            frame.sample_rate = rate_hz
            frame.time_base = Fraction(1, rate_hz)
            frame.pts = at
            for ready in av.AudioResampler(format=stream.codec_context.format).resample(frame):
                container.mux(stream.encode(ready))
        container.mux(stream.encode(None))
    return path


def video_packets(path: Path) -> list[tuple[int, int, bool]]:
    """(position, size, is key frame) in bytes of each video packet, in decoding order."""
    with av.open(str(path)) as container:
        return [(p.pos, p.size, p.is_keyframe) for p in container.demux(container.streams.video[0]) if p.size]


def overwrite(path: Path, target: Path, *, packet: int, count: int = 64, seed: int = 0) -> Path:
    """Copy ``path`` with up to ``count`` bytes inside one video packet replaced by noise."""
    position, size, _ = video_packets(path)[packet]
    data = bytearray(path.read_bytes())
    count = min(count, size - 16)
    start = position + 12
    data[start : start + count] = (
        np.random.default_rng(seed).integers(0, 256, count, dtype=np.uint8).tobytes()
    )
    target.write_bytes(bytes(data))
    return target


def truncate(path: Path, target: Path, fraction: float) -> Path:
    """Copy the first ``fraction`` of the bytes of ``path``."""
    data = path.read_bytes()
    target.write_bytes(data[: int(len(data) * fraction)])
    return target


def barcodes(path: Path, rows: float = ROWS) -> list[int]:
    """Barcode of every frame of a file, with an independent decoder loop."""
    with av.open(str(path)) as container:
        return [read_barcode(frame.to_ndarray(format="gray"), rows) for frame in container.decode(video=0)]


def frame_stamps_s(path: Path) -> list[float]:
    """Presentation time of every frame of a file, with an independent decoder loop."""
    with av.open(str(path)) as container:
        return [frame.time for frame in container.decode(video=0)]


def sound_of(path: Path) -> tuple[np.ndarray, int]:
    """Mono sound (N,) from time 0 and its rate, placed by the frames' own time stamps."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        rate = stream.codec_context.sample_rate
        parts = []
        for frame in container.decode(stream):
            array = frame.to_ndarray()
            if frame.format.is_packed:
                array = array.reshape(-1, len(frame.layout.channels)).T
            scale = 1.0 if array.dtype.kind == "f" else 32768.0
            parts.append((round(frame.pts * frame.time_base * rate), array.mean(axis=0) / scale))
    waveform = np.zeros(max(at + len(part) for at, part in parts), np.float64)
    for at, part in parts:
        a = max(at, 0)
        waveform[a : at + len(part)] = part[a - at :]
    return waveform, rate
