"""The check in a process of its own: a system that crashes, exits or hangs gives a finding, not a disaster."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from evaluation.check.rules import Finding, Status, check_system
from evaluation.check.writes import stray_writes, watch_writes
from evaluation.systems import Task, choose_task, find
from madata.errors import MadanceError
from madata.extras import absent_package
from madata.files import parse_json, read_json, scratch_folder, write_json

__all__ = ["check_in_child", "run_order"]

_LOOK_EVERY_S = 1.0
_END = b"end"
_LONGEST_LINE = 200
_MUCH_TO_PRINT = 1 << 20
_STRAYS_NAMED = 3


def check_in_child(
    spec: str,
    task: Task | None,
    *,
    device: str,
    options: Mapping[str, Any],
    out: Path | None,
    limit_s: float,
    size: tuple[int, int] | None = None,
) -> Iterator[Finding]:
    """As :func:`check_system`, in a process of its own: a system that crashes, exits or hangs gives a finding.

    What it prints, and where it writes what is not its own, is found as well.

    Args:
        spec: as :func:`evaluation.systems.find` takes it.
        limit_s: time for all of it.
    """
    with scratch_folder() as scratch:
        order = scratch / "order.json"
        write_json(
            order,
            {
                "spec": spec,
                "task": task,
                "device": device,
                "options": dict(options),
                "out": None if out is None else str(out),
                "size": size,
            },
        )
        prints = scratch / "prints.txt"
        reading, writing = os.pipe()
        with prints.open("wb") as log:
            child = subprocess.Popen(
                [sys.executable, "-m", "evaluation.check", str(order), str(writing)],
                pass_fds=(writing,),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        os.close(writing)
        try:
            yield from _listen(reading, child, limit_s, small=size is not None or task == "motion")
        finally:
            os.close(reading)
            _end(child)
        yield from _printed(prints)


def _listen(
    reading: int, child: subprocess.Popen[bytes], limit_s: float, *, small: bool
) -> Iterator[Finding]:
    """The findings of the child, and how it ended if it did not come to the end of the check.

    Args:
        small: no smaller videos could have been asked for.
    """
    deadline = time.monotonic() + limit_s
    held = b""
    while True:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([reading], [], [], left)[0]:
            smaller = "" if small else ", --size 128x192 asks for small videos"
            yield Finding(
                "time", "fail", f"not finished after {limit_s:.0f} s; --limit-s gives it longer{smaller}"
            )
            return
        part = os.read(reading, 1 << 16)
        if not part:
            break
        *lines, held = (held + part).split(b"\n")
        for line in lines:
            if line == _END:
                return
            yield Finding(**parse_json(line, "the process of the check"))
    code = child.wait()
    how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
    yield Finding("process", "fail", f"the process {how} before the check was done")


def _printed(prints: Path) -> Iterator[Finding]:
    """What the system printed, on standard output or beside it: how much, and the end of it."""
    size = prints.stat().st_size
    if not size:
        return
    with prints.open("rb") as log:
        log.seek(max(0, size - _LONGEST_LINE))
        lines = log.read().decode("utf-8", "replace").split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    shown = "".join(sign if sign.isprintable() else "?" for sign in last[-_LONGEST_LINE:])
    status: Status = "warn" if size > _MUCH_TO_PRINT else "pass"
    yield Finding("prints", status, f"{size} bytes, kept apart from the results; the last line: {shown}")


def _end(child: subprocess.Popen[bytes]) -> None:
    """End the child and whatever it started; the group is its own."""
    if child.poll() is None:
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def run_order(order: Path, pipe: int) -> None:
    """Check what the file ``order`` says; findings go into ``pipe`` as lines of JSON.

    The process ends with the one that started it, even if that was killed.
    """
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    content = read_json(order)

    def say(finding: Finding) -> None:
        os.write(pipe, json.dumps(asdict(finding)).encode() + b"\n")

    watch_writes()
    _report(content, say)
    if strays := stray_writes():
        names = ", ".join(strays[:_STRAYS_NAMED]) + (" and more" if len(strays) > _STRAYS_NAMED else "")
        say(Finding("writes", "warn", f"outside request.scratch and request.keep: {names}"))
    os.write(pipe, _END + b"\n")
    os.close(pipe)


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK_EVERY_S)
    os._exit(1)


def _report(content: Mapping[str, Any], say: Callable[[Finding], None]) -> None:
    try:
        plugin = find(content["spec"])
        task = choose_task(plugin, content["task"])
        say(Finding("load", "pass", f"{plugin.name} from {plugin.origin.kind} {plugin.origin.where}"))
        out = None if content["out"] is None else Path(content["out"])
        size = None if content["size"] is None else tuple(content["size"])
        for finding in check_system(
            plugin, task, device=content["device"], options=content["options"], out=out, size=size
        ):
            say(finding)
    except MadanceError as error:
        say(Finding("load", "fail", str(error)))
    except ModuleNotFoundError as error:  # of ours: what plug-ins raise is caught where they are called
        say(Finding("load", "fail", absent_package(error.name or str(error))))
