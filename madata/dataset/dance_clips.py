"""Samples to train on: a PyTorch data set over the clips of a folder.

    from torch.utils.data import DataLoader
    from madata.dataset import DanceClips

    for batch in DataLoader(DanceClips("ma-data", fps=16, size=(480, 832)), batch_size=4, num_workers=8): ...

A sample is a window of a clip. Which window is a function of the seed, the epoch and the clip alone: neither the
order of the samples, nor the number of workers or machines changes it. A data loader with persistent workers sees a
new epoch too: :meth:`DanceClips.set_epoch` writes into memory that they share.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch.utils.data import Dataset

from madata.dataset.clips import ClipTable
from madata.dataset.window import (
    ClipWindow,
    window_frames,
    window_keypoints,
    window_music,
    window_waveform,
)
from madata.errors import ConfigError, MadanceError, did_you_mean
from madata.seeds import seed_of
from madata.types import Clip
from madata.video.frames import HELD_FRAMES
from madata.video.geometry import Fit

__all__ = ["DanceClips", "Part"]

Part = Literal["frames", "waveform", "music", "keypoints"]
_FILES: dict[str, Callable[[Clip], bool]] = {
    "frames": lambda clip: clip.path is not None,
    "waveform": lambda clip: clip.path is not None and clip.has_sound,
    "music": lambda clip: clip.music is not None,
    "keypoints": lambda clip: clip.keypoints is not None,
}


class DanceClips(Dataset[dict[str, Any]]):
    """Windows of the clips of a data set, one for each clip and epoch.

    A sample has ``clip_id``, ``genre`` (empty where nobody has said it), ``start_s``, and of the parts asked for:

    | part | holds |
    |---|---|
    | ``frames`` | ``frames`` (T, 3, H, W) uint8 RGB |
    | ``waveform`` | ``waveform`` (N,) float32, mono, -1..1 |
    | ``music`` | ``music`` (M, 35) float32 features at 30 a second, see :mod:`madata.music` |
    | ``keypoints`` | ``xy`` (T, J, 2) px of the frames and ``score`` (T, J), float32 |

    Attributes:
        clips: those that are drawn from.
        left_out: clips of the split that are shorter than a window.

    Args:
        folder: of the data set.
        split: its name; ``None`` is all.
        parts: what a sample holds; what is not asked for is not opened.
        fps: of the sample, whatever that of a clip.
        seconds: length of a window.
        size: (width, height) px of the frames.
        fit: ``crop`` fills the picture and cuts the overhang, ``pad`` adds black.
        rate_hz: of the waveform.
        skeleton: the joints wanted: halves of a data set may know different ones.
        windows: ``random`` anew in each epoch, or the ``first`` of a clip.
        clip_ids: only these, such as what a query of ``clips.parquet`` gives.
        seed: of the windows.

    Raises:
        MadanceError: the folder has no such split, or its clips lack a part.
        ConfigError: a part is unknown, or no clip is long enough.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        split: str | None = "train",
        parts: Sequence[Part] = ("frames", "waveform", "keypoints"),
        fps: float = 30.0,
        seconds: float = 5.0,
        size: tuple[int, int] = (480, 832),
        fit: Fit = "crop",
        rate_hz: int = 22050,
        skeleton: str = "coco-17",
        windows: Literal["random", "first"] = "random",
        clip_ids: Collection[str] | None = None,
        seed: int = 0,
    ) -> None:
        for part in parts:
            if part not in get_args(Part):
                raise ConfigError(f"no part {part!r}{did_you_mean(part, get_args(Part))}")
        self.parts, self.fps, self.size, self.fit = tuple(parts), fps, size, fit
        self.num_frames = max(1, round(seconds * fps))
        self.rate_hz, self.skeleton, self.windows, self.seed = rate_hz, skeleton, windows, seed
        table = ClipTable.read(Path(folder), split)
        chosen = table if clip_ids is None else table.of_ids(clip_ids)
        self.clips = chosen.lasting((self.num_frames - HELD_FRAMES) / fps)
        self.left_out = len(chosen) - len(self.clips)
        if not len(self.clips):
            raise ConfigError(
                f"{folder}: none of its {len(chosen)} clips lasts {self.num_frames / fps:g} s; ask for fewer seconds"
            )
        self._require_parts()
        # seen by workers that are there already
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()  # type: ignore[no-untyped-call]

    def _require_parts(self) -> None:
        for clip in self.clips:
            absent = [part for part in self.parts if not _FILES[part](clip)]
            if absent:
                others = ", ".join(part for part in self.parts if part not in absent) or "other parts"
                raise MadanceError(
                    f"{self.clips.folder}: clip {clip.clip_id} has no {absent[0]}; ask for {others} alone, or name "
                    "the clips that have it (clip_ids)"
                )

    @property
    def epoch(self) -> int:
        """The epoch whose windows are drawn."""
        return int(self._epoch)

    def set_epoch(self, epoch: int) -> None:
        """Draw the windows of this epoch from now on, in workers that are there already too."""
        self._epoch.fill_(epoch)

    def __len__(self) -> int:
        return len(self.clips)

    def window(self, index: int) -> ClipWindow:
        """The window of a clip in this epoch; it begins on a frame of the clip."""
        return self._window(self.clips[index])

    def _window(self, clip: Clip) -> ClipWindow:
        start_s = 0.0
        if self.windows == "random":
            spare = int((clip.duration_s - self.num_frames / self.fps) * clip.fps + 1e-6)
            rng = np.random.default_rng(seed_of(self.seed, str(self.epoch), clip.clip_id))
            start_s = int(rng.integers(max(0, spare) + 1)) / clip.fps
        return ClipWindow(start_s, self.fps, self.num_frames, self.size, self.fit)

    def __getitem__(self, index: int) -> dict[str, Any]:
        clip = self.clips[index]
        window = self._window(clip)
        sample: dict[str, Any] = {
            "clip_id": clip.clip_id,
            "genre": clip.genre or "",
            "start_s": window.start_s,
        }
        if clip.path is not None and "frames" in self.parts:
            sample["frames"] = torch.from_numpy(window_frames(clip.path, window)).permute(0, 3, 1, 2)
        if clip.path is not None and "waveform" in self.parts:
            sample["waveform"] = torch.from_numpy(window_waveform(clip.path, window, self.rate_hz))
        if clip.music is not None and "music" in self.parts:
            sample["music"] = torch.from_numpy(window_music(clip.music, window))
        if clip.keypoints is not None and "keypoints" in self.parts:
            points = window_keypoints(clip.keypoints, window, self.skeleton)
            sample |= {"xy": torch.from_numpy(points.xy), "score": torch.from_numpy(points.score)}
        return sample
