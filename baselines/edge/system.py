"""EDGE as a ``motion`` system: the published way from a song to a dance (its ``test.py``).

The song is cut into windows of 5 s that begin every 2.5 s; the features of each window are computed from that window
alone; all windows are sampled together and stitched (:mod:`baselines.edge.network`). Which features, 35 or those of
Jukebox, the weights say. Published code leaves the end of a song that fills no window without a dance; here silence is
appended, so that a dance is as long as asked, and songs shorter than 5 s can be danced to.

Features computed elsewhere are taken from ``<music name>.npy`` in the folder ``features``, or beside the music where
the network needs Jukebox: (T, K) of the whole song at 30 frames per second, or (windows, 150, K) as EDGE caches them.

Weights: the option ``weights`` (the authors' ``checkpoint.pt``, or a model folder), else ``edge/checkpoint.pt`` below a
weights folder.

Legend: W windows, T frames, K music features.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from baselines.motion_system import PretrainedSystem
from evaluation.systems import Card, Request, fit_motion, system
from madata.errors import ConfigError, MadanceError, MediaError
from madata.files import read_npy

if TYPE_CHECKING:
    from baselines.edge.network import Edge, EdgeConfig
    from mace_dance.motion.pretrained import Pretrained
    from madata.types import FloatArray, Motion3D

__all__ = ["EdgeSystem", "cut_song", "windows_needed"]

FPS = 30

CARD = Card(
    paper="EDGE",
    url="https://github.com/Stanford-TML/EDGE",
    licence="MIT",
    n_parameters=49_464_471,
    training_data=("aist++:train",),
)
_HELD_FRAMES = 2


@system("edge", task="motion", fps=30, card=CARD, weights=("edge",))
class EdgeSystem(PretrainedSystem["Edge", "EdgeConfig"]):
    """See the module."""

    name = "edge"
    card = CARD

    def __init__(self, weights: str | None = None, features: str | None = None) -> None:
        """See the module for the options."""
        super().__init__(weights)
        self._features = None if features is None else Path(features).expanduser()
        self._jukebox: Callable[[Path], FloatArray] | None = None

    def load(self, path: Path) -> Pretrained[Edge, EdgeConfig]:
        """From a model folder or a ``checkpoint.pt``.

        Raises:
            WeightsError: see :func:`baselines.edge.network.load_edge`.
            ConfigError: the network takes other music features than there are.
        """
        from baselines.edge.jukebox import JUKEBOX_WIDTH
        from baselines.edge.network import load_edge

        model = load_edge(path)
        if model.config.music_features not in (35, JUKEBOX_WIDTH) and self._features is None:
            raise ConfigError(
                f"{path}: takes {model.config.music_features} music features a frame, neither 35 nor "
                f"{JUKEBOX_WIDTH}: give a folder of them (--set features=FOLDER)"
            )
        return model

    def plan(self, request: Request, device: str) -> list[str]:
        """Which weights, how many windows.

        Raises:
            WeightsError: there are no weights.
        """
        return [
            f"weights {self.found()}",
            f"{request.duration_s:g} s in windows that overlap by half, two passes a step",
        ]

    def generate(self, request: Request) -> Motion3D:
        """The dance.

        Raises:
            MediaError: the music or its features cannot be read, or are shorter than the clip.
            MissingDependencyError: the features are those of Jukebox and it is not installed.
        """
        import torch

        from baselines.edge.network import sample_edge_long, stitch
        from mace_dance.motion.diffusion import cosine_schedule, seeded_noise

        model, device = self.on_accelerator(), self._device
        network, config = model.network, model.config
        count = windows_needed(max(1, round(request.duration_s * FPS)), config.frames)
        music = torch.as_tensor(self._music(request, count, config), device=device)
        noise = seeded_noise([request.seed], count * config.frames, config.features, device)
        normalised = sample_edge_long(
            network,
            music,
            lambda: noise().reshape(count, config.frames, config.features),
            cosine_schedule().to(device),
        )
        motion = stitch(model.normaliser.unnormalise(normalised).cpu().numpy())
        return fit_motion(motion, request.fps, request.num_frames)

    def _music(self, request: Request, count: int, config: EdgeConfig) -> FloatArray:
        """(W, T, K) features of the windows."""
        from baselines.edge.jukebox import JUKEBOX_WIDTH, load_jukebox

        if request.music is None:
            raise MadanceError(f"{request.clip_id}: a dance needs music")
        needs_jukebox = config.music_features == JUKEBOX_WIDTH
        frames = round(request.duration_s * FPS)
        if self._features is not None:
            return _cached(self._features / f"{request.music.stem}.npy", frames, count, config)
        if needs_jukebox and (beside := request.music.with_suffix(".npy")).is_file():
            return _cached(beside, frames, count, config)
        if needs_jukebox and self._jukebox is None:
            self._jukebox = load_jukebox()
        extract = self._jukebox if needs_jukebox and self._jukebox is not None else _baseline
        parts = [
            _first_frames(extract(path), config.frames, path)
            for path in cut_song(request.music, request.scratch, request.duration_s, count, config.frames)
        ]
        return np.stack(parts)


def windows_needed(frames: int, length: int) -> int:
    """How many windows of ``length`` frames, each beginning half a window after the one before, cover ``frames``.

    Example:
        >>> windows_needed(30, 150), windows_needed(150, 150), windows_needed(151, 150)
        (1, 1, 2)
    """
    return max(0, math.ceil((frames - length) / (length // 2))) + 1


def cut_song(music: Path, folder: Path, duration_s: float, count: int, frames: int) -> Iterator[Path]:
    """Windows of a song as sound files in ``folder``, one after the other; silence follows the song's end.

    Raises:
        MediaError: the song cannot be read, or is shorter than ``duration_s`` by more than two frames.
    """
    import soundfile

    from madata.music import load_audio

    sound = load_audio(music)
    rate, lasts_s = sound.rate_hz, len(sound.waveform) / sound.rate_hz
    if lasts_s + _HELD_FRAMES / FPS < duration_s:
        raise MediaError(
            f"{music}: lasts {lasts_s:.2f} s, {duration_s:.2f} s are asked for", reason="too_short"
        )
    length, stride = int(frames / FPS * rate), int(frames / 2 / FPS * rate)
    for index in range(count):
        part = sound.waveform[index * stride : index * stride + length]
        path = folder / f"{music.stem}_slice{index}.wav"
        soundfile.write(path, np.pad(part, (0, length - len(part))), rate)
        yield path
        path.unlink()


def _baseline(path: Path) -> FloatArray:
    from madata.music import music_features

    return music_features(path, fps=FPS).values


def _first_frames(values: FloatArray, frames: int, source: Path, needed: int | None = None) -> FloatArray:
    """The first ``frames`` rows, of which there are ``needed`` but for rounding; the last is held to the end."""
    needed = frames if needed is None else needed
    if len(values) + _HELD_FRAMES < needed or not len(values):
        raise MediaError(
            f"{source}: holds features of {len(values)} frames, {needed} are needed", reason="too_short"
        )
    return values[np.minimum(np.arange(frames), len(values) - 1)]


def _cached(path: Path, danced: int, count: int, config: EdgeConfig) -> FloatArray:
    """(W, T, K) from a file of features, whole or in windows."""
    values = read_npy(path)
    frames, width = config.frames, config.music_features
    if values.dtype.kind != "f" or values.ndim not in (2, 3) or values.shape[-1] != width:
        raise MediaError(
            f"{path}: expected (T, {width}) or (windows, {frames}, {width}) numbers, got {values.dtype} "
            f"{values.shape}",
            reason="bad_features",
        )
    if not np.isfinite(values).all():
        raise MediaError(f"{path}: holds NaN or infinity", reason="not_finite")
    values = values.astype(np.float32)
    if values.ndim == 2:
        half = frames // 2
        whole = _first_frames(values, half * (count + 1), path, danced)
        return np.stack([whole[half * index : half * index + frames] for index in range(count)])
    if len(values) < count or values.shape[1] != frames:
        raise MediaError(
            f"{path}: holds {len(values)} windows of {values.shape[1]} frames, {count} of {frames} are needed",
            reason="too_short",
        )
    return np.ascontiguousarray(values[:count])
