"""Music -> motion -> video: a motion system and an animation system together are a video system.

The paper's Table 1 is made of such pairs. The motion is made at the motion system's own frame rate and brought to
the video's by time; the standard front camera projects it, and the animation system gets the keypoints as well as
the motion. What a request keeps (``request.keep``):

    motion.npz    the dance at its own frame rate; where it is there and fits, it is not made again
    motion/       what the motion system keeps
    animation/    what the animation system keeps

Example:
    table_row = Cascade(motion_expert, appearance_expert)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluation.systems.contract import (
    Card,
    Output,
    Request,
    System,
    Task,
    clip_seed,
    optional_method,
    tasks_of,
)
from evaluation.systems.folder import fit_motion
from evaluation.systems.plugin import Loaded
from madata.errors import MadanceError, MediaError

if TYPE_CHECKING:
    from madata.types import Keypoints2D, Motion3D

__all__ = ["STAGES", "Cascade", "joint_card", "project_motion", "stage_options"]

STAGES = ("motion", "animation")
# share of a clip's time that goes into the motion, for the progress line alone
_MOTION_SHARE = 0.05


class Cascade:
    """The ``video`` system made of two others; each stage has a seed of its own.

    Where a system has ``release()``, the motion stage gives the accelerator back before the animation begins.

    Raises:
        MadanceError: the first does no ``motion``, or the second no ``animation``.
    """

    task: Task = "video"

    def __init__(self, motion: System, animation: System, *, motion_fps: float | None = None) -> None:
        """Join two systems; ``motion_fps`` is the rate of the first where it differs from the video's."""
        for stage, system in zip(STAGES, (motion, animation), strict=True):
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

    @property
    def loaded(self) -> Loaded | None:
        """The models of both stages, where one says which it has."""
        stages = zip(STAGES, (self.motion, self.animation), strict=True)
        told = [(stage, system.card, getattr(system, "loaded", None)) for stage, system in stages]
        if not any(isinstance(loaded, Loaded) for _, _, loaded in told):
            return None
        labels = [f"{stage} {loaded.label}" for stage, _, loaded in told if loaded and loaded.label]
        cards = [(loaded.card if loaded else None) or card for _, card, loaded in told]
        weights = tuple(path for _, _, loaded in told if loaded for path in loaded.weights)
        return Loaded(", ".join(labels) or None, joint_card(*cards), weights)

    def plan(self, request: Request, device: str) -> list[str]:
        """What both stages say of themselves."""
        lines: list[str] = []
        asked = (self._motion_request(request), self._animation_request(request, None))
        for stage, system, of_stage in zip(STAGES, (self.motion, self.animation), asked, strict=True):
            plan = optional_method(system, "plan")
            lines += [f"{stage}: {line}" for line in plan(of_stage, device)] if plan else []
        return lines

    def preflight(self, request: Request) -> list[str]:
        """What the animation stage says of the picture, the size and the rate: the dance is not there yet."""
        preflight = optional_method(self.animation, "preflight")
        return [] if preflight is None else list(preflight(self._animation_request(request, None)))

    def generate(self, request: Request) -> Output:
        """Dance to the music, then paint the dance.

        Raises:
            MadanceError: the first stage gave no motion, or a shorter one.
        """
        asked = self._motion_request(request)
        kept = None if request.keep is None else request.keep / "motion.npz"
        danced = None if kept is None else _fitting(kept, asked)
        if danced is None:
            danced = self._dance(asked)
            if kept is not None:
                from madata.motion import read_motion, write_motion

                write_motion(kept, danced)
                danced = read_motion(kept)  # what an interrupted run goes on with, to the bit
        fitted = fit_motion(danced, request.fps, request.num_frames)
        return self.animation.generate(self._animation_request(request, fitted))

    def _dance(self, asked: Request) -> Motion3D:
        from madata.types import Motion3D

        asked.scratch.mkdir()
        danced = self.motion.generate(asked)
        if not isinstance(danced, Motion3D):
            raise MadanceError(f"cascade: the motion stage gave a {type(danced).__name__}, not a Motion3D")
        release = optional_method(self.motion, "release")
        if release is not None:
            release()
        return danced

    def _motion_request(self, request: Request) -> Request:
        return replace(
            request,
            task="motion",
            image=None,
            fps=self._motion_fps or request.fps,
            seed=clip_seed(request.seed, "motion"),
            scratch=request.scratch / "motion",
            keep=_kept(request, "motion"),
            report=_part_of(request.report, "motion", 0.0, _MOTION_SHARE),
        )

    def _animation_request(self, request: Request, danced: Motion3D | None) -> Request:
        asked = replace(
            request,
            task="animation",
            music=None,
            motion=danced,
            pose=None if danced is None else project_motion(danced, request.size),
            seed=clip_seed(request.seed, "animation"),
            scratch=request.scratch / "animation",
            keep=_kept(request, "animation"),
            report=_part_of(request.report, "animation", _MOTION_SHARE, 1.0),
        )
        if danced is not None:
            asked.scratch.mkdir()
        return asked


def _fitting(path: Path, asked: Request) -> Motion3D | None:
    """The motion kept by an earlier attempt, if it is whole and what is asked for."""
    from madata.motion import read_motion

    try:
        motion = read_motion(path)
    except MediaError:
        return None
    fits = motion.fps == asked.fps and len(motion.rotation) == asked.num_frames
    return motion if fits else None


def _kept(request: Request, stage: str) -> Path | None:
    return None if request.keep is None else request.keep / stage


def _part_of(
    report: Callable[[str, float], None], stage: str, begin: float, end: float
) -> Callable[[str, float], None]:
    def tell(doing: str, share: float) -> None:
        report(f"{stage}: {doing}", begin + (end - begin) * share)

    return tell


def stage_options(
    options: Mapping[str, Any], *, shortcuts: Mapping[str, Sequence[str]] | None = None
) -> dict[str, dict[str, Any]]:
    """Options of each stage, out of those with ``motion.`` or ``animation.`` in front.

    Args:
        options: those of the cascade.
        shortcuts: names without a prefix, and the full names each stands for.

    Raises:
        MadanceError: an option begins with neither and is no shortcut, or one is given twice.

    Example:
        >>> stage_options({"motion.steps": 4})
        {'motion': {'steps': 4}, 'animation': {}}
    """
    stages: dict[str, dict[str, Any]] = {stage: {} for stage in STAGES}
    shortcuts = shortcuts or {}
    for name, value in options.items():
        for full in shortcuts.get(name, (name,)):
            stage, _, key = full.partition(".")
            if stage not in stages or not key:
                short = f", or are {', '.join(shortcuts)}" if shortcuts else ""
                raise MadanceError(
                    f"options of a cascade begin with motion. or animation.{short}; not {name!r}"
                )
            if key in stages[stage]:
                raise MadanceError(f"the option {full} is given twice")
            stages[stage][key] = value
    return stages


def joint_card(motion: Card, animation: Card) -> Card:
    """The card of both together."""
    sizes = [card.n_parameters for card in (motion, animation)]
    return Card(
        paper=" + ".join(dict.fromkeys(card.paper for card in (motion, animation) if card.paper)) or None,
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
