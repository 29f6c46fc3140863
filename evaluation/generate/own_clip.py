"""A clip of a user's own: music, a picture, a pose, judged before anything is spent.

Every refusal names the file, what is wrong with it and what to do.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evaluation.generate.clips import ClipSet, DataClip
from evaluation.generate.pictures import own_size
from evaluation.generate.pose import pose_length_s
from evaluation.generate.settings import Settings
from evaluation.systems import Plugin, Task, choose_task
from madata.cache import remembered_sha256
from madata.errors import MadanceError, MediaError
from madata.formats import stem_of, suffix_of

__all__ = ["ClipInputs", "own_clip", "task_of_file"]

MOTION_SUFFIXES = (".npz", ".pkl")
"""Of motions that are written. A ``.pkl`` holds no frame rate and its readers take 30."""

_PICKLED_FPS = 30.0
_SHORTEST_S = 1.0
# longer pieces are albums or mistakes more often than songs; --duration says that it is meant
_LONGEST_UNASKED_S = 600.0
_SILENCE = 5e-4  # -66 dB: dither and codec noise
_TASTE_S = 1.0
_TOO_SHORT_S = 0.1


@dataclass(frozen=True)
class ClipInputs:
    """A user's files; which are needed and which are refused depends on the task."""

    music: Path | None = None
    image: Path | None = None
    pose: Path | None = None

    @property
    def given(self) -> dict[str, Path]:
        """The files that are there, under the names of their options."""
        files = (("music", self.music), ("image", self.image), ("pose", self.pose))
        return {name: path for name, path in files if path is not None}


_NEEDED: dict[Task, tuple[str, ...]] = {
    "motion": ("music",),
    "animation": ("image", "pose"),
    "video": ("music", "image"),
}
_TAKEN: dict[Task, tuple[str, ...]] = {**_NEEDED, "animation": ("music", "image", "pose")}


def task_of_file(plugin: Plugin, out: Path, wanted: Task | None) -> Task:
    """The task, by what the file is called where the system does several.

    Raises:
        MadanceError: the system cannot do that, or makes nothing of such a name.
    """
    if plugin.declaration.needs_truth:
        raise MadanceError(f"{plugin.name} looks at the real clips of a data set: give --data")
    is_motion = suffix_of(out) in MOTION_SUFFIXES
    fitting = [task for task in plugin.declaration.tasks if (task == "motion") == is_motion]
    task = choose_task(plugin, wanted or (fitting[0] if len(fitting) == 1 else None))
    if (task == "motion") != is_motion or not (is_motion or suffix_of(out) == ".mp4"):
        thing, need = ("motion", " or ".join(MOTION_SUFFIXES)) if task == "motion" else ("video", ".mp4")
        raise MadanceError(f"--out {out}: {plugin.name} makes a {thing}: the name must end in {need}")
    return task


def own_clip(inputs: ClipInputs, task: Task, out: Path, settings: Settings) -> ClipSet:
    """A set of one clip, made of a user's own files.

    Raises:
        MadanceError: a file is missing, unusable or not asked for.
    """
    _require(task, inputs)
    size = None if inputs.image is None else own_size(inputs.image)
    if inputs.pose is not None:
        duration_s = pose_length_s(inputs.pose)
        if settings.duration_s is not None and duration_s < settings.duration_s - _TOO_SHORT_S / 2:
            raise _too_short(inputs.pose, duration_s, settings.duration_s)
        if inputs.music is not None:
            _require_sound(inputs.music, min(duration_s, settings.duration_s or duration_s))
    elif inputs.music is not None:
        duration_s = _music_length_s(inputs.music, settings.duration_s)
    clip = DataClip(
        clip_id=stem_of(out),
        source_id=stem_of(out),
        duration_s=duration_s,
        fps=_PICKLED_FPS if suffix_of(out) == ".pkl" else None,
        size=size,
        music=inputs.music,
        pose=inputs.pose,
        image=inputs.image,
    )
    files = {
        name: {"name": path.name, "sha256": remembered_sha256(path)} for name, path in inputs.given.items()
    }
    return ClipSet(name=out.name, split=None, clips=(clip,), others=(), own=True, identity={"inputs": files})


def _require(task: Task, inputs: ClipInputs) -> None:
    for name in _NEEDED[task]:
        if name not in inputs.given:
            raise MadanceError(f"the task {task} needs --{name} FILE")
    for name, path in inputs.given.items():
        if name not in _TAKEN[task]:
            raise MadanceError(f"the task {task} takes no --{name}")
        if path.is_dir():
            raise MadanceError(
                f"{path}: is a folder; --{name} takes one file, and --data a folder, of which every clip is made"
            )
        if not path.is_file():
            raise MadanceError(f"{path}: no such file (--{name})")


def _music_length_s(path: Path, duration_s: float | None) -> float:
    """Seconds of the clip a piece of music asks for: its own length, or ``duration_s`` of it."""
    from madata.video import read_audio

    if duration_s is None:
        _refuse_long(path, _declared_s(path))
    sound = read_audio(path, end_s=duration_s) if duration_s else read_audio(path)
    if not (np.abs(sound.waveform) > _SILENCE).any():
        raise MediaError(f"{path}: is silent, there is nothing to dance to", reason="silent")
    if duration_s is None:
        length_s = len(sound.waveform) / sound.rate_hz
        _refuse_long(path, length_s)
        if length_s < _SHORTEST_S:
            raise MediaError(
                f"{path}: lasts {length_s:.2f} s, a clip needs at least {_SHORTEST_S:g} s", reason="too_short"
            )
        return length_s
    whole_s = _declared_s(path)
    if whole_s is not None and whole_s < duration_s - _TOO_SHORT_S / 2:
        raise _too_short(path, whole_s, duration_s)
    return duration_s


def _too_short(path: Path, length_s: float, duration_s: float) -> MediaError:
    return MediaError(
        f"{path}: lasts {length_s:.2f} s, --duration asks for {duration_s:g} s", reason="too_short"
    )


def _require_sound(path: Path, clip_s: float) -> None:
    """Judge the music that is put under a clip whose length something else decides."""
    from madata.video import read_audio

    declared_s = _declared_s(path)
    read_audio(path, end_s=min(clip_s, _TASTE_S))
    if declared_s is not None and declared_s < clip_s - _TOO_SHORT_S:
        raise MediaError(
            f"{path}: lasts {declared_s:.2f} s, the pose {clip_s:.2f} s: give music as long, "
            f"or --duration {int(declared_s * 100) / 100:g}",
            reason="too_short",
        )


def _refuse_long(path: Path, length_s: float | None) -> None:
    if length_s is not None and length_s > _LONGEST_UNASKED_S:
        raise MediaError(
            f"{path}: lasts {length_s:.0f} s, more than {_LONGEST_UNASKED_S:g} s: say how much of it is wanted "
            f"(--duration {length_s:.0f} for all of it)",
            reason="too_long",
        )


def _declared_s(path: Path) -> float | None:
    """Length the container declares, seconds."""
    from madata.video.container import audio_stream, open_media

    with open_media(path) as container:
        stream = audio_stream(container, path)
        if stream.duration is not None and stream.time_base is not None:
            return float(stream.duration * stream.time_base)
        return None if container.duration is None else container.duration / 1e6
