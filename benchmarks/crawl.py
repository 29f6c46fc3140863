"""A crawl of thousands of tiny made files, curated end to end: seconds, peak memory, sizes, and how soon it goes on.

    python benchmarks/crawl.py FOLDER [--sources 3000] [--jobs 1]

Each file is two seconds of one made dance, 64x112 px at 8 fps, and one in ten is a still, an empty room or cut short.
Settings are relaxed so that such files give clips. FOLDER keeps the files and the data set: what is there is not made
again, and a second call goes on. Memory is that of the parent and of the largest worker, after each quarter.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np

SIZE, FPS, SECONDS = (64, 112), 8, 2.0
SETTINGS = (
    "sound.required=false", "shots.min_s=1.0", "windows.law=fixed", "windows.min_s=1.0", "windows.max_s=1.0",
    "people.min_height=0", "people.body_share=0", "people.samples_per_s=1.0", "motion.pairs_per_s=4.0",
)  # fmt: skip


def make_sources(folder: Path, count: int) -> None:
    """Write those that are not there. Ten follow each other in one dance, every second one mirrored, each in a tint."""
    from madata.video import EncodeSettings, write_video

    folder.mkdir(parents=True, exist_ok=True)
    settings, frames = EncodeSettings(crf=28, preset="ultrafast"), round(SECONDS * FPS)
    for first in range(0, count, 10):
        paths = [folder / f"{number:05d}.mp4" for number in range(first, min(count, first + 10))]
        if all(path.exists() for path in paths):
            continue
        dance, empty = make_pictures(first, frames + 18)
        for place, path in enumerate(paths):
            pictures = dance[2 * place : 2 * place + frames, :, :: 1 - 2 * (place % 2)]
            if place == 7:
                pictures = np.stack([empty if first % 20 else pictures[0]] * frames)
            tint = np.random.default_rng(first + place).uniform(0.6, 1.0, 3)
            write_video(path, list((pictures * tint).astype(np.uint8)), FPS, settings=settings)
            if (first + place) % 50 == 3:
                content = path.read_bytes()
                path.write_bytes(content[: len(content) * 3 // 4])


def make_pictures(seed: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The pictures of a dance, and the empty room."""
    from madata.render import CapsuleRenderer, front_camera, make_stage
    from madata.synthetic.dance import STYLES, make_dance

    style = STYLES[seed // 10 % len(STYLES)]
    dance = make_dance((count + 1) / FPS, tempo_bpm=90 + seed % 50, fps=FPS, style=style, seed=seed)
    renderer = CapsuleRenderer()
    figure = renderer.figure(dance.motion, seed // 10 % 6)
    camera = front_camera([figure.joints], SIZE)
    stage = make_stage("room", camera, [figure.joints], figure.lowest(), seed=seed)
    return np.stack([renderer.draw([figure], frame, stage) for frame in range(count)]), stage.image


class Memory(threading.Thread):
    """Looks at a process and its descendants once a second."""

    def __init__(self, pid: int, journal: Path, count: int) -> None:
        super().__init__(daemon=True)
        self.pid, self.journal, self.count = pid, journal, count
        self.quarters: dict[int, tuple[int, float, float]] = {}
        self.peak = [0.0, 0.0]

    def run(self) -> None:
        while (own := resident_mb(self.pid)) is not None:
            workers = max((resident_mb(pid) or 0.0 for pid in descendants(self.pid)), default=0.0)
            self.peak = [max(self.peak[0], own), max(self.peak[1], workers)]
            done = sum(1 for path in self.journal.glob("*/*.json") if ".analysed" not in path.name)
            quarter = 4 * done // self.count
            if quarter and quarter not in self.quarters:
                self.quarters[quarter] = done, own, workers
            time.sleep(1.0)


def resident_mb(pid: int) -> float | None:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    except (OSError, IndexError):
        return None


def descendants(pid: int) -> list[int]:
    """Processes below one."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, IndexError):
            continue
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found[1:]


def curate(sources: Path, out: Path, count: int, jobs: int) -> None:
    command = [sys.executable, "-m", "madata", "curate", str(sources), "--out", str(out), "--jobs", str(jobs)]
    for setting in SETTINGS:
        command += ["--set", setting]
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    with (out.parent / "curate.log").open("a") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        memory = Memory(process.pid, out / "journal", count)
        memory.start()
        code = process.wait()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    own = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(
        f"  exit code {code}, {time.perf_counter() - began:.0f} s, {own:.1f} CPU s in the parent", flush=True
    )
    for quarter, (done, parent, worker) in sorted(memory.quarters.items()):
        print(f"  quarter {quarter}: {done} sources, parent {parent:.0f} MB, largest worker {worker:.0f} MB")
    print(f"  peak: parent {memory.peak[0]:.0f} MB, largest worker {memory.peak[1]:.0f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sources", type=int, default=3000)
    parser.add_argument("--jobs", type=int, default=1)
    arguments = parser.parse_args()
    sources, out = arguments.folder / "sources", arguments.folder / "data"
    make_sources(sources, arguments.sources)
    for run in ("first run, or what was left of it", "the same command again"):
        print(run, flush=True)
        curate(sources, out, arguments.sources, arguments.jobs)
    for name in (
        "*.parquet",
        "report*",
        "contact_sheet*",
        "clips/**/*.mp4",
        "journal/**/*.json",
        "thumbnails/**/*",
    ):
        files = [path for path in out.glob(name) if path.is_file()]
        print(f"  {name}: {len(files)} files, {sum(path.stat().st_size for path in files) / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
