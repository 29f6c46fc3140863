"""What a system gave back: is it what was asked, and if so, one finished file.

The same rules hold in ``madance check`` and ``madance generate``: right type, length, frame rate, size, shapes
and finite numbers. A file under its final name is complete.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from evaluation.generate.requests import WantedClip
from evaluation.systems import Request, fit_motion
from evaluation.systems.foreign import contained
from madata.errors import ConfigError, MadanceError, MediaError
from madata.files import copy_file
from madata.formats import is_a
from madata.types import Motion3D, Music

__all__ = [
    "BrokenContractError",
    "BrokenRule",
    "Frames",
    "Written",
    "broken_rules_of_file",
    "broken_rules_of_motion",
    "store",
]

_FPS_TOLERANCE = 0.01


@dataclass(frozen=True)
class BrokenRule:
    """One thing in which an output is not what was asked for.

    Attributes:
        reason: short code: ``type``, ``frames``, ``fps``, ``size``, ``shape``, ``not_finite``, ``unreadable``.
        message: what was expected and what came.
    """

    reason: str
    message: str


class BrokenContractError(MadanceError):
    """The output is not what the request asked for.

    Attributes:
        rules: everything that is wrong with it.
        reason: of the first of them.
    """

    def __init__(self, rules: Iterable[BrokenRule]) -> None:
        self.rules = tuple(rules)
        self.reason = self.rules[0].reason
        super().__init__("; ".join(rule.message for rule in self.rules))


@dataclass(frozen=True)
class Written:
    """A finished file; ``late_s`` is what a system spent on frames it made while they were written."""

    path: Path
    late_s: float


class Frames:
    """Frames of a system, checked one by one, the time they take counted apart from writing them.

    Raises:
        BrokenContractError: while iterating: a frame is no uint8 (H, W, 3) of the size asked, or there are too
            many or too few.
    """

    def __init__(self, frames: Any, request: Request) -> None:
        """Watch over ``frames``; nothing is made yet.

        Raises:
            BrokenContractError: they are no frames.
        """
        if isinstance(frames, Motion3D) or not isinstance(frames, Iterable):
            got = type(frames).__name__
            message = f"expected the path of a video or its frames, got {got}"
            raise BrokenContractError([BrokenRule("type", message)])
        self._frames: Iterable[Any] = frames
        self._request = request
        self.seconds = 0.0

    def __iter__(self) -> Iterator[npt.NDArray[np.uint8]]:
        for frame, broken in self._judged():
            if broken is not None:
                raise BrokenContractError([broken])
            yield frame

    def broken_rules(self, see: Callable[[Any], None]) -> list[BrokenRule]:
        """Go through all frames that were asked for; everything that is wrong, each kind once.

        Args:
            see: gets every frame.
        """
        found: dict[str, BrokenRule] = {}
        for frame, broken in self._judged():
            if broken is not None:
                found.setdefault(broken.reason, broken)
            see(frame)
        return list(found.values())

    def _judged(self) -> Iterator[tuple[Any, BrokenRule | None]]:
        """Each frame and what is wrong with it; too many or too few are told with the last one."""
        wanted, count = self._request.num_frames, 0
        for frame in self._timed():
            if count == wanted:
                yield frame, BrokenRule("frames", f"more than the {wanted} frames asked for")
                return
            yield frame, self._broken(frame, count)
            count += 1
        if count < wanted:
            yield None, BrokenRule("frames", f"{count} frames, {wanted} were asked for")

    def _broken(self, frame: Any, index: int) -> BrokenRule | None:
        width, height = self._request.size
        is_array = isinstance(frame, np.ndarray)
        if is_array and frame.dtype == np.uint8 and frame.shape == (height, width, 3):
            return None
        got = f"{frame.dtype} {frame.shape}" if is_array else type(frame).__name__
        return BrokenRule("shape", f"frame {index}: expected a uint8 array ({height}, {width}, 3), got {got}")

    def _timed(self) -> Iterator[Any]:
        source: Iterator[Any] | None = None
        while True:
            begin = time.perf_counter()
            try:
                with contained():
                    source = iter(self._frames) if source is None else source
                    frame = next(source)
            except StopIteration:
                return
            finally:
                self.seconds += time.perf_counter() - begin
            yield frame


def broken_rules_of_motion(output: Any, request: Request) -> list[BrokenRule]:
    """Everything in which an output is not the motion that was asked for; nothing where it is."""
    if not isinstance(output, Motion3D):
        return [BrokenRule("type", f"expected a Motion3D, got {type(output).__name__}")]
    broken: list[BrokenRule] = []
    arrays = {"rotation": output.rotation, "translation": output.translation}
    for name, array in arrays.items():
        if (kind := _kind(array)) != "floats":
            message = f"{name}: expected a numpy array of floats, got {kind}"
            broken.append(BrokenRule("type", message))
        elif not (whole := np.isfinite(array)).all():
            message = f"{name} holds NaN or infinity, first in row {np.argwhere(~whole)[0][0]}"
            broken.append(BrokenRule("not_finite", message))
    broken += _broken_up(output) + _broken_rate(output.fps, request.fps)
    if any(rule.reason == "type" for rule in broken):
        return broken
    rotation, translation = (np.nan_to_num(array) for array in arrays.values())
    broken += _broken_shapes(replace(output, rotation=rotation, translation=translation))
    if len(output.rotation) != request.num_frames:
        message = (
            f"{len(output.rotation)} frames, {request.num_frames} were asked for "
            f"({request.duration_s:.3f} s at {request.fps:g} per second)"
        )
        broken.append(BrokenRule("frames", message))
    return broken


def _broken_up(motion: Motion3D) -> list[BrokenRule]:
    from madata.rotations import up_axis_matrix

    try:
        up_axis_matrix(motion.up, "y")
    except MadanceError as error:
        return [BrokenRule("up", str(error))]
    return []


def _broken_rate(fps: Any, wanted: float) -> list[BrokenRule]:
    if not isinstance(fps, (int, float)):
        return [BrokenRule("type", f"fps: expected a number, got {type(fps).__name__}")]
    if abs(fps / wanted - 1) <= _FPS_TOLERANCE:  # NaN is near nothing
        return []
    return [BrokenRule("fps", f"{fps:g} frames per second, {wanted:g} were asked for")]


def _broken_shapes(finite: Motion3D) -> list[BrokenRule]:
    """Whether arrays and skeleton go together, whatever the up axis and the rate."""
    from madata.motion import check_motion

    try:
        check_motion(replace(finite, up="y", fps=30.0))
    except (MadanceError, AttributeError) as error:  # the second of offsets that are no array
        return [BrokenRule(getattr(error, "reason", "shape"), str(error))]
    return []


def _kind(array: Any) -> str:
    if not isinstance(array, np.ndarray):
        return type(array).__name__
    return "floats" if array.dtype.kind == "f" else f"{array.dtype} array"


def broken_rules_of_file(path: Path, request: Request) -> list[BrokenRule]:
    """Everything in which a file is not the video that was asked for; nothing where it is."""
    from madata.video import Decoder

    name = path.name
    if not is_a(path, "video"):
        return [BrokenRule("type", f"{name}: is no video by its name")]
    try:
        with Decoder(path) as decoder:
            info = decoder.info
            count = sum(1 for _ in decoder)
            damaged = decoder.report.damaged_frames
    except MediaError as error:
        return [BrokenRule("unreadable", f"{name}: {str(error).removeprefix(f'{path}: ')}")]
    broken = [BrokenRule("unreadable", f"{damaged} of its frames are damaged")] if damaged else []
    if info.size != request.size:
        broken.append(BrokenRule("size", f"size {info.size}, {request.size} was asked for"))
    broken += _broken_rate(info.fps, request.fps)
    if count != request.num_frames:
        broken.append(BrokenRule("frames", f"{count} frames, {request.num_frames} were asked for"))
    return [replace(rule, message=f"{name}: {rule.message}") for rule in broken]


def store(
    output: Any,
    request: Request,
    wanted: WantedClip,
    target: Callable[[str], Path],
    *,
    sound: Path | None,
    sounding: bool = False,
) -> Written:
    """Check an output and write it atomically.

    Args:
        wanted: rate and length of a motion file, where they differ from the request's.
        target: the file to write, by the suffix it would have; a target of another suffix has its own format.
        sound: music that goes under frames.
        sounding: it goes under a video file without sound as well, which is then encoded again; by default a
            file that a system wrote stays as it is.

    Raises:
        BrokenContractError: the output is not what was asked.
        MadanceError: the file cannot be written.
    """
    if request.task == "motion":
        return _store_motion(output, request, wanted, target(".npz"))
    if isinstance(output, (str, os.PathLike)):
        made = Path(output)
        if broken := broken_rules_of_file(made, request):
            raise BrokenContractError(broken)
        path = target(made.suffix.lower())
        if path.suffix == made.suffix.lower() and not (sounding and sound and _is_mute(made)):
            copy_file(made, path)
            return Written(path, 0.0)
        output = _pictures(made, request.size)
    from madata.video import write_video

    frames = Frames(output, request)
    path = target(".mp4")
    write_video(path, frames, request.fps, audio=_music(sound, request.duration_s))
    return Written(path, frames.seconds)


def _store_motion(output: Any, request: Request, wanted: WantedClip, path: Path) -> Written:
    from madata.motion import write_motion

    if broken := broken_rules_of_motion(output, request):
        raise BrokenContractError(broken)
    motion: Motion3D = output
    if (motion.fps, len(motion.rotation)) != (wanted.fps, wanted.num_frames):
        motion = fit_motion(motion, wanted.fps, wanted.num_frames)
    try:
        write_motion(path, motion)
    except ConfigError as error:  # a format that cannot say it: which body a system has is known by now only
        beside = path.with_suffix(".npz")
        if beside.exists():
            raise
        write_motion(beside, motion)
        raise ConfigError(f"{error}; this dance is in {beside}") from error
    return Written(path, 0.0)


def _is_mute(video: Path) -> bool:
    from madata.video import probe

    return probe(video).audio is None


def _pictures(video: Path, size: tuple[int, int]) -> Iterator[npt.NDArray[np.uint8]]:
    from madata.video import Decoder

    with Decoder(video) as decoder:
        for frame in decoder:
            yield frame.scaled(size)


def _music(path: Path | None, duration_s: float) -> Music | None:
    if path is None:
        return None
    from madata.video import read_audio

    return read_audio(path, start_s=0.0, end_s=duration_s, mono=False)
