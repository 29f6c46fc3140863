"""The rules of a system, each with what was found.

``fail`` means that ``madance generate`` would refuse what the system makes, or that its results would depend
on chance; ``warn`` is for what may be meant.
"""

from __future__ import annotations

import hashlib
import math
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from evaluation.check.made import make_clips
from evaluation.generate.clips import ClipSet, DataClip, read_clips
from evaluation.generate.output import Frames, broken_rules_of_file, broken_rules_of_motion
from evaluation.generate.requests import RequestMaker
from evaluation.generate.resources import seed_everything, timed
from evaluation.generate.settings import Settings
from evaluation.systems import FolderSystem, Plugin, Request, Running, Task, optional_method
from evaluation.systems.foreign import line_of
from madata.errors import MadanceError
from madata.files import scratch_folder, sha256_bytes
from madata.types import Motion3D

__all__ = ["Finding", "check_system"]

Status = Literal["pass", "warn", "fail"]

_UPRIGHT_SHARE = 0.5
_FASTEST_M_PER_S = 12.0
_HIGHEST_M = 4.0
_FILES = 3
_ROUNDING_M = 0.01
"""ours: what the sums of a batch, added up in another order, may move a joint by."""


@dataclass(frozen=True)
class Finding:
    """One rule and whether it holds."""

    rule: str
    status: Status
    message: str


def check_system(
    plugin: Plugin,
    task: Task,
    *,
    device: str = "cpu",
    options: Mapping[str, Any] | None = None,
    out: Path | None = None,
    size: tuple[int, int] | None = None,
) -> Iterator[Finding]:
    """Check a system; findings come as they are made, all rules in one go.

    A system that cannot start ends it; what is wrong with one clip keeps nothing else from being looked at.

    Args:
        out: folder the results are to go to later; checked for being writable.
        size: (width, height) px of videos; that of the system by default.
    """
    with scratch_folder() as root:
        yield Finding("task", "pass", f"{plugin.name} is asked for {task}")
        if out is not None:
            yield _writable(out)
        if plugin.origin.kind == "folder":
            yield from _finished_files(plugin.make().instance)
            return
        make_clips(root / "data", videos=task != "motion")
        data = read_clips(root / "data", "test", task=task)
        alone = data.clips[0]
        if task == "animation":  # as in a cascade: the motion is there with its keypoints
            data = replace(data, clips=tuple(replace(clip, pose=clip.motion) for clip in data.clips))
        try:
            system = plugin.make(options)
            begin = time.perf_counter()
            system.setup(device)
        except MadanceError as error:
            yield Finding("setup", "fail", str(error))
            return
        yield Finding("setup", "pass", f"ready on {device} after {time.perf_counter() - begin:.1f} s")
        trial = _Trial(plugin, system, task, data, root, size)
        yield from trial.findings()
        if task == "animation":
            yield trial.keypoints_alone(alone)


def _writable(out: Path) -> Finding:
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as error:
        return Finding("writable", "fail", f"{out}: {error.strerror}")
    return Finding("writable", "pass", f"{out} can be written")


def _finished_files(folder: FolderSystem) -> Iterator[Finding]:
    """A folder has no answer for made clips; the first of its own are looked at."""
    from madata.motion import read_motion
    from madata.video import Decoder

    for clip_id, path in list(folder.files.items())[:_FILES]:
        try:
            if folder.task == "motion":
                motion = read_motion(path)
                text = f"{len(motion.rotation)} frames, {motion.fps:g} per second, {motion.up} up"
                yield from _odd(motion, clip_id)
            else:
                with Decoder(path) as decoder:
                    count = sum(1 for _ in decoder)
                    info, damaged = decoder.info, decoder.report.damaged_frames
                if damaged:
                    yield Finding("file", "fail", f"{clip_id}: {damaged} of {count} frames are damaged")
                    continue
                text = f"{count} frames, {info.fps:g} per second, {info.size[0]}x{info.size[1]}"
        except MadanceError as error:
            yield Finding("file", "fail", str(error))
            continue
        yield Finding("file", "pass", f"{clip_id}: {text}")
    yield Finding("files", "pass", f"{len(folder.files)} clips; `madance score` names what is missing")


@dataclass(frozen=True)
class _Made:
    """What came of one request.

    Attributes:
        broken: what is wrong with it, in words.
        content: a hash of what it shows; ``None`` where there is nothing to look at.
        odd: what speaks against unit and up axis of a motion.
        motion: itself.
    """

    broken: tuple[str, ...]
    content: str | None = None
    odd: tuple[Finding, ...] = ()
    motion: Motion3D | None = None
    seconds: float = 0.0


class _Trial:
    """The clips, made several times."""

    def __init__(
        self,
        plugin: Plugin,
        system: Running,
        task: Task,
        data: ClipSet,
        root: Path,
        size: tuple[int, int] | None,
    ) -> None:
        self._plugin, self._system, self._task, self._data, self._root = plugin, system, task, data, root
        self._size = size
        self._runs = 0

    def findings(self) -> Iterator[Finding]:
        """Every rule, whatever became of the others."""
        clips = list(self._data.clips)
        first = {clip.clip_id: self._make(clip, 0) for clip in clips}
        broken: dict[str, list[str]] = {}
        for clip_id, made in first.items():
            for message in made.broken:
                broken.setdefault(message, []).append(clip_id)
        for message, clip_ids in broken.items():
            yield Finding("contract", "fail", f"{', '.join(clip_ids)}: {message}")
        if not broken:
            frames = sum(self._maker(0).wanted(clip).num_frames for clip in clips)
            rate = frames / max(sum(made.seconds for made in first.values()), 1e-9)
            yield Finding(
                "contract",
                "pass",
                f"{len(clips)} clips of the right type, length, frame rate, shape, all numbers finite; "
                f"{rate:.1f} frames/s, first clip included",
            )
        seen = [clip for clip in clips if first[clip.clip_id].content is not None]
        if self._task == "motion" and seen:
            odd = [finding for made in first.values() for finding in made.odd]
            yield from odd or [Finding("body", "pass", "stands along its up axis, moves in metres")]
        if len(seen) > 1 and optional_method(self._system, "generate_many") is not None:
            yield self._at_once(seen, first)
        if seen:
            yield self._same("determinism", seen, first, "made again, each clip is the same")
            yield self._same("order", seen[::-1], first, "in another order, each clip is the same")
            yield self._seeds(seen[0], first)

    def keypoints_alone(self, clip: DataClip) -> Finding:
        """Whether it follows what a data set of videos has: keypoints, and no motion behind them."""
        made = self._make(clip, 0)
        if made.broken:
            return Finding("keypoints", "warn", f"without a 3D motion behind the keypoints: {made.broken[0]}")
        return Finding("keypoints", "pass", "keypoints without a 3D motion behind them do as well")

    def _maker(self, run_seed: int) -> RequestMaker:
        settings = Settings(seed=run_seed, size=self._size)
        return RequestMaker(self._data, self._task, self._plugin.declaration, settings, self._root / "inputs")

    def _request(self, clip: DataClip, run_seed: int) -> Request:
        self._runs += 1
        scratch = self._root / f"scratch-{self._runs}"
        scratch.mkdir()
        return self._maker(run_seed).request(clip, scratch)

    def _judged(self, output: Any, request: Request) -> _Made:
        return _judged_motion(output, request) if self._task == "motion" else _judged_video(output, request)

    def _make(self, clip: DataClip, run_seed: int) -> _Made:
        request = self._request(clip, run_seed)
        seed_everything(request.seed)
        try:
            output, seconds = timed(lambda: self._system.generate(request))
            made = self._judged(output, request)
        except Exception as error:  # foreign code: the finding says what it raised
            return _Made((_words(error),))
        return replace(made, seconds=made.seconds + seconds)

    def _same(self, rule: str, clips: list[DataClip], first: Mapping[str, _Made], message: str) -> Finding:
        again = {clip.clip_id: self._make(clip, 0) for clip in clips}
        if raised := [made.broken[0] for made in again.values() if made.content is None]:
            return Finding(rule, "fail", raised[0])
        if changed := [clip_id for clip_id in first if clip_id in again
                       and again[clip_id].content != first[clip_id].content]:  # fmt: skip
            return Finding(
                rule,
                "fail",
                f"{', '.join(changed)} came out differently from the same request: let generate depend on the "
                "request and the weights alone, with request.seed as the only source of randomness",
            )
        return Finding(rule, "pass", message)

    def _at_once(self, clips: list[DataClip], first: Mapping[str, _Made]) -> Finding:
        """Whether clips that are made at once are right, and motions those that are made one by one."""
        requests = [self._request(clip, 0) for clip in clips]
        try:
            made = [
                self._judged(output, request)
                for output, request in zip(self._system.generate_many(requests), requests, strict=True)
            ]
        except Exception as error:  # foreign code: the finding says what it raised
            return Finding("batch", "fail", _words(error))
        if broken := [
            f"{clip.clip_id}: {each.broken[0]}" for clip, each in zip(clips, made, strict=True) if each.broken
        ]:
            return Finding("batch", "fail", f"made at once, {broken[0]}")
        far = [
            clip.clip_id
            for clip, each in zip(clips, made, strict=True)
            if _apart_m(each, first[clip.clip_id]) > _ROUNDING_M
        ]
        if far:
            message = f"{', '.join(far)} came out differently among others: let generate_many give what generate gives"
            return Finding("batch", "fail", message)
        return Finding(
            "batch", "pass", "made at once, each clip is " + ("the same" if made[0].motion else "right")
        )

    def _seeds(self, clip: DataClip, first: Mapping[str, _Made]) -> Finding:
        other = self._make(clip, 1)
        if other.content is None:
            return Finding("seeds", "fail", other.broken[0])
        if other.content == first[clip.clip_id].content:
            return Finding("seeds", "warn", "another seed gives the same clip: right only without randomness")
        return Finding("seeds", "pass", "another seed gives another clip")


def _judged_motion(output: Any, request: Request) -> _Made:
    rules = broken_rules_of_motion(output, request)
    broken = tuple(rule.message for rule in rules)
    if not isinstance(output, Motion3D) or any(rule.reason == "type" for rule in rules):
        return _Made(broken)
    content = sha256_bytes(output.rotation.tobytes() + output.translation.tobytes())
    is_body = not {rule.reason for rule in rules} - {"fps", "frames"}
    return _Made(broken, content, tuple(_odd(output, request.clip_id)) if is_body else (), output)


def _apart_m(one: _Made, other: _Made) -> float:
    """How far the joints of two motions are apart at most, m.

    0 for videos, whose pixels are rounded twice, and where one is broken, which is told of elsewhere.
    """
    from madata.motion import joint_positions

    if one.motion is None or other.motion is None or one.broken or other.broken:
        return 0.0
    here, there = joint_positions(one.motion), joint_positions(other.motion)
    # each may be right by itself, of a skeleton of its own
    return float(np.abs(here - there).max()) if here.shape == there.shape else math.inf


def _judged_video(output: Any, request: Request) -> _Made:
    """A file, or the frames themselves, which may be made while they are looked at."""
    if isinstance(output, (str, os.PathLike)):
        rules = broken_rules_of_file(Path(output), request)
        unreadable = any(rule.reason in ("type", "unreadable") for rule in rules)
        return _Made(tuple(rule.message for rule in rules), None if unreadable else _shown(Path(output)))
    frames, seen = Frames(output, request), hashlib.sha256()
    rules = frames.broken_rules(lambda frame: seen.update(np.ascontiguousarray(frame).tobytes()))
    return _Made(tuple(rule.message for rule in rules), seen.hexdigest(), seconds=frames.seconds)


def _shown(path: Path) -> str:
    """A hash of the pictures of a video."""
    from madata.video import Decoder

    seen = hashlib.sha256()
    with Decoder(path) as decoder:
        for frame in decoder:
            seen.update(frame.scaled(decoder.info.size).tobytes())
    return seen.hexdigest()


def _words(error: Exception) -> str:
    return (
        str(error) if isinstance(error, MadanceError) else f"{type(error).__name__}: {error}{line_of(error)}"
    )


def _odd(motion: Motion3D, clip_id: str) -> list[Finding]:
    """What speaks against unit and up axis: a dancer mostly stands, and does not fly."""
    from madata.motion import joint_positions
    from madata.skeletons import skeleton

    body = skeleton(motion.skeleton)
    joints = joint_positions(motion).astype(np.float64)
    feet = [body.index(f"{side}_ankle") for side in ("left", "right")]
    trunk = joints[:, body.index("head")] - joints[:, feet].mean(axis=1)
    upright = np.median(trunk / np.linalg.norm(trunk, axis=-1, keepdims=True), axis=0)
    axes = dict(zip("xyz", upright, strict=True))
    odd = []
    if axes[motion.up] < _UPRIGHT_SHARE:
        likely = max(axes, key=lambda axis: abs(axes[axis]))
        sign = "-" if axes[likely] < 0 else ""
        message = f"{clip_id}: up axis is said to be {motion.up}, but the body stands along {sign}{likely}"
        odd.append(Finding("up axis", "fail", message))
    steps = np.linalg.norm(np.diff(motion.translation.astype(np.float64), axis=0), axis=-1)
    speed = float(np.percentile(steps, 90) * motion.fps) if len(steps) else 0.0
    height = float(np.abs(motion.translation[:, "xyz".index(motion.up)]).max())
    if speed > _FASTEST_M_PER_S or height > _HIGHEST_M:
        message = f"{clip_id}: the root gets {height:.3g} m high and {speed:.3g} m/s fast; is it in metres?"
        odd.append(Finding("unit", "fail", message))
    return odd
