"""Processes that begin to compute music at once: one compiles what librosa consists of, and nobody loads halves."""

import os
import select
import subprocess
import sys

import pytest

from madata.files import filled_by_one

FILLS = """
import sys
from pathlib import Path
from madata.files import filled_by_one

with filled_by_one(Path(sys.argv[1])) as alone:
    print(alone, flush=True)
    input()
"""
BEATS = """
import numpy as np
from madata.librosa_parts import librosa

clicks = np.zeros(22050 * 4, np.float32)
clicks[::11025] = 1
print(librosa.beat.beat_track(y=clicks, sr=22050, units="time")[1].size)
"""


def start(code, *arguments, **environment):
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)], text=True, env=os.environ | environment,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def test_one_process_fills_while_the_others_wait(tmp_path):
    first = start(FILLS, tmp_path)
    assert first.stdout.readline() == "True\n"
    others = [start(FILLS, tmp_path) for _ in range(2)]
    assert select.select([other.stdout for other in others], [], [], 2)[0] == []
    first.kill()
    first.wait()
    second = select.select([other.stdout for other in others], [], [], 60)[0][0]
    assert second.readline() == "True\n"
    filler = next(other for other in others if other.stdout is second)
    filler.communicate("\n", timeout=60)
    waiter = next(other for other in others if other is not filler)
    assert waiter.communicate("\n", timeout=60)[0] == "False\n"
    with filled_by_one(tmp_path) as alone:
        assert not alone


@pytest.mark.nightly
def test_processes_that_begin_with_nothing_compiled_hear_the_same(tmp_path):
    processes = [start(BEATS, NUMBA_CACHE_DIR=str(tmp_path)) for _ in range(3)]
    heard = {process.communicate(timeout=900)[0] for process in processes}
    assert [process.returncode for process in processes] == [0, 0, 0] and len(heard) == 1
