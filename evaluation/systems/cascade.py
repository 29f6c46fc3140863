"""Music -> motion -> video: a motion system and an animation system together are a video system.

The paper's Table 1 is made of such pairs. The motion is projected by the standard front camera, and the
animation system gets the keypoints as well as the motion.

Example:
    table_row = Cascade(motion_expert, appearance_expert)
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from evaluation.systems.contract import Card, Output, Request, System, Task, clip_seed, tasks_of
from evaluation.systems.folder import fit_motion
from madata.errors import MadanceError

if TYPE_CHECKING:
    from madata.types import Keypoints2D, Motion3D

__all__ = ["Cascade", "joint_card", "project_motion"]


class Cascade:
    """The ``video`` system made of two others; each stage has a seed of its own.

    Raises:
        MadanceError: the first does no ``motion``, or the second no ``animation``.
    """

    task: Task = "video"

    def __init__(self, motion: System, animation: System, *, motion_fps: float | None = None) -> None:
        """Join two systems; ``motion_fps`` is the rate of the first where it differs from the video's."""
        for stage, system in (("motion", motion), ("animation", animation)):
            if stage not in tasks_of(system.task):
                raise MadanceError(
                    f"cascade: the {stage} stage does {', '.join(tasks_of(system.task))}; it must do {stage}"
                )
        self.motion, self.animation, self._motion_fps = motion, animation, motion_fps
        self.card = joint_card(motion.card, animation.card)

    def setup(self, device: str) -> None:
        """Load the weights of both."""
        self.motion.setup(device)
        self.animation.setup(device)

    def generate(self, request: Request) -> Output:
        """Dance to the music, then paint the dance.

        Raises:
            MadanceError: the first stage gave no motion, or a shorter one.
        """
        from madata.types import Motion3D

        asked = replace(
            request,
            task="motion",
            image=None,
            fps=self._motion_fps or request.fps,
            seed=clip_seed(request.seed, "motion"),
            scratch=_folder(request, "motion"),
        )
        danced = self.motion.generate(asked)
        if not isinstance(danced, Motion3D):
            raise MadanceError(f"cascade: the motion stage gave a {type(danced).__name__}, not a Motion3D")
        danced = fit_motion(danced, request.fps, request.num_frames)
        return self.animation.generate(
            replace(
                request,
                task="animation",
                music=None,
                pose=project_motion(danced, request.size),
                motion=danced,
                seed=clip_seed(request.seed, "animation"),
                scratch=_folder(request, "animation"),
            )
        )


def _folder(request: Request, stage: str) -> Path:
    folder = request.scratch / stage
    folder.mkdir()
    return folder


def joint_card(motion: Card, animation: Card) -> Card:
    """The card of both together."""
    sizes = [card.n_parameters for card in (motion, animation)]
    return Card(
        paper=" + ".join(card.paper for card in (motion, animation) if card.paper) or None,
        licence=" + ".join(dict.fromkeys(card.licence for card in (motion, animation) if card.licence))
        or None,
        n_parameters=None if None in sizes else sum(size or 0 for size in sizes),
        training_data=tuple(dict.fromkeys((*motion.training_data, *animation.training_data))),
        notes="; ".join(card.notes for card in (motion, animation) if card.notes) or None,
    )


def project_motion(motion: Motion3D, size: tuple[int, int]) -> Keypoints2D:
    """A motion as the standard front camera sees it: (T, J, 2) px, score 1 in the picture and 0 outside."""
    import numpy as np

    from madata.motion import joint_positions
    from madata.render import front_camera
    from madata.types import Keypoints2D

    joints = joint_positions(motion, up="y")
    camera = front_camera([joints], size)
    score = camera.visible(joints).astype(np.float32)
    return Keypoints2D(camera.project(joints), score, motion.skeleton, motion.fps, size)
