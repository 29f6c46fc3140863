"""A folder of finished files as a system: ``<clip_id>.mp4``, or motions. No code is needed to enter a table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from evaluation.systems.contract import Card, Output, Request, Task
from madata.errors import MadanceError, MediaError
from madata.formats import SUFFIXES, is_a, stem_of

if TYPE_CHECKING:
    from madata.types import Motion3D

__all__ = ["FolderSystem", "fit_motion"]


class FolderSystem:
    """Gives back the file of each clip. Videos are taken as they are, motions brought to the rate and length asked.

    Attributes:
        files: clip id -> file.
    """

    card = Card(notes="finished files; how they were made is not known")

    def __init__(self, folder: Path) -> None:
        """Look into ``folder``.

        Raises:
            MadanceError: it holds neither videos nor motions, or both, or two files of one clip.
        """
        from evaluation.inputs.discovery import clip_files  # a system of its own needs none of it

        self.folder = folder
        found: dict[str, list[Path]] = {}
        for path in clip_files(folder):
            if is_a(path, "video", "motion"):
                found.setdefault(stem_of(path), []).append(path)
        if not found:
            wanted = ", ".join((*SUFFIXES["video"], *SUFFIXES["motion"]))
            raise MadanceError(f"{folder}: holds no clip (expected <clip_id> with {wanted})")
        if twice := [stem for stem, paths in found.items() if len(paths) > 1]:
            raise MadanceError(
                f"{folder}: several files of one clip: {', '.join(map(str, found[twice[0]]))}; keep one"
            )
        self.files = {stem: paths[0] for stem, paths in found.items()}
        kinds = {is_a(path, "video") for path in self.files.values()}
        if len(kinds) > 1:
            raise MadanceError(f"{folder}: holds videos and motions; give each a folder of its own")
        self.task: Task = "video" if kinds == {True} else "motion"

    def setup(self, device: str) -> None:
        """Nothing is loaded."""

    def generate(self, request: Request) -> Output:
        """The file of the clip.

        Raises:
            MediaError: there is none.
        """
        path = self.files.get(request.clip_id)
        if path is None:
            raise MediaError(f"{self.folder.name}: no file {request.clip_id}.*", reason="missing")
        if self.task == "video":
            return path
        from madata.motion import read_motion

        return fit_motion(read_motion(path), request.fps, request.num_frames)


def fit_motion(motion: Motion3D, fps: float, num_frames: int) -> Motion3D:
    """The motion at ``fps``, cut to ``num_frames``; what two grids differ by at the end is held still.

    Raises:
        MediaError: the motion is shorter than that.
    """
    from dataclasses import replace

    import numpy as np

    from madata.motion import resample

    tolerance = int(np.ceil(fps / motion.fps))
    seconds = len(motion.rotation) / motion.fps
    motion = resample(motion, fps)
    lacking = num_frames - len(motion.rotation)
    if lacking > tolerance:
        raise MediaError(
            f"the motion lasts {seconds:.3f} s, {num_frames / fps:.3f} s are needed", reason="too_short"
        )
    rows = np.minimum(np.arange(num_frames), len(motion.rotation) - 1)
    return replace(motion, rotation=motion.rotation[rows], translation=motion.translation[rows])
