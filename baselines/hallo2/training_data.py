"""What Hallo2 is trained on: clips of a MA-Data folder, their sound heard and their person found once.

Kept of each clip, below a folder named by all that decides it: what wav2vec hears at 25 frames a second, and the region
of the person in all of the clip together, as upstream takes the face's. Pictures are decoded when they are asked for. A
sample is a stretch of frames, the two before it, and another picture of the same clip, each drawn anew.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from baselines.hallo2.masks import Image, find_mask, read_mask, region_of
from baselines.hallo2.settings import BEFORE
from baselines.hallo2.sound import RATE_HZ, heard_at, neighbours
from mace_dance.appearance.run_folder import network_fingerprint, read_tensor, write_tensor
from madata.dataset import ClipTable
from madata.dataset.window import ClipWindow, window_frames, window_waveform
from madata.errors import ConfigError, MadanceError
from madata.files import sha256_bytes, sha256_file
from madata.types import Clip, FloatArray

__all__ = ["FPS", "TrainingClips"]

FPS = 25
_REACH = 2  # frames whose sound a frame hears on either side
_LOOKS = 8  # pictures of a clip in which the person is looked for


@dataclass(frozen=True, eq=False)
class TrainingClips:
    """The clips of a split that are long enough and have sound.

    Attributes:
        clips: as they lie in the table.
        frames: of a sample.
        size: side of its pictures, px.
        masks: a mask, or a folder of masks named by clip; ``None``: the person is found.
        cache: where what is made once is kept.
    """

    folder: Path
    clips: tuple[Clip, ...]
    frames: int
    size: int
    masks: Path | None
    cache: Path

    @classmethod
    def read(
        cls, folder: Path, split: str, frames: int, size: int, masks: Path | None, cache: Path
    ) -> TrainingClips:
        """Read the table of a MA-Data folder.

        Raises:
            MadanceError: there is no such folder or split.
            ConfigError: no clip is long enough and has sound.
        """
        table = ClipTable.read(folder, split)
        least = BEFORE + frames + _REACH + 2
        whole = tuple(clip for clip in table.lasting(least / FPS) if clip.path is not None and clip.has_sound)
        if not whole:
            raise ConfigError(
                f"{folder}: no clip of the split {split!r} has sound and lasts {least / FPS:g} s"
            )
        return cls(folder, whole, frames, size, masks, cache)

    def facts(self) -> dict[str, Any]:
        """What decides the samples, as JSON values."""
        return {
            "clips": sha256_file(self.folder / "clips.parquet"),
            "used": sha256_bytes("\n".join(clip.clip_id for clip in self.clips).encode()),
            "masks": None if self.masks is None else str(self.masks),
        }

    def encode(self, wav2vec: Any, tell: Callable[[int, int, str], None]) -> EncodedClips:
        """Hear and look at every clip that was not yet; ``tell`` hears how many of how many are done, and of which.

        Raises:
            MadanceError: a clip cannot be read, or nobody is found in it; the message names it.
        """
        settled = f"{network_fingerprint(wav2vec)} {self.size} {self.masks}"
        folder = self.cache / sha256_bytes(settled.encode())[:16]
        folder.mkdir(parents=True, exist_ok=True)
        for done, clip in enumerate(self.clips):
            sound, region = folder / f"{clip.clip_id}.sound", folder / f"{clip.clip_id}.region"
            if not sound.is_file():
                tell(done, len(self.clips), clip.clip_id)
                write_tensor(sound, heard_at(wav2vec, self._waveform(clip), _length(clip), FPS))
            if not region.is_file():
                write_tensor(region, torch.from_numpy(self._region(clip)))
        return EncodedClips(self, folder)

    def _waveform(self, clip: Clip) -> Tensor:
        assert clip.path is not None
        window = ClipWindow(0.0, FPS, _length(clip), (self.size, self.size))
        return torch.from_numpy(window_waveform(clip.path, window, RATE_HZ))

    def _region(self, clip: Clip) -> Image:
        """(size, size) 0 or 255 where the person is at any time."""
        try:
            return region_of(self._mask(clip))
        except MadanceError as error:
            raise MadanceError(f"{self.folder}: clip {clip.clip_id}: {error}") from error

    def _mask(self, clip: Clip) -> FloatArray:
        if self.masks is not None:
            size = (self.size, self.size)
            return read_mask(find_mask(self.masks, clip.clip_id), size, "crop")  # as window_frames does
        from madata.pose.segmentation import person_mask

        assert clip.path is not None
        rate = _LOOKS / clip.duration_s
        pictures = window_frames(clip.path, ClipWindow(0.0, rate, _LOOKS, (self.size, self.size)))
        return np.asarray(np.max([person_mask(picture) for picture in pictures], axis=0), np.float32)


@dataclass(frozen=True, eq=False)
class EncodedClips:
    """Samples of clips that were heard and looked at."""

    data: TrainingClips
    folder: Path

    def sample(self, index: int, rng: np.random.Generator) -> dict[str, Tensor]:
        """A stretch of a clip.

        Returns:
            ``pictures`` (1 + 2 + T, 3, H, W) uint8: another picture of the clip, the two frames before, the frames;
            ``sound`` (T, 5, layers, features); ``region`` (H, W) uint8.
        """
        clip, count = self.data.clips[index], self.data.frames
        assert clip.path is not None
        last = _length(clip) - count - _REACH - 1
        start, other = (int(rng.integers(BEFORE, last + 1)) for _ in range(2))
        size = (self.data.size, self.data.size)
        shown = [
            window_frames(clip.path, ClipWindow(begin / FPS, FPS, frames, size))
            for begin, frames in ((other, 1), (start - BEFORE, BEFORE + count))
        ]
        sound = read_tensor(self.folder / f"{clip.clip_id}.sound")
        return {
            "pictures": torch.from_numpy(np.concatenate(shown)).permute(0, 3, 1, 2).contiguous(),
            "sound": neighbours(sound)[start : start + count],
            "region": read_tensor(self.folder / f"{clip.clip_id}.region"),
        }

    def batch(self, indices: Sequence[int], rng: np.random.Generator) -> dict[str, Tensor]:
        """Samples, stacked."""
        samples = [self.sample(index, rng) for index in indices]
        return {name: torch.stack([sample[name] for sample in samples]) for name in samples[0]}


def _length(clip: Clip) -> int:
    """Frames of a clip at 25 a second."""
    return int(clip.duration_s * FPS + 1e-6)
