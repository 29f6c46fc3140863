"""The folder of AIST++: ``motions/<clip_id>.pkl`` (SMPL, 60 fps), ``wavs/<clip_id>.wav``, ``splits/<split>.txt``.

Only rendered clips have a 3D motion.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from madata.dataset.export import Exported, ExportFormat
from madata.dataset.rendered_motion import motions_of
from madata.files import write_text
from madata.motion.formats.smpl import AIST_FPS, write_aist

if TYPE_CHECKING:
    from madata.dataset.clips import ClipTable

__all__ = ["EXPORT"]


def _write(clips: ClipTable, out: Path) -> Exported:
    from madata.music import write_wav
    from madata.video import read_audio

    done = Exported()
    splits: dict[str, list[str]] = defaultdict(list)
    for clip, motion in motions_of(clips, AIST_FPS, done):
        write_aist(out / "motions" / f"{clip.clip_id}.pkl", motion)
        if clip.path is not None and clip.has_sound:
            write_wav(out / "wavs" / f"{clip.clip_id}.wav", read_audio(clip.path))
        splits[clip.split].append(clip.clip_id)
    for split, names in splits.items():
        write_text(out / "splits" / f"{split}.txt", "".join(f"{name}\n" for name in names))
    return done


EXPORT = ExportFormat("motions and music as AIST++ has them (rendered clips)", _write)
