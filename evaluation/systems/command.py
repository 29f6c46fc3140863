"""A program of others as a system: a TOML file names the command, a JSON job goes in, a file comes out.

For published methods that need an environment of their own. Nothing of them is imported, no shell is asked::

    name = "their-method"
    task = "animation"
    command = ["conda", "run", "-n", "theirs", "python", "{here}/wrapper.py", "{job}"]
    fps = 16
    size = [576, 1024]

``{job}`` is the job of one clip (:func:`write_job`), ``{here}`` the folder of the TOML file, where the command is run.
A program with a slash in its name lies there, any other on the ``PATH``. What the command writes is read as every file
of a stranger is, and held to the rules of every system. A command that fails or takes too long costs its own clip; it
ends with all it has started, whenever and however the process that wants its result does.
"""

from __future__ import annotations

import os
import re
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Field, field_validator, model_validator

from evaluation.systems import attended
from evaluation.systems.contract import Card, Output, Request, Task
from evaluation.systems.plugin import Declaration, Loaded
from madata.config import ClosedModel, validated
from madata.errors import ConfigError, MediaError, WeightsError, did_you_mean
from madata.files import read_toml, write_json, write_npz
from madata.formats import is_a

if TYPE_CHECKING:
    from madata.types import Motion3D

__all__ = ["JOB_SCHEMA", "CommandFile", "CommandSystem", "write_job"]

JOB_SCHEMA = "madance.job/1"
_JOB = "{job}"
_HERE = "{here}"
_PRINTED_BYTES = 64 << 10
_LINES_SHOWN = 4
_LONGEST_LINE = 200
_LONGEST_S = 30 * 86_400

Value = str | bool | int | float


def _without_zero_byte(text: str) -> str:
    if "\0" in text:
        raise ValueError("holds a zero byte, which no program is told")
    return text


Word = Annotated[str, AfterValidator(_without_zero_byte)]
Side = Annotated[int, Field(ge=1, le=16384)]


class CommandFile(ClosedModel):
    """The TOML file.

    Attributes:
        command: program and arguments, see the module.
        fps, size: what the method works at, as for :func:`evaluation.systems.system`; any where they are left out.
        most_frames: longer clips are refused before anything is spent.
        output: suffix of the file it writes; by default ``.mp4``, of a motion ``.npz``.
        timeout_s: for one clip.
        files: weights and whatever else decides the result, from the folder of the TOML file; their hashes stand in the
            record of every run, as do those of files that the command names there.
        environment: variables set for the command.
        options: what ``--set`` may change, with defaults; the job holds them.
        card: fields of :class:`Card`.
    """

    name: str = Field(min_length=1)
    task: Task
    command: tuple[Word, ...] = Field(min_length=1)
    fps: float | None = Field(default=None, gt=0, le=1000)
    size: tuple[Side, Side] | None = None
    most_frames: int | None = Field(default=None, ge=1)
    output: str = ""
    timeout_s: float = Field(default=3600.0, gt=0, le=_LONGEST_S)
    files: tuple[Word, ...] = ()
    environment: dict[Word, Word] = Field(default={})
    options: dict[str, Value] = Field(default={})
    card: Card = Card()

    @field_validator("name")
    @classmethod
    def _is_a_name(cls, name: str) -> str:
        if not name.isprintable() or name != name.strip() or "/" in name:
            raise ValueError("a name is one line, without '/' and without blanks around it")
        return name

    @field_validator("command")
    @classmethod
    def _names_the_job(cls, command: tuple[str, ...]) -> tuple[str, ...]:
        if not any(_JOB in part for part in command[1:]):
            raise ValueError("no argument is {job}, the file that says what to make")
        return command

    @field_validator("environment")
    @classmethod
    def _are_variables(cls, environment: dict[str, str]) -> dict[str, str]:
        for name in environment:
            if not name or "=" in name:
                raise ValueError(f"{name!r} is no name of a variable")
        return environment

    @field_validator("options", mode="before")
    @classmethod
    def _are_options(cls, options: Any) -> Any:
        for name, value in options.items() if isinstance(options, dict) else ():
            if not isinstance(value, Value):
                raise ValueError(f"{name}: an option is a text, a number, or true or false")
        return options

    @field_validator("card", mode="before")
    @classmethod
    def _is_a_card(cls, card: Any) -> Any:
        known = [field.name for field in fields(Card)]
        for key in card if isinstance(card, dict) else ():
            if key not in known:
                raise ValueError(f"there is no {key}{did_you_mean(key, known)}")
        return card

    @model_validator(mode="after")
    def _writes_what_is_asked(self) -> CommandFile:
        written = Path(f"output{self.output}")
        if self.output and written.suffix != self.output:
            raise ValueError(f"output: {self.output!r} is no suffix, such as '.mp4'")
        if self.output and not (is_a(written, "motion") if self.task == "motion" else is_a(written, "video")):
            raise ValueError(f"output: {self.output!r} is no suffix of what the task {self.task} gives")
        return self

    @classmethod
    def read(cls, path: Path) -> CommandFile:
        """Read it.

        Raises:
            ConfigError: it is not there, or says something that is not known; the message names the key.
        """
        return validated(cls, read_toml(path), where=str(path), noun="key")

    @property
    def declaration(self) -> Declaration:
        """What the system says of itself."""
        return Declaration(self.name, (self.task,), self.card, fps=self.fps, size=self.size)

    @property
    def suffix(self) -> str:
        """Of the file it writes."""
        return self.output or (".npz" if self.task == "motion" else ".mp4")


class CommandSystem:
    """See the module.

    Attributes:
        loaded: after ``setup``: the files that decide the result.
    """

    def __init__(self, path: Path, says: CommandFile, options: Mapping[str, Any]) -> None:
        """A system out of the file ``path``, which ``says`` what it is.

        Args:
            options: in place of those the file has.

        Raises:
            ConfigError: there is no such option, or it is of another type.
        """
        self._says, self._path, self._here = says, path, path.resolve().parent
        self._options = says.options | {name: _option(says, name, value) for name, value in options.items()}
        self.task, self.card = says.task, says.card
        self._device = "cpu"
        self.loaded: Loaded | None = None

    def setup(self, device: str) -> None:
        """Look for the program and the files; the command gets to know the device.

        Raises:
            ConfigError: the program is not there.
            WeightsError: a file is not.
        """
        self._program()
        given = [self._here / name for name in self._says.files]
        for path in given:
            if not path.exists():
                raise WeightsError(f"{path}: no such file or folder (files)")
        named = [self._here / part.removeprefix(f"{_HERE}/") for part in self._says.command[1:]]
        given += [path for path in named if path.is_file()]
        self._device, self.loaded = device, Loaded(weights=tuple(dict.fromkeys(given)))

    def plan(self, request: Request, device: str) -> list[str]:
        """The command and the time it has.

        Raises:
            MadanceError: the clip is too long for the method, or the program is not there.
        """
        self._refuse_long(request)
        command = [self._program(), *self._says.command[1:]]
        return [
            f"runs {' '.join(command)} in {self._here}",
            f"{request.num_frames} frames, at most {self._says.timeout_s:g} s",
        ]

    def generate(self, request: Request) -> Output:
        """Run the command for one clip.

        Raises:
            MediaError: the clip is too long for the method, the command failed or took too long, or what it wrote
                cannot be read; the message ends with what it printed last.
        """
        self._refuse_long(request)
        scratch = request.scratch.resolve()
        output = scratch / f"output{self._says.suffix}"
        job = write_job(request, scratch / "job.json", output, device=self._device, options=self._options)
        log = scratch / "prints.txt"
        request.report(f"running {self._says.name}", 0.0)
        try:
            code = self._run(job, log)
        finally:
            _print_end(log)
        if code is None:
            raise self._failed("timeout", f"took more than {self._says.timeout_s:g} s (timeout_s)", log)
        if code:
            how = signal.Signals(code - 128).name if code - 128 in [*signal.Signals] else f"exit code {code}"
            raise self._failed("command", f"ended with {how}", log)
        if not output.is_file():
            raise self._failed("no_output", f"ended well and wrote no {output.name}", log)
        if self.task != "motion":
            return output
        from madata.motion import read_motion

        return read_motion(output)

    def _refuse_long(self, request: Request) -> None:
        most = self._says.most_frames
        if most is not None and request.num_frames > most:
            raise MediaError(
                f"it makes {most} frames at most, not {request.num_frames}: "
                f"--duration {int(most / request.fps * 100) / 100:g}",
                reason="too_long",
            )

    def _program(self) -> str:
        """The program's path.

        Raises:
            ConfigError: it is not there, or cannot be run.
        """
        named = self._says.command[0].replace(_HERE, str(self._here))
        program = str(self._here / named) if "/" in named else named
        found = shutil.which(program, path=self._environment().get("PATH"))
        if found is None:
            raise ConfigError(
                f"the program {program!r} of its command is not there, or cannot be run: install what {self._path} "
                "names, or change its command"
            )
        return found

    def _environment(self) -> dict[str, str]:
        return {**os.environ, **self._says.environment}

    def _run(self, job: Path, log: Path) -> int | None:
        """The exit code; ``None`` where there was no time left. Whatever happens, nothing of it runs on."""
        places = {_JOB: str(job), _HERE: str(self._here)}
        arguments = [
            re.sub("|".join(map(re.escape, places)), lambda found: places[found[0]], part)
            for part in self._says.command[1:]
        ]
        attending = [sys.executable, "-I", attended.__file__, str(os.getpid())]
        with log.open("wb") as prints:
            child = subprocess.Popen(
                [*attending, self._program(), *arguments],
                cwd=self._here,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=prints,
                stderr=prints,
                start_new_session=True,
            )
        done = False
        try:
            done = _ended(child, self._says.timeout_s)
        finally:
            if not done:
                os.killpg(child.pid, signal.SIGTERM)
                _ended(child, attended.GRACE_S)
            os.killpg(
                child.pid, signal.SIGKILL
            )  # what it left behind; its number is its own until it is waited for
            child.wait()
        return child.returncode if done else None

    def _failed(self, reason: str, what: str, log: Path) -> MediaError:
        return MediaError(f"its command {what}{_last_words(log)}", reason=reason)


def write_job(
    request: Request, path: Path, output: Path, *, device: str, options: Mapping[str, Value]
) -> Path:
    """Write what a command is asked to make; what the task has not is ``null``.

    | key | |
    |---|---|
    | ``schema`` | ``madance.job/1`` |
    | ``clip_id``, ``task``, ``seed``, ``device`` | |
    | ``music``, ``image`` | a sound file; a PNG of ``size`` |
    | ``keypoints``, ``joints`` | ``.npz`` of ``xy`` (T, J, 2) px and ``score`` (T, J); names of the J points |
    | ``motion`` | ``.npz`` with the 3D motion behind them, see :func:`madata.motion.write_motion` |
    | ``seen`` | ``.npz`` of its joints ``positions`` (T, 24, 3) before the camera of the keypoints, metres, x right, y
      down, z away; and ``focal_px`` |
    | ``fps``, ``num_frames``, ``duration_s``, ``size`` | what the file must have; size is (width, height) |
    | ``output`` | the file to write |
    | ``scratch``, ``keep`` | a folder removed afterwards; one that is kept for the next attempt, where that is wanted |
    | ``options`` | of the TOML file, and of ``--set`` |

    Returns:
        ``path``.
    """
    folder = path.parent
    keypoints, motion, seen = (folder / f"{name}.npz" for name in ("keypoints", "motion", "seen"))
    joints: list[str] | None = None
    if request.pose is not None:
        from madata.skeletons import skeleton

        joints = list(skeleton(request.pose.skeleton).joints)
        write_npz(keypoints, xy=request.pose.xy, score=request.pose.score)
    if request.motion is not None:
        from madata.motion import write_motion

        write_motion(motion, request.motion)
        _write_seen(seen, request.motion, request.size)
    write_json(
        path,
        {
            "schema": JOB_SCHEMA,
            "clip_id": request.clip_id,
            "task": request.task,
            "music": _absolute(request.music),
            "image": _absolute(request.image),
            "keypoints": None if request.pose is None else str(keypoints),
            "joints": joints,
            "motion": None if request.motion is None else str(motion),
            "seen": None if request.motion is None else str(seen),
            "fps": request.fps,
            "num_frames": request.num_frames,
            "duration_s": request.duration_s,
            "size": list(request.size),
            "seed": request.seed,
            "device": device,
            "output": str(output),
            "scratch": str(folder),
            "keep": _absolute(request.keep),
            "options": dict(options),
        },
    )
    return path


def _write_seen(path: Path, motion: Motion3D, size: tuple[int, int]) -> None:
    import numpy as np

    from madata.motion import joint_positions
    from madata.render import front_camera

    joints = joint_positions(motion, up="y")
    camera = front_camera([joints], size)
    positions = camera.to_camera(joints) * np.array([1.0, -1.0, -1.0])
    write_npz(path, positions=positions.astype(np.float32), focal_px=np.float64(camera.focal_px))


def _absolute(path: Path | None) -> str | None:
    return None if path is None else str(path.resolve())


def _option(says: CommandFile, name: str, value: Any) -> Value:
    """An option of the command line, of the type that its default has."""
    if name not in says.options:
        raise ConfigError(f"--set {name}: it has no such option{did_you_mean(name, says.options)}")
    default = says.options[name]
    if isinstance(default, float) and type(value) is int:
        return float(value)
    if isinstance(default, str) and not isinstance(value, str):
        return str(value)
    if type(value) is not type(default):
        raise ConfigError(f"--set {name}: expected a {type(default).__name__}, got {value!r}")
    return value


def _ended(child: subprocess.Popen[bytes], within_s: float) -> bool:
    """Whether it ended in time; it is not waited for, so that its number stays its own."""
    watched = os.pidfd_open(child.pid)
    try:
        return bool(select.select([watched], [], [], within_s)[0])
    finally:
        os.close(watched)


def _end_of(log: Path, size: int) -> str:
    with log.open("rb") as stream:
        stream.seek(max(0, log.stat().st_size - size))
        return stream.read(size).decode("utf-8", "replace")


def _print_end(log: Path) -> None:
    """Pass on what the command printed last: it goes where prints of systems go."""
    if log.exists():
        print(_end_of(log, _PRINTED_BYTES), end="", flush=True)  # noqa: T201


def _last_words(log: Path) -> str:
    lines = [line.strip() for line in re.split(r"[\r\n]+", _end_of(log, _PRINTED_BYTES))]
    last = [line[-_LONGEST_LINE:] for line in lines if line][-_LINES_SHOWN:]
    return f"; it printed last: {' | '.join(last)}" if last else "; it printed nothing"
