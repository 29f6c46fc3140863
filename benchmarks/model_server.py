"""Frames a second through one model server: python -m benchmarks.model_server --device cuda --workers 16

Each worker sends windows of random thumbnails, as fast as they are answered: what TransNet V2 finds in them costs the
same. Beside it stands what the same windows cost in a process of their own on the CPU.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable

import numpy as np

from madata.engine import run
from madata.shots import boundary_stream

_WINDOW, _STEP = 100, 50


def worker(item: tuple[str, int], report: Callable[[float], None]) -> tuple[float, float, int]:
    """(when the first window was answered, when the last was, windows between) of one worker's stream."""
    device, windows = item
    stream = boundary_stream(device)
    frames = np.random.default_rng(0).integers(0, 256, (_WINDOW, 27, 48, 3), np.uint8)
    first = last = 0.0
    answered = 0
    for number in range(_WINDOW + windows * _STEP):
        if len(stream.feed(frames[number % _WINDOW])[0]):
            last = time.time()
            first, answered = first or last, answered + 1
    return first, last, answered - 1


def main() -> None:
    """Measure and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--workers", type=int, default=16)
    parser.add_argument("--windows", type=int, default=200, help="of each worker")
    given = parser.parse_args()
    items = [(given.device, given.windows)] * given.workers
    outcomes = list(run(worker, items, jobs=given.workers, packages=("torch",), device=given.device))
    if error := next((one.error for one in outcomes if one.error), None):
        raise SystemExit(error)
    found = [one.value for one in outcomes if one.value is not None]
    seconds = max(last for _, last, _ in found) - min(first for first, _, _ in found)
    frames = _STEP * sum(windows for *_, windows in found)
    print(
        json.dumps({"workers": given.workers, "frames": frames, "frames_per_s": round(frames / seconds, 1)})
    )


if __name__ == "__main__":
    main()
