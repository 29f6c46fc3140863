"""One clip of a user's own as a job: the request, made of files that were read and found good.

Everything that can be refused without weights is refused here, in one line that says what to do.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from evaluation.generate.material import Pose, check_sound, letterboxed, music_length_s, read_pose
from evaluation.generate.requests import Wanted, extract_sound
from evaluation.inputs.discovery import CLIP_SCHEMA
from evaluation.systems import Plugin, Request, Running, Task, choose_task, optional_method
from evaluation.systems.folder import VIDEO_SUFFIXES
from evaluation.systems.plugin import guarded
from madata.errors import MadanceError
from madata.files import sha256_file

__all__ = ["Inputs", "Job", "SingleSettings", "prepared"]

MOTION_SUFFIXES = (".npz", ".pkl")
_FPS = 30.0


@dataclass(frozen=True)
class Inputs:
    """A user's files; which are needed and which are refused depends on the task."""

    music: Path | None = None
    image: Path | None = None
    pose: Path | None = None


@dataclass(frozen=True)
class SingleSettings:
    """How the clip is made; ``None`` is what the system says of itself, or what its inputs say.

    Attributes:
        options: keyword arguments of the system's constructor.
        size: (width, height) px.
    """

    task: Task | None = None
    seed: int = 0
    device: str = "cpu"
    fps: float | None = None
    duration_s: float | None = None
    size: tuple[int, int] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse numbers out of range.

        Raises:
            MadanceError: one is.
        """
        if not 0 <= self.seed < 2**32:
            raise MadanceError(f"the seed must be 0 to {2**32 - 1}, not {self.seed}")
        if self.size is not None and any(side < 16 or side % 2 for side in self.size):
            raise MadanceError(f"the size must be two even sides of at least 16 px, not {self.size}")


@dataclass(frozen=True)
class Job:
    """A request whose inputs were read and found good, and the system that is asked."""

    system: Running
    request: Request
    wanted: Wanted
    sound: Path | None
    identity: dict[str, Any]

    @property
    def summary(self) -> str:
        """The request in one line: task, frames, rate, size."""
        frames, fps = self.wanted.num_frames, self.wanted.fps
        width, height = self.request.size
        size = f", {width}x{height}" if self.request.task != "motion" else ""
        return f"{self.request.task}: {frames} frames at {fps:g} per second ({frames / fps:.2f} s){size}"

    def plan(self, device: str) -> list[str]:
        """What the system says the clip will take.

        Raises:
            MadanceError: it cannot make this clip.
        """
        plan = optional_method(self.system, "plan")
        return (
            []
            if plan is None
            else list(guarded(self.system.declaration.name, "plan", plan, self.request, device))
        )

    def heard_by(self, report: Callable[[str, float], None]) -> Job:
        """The same job with ``report`` told of its progress."""
        return replace(self, request=replace(self.request, report=report))


@contextmanager
def prepared(
    plugin: Plugin, inputs: Inputs, out: Path, settings: SingleSettings, *, keep: Path | None
) -> Iterator[Job]:
    """Read and judge everything a request needs; what had to be made for it is removed afterwards."""
    task = _task(plugin, out, settings.task)
    _require(task, inputs)
    declared = plugin.declaration
    pickled = out.suffix == ".pkl"
    native = declared.fps or _FPS
    fps = settings.fps or (_FPS if pickled else native)
    system = plugin.make(settings.options)
    scratch = Path(tempfile.mkdtemp(prefix="madance-"))
    try:
        image, size = None, settings.size or declared.size or (512, 512)
        if inputs.image is not None:
            image = scratch / "picture.png"
            size = letterboxed(inputs.image, settings.size or declared.size, image)
        pose: Pose | None = None
        if inputs.pose is not None:
            pose = read_pose(inputs.pose, fps, size, settings.duration_s)
            frames = pose.num_frames
            if inputs.music is not None:
                check_sound(inputs.music, frames / fps)
        elif inputs.music is not None:
            frames = max(1, round(music_length_s(inputs.music, settings.duration_s) * fps))
        asked_fps = (declared.fps or fps) if task == "motion" else fps
        request = Request(
            clip_id=out.stem,
            task=task,
            music=None if task == "animation" else _sound_file(inputs.music, scratch),
            image=image,
            pose=pose.keypoints if pose else None,
            motion=pose.motion if pose else None,
            duration_s=frames / fps,
            fps=asked_fps,
            size=size,
            seed=settings.seed,
            scratch=scratch / "system",
            keep=keep,
        )
        request.scratch.mkdir()
        wanted = Wanted(fps, frames)
        identity = _identity(plugin, inputs, request, wanted, settings)
        yield Job(system, request, wanted, inputs.music, identity)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _task(plugin: Plugin, out: Path, wanted: Task | None) -> Task:
    """The task, by what the file is called where the system does several."""
    if plugin.declaration.needs_truth:
        raise MadanceError(f"{plugin.name} looks at the real clips of a data set: give --data")
    tasks = plugin.declaration.tasks
    is_motion = out.suffix in MOTION_SUFFIXES
    fitting = [task for task in tasks if (task == "motion") == is_motion]
    task = choose_task(plugin, wanted or (fitting[0] if len(fitting) == 1 else None))
    if (task == "motion") != is_motion or not (is_motion or out.suffix == ".mp4"):
        need = " or ".join(MOTION_SUFFIXES) if task == "motion" else ".mp4"
        raise MadanceError(f"{out}: {plugin.name} makes a {_thing(task)}: the name must end in {need}")
    return task


def _thing(task: Task) -> str:
    return "motion" if task == "motion" else "video"


_NEEDED: dict[Task, tuple[str, ...]] = {
    "motion": ("music",),
    "animation": ("image", "pose"),
    "video": ("music", "image"),
}
_TAKEN: dict[Task, tuple[str, ...]] = {**_NEEDED, "animation": ("music", "image", "pose")}


def _require(task: Task, inputs: Inputs) -> None:
    for name in ("music", "image", "pose"):
        given: Path | None = getattr(inputs, name)
        if given is None and name in _NEEDED[task]:
            raise MadanceError(f"the task {task} needs --{name} FILE")
        if given is not None and name not in _TAKEN[task]:
            raise MadanceError(f"the task {task} takes no --{name}")
        if given is not None and not given.is_file():
            raise MadanceError(f"{given}: no such file (--{name})")


def _sound_file(music: Path | None, scratch: Path) -> Path | None:
    if music is None or music.suffix.lower() not in VIDEO_SUFFIXES:
        return music
    target = scratch / "music.wav"
    extract_sound(music, target)
    return target


def _identity(
    plugin: Plugin, inputs: Inputs, request: Request, wanted: Wanted, settings: SingleSettings
) -> dict[str, Any]:
    return {
        "schema": CLIP_SCHEMA,
        "system": {
            "name": plugin.name,
            "origin": asdict(plugin.origin),
            "options": dict(settings.options),
            "card": asdict(plugin.declaration.card),
        },
        "task": request.task,
        "seed": settings.seed,
        "fps": wanted.fps,
        "num_frames": wanted.num_frames,
        "size": None if request.task == "motion" else list(request.size),
        "inputs": {
            name: {"name": path.name, "sha256": sha256_file(path)}
            for name, path in (("music", inputs.music), ("image", inputs.image), ("pose", inputs.pose))
            if path is not None
        },
    }
