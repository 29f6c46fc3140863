"""Lodge as a ``motion`` system: dance primitives to the whole song, then the frames between them.

Music of any length is danced to as a whole (:mod:`baselines.lodge.model`). Published code leaves out the end of a song
that fills no slice of 256 frames, and music below 1024 frames; here a dance is as long as asked.

Options: ``weights`` (the authors' ``exp`` folder, or a model folder; else ``lodge`` below a weights folder), ``genre``
(name or label; drawn from the clip's seed where none is given) and ``soft`` (0..1, the share of sampling that hints
hold for).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from baselines.motion_system import PretrainedSystem, require_music_width
from evaluation.systems import Card, Request, fit_motion, system
from mace_dance.motion.system import genre_label, music_for
from madata.errors import ConfigError

if TYPE_CHECKING:
    from baselines.lodge.model import Lodge, LodgeConfig
    from mace_dance.motion.pretrained import Pretrained
    from madata.types import Motion3D

__all__ = ["LodgeSystem"]

FPS = 30

CARD = Card(
    paper="Lodge",
    url="https://github.com/li-ronghui/LODGE",
    licence="unknown",
    n_parameters=108_225_441,
    training_data=("finedance:train",),
)


@system("lodge", task="motion", fps=FPS, card=CARD, weights=("lodge",))
class LodgeSystem(PretrainedSystem["Lodge", "LodgeConfig"]):
    """See the module."""

    name = "lodge"
    card = CARD

    def __init__(self, weights: str | None = None, genre: str | int | None = None, soft: float = 1.0) -> None:
        """See the module for the options.

        Raises:
            ConfigError: ``soft`` is out of range.
        """
        super().__init__(weights)
        if not isinstance(soft, int | float) or not 0 <= soft <= 1:
            raise ConfigError(f"soft is in 0..1, got {soft!r}")
        self._genre, self._soft = genre, soft

    def load(self, path: Path) -> Pretrained[Lodge, LodgeConfig]:
        """From a model folder or the authors' checkpoints.

        Raises:
            WeightsError: see :func:`baselines.lodge.model.load_lodge`.
            ConfigError: the model knows no such genre, or hears other music.
        """
        from baselines.lodge.model import load_lodge

        model = load_lodge(path)
        require_music_width(path, model.config.coarse.music_features, 35)
        genre_label(self._genre, model.info.genres, model.config.fine.genres, seed=0)
        return model

    def authors_files(self, path: Path) -> Sequence[Path]:
        """See :meth:`PretrainedSystem.authors_files`."""
        from baselines.lodge.model import lodge_files

        return lodge_files(path)

    def plan(self, request: Request, device: str) -> list[str]:
        """Which weights, how many slices.

        Raises:
            WeightsError: there are no weights.
        """
        slices = -(-max(1, round(request.duration_s * FPS)) // 256)
        return [
            f"weights {self.found()}",
            f"slices of 256 frames between primitives: {slices}; two passes a step for both networks",
        ]

    def generate(self, request: Request) -> Motion3D:
        """The dance.

        Raises:
            MediaError: the music cannot be read, or is shorter than the clip.
        """
        import torch

        from baselines.lodge.model import dance_coarse_to_fine
        from madata.motion import decode

        model = self.on_accelerator()
        heard = music_for(request, FPS)
        genre = genre_label(self._genre, model.info.genres, model.config.fine.genres, request.seed)
        music = torch.as_tensor(heard, device=self._device)
        vectors = dance_coarse_to_fine(model, music, len(heard), genre, request.seed, self._soft)
        motion = decode(vectors, model.info.layout, FPS, source=f"the dance to {request.clip_id}")
        return fit_motion(motion, request.fps, request.num_frames)
