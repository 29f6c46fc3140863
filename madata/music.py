"""Music: loading, the 35 features per frame of the dance literature, and beats.

Samples are what ``librosa.load`` gives: mono in -1..1, resampled with ``soxr_hq``. libsndfile reads wav,
flac, ogg and mp3; everything else (m4a, the sound track of a video) is decoded by PyAV to 16 bits, as the
decoder behind ``librosa.load`` does. Both are bounded: PyAV opens media only, never a playlist that names other
files (:mod:`madata.video.container`), and more samples than the limits allow are refused before they are held.

Feature layouts, one row per frame with hop 512 at ``fps * 512`` Hz:

* ``edge`` (EDGE baseline_features.py, LODGE audio.py, FineDance at 30 fps; FACT at 60 fps): onset envelope 1,
  mfcc 20, chroma cens 12, onset peak 1, beat 1;
* ``wan-dancer`` (Wan-Dancer, 30 fps): as ``edge``, but the samples are taken for 22050 Hz ones, as its weights were
  trained; the tempo to begin with is never read off a file's name;
* ``megadance`` (MEGADance extractor.py, 30 fps): mfcc 20, chroma cqt 12, onset envelope 1, beat 1,
  onset peak 1;
* ``bailando`` (Bailando extractor.py, 438 features; 7.5 fps for its GPT, 60 fps for MNET): mfcc 20, their change 20,
  chroma cqt 12, onset envelope 1, beat 1, tempogram 384. Chroma has the octaves above C1 that the rate holds: 5 at
  7.5 fps, 7 at most.

Beats and features depend on the version of librosa: 0.10.2 and 0.11 agree, 0.9 does not.

Legend: N samples, T frames.
"""

from __future__ import annotations

import importlib
import itertools
import re
import warnings
import wave
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from madata.errors import MediaError, MissingDependencyError
from madata.files import atomic_path
from madata.limits import reading_limits
from madata.types import LEAST_SOUND_RATE_HZ, FloatArray, Music, MusicFeatures

__all__ = [
    "Beats",
    "aist_tempo",
    "beat_vector",
    "load_audio",
    "load_on_clock",
    "lodge_beats",
    "music_features",
    "official_beats",
    "track_beats",
    "write_wav",
]

Layout = Literal["edge", "wan-dancer", "megadance", "bailando"]

_HOP = 512
_OFFICIAL_RATE_HZ = 8320
_TEMPO_RATE_HZ = 22050
_C1_HZ = 32.70
_LOUDEST = 1e6
"""Samples lie in -1..1; a mix may go beyond, what would overflow is no sound."""
_TESTED = re.compile(r"0\.(10\.([2-9]|\d\d)|11\.)")


def _librosa() -> ModuleType:
    try:
        librosa: ModuleType = importlib.import_module("madata.librosa_parts").librosa
    except ImportError as error:
        raise MissingDependencyError("music needs librosa: pip install 'madance[score]'") from error
    version = str(librosa.__version__)
    if not _TESTED.match(version):
        warnings.warn(
            f"librosa {version} is not one of the versions the published beats and features come from "
            "(0.10.2, 0.11): beats differ on most files. Install 'librosa>=0.10.2,<0.12'.",
            stacklevel=3,
        )
    # Of sounds shorter than its windows, or without a pitch: nobody who scores a clip can do anything about them.
    warnings.filterwarnings("ignore", category=UserWarning, module=r"librosa\.")
    return librosa


def _soundfile() -> ModuleType:
    try:
        return importlib.import_module("soundfile")
    except ImportError as error:
        raise MissingDependencyError("music needs soundfile: pip install 'madance[score]'") from error


def load_audio(path: Path, rate_hz: int | None = None) -> Music:
    """Load a sound file, or the sound track of a video, as mono.

    Args:
        rate_hz: rate to resample to; ``None`` keeps the file's own.

    Raises:
        MediaError: no such file, no sound in it, or it cannot be decoded.
        MissingDependencyError: a package is not installed.
    """
    if not path.is_file():
        raise MediaError(f"{path}: no such file", reason="missing")
    librosa = _librosa()
    samples, native_hz = _read(path)
    if not samples.size:
        raise MediaError(f"{path}: the sound track is empty", reason="no_audio")
    if native_hz < LEAST_SOUND_RATE_HZ:
        raise MediaError(
            f"{path}: says it has {native_hz} samples a second, which is no sound; mend its header",
            reason="bad_audio",
        )
    if not np.isfinite(samples).all():
        raise MediaError(f"{path}: the sound track holds samples that are not numbers", reason="bad_audio")
    if max(samples.max(), -samples.min()) > _LOUDEST:
        raise MediaError(
            f"{path}: the sound track holds samples beyond {_LOUDEST:g}, where sound is within 1; scale it",
            reason="bad_audio",
        )
    mono = librosa.to_mono(samples)
    if rate_hz is not None and rate_hz != native_hz:
        mono = librosa.resample(mono, orig_sr=native_hz, target_sr=rate_hz, res_type="soxr_hq")
    return Music(np.ascontiguousarray(mono, np.float32), rate_hz or native_hz)


def load_on_clock(path: Path, rate_hz: int) -> Music:
    """The sound of a file as a viewer hears it: sample 0 lies at the first frame of its picture, or at its beginning.

    :func:`load_audio` takes samples as they come, as the published scripts do: a track that starts 0.2 s late is heard
    0.2 s early, and bare AAC 23 ms late.

    Args:
        rate_hz: rate wanted.

    Raises:
        MediaError: no such file, no sound in it, or it cannot be decoded.
    """
    if not path.is_file():
        raise MediaError(f"{path}: no such file", reason="missing")
    if not _is_plain_sound(path):
        from madata.video import probe, read_audio

        try:
            start_s = probe(path).start_s
        except MediaError as error:
            if error.reason != "no_video":
                raise
            start_s = 0.0
        return read_audio(path, rate_hz=rate_hz, start_s=start_s)
    return load_audio(path, rate_hz)


def _is_plain_sound(path: Path) -> bool:
    """Whether libsndfile reads the file, which nobody then need decode to find out how long it is.

    Raises:
        MediaError: it does, and the file holds more samples than :class:`madata.limits.ReadingLimits` allows.
    """
    soundfile = _soundfile()
    try:
        known = soundfile.info(str(path))
    except (soundfile.LibsndfileError, TypeError):  # TypeError: a name that ends in .raw
        return False
    _refuse_endless(path, known.frames * known.channels)
    return True


def _refuse_endless(path: Path, samples: int) -> None:
    if samples > (most := reading_limits().samples):
        raise MediaError(
            f"{path}: holds more than {most / 1e6:g} million samples of sound (MADANCE_LIMITS samples); cut it first",
            reason="too_large",
        )


def _read(path: Path) -> tuple[FloatArray, int]:
    """Samples (N,) or (channels, N) and their rate."""
    if not _is_plain_sound(path):
        return _decode(path)
    soundfile = _soundfile()
    try:
        samples, rate_hz = soundfile.read(str(path), dtype="float32", always_2d=False)
    except soundfile.LibsndfileError:
        return _decode(path)
    return np.asarray(samples, np.float32).T, int(rate_hz)


def _decode(path: Path) -> tuple[FloatArray, int]:
    try:
        import av
    except ImportError as error:
        raise MissingDependencyError(f"{path.suffix} needs PyAV: pip install 'madance[media]'") from error
    from madata.video.container import audio_stream, open_media

    blocks: list[npt.NDArray[np.int16]] = []
    held = 0
    try:
        with open_media(path) as container:
            stream = audio_stream(container, path)
            resampler = av.AudioResampler(format="s16p")
            rate_hz = int(stream.rate or 0)
            for frame in itertools.chain(container.decode(stream), (None,)):
                for part in resampler.resample(frame):
                    blocks.append(part.to_ndarray())
                    held += blocks[-1].size
                _refuse_endless(path, held)
    except (av.error.FFmpegError, ValueError) as error:
        raise MediaError(f"{path}: cannot be decoded ({error})", reason="not_media") from error
    if not blocks:
        raise MediaError(f"{path}: the sound track is empty", reason="no_audio")
    return np.concatenate(blocks, axis=1).astype(np.float32) / 32768.0, rate_hz


def music_features(path: Path, layout: Layout = "edge", fps: float = 30) -> MusicFeatures:
    """The features per frame of a sound file, and its beats.

    Args:
        layout: see the module.
        fps: 30; 60 for FACT, 7.5 for Bailando.

    Returns:
        ``values`` (T, 35), or (T, 438), over the whole file, T = 1 + N // 512 frames at ``fps``.

    Raises:
        MediaError: the file cannot be decoded.
        ValueError: the layout or the frame rate is not one of those above.
    """
    if layout in ("megadance", "wan-dancer") and fps != 30:
        raise ValueError(f"the {layout} layout exists at 30 frames per second only, not {fps}")
    if layout not in get_args(Layout) or fps <= 0:
        raise ValueError(f"unknown music features {layout!r} at {fps} frames per second")
    music = load_audio(path, round(fps * _HOP))
    if layout == "edge":
        values, beat_column = _edge(music, path, aist_tempo(path.stem))
    elif layout == "wan-dancer":
        values, beat_column = _edge(Music(music.waveform, _TEMPO_RATE_HZ), path, None)
    else:
        values, beat_column = _megadance(music) if layout == "megadance" else _bailando(music)
    beats = np.flatnonzero(values[:, beat_column]) / fps
    return MusicFeatures(np.ascontiguousarray(values, np.float32), float(fps), beats.astype(np.float32))


def _edge(music: Music, path: Path, start_bpm: float | None) -> tuple[npt.NDArray[np.floating[Any]], int]:
    librosa = _librosa()
    y, rate = music.waveform, music.rate_hz
    envelope = librosa.onset.onset_strength(y=y, sr=rate)
    mfcc = librosa.feature.mfcc(y=y, sr=rate, n_mfcc=20).T
    chroma = librosa.feature.chroma_cens(y=y, sr=rate, hop_length=_HOP, n_chroma=12).T
    peaks = librosa.onset.onset_detect(onset_envelope=envelope, sr=rate, hop_length=_HOP)
    if start_bpm is None:
        start_bpm = float(librosa.feature.tempo(y=load_audio(path, _TEMPO_RATE_HZ).waveform)[0])
    _, beats = librosa.beat.beat_track(
        onset_envelope=envelope, sr=rate, hop_length=_HOP, start_bpm=start_bpm, tightness=100
    )
    columns = [
        envelope[:, None],
        mfcc,
        chroma,
        _one_hot(peaks, len(envelope)),
        _one_hot(beats, len(envelope)),
    ]
    return np.concatenate(columns, axis=1), 34


def _separated(music: Music, octaves: int) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Of MEGADance and Bailando: mfcc (T, 20), chroma (T, 12), onset envelope (T,) and its beats (T, 1)."""
    librosa = _librosa()
    y, rate = music.waveform, music.rate_hz
    decibels = librosa.power_to_db(librosa.feature.melspectrogram(y=y, sr=rate), ref=np.max)
    mfcc = librosa.feature.mfcc(S=decibels).T
    harmonic, percussive = librosa.effects.hpss(y)
    chroma = librosa.feature.chroma_cqt(y=harmonic, sr=rate, n_octaves=octaves).T[: len(mfcc)]
    envelope = librosa.onset.onset_strength(y=percussive, aggregate=np.median, sr=rate)
    _, beats = librosa.beat.beat_track(onset_envelope=envelope, sr=rate)
    return mfcc, chroma, envelope, _one_hot(beats, len(envelope))


def _bailando(music: Music) -> tuple[npt.NDArray[np.floating[Any]], int]:
    librosa = _librosa()
    octaves = int(min(7, np.log2(music.rate_hz / 2 / _C1_HZ)))
    mfcc, chroma, envelope, beats = _separated(music, octaves)
    change = librosa.feature.delta(mfcc.T, width=3).T
    tempogram = librosa.feature.tempogram(onset_envelope=envelope, sr=music.rate_hz).T
    return np.concatenate([mfcc, change, chroma, envelope[:, None], beats, tempogram], axis=1), 53


def _megadance(music: Music) -> tuple[npt.NDArray[np.floating[Any]], int]:
    librosa = _librosa()
    mfcc, chroma, envelope, beats = _separated(music, octaves=4)
    peaks = librosa.util.peak_pick(envelope, pre_max=3, post_max=3, pre_avg=3, post_avg=5, delta=0.5, wait=10)
    columns = [
        mfcc,
        chroma,
        envelope[:, None],
        beats,
        _one_hot(peaks, len(envelope)),
    ]
    return np.concatenate(columns, axis=1), 33


def _one_hot(frames: npt.NDArray[np.integer[Any]], length: int) -> FloatArray:
    column = np.zeros((length, 1), np.float32)
    column[frames] = 1.0
    return column


_AIST_TEMPO = {"BR": (80, 10), "PO": (80, 10), "LO": (80, 10), "MH": (80, 10), "LH": (80, 10), "WA": (80, 10),
               "KR": (80, 10), "JS": (80, 10), "JB": (80, 10), "HO": (110, 5)}  # fmt: skip


def aist_tempo(stem: str) -> float | None:
    """Tempo written into the fifth field of an AIST++ file name (``mBR0`` = 80 bpm, ...), if there is one."""
    fields = stem.split("_")
    match = re.fullmatch(r"m([A-Z]{2})(\d)", fields[4]) if len(fields) > 4 else None
    if match is None or match[1] not in _AIST_TEMPO:
        return None
    base, step = _AIST_TEMPO[match[1]]
    return float(base + step * int(match[2]))


def official_beats(path: Path) -> npt.NDArray[np.float64]:
    """Beat times (K,) in seconds as MACE-Dance's 2D script finds them: 8320 Hz, hop 512, all defaults."""
    librosa = _librosa()
    music = load_audio(path, _OFFICIAL_RATE_HZ)
    _, frames = librosa.beat.beat_track(y=music.waveform, sr=music.rate_hz)
    times: npt.NDArray[np.float64] = librosa.frames_to_time(frames, sr=music.rate_hz)
    return times


def beat_vector(beats_s: npt.NDArray[np.floating[Any]], frames: int, fps: float) -> npt.NDArray[np.uint8]:
    """Mark beats on a grid of frames: a beat belongs to the frame it falls into; later ones are dropped."""
    vector = np.zeros(frames, np.uint8)
    at = (np.asarray(beats_s) * fps).astype(int)
    vector[at[at < frames]] = 1
    return vector


def lodge_beats(path: Path) -> npt.NDArray[np.intp]:
    """Beat frames at 30 per second as LODGE's beat score finds them.

    Its first guess of the tempo reads 15360 Hz samples as 22050 Hz, and the music is not cut to the dance.
    """
    librosa = _librosa()
    music = load_audio(path, 30 * _HOP)
    envelope = librosa.onset.onset_strength(y=music.waveform, sr=music.rate_hz)
    _, frames = librosa.beat.beat_track(
        onset_envelope=envelope,
        sr=music.rate_hz,
        hop_length=_HOP,
        start_bpm=float(librosa.feature.tempo(y=music.waveform)[0]),
        tightness=100,
    )
    return np.asarray(frames, np.intp)


@dataclass(frozen=True)
class Beats:
    """Beats of a piece of music.

    Attributes:
        times_s: (K,) seconds, ascending.
        tempo_bpm: 0 without beats.
        confidence: how regular the onsets are at the beat's period: the autocorrelation of the onset envelope
            there, 0..1. Noise stays below 0.2.
    """

    times_s: npt.NDArray[np.float64]
    tempo_bpm: float
    confidence: float


def track_beats(music: Music) -> Beats:
    """Find the beats of music at 22050 Hz or any other rate; the hop is 10 ms."""
    librosa = _librosa()
    hop = max(1, round(music.rate_hz / 100))
    envelope = librosa.onset.onset_strength(y=music.waveform, sr=music.rate_hz, hop_length=hop)
    tempo, frames = librosa.beat.beat_track(onset_envelope=envelope, sr=music.rate_hz, hop_length=hop)
    tempo_bpm = float(np.atleast_1d(tempo)[0])
    times = librosa.frames_to_time(frames, sr=music.rate_hz, hop_length=hop)
    if not len(frames) or tempo_bpm <= 0:
        return Beats(np.empty(0), 0.0, 0.0)
    lag = round(60.0 / tempo_bpm * music.rate_hz / hop)
    return Beats(np.asarray(times, np.float64), tempo_bpm, _periodicity(envelope, lag))


def _periodicity(envelope: npt.NDArray[np.floating[Any]], lag: int) -> float:
    """Largest autocorrelation of the envelope within a tenth of ``lag``."""
    centred = envelope.astype(np.float64) - envelope.mean()
    lags = [near for near in range(round(lag * 0.9), round(lag * 1.1) + 1) if 0 < near < len(centred) - 1]
    values = [
        float(
            centred[near:]
            @ centred[:-near]
            / np.sqrt(np.square(centred[near:]).sum() * np.square(centred[:-near]).sum())
        )
        for near in lags
        if centred[near:].any() and centred[:-near].any()
    ]
    return float(np.clip(max(values, default=0.0), 0.0, 1.0))


def write_wav(path: Path, music: Music) -> None:
    """Write music as 16-bit mono, atomically; what is beyond -1..1 is clipped."""
    samples = np.clip(np.rint(music.waveform * 32767.0), -32768, 32767).astype("<i2")
    with atomic_path(path) as temporary, wave.open(str(temporary), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(music.rate_hz)
        file.writeframes(samples.tobytes())
