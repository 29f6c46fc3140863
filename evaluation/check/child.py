"""The check in a process of its own: a system that crashes, exits or hangs gives a finding, not a disaster."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from evaluation.check.rules import Finding, check
from evaluation.systems import Task, choose_task, find
from madata.errors import MadanceError
from madata.files import read_json, write_json

__all__ = ["check_in_child", "run_order"]

_LOOK_EVERY_S = 1.0


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
                "size": size,
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


def _listen(
    reading: int, child: subprocess.Popen[bytes], deadline: float, limit_s: float
) -> Iterator[Finding]:
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


def run_order(order: Path, pipe: int) -> None:
    """Check what the file ``order`` says; findings go into ``pipe`` as lines of JSON.

    The process ends with the one that started it, even if that was killed.
    """
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    content = read_json(order)

    def say(finding: Finding) -> None:
        os.write(pipe, json.dumps(asdict(finding)).encode() + b"\n")

    _report(content, say)
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
        for finding in check(
            plugin, task, device=content["device"], options=content["options"], out=out, size=size
        ):
            say(finding)
    except MadanceError as error:
        say(Finding("load", "fail", str(error)))
