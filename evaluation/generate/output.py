"""What a system gave back: is it what was asked, and if so, one finished file.

The same rules hold in ``madance check`` and ``madance generate``: right type, length, frame rate, size, shapes
and finite numbers. A file under its final name is complete.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from evaluation.generate.requests import Wanted
from evaluation.systems import Request, fit_motion
from evaluation.systems.folder import VIDEO_SUFFIXES
from madata.errors import MadanceError, MediaError
from madata.files import atomic_path
from madata.types import Motion3D, Music

__all__ = ["BrokenContractError", "Frames", "Written", "check_motion_output", "check_video_file", "store"]

_FPS_TOLERANCE = 0.01


class BrokenContractError(MadanceError):
    """The output is not what the request asked for.

    Attributes:
        reason: short code: ``type``, ``frames``, ``fps``, ``size``, ``shape``, ``not_finite``, ``unreadable``.
    """

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


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

    def __init__(self, frames: Iterable[Any], request: Request) -> None:
        self._frames = frames
        self._request = request
        self.seconds = 0.0

    def __iter__(self) -> Iterator[npt.NDArray[np.uint8]]:
        width, height = self._request.size
        wanted, count = self._request.num_frames, 0
        source = self._timed()
        for frame in source:
            if count == wanted:
                raise BrokenContractError(f"more than the {wanted} frames asked for", reason="frames")
            if (
                not isinstance(frame, np.ndarray)
                or frame.dtype != np.uint8
                or frame.shape != (height, width, 3)
            ):
                got = (
                    f"{frame.dtype} {frame.shape}" if isinstance(frame, np.ndarray) else type(frame).__name__
                )
                raise BrokenContractError(
                    f"frame {count}: expected a uint8 array ({height}, {width}, 3), got {got}", reason="shape"
                )
            count += 1
            yield frame
        if count < wanted:
            raise BrokenContractError(f"{count} frames, {wanted} were asked for", reason="frames")

    def _timed(self) -> Iterator[Any]:
        begin = time.perf_counter()
        source = iter(self._frames)
        while True:
            try:
                frame = next(source)
            except StopIteration:
                return
            finally:
                self.seconds += time.perf_counter() - begin
            yield frame
            begin = time.perf_counter()


def check_motion_output(output: Any, request: Request) -> Motion3D:
    """The motion, if it is what was asked.

    Raises:
        BrokenContractError: it is not; the message says what was expected and what came.
    """
    from madata.motion import check_motion

    if not isinstance(output, Motion3D):
        raise BrokenContractError(f"expected a Motion3D, got {type(output).__name__}", reason="type")
    for name in ("rotation", "translation"):
        array = getattr(output, name)
        if not isinstance(array, np.ndarray) or array.dtype.kind != "f":
            got = f"{array.dtype} array" if isinstance(array, np.ndarray) else type(array).__name__
            raise BrokenContractError(f"{name}: expected a numpy array of floats, got {got}", reason="type")
    try:
        check_motion(output)
    except (MadanceError, KeyError) as error:
        raise BrokenContractError(str(error), reason=getattr(error, "reason", "shape")) from None
    if abs(output.fps / request.fps - 1) > _FPS_TOLERANCE:
        raise BrokenContractError(
            f"{output.fps:g} frames per second, {request.fps:g} were asked for", reason="fps"
        )
    if len(output.rotation) != request.num_frames:
        raise BrokenContractError(
            f"{len(output.rotation)} frames, {request.num_frames} were asked for "
            f"({request.duration_s:.3f} s at {request.fps:g} per second)",
            reason="frames",
        )
    return output


def check_video_file(path: Path, request: Request) -> None:
    """Refuse a video file that is not what was asked.

    Raises:
        BrokenContractError: it cannot be read, or has another size, rate or length.
    """
    from madata.video import Decoder

    if path.suffix.lower() not in VIDEO_SUFFIXES:
        raise BrokenContractError(f"{path.name}: is no video by its name", reason="type")
    try:
        with Decoder(path) as decoder:
            info = decoder.info
            count = sum(1 for _ in decoder)
            damaged = decoder.report.damaged_frames
    except MediaError as error:
        message = str(error).removeprefix(f"{path}: ")
        raise BrokenContractError(f"{path.name}: {message}", reason="unreadable") from None
    if damaged:
        raise BrokenContractError(f"{path.name}: {damaged} of its frames are damaged", reason="unreadable")
    if info.size != request.size:
        raise BrokenContractError(
            f"{path.name}: size {info.size}, {request.size} was asked for", reason="size"
        )
    if abs(info.fps / request.fps - 1) > _FPS_TOLERANCE:
        raise BrokenContractError(
            f"{path.name}: {info.fps:g} frames per second, {request.fps:g} were asked for", reason="fps"
        )
    if count != request.num_frames:
        raise BrokenContractError(
            f"{path.name}: {count} frames, {request.num_frames} were asked for", reason="frames"
        )


def store(output: Any, request: Request, wanted: Wanted, folder: Path, *, sound: Path | None) -> Written:
    """Check an output and write it as ``<clip_id>.npz`` or ``<clip_id>.mp4``, atomically.

    Args:
        wanted: rate and length of a motion file, where they differ from the request's.
        sound: music that goes under frames; a file the system wrote keeps its own.

    Raises:
        BrokenContractError: the output is not what was asked.
        MadanceError: the file cannot be written.
    """
    if request.task == "motion":
        return _store_motion(output, request, wanted, folder)
    if isinstance(output, (str, os.PathLike)):
        made = Path(output)
        check_video_file(made, request)
        target = folder / f"{request.clip_id}{made.suffix.lower()}"
        with atomic_path(target) as temporary:
            shutil.copyfile(made, temporary)
        return Written(target, 0.0)
    if isinstance(output, Motion3D) or not isinstance(output, Iterable):
        raise BrokenContractError(
            f"expected the path of a video or its frames, got {type(output).__name__}", reason="type"
        )
    from madata.video import write_video

    frames = Frames(output, request)
    target = folder / f"{request.clip_id}.mp4"
    write_video(target, frames, request.fps, audio=_music(sound, request.duration_s))
    return Written(target, frames.seconds)


def _store_motion(output: Any, request: Request, wanted: Wanted, folder: Path) -> Written:
    from madata.motion import write_motion

    motion = check_motion_output(output, request)
    if (motion.fps, len(motion.rotation)) != (wanted.fps, wanted.num_frames):
        motion = fit_motion(motion, wanted.fps, wanted.num_frames)
    target = folder / f"{request.clip_id}.npz"
    write_motion(target, motion)
    return Written(target, 0.0)


def _music(path: Path | None, duration_s: float) -> Music | None:
    if path is None:
        return None
    from madata.video import read_audio

    return read_audio(path, start_s=0.0, end_s=duration_s)
