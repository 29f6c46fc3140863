"""MNET as a ``motion`` system: 30 frames of dance at a time, in one of ten genres, from 1 s of motion before the music.

The authors start from the real dance. Here a dance starts with the music: what lies before it is the option
``seed_motion`` (any motion file; its last second is taken), or else somebody who stands still, and for this second the
network hears silence, as it does in the half second that it looks ahead of the song's end. So a dance is as long as
asked and needs no truth.

Options: ``weights`` (the authors' ``last.ckpt``, or a model folder; else ``mnet`` below a weights folder),
``seed_motion`` and ``genre`` (name or label). Where no genre is given, names of AIST++ say theirs to a network that
knows these ten (``gBR_...`` of a clip, ``mBR0`` of its music); it is drawn from the clip's seed where they do not.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from baselines.motion_system import PretrainedSystem, read_seed_motion, require_music_width
from evaluation.systems import Card, Request, fit_motion, system
from mace_dance.motion.system import genre_label
from madata.errors import MadanceError, MediaError

if TYPE_CHECKING:
    from baselines.mnet.network import Mnet, MnetConfig
    from mace_dance.motion.pretrained import Pretrained
    from madata.types import FloatArray, Motion3D

__all__ = ["MnetSystem", "aist_genre"]

FPS = 60

CARD = Card(
    paper="MNET",
    url="https://github.com/jw09191/MNET",
    licence="MIT",
    n_parameters=79_836_307,
    training_data=("aist++:train",),
)
_CODES = ("BR", "PO", "LO", "MH", "LH", "HO", "WA", "KR", "JS", "JB")
_AIST_NAME = re.compile(rf"(?:^|_)(?:g({'|'.join(_CODES)})_|m({'|'.join(_CODES)})\d)")
_HELD_FRAMES = 2


@system("mnet", task="motion", fps=FPS, card=CARD, weights=("mnet",))
class MnetSystem(PretrainedSystem["Mnet", "MnetConfig"]):
    """See the module."""

    name = "mnet"
    card = CARD

    def __init__(
        self, weights: str | None = None, seed_motion: str | None = None, genre: str | int | None = None
    ) -> None:
        """See the module for the options."""
        super().__init__(weights)
        self._seed_motion = None if seed_motion is None else Path(seed_motion).expanduser()
        self._genre = genre

    def load(self, path: Path) -> Pretrained[Mnet, MnetConfig]:
        """From a model folder or a checkpoint; genre and seed motion are looked at, too.

        Raises:
            WeightsError: see :func:`baselines.mnet.network.load_mnet`.
            ConfigError: the model knows no such genre, or hears other music.
            MediaError: the seed motion cannot be read or is too short.
        """
        from baselines.mnet.network import load_mnet

        model = load_mnet(path)
        require_music_width(path, model.config.music_features, 438)
        genre_label(self._genre, model.info.genres, model.config.genres, seed=0)
        self._seed(model.config.seed_frames)
        return model

    def plan(self, request: Request, device: str) -> list[str]:
        """Which weights, how many windows.

        Raises:
            WeightsError: there are no weights.
            MediaError: the seed motion cannot be read.
        """
        self._seed(1)
        windows = -(-max(1, round(request.duration_s * FPS)) // 30)
        return [f"weights {self.found()}", f"{windows} windows, 30 frames each"]

    def generate(self, request: Request) -> Motion3D:
        """The dance.

        Raises:
            MediaError: the music cannot be read, or is shorter than the clip.
        """
        import torch

        from baselines.genre_transformer import NOISE_WIDTH
        from baselines.mnet.network import GENRES, dance_in_steps
        from madata.motion import decode

        model = self.on_accelerator()
        config = model.config
        wanted = self._genre
        if wanted is None and model.info.genres in (GENRES, _CODES):  # a network may know others
            wanted = aist_genre(request.clip_id, "" if request.music is None else request.music.stem)
        genre = genre_label(wanted, model.info.genres, config.genres, request.seed)
        noise = torch.randn(1, NOISE_WIDTH, generator=torch.Generator().manual_seed(request.seed))
        music = self._music(request, config)
        danced = dance_in_steps(
            model.network,
            torch.as_tensor(self._seed(config.seed_frames)[None], device=self._device),
            torch.as_tensor(music[None], device=self._device),
            noise.to(self._device),
            torch.tensor([genre], device=self._device),
        )
        vectors = danced[0].cpu().numpy()
        motion = decode(vectors, "mnet-75", FPS, source=f"the dance to {request.clip_id}")
        return fit_motion(motion, request.fps, request.num_frames)

    def _music(self, request: Request, config: MnetConfig) -> FloatArray:
        """(T, K) features of the song with silence before and after it."""
        import soundfile

        from madata.music import load_audio, music_features

        if request.music is None:
            raise MadanceError(f"{request.clip_id}: a dance needs music")
        sound = load_audio(request.music)
        rate, lasts_s = sound.rate_hz, len(sound.waveform) / sound.rate_hz
        if lasts_s + _HELD_FRAMES / FPS < request.duration_s:
            raise MediaError(
                f"{request.music}: lasts {lasts_s:.2f} s, {request.duration_s:.2f} s are asked for",
                reason="too_short",
            )
        windows = -(-max(1, round(request.duration_s * FPS)) // config.step_frames)
        frames = (windows - 1) * config.step_frames + max(
            config.music_frames, config.seed_frames + config.step_frames
        )
        before, whole = (round(count / FPS * rate) for count in (config.seed_frames, frames))
        heard = np.concatenate([np.zeros(before, np.float32), sound.waveform])[:whole]
        path = request.scratch / f"{request.music.stem}_padded.wav"
        soundfile.write(path, np.pad(heard, (0, whole - len(heard))), rate, subtype="FLOAT")
        values = music_features(path, "bailando", FPS).values
        path.unlink()
        return np.ascontiguousarray(values[np.minimum(np.arange(frames), len(values) - 1)])

    def _seed(self, frames: int) -> FloatArray:
        """(S, 75) of what is danced before the music."""
        from madata.motion import encode

        if self._seed_motion is None:
            return np.zeros((frames, 75), np.float32)
        return encode(read_seed_motion(self._seed_motion, frames, FPS), "mnet-75")


def aist_genre(*names: str) -> int | None:
    """The label in the first name of AIST++'s form, if there is one.

    Example:
        >>> aist_genre("song"), aist_genre("gPO_sBM_cAll_d10_mPO0_ch01"), aist_genre("clip", "mJB3")
        (None, 1, 9)
    """
    for name in names:
        if found := _AIST_NAME.search(name):
            return _CODES.index(found[1] or found[2])
    return None
