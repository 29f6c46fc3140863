"""The rules of a system, each with what was found.

``fail`` means that ``madance generate`` would refuse what the system makes, or that its results would depend
on chance; ``warn`` is for what may be meant.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from evaluation.check.made import make_clips
from evaluation.generate.clips import ClipSet, DataClip, read_clips
from evaluation.generate.measuring import seed_everything
from evaluation.generate.output import store
from evaluation.generate.requests import RequestMaker
from evaluation.systems import FolderSystem, Plugin, Running, Task
from madata.errors import MadanceError
from madata.files import sha256_bytes

__all__ = ["Finding", "check"]

Status = Literal["pass", "warn", "fail"]

_UPRIGHT_SHARE = 0.5
_FASTEST_M_PER_S = 12.0
_HIGHEST_M = 4.0
_FILES = 3


@dataclass(frozen=True)
class Finding:
    """One rule and whether it holds."""

    rule: str
    status: Status
    message: str


def check(
    plugin: Plugin,
    task: Task,
    *,
    device: str = "cpu",
    options: Mapping[str, Any] | None = None,
    out: Path | None = None,
    size: tuple[int, int] | None = None,
) -> Iterator[Finding]:
    """Check a system; findings come as they are made, and a failure that forbids the next step ends them.

    Args:
        out: folder the results are to go to later; checked for being writable.
        size: (width, height) px of videos; that of the system by default.
    """
    with tempfile.TemporaryDirectory(prefix="madance-check-") as scratch:
        root = Path(scratch)
        yield Finding("task", "pass", f"{plugin.name} is asked for {task}")
        if out is not None:
            yield _writable(out)
        if plugin.origin.kind == "folder":
            yield from _finished_files(plugin.make().instance)
            return
        make_clips(root / "data", videos=task != "motion")
        data = read_clips(root / "data", "test", task=task)
        try:
            system = plugin.make(options)
            begin = time.perf_counter()
            system.setup(device)
        except MadanceError as error:
            yield Finding("setup", "fail", str(error))
            return
        yield Finding("setup", "pass", f"ready on {device} after {time.perf_counter() - begin:.1f} s")
        yield from _Trial(plugin, system, task, data, root, size).findings()


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
                yield from _odd(path, clip_id)
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
        clips = list(self._data.clips)
        first: dict[str, str] = {}
        odd: list[Finding] = []
        seconds = 0.0
        for clip in clips:
            try:
                path, taken = self._make(clip, 0)
            except Exception as error:  # foreign code: the finding says what it raised
                yield Finding("contract", "fail", f"{clip.clip_id}: {_words(error)}")
                return
            first[clip.clip_id] = _content(path)
            seconds += taken
            if self._task == "motion":
                odd += _odd(path, clip.clip_id)
        frames = sum(self._maker(0).wanted(clip).num_frames for clip in clips)
        yield Finding(
            "contract",
            "pass",
            f"{len(clips)} clips of the right type, length, frame rate, shape, all numbers finite; "
            f"{frames / seconds:.1f} frames/s, first clip included",
        )
        if self._task == "motion":
            yield from odd or [Finding("body", "pass", "stands along its up axis, moves in metres")]
        yield self._same("determinism", clips, 0, first, "made again, each clip is the same")
        yield self._same("order", clips[::-1], 0, first, "in another order, each clip is the same")
        yield self._seeds(clips, first)

    def _maker(self, run_seed: int) -> RequestMaker:
        return RequestMaker(
            self._data, self._task, self._plugin.declaration, run_seed, self._root / "inputs", size=self._size
        )

    def _make(self, clip: DataClip, run_seed: int) -> tuple[Path, float]:
        self._runs += 1
        scratch = self._root / f"scratch-{self._runs}"
        scratch.mkdir()
        maker = self._maker(run_seed)
        request = maker.request(clip, scratch)
        seed_everything(request.seed)
        begin = time.perf_counter()
        output = self._system.generate(request)
        taken = time.perf_counter() - begin
        folder = self._root / f"made-{self._runs}"
        written = store(output, request, maker.wanted(clip), folder, sound=None)
        return written.path, taken + written.late_s

    def _same(
        self, rule: str, clips: list[DataClip], run_seed: int, first: Mapping[str, str], message: str
    ) -> Finding:
        try:
            again = {clip.clip_id: _content(self._make(clip, run_seed)[0]) for clip in clips}
        except Exception as error:  # foreign code: the finding says what it raised
            return Finding(rule, "fail", _words(error))
        if changed := [clip for clip in first if again[clip] != first[clip]]:
            return Finding(
                rule,
                "fail",
                f"{', '.join(changed)} came out differently from the same request: let generate depend on the "
                "request and the weights alone, with request.seed as the only source of randomness",
            )
        return Finding(rule, "pass", message)

    def _seeds(self, clips: list[DataClip], first: Mapping[str, str]) -> Finding:
        try:
            other = _content(self._make(clips[0], 1)[0])
        except Exception as error:  # foreign code: the finding says what it raised
            return Finding("seeds", "fail", _words(error))
        if other == first[clips[0].clip_id]:
            return Finding("seeds", "warn", "another seed gives the same clip: right only without randomness")
        return Finding("seeds", "pass", "another seed gives another clip")


def _content(path: Path) -> str:
    """A hash of what a clip shows; of a video, of its pictures."""
    if path.suffix == ".npz":
        return sha256_bytes(path.read_bytes())
    from madata.video import Decoder

    with Decoder(path) as decoder:
        size = decoder.info.size
        return sha256_bytes(
            b"".join(sha256_bytes(frame.scaled(size).tobytes()).encode() for frame in decoder)
        )


def _words(error: Exception) -> str:
    return str(error) if isinstance(error, MadanceError) else f"{type(error).__name__}: {error}"


def _odd(path: Path, clip_id: str) -> list[Finding]:
    """What speaks against unit and up axis: a dancer mostly stands, and does not fly."""
    from madata.motion import joint_positions, read_motion
    from madata.skeletons import skeleton

    motion = read_motion(path)
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
