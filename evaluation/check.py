"""The contract of a system on three made clips, before anyone spends GPU hours.

The clips last two seconds, with made-up music, a made-up dancer and the rendered picture. Every rule gives one
finding; ``fail`` means that ``madance generate`` would refuse what the system makes, or that its results would
depend on chance; ``warn`` is for what may be meant.

Example:
    findings = list(check(find("./my_method.py:MyMethod")))
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from evaluation.generate.clips import ClipSet, DataClip, read_clips
from evaluation.generate.measuring import seed_everything
from evaluation.generate.output import store
from evaluation.generate.requests import RequestMaker
from evaluation.systems import Plugin, Running, Task, find
from madata.errors import MadanceError
from madata.files import read_json, sha256_bytes, write_json

__all__ = ["Finding", "check", "check_in_child", "make_clips"]

Status = Literal["pass", "warn", "fail"]

_DURATION_S = 2.0
_FPS = 30.0
_SIZE = (128, 192)
_TEMPOS = (100.0, 118.0, 132.0)
_STYLES = ("groove", "pop", "latin")
_UPRIGHT_SHARE = 0.5
_FASTEST_M_PER_S = 12.0
_HIGHEST_M = 4.0


@dataclass(frozen=True)
class Finding:
    """One rule and whether it holds."""

    rule: str
    status: Status
    message: str


def make_clips(folder: Path, *, videos: bool) -> None:
    """Make three clips in ``folder``/test and three others in ``folder``/train, as ``read_clips`` reads them.

    Args:
        videos: render them as well; motions and music are always made.
    """
    for number, split in enumerate(("test", "train")):
        for index, (tempo, style) in enumerate(zip(_TEMPOS, _STYLES, strict=True)):
            _make_clip(folder / split, f"{split}-{'abc'[index]}", tempo, style, 10 * number + index, videos)


def _make_clip(folder: Path, clip_id: str, tempo: float, style: str, seed: int, videos: bool) -> None:
    import wave

    from evaluation.systems import project_motion
    from madata.files import atomic_path, write_npz
    from madata.motion import write_motion
    from madata.synthetic.dance import make_dance
    from madata.synthetic.music import make_music

    music = make_music(_DURATION_S, tempo_bpm=tempo, seed=seed, rate_hz=22050).music
    motion = make_dance(_DURATION_S, tempo_bpm=tempo, fps=_FPS, style=style, seed=seed).motion
    with atomic_path(folder / "music" / f"{clip_id}.wav") as path, wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(music.rate_hz)
        file.writeframes((music.waveform * 32767).astype("<i2").tobytes())
    write_motion(folder / "motions" / f"{clip_id}.npz", motion)
    if not videos:
        return
    from madata.render import CapsuleRenderer, frames, front_camera, make_stage
    from madata.video import write_video

    renderer = CapsuleRenderer()
    figure = renderer.figure(motion, seed)
    stage = make_stage("studio", front_camera([figure.joints], _SIZE), figure.lowest(), seed=seed)
    pictures = frames(renderer, [figure], stage, 0, len(motion.rotation))
    write_video(folder / "clips" / f"{clip_id}.mp4", pictures, _FPS, audio=music)
    seen = project_motion(motion, _SIZE)
    write_npz(
        folder / "keypoints" / f"{clip_id}.npz",
        xy=seen.xy, score=seen.score, skeleton=seen.skeleton, fps=seen.fps, size=np.array(seen.size),
    )  # fmt: skip


def check(
    plugin: Plugin,
    task: Task,
    *,
    device: str = "cpu",
    options: Mapping[str, Any] | None = None,
    out: Path | None = None,
) -> Iterator[Finding]:
    """Check a system; findings come as they are made, and a failure that forbids the next step ends them.

    Args:
        out: folder the results are to go to later; checked for being writable.
    """
    with tempfile.TemporaryDirectory(prefix="madance-check-") as scratch:
        root = Path(scratch)
        declaration = plugin.declaration
        yield Finding("task", "pass", f"{declaration.name} is asked for {task}")
        if out is not None:
            yield _writable(out)
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
        yield from _Trial(plugin, system, task, data, root).findings()


def _writable(out: Path) -> Finding:
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as error:
        return Finding("writable", "fail", f"{out}: {error.strerror}")
    return Finding("writable", "pass", f"{out} can be written")


class _Trial:
    """The clips, made several times."""

    def __init__(self, plugin: Plugin, system: Running, task: Task, data: ClipSet, root: Path) -> None:
        self._plugin, self._system, self._task, self._data, self._root = plugin, system, task, data, root
        self._runs = 0

    def findings(self) -> Iterator[Finding]:
        clips = list(self._data.clips)
        first: dict[str, str] = {}
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
                yield from _plausible(path, clip.clip_id)
        frames = sum(self._maker(0).wanted(clip).num_frames for clip in clips)
        yield Finding(
            "contract",
            "pass",
            f"{len(clips)} clips of the right type, length, frame rate, shape, all numbers finite; "
            f"{frames / seconds:.1f} frames/s, first clip included",
        )
        yield self._same("determinism", clips, 0, first, "made again, each clip is the same")
        yield self._same("order", clips[::-1], 0, first, "in another order, each clip is the same")
        yield self._seeds(clips, first)

    def _maker(self, run_seed: int) -> RequestMaker:
        return RequestMaker(
            self._data, self._task, self._plugin.declaration, run_seed, self._root / "inputs",
        )  # fmt: skip

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
        return sha256_bytes(b"".join(sha256_bytes(frame.scaled(size).tobytes()).encode() for frame in decoder))


def _words(error: Exception) -> str:
    return str(error) if isinstance(error, MadanceError) else f"{type(error).__name__}: {error}"


def _plausible(path: Path, clip_id: str) -> Iterator[Finding]:
    """Unit and up axis, told by the body: a dancer mostly stands, and does not fly."""
    from madata.motion import joint_positions, read_motion
    from madata.skeletons import skeleton

    motion = read_motion(path)
    body = skeleton(motion.skeleton)
    joints = joint_positions(motion).astype(np.float64)
    feet = [body.index(f"{side}_ankle") for side in ("left", "right")]
    trunk = joints[:, body.index("head")] - joints[:, feet].mean(axis=1)
    upright = np.median(trunk / np.linalg.norm(trunk, axis=-1, keepdims=True), axis=0)
    axes = dict(zip("xyz", upright, strict=True))
    if axes[motion.up] < _UPRIGHT_SHARE:
        likely = max(axes, key=lambda axis: abs(axes[axis]))
        yield Finding(
            "up axis",
            "fail",
            f"{clip_id}: declared up axis {motion.up}, but the body stands along "
            f"{'-' if axes[likely] < 0 else ''}{likely}; set up=, or turn the motion",
        )
    steps = np.linalg.norm(np.diff(motion.translation.astype(np.float64), axis=0), axis=-1)
    speed = float(np.percentile(steps, 90) * motion.fps) if len(steps) else 0.0
    height = float(np.abs(motion.translation[:, "xyz".index(motion.up)]).max())
    if speed > _FASTEST_M_PER_S or height > _HIGHEST_M:
        yield Finding(
            "unit",
            "fail",
            f"{clip_id}: the root is {height:.3g} m above the origin and moves at {speed:.3g} m/s; "
            "translations are metres",
        )


def check_in_child(
    spec: str,
    task: Task | None,
    *,
    device: str,
    options: Mapping[str, Any],
    out: Path | None,
    limit_s: float,
) -> Iterator[Finding]:
    """As :func:`check`, in a process of its own: a system that crashes, exits or hangs gives a finding.

    Args:
        spec: as :func:`evaluation.systems.find` takes it.
        limit_s: time for all of it.
    """
    with tempfile.TemporaryDirectory(prefix="madance-check-") as scratch:
        order = Path(scratch) / "order.json"
        write_json(
            order,
            {
                "spec": spec,
                "task": task,
                "device": device,
                "options": dict(options),
                "out": None if out is None else str(out),
            },
        )
        reading, writing = os.pipe()
        child = subprocess.Popen(
            [sys.executable, "-m", "evaluation.check", str(order), str(writing)],
            pass_fds=(writing,),
            stdout=sys.stderr.fileno() if _has_fileno() else subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(writing)
        deadline = time.monotonic() + limit_s
        try:
            yield from _listen(reading, child, deadline, limit_s)
        finally:
            os.close(reading)
            _end(child)


def _has_fileno() -> bool:
    try:
        sys.stderr.fileno()
    except (OSError, ValueError):
        return False
    return True


def _listen(reading: int, child: subprocess.Popen[bytes], deadline: float, limit_s: float) -> Iterator[Finding]:
    import select

    held = b""
    while True:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([reading], [], [], left)[0]:
            yield Finding("time", "fail", f"not finished after {limit_s:.0f} s; --limit-s gives it longer")
            return
        part = os.read(reading, 1 << 16)
        if not part:
            break
        *lines, held = (held + part).split(b"\n")
        yield from (Finding(**json.loads(line)) for line in lines)
    code = child.wait()
    if code < 0:
        yield Finding("process", "fail", f"the process was ended by {signal.Signals(-code).name}")
    elif code != 0:
        yield Finding("process", "fail", f"the process ended with exit code {code}")


def _end(child: subprocess.Popen[bytes]) -> None:
    """End the child and whatever it started; the group is its own."""
    if child.poll() is None:
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def _main(order: Path, pipe: int) -> None:
    from evaluation.systems import choose_task

    content = read_json(order)

    def say(finding: Finding) -> None:
        os.write(pipe, json.dumps(asdict(finding)).encode() + b"\n")

    _report(content, say, choose_task)
    os.close(pipe)


def _report(content: Mapping[str, Any], say: Callable[[Finding], None], choose_task: Any) -> None:
    try:
        plugin = find(content["spec"])
        task = choose_task(plugin, content["task"])
        say(Finding("load", "pass", f"{plugin.name} from {plugin.origin.kind} {plugin.origin.where}"))
        out = None if content["out"] is None else Path(content["out"])
        for finding in check(plugin, task, device=content["device"], options=content["options"], out=out):
            say(finding)
    except MadanceError as error:
        say(Finding("load", "fail", str(error)))


if __name__ == "__main__":
    _main(Path(sys.argv[1]), int(sys.argv[2]))
