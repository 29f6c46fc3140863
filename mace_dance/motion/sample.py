"""Songs -> dances: any number of songs of any lengths with one model.

Songs of one length are sampled as one batch, songs of different lengths never are: the network reads the music in
both directions and attends to all of it, so padding would leak into the dance. Each song has a seed of its own.
Hence a song gives the same dance alone, in any company and in any order, to the rounding of a batched product.

A song is sampled whole, every step in one pass. Time and memory of the scan grow with the length, the time of the
attention with its square, so above :attr:`Sampling.window_frames` (4 minutes by default) the network sees one window
at a time: windows of one length, as few as cover the song, each overlapping its neighbours by at least
:attr:`Sampling.overlap_frames`. All windows denoise one and the same motion; where two overlap, the step takes the
mean of their predictions, whose weights run from one to the other on a line. So there is no seam to mend afterwards.

Music shorter than a second and silence are music like any other: the first gives a dance as short, the second one
without beats to follow.

Legend: T frames, K music features, F motion features, L frames of a window.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mace_dance.motion.config import MotionExpertConfig
from mace_dance.motion.diffusion import Predict, cosine_schedule, ddim, ddim_times, seeded_noise
from mace_dance.motion.guidance import conditioned
from mace_dance.motion.model import MotionExpert
from mace_dance.motion.pretrained import Pretrained
from madata.errors import ConfigError, MediaError
from madata.motion import decode
from madata.types import FloatArray, Motion3D

__all__ = ["Sampling", "Song", "dance", "sample_songs", "song_windows"]

Model = Pretrained[MotionExpert, MotionExpertConfig]


@dataclass(frozen=True, eq=False)
class Song:
    """What to dance to.

    Attributes:
        music: (T, K) features at the model's frame rate.
        seed: of the noise.
        genre: label; ``None`` exactly when the network takes none.
        name: what to call it in an error.
    """

    music: FloatArray
    seed: int
    genre: int | None = None
    name: str = "the music"


@dataclass(frozen=True)
class Sampling:
    """How to sample.

    Attributes:
        beta: 0..1, the knob of guidance-free training between faithful (0) and diverse (1).
        steps: number of DDIM steps, or the falling list of their times.
        eta: 0 for the deterministic sampler, 1 for as much fresh noise as ancestral sampling.
        batch_frames: songs of one length are sampled together up to this many frames in all.
        window_frames: longest song that is sampled in one pass a step; a longer one is cut into windows.
        overlap_frames: of neighbouring windows, at least.
    """

    beta: float = 0.75
    steps: int | tuple[int, ...] = 50
    eta: float = 1.0
    batch_frames: int = 32 * 1200
    window_frames: int = 7200
    overlap_frames: int = 300

    def __post_init__(self) -> None:
        """Raises ConfigError: a number is out of range."""
        if not 0 <= self.beta <= 1 or not 0 <= self.eta <= 1:
            raise ConfigError(f"beta and eta are in 0..1, got {self.beta} and {self.eta}")
        if self.batch_frames < 1 or not 0 < 3 * self.overlap_frames <= self.window_frames:
            raise ConfigError(
                "batches have a frame at least, and windows overlap by a third at most; got batch_frames "
                f"{self.batch_frames}, window_frames {self.window_frames}, overlap_frames {self.overlap_frames}"
            )

    @property
    def times(self) -> list[int]:
        """The times of the steps.

        Raises:
            ConfigError: there are none, or more than diffusion times.
        """
        return ddim_times(self.steps) if isinstance(self.steps, int) else list(self.steps)


def dance(
    model: Model,
    songs: Sequence[Song],
    sampling: Sampling | None = None,
    device: torch.device | str = "cpu",
    *,
    on_step: Callable[[float], None] = lambda share: None,
) -> list[Motion3D]:
    """A motion for each song, in their order; the arguments are those of :func:`sample_songs`.

    Raises:
        ConfigError: see :func:`sample_songs`.
        MediaError: see :func:`sample_songs`; or the network gave no proper motion.
    """
    info = model.info
    vectors = sample_songs(model, songs, sampling, device, on_step=on_step)
    return [
        decode(values, info.layout, info.fps, source=f"the dance to {song.name}")
        for values, song in zip(vectors, songs, strict=True)
    ]


def sample_songs(
    model: Model,
    songs: Sequence[Song],
    sampling: Sampling | None = None,
    device: torch.device | str = "cpu",
    *,
    on_step: Callable[[float], None] = lambda share: None,
) -> list[FloatArray]:
    """Motion vectors (T, F) of each song, unnormalised, in the order of the songs.

    Args:
        model: its network is on ``device``.
        songs: any number, of any lengths.
        sampling: default: as the paper.
        device: where the network is.
        on_step: told the share that is done, 0..1, after each pass.

    Raises:
        ConfigError: a genre is unknown, given or lacking where it should not; a time is not in the schedule.
        MediaError: a song is empty, of another width, or holds NaN or infinity.
    """
    sampling = sampling or Sampling()
    for song in songs:
        _check(song, model.config)
    danced: dict[int, FloatArray] = {}
    steps = len(sampling.times)
    total = steps * sum(len(song.music) for song in songs)
    done = 0
    for batch in _batches([len(song.music) for song in songs], sampling.batch_frames):
        mine = [songs[index] for index in batch]

        def passed(frames: int = sum(len(song.music) for song in mine)) -> None:
            nonlocal done
            done += frames
            on_step(done / total)

        vectors = _sample(model, mine, sampling, device, passed)
        danced.update(zip(batch, vectors, strict=True))
    return [danced[index] for index in range(len(songs))]


def _check(song: Song, config: MotionExpertConfig) -> None:
    shape = song.music.shape
    if song.music.ndim != 2 or shape[1] != config.music_features or not shape[0]:
        raise MediaError(
            f"{song.name}: expected music features (T, {config.music_features}) of a frame at least, got {shape}",
            reason="bad_features",
        )
    if not np.isfinite(song.music).all():
        raise MediaError(f"{song.name}: its features hold NaN or infinity", reason="not_finite")
    if config.choices.genre == "off":
        if song.genre is not None:
            raise ConfigError(f"{song.name}: this model takes no genre, got {song.genre}")
    elif song.genre is None or not 0 <= song.genre < config.genres:
        raise ConfigError(f"{song.name}: genre labels are 0 .. {config.genres - 1}, got {song.genre}")


def _batches(lengths: Sequence[int], batch_frames: int) -> Iterator[list[int]]:
    """Indices of songs to sample together: of one length, the longest first."""
    by_length: dict[int, list[int]] = {}
    for index, length in enumerate(lengths):
        by_length.setdefault(length, []).append(index)
    for length in sorted(by_length, reverse=True):
        most = max(1, batch_frames // length)
        members = by_length[length]
        for first in range(0, len(members), most):
            yield members[first : first + most]


def _sample(
    model: Model,
    songs: Sequence[Song],
    sampling: Sampling,
    device: torch.device | str,
    passed: Callable[[], None],
) -> list[FloatArray]:
    """Songs of one length."""
    network, frames = model.network, len(songs[0].music)
    music = torch.stack([torch.as_tensor(song.music, dtype=torch.float32) for song in songs]).to(device)
    labels = [song.genre for song in songs if song.genre is not None]
    genre = torch.tensor(labels, device=device) if labels else None
    predict = _predictor(network, music, genre, sampling)

    def counted(noisy: Tensor, now: Tensor) -> Tensor:
        clean = predict(noisy, now)
        passed()
        return clean

    draw = seeded_noise([song.seed for song in songs], frames, model.config.features, device)
    schedule = cosine_schedule().to(device)
    normalised = ddim(counted, draw, schedule, sampling.times, sampling.eta)
    vectors = model.normaliser.unnormalise(normalised).cpu().numpy()
    return list(vectors)


def _predictor(network: MotionExpert, music: Tensor, genre: Tensor | None, sampling: Sampling) -> Predict:
    """The network on whole songs, or window by window."""
    frames = music.shape[1]
    if frames <= sampling.window_frames:
        return conditioned(network, music, genre, sampling.beta)
    starts, length = song_windows(frames, sampling.window_frames, sampling.overlap_frames)
    weights = torch.as_tensor(_weights(starts, length), device=music.device)
    # Keys and values of an hour at full size are gigabytes: they are computed anew at each step.
    parts = [
        conditioned(network, music[:, start : start + length], genre, sampling.beta, recall=False)
        for start in starts
    ]

    def predict(noisy: Tensor, now: Tensor) -> Tensor:
        clean = torch.zeros_like(noisy)
        for start, weight, part in zip(starts, weights, parts, strict=True):
            window = slice(start, start + length)
            clean[:, window] += weight[:, None] * part(noisy[:, window], now)
        return clean

    return predict


def song_windows(frames: int, longest: int, overlap: int) -> tuple[list[int], int]:
    """First frames and length of the windows that cover ``frames``: as few as can be, all of one length.

    Example:
        >>> song_windows(100, 40, 10)
        ([0, 30, 60], 40)
    """
    if frames <= longest:
        return [0], frames
    count = math.ceil((frames - overlap) / (longest - overlap))
    length = math.ceil((frames + (count - 1) * overlap) / count)
    return [round(start) for start in np.linspace(0, frames - length, count)], length


def _weights(starts: Sequence[int], length: int) -> FloatArray:
    """(windows, L) share of each window in each of its frames; shares of a frame add up to 1."""
    weights = np.ones((len(starts), length), np.float32)
    for index in range(1, len(starts)):
        shared = length - (starts[index] - starts[index - 1])
        rise = (np.arange(shared, dtype=np.float32) + 0.5) / shared
        weights[index, :shared] *= rise
        weights[index - 1, length - shared :] *= 1 - rise
    return weights
