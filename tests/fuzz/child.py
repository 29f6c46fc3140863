"""Reads mutations in a child of its own: a reader that hangs, eats memory or dies costs the child, and is a finding."""

from __future__ import annotations

import faulthandler
import json
import os
import resource
import signal
import traceback
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from madata.errors import MadanceError
from tests.fuzz.mutations import mutated

SECONDS = 10
"""Of the processor: a busy machine is no fault. Of the clock, twelve times that."""
MEMORY_BYTES = 2 << 30


def survived(name: str, read: Callable[[Path], object], seed: Path, count: int, folder: Path) -> list[str]:
    """What went wrong in reading ``count`` mutations of ``seed``: all but success and an error of our own."""
    findings: list[str] = []
    number = 0
    while number < count:
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            os.close(reading)
            _child(name, read, seed, range(number, count), folder, writing)
        os.close(writing)
        with os.fdopen(reading) as stream:
            lines = [json.loads(line) for line in stream]
        status = os.waitpid(child, 0)[1]
        findings += [f"{name} {line['number']}: {line['fault']}" for line in lines if line["fault"]]
        last = lines[-1]["number"] if lines else number
        if not status:
            break
        if not os.WIFSIGNALED(status):
            raise RuntimeError(f"the child of {name} failed by itself at {last}: status {status}")
        findings.append(f"{name} {last}: ended by {signal.Signals(os.WTERMSIG(status)).name}")
        number = last + 1
    return findings


def mutation(name: str, seed: Path, number: int) -> bytes:
    """The same mutation for the same name and number, everywhere."""
    return mutated(seed.read_bytes(), np.random.default_rng([zlib.crc32(name.encode()), number]))


def _child(
    name: str, read: Callable[[Path], object], seed: Path, numbers: range, folder: Path, pipe: int
) -> None:
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        faulthandler.disable()  # what a dying child would print is a finding already
        warnings.simplefilter("ignore")
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (now + MEMORY_BYTES, now + MEMORY_BYTES))
        for number in numbers:
            path = folder / f"{number}{''.join(seed.suffixes)}"
            path.write_bytes(mutation(name, seed, number))
            _say(pipe, number, None)
            signal.setitimer(signal.ITIMER_PROF, SECONDS)
            signal.alarm(12 * SECONDS)
            try:
                read(path)
            except MadanceError as error:
                if "\n" in str(error)[:1]:
                    _say(pipe, number, "an error without a first line")
            except BaseException as error:
                last = traceback.extract_tb(error.__traceback__)
                ours = next((f for f in reversed(last) if "site-packages" not in f.filename), last[-1])
                _say(pipe, number, f"{type(error).__name__}: {error!s:.200} ({ours.filename}:{ours.lineno})")
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.alarm(0)
            path.unlink()
        os._exit(0)
    finally:
        os._exit(1)


def _say(pipe: int, number: int, fault: str | None) -> None:
    os.write(pipe, (json.dumps({"number": number, "fault": fault}) + "\n").encode())
