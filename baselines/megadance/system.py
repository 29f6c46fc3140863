"""MEGADance as a ``motion`` system: codes of poses chosen by the experts of a genre, 8 frames each.

The authors begin with the codes of a dance of theirs; see :mod:`baselines.megadance.model`. Poses come back as the
authors' own numbers have them (:mod:`baselines.megadance.pose_codes` says how they differ from those of the data).

Options: ``weights`` (the authors' folder, or a model folder; else ``megadance`` below a weights folder) and ``genre``
(name or label). Where no genre is given, it is guessed: the one whose expert is surest of its dance to the beginning of
the song.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from baselines.motion_system import PretrainedSystem, require_music_width
from evaluation.systems import Card, Request, fit_motion, system
from mace_dance.motion.system import genre_label, music_for

if TYPE_CHECKING:
    from torch import Tensor

    from baselines.megadance.model import MegaDance, MegaDanceConfig
    from mace_dance.motion.pretrained import Pretrained
    from madata.types import Motion3D

__all__ = ["MegaDanceSystem"]

FPS = 30
_FRAMES_PER_CODE = 8

CARD = Card(
    paper="MEGADance",
    url="https://github.com/XulongT/MEGADance",
    licence="unknown",
    n_parameters=888_118_196,
    training_data=("finedance:train",),
)


@system("megadance", task="motion", fps=FPS, card=CARD, weights=("megadance",))
class MegaDanceSystem(PretrainedSystem["MegaDance", "MegaDanceConfig"]):
    """See the module."""

    name = "megadance"
    card = CARD

    def __init__(self, weights: str | None = None, genre: str | int | None = None) -> None:
        """See the module for the options."""
        super().__init__(weights)
        self._genre = genre

    def load(self, path: Path) -> Pretrained[MegaDance, MegaDanceConfig]:
        """From a model folder or the authors' folder.

        Raises:
            WeightsError: see :func:`baselines.megadance.model.load_megadance`.
            ConfigError: the model knows no such genre, or hears other music.
        """
        from baselines.megadance.model import load_megadance

        model = load_megadance(path)
        require_music_width(path, model.config.gpt.music_features, 35)
        genre_label(self._genre, model.info.genres, model.config.gpt.genres, seed=0)
        return model

    def authors_files(self, path: Path) -> Sequence[Path]:
        """See :meth:`PretrainedSystem.authors_files`."""
        from baselines.megadance.model import megadance_files

        return megadance_files(path)

    def plan(self, request: Request, device: str) -> list[str]:
        """Which weights, how many codes.

        Raises:
            WeightsError: there are no weights.
        """
        codes = -(-max(1, round(request.duration_s * FPS)) // _FRAMES_PER_CODE)
        genre = "a guessed genre" if self._genre is None else f"genre {self._genre}"
        return [f"weights {self.found()}", f"{codes} codes of 8 frames for each half of the body, {genre}"]

    def generate(self, request: Request) -> Motion3D:
        """The dance.

        Raises:
            MediaError: the music cannot be read, or is shorter than the clip.
        """
        return self.generate_many([request])[0]

    def generate_many(self, requests: Sequence[Request]) -> list[Motion3D]:
        """The dances to several songs, which share every reading of the weights.

        Raises:
            MediaError: the music of one cannot be read, or is shorter than its clip.
        """
        import torch

        from baselines.megadance.model import dance_in_genre, motion_of_pose_vectors

        network = self.on_accelerator().network
        songs = [
            torch.as_tensor(music_for(request, FPS, "megadance")[::_FRAMES_PER_CODE], device=self._device)
            for request in requests
        ]
        genres = [self._genre_of(request, song) for request, song in zip(requests, songs, strict=True)]
        danced = dance_in_genre(network, songs, torch.tensor(genres, device=self._device))
        return [
            fit_motion(motion_of_pose_vectors(poses.cpu().numpy()), request.fps, request.num_frames)
            for request, poses in zip(requests, danced, strict=True)
        ]

    def _genre_of(self, request: Request, song: Tensor) -> int:
        """The label that was given, or the one that is guessed from (N, K) music."""
        from baselines.megadance.model import guess_genre

        model = self.on_accelerator()
        if self._genre is None:
            return guess_genre(model.network, song)
        return genre_label(self._genre, model.info.genres, model.config.gpt.genres, request.seed)
