"""The folder of FineDance: ``motion/NNN.npy`` (315 columns), ``music_wav/NNN.wav``, ``label_json/NNN.json``.

Only rendered clips have a 3D motion. Clips are numbered in the order of their ids; ``clips.csv`` says which is which
and in which split. Hands, of which a rendered clip knows nothing, rest.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from madata.dataset.export import Exported, ExportFormat
from madata.dataset.rendered_motion import motions_of
from madata.files import atomic_path, write_json
from madata.motion import encode

if TYPE_CHECKING:
    from madata.dataset.clips import ClipTable

__all__ = ["EXPORT"]

_LAYOUT, _FPS = "finedance-315", 30.0


def _write(clips: ClipTable, out: Path) -> Exported:
    from madata.music import write_wav
    from madata.video import read_audio

    done = Exported()
    index = [("number", "clip_id", "split")]
    for number, (clip, motion) in enumerate(motions_of(clips, _FPS, done), start=1):
        name = f"{number:03d}"
        with atomic_path(out / "motion" / f"{name}.npy") as temporary:
            np.save(temporary, encode(motion, _LAYOUT))
        if clip.path is not None and clip.has_sound:
            write_wav(out / "music_wav" / f"{name}.wav", read_audio(clip.path))
        genre = clip.genre or ""
        write_json(
            out / "label_json" / f"{name}.json", {"name": clip.clip_id, "style1": genre, "style2": genre}
        )
        index.append((name, clip.clip_id, clip.split))
    with atomic_path(out / "clips.csv") as temporary, temporary.open("w", newline="") as stream:
        csv.writer(stream, lineterminator="\n").writerows(index)
    return done


EXPORT = ExportFormat("motions, music and labels as FineDance has them (rendered clips)", _write)
